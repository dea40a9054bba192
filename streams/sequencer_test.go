package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rasad/geo"
)

// fakeJournal records frames in memory and can be told to misbehave.
type fakeJournal struct {
	mu       sync.Mutex
	frames   []*Frame
	attempts int
	slow     time.Duration // each Append takes this long
	limit    int           // frames over it are too large; 0: no limit
	fail     error         // Append fails with it, without recording
	hang     chan struct{} // when not nil, Append waits for it to close
}

func (j *fakeJournal) Append(ctx context.Context, f *Frame) error {
	j.mu.Lock()
	j.attempts++
	slow, limit, fail, hang := j.slow, j.limit, j.fail, j.hang
	j.mu.Unlock()
	if slow > 0 {
		time.Sleep(slow)
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case limit > 0 && frameSize(f) > limit:
		return ErrFrameTooLarge
	case fail != nil:
		return fail
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.frames); n > 0 && j.frames[n-1].Seq+1 != f.Seq {
		panic(fmt.Sprintf("frame %d after %d", f.Seq, j.frames[n-1].Seq))
	}
	j.frames = append(j.frames, f)
	return nil
}

func (j *fakeJournal) set(change func(*fakeJournal)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(j)
}

func (j *fakeJournal) recorded() []*Frame {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.frames)
}

// stage is a running sequencer with what it worked on.
type stage struct {
	*Sequencer
	t         *testing.T
	journal   *fakeJournal
	mu        sync.Mutex
	published []*Frame
	offset    time.Duration // of the wall clock
	stop      context.CancelFunc
	ended     chan error
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newStage starts a sequencer over a world that holds units U1 … U9 at frame 1.
func newStage(t *testing.T, change ...func(*SequencerOptions)) *stage {
	t.Helper()
	st := &stage{t: t, journal: &fakeJournal{}, ended: make(chan error, 1)}
	w := geo.NewWorld()
	var units geo.Delta
	for i := range geo.ID(9) {
		units.Put = append(units.Put, &geo.Feature{ID: i + 1, Key: fmt.Sprintf("U%d", i+1), Kind: geo.Unit, Rev: 1})
	}
	w.Apply(geo.Moment{Seq: 1, Time: geo.Millis(time.Now().UnixMilli())}, units)
	o := SequencerOptions{World: w, Journal: st.journal, Name: "live", Epoch: "e1", Log: quiet, Rules: testRules,
		Now:     func() time.Time { st.mu.Lock(); defer st.mu.Unlock(); return time.Now().Add(st.offset) },
		Publish: func(f *Frame) { st.mu.Lock(); defer st.mu.Unlock(); st.published = append(st.published, f) }}
	for _, c := range change {
		c(&o)
	}
	st.Sequencer = NewSequencer(o)
	ctx, cancel := context.WithCancel(t.Context())
	st.stop = cancel
	go func() { st.ended <- st.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-st.stopped })
	return st
}

func (st *stage) shown() []*Frame {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.published)
}

// jump moves the wall clock.
func (st *stage) jump(by time.Duration) { st.mu.Lock(); defer st.mu.Unlock(); st.offset += by }

func (st *stage) report(key string, lat int32) *Ticket {
	st.t.Helper()
	tk, err := st.Report(st.t.Context(), fixOf(key, lat))
	if err != nil {
		st.t.Fatalf("report %s: %v", key, err)
	}
	return tk
}

// fixOf is a report of a unit as of now, a bit further north for each lat.
func fixOf(key string, lat int32) Report {
	now := geo.Millis(time.Now().UnixMilli())
	return Report{Key: key, Feed: "test", Received: now, Fix: geo.Fix{At: geo.LngLat{Lng: 514_000_000, Lat: 357_000_000 + lat}, Time: now,
		Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}}
}

// testRules: what a sequencer needs to be tried with.
var testRules = map[string]geo.Rule{
	// create {"key","n"?}: a site whose text weighs n bytes.
	"create": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		var a struct {
			Key  string
			Kind geo.Kind
			N    int
			Due  geo.Millis
		}
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: err.Error()}
		}
		if a.Kind == "" {
			a.Kind = geo.Site
		}
		f, err := d.Create(geo.Feature{Key: a.Key, Kind: a.Kind, Due: a.Due, Props: geo.Props("").With(map[string]any{"text": string(make([]byte, a.N/6))})})
		if err != nil {
			return nil, &geo.Refusal{Class: geo.Conflict, Code: "key-taken", Detail: err.Error()}
		}
		d.Act(geo.Act{Name: "create", Subjects: []string{a.Key}})
		return map[string]any{"key": f.Key, "rev": f.Rev}, nil
	},
	"drop": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		var a struct{ Key string }
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		f, ok := d.Get(a.Key)
		if !ok {
			return nil, &geo.Refusal{Class: geo.Missing, Code: "missing", Detail: "no such feature"}
		}
		d.Drop(f.ID)
		d.Act(geo.Act{Name: "drop", Subjects: []string{a.Key}})
		return nil, nil
	},
	"look": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) { return "seen", nil },
	"panic": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		_, _ = d.Create(geo.Feature{Key: "half-done", Kind: geo.Site})
		panic("a rule broke")
	},
	"fail": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		return nil, errors.New("oops")
	},
	"unanswerable": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		_, _ = d.Create(geo.Feature{Key: "half-done", Kind: geo.Site})
		return func() {}, nil
	},
	"alarm.raise": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		_, err := d.Create(geo.Feature{Key: "alarm:clock", Kind: geo.Alarm})
		return nil, err
	},
	"alarm.ack": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		f, ok := d.Get("alarm:clock")
		if !ok {
			return nil, &geo.Refusal{Class: geo.Missing, Code: "no-alarm", Detail: "no such alarm"}
		}
		g := *f
		g.Props = g.Props.With(map[string]any{"acked_at": "now"})
		d.Put(g)
		return nil, nil
	},
	"alarm.over": func(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
		if f, ok := d.Get("alarm:clock"); ok {
			d.Drop(f.ID)
		}
		return nil, nil
	},
}

func command(name string, args string) Command {
	return Command{Name: name, Args: json.RawMessage(args), By: geo.Principal{Name: "dispatcher:amini"}}
}

func TestFiveReportsInATickAreOneMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		var tickets []*Ticket
		for lat := range int32(5) {
			tickets = append(tickets, st.report("U7", lat))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(5 * Tick) // idle ticks cut no frame
		synctest.Wait()
		frames := st.journal.recorded()
		if len(frames) != 1 || len(frames[0].Move) != 1 || frames[0].Move[0].Fix.At.Lat != 357_000_004 {
			t.Fatalf("got frames %+v, want one with the last position of U7", frames)
		}
		for i, tk := range tickets {
			if o, err := tk.Wait(t.Context()); err != nil || !o.Accepted || o.Seq != 2 {
				t.Errorf("ticket %d: got %+v, %v, want accepted in frame 2", i, o, err)
			}
		}
		if f, _ := st.world.View().Get("U7"); f.Fix.At.Lat != 357_000_004 || f.Rev != 1 {
			t.Errorf("got %+v, want the last position and the old rev", f)
		}
		if got := st.shown(); len(got) != 1 || got[0] != frames[0] {
			t.Errorf("published %d frames, want the recorded one", len(got))
		}
	})
}
