package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

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
		Now: func() time.Time { st.mu.Lock(); defer st.mu.Unlock(); return time.Now().Add(st.offset) },
		Publish: func(f *Frame) {
			// Decide, record, apply: what is shown is in the record and in the world.
			if v := st.world.View(); v.Seq() != f.Seq || v.Live() != f.Live || f.Live == 0 && !slices.Contains(st.journal.recorded(), f) {
				t.Errorf("frame %d.%d was shown with the world at %d.%d and %d frames recorded", f.Seq, f.Live, v.Seq(), v.Live(), len(st.journal.recorded()))
			}
			st.mu.Lock()
			defer st.mu.Unlock()
			st.published = append(st.published, f)
		}}
	for _, c := range change {
		c(&o)
	}
	st.Sequencer = NewSequencer(o)
	ctx, cancel := context.WithCancel(t.Context())
	st.stop = cancel
	go func() { st.ended <- st.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-st.stopped })
	time.Sleep(frameGap) // from here on a command is taken at once
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
	// create {"key","n"?}: a site that weighs n bytes.
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
		f, err := d.Create(geo.Feature{Key: a.Key, Kind: a.Kind, Due: a.Due, Sealed: []geo.Sealed{{Name: "load", Box: make([]byte, a.N)}}})
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

func TestPositionsWaitForTheTickAndCommandsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		time.Sleep(10 * Tick)
		began := time.Now()
		tk := st.report("U1", 1)
		if _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > frameGap {
			t.Errorf("the command took %v, want no wait for the tick", took)
		}
		if _, err := tk.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > Tick {
			t.Errorf("the fix took %v, want at most a tick", took)
		}
	})
}

func TestCommandsMeetInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.journal.set(func(j *fakeJournal) { j.slow = 20 * time.Millisecond })
		type result struct {
			a   Answer
			err error
		}
		results := make(chan result, 5)
		for range 5 { // all want the same key, while a frame is in flight
			go func() {
				a, err := st.Propose(t.Context(), command("create", `{"key":"A"}`))
				if f, ok := st.world.View().Get("A"); err == nil && (!ok || st.world.View().Seq() < a.Seq || f.Rev != a.Seq) {
					t.Error("answered before it was applied")
				}
				results <- result{a, err}
			}()
		}
		won := 0
		for range 5 {
			r := <-results
			var no *geo.Refusal
			switch {
			case r.err == nil:
				won++
				if string(r.a.Body) != `{"key":"A","rev":2}` || r.a.Seq != 2 {
					t.Errorf("got %+v", r.a)
				}
			case !errors.As(r.err, &no) || no.Code != "key-taken":
				t.Errorf("got %v, want a refusal", r.err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 5 created the same key", won)
		}
	})
}

func TestAtMostTwoHundredFramesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		var done, n sync.Mutex
		count := 0
		for range 20 {
			all.Go(func() {
				for ctx.Err() == nil {
					n.Lock()
					count++
					key := fmt.Sprintf(`{"key":"S%d"}`, count)
					n.Unlock()
					if _, err := st.Propose(context.WithoutCancel(ctx), command("create", key)); err != nil {
						done.Lock()
						t.Error(err)
						done.Unlock()
					}
				}
			})
		}
		all.Wait()
		frames := len(st.journal.recorded())
		if frames < 190 || frames > 202 {
			t.Errorf("got %d frames in a second, want about 200", frames)
		}
		if got := st.world.View().Len(geo.Site); got != count || got < 19*frames {
			t.Errorf("got %d sites of %d commands in %d frames, want all and about twenty a frame", got, count, frames)
		}
	})
}

func TestAnIdleWorldBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		time.Sleep(time.Minute + Tick)
		synctest.Wait()
		frames := st.journal.recorded()
		if len(frames) != 6 {
			t.Fatalf("got %d frames in a minute, want 6 beats", len(frames))
		}
		for i, f := range frames {
			if !f.Delta.Empty() || len(f.Acts) != 0 || f.Seq != uint64(i+2) || f.Base != f.Seq-1 || f.State != st.world.View().Hash() {
				t.Errorf("beat %d: %+v", i, f)
			}
		}
		if tick := st.Status().Tick; tick < geo.Millis(time.Now().Add(-2*Tick).UnixMilli()) {
			t.Errorf("the last tick was %d, want now", tick)
		}
	})
}

