package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// Who did what: the acts of the frames, newest first.

const (
	actsDefault = 50
	actsMax     = 200
	// actFramesMax bounds what one call reads: at 20 frames a second a quarter of an
	// hour of a city at its busiest, about a second of one core.
	actFramesMax = 20_000
	// actChunk is how many frames are read at once on the way back.
	actChunk = 1000
	// actPlayMax is how many frames are played to know what an act changed; keyframes
	// stand a minute apart unless the disk is short.
	actPlayMax = 5000
)

// actQuery chooses acts.
type actQuery struct {
	from, to           geo.Millis
	who, name, feature string
	text               string // lower case
}

// wants tells whether an act is one that was asked for.
func (q *actQuery) wants(a *geo.Act) bool {
	if q.who != "" && !strings.Contains(strings.ToLower(a.By.Name), q.who) {
		return false
	}
	if ok, _ := path.Match(q.name, a.Name); q.name != "" && !ok {
		return false
	}
	if q.feature != "" && !slices.Contains(a.Subjects, q.feature) {
		return false
	}
	if q.text == "" {
		return true
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), q.text) }
	return has(a.Name) || has(a.By.Name) || has(a.Why) || slices.ContainsFunc(a.Subjects, has) || has(string(ActArgs(a.Args)))
}

func (q *actQuery) mark() uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %q %q %q %q", q.from, q.who, q.name, q.feature, q.text)
	return h.Sum32()
}

// An actCursor stands before the acts that were given already: it is the frame of the
// last one, and which of its frame it was.
type actCursor struct {
	seq uint64
	n   uint32
}

func (at actCursor) text(q *actQuery) string {
	b := binary.BigEndian.AppendUint64(nil, at.seq)
	b = binary.BigEndian.AppendUint32(b, at.n)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, q.mark()))
}

func parseActCursor(s string, q *actQuery) (actCursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 16 {
		return actCursor{}, invalid("cursor", "is not one that an answer gave as next")
	}
	if binary.BigEndian.Uint32(b[12:]) != q.mark() {
		return actCursor{}, invalid("cursor", "belongs to another question")
	}
	return actCursor{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}, nil
}

// found is an act and the frame that holds it.
type found struct {
	frame *streams.Frame
	n     int
}

func (x found) act() *geo.Act { return &x.frame.Acts[x.n] }

// actSearch goes back through the history.
type actSearch struct {
	h       streams.History
	q       *actQuery
	see     seer
	frames  int  // read so far
	damaged bool // some could not be read
	// world is that after the frame at, to know what was before an act.
	world *geo.World
	at    uint64
}

// ListActs answers who did what, newest first.
func (a *API) ListActs(c echo.Context, p ListActsParams) error {
	if a.History == nil {
		return streams.ErrNoHistory
	}
	q := &actQuery{to: geo.Millis(time.Now().UnixMilli()), who: strings.ToLower(text(p.Who)), name: text(p.Name), feature: text(p.Feature), text: strings.ToLower(text(p.Q))}
	if p.From != nil {
		q.from = geo.Millis(p.From.UnixMilli())
	}
	if p.To != nil {
		q.to = geo.Millis(p.To.UnixMilli())
	}
	if q.to < q.from {
		return invalid("to", "lies before from")
	}
	if _, err := path.Match(q.name, ""); err != nil {
		return invalid("name", "is no pattern; write one such as incident.*")
	}
	limit := actsDefault
	if p.Limit != nil {
		limit = min(*p.Limit, actsMax)
	}
	s := &actSearch{h: a.History, q: q, see: a.seerOf(principal(c))}
	ctx := c.Request().Context()
	view := a.World.View()
	setSeq(c.Response(), view.Seq())
	from := actCursor{seq: view.Seq() + 1}
	var err error
	switch {
	case p.Cursor != nil:
		from, err = parseActCursor(*p.Cursor, q)
	case p.To != nil:
		from, err = s.upTo(ctx, from)
	}
	if err != nil {
		return err
	}
	page, err := s.page(ctx, from, limit)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page)
}

