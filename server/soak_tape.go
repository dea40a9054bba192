//go:build soak

// A soak plays a recorded history into a running server:
//
//	rasad history --data build/month --days 30 --seed 1 --preset us --city build/city --bad-night 2026-11-10T19:00:00Z
//	go build -tags soak -o bin/rasad-soak ./server
//	RASAD_SOAK_TAPE=build/month RASAD_SOAK_PLAY=720 bin/rasad-soak serve --data build/soak-data --city build/city --preset us
//
// What is played goes through the real sequencer and journal, so it is recorded,
// streamed, and there after a restart; the program may be stopped and killed at any
// moment and goes on from where it was (DATA/tape.json). Moments are brought to now:
// a minute of the history lies 60/720 s back, so that what is played is LIVE by every
// screen's own reckoning, and fixes are as fresh as the screens want them. At the end of
// the tape the world stands still.

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rasad/geo"
	"rasad/streams"
)

func init() {
	soak.rules = func(rules map[string]geo.Rule) { rules[tapeRule] = playTape }
	soak.run = runTape
	soak.exercise = os.Getenv("RASAD_SOAK_EXERCISE") == "1"
}

const (
	tapeRule = "soak.play"
	// tapePuts is how many features go into one command: together they stay far below
	// what a frame holds.
	tapePuts = 300
	// tapeLate is how far what is played may be behind the clock: a screen that is LIVE
	// sees nothing of it.
	tapeLate = 300 * time.Millisecond
)

// tapeItem is a feature as the rule of a tape gets it.
type tapeItem struct {
	Key   string     `json:"key"`
	Kind  geo.Kind   `json:"kind"`
	Fix   tapeFix    `json:"fix"`
	Shape *geo.Shape `json:"shape,omitempty"`
	Props geo.Props  `json:"props"`
}

type tapeFix struct {
	At       geo.LngLat   `json:"at"`
	Time     geo.Millis   `json:"time"`
	Heading  uint16       `json:"heading"`
	Speed    uint16       `json:"speed"`
	Accuracy uint16       `json:"accuracy"`
	Flags    geo.FixFlags `json:"flags"`
}

func (x tapeFix) fix() geo.Fix {
	return geo.Fix{At: x.At, Time: x.Time, Heading: x.Heading, Speed: x.Speed, Accuracy: x.Accuracy, Flags: x.Flags}
}

type tapeArgs struct {
	Drop []string           `json:"drop,omitempty"`
	Put  []tapeItem         `json:"put,omitempty"`
	Move map[string]tapeFix `json:"move,omitempty"`
}

// playTape is the rule that makes the world what the tape says, whatever it was.
func playTape(d *geo.Draft, by geo.Principal, raw json.RawMessage) (any, error) {
	var a tapeArgs
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: err.Error()}
	}
	for _, key := range a.Drop {
		if f, ok := d.Get(key); ok {
			d.Drop(f.ID)
		}
	}
	for _, p := range a.Put {
		f, ok := d.Get(p.Key)
		if ok && f.Kind != p.Kind {
			d.Drop(f.ID)
			ok = false
		}
		if !ok {
			if _, err := d.Create(geo.Feature{Key: p.Key, Kind: p.Kind, Fix: p.Fix.fix(), Shape: p.Shape, Props: p.Props}); err != nil {
				return nil, err
			}
			continue
		}
		g := *f
		g.Fix, g.Shape, g.Props = p.Fix.fix(), p.Shape, p.Props
		d.Put(g)
	}
	for f := range d.All(geo.Unit) {
		if x, ok := a.Move[f.Key]; ok {
			d.Move(f.ID, x.fix())
		}
	}
	d.Act(geo.Act{Name: tapeRule, By: by, Args: []byte("{}")}) // what was played is in the frame
	return nil, nil
}

// tape is a history that is being played.
type tape struct {
	s       *server
	keys    map[geo.ID]string // of the history
	at      geo.Millis        // how far it was played
	zero    geo.Millis        // a moment of the history ...
	begun   time.Time         // ... and when it was played
	speed   float64
	skipped map[geo.Kind]bool
}

