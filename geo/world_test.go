package geo

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// some makes random features in a small space of ids, keys and places, so that
// everything collides with everything.
type some struct {
	*rand.Rand
	ids    ID
	places func(r *rand.Rand) LngLat
}

func (s some) fix() Fix {
	if s.IntN(8) == 0 {
		return Fix{}
	}
	return Fix{
		At: s.places(s.Rand), Time: Millis(1 + s.IntN(300_000)), Heading: uint16(s.IntN(360)), Speed: uint16(s.IntN(500)),
		Accuracy: uint16(s.IntN(50)), Flags: FixFlags(s.IntN(8)),
	}
}

var someCapabilities = func() (all []string) {
	for i := range 20 { // more than there are bits
		all = append(all, fmt.Sprintf("skill%d", i))
	}
	return all
}()

func (s some) props() Props {
	set := map[string]any{"dispatchable": s.IntN(2) == 0, "name": "Engine \"" + fmt.Sprint(s.IntN(9)) + "\" سلام"}
	if s.IntN(4) > 0 {
		set["status"] = fmt.Sprintf("status%d", s.IntN(18))
	}
	if s.IntN(4) > 0 {
		set["agency"] = fmt.Sprintf("agency%d", s.IntN(3))
	}
	set["type"] = fmt.Sprintf("type%d", s.IntN(70)*s.IntN(2))
	var c []string
	for range s.IntN(4) {
		c = append(c, someCapabilities[s.IntN(len(someCapabilities))*s.IntN(2)])
	}
	set["capabilities"] = c
	return Props("").With(set)
}

func (s some) feature(id ID, key string, rev uint64) *Feature {
	kinds := []Kind{Unit, Unit, Unit, Incident, Site, Call, "unheard-of"}
	f := &Feature{ID: id, Key: key, Kind: kinds[s.IntN(len(kinds))], Rev: rev, Fix: s.fix(), Props: s.props()}
	if s.IntN(3) == 0 {
		f.Due = Millis(1 + s.IntN(20))
	}
	if s.IntN(9) == 0 {
		f.Sealed = []Sealed{{"caller", "k1", []byte{1, byte(s.IntN(9))}}}
	}
	if f.Kind != Unit && f.Fix.Placed() && s.IntN(3) == 0 {
		p := f.Fix.At
		f.Shape = &Shape{Type: LineString, Points: []LngLat{p, {p.Lng / 2, p.Lat / 2}}, Ends: []uint32{2}}
	}
	return f
}

// delta makes a delta that puts with the revision seq. Keys are distinct among
// the features that stand, as the sequencer sees to; a dropped one may come again.
func (s some) delta(seq uint64, keys map[ID]string) Delta {
	var d Delta
	for range s.IntN(3) {
		id := 1 + ID(s.IntN(int(s.ids)))
		d.Drop = append(d.Drop, id)
		delete(keys, id)
	}
	for range s.IntN(4) {
		id := 1 + ID(s.IntN(int(s.ids)))
		if slices.ContainsFunc(d.Put, func(f *Feature) bool { return f.ID == id }) {
			continue
		}
		key, had := keys[id]
		if !had {
			key = fmt.Sprintf("K%d", s.IntN(int(s.ids)))
			for _, k := range keys {
				if k == key {
					key = fmt.Sprintf("K%d-%d", id, seq)
				}
			}
			keys[id] = key
		}
		d.Put = append(d.Put, s.feature(id, key, seq))
	}
	for range s.IntN(6) {
		d.Move = append(d.Move, Move{1 + ID(s.IntN(int(s.ids))), s.fix()})
	}
	return d
}

func town(r *rand.Rand) LngLat {
	return LngLat{514_000_000 + int32(r.IntN(400))*1000, 357_000_000 + int32(r.IntN(400))*1000}
}

