package streams

import (
	"encoding/json"
	"slices"
	"time"

	"rasad/geo"
)

const (
	// clockJump is the jump of the wall clock that is not believed: more than any
	// correction a time service makes by itself.
	clockJump = 5 * time.Minute
	// clockAlarm is the key of the alarm that stands while the clock is not believed.
	clockAlarm = "alarm:clock"
	// clockConfirm is the command that is taken while the clock is not believed:
	// to acknowledge the alarm is to say that the clock is right.
	clockConfirm = "alarm.ack"
)

// clock gives the moments of frames: the wall clock as long as it goes like the
// monotonic one, never back. When the wall clock jumps by more than clockJump it
// goes on by the monotonic clock from where it was, until the wall clock comes back
// or somebody confirms it. After a confirmed jump into the past, frames keep the
// last time until the wall clock has passed it.
type clock struct {
	wall func() time.Time
	mono func() time.Time
	base geo.Millis // the wall clock when it was last believed ...
	at   time.Time  // ... and the monotonic one
	last geo.Millis // what now gave last
	bad  bool
}

// newClock starts after a record that ends at last.
func newClock(wall, mono func() time.Time, last geo.Millis) *clock {
	c := &clock{wall: wall, mono: mono, at: mono(), last: last}
	c.base = c.wallMillis()
	if c.base < last-geo.Millis(clockJump.Milliseconds()) {
		c.base = last // the record says that it was later before
	}
	return c
}

func (c *clock) wallMillis() geo.Millis { return geo.Millis(c.wall().UnixMilli()) }

// now is the moment for a frame.
func (c *clock) now() geo.Millis {
	wall := c.wallMillis()
	expected := c.base + geo.Millis(c.mono().Sub(c.at).Milliseconds())
	c.bad = max(wall-expected, expected-wall) > geo.Millis(clockJump.Milliseconds())
	if !c.bad {
		c.base, c.at, expected = wall, c.mono(), wall
	}
	c.last = max(c.last, expected)
	return c.last
}

// confirm believes the wall clock as it is.
func (c *clock) confirm() { c.base, c.at, c.bad = c.wallMillis(), c.mono(), false }

// watchClock looks at the clock and raises or ends the alarm.
func (s *Sequencer) watchClock() {
	was := s.clock.bad
	s.clock.now()
	if s.clock.bad == was {
		return
	}
	s.clockBad.Store(s.clock.bad)
	if !s.clock.bad {
		s.log.Info("the wall clock is back")
		s.ask("alarm.over", map[string]any{"alarm": clockAlarm})
		return
	}
	s.log.Error("the wall clock jumped", "wall", s.clock.wall(), "expected", time.UnixMilli(int64(s.clock.last)))
	s.refuseWaiting(ErrClock)
	s.ask("alarm.raise", map[string]any{
		"key": clockAlarm, "type": "clock", "lasting": true,
		"text": "The server's clock jumped by more than five minutes. Commands are refused until it is right again or the alarm is acknowledged.",
	})
}

// confirmClock believes the wall clock once a person has acknowledged its alarm.
func (s *Sequencer) confirmClock() {
	f, ok := s.world.View().Get(clockAlarm)
	if !ok || f.Props.Raw("acked_at") == "" {
		return
	}
	s.clock.confirm()
	s.clockBad.Store(false)
	s.log.Warn("the wall clock was confirmed", "by", f.Props.Text("acked_by"))
	s.ask("alarm.over", map[string]any{"alarm": clockAlarm})
}

// refuseWaiting refuses the commands that are not in a frame yet, but not those of
// the sequencer's own.
func (s *Sequencer) refuseWaiting(err error) {
	s.commands = slices.DeleteFunc(s.commands, func(p *proposal) bool {
		own := p.By == system
		if !own {
			s.abandon(p, err)
		}
		return !own
	})
}

// system is who acts when the sequencer itself does.
var system = geo.Principal{Name: "system", Role: "system"}

// ask puts a command of the sequencer's own into the next frame, when there is a
// rule for it.
func (s *Sequencer) ask(name string, args map[string]any) {
	if _, ok := s.rules[name]; !ok {
		return
	}
	b, err := json.Marshal(args)
	if err != nil {
		panic("streams: arguments of " + name + ": " + err.Error())
	}
	p := &proposal{Command: Command{Name: name, Args: b, By: system}, done: make(chan struct{})}
	p.state.Store(proposalTaken)
	s.commands = append(s.commands, p)
}
