package publish

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// reader is somebody outside: what a page knows who began with a snapshot and goes on
// by chunks.
type reader struct {
	w     *town
	epoch string
	seq   uint64
	next  string
	has   map[string]string
}

func (r *reader) reload() {
	r.w.t.Helper()
	d := read(r.w.t, r.w.public.Snapshot().Body)
	r.epoch, r.seq, r.next, r.has = d.Epoch, d.Seq, d.Since, map[string]string{}
	for _, f := range d.Features {
		r.has[f.ID] = string(f.Geometry) + string(f.Properties)
	}
}

// follow asks for chunks until the last, as a page does.
func (r *reader) follow() {
	r.w.t.Helper()
	for range 1000 {
		var seq uint64
		var epoch string
		part := strings.Split(strings.TrimSuffix(r.next, ".json"), "/")
		epoch = part[len(part)-2]
		seq, _ = strconv.ParseUint(part[len(part)-1], 10, 64)
		p, at := r.w.public.Since(epoch, seq)
		if p == nil {
			if at >= 0 {
				r.w.t.Fatalf("%s is not a boundary: %d", r.next, at)
			}
			r.reload()
			return
		}
		d := read(r.w.t, p.Body)
		if d.Base != seq || d.Complete != p.Whole {
			r.w.t.Fatalf("a chunk says base %d, complete %v; want %d, %v", d.Base, d.Complete, seq, p.Whole)
		}
		for _, id := range d.Drop {
			delete(r.has, id)
		}
		for _, f := range d.Features {
			r.has[f.ID] = string(f.Geometry) + string(f.Properties)
		}
		r.seq, r.next = d.Seq, d.Next
		if !d.Complete {
			return
		}
	}
	r.w.t.Fatal("the chunks do not end")
}

func contents(w *World) map[string]string {
	out := map[string]string{}
	for f := range w.View().All("") {
		b, err := geo.ToGeoJSON(f)
		if err != nil {
			panic(err)
		}
		var x struct{ Geometry, Properties json.RawMessage }
		if err := json.Unmarshal(b, &x); err != nil {
			panic(err)
		}
		out[f.Key] = string(x.Geometry) + string(x.Properties)
	}
	return out
}

// Whoever follows by chunks, from wherever and with however many pauses, stands where
// the snapshot stands; and so does a server that starts again.
func TestChunksLeadToTheSnapshot(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 8))
		w := newTown(t)
		readers := []*reader{{w: w}, {w: w}, {w: w}}
		for _, x := range readers {
			x.reload()
		}
		for step := range 150 {
			key := fmt.Sprintf("I%d", r.IntN(12))
			w.put(geo.Incident, key, near(r, tehran, 400_000), nil, map[string]any{"type": "fire", "status": []string{"open", "closed"}[r.IntN(6)/5]})
			switch r.IntN(4) {
			case 0:
				w.must(SetName, w.request(geo.Incident, key))
			case 1:
				if w.seen(key) != nil {
					w.must(WithdrawName, map[string]any{"source": key, "kind": "incident"})
				}
			case 2:
				w.wait(time.Duration(r.IntN(20)) * time.Minute)
			}
			for i, x := range readers {
				if r.IntN(1+20*i) != 0 && step < 149 {
					continue
				}
				x.follow()
				if got, want := x.has, contents(w.public); !maps.Equal(got, want) || x.seq != w.public.View().Seq() {
					t.Fatalf("seed %d, step %d: reader %d at %d has\n%v\nthe world at %d\n%v", seed, step, i, x.seq, got, w.public.View().Seq(), want)
				}
			}
			if got, want := read(t, w.public.Snapshot().Body).Seq, w.public.View().Seq(); got != want {
				t.Fatalf("seed %d: the snapshot is at %d, the world at %d", seed, got, want)
			}
			if r.IntN(30) == 0 {
				again := Open(w.world.View(), WorldOptions{Record: "test"})
				if !maps.Equal(contents(again), contents(w.public)) || again.View().Hash() != w.public.View().Hash() ||
					again.View().Seq() != w.public.View().Seq() || again.View().NextID() != w.public.View().NextID() || again.Epoch() != w.public.Epoch() {
					t.Fatalf("seed %d: the public world is another one after a restart", seed)
				}
				if got, want := string(again.Snapshot().Body), string(w.public.Snapshot().Body); stripTime(got) != stripTime(want) {
					t.Fatalf("seed %d: the snapshot is another one after a restart:\n%s\n%s", seed, got, want)
				}
				w.public = again
			}
		}
	}
}

