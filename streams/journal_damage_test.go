package streams

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ground is a stopped journal that tests copy and harm.
type ground struct {
	dir    string
	s      *scribe
	epoch  string
	begin  uint64            // last frame of the first part
	middle string            // a copy of the folder from between
	states map[uint64]uint64 // state hash after each frame
	last   uint64
}

// newGround writes 60 frames with keyframes after 20 and 40.
func newGround(t *testing.T) *ground {
	t.Helper()
	g := &ground{dir: t.TempDir(), middle: t.TempDir(), states: map[uint64]uint64{}}
	j, w, _, err := OpenJournal(context.Background(), testOptions(g.dir))
	if err != nil {
		t.Fatal(err)
	}
	g.s = newScribe(j, w, 3)
	g.epoch = j.Epoch()
	g.s.write(t, 20)
	g.s.snapshot(t)
	g.s.write(t, 20)
	g.s.snapshot(t)
	g.s.write(t, 5)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	g.begin = g.s.w.View().Seq()
	if err := os.CopyFS(g.middle, os.DirFS(g.dir)); err != nil {
		t.Fatal(err)
	}
	j, w, r, err := OpenJournal(context.Background(), testOptions(g.dir))
	if err != nil {
		t.Fatal(err)
	}
	healthy(t, r)
	g.s.j, g.s.w = j, w
	g.s.write(t, 14)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for seq, a := range g.s.acked {
		g.states[seq] = a.state
	}
	g.last = w.View().Seq()
	return g
}

// lastBlock returns the file that holds the end of the journal.
func lastBlock(t *testing.T, dir string) string {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(dir, "nats/jetstream/$G/streams/RASAD_live_*/msgs/*.blk"))
	if err != nil || len(got) == 0 {
		t.Fatalf("got blocks %v, %v", got, err)
	}
	slices.SortFunc(got, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
	return got[len(got)-1]
}

// only returns the only path that matches, in dir.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(got) != 1 {
		t.Fatalf("%s: got %v, %v", pattern, got, err)
	}
	return got[0]
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x10
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// flipFrame flips a bit in the middle of a frame's own bytes: a flip in what NATS
// writes around it would cost nothing, because the frame is read from the file.
func flipFrame(t *testing.T, path string, seq uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	epoch := strings.TrimPrefix(filepath.Base(filepath.Dir(filepath.Dir(path))), "RASAD_live_")
	for _, m := range scanBlock(b, subjectOf("live", epoch)) {
		if m.seq == seq {
			flip(t, path, bytes.Index(b, m.data)+len(m.data)/2)
			return
		}
	}
	t.Fatalf("%s does not hold frame %d", path, seq)
}

