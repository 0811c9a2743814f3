//go:build !linux

package e2e

import "syscall"

func dieWithUs(*syscall.SysProcAttr) {}

func namespaceOfItsOwn() *syscall.SysProcAttr { return nil }

func peakMemory() uint64 { return 0 }

func descriptors() int { return 0 }

func (c *child) pause() { c.t.Skip("SKIP pause: no linux") }

func (c *child) resume() {}
