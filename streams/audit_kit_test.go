package streams

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// signedGround is a stopped, whole record of two epochs with signed heads, held
// in memory, so that a test can harm it ten thousand times.
type signedGround struct {
	dir   string
	files fstest.MapFS
}

func newSignedGround(t testing.TB) *signedGround {
	t.Helper()
	g := &signedGround{dir: t.TempDir()}
	var seed uint64 = 7
	session := func(write func(s *scribe, h *Heads)) {
		j, w, _, err := OpenJournal(context.Background(), testOptions(g.dir))
		if err != nil {
			t.Fatal(err)
		}
		h, err := OpenHeads(j)
		if err != nil {
			t.Fatal(err)
		}
		seed++
		s := newScribe(j, w, seed)
		s.units = 12
		write(s, h)
		s.snapshot(t)
		mustSign(t, h)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	session(func(s *scribe, h *Heads) {
		mustSign(t, h)
		for range 3 {
			s.write(t, 8)
			s.snapshot(t)
			mustSign(t, h)
			s.write(t, 3)
			mustSign(t, h)
		}
	})
	session(func(s *scribe, h *Heads) { s.write(t, 9); mustSign(t, h) })
	// Without a mark nobody knows how much was acknowledged: a new epoch begins.
	if err := os.Remove(filepath.Join(g.dir, "live.mark")); err != nil {
		t.Fatal(err)
	}
	session(func(s *scribe, h *Heads) {
		mustSign(t, h)
		s.write(t, 12)
		s.snapshot(t)
		mustSign(t, h)
		s.write(t, 12)
	})
	g.files = readAll(t, g.dir)
	return g
}

func mustSign(t testing.TB, h *Heads) {
	t.Helper()
	if err := h.Sign(context.Background()); err != nil {
		t.Fatalf("sign: %v", err)
	}
}

// readAll holds a folder in memory.
func readAll(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = &fstest.MapFile{Data: b, Mode: 0o600}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (g *signedGround) copy() fstest.MapFS {
	out := fstest.MapFS{}
	for name, f := range g.files {
		out[name] = f
	}
	return out
}

// names returns the files that begin and end so, in order.
func (g *signedGround) names(prefix, suffix string) (out []string) {
	_ = fs.WalkDir(g.files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasPrefix(path, prefix) && strings.HasSuffix(path, suffix) {
			out = append(out, path)
		}
		return err
	})
	return out
}

func audited(t testing.TB, folder fs.FS, o AuditOptions) *AuditReport {
	t.Helper()
	o.settle = -1
	r, err := VerifyRecord(context.Background(), folder, o)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}