// Idempotency, as the manual says it: the same key with the same body is the same
// deed; with another body it is a mistake; for another person it is another key.
func TestIdempotency(t *testing.T) {
	amini, wang := geo.Principal{Name: "dispatcher:amini"}, geo.Principal{Name: "dispatcher:wang"}
	first := Command{Name: "create", Args: json.RawMessage(`{"key":"A"}`), By: amini, Key: "k1", Digest: []byte("d1")}
	tests := map[string]struct {
		again  func(Command) Command
		replay bool
		code   string // of a refusal
	}{
		"the same again":       {again: func(c Command) Command { return c }, replay: true},
		"another body":         {again: func(c Command) Command { c.Digest = []byte("d2"); return c }, code: "key-reused"},
		"another key":          {again: func(c Command) Command { c.Key = "k2"; return c }, code: "key-taken"},
		"another person's key": {again: func(c Command) Command { c.By = wang; return c }, code: "key-taken"},
		"no key":               {again: func(c Command) Command { c.Key = ""; return c }, code: "key-taken"},
		"the key of what was refused": {again: func(c Command) Command {
			c.Key, c.Digest = "refused", []byte("x")
			c.Args = json.RawMessage(`{"key":"B"}`)
			return c
		}},
		"the key of a rule with no act": {again: func(c Command) Command { c.Name, c.Key, c.Digest = "look", "look", []byte("l"); return c }, replay: true},
	}
	for name, tt := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := newStage(t)
					was, err := st.Propose(t.Context(), first)
					if err != nil || was.Replayed {
						t.Fatalf("first: %+v, %v", was, err)
					}
					if _, err := st.Propose(t.Context(), Command{Name: "create", Args: first.Args, By: amini, Key: "refused", Digest: []byte("d")}); err == nil {
						t.Fatal("a key twice")
					}
					look := Command{Name: "look", By: amini, Key: "look", Digest: []byte("l")}
					if a, err := st.Propose(t.Context(), look); err != nil || a.Replayed {
						t.Fatalf("look: %+v, %v", a, err)
					}
					if restart {
						st.stop()
						<-st.stopped
						acts := st.Answers()
						st = newStage(t, func(o *SequencerOptions) { o.World, o.Answers = st.world, acts })
					}
					seq := st.world.View().Seq()
					again := tt.again(first)
					got, err := st.Propose(t.Context(), again)
					var no *geo.Refusal
					switch {
					case tt.code != "":
						if !errors.As(err, &no) || no.Code != tt.code {
							t.Fatalf("got %+v, %v, want a refusal %s", got, err, tt.code)
						}
						if tt.code == "key-reused" && no.Class != geo.Reused {
							t.Errorf("got class %d, want Reused", no.Class)
						}
					case err != nil || got.Replayed != tt.replay:
						t.Fatalf("got %+v, %v, want replayed %t", got, err, tt.replay)
					case tt.replay && (st.world.View().Seq() != seq || again.Name == "create" && string(got.Body) != string(was.Body)):
						t.Errorf("got %s in frame %d, want the first answer %s and no frame", got.Body, st.world.View().Seq(), was.Body)
					}
				})
			})
		}
	}
}

func TestAnswersAreKeptForADay(t *testing.T) {
	p := func(key, digest string) *proposal {
		return &proposal{Command: Command{Key: key, Digest: []byte(digest)}}
	}
	hour := geo.Millis(time.Hour.Milliseconds())
	act := func(key string, at geo.Millis) geo.Act {
		return geo.Act{At: at, Key: key, Digest: []byte("d"), Answer: []byte(`"` + key + `"`)}
	}
	a := newAnswers([]geo.Act{act("old", 0), act("older sister", 0), {At: 0, Name: "no key"}})
	a.record(act("young", 23*hour))
	a.record(act("older sister", 23*hour)) // used anew
	if _, replay, err := a.open(p("old", "d")); err != nil || string(replay) != `"old"` {
		t.Errorf("after 23 hours: got %s, %v, want the answer", replay, err)
	}
	a.expire(25 * hour)
	again := p("old", "other")
	if first, replay, err := a.open(again); err != nil || first != again || replay != nil {
		t.Errorf("after 25 hours: got %v %s %v, want a key that is new again", first, replay, err)
	}
	for _, key := range []string{"young", "older sister"} {
		if _, replay, err := a.open(p(key, "d")); err != nil || string(replay) != `"`+key+`"` {
			t.Errorf("%s: got %s, %v, want the answer", key, replay, err)
		}
	}
	if acts := a.list(); len(acts) != 2 || acts[0].Key != "young" || acts[1].Key != "older sister" {
		t.Errorf("got %+v, want the acts of the last day, oldest first", acts)
	}
}

// A retry that overtakes its first attempt waits for it: one deed, two answers.
func TestRetryWhileTheFirstIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		hang := make(chan struct{})
		st.journal.set(func(j *fakeJournal) { j.hang = hang })
		c := command("create", `{"key":"A"}`)
		c.Key, c.Digest = "k", []byte("d")
		type result struct {
			a   Answer
			err error
		}
		propose := func(c Command) chan result {
			out := make(chan result, 1)
			go func() { a, err := st.Propose(t.Context(), c); out <- result{a, err} }()
			synctest.Wait()
			return out
		}
		first, second := propose(c), propose(c)
		other := c
		other.Digest = []byte("other")
		var no *geo.Refusal
		if r := <-propose(other); !errors.As(r.err, &no) || no.Class != geo.Reused {
			t.Errorf("another body: got %+v, want Reused while the first is in flight", r)
		}
		close(hang)
		a, b := <-first, <-second
		if a.err != nil || b.err != nil || a.a.Replayed || !b.a.Replayed || string(a.a.Body) != string(b.a.Body) {
			t.Errorf("got %+v and %+v, want the same answer twice", a, b)
		}
		if frames := st.journal.recorded(); len(frames) != 1 || len(frames[0].Acts) != 1 {
			t.Errorf("got %d frames, want one deed", len(frames))
		}
	})
}