func replaceDir(t *testing.T, to, from string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestDamageAtStart(t *testing.T) {
	g := newGround(t)
	const (
		stream = "nats/jetstream/$G/streams/RASAD_live_*"
	)
	keyframes := func(t *testing.T, dir string) []string {
		got, err := filepath.Glob(filepath.Join(dir, "keyframes", "*"+keyframeSuffix))
		if err != nil || len(got) != 3 {
			t.Fatalf("got keyframes %v, %v", got, err)
		}
		slices.Sort(got)
		return got // by sequence: 1, 22, 42
	}
	whole := g.last
	tests := map[string]struct {
		harm     func(t *testing.T, dir string)
		damaged  string // a part of what is named; empty: nothing may be
		repaired string
		seq      uint64 // up to which the world is whole
		err      error
	}{
		"nothing": {harm: func(t *testing.T, dir string) {}, seq: whole},
		"the index of NATS is gone": {harm: func(t *testing.T, dir string) {
			_ = os.Remove(only(t, dir, stream+"/msgs/index.db"))
		}, seq: whole},
		"the newer slot of the mark": {harm: func(t *testing.T, dir string) {
			m, _ := mustMark(t, filepath.Join(dir, "live.mark"))
			flip(t, filepath.Join(dir, "live.mark"), int(m.turn%2)*markSlot+60)
		}, repaired: "one slot of the mark", seq: whole},
		"the older slot of the mark": {harm: func(t *testing.T, dir string) {
			m, _ := mustMark(t, filepath.Join(dir, "live.mark"))
			flip(t, filepath.Join(dir, "live.mark"), int((m.turn+1)%2)*markSlot+60)
		}, repaired: "one slot of the mark", seq: whole},
		"both slots of the mark": {harm: func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "live.mark"), 60)
			flip(t, filepath.Join(dir, "live.mark"), markSlot+60)
		}, damaged: "both slots of the mark", seq: whole},
		"the mark is gone": {harm: func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "live.mark"))
		}, damaged: "both slots of the mark", seq: whole},
		"the mark is an older copy": {harm: func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(g.middle, "live.mark"))
			if err != nil {
				t.Fatal(err)
			}
			_ = os.WriteFile(filepath.Join(dir, "live.mark"), b, 0o600)
		}, damaged: fmt.Sprintf("goes on to frame %d, but the mark stands at frame %d", g.last, g.begin), seq: whole},
		"the mark is of a newer program": {harm: func(t *testing.T, dir string) {
			m, _ := mustMark(t, filepath.Join(dir, "live.mark"))
			w := m.now
			w.format = FormatVersion + 1
			if err := m.setBoth(w); err != nil {
				t.Fatal(err)
			}
		}, err: ErrNewerFormat},
		"the newest keyframe": {harm: func(t *testing.T, dir string) {
			flip(t, keyframes(t, dir)[2], 300)
		}, repaired: "keyframe of frame 42 is not used", seq: whole},
		"the checksum of the newest keyframe": {harm: func(t *testing.T, dir string) {
			flip(t, keyframes(t, dir)[2], -1)
		}, repaired: "keyframe of frame 42 is not used", seq: whole},
		"all keyframes": {harm: func(t *testing.T, dir string) {
			for _, k := range keyframes(t, dir) {
				flip(t, k, 50)
			}
		}, repaired: "no keyframe is left", seq: whole},
		"the journal is gone": {harm: func(t *testing.T, dir string) {
			_ = os.RemoveAll(filepath.Join(dir, "nats"))
		}, damaged: fmt.Sprintf("frames 43 to %d are lost", g.last), seq: 42},
		"the journal and all keyframes are gone": {harm: func(t *testing.T, dir string) {
			_ = os.RemoveAll(filepath.Join(dir, "nats"))
			_ = os.RemoveAll(filepath.Join(dir, "keyframes"))
		}, err: ErrUnrecoverable},
		"only the journal is left": {harm: func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "live.mark"))
			_ = os.RemoveAll(filepath.Join(dir, "keyframes"))
		}, damaged: "both slots of the mark", repaired: "no keyframe is left", seq: whole},
		"only keyframes are left": {harm: func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "live.mark"))
			_ = os.RemoveAll(filepath.Join(dir, "nats"))
		}, damaged: "is missing", seq: 42},
		"only the first keyframe is left": {harm: func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "live.mark"))
			_ = os.RemoveAll(filepath.Join(dir, "nats"))
			for _, k := range keyframes(t, dir)[1:] {
				_ = os.Remove(k)
			}
		}, damaged: "both slots of the mark", seq: 1},
		"the journal is an older copy": {harm: func(t *testing.T, dir string) {
			replaceDir(t, filepath.Join(dir, "nats"), filepath.Join(g.middle, "nats"))
		}, damaged: fmt.Sprintf("it ends with frame %d; frames %d to %d are lost", g.begin, g.begin+1, g.last), seq: g.begin},
		"the stream's description": {harm: func(t *testing.T, dir string) {
			flip(t, only(t, dir, stream+"/meta.inf"), 20)
		}, damaged: fmt.Sprintf("it is missing; frames 43 to %d were read from its files", g.last), seq: whole},
		"a frame of the tail, clean stop": {harm: func(t *testing.T, dir string) {
			flipFrame(t, lastBlock(t, dir), g.last-4)
		}, damaged: "are lost"},
		"a frame of the tail, index gone": {harm: func(t *testing.T, dir string) {
			flipFrame(t, lastBlock(t, dir), g.last-4)
			_ = os.Remove(only(t, dir, stream+"/msgs/index.db"))
		}, damaged: "of epoch"},
		"the journal is cut in its tail": {harm: func(t *testing.T, dir string) {
			path := lastBlock(t, dir)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			_ = os.Truncate(path, info.Size()-1500)
		}, damaged: "of epoch"},
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(g.dir)); err != nil {
				t.Fatal(err)
			}
			x.harm(t, dir)
			j, w, r, err := OpenJournal(context.Background(), testOptions(dir))
			if x.err != nil {
				if !errors.Is(err, x.err) {
					t.Fatalf("got %v, want %v", err, x.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = j.Close() })
			if got := strings.Join(r.Damaged, "; "); !strings.Contains(got, x.damaged) || (got == "") != (x.damaged == "") {
				t.Errorf("got damaged %q, want %q", got, x.damaged)
			}
			if got := strings.Join(r.Repaired, "; "); !strings.Contains(got, x.repaired) {
				t.Errorf("got repaired %q, want %q", got, x.repaired)
			}
			if r.NewEpoch != (x.damaged != "") || r.NewEpoch != (j.Epoch() != g.epoch) {
				t.Errorf("got new epoch %v (%s), damage %v", r.NewEpoch, j.Epoch(), r.Damaged)
			}
			v := w.View()
			if x.seq != 0 && v.Hash() != g.states[x.seq] && !(x.seq == g.last && v.Hash() == g.s.w.View().Hash()) {
				t.Errorf("the world is not the one after frame %d", x.seq)
			}
			if x.seq == 0 && !slices.Contains(values(g.states), v.Hash()) {
				t.Errorf("the world is of no acknowledged frame")
			}
			if v.Seq() <= g.last {
				t.Errorf("frame %d is used again (last was %d)", v.Seq(), g.last)
			}
			// Life goes on, and the next start finds it healthy.
			s := newScribe(j, w, 9)
			s.write(t, 5)
			seq, hash := w.View().Seq(), w.View().Hash()
			_ = j.Close()
			j, w, r = mustOpen(t, testOptions(dir))
			if len(r.Damaged) > 0 || len(r.Repaired) > 0 || r.NewEpoch || w.View().Seq() != seq+1 || w.View().Hash() != hash {
				t.Errorf("start after that: %+v", *r)
			}
		})
	}
}

