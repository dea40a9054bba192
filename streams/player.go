package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"rasad/geo"
)

const (
	// playPace is how often a replay is shown: what happens faster is one frame.
	playPace = 50 * time.Millisecond
	// playPoll is how often a replay that reached the end looks for more.
	playPoll = 250 * time.Millisecond
	// playFrames and playItems bound what is read ahead.
	playFrames, playItems = 512, 50_000
	// playBusy is how long a replay may work before it shows what it has: where
	// the machine cannot keep up with the speed, time runs slower.
	playBusy = 200 * time.Millisecond
	// SpeedMax is the greatest speed of a replay.
	SpeedMax = 3600
)

// Why a replay does not go on.
var (
	// ErrSpeed is a speed that is negative, over [SpeedMax], or no number.
	ErrSpeed = fmt.Errorf("the speed of a replay lies between 0 (paused) and %d", SpeedMax)
	// ErrReplay is a history that does not give the state that was live then. It is
	// never papered over: a review must not show what nobody saw.
	ErrReplay = errors.New("the history does not give the state that was live then")
)

// History is a past that can be played. A [Journal] is one.
type History interface {
	// KeyframeAt returns the newest keyframe at or before t, or the first one when
	// history begins later.
	KeyframeAt(ctx context.Context, t geo.Millis) (*Frame, error)
	// Frames yields the recorded frames after a sequence, in order, up to the last
	// one; where an epoch ends, the first keyframe of the next one. It ends with the
	// first error.
	Frames(ctx context.Context, after uint64) iter.Seq2[*Frame, error]
	// Span returns the times of the first keyframe and of the last frame.
	Span() (first, last geo.Millis)
}

// Player plays the past at a speed: at a moment T the world is as it was after
// the last frame at or before T. It begins, and goes on after every seek, with a
// keyframe. At the end of history it waits, and goes on when history does. It has
// a world of its own and no way back to the live one.
//
// Next is for one goroutine; the other methods may be called from any.
type Player struct {
	h    History
	poke chan struct{}

	mu       sync.Mutex
	at       geo.Millis // the moment shown at since; where to begin, when a seek is asked
	since    time.Time
	speed    float64
	asked    int // seeks so far
	answered int // the last of them that was done
	nextBeat time.Time

	// What follows belongs to Next.
	show        Status
	see         func(*geo.Feature) *geo.Feature
	world       *geo.World
	project     *projection
	name, epoch string
	ahead       []*Frame  // read and not yet applied
	look        time.Time // when to look for more history
	shown       uint64    // sequence that the reader has; its keyframe when fresh
	fresh       bool
	moved       time.Time // when a change was last given
	timer       *time.Timer
}

// NewPlayer returns a player that begins at a moment, at a speed; 0 is paused. The
// error is [ErrSpeed].
func NewPlayer(h History, at geo.Millis, speed float64) (*Player, error) {
	p := &Player{h: h, poke: make(chan struct{}, 1), show: Status{Audience: "ops", Recording: true}}
	if err := p.SetSpeed(speed); err != nil {
		return nil, err
	}
	p.at, p.asked = at, 1
	return p, nil
}

// Show says who watches, and what stands in the status beside mode, speed, tick and
// clock. It must be called before Next.
func (p *Player) Show(a Audience, s Status) {
	s.Audience = cmp.Or(a.Name, "ops")
	p.see, p.show = a.Project, s
}

// Seek goes to a moment; before the first or after the last, to that one.
func (p *Player) Seek(at geo.Millis) {
	p.mu.Lock()
	p.at = at
	p.asked++
	p.mu.Unlock()
	p.wake()
}

// SetSpeed changes the speed; 0 is paused. The error is [ErrSpeed].
func (p *Player) SetSpeed(speed float64) error {
	if !(speed >= 0 && speed <= SpeedMax) {
		return fmt.Errorf("speed %v: %w", speed, ErrSpeed)
	}
	p.mu.Lock()
	now := time.Now()
	if p.asked == p.answered {
		p.at, p.since = p.head(now), now
	}
	p.speed = speed
	p.nextBeat = time.Time{} // tell it
	p.mu.Unlock()
	p.wake()
	return nil
}

func (p *Player) wake() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// head is the moment to show at the time now; the caller holds mu.
func (p *Player) head(now time.Time) geo.Millis {
	return p.at + geo.Millis(float64(now.Sub(p.since).Milliseconds())*p.speed)
}

