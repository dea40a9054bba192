package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	// Retract: what a frame drops is not sent to anyone any more, not even to who comes
	// within the second that others share a keyframe, or is taken on slowly.
	Retract bool
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
	retract bool
	m       *hubMetrics

	head atomic.Pointer[hubHead] // written under mu, read without

	mu       sync.Mutex
	status   Status
	bounds   [len(hubRates)]hubBound
	key      *hubKeyframe
	beats    map[hubBeatKey]*Frame
	beatSlot int64

	readersMu sync.Mutex // taken after mu, if both
	readers   []*Subscription
}

// hubHead is what every reader looks at first.
type hubHead struct {
	*hubMoment
	statusNo uint64 // of the status, tick and clock aside
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
	last    *Frame // the last overlay frame
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
	h := &Hub{source: w, world: o.World, epoch: o.Epoch, m: newHubMetrics(o.Metrics, o.Audience.Name), retract: o.Retract}
	h.fixed = Status{Build: o.Build, Exercise: o.Exercise, Simulated: o.Simulated, Audience: o.Audience.Name}
	if o.Audience.Project != nil {
		h.project = newProjection(o.Audience.Project, view)
	}
	// The journal that restored this world has just been written to.
	h.status = h.complete(Status{Tick: view.Time(), Recording: true})
	h.head.Store(&hubHead{hubMoment: &hubMoment{hubState: h.stateOf(view, nil)}, statusNo: 1})
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
	h.publish(f, h.source.View())
	h.wake(wantFrames)
}

func (h *Hub) publish(f *Frame, view *geo.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := *h.head.Load()
	if f.Epoch != h.epoch || f.World != h.world || f.Base > head.view.Seq() || f.Seq != view.Seq() || f.Live != view.Live() ||
		f.Overlay() && f.Live <= head.live || !f.Overlay() && f.Seq <= head.view.Seq() {
		panic(fmt.Sprintf("streams: frame %s/%s:%d.%d (base %d) published on a hub of %s/%s at %d.%d, with the world at %d.%d",
			f.World, f.Epoch, f.Seq, f.Live, f.Base, h.world, h.epoch, head.view.Seq(), head.live, view.Seq(), view.Live()))
	}
	h.m.frames.Inc()
	d := f.Delta
	if f.Overlay() {
		if h.project != nil {
			d = geo.Delta{Move: h.project.overlay(view, f.Move)}
		}
		step := h.frame(head.view, f.Base, f.Live, f.Time, d)
		all := step
		if head.overlay != nil {
			all = head.overlay.Merge(step)
			all.shared = h.share(head.view)
		}
		head.hubMoment = &hubMoment{hubState: head.hubState, live: f.Live, overlay: all, last: step}
	} else {
		seen := view
		if h.project != nil {
			d = h.project.apply(view, d)
			seen = h.project.world.View()
		}
		var step *Frame
		if f.Base > 0 { // a keyframe needs its header
			step = h.frame(seen, f.Base, 0, f.Time, d)
		}
		head.hubMoment = &hubMoment{hubState: h.stateOf(view, step)}
	}
	h.head.Store(&head)
	h.forget(time.Now())
	if h.retract && len(d.Drop) > 0 {
		h.key, h.bounds = nil, [len(hubRates)]hubBound{}
	}
}

// wake wakes the readers that wait for something of that sort. It sends into
// room that is there or already holds the news, so it waits for nobody.
func (h *Hub) wake(sort int32) {
	h.readersMu.Lock()
	defer h.readersMu.Unlock()
	for _, s := range h.readers {
		if s.want.Load() >= sort {
			s.wake()
		}
	}
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
	s = h.complete(s)
	old := h.status
	h.status = s
	old.Tick, old.Clock, s.Tick, s.Clock = 0, 0, 0, 0
	news := old != s
	if news {
		head := *h.head.Load()
		head.statusNo++
		h.head.Store(&head)
	}
	h.mu.Unlock()
	if news {
		h.wake(wantState)
	}
}

// Close ends all subscriptions, those that come later too: their Next returns
// cause.
func (h *Hub) Close(cause error) {
	h.mu.Lock()
	head := *h.head.Load()
	head.closed = cmp.Or(head.closed, cause)
	h.head.Store(&head)
	h.mu.Unlock()
	h.wake(wantState)
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
	h.mu.Lock()
	defer h.mu.Unlock()
	every := hubRates[rate]
	slot := now.UnixNano() / int64(every)
	b := &h.bounds[rate]
	if b.slot != slot || b.at == nil {
		b.slot, b.at = slot, h.head.Load().hubMoment
	}
	return b.at, time.Unix(0, (slot+1)*int64(every))
}

// keyframe returns a keyframe that is not older than keyframeAge and not from
// before seq, and the number of the status that stands on it.
func (h *Hub) keyframe(now time.Time, seq uint64) (*Frame, uint64) {
	h.mu.Lock()
	k, head := h.key, h.head.Load()
	if k == nil || now.Sub(k.made) >= keyframeAge || k.statusNo != head.statusNo || k.state.view.Seq() < seq {
		st := head.hubState
		k = &hubKeyframe{made: now, statusNo: head.statusNo, state: st}
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
	head := h.head.Load()
	k := hubBeatKey{seq, hash, head.statusNo}
	f := h.beats[k]
	if f == nil {
		f = &Frame{V: FormatVersion, World: h.world, Epoch: h.epoch, Base: seq, Seq: seq, Time: at, State: hash, Status: h.statusAt(now), shared: h.share(head.view)}
		h.beats[k] = f
	}
	return f, head.statusNo
}
