package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rasad/geo"
)

// pastHistory is a history in memory: keyframes with everything that keyframe
// files hold, and frames as journaled.
type pastHistory struct {
	mu     sync.Mutex
	keys   []*Frame
	frames []*Frame
	broken error // after the frames
}

func (h *pastHistory) KeyframeAt(ctx context.Context, t geo.Millis) (*Frame, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.keys[0]
	for _, k := range h.keys {
		if k.Time <= t {
			at = k
		}
	}
	return at, ctx.Err()
}

func (h *pastHistory) Frames(ctx context.Context, after uint64) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		h.mu.Lock()
		frames, broken := h.frames, h.broken
		h.mu.Unlock()
		for _, f := range frames {
			if f.Seq > after && !yield(f, nil) {
				return
			}
		}
		if broken != nil {
			yield(nil, broken)
		}
	}
}

func (h *pastHistory) Span() (first, last geo.Millis) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first, last = h.keys[0].Time, h.keys[0].Time
	if len(h.frames) > 0 {
		last = max(last, h.frames[len(h.frames)-1].Time)
	}
	return first, last
}

// record keeps a frame, and now and then a keyframe of the world after it.
func (h *pastHistory) record(w *hubWriter, f *Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames = append(h.frames, f)
	if f.Seq%50 == 0 {
		h.keep(w.world.View(), hubEpoch)
	}
}

func (h *pastHistory) keep(v *geo.View, epoch string) {
	k := &Frame{V: FormatVersion, World: hubWorld, Epoch: epoch, Seq: v.Seq(), Time: v.Time(), State: v.Hash(), Delta: v.Keyframe(), NextID: v.NextID(), Tombs: slices.Clone(v.Tombs())}
	for _, f := range k.Put {
		k.Changed = append(k.Changed, v.Changed(f.ID))
	}
	h.keys = append(h.keys, k)
}

// newPast records n frames, at most gap apart, from the moment 1,000,000 on.
func newPast(t testing.TB, seed uint64, n int, gap geo.Millis) (*pastHistory, *hubWriter) {
	h, w := &pastHistory{}, newHubWriter(t, seed)
	w.world.Apply(geo.Moment{Seq: 0, Time: 1_000_000}, geo.Delta{})
	h.keep(w.world.View(), hubEpoch)
	for range n {
		d := w.delta(8)
		at := w.world.View().Time() + geo.Millis(w.r.Int64N(int64(gap)))
		if w.r.IntN(10) == 0 {
			at = w.world.View().Time() // frames of one moment
		}
		h.record(w, w.writeAt(d, at))
	}
	return h, w
}

func (w *hubWriter) writeAt(d geo.Delta, at geo.Millis) *Frame {
	v := w.world.View()
	f := &Frame{V: FormatVersion, World: hubWorld, Epoch: hubEpoch, Base: v.Seq(), Seq: v.Seq() + 1, Time: at, Delta: d}
	w.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, d)
	f.State = w.world.View().Hash()
	return f
}

// then is the last frame at or before a moment.
func (h *pastHistory) then(t geo.Millis) (seq, state uint64) {
	seq, state = h.keys[0].Seq, h.keys[0].State
	for _, f := range h.frames {
		if f.Time <= t {
			seq, state = f.Seq, f.State
		}
	}
	return seq, state
}

