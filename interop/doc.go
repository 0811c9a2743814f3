// Package interop tests Kith against other implementations of devp2p: processes
// of their own, real sockets, go-ethereum's p2p package and @ethereumjs/devp2p.
//
// Run go test in this directory. It needs node and npm for ethereumjs, whose
// packages it installs from js/package-lock.json the first time. KITH_LONG=1 adds
// the tests that wait for pings.
//
// cmd/kithnode, cmd/gethnode and js/node.js are nodes that do what a test orders
// and tell what happens to them; package puppet is the language. What no such
// node would say, a striker says: geth's rlpx.Conn with hellos, frames and bytes
// of the test's choosing.
package interop
