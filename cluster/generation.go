package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxGeneration is in the year 148,000. What is above it was not written by a
// clock, and one more of it could not be counted.
const maxGeneration = 1 << 62

// errDamaged is about a state file that does not hold a generation.
var errDamaged = errors.New("not a generation")

// nextGeneration is what a run that begins at now calls itself: the time, or one
// more than the last run if the clock has been set back.
func nextGeneration(last uint64, now time.Time) uint64 {
	return max(last+1, uint64(max(now.UnixMilli(), 1)))
}

// beginGeneration takes the next generation after the one in the file and leaves
// it there for the run after this one. The file holds a decimal number and a
// newline. It need not be there. The generation is good even with an error: a
// file that cannot be written only matters once the clock goes back.
func beginGeneration(file string, now time.Time) (uint64, error) {
	if file == "" {
		return nextGeneration(0, now), nil
	}
	last, err := readGeneration(file)
	gen := nextGeneration(last, now)
	return gen, cmp.Or(writeGeneration(file, gen), err)
}

func readGeneration(file string) (uint64, error) {
	b, err := readStart(file, maxState+1)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: read generation: %w", err)
	}
	gen, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if len(b) > maxState || err != nil || gen > maxGeneration {
		return 0, fmt.Errorf("cluster: read generation: %s: %w", file, errDamaged)
	}
	return gen, nil
}

// maxState is how many bytes a state file may have. A longer one is not ours.
const maxState = 64

// readStart reads at most the first n bytes of a file.
func readStart(file string, n int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}

// writeGeneration replaces the file as a whole, so that a crash leaves the old
// one or the new one.
func writeGeneration(file string, gen uint64) error {
	err := func() error {
		f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, gen)
		err = cmp.Or(err, f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), file)
		}
		if err != nil {
			os.Remove(f.Name())
		}
		return err
	}()
	if err != nil {
		return fmt.Errorf("cluster: write generation: %w", err)
	}
	return nil
}