func runTape(ctx context.Context, s *server) error {
	dir := os.Getenv("RASAD_SOAK_TAPE")
	if dir == "" {
		return nil
	}
	speed, err := strconv.ParseFloat(os.Getenv("RASAD_SOAK_PLAY"), 64)
	if err != nil || !(speed >= 0 && speed <= streams.SpeedMax) {
		return fmt.Errorf("RASAD_SOAK_PLAY=%s: a speed of 0 to %d", os.Getenv("RASAD_SOAK_PLAY"), streams.SpeedMax)
	}
	journal, _, _, err := streams.OpenJournal(ctx, streams.JournalOptions{Dir: dir, Log: s.log, ScrubRate: -1})
	if err != nil {
		return fmt.Errorf("open the tape: %w", err)
	}
	defer journal.Close()
	t := &tape{s: s, keys: map[geo.ID]string{}, speed: cmp.Or(speed, 1), skipped: map[geo.Kind]bool{geo.Feed: true}}
	if s.reach != nil { // which measures the coverage itself
		t.skipped[geo.Coverage], t.skipped[geo.Void] = true, true
	}
	where := filepath.Join(s.config.Data, "tape.json")
	if text := os.Getenv("RASAD_SOAK_AT"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("RASAD_SOAK_AT: %w", err)
		}
		t.at = geo.Millis(at.UnixMilli())
	}
	if b, err := os.ReadFile(where); err == nil {
		if err := json.Unmarshal(b, &t.at); err != nil {
			return fmt.Errorf("read %s: %w", where, err)
		}
	}
	first, last := journal.Span()
	t.at = max(t.at, first)
	player, err := streams.NewPlayer(journal, t.at, speed)
	if err != nil {
		return err
	}
	if speed == 0 {
		return t.hold(ctx, player)
	}
	s.log.Info("a tape is played", "from", stampMillis(t.at), "to", stampMillis(last), "speed", speed)
	saved := time.Now()
	for {
		f, err := player.Next(ctx)
		if err != nil {
			return err
		}
		if f.Keyframe() {
			t.zero, t.begun = f.Status.Tick, time.Now()
		} else if late := time.Since(t.played(f.Time)); late > tapeLate {
			t.begun = t.begun.Add(late) // the machine cannot keep up with the speed, or stood still
		}
		if err := t.play(ctx, f); err != nil {
			return err
		}
		if f.Time > t.at {
			t.at = f.Time
		}
		if f.Status != nil && f.Status.Tick > t.at {
			t.at = f.Status.Tick
		}
		if time.Since(saved) > 500*time.Millisecond {
			saved = time.Now()
			if err := os.WriteFile(where+".tmp", strconv.AppendInt(nil, int64(t.at), 10), 0o600); err != nil {
				return err
			}
			if err := os.Rename(where+".tmp", where); err != nil { // whole, also after a kill
				return err
			}
		}
	}
}

// holdFixes and holdAll are how often a moment that is held is said anew: units before
// their age is seen, the rest before a minute is.
const holdFixes, holdAll = time.Second, 20 * time.Second