// The first caller hangs up before its command entered a frame; the one who
// retried gets it done.
func TestRetryOfAWithdrawnCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		hang := make(chan struct{})
		st.journal.set(func(j *fakeJournal) { j.hang = hang })
		go func() { _, _ = st.Propose(t.Context(), command("create", `{"key":"B"}`)) }() // takes the frame
		synctest.Wait()
		c := command("create", `{"key":"A"}`)
		c.Key, c.Digest = "k", []byte("d")
		// The sequencer takes a waiting command from its queue at once, so one is
		// withdrawn only while more than a thousand wait before it.
		for i := range commandsMax {
			go func() { _, _ = st.Propose(t.Context(), command("create", fmt.Sprintf(`{"key":"C%d"}`, i))) }()
		}
		synctest.Wait()
		ctx, hangUp := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := st.Propose(ctx, c); first <- err }()
		synctest.Wait()
		go func() { _, err := st.Propose(t.Context(), c); second <- err }()
		synctest.Wait()
		hangUp()
		if err := <-first; !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the first: got %v, want only its own cancellation: it never entered a frame", err)
		}
		close(hang)
		if err := <-second; err != nil {
			t.Errorf("the second: %v", err)
		}
		if _, ok := st.world.View().Get("A"); !ok {
			t.Error("A was not created")
		}
	})
}

func TestBrokenRulesRefuseOnlyThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.journal.set(func(j *fakeJournal) { j.slow = 20 * time.Millisecond })
		var all sync.WaitGroup
		for _, name := range []string{"panic", "fail", "unanswerable"} {
			all.Go(func() {
				c := command(name, `{}`)
				c.Key = name
				for range 2 { // a broken rule keeps no idempotency key
					if _, err := st.Propose(t.Context(), c); !errors.Is(err, ErrRule) {
						t.Errorf("%s: got %v, want ErrRule", name, err)
					}
				}
			})
		}
		all.Go(func() {
			if _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); err != nil {
				t.Errorf("beside a broken rule: %v", err)
			}
		})
		all.Wait()
		if _, ok := st.world.View().Get("half-done"); ok {
			t.Error("a broken rule left something behind")
		}
		if _, err := st.Propose(t.Context(), command("no-such", `{}`)); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("got %v, want ErrUnknownCommand", err)
		}
	})
}

func TestUnknownUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		if _, err := st.Propose(t.Context(), command("create", `{"key":"hospital"}`)); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"E7", "hospital", ""} {
			if _, err := st.Report(t.Context(), fixOf(key, 1)); !errors.Is(err, ErrUnknownUnit) {
				t.Errorf("%q: got %v, want ErrUnknownUnit", key, err)
			}
		}
		tks, err := st.ReportMany(t.Context(), []Report{fixOf("U1", 1), fixOf("E7", 1)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := tks.Wait(t.Context())
		if err != nil || !out[0].Accepted || out[1].Accepted || out[1].Reason != reasonUnknown {
			t.Errorf("got %+v, %v", out, err)
		}

		// A unit of the frame in flight is known already.
		time.Sleep(frameGap)
		hang := make(chan struct{})
		st.journal.set(func(j *fakeJournal) { j.hang = hang })
		go func() { _, _ = st.Propose(t.Context(), command("create", `{"key":"E7","kind":"unit"}`)) }()
		synctest.Wait()
		tk := st.report("E7", 5)
		close(hang)
		if o, err := tk.Wait(t.Context()); err != nil || !o.Accepted {
			t.Errorf("got %+v, %v, want accepted", o, err)
		}
		if f, ok := st.world.View().Get("E7"); !ok || f.Fix.At.Lat != 357_000_005 {
			t.Errorf("got %+v", f)
		}

		// A unit that is dropped before its report is looked at.
		time.Sleep(Tick)
		synctest.Wait()
		tk = st.report("U2", 1)
		if _, err := st.Propose(t.Context(), command("drop", `{"key":"U2"}`)); err != nil {
			t.Fatal(err)
		}
		if o, err := tk.Wait(t.Context()); err != nil || o.Accepted || o.Reason != reasonUnknown || o.Seq != 0 {
			t.Errorf("got %+v, %v, want unknown", o, err)
		}
	})
}

func TestLateFixesGoToTheRecordOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		st := newStage(t, func(o *SequencerOptions) { o.Metrics = reg })
		old := fixOf("U1", 1)
		time.Sleep(time.Second)
		if o, err := st.report("U1", 2).Wait(t.Context()); err != nil || !o.Accepted {
			t.Fatal(o, err)
		}
		tk, err := st.Report(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		o, err := tk.Wait(t.Context())
		if err != nil || o.Accepted || o.Reason != geo.FixLate || o.Seq != 3 {
			t.Errorf("got %+v, %v, want late, in frame 3", o, err)
		}
		f := st.journal.recorded()[1]
		if len(f.Move) != 0 || len(f.Acts) != 1 || f.Acts[0].Name != "fix.late" || !slices.Equal(f.Acts[0].Subjects, []string{"U1"}) || f.Acts[0].By.Name != "feed:test" {
			t.Fatalf("got %+v, want one act", f)
		}
		var x geo.Fix
		if err := json.Unmarshal(f.Acts[0].Args, &x); err != nil || x != old.Fix {
			t.Errorf("got %+v, %v, want the late fix", x, err)
		}
		if u, _ := st.world.View().Get("U1"); u.Fix.At.Lat != 357_000_002 {
			t.Errorf("the unit went back: %+v", u.Fix)
		}
		again, err := st.Report(t.Context(), Report{Key: "U1", Feed: "test", Received: geo.Millis(time.Now().UnixMilli()), Fix: geo.Fix{Time: 5}})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := again.Wait(t.Context()); err != nil || o.Accepted || o.Reason != geo.FixNullIsland || o.Seq != 0 {
			t.Errorf("got %+v, %v, want refused without a frame", o, err)
		}
		for reason, want := range map[string]float64{geo.FixLate: 1, geo.FixNullIsland: 1} {
			if got := counted(t, reg, "rasad_feed_refused_total", "feed", "test", "reason", reason); got != want {
				t.Errorf("refused as %s: counted %v, want %v", reason, got, want)
			}
		}
		if got := counted(t, reg, "rasad_reports_total"); got != 3 {
			t.Errorf("reports: counted %v, want 3", got)
		}
	})
}

// counted reads a counter with the labels (name, value, …).
func counted(t *testing.T, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, fam := range families {
		if fam.GetName() != name {
			continue
		}
		for _, m := range fam.GetMetric() {
			match := true
			for i := 0; i < len(labels); i += 2 {
				match = match && slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] })
			}
			if match {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// The disk fills up: screens see units move, callers are told, and when the disk
// is back the record has everything.
func TestNotRecordingAndHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.report("U1", 1)
		time.Sleep(2 * Tick)
		st.journal.set(func(j *fakeJournal) { j.fail = fmt.Errorf("%w: no space", ErrNotRecording) })
		caught := make(chan error, 1)
		retry := make(chan error, 1)
		c := command("create", `{"key":"A"}`)
		c.Key, c.Digest = "k", []byte("d")
		go func() { _, err := st.Propose(t.Context(), c); caught <- err }()
		time.Sleep(Tick)
		synctest.Wait()

		if s := st.Status(); s.Recording || s.Reason == "" || s.Since == 0 {
			t.Errorf("got %+v, want not recording, and why and since when", s)
		}
		if _, err := st.Propose(t.Context(), command("create", `{"key":"B"}`)); !errors.Is(err, ErrNotRecording) {
			t.Errorf("a new command: got %v, want ErrNotRecording at once", err)
		}
		for lat := range int32(3) {
			if _, err := st.Report(t.Context(), fixOf("U2", lat+10)); !errors.Is(err, ErrNotRecording) {
				t.Errorf("a fix: got %v, want ErrNotRecording", err)
			}
			time.Sleep(4 * Tick)
			synctest.Wait()
			v := st.world.View()
			if f, _ := v.Get("U2"); f.Fix.At.Lat != 357_000_010+lat || v.Live() != uint64(lat)+1 || v.Seq() != 2 {
				t.Errorf("got %+v at seq %d live %d, want the fix shown on the overlay", f.Fix, v.Seq(), v.Live())
			}
			last := st.shown()[len(st.shown())-1]
			if last.Base != 2 || last.Seq != 2 || last.Live != uint64(lat)+1 || last.State != 0 || len(last.Move) != 1 || len(last.Acts) != 0 {
				t.Errorf("got overlay frame %+v", last)
			}
			if tick := st.Status().Tick; tick < geo.Millis(time.Now().Add(-2*Tick).UnixMilli()) {
				t.Error("the screens are shown live positions, and the tick says that the writer is stuck")
			}
		}
		if got := len(st.journal.recorded()); got != 1 {
			t.Errorf("%d frames recorded, want none since the disk is full", got)
		}
		time.Sleep(outcomeWait)
		if err := <-caught; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the command in flight: got %v, want ErrOutcomeUnknown after ten seconds", err)
		}
		go func() { // the caller asks again, with the same key, and waits for the same frame
			a, err := st.Propose(t.Context(), c)
			if err == nil && !a.Replayed {
				err = errors.New("done twice")
			}
			retry <- err
		}()
		synctest.Wait()
		st.journal.set(func(j *fakeJournal) { j.fail = nil })
		time.Sleep(2 * retryMax)
		synctest.Wait()
		if err := <-retry; err != nil {
			t.Errorf("the retry: %v", err)
		}
		frames := st.journal.recorded()
		if len(frames) < 3 || frames[1].Seq != 3 || len(frames[1].Put) != 1 || frames[1].Put[0].Key != "A" {
			t.Fatalf("got %d frames, want first the one that was in flight", len(frames))
		}
		if f := frames[2]; len(f.Move) != 1 || f.Move[0].Fix.At.Lat != 357_000_012 {
			t.Errorf("got %+v, want then what moved meanwhile", f)
		}
		if v := st.world.View(); v.Live() != 0 || v.Hash() != frames[len(frames)-1].State || !st.Status().Recording {
			t.Errorf("live %d, status %+v, want all healed", v.Live(), st.Status())
		}
		if o, err := st.report("U3", 1).Wait(t.Context()); err != nil || !o.Accepted {
			t.Errorf("after healing: %+v, %v", o, err)
		}
		replay(t, st.journal.recorded(), st.world.View())
	})
}

