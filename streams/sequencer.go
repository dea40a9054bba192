package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
)

// The pace of a world.
const (
	// Tick is the longest that a position waits for its frame.
	Tick = 50 * time.Millisecond
	// beatEvery is how often an idle world writes an empty frame, so that a disk
	// which stopped taking writes is found before somebody needs it.
	beatEvery = 10 * time.Second
	// frameGap keeps commands from cutting more than 200 frames a second.
	frameGap = 5 * time.Millisecond
	// stuckAfter is how long the journal may keep a frame before the screens are
	// told NOT RECORDING and positions go on without it.
	stuckAfter = 2 * time.Second
	// stopWait is how long a stopping sequencer waits for the frame in flight: the
	// program has five seconds in all.
	stopWait = 3 * time.Second
	// retryMin and retryMax are the pauses between attempts to record a frame.
	retryMin, retryMax = 100 * time.Millisecond, time.Second
)

// appender is the one thing the sequencer needs from a journal: Append returns nil
// when the frame is on disk; [ErrNotRecording] when it may be offered again;
// [ErrPenLost], [ErrJournalDamaged] or [ErrJournalClosed] when there is no going
// on; [ErrFrameTooLarge] when it cannot be recorded as it is. Any other error is taken like ErrNotRecording.
type appender interface {
	Append(ctx context.Context, f *Frame) error
}

// SequencerOptions say what a [Sequencer] works on. World, Journal and Publish
// must be there.
type SequencerOptions struct {
	World   *geo.World
	Journal appender
	// Publish hands a frame to the hubs: recorded and applied, or an overlay. It
	// is called from one goroutine, in order, and must not wait for readers.
	Publish func(*Frame)
	// Rules decide commands, by name. When alarm.raise and alarm.over are among
	// them, a jump of the clock raises the alarm "alarm:clock", and an alarm.ack of
	// it confirms the clock.
	Rules map[string]geo.Rule
	// Due decides a feature whose Due has come; nil when nothing is ever due.
	Due func(*geo.Draft, *geo.Feature) error
	// Limits are what fixes of a unit are judged by; nil: no limits.
	Limits func(*geo.Feature) geo.FixLimits
	// Answers are the acts of the last 24 hours that carry an idempotency key.
	Answers []geo.Act
	Name    string // of the world
	Epoch   string
	Log     *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: counted and not shown
	Now     func() time.Time      // the wall clock; nil: time.Now
	// Stepped says that [Sequencer.Step] drives the sequencer, not Run, and that Now is
	// its only clock.
	Stepped bool
}

// SequencerStatus says how the writer is doing.
type SequencerStatus struct {
	Tick      geo.Millis // when the last tick was completed, by the wall clock
	Recording bool
	Since     geo.Millis // not recording since; zero while recording
	Reason    string     // why not recording; empty while recording
	Queue     int        // commands and reports that wait
	Clock     bool       // the wall clock is believed
}

// Sequencer is the only writer of a world. It gathers reports and commands, makes
// a frame of them, has it recorded, applies it and hands it on: decide, record,
// apply. One frame is in flight at a time; the next draft opens when the one
// before is applied, and what comes in the meantime waits.
//
// Reports and commands may come from any goroutine. All else happens in Run.
type Sequencer struct {
	world   *geo.World
	journal appender
	publish func(*Frame)
	rules   map[string]geo.Rule
	due     func(*geo.Draft, *geo.Feature) error
	limits  func(*geo.Feature) geo.FixLimits
	name    string
	epoch   string
	log     *slog.Logger
	metrics *sequencerMetrics
	stepped bool
	mono    func() time.Time // the monotonic clock

	// Shared with callers.
	inbox     *inbox
	proposals chan *proposal
	answers   *answers
	status    atomic.Pointer[SequencerStatus]
	born      atomic.Pointer[map[string]geo.ID] // units of the frame in flight
	clockBad  atomic.Bool
	stopping  atomic.Bool
	stopped   chan struct{} // closed when Run ends
	wake      chan struct{}

	// Of Run alone.
	clock     *clock
	suspicion map[geo.ID]geo.Suspicion
	pending   moves                 // judged, not in a frame
	waiting   []span                // reports that wait for pending to be recorded
	late      []geo.Act             // fixes for the record only
	commands  []*proposal           // taken from proposals, not in a frame
	flight    *flight               // nil: none
	write     chan *Frame           // to the goroutine that appends
	written   chan error            // and back
	retry     <-chan time.Time      // nil: no attempt is planned
	pause     time.Duration         // before the next attempt
	ticked    bool                  // a tick came since positions were last taken
	lastCut   time.Time             // of the last frame
	budget    int                   // bytes of a frame
	dueAgain  map[geo.ID]geo.Millis // due features whose rule failed: not before
	live      uint64                // overlay frames since the last recorded one
	covered   map[geo.ID]geo.Fix    // what is recorded of features on the overlay
}

