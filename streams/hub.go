package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
)

const (
	// heartbeatEvery keeps the promise of one heartbeat a second, with room for a
	// busy scheduler.
	heartbeatEvery = 900 * time.Millisecond
	// heartbeatShare is how long one heartbeat serves everyone who is due.
	heartbeatShare = 50 * time.Millisecond
	// keyframeAge is how old a keyframe may be that a newcomer gets. What happened
	// since follows at once, and ten thousand who come back in the same second
	// share its bytes.
	keyframeAge = time.Second
	// dropsMax is how many drops more than it has features a frame may have before
	// a keyframe is the smaller answer.
	dropsMax = 1000
)

// hubRates are how often a reader can be served; the first means every frame as it
// is made, and for those who do not keep up, this often.
var hubRates = [...]time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second}

// RoundEvery returns the rate at which a reader who asked for every is served:
// 50 ms (every frame), 200 ms, 1 s or 5 s.
func RoundEvery(every time.Duration) time.Duration { return hubRates[hubRate(every)] }

func hubRate(every time.Duration) int {
	for i, r := range hubRates {
		if every <= r {
			return i
		}
	}
	return len(hubRates) - 1
}

// Resume says where a reader stands. The zero Resume is a reader who has nothing.
type Resume struct {
	Epoch     string
	Seq, Live uint64
}

// ErrResume is a place to resume from that is not of the form EPOCH:SEQ or EPOCH:SEQ:LIVE.
var ErrResume = errors.New("a place to resume from is EPOCH:SEQ or EPOCH:SEQ:LIVE")

// ParseResume reads EPOCH:SEQ or EPOCH:SEQ:LIVE; the empty string is the zero
// Resume. It returns [ErrResume], wrapped, for anything else.
func ParseResume(s string) (Resume, error) {
	if s == "" {
		return Resume{}, nil
	}
	part := strings.Split(s, ":")
	if len(part) < 2 || len(part) > 3 || part[0] == "" {
		return Resume{}, fmt.Errorf("%.80q: %w", s, ErrResume)
	}
	r := Resume{Epoch: part[0]}
	for i, to := range []*uint64{&r.Seq, &r.Live}[:len(part)-1] {
		n, err := strconv.ParseUint(part[i+1], 10, 64)
		if err != nil {
			return Resume{}, fmt.Errorf("%.80q: %w", s, ErrResume)
		}
		*to = n
	}
	return r, nil
}

func (r Resume) String() string {
	if r.Live > 0 {
		return fmt.Sprintf("%s:%d:%d", r.Epoch, r.Seq, r.Live)
	}
	return fmt.Sprintf("%s:%d", r.Epoch, r.Seq)
}

// Source is where frames come from: the live hub, a replay. Next waits for
// something newer than the last call returned and gives all of it as one frame,
// which is shared and must not be changed. It returns the error of ctx when that
// ends first.
type Source interface {
	Next(ctx context.Context) (*Frame, error)
}

// HubOptions say what a [Hub] shows.
type HubOptions struct {
	World    string // its name
	Epoch    string
	Audience Audience // the zero Audience is "ops", which sees everything
	// Build, Exercise and Simulated stand in every status.
	Build               string
	Exercise, Simulated bool
	// Metrics may be shared by the hubs of all audiences; nil: counted and not shown.
	Metrics prometheus.Registerer
}

// Hub shows one audience what is recorded and applied. It keeps no queue for a
// reader: each is a place in the history, and gets from there to now in one
// frame. Those who keep up share the frames of the writer; others share
// summaries.
type Hub struct {
	source  *geo.World
	world   string
	epoch   string
	project *projection // nil: the audience sees everything
	fixed   Status      // what the status says for good
	m       *hubMetrics

	mu       sync.Mutex
	now      *hubMoment
	status   Status
	statusNo uint64 // of the status, tick and clock aside
	newFrame chan struct{}
	newState chan struct{} // status changed, or closed
	bounds   [len(hubRates)]hubBound
	key      *hubKeyframe
	beats    map[hubBeatKey]*Frame
	beatSlot int64
	closed   error
}