// replay applies recorded frames to a fresh world and compares the hash at each.
func replay(t testing.TB, frames []*Frame, want *geo.View) {
	t.Helper()
	w := geo.NewWorld()
	var units geo.Delta
	for i := range geo.ID(9) {
		units.Put = append(units.Put, &geo.Feature{ID: i + 1, Key: fmt.Sprintf("U%d", i+1), Kind: geo.Unit, Rev: 1})
	}
	w.Apply(geo.Moment{Seq: 1}, units)
	var last geo.Millis
	for _, f := range frames {
		if f.Base != w.View().Seq() || f.Seq != f.Base+1 {
			t.Fatalf("frame %d on %d, the world is at %d", f.Seq, f.Base, w.View().Seq())
		}
		if f.Time < last {
			t.Fatalf("frame %d goes back in time by %d ms", f.Seq, last-f.Time)
		}
		last = f.Time
		w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
		if got := w.View().Hash(); got != f.State {
			t.Fatalf("frame %d: the replay has state %016x, the frame says %016x", f.Seq, got, f.State)
		}
	}
	if w.View().Hash() != want.Hash() || w.View().Seq() != want.Seq() || w.View().NextID() != want.NextID() {
		t.Fatalf("the replay ends at %d with %016x, the world at %d with %016x", w.View().Seq(), w.View().Hash(), want.Seq(), want.Hash())
	}
}

// A journal that neither answers nor fails is told to the screens as well.
func TestStuckJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		hang := make(chan struct{})
		st.journal.set(func(j *fakeJournal) { j.hang = hang })
		tk := st.report("U1", 1)
		time.Sleep(2 * Tick)
		before := st.Status().Tick
		waiting := make(chan error, 1)
		go func() { _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); waiting <- err }()
		time.Sleep(stuckAfter / 2)
		if got := st.Status(); got.Tick != before || !got.Recording {
			t.Errorf("got %+v, want a tick that stands still while the journal may yet answer", got)
		}
		time.Sleep(stuckAfter)
		if got := st.Status(); got.Recording || got.Tick == before {
			t.Errorf("got %+v, want not recording", got)
		}
		select {
		case err := <-waiting:
			if !errors.Is(err, ErrNotRecording) {
				t.Errorf("the command that waited: got %v, want ErrNotRecording", err)
			}
		default:
			t.Error("the command that waited, and never entered a frame, was not told")
		}
		if f, _ := st.world.View().Get("U1"); f.Fix.At.Lat != 357_000_001 {
			t.Error("the fix of the frame in flight is not shown")
		}
		close(hang)
		if o, err := tk.Wait(t.Context()); err != nil || o.Seq != 2 {
			t.Errorf("got %+v, %v, want the frame in flight to count when it is recorded", o, err)
		}
		time.Sleep(Tick)
		if !st.Status().Recording || st.world.View().Live() != 0 {
			t.Errorf("got %+v, want recording again", st.Status())
		}
		replay(t, st.journal.recorded(), st.world.View())
	})
}

func TestQueuesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		hang := make(chan struct{})
		st.journal.set(func(j *fakeJournal) { j.hang = hang })
		var all sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[string]int{}
		all.Go(func() {
			if _, err := st.Propose(t.Context(), command("create", `{"key":"in-flight"}`)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 2*commandsMax + 100 {
			all.Go(func() {
				a, err := st.Propose(t.Context(), command("create", fmt.Sprintf(`{"key":"S%d"}`, i)))
				mu.Lock()
				defer mu.Unlock()
				outcomes[outcomeLabel(a, err)]++
			})
		}
		synctest.Wait()
		mu.Lock()
		if got := outcomes["busy"]; got < 100 { // more when they come faster than they are taken
			t.Errorf("%d commands were refused as busy, want those over the limit", got)
		}
		mu.Unlock()

		big := make([]Report, reportsMax)
		for i := range big {
			big[i] = fixOf("U1", int32(i))
			big[i].Fix.Time += geo.Millis(i % 5)
		}
		tks, err := st.ReportMany(t.Context(), big)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Report(t.Context(), fixOf("U1", 1)); !errors.Is(err, ErrBusy) {
			t.Errorf("a report over the limit: got %v, want ErrBusy", err)
		}
		waited := make(chan time.Time, 1)
		began := time.Now()
		go func() {
			_, err := st.ReportMany(t.Context(), big[:10])
			if err != nil {
				t.Error(err)
			}
			waited <- time.Now()
		}()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := st.ReportMany(short, big[:10]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want to wait for room until ctx ends", err)
		}
		time.Sleep(time.Second) // less than stuckAfter
		close(hang)
		all.Wait()
		if took := (<-waited).Sub(began); took < time.Second {
			t.Errorf("the bulk feed waited %v, want until there was room", took)
		}
		if _, err := tks.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if outcomes["recorded"]+outcomes["busy"] != 2*commandsMax+100 {
			t.Errorf("got %v, want each recorded or busy", outcomes)
		}
		replay(t, st.journal.recorded(), st.world.View())
	})
}

