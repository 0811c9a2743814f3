package show_test

import (
	"testing"

	"kith/cmd/kith/internal/show"
)

func TestTame(t *testing.T) {
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"Geth/v1.17.10", 32, "Geth/v1.17.10"},
		{"\x1b[31mred\x1b[0m\n\u009bx", 32, "?[31mred?[0m??x"},
		{"\xff\u202e\x00é", 32, "???é"},
		{"abcdef", 3, "abc…"},
		{"abc", 3, "abc"},
		{"", 3, ""},
	} {
		if got := show.Tame(test.text, test.most); got != test.want {
			t.Errorf("Tame(%q, %d) = %q, want %q", test.text, test.most, got, test.want)
		}
	}
}
