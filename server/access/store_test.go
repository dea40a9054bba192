package access

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A store is, after a reopening at any moment, what a map would be; its file stays
// within a bound however long it lives.
func TestFileStoreEqualsAMap(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenFileStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Session{}
	r := rand.New(rand.NewPCG(5, 5))
	path := filepath.Join(dir, "sessions.jsonl")
	for i := range 12_000 {
		id := fmt.Sprint("s", r.IntN(40))
		if r.IntN(5) == 0 {
			delete(want, id)
			if i > 300 { // each is synced: a few hundred are enough
				continue
			}
			err = s.Delete(t.Context(), id)
		} else {
			want[id] = Session{ID: id, Key: sha(id), Role: Viewer, Seen: time.Unix(r.Int64N(1e9), 0).UTC(), Agent: "a browser with a long name that fills the file"}
			err = s.Put(t.Context(), want[id])
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == 300 || i == 11_999 {
			for id := range s.live { // those that were skipped above
				if _, ok := want[id]; !ok {
					if err := s.Delete(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
			}
			if r.IntN(2) == 0 { // as a kill would leave it, with half a line
				f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				_, _ = f.WriteString(`{"session":{"id":"half`)
				f.Close()
			}
			if s, err = OpenFileStore(dir); err != nil {
				t.Fatal(err)
			}
			kept, err := s.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]Session{}
			for _, x := range kept {
				got[x.ID] = x
			}
			if !maps.Equal(got, want) {
				t.Fatalf("after %d changes: %d sessions, want %d", i, len(got), len(want))
			}
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Size() > 2*compactAbove || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi, err)
	}
}

func TestFileStoreHealsAfterAWriteThatFailed(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenFileStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	one, two := Session{ID: "1", Key: sha("1")}, Session{ID: "2", Key: sha("2")}
	s.f.Close() // writes fail from here
	if err := s.Put(t.Context(), one); err == nil {
		t.Error("a write to a closed file succeeded")
	}
	if err := s.Put(t.Context(), two); err != nil {
		t.Errorf("the next write: %v", err)
	}
	again, err := OpenFileStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if kept, _ := again.Load(t.Context()); len(kept) != 2 {
		t.Errorf("%d sessions are kept, want both", len(kept))
	}
	if err := errors.Join(again.Close(), again.Close()); err != nil {
		t.Error(err)
	}
	if err := again.Put(t.Context(), one); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after it was closed: %v", err)
	}
}

func FuzzFileStore(f *testing.F) {
	f.Add([]byte(`{"session":{"id":"a","key":"k"}}` + "\n" + `{"over":"a"}` + "\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "sessions.jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenFileStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
