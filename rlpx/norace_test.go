//go:build !race

package rlpx

const race = false