// Next returns what happened since the last call, as one frame, at most every
// 50 ms; a keyframe first and after a seek; a heartbeat at least every second. Its
// errors are that of ctx, [ErrReplay], and those of the history; after one the
// player may be sent elsewhere with Seek.
func (p *Player) Next(ctx context.Context) (*Frame, error) {
	for {
		f, until, err := p.step(ctx, time.Now())
		if f != nil || err != nil {
			return f, err
		}
		d := time.Until(until)
		if p.timer == nil {
			p.timer = time.NewTimer(d)
		} else {
			p.timer.Reset(d)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.poke:
		case <-p.timer.C:
		}
	}
}

// step gives what is due at the time now, or says until when nothing is.
func (p *Player) step(ctx context.Context, now time.Time) (*Frame, time.Time, error) {
	p.mu.Lock()
	asked, at := p.asked, p.at
	seek := asked != p.answered
	p.mu.Unlock()
	if seek {
		at, err := p.begin(ctx, at)
		if err != nil {
			return nil, now, err
		}
		now = time.Now()
		p.mu.Lock()
		if again := p.asked != asked; again {
			p.mu.Unlock()
			return nil, now, nil
		}
		p.answered, p.at, p.since = asked, at, now
		p.mu.Unlock()
	}
	head, speed, beat := p.now(now)
	if p.fresh {
		return p.keyframe(now, head), now, nil
	}
	if v := p.view(); !now.Before(beat) && v.Seq() == p.shown { // before the changes: there may always be some
		return p.told(p.frame(v, v.Seq(), geo.Delta{}), now, head), now, nil
	}
	if paced := p.moved.Add(playPace); now.Before(paced) {
		return nil, paced, nil
	}
	if err := p.play(ctx, head, now); err != nil {
		return nil, now, err
	}
	if p.fresh { // another epoch began
		return p.keyframe(now, head), now, nil
	}
	if p.world.View().Seq() > p.shown {
		return p.changes(now, head), now, nil
	}
	until := beat
	switch {
	case speed == 0:
	case len(p.ahead) > 0:
		wait := float64(p.ahead[0].Time-head) / speed * float64(time.Millisecond)
		if wait < float64(until.Sub(now)) {
			until = now.Add(max(time.Duration(math.Ceil(wait)), time.Millisecond))
		}
	case p.look.Before(until):
		until = p.look
	}
	return nil, until, nil
}

// now returns the moment to show, the speed, and when a heartbeat is due. Time
// does not run past the end of history.
func (p *Player) now(now time.Time) (head geo.Millis, speed float64, beat time.Time) {
	_, last := p.h.Span()
	p.mu.Lock()
	defer p.mu.Unlock()
	head = p.head(now)
	if end := max(last, p.world.View().Time()); head > end {
		head = end
		p.at, p.since = head, now
	}
	return head, p.speed, p.nextBeat
}

// begin makes the world of a moment, and returns the moment: it lies within
// history.
func (p *Player) begin(ctx context.Context, at geo.Millis) (geo.Millis, error) {
	key, err := p.h.KeyframeAt(ctx, at)
	if err != nil {
		return 0, fmt.Errorf("replay from %s: %w", playTime(at), err)
	}
	p.ahead, p.look, p.moved = nil, time.Time{}, time.Time{}
	p.world = geo.NewWorld()
	if err := p.load(key); err != nil {
		return 0, err
	}
	_, last := p.h.Span()
	at = max(min(at, last), key.Time)
	for more := true; more; { // to the moment itself, however long that takes
		if more, err = p.advance(ctx, at); err != nil {
			return 0, err
		}
	}
	return at, nil
}

func (p *Player) load(f *Frame) error {
	p.world.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
	p.name, p.epoch, p.fresh = f.World, f.Epoch, true
	p.project = nil
	if p.see != nil {
		p.project = newProjection(p.see, p.world.View())
	}
	return p.prove(f)
}

func (p *Player) prove(f *Frame) error {
	if got := p.world.View().Hash(); got != f.State {
		return fmt.Errorf("replay frame %s:%d of %s: it had state %016x, played it has %016x: %w", f.Epoch, f.Seq, playTime(f.Time), f.State, got, ErrReplay)
	}
	return nil
}