func TestTheClockJumps(t *testing.T) {
	jumps := map[string]time.Duration{"a day ahead": 24 * time.Hour, "an hour back": -time.Hour}
	for name, by := range jumps {
		for _, confirm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, confirmed %t", name, confirm), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := newStage(t)
					if _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); err != nil {
						t.Fatal(err)
					}
					start := time.Now()
					st.jump(by)
					time.Sleep(4 * Tick)
					synctest.Wait()
					if _, err := st.Propose(t.Context(), command("create", `{"key":"B"}`)); !errors.Is(err, ErrClock) {
						t.Errorf("got %v, want ErrClock", err)
					}
					if st.Status().Clock {
						t.Error("the status trusts the clock")
					}
					if _, ok := st.world.View().Get(clockAlarm); !ok {
						t.Error("there is no alarm")
					}
					// Positions go on, at the moment that the monotonic clock says.
					if o, err := st.report("U1", 1).Wait(t.Context()); err != nil || !o.Accepted {
						t.Errorf("got %+v, %v", o, err)
					}
					frames := st.journal.recorded()
					last := frames[len(frames)-1].Time
					if want := geo.Millis(start.UnixMilli()); last < want || last > want+1000 {
						t.Errorf("the frame is of %d, want %d and a little: it must not follow the jump", last, want)
					}
					if confirm {
						if _, err := st.Propose(t.Context(), command("alarm.ack", `{}`)); err != nil {
							t.Fatal(err)
						}
					} else {
						st.jump(-by)
					}
					time.Sleep(4 * Tick)
					synctest.Wait()
					if _, ok := st.world.View().Get(clockAlarm); ok || !st.Status().Clock {
						t.Errorf("alarm %t, status %+v, want it over", ok, st.Status())
					}
					if _, err := st.Propose(t.Context(), command("create", `{"key":"B"}`)); err != nil {
						t.Errorf("after it is right again: %v", err)
					}
					frames = st.journal.recorded()
					wall := geo.Millis(st.clock.wall().UnixMilli())
					if got := frames[len(frames)-1].Time; got < last || by > 0 && got != wall {
						t.Errorf("the frame is of %d, want %d", got, wall)
					}
					replay(t, frames, st.world.View()) // checks that time never goes back
				})
			})
		}
	}
}

// Small steps of a time service are followed, and never back.
func TestTheClockIsSetALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		for i, by := range []time.Duration{-3 * time.Second, 4 * time.Minute, -4 * time.Minute, time.Second} {
			st.jump(by)
			time.Sleep(2 * Tick)
			if _, err := st.Propose(t.Context(), command("create", fmt.Sprintf(`{"key":"S%d"}`, i))); err != nil {
				t.Errorf("after a step of %v: %v", by, err)
			}
		}
		replay(t, st.journal.recorded(), st.world.View())
	})
}

// The record ends in the future of the clock: a machine that lost its battery.
func TestTheClockIsBehindTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, func(o *SequencerOptions) {
			o.World.Apply(geo.Moment{Seq: 2, Time: geo.Millis(time.Now().Add(time.Hour).UnixMilli())}, geo.Delta{})
		})
		time.Sleep(4 * Tick)
		synctest.Wait()
		if _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); !errors.Is(err, ErrClock) {
			t.Errorf("got %v, want ErrClock", err)
		}
		if _, ok := st.world.View().Get(clockAlarm); !ok {
			t.Error("there is no alarm")
		}
	})
}

func TestDueFeatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[string]int{}
		st := newStage(t, func(o *SequencerOptions) {
			o.Due = func(d *geo.Draft, f *geo.Feature) error {
				mu.Lock()
				asked[f.Key]++
				mu.Unlock()
				switch f.Key {
				case "panics":
					panic("due")
				case "fails":
					return errors.New("due")
				case "stays":
					return nil
				}
				g := *f
				g.Due = 0
				d.Put(g)
				d.Act(geo.Act{Name: "due", Subjects: []string{f.Key}})
				return nil
			}
		})
		due := time.Now().Add(5 * time.Second)
		for _, key := range []string{"good", "panics", "fails", "stays"} {
			if _, err := st.Propose(t.Context(), command("create", fmt.Sprintf(`{"key":%q,"due":%d}`, key, due.UnixMilli()))); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		mu.Lock()
		if len(asked) != 0 {
			t.Errorf("asked %v before it was due", asked)
		}
		mu.Unlock()
		time.Sleep(time.Until(due) + 2*Tick)
		synctest.Wait()
		f, _ := st.world.View().Get("good")
		frame := st.journal.recorded()[4]
		if f.Due != 0 || len(frame.Acts) != 1 || frame.Time < geo.Millis(due.UnixMilli()) || frame.Time > geo.Millis(due.Add(2*Tick).UnixMilli()) {
			t.Errorf("got %+v in %+v, want it done and recorded when it was due", f, frame)
		}
		frames := len(st.journal.recorded())
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if asked["good"] != 1 {
			t.Errorf("the good one was asked %d times", asked["good"])
		}
		for _, key := range []string{"panics", "fails", "stays"} {
			if n := asked[key]; n < 3 || n > 5 {
				t.Errorf("%s was asked %d times in three minutes, want about one a minute", key, n)
			}
		}
		if more := len(st.journal.recorded()) - frames; more > 20 {
			t.Errorf("%d frames in three minutes, want the beats only", more)
		}
	})
}

