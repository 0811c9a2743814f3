//go:build race

package rlpx

const race = true
