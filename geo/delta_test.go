package geo

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func checkMerge(t *testing.T, seed uint64) {
	t.Helper()
	s := some{rand.New(rand.NewPCG(seed, 7)), ID(3 + seed%6), town}
	keys := map[ID]string{}
	start, a, b, c := s.delta(1, keys), s.delta(2, keys), s.delta(3, keys), s.delta(3, keys)
	before := fmt.Sprintf("%+v %+v", a, b)

	oneByOne, merged, grouped := NewWorld(), NewWorld(), NewWorld()
	for i, d := range []Delta{start, a, b, c} {
		oneByOne.Apply(Moment{Seq: uint64(i)}, d)
	}
	merged.Apply(Moment{Seq: 0}, start)
	merged.Apply(Moment{Seq: 3}, a.Merge(b).Merge(c))
	grouped.Apply(Moment{Seq: 0}, start)
	grouped.Apply(Moment{Seq: 3}, a.Merge(b.Merge(c)))
	for name, w := range map[string]*World{"merging": merged, "grouping": grouped} {
		got, want := w.View(), oneByOne.View()
		if !reflect.DeepEqual(got.Keyframe(), want.Keyframe()) || got.Hash() != want.Hash() || got.NextID() != want.NextID() || got.NextDue() != want.NextDue() {
			t.Fatalf("seed %d: %s changed the outcome\ngot  %s\nwant %s", seed, name, list(got.Keyframe().Put), list(want.Keyframe().Put))
		}
	}
	if got := fmt.Sprintf("%+v %+v", a, b); got != before {
		t.Fatalf("seed %d: Merge changed what it was given:\ngot  %s\nwant %s", seed, got, before)
	}
	m := a.Merge(b)
	if !slices.IsSorted(m.Drop) || !slices.IsSortedFunc(m.Put, func(a, b *Feature) int { return int(a.ID) - int(b.ID) }) ||
		!slices.IsSortedFunc(m.Move, func(a, b Move) int { return int(a.ID) - int(b.ID) }) {
		t.Fatalf("seed %d: not in ID order: %+v", seed, m)
	}
	if again := m.Merge(Delta{}); !reflect.DeepEqual(again, m) {
		t.Fatalf("seed %d: merging with nothing: got %+v, want %+v", seed, again, m)
	}
	// What an audience sees of a merge is the merge of what it sees: the same world.
	var seen [2]*World
	for i, d := range []Delta{project(m), project(a).Merge(project(b))} {
		seen[i] = NewWorld()
		seen[i].Apply(Moment{Seq: 1}, project(start))
		seen[i].Apply(Moment{Seq: 3}, d)
	}
	if got, want := seen[0].View(), seen[1].View(); !reflect.DeepEqual(got.Keyframe(), want.Keyframe()) || got.Hash() != want.Hash() {
		t.Fatalf("seed %d: an audience sees another merge\ngot  %s\nwant %s", seed, list(got.Keyframe().Put), list(want.Keyframe().Put))
	}
}

// project is an audience as a hub would have it: it sees no calls and no sealed
// fields, and what it must not see is a drop to it. It depends on the feature only.
// A move it cannot judge goes through: the audience's world ignores what it lacks.
func project(d Delta) Delta {
	out := Delta{Drop: slices.Clone(d.Drop), Move: slices.Clone(d.Move)}
	for _, f := range d.Put {
		if f.Kind == Call {
			out.Drop = append(out.Drop, f.ID)
			out.Move = slices.DeleteFunc(out.Move, func(m Move) bool { return m.ID == f.ID })
			continue
		}
		g := *f
		g.Sealed = nil
		out.Put = append(out.Put, &g)
	}
	return out.Merge(Delta{})
}

func TestMergeIsApplyAfterApply(t *testing.T) {
	for seed := range uint64(2000) {
		checkMerge(t, seed)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(1 << 40))
	f.Fuzz(checkMerge)
}

func TestMerge(t *testing.T) {
	at := func(lng int32) Fix { return Fix{At: LngLat{Lng: lng}, Time: 1} }
	e7 := func(fix Fix) *Feature { return &Feature{ID: 1, Key: "E7", Kind: Unit, Fix: fix} }
	tests := map[string]struct{ first, then, want Delta }{
		"a later position wins": {
			first: Delta{Move: []Move{{1, at(8)}}},
			then:  Delta{Move: []Move{{1, at(9)}}},
			want:  Delta{Move: []Move{{1, at(9)}}},
		},
		"what moves after it was put is put where it is": {
			first: Delta{Put: []*Feature{e7(at(8))}},
			then:  Delta{Move: []Move{{1, at(9)}}},
			want:  Delta{Put: []*Feature{e7(at(9))}},
		},
		"a put carries its own position": {
			first: Delta{Move: []Move{{1, at(8)}}},
			then:  Delta{Put: []*Feature{e7(at(9))}},
			want:  Delta{Put: []*Feature{e7(at(9))}},
		},
		"put and dropped is dropped": {
			first: Delta{Put: []*Feature{e7(at(8))}},
			then:  Delta{Drop: []ID{1}},
			want:  Delta{Drop: []ID{1}},
		},
		"dropped then reported again stays dropped": {
			first: Delta{Drop: []ID{1}},
			then:  Delta{Move: []Move{{1, at(9)}}},
			want:  Delta{Drop: []ID{1}},
		},
		"dropped then put is both, in that order": {
			first: Delta{Drop: []ID{1}},
			then:  Delta{Put: []*Feature{e7(at(9))}},
			want:  Delta{Drop: []ID{1}, Put: []*Feature{e7(at(9))}},
		},
	}
	for name, tt := range tests {
		if got := tt.first.Merge(tt.then); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var frames [2]Delta
	for i := range frames {
		ids := r.Perm(20_000)[:benchFrame]
		slices.Sort(ids)
		for _, id := range ids {
			frames[i].Move = append(frames[i].Move, Move{ID(id + 1), Fix{Time: 1}})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		frames[0].Merge(frames[1])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*benchFrame), "ns/move")
}
