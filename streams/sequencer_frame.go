package streams

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"time"

	"rasad/geo"
)

const (
	// frameBudget is what a frame may weigh: under the journal's 512 KB, with room
	// for what is estimated.
	frameBudget = 480 << 10
	// movesMax is how many reports are looked at for one frame. At 12 bytes a move
	// that is about what fits.
	movesMax = 40_000
	// frameRoom is what a frame of moves weighs beside its moves.
	frameRoom = 1 << 10
	// movesBeside is how many of them go into a frame that also has something to
	// decide: rules see moves through the draft, which costs more, and must not
	// wait for them.
	movesBeside = 5_000
	// decisionsMax is how many commands, and how many due features, are decided
	// in one frame.
	decisionsMax = 256
	// dueAgainAfter is the pause after which a due feature is tried again when its
	// rule failed or left it due.
	dueAgainAfter = geo.Millis(60_000)
)

const reasonUnknown = "unknown_unit"

// moves gathers fixes: the last one of each feature. The place of a feature in the
// list stands in pages by its number, because a map costs more than all the rest of
// gathering; a page is made when a feature of its range moves.
type moves struct {
	list  []geo.Move
	pages []*[movesPage]int32 // place in list, plus one
}

const movesPage = 1 << 12

func (m *moves) get(id geo.ID) (geo.Fix, bool) {
	if page := int(id / movesPage); page < len(m.pages) && m.pages[page] != nil {
		if i := m.pages[page][id%movesPage]; i != 0 {
			return m.list[i-1].Fix, true
		}
	}
	return geo.Fix{}, false
}

func (m *moves) set(id geo.ID, x geo.Fix) {
	page := int(id / movesPage)
	if page >= len(m.pages) {
		m.pages = append(m.pages, make([]*[movesPage]int32, page+1-len(m.pages))...)
	}
	if m.pages[page] == nil {
		m.pages[page] = new([movesPage]int32)
	}
	at := &m.pages[page][id%movesPage]
	if *at != 0 {
		m.list[*at-1].Fix = x
		return
	}
	m.list = append(m.list, geo.Move{ID: id, Fix: x})
	*at = int32(len(m.list))
}

// index notes the places of the list anew.
func (m *moves) index() {
	for i := range m.list {
		id := m.list[i].ID
		m.pages[id/movesPage][id%movesPage] = int32(i + 1)
	}
}

