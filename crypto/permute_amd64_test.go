//go:build !purego

package crypto

func permutations() map[string]func(*[25]uint64) {
	all := map[string]func(*[25]uint64){"go": permuteGo}
	if fast {
		all["bmi"] = func(a *[25]uint64) { permuteBMI(a, &roundConstants) }
	}
	return all
}
