//go:build !purego

package crypto

// fast tells whether permuteBMI may be called here.
var fast = hasBMI()

// permute is Keccak-f[1600] (FIPS 202, 3.3): the lane at (x, y) is a[x+5y].
func permute(a *[25]uint64) {
	if fast {
		permuteBMI(a, &roundConstants)
	} else {
		permuteGo(a)
	}
}

// permuteBMI needs a processor with BMI1 and BMI2.
//
//go:noescape
func permuteBMI(a *[25]uint64, constants *[24]uint64)

// hasBMI asks the processor for BMI1 and BMI2.
func hasBMI() bool
