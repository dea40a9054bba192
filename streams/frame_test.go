package streams

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"rasad/geo"
)

// mergeLaw checks on a world of few ids that two frames do what their merger
// does, also when all went through bytes.
func mergeLaw(t *testing.T, seed uint64) {
	t.Helper()
	w := newHubWriter(t, seed)
	w.r = rand.New(rand.NewPCG(seed, 7))
	for range w.r.IntN(4) {
		w.write(w.delta(6))
	}
	from := w.world.View()
	frames := make([]*Frame, 2+w.r.IntN(4))
	for i := range frames {
		f, err := ParseFrame(w.write(w.delta(6)).Encode())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		frames[i] = f
	}
	merged := frames[0]
	for _, f := range frames[1:] {
		merged = merged.Merge(f)
	}
	// Any grouping gives the same frame.
	right := frames[len(frames)-1]
	for i := len(frames) - 2; i >= 0; i-- {
		right = frames[i].Merge(right)
	}
	if !reflect.DeepEqual(merged, right) {
		t.Fatalf("seed %d: merged from the left %+v, from the right %+v", seed, merged, right)
	}
	parsed, err := ParseFrame(merged.Encode())
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	got := geo.NewWorld()
	got.Load(geo.Moment{Seq: from.Seq(), Time: from.Time()}, from.Keyframe(), from.NextID(), nil, nil)
	if parsed.Base != from.Seq() || parsed.Seq != w.world.View().Seq() || len(parsed.Acts) != len(frames) {
		t.Fatalf("seed %d: the merger goes from %d to %d with %d acts", seed, parsed.Base, parsed.Seq, len(parsed.Acts))
	}
	got.Apply(geo.Moment{Seq: parsed.Seq, Time: parsed.Time}, parsed.Delta)
	if got.View().Hash() != w.world.View().Hash() || parsed.State != got.View().Hash() || !reflect.DeepEqual(got.View().Keyframe(), w.world.View().Keyframe()) {
		t.Fatalf("seed %d: merging changed the outcome: got %+v, want %+v", seed, got.View().Keyframe(), w.world.View().Keyframe())
	}
}

func TestMergeOfFramesKeepsTheLaw(t *testing.T) {
	for seed := range uint64(2000) {
		mergeLaw(t, seed)
	}
}

func FuzzFrameMerge(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(mergeLaw)
}

func TestMergeOfOverlaysAndHeartbeats(t *testing.T) {
	move := func(lng int32) geo.Delta {
		return geo.Delta{Move: []geo.Move{{ID: 1, Fix: geo.Fix{At: geo.LngLat{Lng: lng}, Time: 1}}}}
	}
	status := &Status{Mode: ModeLive}
	recorded := &Frame{Base: 1, Seq: 2, Time: 20, State: 7, Delta: move(1)}
	beat := &Frame{Base: 2, Seq: 2, Time: 20, State: 7, Status: status}
	first := &Frame{Base: 2, Seq: 2, Live: 1, Time: 21, Delta: move(2)}
	second := &Frame{Base: 2, Seq: 2, Live: 2, Time: 22, Delta: move(3)}
	healed := &Frame{Base: 2, Seq: 3, Time: 30, State: 9, Delta: move(4)}
	tests := map[string]struct{ got, want *Frame }{
		"a heartbeat tells its status":     {recorded.Merge(beat), &Frame{Base: 1, Seq: 2, Time: 20, State: 7, Delta: move(1), Status: status}},
		"a frame sent again":               {recorded.Merge(recorded), recorded},
		"an older frame":                   {healed.Merge(recorded), healed},
		"overlays add up":                  {first.Merge(second), &Frame{Base: 2, Seq: 2, Live: 2, Time: 22, Delta: move(3)}},
		"a heartbeat ends no overlay":      {first.Merge(beat), &Frame{Base: 2, Seq: 2, Live: 1, Time: 21, Delta: move(2), Status: status}},
		"what is recorded ends an overlay": {second.Merge(healed), healed},
		"a keyframe starts anew":           {recorded.Merge(&Frame{Seq: 9}), &Frame{Seq: 9}},
	}
	for name, tt := range tests {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, tt.got, tt.want)
		}
	}
	for name, merge := range map[string]func(){
		"a hole":                         func() { (&Frame{Base: 1, Seq: 2}).Merge(&Frame{Base: 3, Seq: 4}) },
		"another epoch":                  func() { (&Frame{Epoch: "a", Base: 1, Seq: 2}).Merge(&Frame{Epoch: "b", Base: 2, Seq: 3}) },
		"an overlay on what is recorded": func() { recorded.Merge(first) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			merge()
		}()
	}
}