// sort puts the moves in ID order and returns them.
func (m *moves) sort() []geo.Move {
	byID := func(a, b geo.Move) int { return cmp.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(m.list, byID) {
		slices.SortFunc(m.list, byID)
		m.index()
	}
	return m.list
}

// takeAll empties m and returns what it held, in ID order.
func (m *moves) takeAll() []geo.Move { return m.take(len(m.list)) }

// take removes the first n moves in ID order.
func (m *moves) take(n int) []geo.Move {
	out := m.sort()[:n:n]
	for i := range out {
		m.pages[out[i].ID/movesPage][out[i].ID%movesPage] = 0
	}
	m.list = slices.Clone(m.list[n:]) // frames hold on to what was taken
	m.index()
	return out
}

// start cuts a frame when there is reason to, and sends it to the journal. It
// returns how long to wait before it is worth asking again.
func (s *Sequencer) start() (time.Duration, error) {
	idle := time.Hour // until something comes
	n := s.inbox.len()
	positions := s.ticked && n > 0 || n >= movesMax || len(s.pending.list) > 0 || len(s.late) > 0
	beat := s.since(s.lastCut) >= beatEvery
	var due []*geo.Feature
	if s.ticked {
		due = s.dueNow()
	}
	if !positions && !beat && len(due) == 0 && len(s.commands) == 0 {
		s.ticked = false
		return idle, nil
	}
	if gap := frameGap - s.since(s.lastCut); gap > 0 && !s.stepped {
		return gap, nil
	}
	return idle, s.cut(positions, beat, due)
}

// cut makes the next frame.
func (s *Sequencer) cut(positions, beat bool, due []*geo.Feature) error {
	began := s.mono()
	view := s.world.View()
	now := s.clock.now()
	decide := min(len(s.commands), decisionsMax)
	if positions {
		room := movesMax
		if decide > 0 || len(due) > 0 {
			room = movesBeside
		}
		s.judgeSome(room - len(s.pending.list))
	}
	if s.inbox.len() == 0 {
		s.ticked = false
	}
	due = due[:min(len(due), decisionsMax)]

	// Rules are pure, so a frame that came out too large is made again with less.
	move := movesFit(s.pending.sort(), now, s.budget-frameRoom)
	for {
		if decide > 0 || len(due) > 0 {
			move = min(move, movesBeside)
		}
		fl, size := s.build(view, now, move, decide, due)
		switch {
		case size <= s.budget:
			return s.launch(fl, beat, began)
		case decide > 1:
			decide /= 2
		case len(due) > 1:
			due = due[:len(due)/2]
		case (decide > 0 || len(due) > 0) && move > 0:
			move = 0
		case decide == 1 && len(due) == 0 && len(fl.late) == 0:
			p := s.commands[0]
			s.commands = s.commands[1:]
			s.log.Warn("command refused: too large for a frame", "command", p.Name, "by", p.By.Name, "bytes", size)
			s.abandon(p, &geo.Refusal{Class: geo.Invalid, Code: "too-large",
				Detail: fmt.Sprintf("this change needs %d bytes in the record; the limit is %d", size, s.budget)})
			decide = 0
		case decide == 1:
			decide = 0 // first what else there is
		case move > 1:
			move /= 2
		default:
			// One feature, one move or one act: it is as small as can be.
			return s.launch(fl, beat, began)
		}
	}
}

// build makes a frame of the first n pending moves, the first decide commands and
// the due features. It changes nothing of the sequencer, so it may be called again.
func (s *Sequencer) build(view *geo.View, now geo.Millis, move, decide int, due []*geo.Feature) (*flight, int) {
	seq := view.Seq() + 1
	fl := &flight{moves: s.pending.sort()[:move]}
	f := &Frame{V: FormatVersion, World: s.name, Epoch: s.epoch, Base: seq - 1, Seq: seq, Time: now}
	fl.frame = f
	room := s.budget / 2 // for late fixes
	for i := range s.late {
		if room -= actSize(&s.late[i]); room < 0 {
			break
		}
		fl.late = s.late[:i+1]
	}
	f.Acts = slices.Clone(fl.late)

	if decide == 0 && len(due) == 0 {
		f.Move = s.known(view, fl.moves)
	} else {
		d := geo.NewDraft(view, seq, now)
		for _, m := range fl.moves {
			d.Move(m.ID, m.Fix)
		}
		for _, x := range due {
			s.fall(d, x)
		}
		late := len(f.Acts)
		for _, p := range s.commands[:decide] {
			before := len(d.Acts())
			body, err := s.decide(d, p)
			fl.decided = append(fl.decided, decision{p: p, body: body, err: err, act: late + before})
			if err == nil && p.Key != "" && len(d.Acts()) == before {
				d.Act(geo.Act{Name: p.Name}) // a rule without an act still has an answer to keep
			}
		}
		f.Delta = d.Delta()
		f.Acts = append(f.Acts, d.Acts()...)
		sign(f.Acts, fl.decided)
	}
	f.State = stateAfter(view, s.covered, f.Delta)
	return fl, frameSize(f)
}

// sign writes into the acts of each accepted command who gave it and what came
// with it, where its rule left that open.
func sign(acts []geo.Act, decided []decision) {
	for i, d := range decided {
		if d.err != nil {
			continue
		}
		end := len(acts)
		if i+1 < len(decided) {
			end = decided[i+1].act
		}
		for j := d.act; j < end; j++ {
			act := &acts[j]
			if act.By == (geo.Principal{}) {
				act.By = d.p.By
			}
			act.Why = cmp.Or(act.Why, d.p.Why)
			if j > d.act {
				continue
			}
			if act.Args == nil {
				act.Args = d.p.Args
			}
			if d.p.Key != "" {
				act.By, act.Key, act.Digest, act.Answer = d.p.By, d.p.Key, d.p.Digest, d.body
			}
		}
	}
}

// known leaves out moves of features that are gone.
func (s *Sequencer) known(view *geo.View, list []geo.Move) []geo.Move {
	gone := func(m geo.Move) bool { _, _, ok := view.Peek(m.ID); return !ok }
	if slices.ContainsFunc(list, gone) {
		list = slices.DeleteFunc(slices.Clone(list), gone)
	}
	return list
}

// launch sends a frame to the journal. One that nobody needs is dissolved.
func (s *Sequencer) launch(fl *flight, beat bool, began time.Time) error {
	f := fl.frame
	fl.since = began
	whole := len(fl.moves) == len(s.pending.list)
	s.commands = s.commands[len(fl.decided):]
	fl.moves = s.pending.take(len(fl.moves))
	if !slices.IsSortedFunc(f.Move, func(a, b geo.Move) int { return cmp.Compare(a.ID, b.ID) }) {
		panic("streams: moves out of order")
	}
	s.late = s.late[len(fl.late):]
	if whole && len(s.late) == 0 {
		fl.spans, s.waiting = s.waiting, nil
		s.late = nil
	}
	if f.Delta.Empty() && len(f.Acts) == 0 && !beat {
		s.resolve(fl, f.Base, nil)
		return nil
	}
	s.lastCut = began
	s.flight = fl
	born := map[string]geo.ID{}
	for _, x := range f.Put {
		if x.Kind == geo.Unit {
			born[x.Key] = x.ID
		}
	}
	s.born.Store(&born)
	s.write <- f
	return nil
}

// judgeSome looks at up to n reports that wait. What moves goes to pending.
func (s *Sequencer) judgeSome(n int) {
	if n <= 0 {
		return
	}
	for _, p := range s.inbox.take(n) {
		for i := p.from; i < p.to; i++ {
			s.judge(p.b, i, &s.late)
		}
		if !p.b.silent {
			s.waiting = append(s.waiting, p)
		}
	}
}

// judge decides about one report, sets its outcome, and puts what moves into
// pending. Late fixes go to late, unless that is nil.
func (s *Sequencer) judge(b *batch, i int, late *[]geo.Act) (geo.Fix, bool) {
	r, id, out := &b.reports[i], b.ids[i], &b.outcomes[i]
	s.metrics.reports.Inc()
	f, prev, ok := s.world.View().Peek(id)
	if !ok {
		out.Reason = reasonUnknown
		s.metrics.refused.WithLabelValues(r.Feed, reasonUnknown).Inc()
		return geo.Fix{}, false
	}
	if x, ok := s.pending.get(id); ok {
		prev = x
	}
	doubt := s.suspicion[id]
	v := geo.Judge(prev, r.Fix, r.Received, s.limits(f), &doubt)
	if doubt != (geo.Suspicion{}) {
		s.suspicion[id] = doubt
	} else if len(s.suspicion) > 0 {
		delete(s.suspicion, id)
	}
	if v.Moves {
		out.Accepted = true
		s.pending.set(id, v.Fix)
		return v.Fix, true
	}
	out.Reason = v.Reason
	s.metrics.refused.WithLabelValues(r.Feed, v.Reason).Inc()
	if v.Reason == geo.FixLate && late != nil {
		*late = append(*late, lateAct(r, v.Fix))
	}
	return geo.Fix{}, false
}

// lateAct records a fix that came after a newer one.
func lateAct(r *Report, x geo.Fix) geo.Act {
	args, err := json.Marshal(x)
	if err != nil {
		panic("streams: fix: " + err.Error())
	}
	return geo.Act{At: r.Received, Name: "fix.late", By: geo.Principal{Name: "feed:" + r.Feed, Role: "feed"}, Subjects: []string{r.Key}, Args: args}
}

// dueNow returns the features whose moment has come and whose rule did not fail a
// short while ago.
func (s *Sequencer) dueNow() []*geo.Feature {
	view := s.world.View()
	now := s.clock.now()
	if next := view.NextDue(); s.due == nil || next == 0 || next > now {
		clear(s.dueAgain)
		return nil
	}
	return slices.DeleteFunc(view.Due(now), func(f *geo.Feature) bool { return s.dueAgain[f.ID] > now })
}

// fall runs the rule of a due feature. A rule that fails, or leaves the feature
// due, is asked again later, so that one broken fact does not fill the journal.
func (s *Sequencer) fall(d *geo.Draft, f *geo.Feature) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("due rule panicked", "feature", f.Key, "kind", f.Kind, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
		if now, ok := d.ByID(f.ID); ok && now.Due != 0 && now.Due <= d.Now() {
			s.dueAgain[f.ID] = d.Now() + dueAgainAfter
		}
	}()
	f, ok := d.ByID(f.ID)
	if !ok {
		return
	}
	if err := d.Try(func() error { return s.due(d, f) }); err != nil {
		s.log.Error("due rule failed", "feature", f.Key, "kind", f.Kind, "err", err)
	}
}