// hubState is what is recorded, as the audience sees it, after one frame.
type hubState struct {
	view  *geo.View
	shown map[geo.ID]uint64
	from  uint64 // summaries from before are not possible
	step  *Frame // the frame that led here; nil when it started from nothing

	mu   sync.Mutex
	cuts map[uint64]*hubCut // summaries that lead here, by base

	bodyOnce sync.Once
	body     []byte // of a keyframe
}

// hubMoment is a state and what is shown on top without being recorded.
type hubMoment struct {
	*hubState
	live    uint64
	overlay *Frame // everything shown since the state; nil when live is 0
	step    *Frame // the last overlay frame
}

// hubBound is where the readers of one rate stand or will stand.
type hubBound struct {
	slot int64
	at   *hubMoment
}

type hubCut struct {
	once  sync.Once
	frame *Frame // nil: too long ago, or bigger than a keyframe
}

type hubKeyframe struct {
	made     time.Time
	statusNo uint64
	state    *hubState
	once     sync.Once
	frame    *Frame
}

type hubBeatKey struct{ seq, hash, statusNo uint64 }

// NewHub returns a hub for a world that is restored and shows nothing unrecorded.
func NewHub(w *geo.World, o HubOptions) *Hub {
	view := w.View()
	if view.Live() > 0 {
		panic("streams: a hub cannot start on an overlay")
	}
	o.Audience.Name = cmp.Or(o.Audience.Name, "ops")
	h := &Hub{source: w, world: o.World, epoch: o.Epoch, m: newHubMetrics(o.Metrics, o.Audience.Name), newFrame: make(chan struct{}), newState: make(chan struct{}), statusNo: 1}
	h.fixed = Status{Build: o.Build, Exercise: o.Exercise, Simulated: o.Simulated, Audience: o.Audience.Name}
	if o.Audience.Project != nil {
		h.project = newProjection(o.Audience.Project, view)
	}
	// The journal that restored this world has just been written to.
	h.status = h.complete(Status{Tick: view.Time(), Recording: true})
	h.now = &hubMoment{hubState: h.stateOf(view, nil)}
	return h
}

func (h *Hub) complete(s Status) Status {
	s.Mode = cmp.Or(s.Mode, ModeLive)
	s.Build = cmp.Or(s.Build, h.fixed.Build)
	s.Exercise, s.Simulated = s.Exercise || h.fixed.Exercise, s.Simulated || h.fixed.Simulated
	s.Audience, s.Echo, s.Speed = h.fixed.Audience, 0, 0
	return s
}

// stateOf is the state after the world came to view by step.
func (h *Hub) stateOf(view *geo.View, step *Frame) *hubState {
	st := &hubState{view: view, step: step}
	if h.project != nil {
		st.view, st.shown, st.from = h.project.world.View(), h.project.shown, h.project.from
	}
	h.m.sight.Set(float64(st.view.Len("")))
	return st
}

// Epoch is the identity of the history that the hub shows.
func (h *Hub) Epoch() string { return h.epoch }

