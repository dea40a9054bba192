package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"rasad/geo"
)

// How long and how many.
const (
	// outcomeWait is how long a caller waits for its frame: longer than a change
	// of leader in a cluster, shorter than a dispatcher's patience.
	outcomeWait = 10 * time.Second
	// commandsMax is how many commands may wait for a frame. At 200 frames a
	// second it is passed only when the journal is stuck.
	commandsMax = 1024
)

// What a caller of the sequencer chooses by. The door turns each into a status.
var (
	// ErrUnknownCommand is a command without a rule.
	ErrUnknownCommand = errors.New("no such command")
	// ErrOutcomeUnknown is a command or fix whose frame was not acknowledged within
	// ten seconds. It may or may not be in the record; asking again with the same
	// idempotency key tells.
	ErrOutcomeUnknown = errors.New("it is not known yet whether this was recorded")
	// ErrClock is a wall clock that jumped by more than five minutes: nothing is
	// decided until it returns or a person confirms it.
	ErrClock = errors.New("the server's clock jumped; confirm it or set it right")
	// ErrStopping is a sequencer that is shutting down.
	ErrStopping = errors.New("the server is stopping")
	// ErrBusy is a full queue. Nothing was taken; the caller may come back.
	ErrBusy = errors.New("too much is waiting to be recorded")
	// ErrRule is a rule that broke: our mistake, not the caller's. It changed nothing.
	ErrRule = errors.New("the rule of this command is broken")
)

// Command is a decision that somebody asks for: a name and arguments, never a
// closure, so that it can be passed on, audited and recognised when it comes again.
type Command struct {
	Name string
	Args json.RawMessage
	By   geo.Principal
	Why  string // the person's reason, kept in the act when the rule kept none
	// Key is the caller's idempotency key, empty for none; Digest is the keyed
	// digest of the body that came with it.
	Key    string
	Digest []byte
}

// Answer is what a command that was recorded gives back.
type Answer struct {
	Seq uint64 // the state that the answer speaks of
	// Body is what the rule answered, as JSON.
	Body json.RawMessage
	// Replayed says that the command had been recorded before under the same
	// idempotency key, and that this is the answer of that time.
	Replayed bool
}

// proposal is a command on its way through the sequencer.
type proposal struct {
	Command
	state  atomic.Uint32 // proposalQueued …
	done   chan struct{} // closed when answer and err are set
	answer Answer
	err    error
}

const (
	proposalQueued    = iota
	proposalTaken     // by the sequencer: its outcome is the frame's
	proposalWithdrawn // by its caller, before it entered a frame
)

// errWithdrawn ends a proposal that its caller took back from the queue; somebody
// who waits for it under the same idempotency key proposes anew.
var errWithdrawn = errors.New("withdrawn")

func (p *proposal) finish(a Answer, err error) {
	p.answer, p.err = a, err
	close(p.done)
}

// Propose decides a command in the next frame, after whatever came before it, and
// returns when the frame is recorded and applied. A rule's no is a [*geo.Refusal].
//
// Other errors: [ErrUnknownCommand]; [ErrNotRecording], [ErrClock], [ErrBusy] and
// [ErrStopping] when the command never entered a frame; [ErrOutcomeUnknown] when
// it did and no word came within ten seconds or until ctx ended; [ErrRule].
func (s *Sequencer) Propose(ctx context.Context, c Command) (Answer, error) {
	a, err := s.propose(ctx, c)
	s.metrics.commands.WithLabelValues(s.commandLabel(c.Name), outcomeLabel(a, err)).Inc()
	return a, err
}

