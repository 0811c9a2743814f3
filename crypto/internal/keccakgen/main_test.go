package main

import (
	"os"
	"testing"
)

func TestFilesAreFresh(t *testing.T) {
	for name, want := range files() {
		got, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is not what keccakgen writes: go generate ./crypto", name)
		}
	}
}

func TestLanesComeHomeAfterFourRounds(t *testing.T) {
	l := home()
	for r := range 4 {
		if r > 0 && l == home() {
			t.Errorf("the layout is home after %d rounds, want 4", r)
		}
		l = l.next()
	}
	if l != home() {
		t.Errorf("the layout after four rounds is %v", l)
	}
}
