package streams

import (
	"context"
	"errors"
	"fmt"

	"rasad/geo"
)

// Decided is what became of a command.
type Decided struct {
	Answer
	Err error // as [Sequencer.Propose] returns it; nil: recorded
}

// Step makes the moment that the clock shows: it hands in the commands, in order, and
// the reports, decides what is due, and returns when all of it is recorded and
// applied. A unit can be reported once the step that created it is over. It is for who drives the world through a time of their own, faster than
// time passes: a generator of histories. Everything is decided, recorded and applied
// by the code that a running server uses.
//
// The sequencer must have been made with Stepped, and nobody calls Run, Report or
// Propose. An error is one of the journal's: what was not recorded then is lost with
// the sequencer.
func (s *Sequencer) Step(ctx context.Context, commands []Command, reports []Report) ([]Decided, []Outcome, error) {
	if !s.stepped {
		return nil, nil, errors.New("step a sequencer that was not made with Stepped")
	}
	if s.lastCut.IsZero() {
		s.lastCut = s.mono()
	}
	proposals := make([]*proposal, len(commands))
	for i, c := range commands {
		p := &proposal{Command: c, done: make(chan struct{})}
		p.state.Store(proposalTaken)
		proposals[i] = p
		if _, ok := s.rules[c.Name]; !ok {
			p.finish(Answer{}, fmt.Errorf("%w: %.64q", ErrUnknownCommand, c.Name))
			continue
		}
		s.commands = append(s.commands, p)
	}
	var b *batch
	if len(reports) > 0 {
		ids := make([]geo.ID, len(reports))
		for i := range reports {
			ids[i] = s.unit(reports[i].Key)
		}
		b = newBatch(reports, ids)
		if _, err := s.hand(b); err != nil {
			return nil, nil, err
		}
	}
	if err := s.drain(ctx); err != nil {
		return nil, nil, err
	}
	decided := make([]Decided, len(proposals))
	for i, p := range proposals {
		decided[i] = Decided{p.answer, p.err}
	}
	if b == nil {
		return decided, nil, nil
	}
	return decided, b.outcomes, b.err
}

// drain cuts frames until nothing waits.
func (s *Sequencer) drain(ctx context.Context) error {
	s.tick()
	for {
		s.ticked = true
		if _, err := s.start(); err != nil {
			return err
		}
		if s.flight != nil {
			f := <-s.write
			err := s.journal.Append(ctx, f)
			if err != nil && !errors.Is(err, ErrFrameTooLarge) {
				return fmt.Errorf("record frame %d: %w", f.Seq, err)
			}
			if err := s.settle(err); err != nil {
				return err
			}
		}
		if len(s.commands) == 0 && s.inbox.len() == 0 && len(s.pending.list) == 0 && len(s.late) == 0 {
			return nil
		}
	}
}