func (s *Sequencer) propose(ctx context.Context, c Command) (Answer, error) {
	if _, ok := s.rules[c.Name]; !ok {
		return Answer{}, fmt.Errorf("%w: %.64q", ErrUnknownCommand, c.Name)
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	for {
		p := &proposal{Command: c, done: make(chan struct{})}
		if c.Key != "" {
			first, replay, err := s.answers.open(p)
			switch {
			case err != nil:
				return Answer{}, err
			case replay != nil:
				return Answer{Seq: s.world.View().Seq(), Body: replay, Replayed: true}, nil
			case first != p:
				a, err := s.await(ctx, first, false)
				if errors.Is(err, errWithdrawn) {
					continue
				}
				a.Replayed = err == nil
				return a, err
			}
		}
		a, err := s.enqueue(ctx, p)
		if errors.Is(err, errWithdrawn) {
			err = context.Cause(ctx)
		}
		return a, err
	}
}

func (s *Sequencer) enqueue(ctx context.Context, p *proposal) (Answer, error) {
	if err := s.refuseCommand(p.Name); err != nil {
		s.abandon(p, err)
		return Answer{}, err
	}
	select {
	case s.proposals <- p:
	default:
		s.abandon(p, ErrBusy)
		return Answer{}, ErrBusy
	}
	return s.await(ctx, p, true)
}

// refuseCommand says why no command is taken now.
func (s *Sequencer) refuseCommand(name string) error {
	switch st := s.status.Load(); {
	case s.stopping.Load():
		return ErrStopping
	case !st.Recording:
		return fmt.Errorf("%w: %s", ErrNotRecording, st.Reason)
	case s.clockBad.Load() && name != clockConfirm:
		return ErrClock
	}
	return nil
}

// await waits for the outcome of p. The caller who queued it takes it back when
// it did not enter a frame in time.
func (s *Sequencer) await(ctx context.Context, p *proposal, mine bool) (Answer, error) {
	timer := time.NewTimer(outcomeWait)
	defer timer.Stop()
	var late error
	select {
	case <-p.done:
		return p.answer, p.err
	case <-ctx.Done():
		late = context.Cause(ctx)
	case <-timer.C:
		late = context.DeadlineExceeded
	case <-s.stopped:
		late = ErrStopping
	}
	select {
	case <-p.done: // both came at once
		return p.answer, p.err
	default:
	}
	if mine && p.state.CompareAndSwap(proposalQueued, proposalWithdrawn) {
		s.answers.forget(p)
		p.finish(Answer{}, errWithdrawn)
		switch {
		case errors.Is(late, ErrStopping):
			return Answer{}, ErrStopping
		case ctx.Err() == nil: // it waited in the queue all that time
			return Answer{}, ErrNotRecording
		}
		return Answer{}, errWithdrawn
	}
	if errors.Is(late, ErrStopping) && p.state.Load() != proposalTaken {
		return Answer{}, ErrStopping
	}
	return Answer{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, late)
}

// abandon ends a proposal that will never enter a frame.
func (s *Sequencer) abandon(p *proposal, err error) {
	s.answers.forget(p)
	p.finish(Answer{}, err)
}

// decide runs the rule of p on the draft. What it refuses or breaks leaves no
// trace there.
func (s *Sequencer) decide(d *geo.Draft, p *proposal) (body json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("rule panicked", "command", p.Name, "by", p.By.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			body, err = nil, fmt.Errorf("%w: %s", ErrRule, p.Name)
		}
	}()
	err = d.Try(func() error {
		answer, err := s.rules[p.Name](d, p.By, p.Args)
		if err != nil {
			return err
		}
		// Inside Try: an answer that cannot be JSON takes the change back.
		body, err = json.Marshal(answer)
		return err
	})
	var refusal *geo.Refusal
	if err != nil && !errors.As(err, &refusal) {
		s.log.Error("rule failed", "command", p.Name, "by", p.By.Name, "err", err)
		err = fmt.Errorf("%w: %s: %w", ErrRule, p.Name, err)
	}
	return body, err
}

// commandLabel keeps the metric's labels few: names without a rule share one.
func (s *Sequencer) commandLabel(name string) string {
	if _, ok := s.rules[name]; !ok {
		return "unknown"
	}
	return name
}

func outcomeLabel(a Answer, err error) string {
	var refusal *geo.Refusal
	switch {
	case err == nil && a.Replayed:
		return "replayed"
	case err == nil:
		return "recorded"
	case errors.As(err, &refusal):
		return "refused"
	case errors.Is(err, ErrNotRecording):
		return "not-recording"
	case errors.Is(err, ErrOutcomeUnknown):
		return "outcome-unknown"
	case errors.Is(err, ErrClock):
		return "clock"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrStopping):
		return "stopping"
	case errors.Is(err, ErrRule):
		return "broken"
	default:
		return "other"
	}
}