// A thousand moments, each asked for anew: the hash is the one that was live then.
func TestReplayOfAnyMomentHasTheHashThatWasLive(t *testing.T) {
	h, _ := newPast(t, 1, 3000, 100)
	first, last := h.Span()
	p, err := NewPlayer(h, first, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 0))
	for i := range 1000 {
		at := first - 1000 + geo.Millis(r.Int64N(int64(last-first)+2000))
		if i%10 == 0 {
			at = h.frames[r.IntN(len(h.frames))].Time // to the millisecond
		}
		p.Seek(at)
		f, err := p.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seq, state := h.then(at)
		if !f.Keyframe() || f.Seq != seq || f.State != state {
			t.Fatalf("at %d: got frame %d on %d with state %x, want a keyframe of %d with %x", at, f.Seq, f.Base, f.State, seq, state)
		}
		if want := max(min(at, last), first); f.Status.Mode != ModeReplay || f.Status.Speed != 0 || f.Status.Tick != want {
			t.Fatalf("at %d: got status %+v, want the moment %d", at, f.Status, want)
		}
		s := hubScreen{}
		if err := s.take(f.Wire()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayAtSpeeds(t *testing.T) {
	for _, speed := range []float64{0.5, 1, 4, 60, 1000} {
		for _, a := range []Audience{{}, west} {
			t.Run(fmt.Sprint(speed, a.Name), func(t *testing.T) {
				h, _ := newPast(t, 3, 2500, 200)
				first, last := h.Span()
				synctest.Test(t, func(t *testing.T) {
					p, err := NewPlayer(h, first+100, speed)
					if err != nil {
						t.Fatal(err)
					}
					p.Show(a, Status{Recording: true, Exercise: true})
					s, began := hubScreen{}, time.Now()
					window := min(20*time.Second, time.Duration(float64(last-first)/speed)*time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), window)
					defer cancel()
					n, said := 0, time.Now()
					for {
						f, err := p.Next(ctx)
						if err != nil {
							break
						}
						n++
						if f.Status != nil {
							if d := time.Since(said); d > time.Second {
								t.Errorf("no heartbeat for %s", d)
							}
							said = time.Now()
							if f.Status.Mode != ModeReplay || !f.Status.Exercise {
								t.Errorf("got status %+v", f.Status)
							}
						}
						if err := s.take(f.Wire()); err != nil {
							t.Fatal(err)
						}
						played := geo.Millis(float64(time.Since(began).Milliseconds()) * speed)
						if at := first + 100 + played; f.Time > at {
							t.Fatalf("a frame of %d came at %d", f.Time, at)
						} else if seq, state := h.then(min(at, last)); a.Project == nil && !f.Heartbeat() && f.Seq != seq {
							// Frames of the last 50 ms of the reader's time may still be held back.
							if early, _ := h.then(at - geo.Millis(50*speed) - 1); f.Seq < early {
								t.Fatalf("at %d: got %d with state %x, want %d with %x", at, f.Seq, f.State, seq, state)
							}
						}
					}
					if most := int(window/playPace) + int(window/heartbeatEvery) + 2; n > most {
						t.Errorf("got %d frames in %s, want at most %d", n, window, most)
					}
					at := min(last, first+100+geo.Millis(float64(window.Milliseconds()-100)*speed))
					if seq, _ := h.then(at); s.world.View().Seq() < seq {
						t.Errorf("after %s the screen stands at %d, want %d", window, s.world.View().Seq(), seq)
					}
				})
			})
		}
	}
}

func TestReplayPausesSeeksAndWaitsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newPast(t, 4, 500, 100)
		first, last := h.Span()
		p, err := NewPlayer(h, last-200, 1)
		if err != nil {
			t.Fatal(err)
		}
		var s hubScreen
		take := func() *Frame {
			t.Helper()
			f := hubNext(t, p, time.Second)
			if err := s.take(f.Wire()); err != nil {
				t.Fatal(err)
			}
			return f
		}
		if f := take(); !f.Keyframe() {
			t.Fatalf("a replay began with %+v", f)
		}
		for range 10 {
			take()
		}
		if s.world.View().Seq() != 500 || s.status.Tick != last {
			t.Fatalf("the screen stands at %d and %d, want the end at %d", s.world.View().Seq(), s.status.Tick, last)
		}
		// History grows: the replay goes on.
		f := w.writeAt(w.delta(8), last+300)
		h.record(w, f)
		for began := time.Now(); s.world.View().Seq() < f.Seq; {
			if time.Since(began) > time.Second {
				t.Fatal("the replay does not go on when history does")
			}
			take()
		}
		// Paused: the tick stands, heartbeats go on.
		p.Seek(first + 5000)
		if err := p.SetSpeed(0); err != nil {
			t.Fatal(err)
		}
		if f := take(); !f.Keyframe() || f.Status.Tick != first+5000 || f.Status.Speed != 0 {
			t.Fatalf("after a seek got %+v with %+v, want a keyframe", f, f.Status)
		}
		for range 20 {
			if f := take(); !f.Heartbeat() || f.Status.Tick != first+5000 {
				t.Fatalf("paused, got %+v with %+v", f, f.Status)
			}
		}
		// A seek ends the wait of Next.
		done := make(chan *Frame)
		go func() {
			f, _ := p.Next(t.Context())
			done <- f
		}()
		synctest.Wait()
		p.Seek(first)
		began := time.Now()
		if f := <-done; !f.Keyframe() || f.Seq != 0 || time.Since(began) != 0 {
			t.Fatalf("got %+v after %s, want a keyframe of the beginning at once", f, time.Since(began))
		}
		if err := p.SetSpeed(60); err != nil {
			t.Fatal(err)
		}
		if f := hubNext(t, p, time.Millisecond); f.Status == nil || f.Status.Speed != 60 {
			t.Fatalf("got %+v, want to be told of the speed", f)
		}
		for _, bad := range []float64{-1, SpeedMax + 1, math.NaN(), math.Inf(1)} {
			if err := p.SetSpeed(bad); !errors.Is(err, ErrSpeed) {
				t.Errorf("speed %v: got %v", bad, err)
			}
			if _, err := NewPlayer(h, first, bad); !errors.Is(err, ErrSpeed) {
				t.Errorf("a player of speed %v: got %v", bad, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.Seek(first)
		if _, err := p.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was canceled", err)
		}
	})
}

