package streams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rasad/geo"
)

// ErrUnknownUnit is a report for a key that names no unit.
var ErrUnknownUnit = errors.New("no such unit")

// reportsMax is how many reports may wait to be looked at: half a second of the
// highest load that the sequencer was built for.
const reportsMax = 1 << 18

// Report is one fix of a unit, as a feed received it.
type Report struct {
	Key      string // of the unit
	Fix      geo.Fix
	Received geo.Millis // by the server's clock
	Feed     string     // name of the feed
}

// Outcome says what became of a report.
type Outcome struct {
	Seq      uint64 // the frame that holds it; 0 for a report that was refused
	Accepted bool
	// Reason says why a report was refused: a code of [geo.Judge], "late" for one
	// that went to the record without moving the unit (Seq says where),
	// "unknown-unit" for one whose unit is gone.
	Reason string
}

// Ticket is a claim on the outcome of a report.
type Ticket struct{ b *batch }

// Tickets is a claim on the outcomes of many reports.
type Tickets struct{ b *batch }

// batch is reports that were handed in together.
type batch struct {
	reports  []Report
	ids      []geo.ID // zero: unknown
	outcomes []Outcome
	left     int           // reports without an outcome; the sequencer's
	done     chan struct{} // closed when every outcome stands, or err does
	err      error
	at       time.Time
	silent   bool // nobody waits: only to be shown
}

// Wait returns the outcome once the report is recorded or refused. It returns
// [ErrNotRecording] when the report was shown and not recorded, [ErrStopping] when
// it was neither, and [ErrOutcomeUnknown], with the cause, when ctx ends or ten
// seconds pass before it is known.
func (t *Ticket) Wait(ctx context.Context) (Outcome, error) {
	if err := t.b.wait(ctx); err != nil {
		return Outcome{}, err
	}
	return t.b.outcomes[0], nil
}

// Wait returns the outcomes in the order of the reports, once all are recorded or
// refused. Its errors are those of [Ticket.Wait] and speak of the reports together:
// some may have been recorded.
func (t *Tickets) Wait(ctx context.Context) ([]Outcome, error) {
	if err := t.b.wait(ctx); err != nil {
		return nil, err
	}
	return t.b.outcomes, nil
}

func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	default:
	}
	timer := time.NewTimer(time.Until(b.at.Add(outcomeWait)))
	defer timer.Stop()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.Cause(ctx))
	case <-timer.C:
		return ErrOutcomeUnknown
	}
}

func (b *batch) fail(err error) {
	if b.left > 0 {
		b.left, b.err = 0, err
		close(b.done)
	}
}

// span is a part of a batch.
type span struct {
	b        *batch
	from, to int
}

// settle counts the reports of the span as done.
func (p span) settle() {
	if p.b.left == 0 { // failed before
		return
	}
	if p.b.left -= p.to - p.from; p.b.left == 0 {
		close(p.b.done)
	}
}

// inbox holds reports until the sequencer looks at them.
type inbox struct {
	mu     sync.Mutex
	spans  []span
	n      int
	closed bool
	room   chan struct{} // closed and replaced when something is taken out
}

// put adds a batch. It returns [ErrBusy] when the inbox is full, with a channel
// that closes when that may have changed.
func (in *inbox) put(b *batch) (room <-chan struct{}, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, ErrStopping
	}
	if in.n > 0 && in.n+len(b.reports) > reportsMax {
		return in.room, ErrBusy
	}
	in.spans = append(in.spans, span{b, 0, len(b.reports)})
	in.n += len(b.reports)
	return nil, nil
}

// take removes up to n reports, oldest first.
func (in *inbox) take(n int) []span {
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []span
	for n > 0 && len(in.spans) > 0 {
		p := in.spans[0]
		if p.to-p.from > n {
			in.spans[0].from = p.from + n
			p.to = p.from + n
		} else {
			in.spans[0] = span{}
			in.spans = in.spans[1:]
		}
		n -= p.to - p.from
		in.n -= p.to - p.from
		out = append(out, p)
	}
	if len(out) > 0 {
		close(in.room)
		in.room = make(chan struct{})
	}
	return out
}

func (in *inbox) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.n
}

// close refuses what comes from now on.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	close(in.room)
	in.room = make(chan struct{})
}

// Report hands in a fix. It returns at once; the ticket resolves when the frame
// that holds the fix is recorded, or when the fix is refused. Several reports of a
// unit within a tick cost one move.
//
// It returns [ErrUnknownUnit], [ErrBusy], [ErrStopping] or [ErrNotRecording]. In
// the last case the fix is still shown, so that a full disk does not freeze the map.
func (s *Sequencer) Report(ctx context.Context, r Report) (*Ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id := s.unit(r.Key)
	if id == 0 {
		s.metrics.refused.WithLabelValues(r.Feed, reasonUnknown).Inc()
		return nil, fmt.Errorf("%w: %.140q", ErrUnknownUnit, r.Key)
	}
	b := newBatch([]Report{r}, []geo.ID{id})
	if _, err := s.hand(b); err != nil {
		return nil, err
	}
	if b.silent {
		return nil, s.notRecording()
	}
	return &Ticket{b}, nil
}

// ReportMany hands in many fixes at once. It waits while too many are in hand,
// which is how a bulk feed learns to slow down. A report of an unknown unit gets
// the outcome "unknown-unit". The reports must not be changed before the tickets
// resolve.
//
// It returns [ErrStopping], [ErrNotRecording] as [Sequencer.Report] does, or the
// error of ctx.
func (s *Sequencer) ReportMany(ctx context.Context, reports []Report) (*Tickets, error) {
	ids := make([]geo.ID, len(reports))
	for i := range reports {
		ids[i] = s.unit(reports[i].Key)
	}
	b := newBatch(reports, ids)
	if len(reports) == 0 {
		close(b.done)
		return &Tickets{b}, nil
	}
	for {
		room, err := s.hand(b)
		switch {
		case err == nil && b.silent:
			return nil, s.notRecording()
		case err == nil:
			return &Tickets{b}, nil
		case !errors.Is(err, ErrBusy):
			return nil, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func newBatch(reports []Report, ids []geo.ID) *batch {
	return &batch{reports: reports, ids: ids, outcomes: make([]Outcome, len(reports)), left: len(reports),
		done: make(chan struct{}), at: time.Now()}
}

// hand puts a batch into the inbox and wakes the sequencer when a frame is full.
func (s *Sequencer) hand(b *batch) (room <-chan struct{}, err error) {
	b.silent = !s.status.Load().Recording
	b.at = time.Now()
	if room, err = s.inbox.put(b); err != nil {
		return room, err
	}
	if s.inbox.len() >= movesMax {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil, nil
}

func (s *Sequencer) notRecording() error {
	return fmt.Errorf("%w: %s", ErrNotRecording, s.status.Load().Reason)
}

// unit returns the number of the unit with the key, or zero.
func (s *Sequencer) unit(key string) geo.ID {
	if id, kind := s.world.View().Find(key); id != 0 {
		if kind != geo.Unit {
			return 0
		}
		return id
	}
	// A unit of the frame in flight is not in the view yet.
	if born := s.born.Load(); born != nil {
		return (*born)[key]
	}
	return 0
}