// stripTime takes out the time of the last frame: after a restart that is the record's.
func stripTime(s string) string {
	_, after, _ := strings.Cut(s, `"time":"`)
	return after[len("2006-01-02T15:04:05Z"):]
}

func TestSince(t *testing.T) {
	w := newTown(t)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	for i := range chunkSize*(chunksMax+3) + 5 {
		in := w.request(geo.Incident, "I1")
		in.Advice = Text{"en": strconv.Itoa(i)}
		w.must(SetName, in)
	}
	head := w.public.View().Seq()
	last := head / chunkSize * chunkSize
	epoch := w.public.Epoch()
	for _, c := range []struct {
		name  string
		epoch string
		seq   uint64
		page  bool
		at    int64
	}{
		{"the last, unfinished", epoch, last, true, int64(last)},
		{"one before", epoch, last - chunkSize, true, int64(last - chunkSize)},
		{"between boundaries", epoch, last - 3, false, int64(last - chunkSize)},
		{"another epoch", "p0", last, false, -1},
		{"the future", epoch, head + 1, false, -1},
		{"the far future", epoch, 1<<64 - 16, false, -1},
		{"too long ago", epoch, 0, false, -1},
	} {
		p, at := w.public.Since(c.epoch, c.seq)
		if (p != nil) != c.page || at != c.at {
			t.Errorf("%s: a page: %v, at %d; want %v, %d", c.name, p != nil, at, c.page, c.at)
		}
	}
	a, _ := w.public.Since(epoch, last)
	b, _ := w.public.Since(epoch, last)
	if a != b {
		t.Error("a chunk is made twice")
	}
}

// What is withdrawn is out of everything that we keep, in the frame that withdraws it.
func TestWithdrawalIsAtOnce(t *testing.T) {
	w := newTown(t)
	const secret = "a word that was public for a moment"
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	in := w.request(geo.Incident, "I1")
	in.Title = Text{"en": secret}
	a := w.must(SetName, in)

	listening := w.public.Hub().Subscribe(streams.Resume{}, 0)
	defer listening.Close()
	slow := w.public.Hub().Subscribe(streams.Resume{}, 5*time.Second)
	defer slow.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	next := func(s *streams.Subscription) string {
		t.Helper()
		for {
			f, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if !f.Heartbeat() {
				return string(f.JSON(nil))
			}
		}
	}
	if !strings.Contains(next(listening), secret) || !strings.Contains(next(slow), secret) {
		t.Fatal("what is public is not on the stream")
	}
	before := w.public.Snapshot()
	if !bytes.Contains(before.Body, []byte(secret)) {
		t.Fatal("what is public is not in the snapshot")
	}
	w.public.Since(w.public.Epoch(), 0) // so that a chunk is kept
	seq := w.public.View().Seq()

	w.must(WithdrawName, map[string]any{"source": "I1", "kind": "incident", "reason": "wrong"})
	if bytes.Contains(w.public.Snapshot().Body, []byte(secret)) || w.public.Snapshot().Tag == before.Tag {
		t.Error("it is in the snapshot")
	}
	for from := uint64(0); from <= w.public.View().Seq(); from += chunkSize {
		p, _ := w.public.Since(w.public.Epoch(), from)
		if p == nil || bytes.Contains(p.Body, []byte(secret)) {
			t.Errorf("it is in the chunk from %d, or there is none", from)
		}
	}
	got := next(listening)
	if strings.Contains(got, secret) || !strings.Contains(got, a.PublicID) {
		t.Errorf("the stream does not take it back: %s", got)
	}
	newcomer := w.public.Hub().Subscribe(streams.Resume{}, 5*time.Second)
	defer newcomer.Close()
	if got := next(newcomer); strings.Contains(got, secret) || strings.Contains(got, a.PublicID) {
		t.Errorf("who comes now is told: %s", got)
	}
	back := w.public.Hub().Subscribe(streams.Resume{Epoch: w.public.Epoch(), Seq: seq}, time.Second)
	defer back.Close()
	if got := next(back); strings.Contains(got, secret) || !strings.Contains(got, a.PublicID) {
		t.Errorf("who comes back is told: %s", got)
	}
	// Withdrawing again says nothing, and publishing again goes on under the same id.
	seq = w.public.View().Seq()
	w.must(WithdrawName, map[string]any{"source": "I1", "kind": "incident"})
	if w.public.View().Seq() != seq {
		t.Error("a second withdrawal changed the public world")
	}
	if b := w.must(SetName, w.request(geo.Incident, "I1")); b.PublicID != a.PublicID {
		t.Errorf("published again as %s, it was %s", b.PublicID, a.PublicID)
	}
}