// hold keeps the world as it was at one moment, and as old.
func (t *tape) hold(ctx context.Context, p *streams.Player) error {
	f, err := p.Next(ctx)
	if err != nil {
		return err
	}
	t.zero = f.Status.Tick
	units := *f
	units.Base, units.Put, units.Move = f.Seq, nil, nil
	for _, x := range f.Put {
		if x.Kind == geo.Unit && x.Fix.Placed() {
			units.Move = append(units.Move, geo.Move{ID: x.ID, Fix: x.Fix})
		}
	}
	t.s.log.Info("a moment of a tape is held", "at", stampMillis(t.zero))
	again := *f
	again.Base = f.Seq // what somebody adds meanwhile stays
	tick := time.NewTicker(holdFixes)
	defer tick.Stop()
	next := f
	for said := time.Now(); ; {
		t.begun = time.Now()
		part := &units
		if next != nil {
			part, next = next, nil
		} else if time.Since(said) >= holdAll {
			said, part = time.Now(), &again
		}
		if err := t.play(ctx, part); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// play puts a frame of the history into the live world.
func (t *tape) play(ctx context.Context, f *streams.Frame) error {
	var a tapeArgs
	if f.Keyframe() {
		clear(t.keys)
		have := map[string]bool{}
		for _, p := range f.Put {
			have[p.Key] = true
		}
		for p := range t.s.world.View().All("") {
			ours := p.Kind != geo.Feed && p.Kind != geo.Site && p.Kind != geo.Coverage && p.Kind != geo.Void && (p.Kind != geo.Alarm || strings.HasPrefix(p.Key, "alarm:distress:"))
			if ours && !have[p.Key] {
				a.Drop = append(a.Drop, p.Key)
			}
		}
	}
	for _, id := range f.Drop {
		if key, ok := t.keys[id]; ok {
			a.Drop = append(a.Drop, key)
		}
		delete(t.keys, id)
	}
	for _, p := range f.Put {
		t.keys[p.ID] = p.Key
		if t.skipped[p.Kind] {
			continue
		}
		props, err := geo.ParseProps(t.brought(p.Props))
		if err != nil {
			return fmt.Errorf("bring %s to now: %w", p.Key, err)
		}
		a.Put = append(a.Put, tapeItem{p.Key, p.Kind, t.fix(p.Fix), p.Shape, props})
	}
	if len(f.Move) > 0 {
		a.Move = make(map[string]tapeFix, len(f.Move))
		for _, m := range f.Move {
			a.Move[t.keys[m.ID]] = t.fix(m.Fix)
		}
	}
	for first := true; first || len(a.Put) > 0; first = false {
		part := a
		part.Put = a.Put[:min(len(a.Put), tapePuts)]
		a = tapeArgs{Put: a.Put[len(part.Put):], Move: a.Move}
		if len(a.Put) > 0 {
			part.Move = nil // with the last
		} else {
			a.Move = nil
		}
		if len(part.Drop)+len(part.Put)+len(part.Move) == 0 {
			return nil
		}
		for {
			_, err := t.s.propose(ctx, tapeRule, part)
			if errors.Is(err, streams.ErrNotRecording) || errors.Is(err, streams.ErrOutcomeUnknown) || errors.Is(err, streams.ErrBusy) {
				select { // it says the same again: that is no harm
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(100 * time.Millisecond):
					continue
				}
			}
			if err != nil {
				return fmt.Errorf("play the tape at %s: %w", stampMillis(f.Time), err)
			}
			break
		}
	}
	return nil
}

// played is when a moment of the history is played.
func (t *tape) played(at geo.Millis) time.Time {
	return t.begun.Add(time.Duration(float64(at-t.zero) / t.speed * float64(time.Millisecond)))
}

// now is that, and not in the future.
func (t *tape) now(at geo.Millis) geo.Millis {
	return geo.Millis(min(t.played(at).UnixMilli(), time.Now().UnixMilli()))
}

func (t *tape) fix(x geo.Fix) tapeFix {
	if x.Placed() {
		x.Time = t.now(x.Time)
	}
	return tapeFix{x.At, x.Time, x.Heading, x.Speed, x.Accuracy, x.Flags}
}

var moments = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// brought brings the moments in properties to now; those to come stay to come.
func (t *tape) brought(p geo.Props) []byte {
	if p == "" {
		return []byte("{}")
	}
	return moments.ReplaceAllFunc([]byte(p), func(s []byte) []byte {
		at, err := time.Parse(time.RFC3339, string(s[1:len(s)-1]))
		if err != nil {
			return s
		}
		return strconv.AppendQuote(nil, t.played(geo.Millis(at.UnixMilli())).UTC().Format("2006-01-02T15:04:05.000Z"))
	})
}

func stampMillis(t geo.Millis) string {
	return time.UnixMilli(int64(t)).UTC().Format(time.RFC3339)
}