// upTo finds the frame after the last one that is wanted.
func (s *actSearch) upTo(ctx context.Context, end actCursor) (actCursor, error) {
	key, err := s.h.KeyframeAt(ctx, s.q.to)
	if err != nil {
		return end, fmt.Errorf("find the end of what is asked: %w", err)
	}
	if key.Time > s.q.to {
		return actCursor{seq: key.Seq}, nil // history begins later
	}
	at := key.Seq
	for f, err := range s.h.Frames(ctx, key.Seq) {
		if err != nil {
			s.damaged = true
			break
		}
		if s.frames++; f.Time > s.q.to || f.Seq >= end.seq || s.frames >= actFramesMax {
			break
		}
		at = f.Seq
	}
	return actCursor{seq: at + 1}, nil
}

// page gathers acts before a cursor.
func (s *actSearch) page(ctx context.Context, at actCursor, limit int) (*ActPage, error) {
	oldest, err := s.h.KeyframeAt(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("find where the record begins: %w", err)
	}
	var list []found
	out := &ActPage{Acts: []Act{}, SearchedTo: stampOf(s.q.to)}
	end := false
	for !end && len(list) < limit && s.frames < actFramesMax {
		low, n := oldest.Seq, uint64(min(actChunk, actFramesMax-s.frames))
		if at.seq > low+1+n { // the frame of the cursor itself was looked at, or is not there yet
			low = at.seq - 1 - n
		}
		chunk, err := s.chunk(ctx, low, at)
		if err != nil {
			return nil, err
		}
		for i := len(chunk.found) - 1; i >= 0 && len(list) < limit; i-- {
			list = append(list, chunk.found[i])
		}
		if len(list) == limit {
			last := list[len(list)-1]
			at = actCursor{last.frame.Seq, uint32(last.n)}
			out.SearchedTo = stampOf(last.frame.Time)
			break
		}
		at = actCursor{seq: low + 1}
		if chunk.first > 0 {
			out.SearchedTo = stampOf(chunk.first)
		}
		end = low == oldest.Seq || chunk.first > 0 && chunk.first < s.q.from
	}
	// What was before an act is known by playing up to it, so oldest first.
	slices.Reverse(list)
	for _, x := range list {
		one, err := s.describe(ctx, x)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out.Acts = append(out.Acts, *one)
		}
	}
	slices.Reverse(out.Acts)
	if !end {
		out.Next = at.text(s.q)
	}
	out.Frames, out.Damaged = s.frames, s.damaged
	return out, nil
}

func stampOf(t geo.Millis) time.Time { return time.UnixMilli(int64(t)).UTC() }

type actChunkOf struct {
	found []found    // oldest first
	first geo.Millis // time of the first frame; zero: there was none
}

// chunk reads the frames after low, up to a cursor.
func (s *actSearch) chunk(ctx context.Context, low uint64, at actCursor) (actChunkOf, error) {
	var out actChunkOf
	for f, err := range s.h.Frames(ctx, low) {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if err != nil {
			s.damaged = true // what lies before it is found by the next chunk
			return out, nil
		}
		if f.Seq > at.seq || f.Seq == at.seq && at.n == 0 {
			return out, nil
		}
		s.frames++
		if f.Keyframe() { // of the next epoch; its acts are those of the frames before
			continue
		}
		if out.first == 0 {
			out.first = f.Time
		}
		if f.Time < s.q.from || f.Time > s.q.to {
			continue
		}
		for i := range f.Acts {
			if (f.Seq < at.seq || i < int(at.n)) && s.q.wants(&f.Acts[i]) {
				out.found = append(out.found, found{f, i})
			}
		}
	}
	return out, nil
}