// The public world never holds a member that Feature does not have.
func TestOnlyWhatIsNamedIsPublic(t *testing.T) {
	w := newTown(t)
	r := rand.New(rand.NewPCG(9, 9))
	shape := blob(r, tehran, District)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open", "caller": "x", "assigned": []string{"E7"}, "unknown": 1})
	w.put(geo.Hazard, "H1", shape.Inside(), shape, map[string]any{"type": "water", "text": "x"})
	w.put(geo.Shelter, "S1", tehran, nil, map[string]any{"type": "school", "status": "open", "capacity": 80, "occupancy": 20, "counted_at": stamp(start)})
	for _, key := range []string{"I1", "H1", "S1"} {
		f, _ := w.world.View().Get(key)
		in := w.request(f.Kind, key)
		in.Title, in.Advice, in.Severity, in.ValidUntil = Text{"fa": "آ"}, Text{"zh": "水"}, "minor", stamp(later(start, time.Hour))
		w.must(SetName, in)
	}
	allowed := map[string]bool{"kind": true, "rev": true}
	for _, name := range []string{"type", "title", "advice", "severity", "status", "precision", "radius_m", "room", "published_at", "updated_at", "valid_until"} {
		allowed[name] = true
	}
	seen := map[string]bool{}
	for _, f := range read(t, w.public.Snapshot().Body).Features {
		var props map[string]json.RawMessage
		if err := json.Unmarshal(f.Properties, &props); err != nil {
			t.Fatal(err)
		}
		for name := range props {
			seen[name] = true
			if !allowed[name] {
				t.Errorf("%s is public: %s", name, f.Properties)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("%s is never told: the test shows nothing of it", name)
		}
	}
}

func TestGzipFollowsTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		ctx, cancel := context.WithCancel(t.Context())
		var asked []string
		var mu sync.Mutex
		fail := errors.New("not recording")
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.public.Run(ctx, func(_ context.Context, name string, args any) error {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, name+" "+args.(map[string]string)["publication"])
				return fail
			})
		}()
		synctest.Wait()
		w.step(func(d *geo.Draft) error {
			_, err := d.Create(geo.Feature{Key: "I1", Kind: geo.Incident, Fix: geo.Fix{At: tehran, Time: 1}, Props: `{"status":"open","type":"fire"}`})
			return err
		})
		w.must(SetName, w.request(geo.Incident, "I1"))
		synctest.Wait()
		p := w.public.Snapshot()
		z, err := gzip.NewReader(bytes.NewReader(p.Gzip()))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, p.Body) {
			t.Errorf("the gzipped snapshot is another one: %v", err)
		}
		// A change of the source is followed, again when it could not be.
		w.step(func(d *geo.Draft) error {
			f, _ := d.Get("I1")
			g := *f
			g.Props = g.Props.With(map[string]any{"status": "closed"})
			d.Put(g)
			return nil
		})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		mu.Lock()
		if want := FollowName + " " + KeyOf("I1"); !slices.Equal(asked, []string{want, want, want}) {
			t.Errorf("asked for %q", asked)
		}
		mu.Unlock()
		cancel()
		<-done
	})
}

func BenchmarkFrame(b *testing.B) {
	w := newTown(b)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 2000 {
		key := fmt.Sprintf("S%d", i)
		w.put(geo.Shelter, key, near(r, tehran, 2_000_000), nil, map[string]any{"type": "school", "status": "open", "name": key, "capacity": 200})
		w.must(SetName, w.request(geo.Shelter, key))
	}
	i := 0
	for b.Loop() {
		i++
		w.put(geo.Shelter, "S7", tehran, nil, map[string]any{"occupancy": i % 2 * 200})
	}
	b.ReportMetric(float64(len(w.public.Snapshot().Body)), "bytes")
}