// What does not give the state that was live is said, not shown.
func TestReplayOfADamagedHistoryIsLoud(t *testing.T) {
	gone := errors.New("frame 301 is missing")
	tests := map[string]struct {
		damage func(h *pastHistory)
		want   error
	}{
		"another state":   {func(h *pastHistory) { f := *h.frames[299]; f.State++; h.frames[299] = &f }, ErrReplay},
		"another place":   {func(h *pastHistory) { alter(h.frames, 270) }, ErrReplay},
		"a hole":          {func(h *pastHistory) { h.frames = slices.Delete(h.frames, 290, 291) }, ErrReplay},
		"a bad keyframe":  {func(h *pastHistory) { k := *h.keys[5]; k.State++; h.keys[5] = &k }, ErrReplay},
		"said by history": {func(h *pastHistory) { h.frames, h.broken = h.frames[:300], gone }, gone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := newPast(t, 5, 400, 100)
				from, last := h.keys[5].Time, h.frames[399].Time
				tt.damage(h)
				if h.broken != nil {
					h.frames = append(h.frames, &Frame{Seq: 0, Time: last}) // Span says that there was more
				}
				p, err := NewPlayer(h, from, 1)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				for {
					f, err := p.Next(ctx)
					if err != nil {
						if !errors.Is(err, tt.want) {
							t.Errorf("got %v, want %v", err, tt.want)
						}
						break
					}
					if _, state := h.then(f.Time); !f.Heartbeat() && f.State != state && f.Seq < 290 {
						t.Errorf("frame %d was shown with state %x, it had %x", f.Seq, f.State, state)
					}
				}
				p.Seek(h.keys[1].Time) // elsewhere it is whole
				if f, err := p.Next(t.Context()); err != nil || !f.Keyframe() {
					t.Errorf("after the error: got %+v and %v", f, err)
				}
			})
		})
	}
}

// alter moves the first feature that is put or moved at or after a frame.
func alter(frames []*Frame, from int) {
	for i := from; ; i++ {
		if len(frames[i].Move) > 0 {
			f := *frames[i]
			f.Move = slices.Clone(f.Move)
			f.Move[0].Fix.At.Lng++
			frames[i] = &f
			return
		}
	}
}

func TestReplayGoesOnInTheNextEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newPast(t, 6, 120, 100)
		last := w.world.View().Time()
		// Damage: the new epoch begins with what could be saved.
		saved := geo.NewWorld()
		saved.Load(geo.Moment{Seq: 130, Time: last + 50}, w.world.View().Keyframe(), w.world.View().NextID(), nil, nil)
		w.world = saved
		h.keep(saved.View(), "another")
		h.frames = append(h.frames, h.keys[len(h.keys)-1])
		for range 10 {
			f := w.writeAt(w.delta(8), w.world.View().Time()+50)
			f.Epoch = "another"
			h.frames = append(h.frames, f)
		}
		p, err := NewPlayer(h, last-500, 1)
		if err != nil {
			t.Fatal(err)
		}
		var s hubScreen
		for s.epoch != "another" || s.world.View().Seq() < 140 {
			if err := s.take(hubNext(t, p, time.Second).Wire()); err != nil {
				t.Fatal(err)
			}
		}
		if s.keyframes != 2 || !reflect.DeepEqual(s.world.View().Keyframe(), w.world.View().Keyframe()) {
			t.Errorf("got %d keyframes; the screen holds %+v", s.keyframes, s.world.View().Keyframe())
		}
	})
}
