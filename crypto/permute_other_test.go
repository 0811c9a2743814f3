//go:build !amd64 || purego

package crypto

func permutations() map[string]func(*[25]uint64) {
	return map[string]func(*[25]uint64){"go": permuteGo}
}