func values(m map[uint64]uint64) (out []uint64) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// After a crash NATS cuts a block at the first record that it cannot read. One
// flipped bit in an old frame must not cost the newest ones.
func TestOldFrameFlippedAfterACrash(t *testing.T) {
	live, dir := t.TempDir(), t.TempDir()
	j, w, _ := mustOpen(t, testOptions(live))
	s := newScribe(j, w, 30)
	s.write(t, 60)
	s.snapshot(t)
	s.write(t, 20)
	if err := os.CopyFS(dir, os.DirFS(live)); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	flip(t, lastBlock(t, dir), 3000)
	_, w2, r := mustOpen(t, testOptions(dir))
	if got := strings.Join(r.Damaged, "; "); !strings.Contains(got, "frames 63 to 82 were read from its files, so the world is whole as of frame 82") {
		t.Errorf("got %q", got)
	}
	if !r.NewEpoch || w2.View().Hash() != w.View().Hash() {
		t.Error("the world is not the one of the last acknowledged frame")
	}
}

func FuzzScanBlock(f *testing.F) {
	f.Add([]byte("\x60\x00\x00\x80AAAAAAAATTTTTTTT\x01\x00subject\x10\x00\x00\x00NATS/1.0\r\n\r\n"), "s")
	f.Add([]byte{}, "rasad.live.e")
	f.Fuzz(func(t *testing.T, b []byte, subject string) {
		if subject == "" {
			return
		}
		for _, m := range scanBlock(b, subject) {
			if len(m.data) > len(b) {
				t.Fatal("more than there is")
			}
		}
	})
}

func FuzzDecodeKeyframe(f *testing.F) {
	whole, _ := encodeKeyframe(&Frame{V: FormatVersion, World: "live", Epoch: "e", Seq: 1, NextID: 1})
	f.Add(whole)
	f.Add(whole[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 32 { // let the checksum pass, so that the rest is reached
			sum := sha256.Sum256(b[:len(b)-32])
			copy(b[len(b)-32:], sum[:])
		}
		if k, _, err := decodeKeyframe(b); err == nil && (!k.Keyframe() || len(k.Changed) != len(k.Put)) {
			t.Error("got something that is no keyframe")
		}
	})
}
