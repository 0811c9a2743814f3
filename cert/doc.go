// Package cert makes, judges and watches the certificates of a cluster.
//
// An operator's side: [CreateCA] makes an authority, [CA.Issue] a certificate
// for a node, [CA.Renew] a fresh one for the same key, [CA.Revoke] a list of
// those that no longer count. [Dir] keeps all of them as files, the way the
// command does.
//
// A node's side: [Files] reads an authority, a certificate and a key, watches
// them and hands out the set in force as a [Snapshot]. [Trust.Check] is the
// verdict on a certificate that a peer shows; its refusals are a [CheckError],
// with words for people and a [Reason] for counters.
//
// # What a node's certificate needs
//
// A key of kind ed25519, P-256 or P-384; an extendedKeyUsage that lists
// serverAuth and clientAuth by name, since every node dials and is dialled (a
// certificate without that extension is refused, and so is
// anyExtendedKeyUsage); digitalSignature, if there is a keyUsage; a common
// name, which is what people call the node. It is not an authority. With
// openssl:
//
//	extendedKeyUsage=serverAuth,clientAuth
//	keyUsage=digitalSignature
//
// An authority has an RSA key of 2048 to 8192 bits, or P-256, P-384 or
// ed25519, and CA:TRUE. Signatures with MD5 or SHA-1 count for nothing.
//
// # Where data goes
//
// Keys are written as PKCS#8 with mode 0600, all else with mode 0644; each file
// appears whole or not at all. Nothing here opens a socket.
package cert
