// Package e2e holds no code: its tests run real processes with real
// certificates over real sockets, and take networks and processes away from
// them.
//
// A test starts this test binary again as a child that plays a role (roles in
// main_test.go), or the command itself. Where a cable has to be pulled or
// packets have to be lost, the children live in network namespaces of their own
// (lab_test.go), which need Linux, root, ip, nft and nsenter; elsewhere those
// tests are skipped. A namespace belongs to a child and ends with it, so nothing
// is left behind however a run ends.
package e2e
