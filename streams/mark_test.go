package streams

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func mustMark(t testing.TB, path string) (*markFile, markHealth) {
	t.Helper()
	m, h, err := openMark(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.close() })
	return m, h
}

func TestMarkRemembersTheLastWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.mark")
	m, h := mustMark(t, path)
	if h != markNew {
		t.Fatalf("got health %d, want new", h)
	}
	for seq := range uint64(5) {
		want := highWater{1, "epoch-1", 3, 2, hash{1}, 2, seq + 2, hash{byte(seq)}}
		if err := m.set(want); err != nil {
			t.Fatal(err)
		}
		again, h := mustMark(t, path)
		if again.now != want || h != markWhole {
			t.Fatalf("got %+v (health %d), want %+v", again.now, h, want)
		}
	}
}

func TestDamagedMark(t *testing.T) {
	const slot = markSlot
	tests := map[string]struct {
		harm   func(b []byte) []byte
		health markHealth
		seq    uint64
	}{
		"the newer slot falls back to one frame older": {func(b []byte) []byte { b[40] ^= 1; return b }, markOlder, 10},
		"the older slot leaves the newest":             {func(b []byte) []byte { b[slot+40] ^= 1; return b }, markOlder, 11},
		"padding counts too":                           {func(b []byte) []byte { b[3000] ^= 4; return b }, markOlder, 10},
		"both slots":                                   {func(b []byte) []byte { b[9] ^= 1; b[slot+9] ^= 1; return b }, markBroken, 0},
		"a torn write of the newer slot":               {func(b []byte) []byte { clear(b[512:slot]); return b }, markOlder, 10},
		"a slot of zeros":                              {func(b []byte) []byte { clear(b[:slot]); return b }, markOlder, 10},
		"a file cut after one slot":                    {func(b []byte) []byte { return b[:slot] }, markOlder, 11},
		"an empty file":                                {func(b []byte) []byte { return nil }, markBroken, 0},
		"slots changed places":                         {func(b []byte) []byte { return append(b[slot:len(b):len(b)], b[:slot]...) }, markBroken, 0},
	}
	for name, x := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "live.mark")
			m, _ := mustMark(t, path)
			for seq := uint64(8); seq <= 11; seq++ { // turns 1 to 4: frame 11 in slot 0
				if err := m.set(highWater{1, "e", 1, 2, hash{}, 2, seq, hash{byte(seq)}}); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, x.harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			m, h := mustMark(t, path)
			if h != x.health || m.now.seq != x.seq {
				t.Errorf("got health %d, frame %d; want %d, %d", h, m.now.seq, x.health, x.seq)
			}
		})
	}
}

// No flipped bit makes the mark say anything but what one of its slots said.
func TestMarkBitFlips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.mark")
	m, _ := mustMark(t, path)
	marks := map[highWater]bool{}
	for seq := range uint64(2) {
		w := highWater{1, "epoch", 7, 2, hash{5}, 2, seq + 40, hash{byte(seq)}}
		marks[w] = true
		if err := m.set(w); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bit := r.IntN(len(whole) * 8)
		whole[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		whole[bit/8] ^= 1 << (bit % 8)
		m, h := mustMark(t, path)
		if h != markOlder || !marks[m.now] {
			t.Fatalf("bit %d: health %d, %+v", bit, h, m.now)
		}
		_ = m.close()
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add(appendMark(nil, 1, highWater{1, "e", 1, 2, hash{}, 2, 9, hash{9}}))
	f.Add(make([]byte, markSlot))
	f.Fuzz(func(t *testing.T, b []byte) {
		turn, w, ok := parseMark(b)
		if !ok {
			return
		}
		if turn2, w2, ok := parseMark(appendMark(nil, turn, w)); !ok || turn2 != turn || w2 != w {
			t.Errorf("got %d %+v after writing, want %d %+v", turn2, w2, turn, w)
		}
	})
}