// play applies what happened until head.
func (p *Player) play(ctx context.Context, head geo.Millis, began time.Time) error {
	for {
		more, err := p.advance(ctx, head)
		if err != nil || !more {
			return err
		}
		if time.Since(began) > playBusy {
			p.mu.Lock()
			p.at, p.since = p.world.View().Time(), time.Now()
			p.mu.Unlock()
			return nil
		}
	}
}

// advance applies the frames up to head that are read, and reads more when that is
// all. It tells whether there may be more to apply.
func (p *Player) advance(ctx context.Context, head geo.Millis) (more bool, err error) {
	for n := 0; len(p.ahead) > 0 && p.ahead[0].Time <= head; n++ {
		if n == playFrames {
			return true, nil
		}
		f := p.ahead[0]
		p.ahead = p.ahead[1:]
		if err := p.apply(f); err != nil {
			return false, err
		}
	}
	if len(p.ahead) > 0 {
		return false, nil
	}
	_, last := p.h.Span()
	if at := p.world.View().Time(); at > head || at >= last && time.Now().Before(p.look) {
		return false, nil
	}
	p.look = time.Now().Add(playPoll)
	return p.read(ctx, head)
}

// read reads ahead: beyond head, so that it is known when the next frame is due, and
// as far as a second of playing goes: finding a place in the history costs more than
// reading on.
func (p *Player) read(ctx context.Context, head geo.Millis) (some bool, err error) {
	p.mu.Lock()
	until := head + geo.Millis(1000*max(1, p.speed))
	p.mu.Unlock()
	items := 0
	for f, err := range p.h.Frames(ctx, p.world.View().Seq()) {
		if err != nil {
			if len(p.ahead) > 0 {
				break // first what is whole
			}
			return false, err
		}
		p.ahead = append(p.ahead, f)
		if items += len(f.Put) + len(f.Move) + len(f.Drop); items > playItems || len(p.ahead) == playFrames || f.Time > until {
			break
		}
	}
	return len(p.ahead) > 0, ctx.Err()
}

func (p *Player) apply(f *Frame) error {
	v := p.world.View()
	switch {
	case f.Seq <= v.Seq():
		return nil
	case f.Keyframe() && f.Epoch != p.epoch:
		return p.load(f)
	case f.Base > v.Seq():
		return fmt.Errorf("replay frame %s:%d of %s: the frames before it, from %d, are missing: %w", f.Epoch, f.Seq, playTime(f.Time), v.Seq()+1, ErrReplay)
	}
	p.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	if p.project != nil {
		p.project.apply(p.world.View(), f.Delta)
	}
	return p.prove(f)
}

// view is the world as the audience sees it.
func (p *Player) view() *geo.View {
	if p.project != nil {
		return p.project.world.View()
	}
	return p.world.View()
}

func (p *Player) frame(v *geo.View, base uint64, d geo.Delta) *Frame {
	return &Frame{V: FormatVersion, World: p.name, Epoch: p.epoch, Base: base, Seq: v.Seq(), Time: v.Time(), State: v.Hash(), Delta: d, shared: &frameBytes{keyOf: v.KeyOf}}
}

func (p *Player) keyframe(now time.Time, head geo.Millis) *Frame {
	p.fresh = false
	v := p.view()
	return p.told(p.frame(v, 0, v.Keyframe()), now, head)
}

// changes is what happened since what the reader has. It is taken from the world
// and not merged frame by frame: the law says that it is the same, and at a
// thousandfold speed it is bounded by the number of features.
func (p *Player) changes(now time.Time, head geo.Millis) *Frame {
	v := p.view()
	d, ok := v.Since(p.shown)
	if !ok || p.shown == 0 {
		return p.keyframe(now, head)
	}
	if p.project != nil {
		d = projectedSince(v, p.project.shown, d, p.shown)
	}
	f := p.frame(v, p.shown, d)
	p.shown, p.moved = v.Seq(), now
	return f
}

// told puts the status on a frame.
func (p *Player) told(f *Frame, now time.Time, head geo.Millis) *Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.show
	s.Mode, s.Speed, s.Tick, s.Clock = ModeReplay, p.speed, head, geo.Millis(now.UnixMilli())
	f.Status = &s
	p.nextBeat = now.Add(heartbeatEvery)
	p.shown = f.Seq
	if f.Keyframe() {
		p.moved = now
	}
	return f
}

func playTime(t geo.Millis) string {
	return time.UnixMilli(int64(t)).UTC().Format(time.RFC3339Nano)
}
