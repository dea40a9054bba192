package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rasad/geo"
	"rasad/streams"
)

// stopped is a journal at rest, and all that is true of it.
type stopped struct {
	dir    string
	frames map[uint64]string // hash of each frame
	states map[uint64]uint64 // state after each
	state  uint64
	last   uint64
}

// rest writes a journal with several keyframes and restarts, and leaves it
// after a clean stop, or as a crash leaves it.
func rest(t *testing.T, crash bool) *stopped {
	t.Helper()
	s := &stopped{dir: t.TempDir(), frames: map[uint64]string{}, states: map[uint64]uint64{}}
	from := s.dir
	if crash {
		from = t.TempDir()
	}
	ctx := context.Background()
	var j *streams.Journal
	var w *geo.World
	for life := range 3 {
		var err error
		if j, w, _, err = streams.OpenJournal(ctx, options(from)); err != nil {
			t.Fatal(err)
		}
		x := &writer{j, w, rand.New(rand.NewPCG(uint64(life), 9))}
		for n := range 60 {
			if _, _, err := x.write(ctx); err != nil {
				t.Fatal(err)
			}
			if n == 30 {
				if err := j.Snapshot(ctx, w.View(), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if life < 2 {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for f, err := range j.Frames(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		s.frames[f.Seq], s.states[f.Seq] = hashOf(f), f.State
	}
	s.state, s.last = w.View().Hash(), w.View().Seq()
	if crash {
		if err := os.CopyFS(s.dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// kindOf sorts the files of a data folder.
func kindOf(path string) string {
	switch {
	case strings.HasSuffix(path, ".mark"):
		return "mark"
	case strings.HasSuffix(path, ".keyframe"):
		return "keyframe"
	case strings.HasSuffix(path, ".blk"):
		return "journal, frames"
	case strings.Contains(path, "/nats/"):
		return "journal, other files"
	}
	return ""
}

// weights are how many of 20 flips go to each kind, whatever its size.
var weights = []struct {
	kind string
	of20 int
}{{"journal, frames", 9}, {"journal, other files", 4}, {"mark", 3}, {"keyframe", 4}}

// files lists a data folder by kind.
func (s *stopped) files(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if kind := kindOf(path); err == nil && kind != "" && info.Size() > 0 {
			rel, _ := filepath.Rel(s.dir, path)
			out[kind] = append(out[kind], rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range out {
		slices.Sort(files)
	}
	return out
}

// One bit is flipped in the stopped journal, its mark or a keyframe, and the
// journal opened. The outcome is harmless by proof (every frame and the world
// are what they were), repaired (likewise, and said so), or named. Silent is
// what must not be: something differs and nobody says so.
func TestFlip(t *testing.T) {
	grounds := []*stopped{rest(t, false), rest(t, true)}
	r := rand.New(rand.NewPCG(flipsSeed, 1))
	table := map[[2]string]int{}
	for n := range flips {
		s := grounds[n%2]
		kind, at := "", n/2%20
		for _, w := range weights {
			if at < w.of20 {
				kind = w.kind
				break
			}
			at -= w.of20
		}
		files := s.files(t)[kind]
		if len(files) == 0 {
			t.Fatalf("no files of kind %q", kind)
		}
		file := files[r.IntN(len(files))]
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bit := r.IntN(len(b) * 8)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		outcome, said := s.judge(t, dir)
		table[[2]string{kind, outcome}]++
		if strings.HasPrefix(outcome, "SILENT") {
			t.Errorf("flip %d: %s, bit %d (crash %v): %s: %s", n, file, bit, n%2 == 1, outcome, said)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	keys := slices.SortedFunc(maps.Keys(table), func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	var out strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&out, "\n%-22s %-45s %5d", k[0], k[1], table[k])
	}
	t.Logf("%d single-bit flips:%s", flips, out.String())
}

// The outcomes.
const (
	harmless   = "harmless by proof"
	repaired   = "repaired, nothing lost"
	namedStart = "named at the start, last frames lost"
	namedWhole = "named at the start, past lost, world whole"
	namedPast  = "named at the start, past holed, world whole"
	namedCheck = "named by the background check, world whole"
	refused    = "start refused, named"
)

// judge opens the harmed copy and says what came of it.
func (s *stopped) judge(t *testing.T, dir string) (outcome, said string) {
	t.Helper()
	ctx := context.Background()
	j, w, r, err := streams.OpenJournal(ctx, options(dir))
	if err != nil {
		if errors.Is(err, streams.ErrUnrecoverable) {
			return refused, err.Error()
		}
		return "SILENT: an error that names nothing", err.Error()
	}
	defer func() { _ = j.Close() }()
	said = strings.Join(append(r.Damaged, r.Repaired...), "; ")
	v := w.View()
	if v.Seq() <= s.last {
		return "SILENT: a sequence is used twice", said
	}
	if len(r.Damaged) > 0 && r.NewEpoch {
		if !slices.Contains(slices.Collect(maps.Values(s.states)), v.Hash()) {
			return "SILENT: the world is of no recorded frame", said
		}
		if !strings.Contains(said, "frame") {
			return "SILENT: the damage names no frame", said
		}
		if v.Hash() == s.state {
			return namedWhole, said
		}
		return namedStart, said
	}
	if v.Hash() != s.state {
		return "SILENT: another world", said
	}
	found, err := j.Check(ctx)
	if err != nil {
		return "SILENT: the check ends with an error", err.Error()
	}
	switch {
	case len(r.Damaged) > 0:
		return namedPast, said
	case len(found) > 0:
		return namedCheck, strings.Join(found, "; ")
	}
	left := len(s.frames)
	for f, err := range j.Frames(ctx, 0) {
		if err != nil {
			return "SILENT: replay ends with an error", err.Error()
		}
		if f.Seq > s.last {
			continue // the pen's own
		}
		if s.frames[f.Seq] != hashOf(f) {
			return "SILENT: another frame", fmt.Sprint(f.Seq)
		}
		left--
	}
	switch {
	case left != 0:
		return "SILENT: frames are missing", fmt.Sprint(left)
	case len(r.Repaired) > 0:
		return repaired, said
	}
	return harmless, ""
}