// same compares everything that a view answers with the oracle.
func same(t *testing.T, v *View, n *naive) {
	t.Helper()
	if v.Seq() != n.seq || v.Live() != n.live || v.Time() != n.time || v.NextID() != n.nextID {
		t.Fatalf("view is %d+%d at %d next %d, want %d+%d at %d next %d", v.Seq(), v.Live(), v.Time(), v.NextID(), n.seq, n.live, n.time, n.nextID)
	}
	if got, want := v.Hash(), n.hash(); got != want {
		t.Fatalf("hash is %x, want %x", got, want)
	}
	for _, kind := range []Kind{"", Unit, Incident, Call, "unheard-of", "another"} {
		var got []*Feature
		for f := range v.All(kind) {
			got = append(got, f)
		}
		if want := n.all(kind); !reflect.DeepEqual(got, want) || v.Len(kind) != len(want) {
			t.Fatalf("all %q: got %s (%d), want %s", kind, list(got), v.Len(kind), list(want))
		}
	}
	if got, want := v.Keyframe().Put, n.all(""); !reflect.DeepEqual(got, append([]*Feature{}, want...)) {
		t.Fatalf("keyframe: got %s, want %s", list(got), list(want))
	}
	for id := range n.nextID + 2 {
		f, ok := v.ByID(id)
		if want := n.byID[id]; ok != (want != nil) || ok && !reflect.DeepEqual(f, want) || v.Changed(id) != n.changed[id] {
			t.Fatalf("feature %d: got %v changed %d, want %v changed %d", id, f, v.Changed(id), want, n.changed[id])
		}
		key, ok := v.KeyOf(id)
		want := n.tombs[id].Key
		if f := n.byID[id]; f != nil {
			want = f.Key
		}
		if key != want || ok != (want != "") {
			t.Fatalf("key of %d: got %q, want %q", id, key, want)
		}
	}
	for _, f := range n.all("") {
		if g, ok := v.Get(f.Key); !ok || g.ID != f.ID {
			t.Fatalf("key %q: got %v, want %v", f.Key, g, f)
		}
	}
	for _, tomb := range n.tombs {
		if f, ok := v.Get(tomb.Key); ok && !reflect.DeepEqual(f, n.byID[f.ID]) {
			t.Fatalf("dropped key %q: got %v", tomb.Key, f)
		}
	}
	for now := Millis(0); now < 22; now += 3 {
		if got, want := v.Due(now), n.due(now); !reflect.DeepEqual(got, want) {
			t.Fatalf("due at %d: got %s, want %s", now, list(got), list(want))
		}
	}
	var next Millis
	if all := n.due(1 << 40); len(all) > 0 {
		next = all[0].Due
	}
	if v.NextDue() != next {
		t.Fatalf("next due: got %d, want %d", v.NextDue(), next)
	}
}

func list(fs []*Feature) (s string) {
	for _, f := range fs {
		s += fmt.Sprintf(" %+v", *f)
	}
	return "[" + s + " ]"
}

func TestViewsEqualThePlainWorld(t *testing.T) {
	for seed := range uint64(300) {
		s := some{rand.New(rand.NewPCG(seed, 1)), 12 + ID(seed%5*40), town}
		w, n := NewWorld(), newNaive()
		keys := map[ID]string{}
		type moment struct {
			v *View
			n *naive
		}
		var past []moment
		for seq := uint64(1); seq < 25; seq++ {
			if s.IntN(6) == 0 {
				for live := uint64(1); live < 3; live++ {
					moves := s.delta(seq, map[ID]string{}).Move
					w.Overlay(live, Millis(seq*100+live), moves)
					n.overlay(live, Millis(seq*100+live), moves)
					same(t, w.View(), n)
				}
			}
			d := s.delta(seq, keys)
			w.Apply(Moment{seq, Millis(seq * 100)}, d)
			n.apply(Moment{seq, Millis(seq * 100)}, d)
			same(t, w.View(), n)
			past = append(past, moment{w.View(), n.clone()})
		}
		for _, m := range past { // and no view has changed since
			same(t, m.v, m.n)
		}
	}
}

func TestSinceLeadsToNow(t *testing.T) {
	for seed := range uint64(300) {
		s := some{rand.New(rand.NewPCG(seed, 2)), 12, town}
		w := NewWorld()
		keys := map[ID]string{}
		behind := map[uint64]*World{}
		apply := func(seq uint64) {
			d := s.delta(seq, keys)
			w.Apply(Moment{seq, Millis(seq)}, d)
			for _, b := range behind {
				_ = b
			}
		}
		copyOf := func(v *View) *World {
			c := NewWorld()
			c.Load(Moment{v.Seq(), v.Time()}, v.Keyframe(), v.NextID(), nil, nil)
			return c
		}
		for seq := uint64(1); seq < 20; seq++ {
			apply(seq)
			behind[seq] = copyOf(w.View())
			if s.IntN(8) == 0 { // a restart must not forget what was dropped
				v := w.View()
				key := v.Keyframe()
				var changed []uint64
				for _, f := range key.Put {
					changed = append(changed, v.Changed(f.ID))
				}
				if changed == nil {
					changed = []uint64{}
				}
				w = NewWorld()
				w.Load(Moment{v.Seq(), v.Time()}, key, v.NextID(), changed, v.Tombs())
			}
		}
		now := w.View()
		for seq, b := range behind {
			d, ok := now.Since(seq)
			if !ok {
				t.Fatalf("seed %d: no way from %d", seed, seq)
			}
			b.Apply(Moment{now.Seq(), now.Time()}, d)
			if got, want := b.View().Keyframe(), now.Keyframe(); !reflect.DeepEqual(got, want) || b.View().Hash() != now.Hash() {
				t.Fatalf("seed %d: since %d: got %s, want %s", seed, seq, list(got.Put), list(want.Put))
			}
		}
	}
}

