package streams

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"rasad/geo"
)

// paper is a journal that keeps what it is given.
type paper struct {
	frames []*Frame
	err    error
}

func (p *paper) Append(_ context.Context, f *Frame) error {
	if p.err != nil {
		return p.err
	}
	p.frames = append(p.frames, f)
	return nil
}

// walk makes a world by steps of a minute, and returns it with what was recorded.
func walk(t *testing.T, minutes int) (*geo.World, *paper) {
	t.Helper()
	w, j := geo.NewWorld(), &paper{}
	now := time.UnixMilli(1_700_000_000_000)
	s := NewSequencer(SequencerOptions{World: w, Journal: j, Publish: func(*Frame) {}, Name: "live", Epoch: "e", Stepped: true,
		Now: func() time.Time { return now },
		Rules: map[string]geo.Rule{
			"make": func(d *geo.Draft, _ geo.Principal, args json.RawMessage) (any, error) {
				var key string
				if err := json.Unmarshal(args, &key); err != nil {
					return nil, err
				}
				_, err := d.Create(geo.Feature{Key: key, Kind: geo.Unit, Due: d.Now() + 90_000})
				d.Act(geo.Act{Name: "make", Subjects: []string{key}})
				return key, err
			},
			"refuse": func(*geo.Draft, geo.Principal, json.RawMessage) (any, error) {
				return nil, &geo.Refusal{Class: geo.Conflict, Code: "no"}
			},
		},
		Due: func(d *geo.Draft, f *geo.Feature) error {
			g := *f
			g.Due = 0
			g.Props = g.Props.With(map[string]any{"fell": int64(d.Now())})
			d.Put(g)
			return nil
		},
	})
	for i := range minutes {
		key := "U" + strconv.Itoa(i)
		var reports []Report
		for k := range i {
			reports = append(reports, Report{Key: "U" + strconv.Itoa(k), Received: geo.Millis(now.UnixMilli()), Feed: "test",
				Fix: geo.Fix{At: geo.LngLat{Lng: int32(1000*k + i), Lat: 5_000_000}, Time: geo.Millis(now.UnixMilli())}})
		}
		decided, outcomes, err := s.Step(t.Context(), []Command{{Name: "make", Args: json.RawMessage(strconv.Quote(key))}, {Name: "refuse"}, {Name: "nobody"}}, reports)
		if err != nil {
			t.Fatal(err)
		}
		var no *geo.Refusal
		if decided[0].Err != nil || string(decided[0].Body) != strconv.Quote(key) || decided[0].Seq != w.View().Seq() ||
			!errors.As(decided[1].Err, &no) || !errors.Is(decided[2].Err, ErrUnknownCommand) {
			t.Fatalf("minute %d: got %+v", i, decided)
		}
		for k, o := range outcomes {
			if !o.Accepted || o.Seq != w.View().Seq() {
				t.Fatalf("minute %d: the fix of U%d: %+v", i, k, o)
			}
		}
		if got := w.View().Time(); got != geo.Millis(now.UnixMilli()) {
			t.Fatalf("minute %d: the frame is of %d, want %d", i, got, now.UnixMilli())
		}
		now = now.Add(time.Minute)
	}
	return w, j
}

func TestStepsMakeOneFrameEach(t *testing.T) {
	w, j := walk(t, 30)
	if len(j.frames) != 30 {
		t.Errorf("30 steps made %d frames", len(j.frames))
	}
	for i, f := range j.frames {
		if f.Seq != uint64(i+1) || f.Base != uint64(i) {
			t.Errorf("frame %d has sequence %d on %d", i, f.Seq, f.Base)
		}
	}
	// What is due falls in the step after its moment: of 28 units.
	fell := 0
	for f := range w.View().All(geo.Unit) {
		if at, ok := f.Props.Number("fell"); ok {
			fell++
			if late := geo.Millis(at) - 1_700_000_000_000 - geo.Millis(f.ID-1)*60_000; late != 120_000 {
				t.Errorf("%s fell %d ms after it was made, want 120000", f.Key, late)
			}
		}
	}
	if fell != 28 {
		t.Errorf("%d units fell due, want 28", fell)
	}
}

func TestStepsAreRepeatable(t *testing.T) {
	a, _ := walk(t, 12)
	b, _ := walk(t, 12)
	if a.View().Hash() != b.View().Hash() || a.View().Hash() == 0 {
		t.Errorf("got %016x and %016x", a.View().Hash(), b.View().Hash())
	}
}

// An hour without a step is no clock that jumped: there is no other clock.
func TestAStepMayBeFar(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	j := &paper{}
	s := NewSequencer(SequencerOptions{World: geo.NewWorld(), Journal: j, Publish: func(*Frame) {}, Stepped: true, Now: func() time.Time { return now }})
	for range 3 {
		if _, _, err := s.Step(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if !s.Status().Clock || len(j.frames) != 2 {
		t.Errorf("clock believed: %v; %d frames, want the two beats", s.Status().Clock, len(j.frames))
	}
}

func TestAStepThatIsNotRecorded(t *testing.T) {
	s := NewSequencer(SequencerOptions{World: geo.NewWorld(), Journal: &paper{err: ErrNotRecording}, Publish: func(*Frame) {}, Stepped: true, Now: time.Now,
		Rules: map[string]geo.Rule{"act": func(d *geo.Draft, _ geo.Principal, _ json.RawMessage) (any, error) {
			d.Act(geo.Act{Name: "act"})
			return nil, nil
		}}})
	if _, _, err := s.Step(t.Context(), []Command{{Name: "act"}}, nil); !errors.Is(err, ErrNotRecording) {
		t.Errorf("got %v", err)
	}
	live := NewSequencer(SequencerOptions{World: geo.NewWorld(), Journal: &paper{}, Publish: func(*Frame) {}})
	if _, _, err := live.Step(t.Context(), nil, nil); err == nil {
		t.Error("a sequencer that runs by itself was stepped")
	}
}
