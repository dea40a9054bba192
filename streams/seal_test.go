package streams

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"rasad/geo"
)

func mustSeal(t testing.TB, dir string) *Sealer {
	t.Helper()
	s, err := OpenSealer(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSealedFieldOutlivesRestartAndNotErasure(t *testing.T) {
	dir := t.TempDir()
	s := mustSeal(t, dir)
	caller, err := s.Seal("caller", []byte("0912 000 0000"))
	if err != nil {
		t.Fatal(err)
	}
	patient, err := s.Seal("patient", []byte("M, 54"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(caller.Box, []byte("0912")) {
		t.Fatal("the box shows what it holds")
	}
	digest := s.Digest([]byte("body"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustSeal(t, dir)
	if got, err := s.Open(caller); err != nil || string(got) != "0912 000 0000" {
		t.Fatalf("after a restart: got %q, %v", got, err)
	}
	if !bytes.Equal(digest, s.Digest([]byte("body"))) || bytes.Equal(digest, s.Digest([]byte("bodz"))) {
		t.Error("digests are not of the body and the installation alone")
	}
	key := s.keys[mustKeyID(t, s, caller)].key
	if err := s.Erase(caller.KeyID); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(caller.KeyID); err != nil {
		t.Fatalf("erasing again: %v", err)
	}
	for range 2 { // now, and after a restart
		if _, err := s.Open(caller); !errors.Is(err, ErrErased) {
			t.Errorf("got %v, want %v", err, ErrErased)
		}
		if got, err := s.Open(patient); err != nil || string(got) != "M, 54" {
			t.Errorf("another field: got %q, %v", got, err)
		}
		s = mustSeal(t, dir)
	}
	file, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, key[:]) {
		t.Error("the erased key is still in the file")
	}
	if info, err := os.Stat(filepath.Join(dir, "keys")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
}

func mustKeyID(t testing.TB, s *Sealer, f geo.Sealed) (id keyID) {
	t.Helper()
	for id, k := range s.keys {
		if found, err := s.find(f.KeyID); err == nil && found == k {
			return id
		}
	}
	t.Fatal("no such key")
	return id
}

func TestSealRefuses(t *testing.T) {
	s, other := mustSeal(t, t.TempDir()), mustSeal(t, t.TempDir())
	box, err := s.Seal("caller", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	change := func(do func(*geo.Sealed)) geo.Sealed {
		c := box
		c.Box = bytes.Clone(box.Box)
		do(&c)
		return c
	}
	tests := map[string]struct {
		at   *Sealer
		box  geo.Sealed
		want error
	}{
		"a box of another installation": {other, box, ErrKeyMissing},
		"a box under another name":      {s, change(func(c *geo.Sealed) { c.Name = "notes" }), ErrSeal},
		"a flipped bit":                 {s, change(func(c *geo.Sealed) { c.Box[14] ^= 1 }), ErrSeal},
		"a box cut short":               {s, change(func(c *geo.Sealed) { c.Box = c.Box[:5] }), ErrSeal},
		"a key that is no key":          {s, change(func(c *geo.Sealed) { c.KeyID = "%%" }), ErrKeyMissing},
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := x.at.Open(x.box); !errors.Is(err, x.want) {
				t.Errorf("got %v, want %v", err, x.want)
			}
		})
	}
}

// Each key is written twice: any one flipped bit of the file is repaired, and
// the half record of a crash is forgotten.
func TestSealerRepairsItsFile(t *testing.T) {
	dir := t.TempDir()
	s := mustSeal(t, dir)
	var boxes []geo.Sealed
	for range 5 {
		b, err := s.Seal("caller", []byte("who"))
		if err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, b)
	}
	if err := s.Erase(boxes[0].KeyID); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	path := filepath.Join(dir, "keys")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		b := bytes.Clone(whole)
		bit := r.IntN(len(b) * 8)
		b[bit/8] ^= 1 << (bit % 8)
		b = append(b, make([]byte, r.IntN(keyRecord))...)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustSeal(t, dir)
		if s.Lost() != 0 {
			t.Fatalf("bit %d: %d keys lost", bit, s.Lost())
		}
		if _, err := s.Open(boxes[0]); !errors.Is(err, ErrErased) {
			t.Fatalf("bit %d: erased field: %v", bit, err)
		}
		for _, x := range boxes[1:] {
			if _, err := s.Open(x); err != nil {
				t.Fatalf("bit %d: %v", bit, err)
			}
		}
		_ = s.Close()
		if back, err := os.ReadFile(path); err != nil || !bytes.Equal(back, whole) {
			t.Fatalf("bit %d: the file was not repaired (%v)", bit, err)
		}
	}
}