// flight is the frame that is being recorded, and who waits for it.
type flight struct {
	frame   *Frame
	since   time.Time
	decided []decision
	moves   []geo.Move // taken from pending
	spans   []span
	late    []geo.Act
}

// decision is a proposal that met its rule.
type decision struct {
	p    *proposal
	body json.RawMessage
	err  error
	act  int // index of its first act in the frame, -1 for none
}

// NewSequencer returns a sequencer for a world. It does nothing until Run.
func NewSequencer(o SequencerOptions) *Sequencer {
	s := &Sequencer{
		world: o.World, journal: o.Journal, publish: o.Publish, rules: o.Rules, due: o.Due, limits: o.Limits,
		name: o.Name, epoch: o.Epoch, log: o.Log, metrics: newSequencerMetrics(o.Metrics),
		inbox:     &inbox{room: make(chan struct{})},
		proposals: make(chan *proposal, commandsMax),
		answers:   newAnswers(o.Answers),
		stopped:   make(chan struct{}),
		wake:      make(chan struct{}, 1),
		suspicion: map[geo.ID]geo.Suspicion{},
		write:     make(chan *Frame, 1),
		written:   make(chan error, 1),
		budget:    frameBudget,
		dueAgain:  map[geo.ID]geo.Millis{},
		covered:   map[geo.ID]geo.Fix{},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.limits == nil {
		s.limits = func(*geo.Feature) geo.FixLimits { return geo.FixLimits{} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s.mono = time.Now
	if s.stepped = o.Stepped; s.stepped {
		s.mono = o.Now
	}
	s.clock = newClock(o.Now, s.mono, s.world.View().Time())
	s.status.Store(&SequencerStatus{Tick: s.clock.wallMillis(), Recording: true, Clock: true})
	return s
}

// Status says how the writer is doing, as of its last tick.
func (s *Sequencer) Status() SequencerStatus {
	st := *s.status.Load()
	st.Queue = len(s.proposals) + s.inbox.len()
	st.Clock = !s.clockBad.Load()
	return st
}

// Answers returns the acts with idempotency keys of the last 24 hours, oldest
// first. A keyframe must carry them.
func (s *Sequencer) Answers() []geo.Act { return s.answers.list() }

// Run writes until ctx ends, and then finishes the frame in flight and refuses
// what waits. It may be called once. It returns nil after an orderly stop; otherwise
// an error that wraps [ErrPenLost], [ErrJournalDamaged], [ErrJournalClosed] or
// [ErrFrameTooLarge] (of a journal that takes nothing), or [ErrOutcomeUnknown] when the frame in flight
// could not be finished.
func (s *Sequencer) Run(ctx context.Context) error {
	// A frame in flight outlives ctx, but not Run.
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	appended := make(chan struct{})
	go func() {
		defer close(appended)
		for f := range s.write {
			s.written <- s.journal.Append(writing, f)
		}
	}()
	err := s.run(ctx)
	cancel()
	close(s.write)
	<-appended
	return err
}

func (s *Sequencer) run(ctx context.Context) error {
	defer s.refuseRest()
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	gate := time.NewTimer(0)
	defer gate.Stop()

	s.lastCut = s.mono()
	if f, ok := s.world.View().Get(clockAlarm); ok && f.Props.Raw("over_at") == "" {
		s.ask("alarm.over", map[string]any{"alarm": clockAlarm})
	}
	for {
		proposals := s.proposals
		if len(s.commands) >= commandsMax {
			proposals = nil
		}
		if s.flight == nil {
			wait, err := s.start()
			if err != nil {
				return err
			}
			gate.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return s.finish()
		case <-ticker.C:
			s.tick()
		case p := <-proposals:
			s.take(p)
		case <-s.wake:
		case <-gate.C:
		case <-s.retry:
			s.retry = nil
			s.write <- s.flight.frame
		case err := <-s.written:
			if err := s.settle(err); err != nil {
				return err
			}
		}
	}
}

// since is how long ago a moment of the monotonic clock was.
func (s *Sequencer) since(t time.Time) time.Duration { return s.mono().Sub(t) }

// take accepts a proposal and all that wait with it, so that they share a frame.
func (s *Sequencer) take(p *proposal) {
	for {
		if p.state.CompareAndSwap(proposalQueued, proposalTaken) {
			if err := s.refuseCommand(p.Name); err != nil {
				s.abandon(p, err)
			} else {
				s.commands = append(s.commands, p)
			}
		}
		if len(s.commands) >= commandsMax {
			return
		}
		select {
		case p = <-s.proposals:
		default:
			return
		}
	}
}

// tick is the heartbeat of the world: time enters here.
func (s *Sequencer) tick() {
	s.ticked = true
	s.watchClock()
	s.metrics.queue.Set(float64(len(s.proposals) + len(s.commands) + s.inbox.len()))
	switch {
	case s.flight == nil:
		s.completed()
	case !s.status.Load().Recording:
		s.overlay()
		s.completed()
	case s.since(s.flight.since) > stuckAfter:
		s.trouble(errors.New("the journal does not answer"))
	}
}

// completed notes that the writer is alive.
func (s *Sequencer) completed() {
	st := *s.status.Load()
	st.Tick = s.clock.wallMillis()
	s.status.Store(&st)
}

// trouble turns to NOT RECORDING: commands are refused, positions are shown.
func (s *Sequencer) trouble(err error) {
	st := *s.status.Load()
	if st.Recording {
		s.log.Error("not recording", "seq", s.flight.frame.Seq, "err", err)
		st.Recording, st.Since = false, s.clock.wallMillis()
	}
	st.Reason = err.Error()
	s.status.Store(&st)
	// What waits has not entered a frame, so its callers learn at once.
	s.refuseWaiting(fmt.Errorf("%w: %w", ErrNotRecording, err))
}

// settle deals with what the journal said of the frame in flight.
func (s *Sequencer) settle(err error) error {
	switch fl := s.flight; {
	case err == nil:
		s.apply(fl)
	case errors.Is(err, ErrPenLost):
		s.metrics.failed.WithLabelValues("pen-lost").Inc()
		s.log.Error("the pen is lost", "seq", fl.frame.Seq, "err", err)
		return fmt.Errorf("record frame %d: %w", fl.frame.Seq, err)
	case errors.Is(err, ErrJournalDamaged), errors.Is(err, ErrJournalClosed):
		s.metrics.failed.WithLabelValues("journal-lost").Inc()
		return fmt.Errorf("record frame %d: %w", fl.frame.Seq, err)
	case errors.Is(err, ErrFrameTooLarge):
		s.metrics.failed.WithLabelValues("too-large").Inc()
		if len(fl.decided) == 0 && len(fl.moves) <= 1 && len(fl.frame.Put) <= 1 && len(fl.late) <= 1 {
			if len(fl.frame.Put) == 0 {
				// It cannot be cut smaller: such a journal will never record.
				return fmt.Errorf("record frame %d, which holds one thing: %w", fl.frame.Seq, err)
			}
			s.dueAgain[fl.frame.Put[0].ID] = fl.frame.Time + dueAgainAfter // let the others through
		}
		s.log.Warn("frame too large, cut smaller", "seq", fl.frame.Seq, "moves", len(fl.moves), "commands", len(fl.decided), "budget", s.budget)
		s.takeBack(fl)
		s.budget /= 2
	default:
		s.metrics.failed.WithLabelValues("not-recording").Inc()
		s.trouble(err)
		s.pause = min(max(2*s.pause, retryMin), retryMax)
		s.retry = time.After(s.pause)
	}
	return nil
}

// takeBack dissolves a frame that the journal cannot take, as if it had never
// been cut.
func (s *Sequencer) takeBack(fl *flight) {
	back := make([]*proposal, 0, len(fl.decided)+len(s.commands))
	for _, d := range fl.decided {
		back = append(back, d.p)
	}
	s.commands = append(back, s.commands...)
	for _, m := range fl.moves {
		if _, newer := s.pending.get(m.ID); !newer {
			s.pending.set(m.ID, m.Fix)
		}
	}
	s.waiting = slices.Concat(fl.spans, s.waiting)
	s.late = slices.Concat(fl.late, s.late)
	s.flight = nil
	s.born.Store(nil)
}

// apply makes a recorded frame the state of the world and tells everyone.
func (s *Sequencer) apply(fl *flight) {
	f := fl.frame
	s.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	if got := s.world.View().Hash(); got != f.State {
		// The journal says one thing and the world another: every screen and every
		// replay from here on would disagree.
		panic(fmt.Sprintf("streams: frame %d promises state %016x, the world has %016x", f.Seq, f.State, got))
	}
	s.publish(f)
	s.flight, s.pause, s.live = nil, 0, 0
	clear(s.covered)
	s.budget = min(2*s.budget, frameBudget)
	s.born.Store(nil)

	st := *s.status.Load()
	if !st.Recording {
		s.log.Info("recording again", "seq", f.Seq, "after", time.Duration(s.clock.wallMillis()-st.Since)*time.Millisecond)
	}
	st.Recording, st.Since, st.Reason, st.Tick = true, 0, "", s.clock.wallMillis()
	s.status.Store(&st)

	s.resolve(fl, f.Seq, f.Acts)
	s.answers.expire(f.Time)
	s.metrics.frames.Inc()
	s.metrics.moves.Add(float64(len(f.Move)))
	s.metrics.seconds.Observe(s.since(fl.since).Seconds())
	if s.clock.bad {
		s.confirmClock()
	}
}

// resolve tells those who waited for a frame. acts are the frame's.
func (s *Sequencer) resolve(fl *flight, seq uint64, acts []geo.Act) {
	for _, d := range fl.decided {
		if d.err != nil {
			s.abandon(d.p, d.err)
			continue
		}
		if d.p.Key != "" {
			s.answers.record(acts[d.act])
		}
		d.p.finish(Answer{Seq: seq, Body: d.body}, nil)
	}
	for _, p := range fl.spans {
		for i := p.from; i < p.to; i++ {
			if o := &p.b.outcomes[i]; o.Accepted || o.Reason == geo.FixLate {
				o.Seq = seq
			}
		}
		p.settle()
	}
}

// overlay shows positions that cannot be recorded now. They stay pending and are
// in the first frames after the journal healed.
func (s *Sequencer) overlay() {
	spans := s.inbox.take(movesMax)
	if len(spans) == 0 && s.live > 0 {
		return
	}
	now := s.clock.now()
	var shown moves
	if s.live == 0 {
		for _, m := range s.flight.moves { // the frame in flight is not on the screens either
			shown.set(m.ID, m.Fix)
		}
	}
	for _, p := range spans {
		for i := p.from; i < p.to; i++ {
			if x, ok := s.judge(p.b, i, nil); ok {
				shown.set(p.b.ids[i], x)
			}
		}
		p.b.fail(s.notRecording())
	}
	if len(shown.list) == 0 {
		return
	}
	s.live++
	moves := shown.takeAll()
	view := s.world.View()
	for _, m := range moves {
		if _, ok := s.covered[m.ID]; !ok {
			if f, ok := view.ByID(m.ID); ok {
				s.covered[m.ID] = f.Fix
			}
		}
	}
	s.world.Overlay(s.live, now, moves)
	seq := view.Seq()
	s.publish(&Frame{V: FormatVersion, World: s.name, Epoch: s.epoch, Base: seq, Seq: seq, Live: s.live, Time: now, Delta: geo.Delta{Move: moves}})
}

// finish ends an orderly stop: the frame in flight gets its time.
func (s *Sequencer) finish() error {
	s.stopping.Store(true)
	timeout := time.NewTimer(stopWait)
	defer timeout.Stop()
	for s.flight != nil {
		seq := s.flight.frame.Seq
		select {
		case <-s.retry:
			s.retry = nil
			s.write <- s.flight.frame
		case err := <-s.written:
			if err := s.settle(err); err != nil {
				return err
			}
		case <-timeout.C:
			return fmt.Errorf("stop with frame %d in flight: %w", seq, ErrOutcomeUnknown)
		}
	}
	return nil
}

// refuseRest ends whatever waits. It runs last: nothing is taken after it.
func (s *Sequencer) refuseRest() {
	s.stopping.Store(true)
	s.inbox.close()
	for _, p := range s.inbox.take(reportsMax * 2) {
		p.b.fail(ErrStopping)
	}
	for _, p := range s.waiting {
		p.b.fail(ErrStopping)
	}
	for _, p := range s.commands {
		s.abandon(p, ErrStopping)
	}
	if s.flight != nil { // recorded or not: nobody knows
		for _, d := range s.flight.decided {
			d.p.finish(Answer{}, ErrOutcomeUnknown)
		}
		for _, p := range s.flight.spans {
			p.b.fail(ErrOutcomeUnknown)
		}
	}
	close(s.stopped)
}