func TestSinceNeedsItsTombstones(t *testing.T) {
	w := NewWorld()
	seq := uint64(0)
	apply := func(d Delta) {
		seq++
		w.Apply(Moment{Seq: seq}, d)
	}
	var d Delta
	for id := ID(1); id <= tombsMax+10; id++ {
		d.Put = append(d.Put, &Feature{ID: id, Key: fmt.Sprint(id), Kind: Call, Rev: 1})
	}
	apply(d)
	apply(Delta{Drop: []ID{1, 2, 3}})
	for id := ID(4); id <= tombsMax+3; id += 1000 {
		var d Delta
		for i := id; i < id+1000; i++ {
			d.Drop = append(d.Drop, i)
		}
		apply(d)
	}
	v := w.View()
	if n := len(v.Tombs()); n != tombsMax {
		t.Fatalf("%d tombstones, want %d", n, tombsMax)
	}
	if _, ok := v.Since(1); ok {
		t.Error("Since(1) answered, though frame 2 has dropped what nobody remembers")
	}
	got, ok := v.Since(2)
	if !ok || len(got.Drop) != tombsMax {
		t.Errorf("Since(2) gives %d drops, %v; want %d", len(got.Drop), ok, tombsMax)
	}
	again := NewWorld()
	again.Load(Moment{Seq: seq}, v.Keyframe(), v.NextID(), make([]uint64, v.Len("")), v.Tombs())
	if _, ok := again.View().Since(2); ok {
		t.Error("after a restart Since(2) answered, though the keyframe's oldest tombstone is of 3: another one of 3 may be missing")
	}
	if _, ok := again.View().Since(3); !ok {
		t.Error("after a restart Since(3) did not answer")
	}
	stream := NewWorld()
	stream.Load(Moment{Seq: seq}, v.Keyframe(), v.NextID(), nil, nil)
	if _, ok := stream.View().Since(seq - 1); ok {
		t.Error("a world from a stream's keyframe answered for what was before it")
	}
}

func TestDropOfAKeyThatComesAgain(t *testing.T) {
	w := NewWorld()
	w.Apply(Moment{Seq: 1}, Delta{Put: []*Feature{{ID: 1, Key: "E7", Kind: Unit, Rev: 1}}})
	before := w.View()
	w.Apply(Moment{Seq: 2}, Delta{Drop: []ID{1}, Put: []*Feature{{ID: 2, Key: "E7", Kind: Unit, Rev: 2}}})
	if f, ok := w.View().Get("E7"); !ok || f.ID != 2 {
		t.Errorf("E7 is %v, want 2", f)
	}
	if f, ok := before.Get("E7"); !ok || f.ID != 1 {
		t.Errorf("in the view before, E7 is %v, want 1", f)
	}
	d, _ := w.View().Since(1)
	if !slices.Equal(d.Drop, []ID{1}) || len(d.Put) != 1 {
		t.Errorf("since 1: %v, want the drop of 1 and the put of 2", d)
	}
	if k, _ := w.View().KeyOf(1); k != "E7" {
		t.Errorf("the key of 1 is %q, want E7", k)
	}
}

// The wanted values are from another implementation, in Python.
func TestMixGolden(t *testing.T) {
	tests := map[string]struct {
		id   ID
		rev  uint64
		fix  Fix
		want uint64
	}{
		"nothing at all": {0, 0, Fix{}, 0xb85c01ea9acb59af},
		"a unit in Tehran": {7, 1040, Fix{At: LngLat{513_890_000, 356_892_000}, Time: 1_795_340_460_000,
			Heading: 182, Speed: 114, Accuracy: 8}, 0xbd9a1d350f92c0c0},
		"negative coordinates, long numbers": {1<<32 - 1, 1<<63 + 5, Fix{At: LngLat{-755_466_000, -LatMax}, Time: 1 << 41,
			Heading: HeadingUnknown, Speed: SpeedUnknown, Accuracy: 0xffff, Flags: 7}, 0xab7924ee7d94a0a6},
	}
	for name, tt := range tests {
		if got := Mix(tt.id, tt.rev, tt.fix); got != tt.want {
			t.Errorf("%s: got %#x, want %#x", name, got, tt.want)
		}
	}
}

func always(d time.Duration) func(*Feature) time.Duration {
	return func(*Feature) time.Duration { return d }
}
