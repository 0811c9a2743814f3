// Package wire is what gossip says to a peer: records, claims, verdicts and the
// messages that carry them, as bytes.
//
// All integers are big endian. A message's kind travels as the code of its
// p2p.Msg, so a payload starts with its first field. Bytes after the last field
// that we know are skipped, as are fields of a record and entries of a list
// whose tag we do not know: that is how later versions add to this one.
//
// A member is named by the first eight bytes of its id ([Short]) wherever the
// reader can look up the rest, and by the whole id in its record and in
// whatever is signed.
//
// Parsing never allocates more than the bytes it was given call for, and what
// it returns shares no memory with them unless a comment says so.
package wire