func TestFramesStayWithinTheLimit(t *testing.T) {
	tests := map[string]int{"as estimated": 0, "a journal that takes less": 40 << 10}
	for name, limit := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				st.journal.set(func(j *fakeJournal) { j.limit, j.slow = limit, 10*time.Millisecond })
				most := limit
				if limit == 0 {
					most = frameBudget
				}
				var all sync.WaitGroup
				for i := range 60 { // together far more than a frame
					all.Go(func() {
						if _, err := st.Propose(t.Context(), command("create", fmt.Sprintf(`{"key":"S%d","n":%d}`, i, 12_000))); err != nil {
							t.Errorf("S%d: %v", i, err)
						}
					})
				}
				tks, err := st.ReportMany(t.Context(), []Report{fixOf("U1", 1), fixOf("U2", 1)})
				if err != nil {
					t.Fatal(err)
				}
				var no *geo.Refusal
				if _, err := st.Propose(t.Context(), command("create", `{"key":"huge","n":600000}`)); !errors.As(err, &no) || no.Code != "too-large" {
					t.Errorf("got %v, want a refusal: it fits no frame", err)
				}
				all.Wait()
				if out, err := tks.Wait(t.Context()); err != nil || !out[0].Accepted || !out[1].Accepted {
					t.Errorf("got %+v, %v", out, err)
				}
				for _, f := range st.journal.recorded() {
					if n := frameSize(f); n > most {
						t.Errorf("frame %d weighs %d", f.Seq, n)
					}
				}
				if got := st.world.View().Len(geo.Site); got != 60 {
					t.Errorf("%d of 60 were created", got)
				}
				replay(t, st.journal.recorded(), st.world.View())
			})
		})
	}
}

// A late fix, a move and a command, each alone too large for a broken journal:
// the sequencer says so and does not turn in circles.
func TestAJournalThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.journal.set(func(j *fakeJournal) { j.limit = 1 })
		st.report("U1", 1)
		select {
		case err := <-st.ended:
			if !errors.Is(err, ErrFrameTooLarge) {
				t.Errorf("got %v, want ErrFrameTooLarge", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it goes on for ever")
		}
		if st.journal.attempts > 100 {
			t.Errorf("%d attempts", st.journal.attempts)
		}
	})
}

func TestThePenIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.journal.set(func(j *fakeJournal) { j.fail = fmt.Errorf("frame 2: %w", ErrPenLost) })
		if _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want ErrOutcomeUnknown", err)
		}
		if err := <-st.ended; !errors.Is(err, ErrPenLost) {
			t.Errorf("Run: got %v, want ErrPenLost", err)
		}
		if len(st.shown()) != 0 {
			t.Error("what was not recorded was shown")
		}
		if _, err := st.Propose(t.Context(), command("create", `{"key":"B"}`)); !errors.Is(err, ErrStopping) {
			t.Errorf("got %v, want ErrStopping", err)
		}
		if _, err := st.Report(t.Context(), fixOf("U1", 1)); !errors.Is(err, ErrStopping) {
			t.Errorf("got %v, want ErrStopping", err)
		}
	})
}

func TestStopping(t *testing.T) {
	for name, answers := range map[string]bool{"the journal answers": true, "the journal does not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				hang := make(chan struct{})
				st.journal.set(func(j *fakeJournal) { j.hang = hang })
				flying, waiting := make(chan error, 1), make(chan error, 1)
				go func() { _, err := st.Propose(t.Context(), command("create", `{"key":"A"}`)); flying <- err }()
				synctest.Wait()
				go func() { _, err := st.Propose(t.Context(), command("create", `{"key":"B"}`)); waiting <- err }()
				tk := st.report("U1", 1)
				synctest.Wait()
				began := time.Now()
				st.stop()
				synctest.Wait()
				if answers {
					close(hang)
				}
				err := <-st.ended
				if took := time.Since(began); took > stopWait {
					t.Errorf("stopping took %v", took)
				}
				first := <-flying
				if answers && (err != nil || first != nil) || !answers && (!errors.Is(err, ErrOutcomeUnknown) || !errors.Is(first, ErrOutcomeUnknown)) {
					t.Errorf("Run: %v; the command in flight: %v", err, first)
				}
				if err := <-waiting; !errors.Is(err, ErrStopping) {
					t.Errorf("the command that waited: got %v, want ErrStopping", err)
				}
				if _, err := tk.Wait(t.Context()); !errors.Is(err, ErrStopping) {
					t.Errorf("the report that waited: got %v, want ErrStopping", err)
				}
				if _, err := st.ReportMany(t.Context(), []Report{fixOf("U1", 2)}); !errors.Is(err, ErrStopping) {
					t.Errorf("afterwards: got %v, want ErrStopping", err)
				}
				if answers {
					replay(t, st.journal.recorded(), st.world.View())
				}
			})
		})
	}
}

func TestActsAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		c := command("create", `{"key":"A"}`)
		c.Why, c.Key, c.Digest = "ordered", "k", []byte("d")
		if _, err := st.Propose(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		acts := st.journal.recorded()[0].Acts
		if len(acts) != 1 {
			t.Fatalf("got %d acts", len(acts))
		}
		a := acts[0]
		if a.Name != "create" || a.By != c.By || a.Why != "ordered" || string(a.Args) != `{"key":"A"}` || a.Key != "k" ||
			string(a.Digest) != "d" || string(a.Answer) != `{"key":"A","rev":2}` || a.At == 0 {
			t.Errorf("got %+v", a)
		}
	})
}

// day plays a random day: reports, commands, failures of every kind. The frames
// that were recorded must rebuild the world, and what was promised must be there.
func day(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 1))
		st := newStage(t, func(o *SequencerOptions) {
			o.Due = func(d *geo.Draft, f *geo.Feature) error { g := *f; g.Due = 0; d.Put(g); return nil }
		})
		var all sync.WaitGroup
		var mu sync.Mutex
		created := map[string]uint64{} // promised: key and frame
		moved := map[uint64]bool{}     // frames that acknowledged a fix
		for i := range 150 {
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			switch n := r.IntN(20); {
			case n < 10:
				rep := fixOf(fmt.Sprintf("U%d", 1+r.IntN(9)), int32(r.IntN(1000)))
				rep.Fix.Time -= geo.Millis(r.IntN(200)) // late now and then
				all.Go(func() {
					tk, err := st.Report(t.Context(), rep)
					if err != nil {
						return
					}
					if o, err := tk.Wait(t.Context()); err == nil && o.Accepted {
						mu.Lock()
						moved[o.Seq] = true
						mu.Unlock()
					}
				})
			case n < 16:
				key := fmt.Sprintf("S%d", r.IntN(30))
				c := command("create", fmt.Sprintf(`{"key":%q,"n":%d,"due":%d}`, key, r.IntN(3000), time.Now().UnixMilli()+int64(r.IntN(2000))))
				if r.IntN(3) == 0 {
					c = command("panic", `{}`)
				}
				c.Key, c.Digest = fmt.Sprintf("k%d", i), []byte{1}
				again := r.IntN(3) == 0
				all.Go(func() {
					a, err := st.Propose(t.Context(), c)
					if again || errors.Is(err, ErrOutcomeUnknown) {
						a, err = st.Propose(t.Context(), c)
					}
					if err == nil {
						mu.Lock()
						if _, twice := created[key]; twice && !a.Replayed {
							t.Errorf("seed %d: %s was created twice", seed, key)
						}
						created[key] = a.Seq
						mu.Unlock()
					}
				})
			case n == 16:
				fail := errors.New("disk")
				st.journal.set(func(j *fakeJournal) { j.fail = fail })
				time.Sleep(time.Duration(r.IntN(15_000)) * time.Millisecond)
				st.journal.set(func(j *fakeJournal) { j.fail = nil })
			case n == 17:
				st.journal.set(func(j *fakeJournal) { j.slow = time.Duration(r.IntN(300)) * time.Millisecond })
			case n == 18:
				st.journal.set(func(j *fakeJournal) { j.limit = []int{0, 2000, 5000}[r.IntN(3)] })
			default:
				st.jump(time.Duration(r.IntN(7200)-3600) * time.Second)
			}
		}
		st.journal.set(func(j *fakeJournal) { j.fail, j.slow, j.limit = nil, 0, 0 })
		all.Wait()
		time.Sleep(20 * time.Second)
		st.stop()
		if err := <-st.ended; err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		frames := st.journal.recorded()
		replay(t, frames, st.world.View())
		mu.Lock()
		defer mu.Unlock()
		for key, seq := range created {
			if f, ok := st.world.View().Get(key); !ok || f.Rev > seq && f.Due != 0 {
				t.Fatalf("seed %d: %s was promised in frame %d and is not there", seed, key, seq)
			}
		}
		for seq := range moved {
			if seq < 2 || seq > st.world.View().Seq() {
				t.Fatalf("seed %d: a fix was acknowledged in frame %d, the last is %d", seed, seq, st.world.View().Seq())
			}
		}
		live := uint64(0)
		at := uint64(1)
		for _, f := range st.shown() { // each frame once, in order; overlays count up
			switch {
			case f.Live == 0 && f.Seq == at+1:
				at, live = f.Seq, 0
			case f.Live == live+1 && f.Base == at && f.Seq == at:
				live++
			default:
				t.Fatalf("seed %d: published base %d seq %d live %d after seq %d live %d", seed, f.Base, f.Seq, f.Live, at, live)
			}
		}
	})
}

func TestRandomDays(t *testing.T) {
	for seed := range uint64(60) {
		day(t, seed)
	}
}
