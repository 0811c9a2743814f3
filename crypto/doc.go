// Package crypto is the key of a node in an open network and what is done with
// it: secp256k1 keys that sign and agree, and the hash Keccak-256.
//
// Start with [GenerateKey], or [LoadKey] where there is one in a file. A
// [PrivateKey] signs with Sign, and agrees on a secret with Agree; the
// [PublicKey] of whoever signed comes back from [Recover]. [Keccak256] hashes
// what is there at once, a [Keccak] what comes in pieces.
//
// Arithmetic with a secret takes a time that does not depend on it. What is
// parsed from a peer is checked before any arithmetic: no key here stands for a
// point that is not on the curve.
//
// The permutation of Keccak is written by internal/keccakgen: in Go for all
// processors, and in assembly for amd64 ones with BMI1 and BMI2, which take a
// fifth less time for it. The build tag purego leaves the assembly out.
//
// Data goes nowhere from here but into the file that [PrivateKey.Save] is
// given.
package crypto
