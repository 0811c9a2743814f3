//go:build !amd64 || purego

package crypto

func permute(a *[25]uint64) { permuteGo(a) }
