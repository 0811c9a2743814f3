package p2ptest_test

import "testing"

func TestExample(t *testing.T) { testPing(t) }