// stateAfter is the state hash that the view will have after the delta. Of what
// stands on an overlay, covered holds the recorded fix.
func stateAfter(v *geo.View, covered map[geo.ID]geo.Fix, d geo.Delta) uint64 {
	h := v.Hash()
	now := func(id geo.ID) (share uint64, rev uint64, ok bool) {
		f, x, ok := v.Peek(id)
		if !ok {
			return 0, 0, false
		}
		if len(covered) > 0 {
			if under, ok := covered[id]; ok {
				x = under
			}
		}
		return geo.Mix(id, f.Rev, x), f.Rev, true
	}
	for _, id := range d.Drop {
		share, _, _ := now(id)
		h -= share
	}
	for _, f := range d.Put {
		share, _, _ := now(f.ID)
		h += geo.Mix(f.ID, f.Rev, f.Fix) - share
	}
	for _, m := range d.Move {
		if share, rev, ok := now(m.ID); ok {
			h += geo.Mix(m.ID, rev, m.Fix) - share
		}
	}
	return h
}

// frameSize is what a frame weighs in the journal, at most a little less.
func frameSize(f *Frame) int {
	n := 256 + len(f.World) + len(f.Epoch) + 5*len(f.Drop) + movesSize(f.Move, f.Time)
	for _, x := range f.Put {
		n += 80 + len(x.Key) + len(x.Kind) + len(x.Props)
		if x.Shape != nil {
			n += 16 + 10*len(x.Shape.Points) + 5*len(x.Shape.Ends) + 5*len(x.Shape.Parts)
		}
		for _, b := range x.Sealed {
			n += 16 + len(b.Name) + len(b.KeyID) + len(b.Box)
		}
	}
	for i := range f.Acts {
		n += actSize(&f.Acts[i])
	}
	return n
}