// describe writes an act as its reader may see it; nil when it is not for them.
func (s *actSearch) describe(ctx context.Context, x found) (*Act, error) {
	f, a := x.frame, x.act()
	before, after, err := s.around(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &Act{At: stampOf(f.Time), Seq: int64(f.Seq), Epoch: f.Epoch, Name: a.Name, By: a.By.Name, Role: a.By.Role, Session: a.By.Session, From: a.By.From, Why: a.Why,
		Subjects: append([]string{}, a.Subjects...)}
	if a.At != 0 {
		out.At = stampOf(a.At)
	}
	whole, hidden := true, 0
	for _, key := range a.Subjects {
		feature := subject(key, f, before, after)
		if feature == nil {
			// Not a feature (any more): an account, a token, a wall. Whoever is confined to
			// some agencies does not see what concerns all.
			if s.see.Confined() {
				whole = false
				hidden++
			}
			continue
		}
		t := s.see.facts.Target(feature)
		if s.see.Show(feature, t) == nil {
			whole = false
			hidden++
			continue
		}
		whole = whole && s.see.Whole(t)
		if before == nil {
			continue
		}
		changes := Changes(before, after, key)
		for _, field := range slices.Sorted(maps.Keys(changes)) {
			if c := changes[field]; s.see.Field(t, field) || access.ClassOf(t.Kind, field) == access.Personal {
				out.Changes = append(out.Changes, ActChange{Subject: key, Field: field, Before: c[0], After: c[1]})
			}
		}
	}
	if hidden == len(a.Subjects) && (hidden > 0 || s.see.Confined()) {
		return nil, nil
	}
	if whole {
		out.Args = ActArgs(a.Args)
	}
	return out, nil
}

// subject is a feature that an act is about, as well as it is known.
func subject(key string, f *streams.Frame, before, after *geo.View) *geo.Feature {
	if before != nil {
		if x, ok := after.Get(key); ok {
			return x
		}
		if x, ok := before.Get(key); ok {
			return x
		}
	}
	for _, x := range f.Put {
		if x.Key == key {
			return x
		}
	}
	return nil
}

// around returns the world before and after a frame; nil when no keyframe is near.
func (s *actSearch) around(ctx context.Context, f *streams.Frame) (before, after *geo.View, err error) {
	if s.world == nil || f.Seq <= s.at || f.Seq-s.at > actChunk {
		key, err := s.h.KeyframeAt(ctx, f.Time-1)
		if errors.Is(err, streams.ErrNoHistory) || err == nil && key.Seq >= f.Seq {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("find the world before an act: %w", err)
		}
		if s.world == nil || key.Seq > s.at || f.Seq <= s.at {
			s.world, s.at = geo.NewWorld(), key.Seq
			s.load(key)
		}
	}
	if f.Seq-s.at > actPlayMax {
		return nil, nil, nil
	}
	for g, err := range s.h.Frames(ctx, s.at) {
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			s.damaged, s.world = true, nil
			return nil, nil, nil
		}
		if g.Keyframe() {
			s.load(g)
			s.at = g.Seq
			continue
		}
		before = s.world.View()
		s.world.Apply(geo.Moment{Seq: g.Seq, Time: g.Time}, g.Delta)
		s.frames++
		s.at = g.Seq
		if g.Seq == f.Seq {
			return before, s.world.View(), nil
		}
	}
	s.world = nil
	return nil, nil, nil
}

func (s *actSearch) load(f *streams.Frame) {
	s.world.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
}

