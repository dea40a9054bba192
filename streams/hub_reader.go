package streams

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"rasad/geo"
)

// Subscription is one reader of a [Hub]. Next is for one goroutine; the other
// methods may be called from any.
type Subscription struct {
	hub   *Hub
	place int           // in hub.readers, under its lock
	poke  chan struct{} // holds one piece of news
	want  atomic.Int32  // what Next waits for

	mu      sync.Mutex
	rate    int
	fresh   bool // needs a keyframe
	seq     uint64
	live    uint64
	hash    uint64
	time    geo.Millis
	settled bool // hash and time are those of seq
	lagging bool
	closed  bool

	statusNo uint64
	nextBeat time.Time
	timer    *time.Timer
	armed    time.Time // when the timer goes off
}

// What a reader waits for.
const (
	wantNothing int32 = iota // it is busy
	wantState                // a change of the status, or the end
	wantFrames               // these, and a new frame
)

// Subscribe begins a subscription where the reader stands, at a rate as of
// [RoundEvery]. A reader who has nothing, or stands where the hub cannot take
// it on from (another epoch, a sequence that is not reached yet, an overlay, too
// long ago), gets a keyframe first. The subscription must be closed.
func (h *Hub) Subscribe(from Resume, every time.Duration) *Subscription {
	s := &Subscription{hub: h, poke: make(chan struct{}, 1), rate: hubRate(every)}
	s.resume(from)
	h.m.readers.Inc()
	h.readersMu.Lock()
	defer h.readersMu.Unlock()
	s.place = len(h.readers)
	h.readers = append(h.readers, s)
	return s
}

// Resume moves the subscription to where the reader says that it stands; the
// zero Resume asks for a keyframe.
func (s *Subscription) Resume(from Resume) {
	s.mu.Lock()
	s.resume(from)
	s.mu.Unlock()
	s.wake()
}

func (s *Subscription) resume(from Resume) {
	s.fresh = from.Epoch != s.hub.epoch || from.Seq == 0 || from.Seq > s.hub.head.Load().view.Seq() || from.Live > 0
	s.seq, s.live, s.settled, s.statusNo = from.Seq, 0, false, 0
	if !s.fresh {
		s.hub.m.resumes.Inc()
	}
}

// SetEvery changes the rate.
func (s *Subscription) SetEvery(every time.Duration) {
	s.mu.Lock()
	s.rate = hubRate(every)
	s.mu.Unlock()
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Close ends the subscription. Next must not be running.
func (s *Subscription) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.setLagging(false)
	if s.timer != nil {
		s.timer.Stop()
	}
	h := s.hub
	h.m.readers.Dec()
	h.readersMu.Lock()
	defer h.readersMu.Unlock()
	last := len(h.readers) - 1
	h.readers[s.place] = h.readers[last]
	h.readers[s.place].place = s.place
	h.readers[last] = nil
	h.readers = h.readers[:last]
}

func (s *Subscription) setLagging(on bool) {
	if on != s.lagging {
		s.lagging = on
		if on {
			s.hub.m.lagging.Inc()
		} else {
			s.hub.m.lagging.Dec()
		}
	}
}

// Next returns what is new to the reader, as one frame: the writer's own, a
// summary, a keyframe, an overlay, or, at least every second, a heartbeat. It
// returns the error of ctx, or the cause that the hub was closed with.
func (s *Subscription) Next(ctx context.Context) (*Frame, error) {
	defer s.want.Store(wantNothing)
	for {
		s.want.Store(wantFrames) // before looking, so that nothing falls between
		now := time.Now()
		f, want, until, err := s.step(now)
		if f != nil {
			s.hub.m.delivered.Inc()
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		s.want.Store(want)
		s.arm(now, until)
		select { // of two cases only: ten thousand readers wait here for each frame
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.poke:
		}
	}
}

// arm makes the timer go off at until or before. Most often it is set already,
// for the next heartbeat.
func (s *Subscription) arm(now, until time.Time) {
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(until.Sub(now), s.wake)
	case !now.Before(s.armed) || until.Before(s.armed):
		s.timer.Reset(until.Sub(now))
	default:
		return
	}
	s.armed = until
}