// Publish shows a frame: recorded and applied, or an overlay that the world
// shows. It is called once for each frame, in order, before the next one is
// applied, and never waits for readers. It panics when a frame is missing.
func (h *Hub) Publish(f *Frame) {
	view := h.source.View()
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.Epoch != h.epoch || f.World != h.world || f.Base > h.now.view.Seq() || f.Seq != view.Seq() || f.Live != view.Live() ||
		f.Overlay() && f.Live <= h.now.live || !f.Overlay() && f.Seq <= h.now.view.Seq() {
		panic(fmt.Sprintf("streams: frame %s/%s:%d.%d (base %d) published on a hub of %s/%s at %d.%d, with the world at %d.%d",
			f.World, f.Epoch, f.Seq, f.Live, f.Base, h.world, h.epoch, h.now.view.Seq(), h.now.live, view.Seq(), view.Live()))
	}
	h.m.frames.Inc()
	d := f.Delta
	if f.Overlay() {
		if h.project != nil {
			d = geo.Delta{Move: h.project.overlay(view, f.Move)}
		}
		step := h.frame(h.now.view, f.Base, f.Live, f.Time, d)
		all := step
		if h.now.overlay != nil {
			all = h.now.overlay.Merge(step)
			all.shared = h.share(h.now.view)
		}
		h.now = &hubMoment{hubState: h.now.hubState, live: f.Live, overlay: all, step: step}
	} else {
		if h.project != nil {
			d = h.project.apply(view, d)
			view = h.project.world.View()
		}
		var step *Frame
		if f.Base > 0 { // a keyframe needs its header
			step = h.frame(view, f.Base, 0, f.Time, d)
		}
		h.now = &hubMoment{hubState: h.stateOf(h.source.View(), step)}
	}
	h.forget(time.Now())
	close(h.newFrame)
	h.newFrame = make(chan struct{})
}

// forget lets go of states that nobody will be taken to any more.
func (h *Hub) forget(now time.Time) {
	for i := range h.bounds {
		if b := &h.bounds[i]; b.slot != now.UnixNano()/int64(hubRates[i]) {
			b.at = nil
		}
	}
	if h.key != nil && now.Sub(h.key.made) >= keyframeAge {
		h.key = nil
	}
}

// frame makes a frame for readers that leads to v.
func (h *Hub) frame(v *geo.View, base, live uint64, at geo.Millis, d geo.Delta) *Frame {
	f := &Frame{V: FormatVersion, World: h.world, Epoch: h.epoch, Base: base, Seq: v.Seq(), Live: live, Time: at, Delta: d, shared: h.share(v)}
	if live == 0 {
		f.State = v.Hash()
	}
	return f
}

func (h *Hub) share(v *geo.View) *frameBytes {
	return &frameBytes{keyOf: v.KeyOf, made: h.m.encoded}
}

// Tick tells what the writer is doing; it stands on the next heartbeats. When
// more than tick and clock changed, everyone is told at once. The audience is
// the hub's, as is what [HubOptions] say.
func (h *Hub) Tick(s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s = h.complete(s)
	old := h.status
	h.status = s
	old.Tick, old.Clock, s.Tick, s.Clock = 0, 0, 0, 0
	if old != s {
		h.statusNo++
		h.tellState()
	}
}

func (h *Hub) tellState() {
	close(h.newState)
	h.newState = make(chan struct{})
}

// Close ends all subscriptions, those that come later too: their Next returns
// cause.
func (h *Hub) Close(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed == nil {
		h.closed = cause
		h.tellState()
	}
}

// statusAt is the status as it goes out at the moment now.
func (h *Hub) statusAt(now time.Time) *Status {
	s := h.status
	s.Clock = geo.Millis(now.UnixMilli())
	return &s
}

// bound returns where readers of a rate are taken at the moment now, and when
// that will be further on.
func (h *Hub) bound(rate int, now time.Time) (*hubMoment, time.Time) {
	every := hubRates[rate]
	slot := now.UnixNano() / int64(every)
	b := &h.bounds[rate]
	if b.slot != slot || b.at == nil {
		b.slot, b.at = slot, h.now
	}
	return b.at, time.Unix(0, (slot+1)*int64(every))
}