// Changes returns what differs in a feature between two views, member by member, before
// and after; null stands for what is not there. Of a personal or sealed member only
// that it is there is told. What only moved differs in nothing.
func Changes(before, after *geo.View, key string) map[string][2]json.RawMessage {
	out := map[string][2]json.RawMessage{}
	sides := [2]map[string]json.RawMessage{}
	var sealed [2]map[string]string
	var revs [2]uint64
	for i, v := range [2]*geo.View{before, after} {
		sealed[i] = map[string]string{}
		f, ok := v.Get(key)
		if !ok {
			continue
		}
		revs[i] = f.Rev
		sides[i] = f.Props.Map()
		if f.Fix.Placed() {
			lng, lat := f.Fix.At.Degrees()
			sides[i][access.PlaceField] = json.RawMessage(fmt.Sprintf("[%v,%v]", lng, lat))
		}
		for _, name := range access.PersonalFields(f.Kind) {
			if _, ok := sides[i][name]; ok {
				sealed[i][name] = string(sides[i][name])
				sides[i][name] = json.RawMessage(`{"sealed":true}`)
			}
		}
		for _, s := range f.Sealed {
			sealed[i][s.Name] = s.KeyID
			sides[i][s.Name] = json.RawMessage(`{"sealed":true}`)
		}
	}
	if revs[0] == revs[1] {
		return out // it moved, at most
	}
	for i, side := range sides {
		for name := range side {
			b, a := orNull(sides[0][name]), orNull(sides[1][name])
			if string(b) != string(a) || i == 1 && sealed[0][name] != sealed[1][name] {
				out[name] = [2]json.RawMessage{b, a}
			}
		}
	}
	return out
}

func orNull(b json.RawMessage) json.RawMessage {
	if b == nil {
		return json.RawMessage("null")
	}
	return b
}

// ActArgs are the arguments of an act without what is personal: of sealed fields only
// that they are there. It is nil when there are none.
func ActArgs(args []byte) json.RawMessage {
	var v any
	if len(args) == 0 || json.Unmarshal(args, &v) != nil {
		return nil
	}
	if _, ok := v.(map[string]any); !ok {
		return nil
	}
	b, err := json.Marshal(withoutPersonal(v))
	if err != nil {
		return nil
	}
	return b
}

func withoutPersonal(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutPersonal(v[i])
		}
	case map[string]any:
		if _, ok := v["box"]; ok && v["key_id"] != nil {
			return map[string]any{"name": v["name"], "sealed": true}
		}
		for name := range v {
			if slices.Contains(access.PersonalFields(geo.Incident), name) {
				v[name] = map[string]any{"sealed": true}
				continue
			}
			v[name] = withoutPersonal(v[name])
		}
	}
	return v
}

// EraseCaller destroys the keys of the caller of an incident.
func (a *API) EraseCaller(c echo.Context, id Id, p EraseCallerParams) error {
	return a.eraseSealed(c, id, "caller", p.Reason)
}

// ErasePersonal destroys the keys of a sealed field of an incident.
func (a *API) ErasePersonal(c echo.Context, id Id, field PersonalField, p ErasePersonalParams) error {
	return a.eraseSealed(c, id, field, p.Reason)
}

// eraseSealed destroys the keys of a sealed field, after it is in the record who did it
// and why.
func (a *API) eraseSealed(c echo.Context, id, field, reason string) error {
	if err := errors.Join(geo.CheckKey(id), personal(field)); err != nil {
		return err
	}
	why, err := because(reason)
	if err != nil {
		return err
	}
	if why == "" {
		return invalid("reason", "must be given")
	}
	t := access.Target{Kind: geo.Incident, Key: id}
	if f, ok := a.World.View().Get(id); ok { // one that was deleted is still in the past
		t = a.facts.Target(f)
	}
	if err := a.may(c, access.SealedErase, t); err != nil {
		return err
	}
	if a.Erase == nil {
		return problem(http.StatusNotFound, "no-history", "this server keeps no record of which anything could be erased")
	}
	done, err := a.Erase(c.Request().Context(), Erasure{Key: id, Field: field, Why: why, By: principal(c).Geo()})
	if err != nil {
		return err
	}
	setSeq(c.Response(), done.Seq)
	return c.JSON(http.StatusOK, Erased{Keys: done.Keys})
}

// Erasure is a personal field whose keys are to be destroyed, now and in the past.
type Erasure struct {
	Key   string // of the feature
	Field string
	Why   string
	By    geo.Principal
}

// ErasureDone is what an [Erasure] has done: how many keys were destroyed, and the frame
// that says so.
type ErasureDone struct {
	Keys int
	Seq  uint64
}