// step gives the reader what is due at the moment now, or says what to wait for
// and until when.
func (s *Subscription) step(now time.Time) (f *Frame, want int32, until time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := s.hub.head.Load()
	switch {
	case head.closed != nil:
		return nil, 0, now, head.closed
	case s.fresh:
		return s.keyframe(now, 0), 0, now, nil
	case !s.settled: // just resumed
		if f := s.settle(head, now); f != nil {
			return f, 0, now, nil
		}
	}
	if s.statusNo != head.statusNo || !now.Before(s.nextBeat) { // before the changes: there may always be some
		return s.beat(now), 0, now, nil
	}
	behind := head.view.Seq() > s.seq || head.live > s.live
	if s.rate == 0 {
		if !behind {
			return nil, wantFrames, s.nextBeat, nil
		}
		if f := s.keepUp(head); f != nil {
			s.setLagging(false)
			return s.take(f), 0, now, nil
		}
	}
	bound, next := s.hub.bound(s.rate, now)
	if bound.view.Seq() > s.seq {
		s.setLagging(s.rate == 0)
		return s.advance(bound.hubState, now), 0, now, nil
	}
	if bound.view.Seq() == s.seq && bound.live > s.live {
		return s.take(bound.overlay), 0, now, nil
	}
	// Another frame does not help a reader who waits for a boundary.
	if next.Before(s.nextBeat) {
		return nil, wantState, next, nil
	}
	return nil, wantState, s.nextBeat, nil
}

// settle takes a reader who came back as far as can be, whatever its rate. It
// returns nil when the reader is there.
func (s *Subscription) settle(head *hubHead, now time.Time) *Frame {
	to, _ := s.hub.bound(0, now) // others who come back are taken there too
	if to.view.Seq() < s.seq {
		to = head.hubMoment
	}
	if to.view.Seq() > s.seq {
		return s.advance(to.hubState, now)
	}
	s.settled, s.hash, s.time = true, to.view.Hash(), to.view.Time()
	return nil
}

// keepUp returns the writer's own frame when that is all that the reader lacks.
func (s *Subscription) keepUp(head *hubHead) *Frame {
	switch {
	case head.view.Seq() > s.seq:
		if step := head.step; step != nil && step.Base <= s.seq {
			return step
		}
		return nil
	case head.live == s.live+1:
		return head.last
	}
	return head.overlay
}

// advance takes the reader to a recorded state.
func (s *Subscription) advance(st *hubState, now time.Time) *Frame {
	if f := s.hub.cut(st, s.seq); f != nil {
		return s.take(f)
	}
	return s.keyframe(now, st.view.Seq())
}

func (s *Subscription) keyframe(now time.Time, least uint64) *Frame {
	f, statusNo := s.hub.keyframe(now, least)
	s.fresh = false
	s.statusNo = statusNo
	s.beatAfter(now)
	s.hub.m.keyframes.Inc()
	return s.take(f)
}

func (s *Subscription) take(f *Frame) *Frame {
	if f.Overlay() {
		s.live = f.Live
		return f
	}
	s.seq, s.live, s.hash, s.time, s.settled = f.Seq, 0, f.State, f.Time, true
	return f
}

func (s *Subscription) beat(now time.Time) *Frame {
	f, statusNo := s.hub.heartbeat(now, s.seq, s.hash, s.time)
	s.statusNo = statusNo
	s.beatAfter(now)
	return f
}

// beatAfter sets when the next heartbeat is due. Readers who came together are
// spread, so that their heartbeats do not hold up a frame for everyone.
func (s *Subscription) beatAfter(now time.Time) {
	wait := heartbeatEvery
	if s.nextBeat.IsZero() || now.Before(s.nextBeat) {
		wait -= rand.N(heartbeatEvery / 2)
	}
	s.nextBeat = now.Add(wait)
}