func actSize(a *geo.Act) int {
	n := 64 + len(a.Name) + len(a.By.Name) + len(a.By.Role) + len(a.By.From) + len(a.By.Session) + len(a.Why) + len(a.Args) + len(a.Key) + len(a.Digest) + len(a.Answer)
	for _, k := range a.Subjects {
		n += 3 + len(k)
	}
	return n
}

// movesSize is what moves weigh in their columns.
func movesSize(list []geo.Move, at geo.Millis) int {
	size := 0
	walkMoves(list, at, func(n int) bool { size += n; return true })
	return size
}

// movesFit is how many of the moves, from the first, weigh no more than limit; at
// least one, if there is any.
func movesFit(list []geo.Move, at geo.Millis, limit int) int {
	fit, size := 0, 0
	walkMoves(list, at, func(n int) bool {
		if size += n; size > limit && fit > 0 {
			return false
		}
		fit++
		return true
	})
	return fit
}

// walkMoves yields what each move weighs.
func walkMoves(list []geo.Move, at geo.Millis, yield func(bytes int) bool) {
	var id, lng, lat int64
	for i := range list {
		m := &list[i]
		x := &m.Fix
		n := varintSize(zigzag(int64(m.ID)-id)) +
			varintSize(zigzag(int64(x.At.Lng)-lng)) + varintSize(zigzag(int64(x.At.Lat)-lat)) +
			2 + varintSize(uint64(x.Speed)+1) + varintSize(zigzag(int64(at-x.Time))) +
			varintSize(uint64(x.Accuracy)) + varintSize(uint64(x.Flags))
		id, lng, lat = int64(m.ID), int64(x.At.Lng), int64(x.At.Lat)
		if !yield(n) {
			return
		}
	}
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func varintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
