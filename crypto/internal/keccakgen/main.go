// Command keccakgen writes Keccak-f[1600] (FIPS 202, 3.2) unrolled, in place:
// permute_unrolled.go, and permute_amd64.s for processors with BMI1 and BMI2.
// It is run by go generate in kith/crypto.
package main

import (
	"log"
	"os"
)

func main() {
	for name, text := range files() {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func files() map[string]string {
	return map[string]string{"permute_unrolled.go": portable(), "permute_amd64.s": assembly()}
}

// A lane is known by where it is when a round begins: x + 5y.
type lane struct {
	x      int // its column, for theta
	rotate int // by how much rho turns it
	place  int // where it lies in memory
}

// A layout says where in memory the lane x+5y lies. A round writes a row over
// the five lanes that it was made of, which are of five columns, each new lane
// over the old one of its own column. So lanes keep their column, and after four
// rounds all are where they began.
type layout [25]int

func home() (l layout) {
	for i := range l {
		l[i] = i
	}
	return l
}

// row is what pi brings to row y, in the order of x.
func (l *layout) row(y int) (row [5]lane) {
	for x := range row {
		from := (x + 3*y) % 5
		row[x] = lane{from, rotations[from+5*x], l[from+5*x]}
	}
	return row
}

// next is the layout after a round.
func (l *layout) next() (n layout) {
	for y := range 5 {
		for _, from := range l.row(y) {
			n[from.x+5*y] = from.place
		}
	}
	return n
}

// rotations are the offsets of rho, found by walking as FIPS 202, 3.2.2 does.
var rotations = func() (r [25]int) {
	for x, y, t := 1, 0, 0; t < 24; t++ {
		r[x+5*y] = (t + 1) * (t + 2) / 2 % 64
		x, y = y, (2*x+3*y)%5
	}
	return r
}()