// keyframe returns a keyframe that is not older than keyframeAge and not from
// before seq, and the number of the status that stands on it.
func (h *Hub) keyframe(now time.Time, seq uint64) (*Frame, uint64) {
	h.mu.Lock()
	k := h.key
	if k == nil || now.Sub(k.made) >= keyframeAge || k.statusNo != h.statusNo || k.state.view.Seq() < seq {
		st := h.now.hubState
		k = &hubKeyframe{made: now, statusNo: h.statusNo, state: st}
		status := h.statusAt(now)
		k.frame = h.frame(st.view, 0, 0, st.view.Time(), geo.Delta{})
		k.frame.Status = status
		k.frame.shared.body = st.keyframeBody
		h.key = k
	}
	h.mu.Unlock()
	k.once.Do(func() { k.frame.Delta = k.state.view.Keyframe() })
	return k.frame, k.statusNo
}

// keyframeBody is the part of a keyframe that only the state decides.
func (st *hubState) keyframeBody() []byte {
	st.bodyOnce.Do(func() { st.body = pbDelta(nil, st.view.Keyframe()) })
	return st.body
}

// cut returns a frame that brings a reader from seq to the state, or nil when it
// needs a keyframe. Readers who were away for about equally long share it: what
// a reader has already does no harm.
func (h *Hub) cut(st *hubState, seq uint64) *Frame {
	base := cutBase(seq, st.view.Seq())
	if base < st.from {
		base = seq
	}
	f := h.cutFrom(st, base)
	if f == nil && base != seq {
		f = h.cutFrom(st, seq) // the tombstones may reach just far enough
	}
	return f
}

func (h *Hub) cutFrom(st *hubState, base uint64) *Frame {
	if base < st.from || base == 0 { // base 0 is a keyframe, which has a status
		return nil
	}
	st.mu.Lock()
	c := st.cuts[base]
	if c == nil {
		c = &hubCut{}
		if st.cuts == nil {
			st.cuts = map[uint64]*hubCut{}
		}
		st.cuts[base] = c
	}
	st.mu.Unlock()
	c.once.Do(func() {
		d, ok := st.view.Since(base)
		if !ok || len(d.Drop) > st.view.Len("")+dropsMax {
			return
		}
		h.m.merged.Inc()
		c.frame = h.frame(st.view, base, 0, st.view.Time(), projectedSince(st.view, st.shown, d, base))
	})
	return c.frame
}

// cutBase rounds the distance from seq to now up, to at most a quarter more, so
// that all ages together make a few dozen summaries.
func cutBase(seq, now uint64) uint64 {
	d := now - seq
	if d < 8 {
		return seq
	}
	step := uint64(1) << (bits.Len64(d) - 3)
	if d = (d + step - 1) &^ (step - 1); d < now {
		return now - d
	}
	return min(seq, 1)
}

// heartbeat returns a frame without changes for a reader at seq, shared with all
// who stand there.
func (h *Hub) heartbeat(now time.Time, seq, hash uint64, at geo.Millis) (*Frame, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slot := now.UnixNano() / int64(heartbeatShare); slot != h.beatSlot || h.beats == nil {
		h.beats, h.beatSlot = map[hubBeatKey]*Frame{}, slot
	}
	k := hubBeatKey{seq, hash, h.statusNo}
	f := h.beats[k]
	if f == nil {
		f = &Frame{V: FormatVersion, World: h.world, Epoch: h.epoch, Base: seq, Seq: seq, Time: at, State: hash, Status: h.statusAt(now), shared: h.share(h.now.view)}
		h.beats[k] = f
	}
	return f, h.statusNo
}

// Subscription is one reader of a [Hub]. Next is for one goroutine; the other
// methods may be called from any.
type Subscription struct {
	hub  *Hub
	poke chan struct{}

	mu      sync.Mutex
	rate    int
	fresh   bool // needs a keyframe
	seq     uint64
	live    uint64
	hash    uint64
	time    geo.Millis
	settled bool // hash and time are those of seq

	statusNo uint64
	nextBeat time.Time
	timer    *time.Timer
	lagging  bool
	closed   bool
}

