package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGenerationsRise(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.key.state")
	now := time.UnixMilli(1701161221917)
	for _, step := range []struct {
		name string
		now  time.Time
		want uint64
	}{
		{"the first run", now, 1701161221917},
		{"within the same millisecond", now, 1701161221918},
		{"a second later", now.Add(time.Second), 1701161222917},
		{"the clock 10 years back", now.AddDate(-10, 0, 0), 1701161222918},
		{"the clock before 1970", time.UnixMilli(-7), 1701161222919},
		{"the clock 10 years ahead", now.AddDate(10, 0, 0), 2016780421917},
		{"and right again", now, 2016780421918},
	} {
		gen, err := beginGeneration(file, step.now)
		if err != nil || gen != step.want {
			t.Errorf("%s: generation %d, %v; want %d", step.name, gen, err, step.want)
		}
	}
}

func TestGenerationsWithoutAGoodFile(t *testing.T) {
	dir := t.TempDir()
	now := time.UnixMilli(1701161221917)
	for name, content := range map[string]string{"garbage": "x", "too high": "9223372036854775807", "negative": "-1", "huge": string(make([]byte, 1<<16)), "empty": "", "good, but too long": "1701161221917" + strings.Repeat("\n", 60)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		gen, err := beginGeneration(file, now)
		if !errors.Is(err, errDamaged) || gen != 1701161221917 {
			t.Errorf("%s: generation %d, %v; want the time and errDamaged", name, gen, err)
		}
		if gen, err = beginGeneration(file, now); err != nil || gen != 1701161221918 {
			t.Errorf("%s, the next run: generation %d, %v; want one more", name, gen, err)
		}
	}
	if gen, err := beginGeneration(filepath.Join(dir, "no", "such"), now); err == nil || gen != 1701161221917 {
		t.Errorf("no directory: generation %d, %v; want the time and an error", gen, err)
	}
	if gen, err := beginGeneration("", now); err != nil || gen != 1701161221917 {
		t.Errorf("no file: generation %d, %v; want the time", gen, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.*")); err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
}