// Subscribe begins a subscription where the reader stands, at a rate as of
// [RoundEvery]. A reader who has nothing, or stands where the hub cannot take
// it on from (another epoch, a sequence that is not reached yet, an overlay, too
// long ago), gets a keyframe first. The subscription must be closed.
func (h *Hub) Subscribe(from Resume, every time.Duration) *Subscription {
	s := &Subscription{hub: h, poke: make(chan struct{}, 1), rate: hubRate(every)}
	s.resume(from)
	h.m.readers.Inc()
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
	s.hub.mu.Lock()
	head := s.hub.now.view.Seq()
	s.hub.mu.Unlock()
	s.fresh = from.Epoch != s.hub.epoch || from.Seq == 0 || from.Seq > head || from.Live > 0
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
	s.hub.m.readers.Dec()
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
	for {
		f, w, err := s.step(time.Now())
		if f != nil {
			s.hub.m.delivered.Inc()
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		d := time.Until(w.until)
		if s.timer == nil {
			s.timer = time.NewTimer(d)
		} else {
			s.timer.Reset(d)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.frame:
		case <-w.state:
		case <-s.poke:
		case <-s.timer.C:
		}
	}
}

// hubWait is what a reader waits for when there is nothing to give.
type hubWait struct {
	frame, state <-chan struct{}
	until        time.Time
}

// step gives the reader what is due at the moment now, or says what to wait for.
func (s *Subscription) step(now time.Time) (*Frame, hubWait, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hub
	h.mu.Lock()
	cur, statusNo, closed := h.now, h.statusNo, h.closed
	bound, next := h.bound(s.rate, now)
	summary := bound
	if s.rate != 0 {
		summary, _ = h.bound(0, now)
	}
	w := hubWait{state: h.newState, until: s.nextBeat}
	if s.rate == 0 {
		w.frame = h.newFrame
	}
	h.mu.Unlock()

	if closed != nil {
		return nil, w, closed
	}
	if s.fresh {
		return s.keyframe(now, 0), w, nil
	}
	if !s.settled { // just resumed: as far as can be, whatever the rate
		to := cur
		if summary.view.Seq() >= s.seq {
			to = summary // others who came back are taken there too
		}
		if to.view.Seq() == s.seq {
			s.settled, s.hash, s.time = true, to.view.Hash(), to.view.Time()
		} else {
			return s.advance(to.hubState, now), w, nil
		}
	}
	if s.statusNo != statusNo || !now.Before(s.nextBeat) { // before the changes: there may always be some
		return s.beat(now), w, nil
	}
	if s.rate == 0 {
		if st := cur.hubState; st.view.Seq() > s.seq && st.step != nil && st.step.Base <= s.seq {
			s.setLagging(false)
			return s.take(st.step), w, nil
		}
		if cur.view.Seq() == s.seq && cur.live > s.live {
			if cur.live == s.live+1 {
				return s.take(cur.step), w, nil
			}
			return s.take(cur.overlay), w, nil
		}
	}
	if bound.view.Seq() > s.seq {
		s.setLagging(s.rate == 0)
		return s.advance(bound.hubState, now), w, nil
	}
	if bound.view.Seq() == s.seq && bound.live > s.live {
		return s.take(bound.overlay), w, nil
	}
	if behind := cur.view.Seq() > s.seq || cur.live > s.live; behind || s.rate != 0 {
		if next.Before(w.until) {
			w.until = next
		}
		if behind {
			w.frame = nil // another frame does not help; the boundary does
		}
	}
	return nil, w, nil
}

func (s *Subscription) keyframe(now time.Time, least uint64) *Frame {
	f, statusNo := s.hub.keyframe(now, least)
	s.fresh = false
	s.statusNo = statusNo
	s.beatAfter(now)
	s.hub.m.keyframes.Inc()
	return s.take(f)
}

// advance takes the reader to a recorded state.
func (s *Subscription) advance(st *hubState, now time.Time) *Frame {
	if f := s.hub.cut(st, s.seq); f != nil {
		return s.take(f)
	}
	return s.keyframe(now, st.view.Seq())
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
