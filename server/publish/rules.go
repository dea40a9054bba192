package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"rasad/geo"
)

// The names of the commands.
const (
	SetName      = "publish.set"
	WithdrawName = "publish.withdraw"
	FollowName   = "publish.follow"
)

// What a request may ask for.
const (
	titleMax  = 200  // letters
	adviceMax = 2000 // letters
	delayMax  = 24 * time.Hour
	untilMax  = 365 * 24 * time.Hour
	// exactPointsMax is how many points an exact area may have; one with more is told
	// by blocks, because a publication is recorded twice over, now and next.
	exactPointsMax = 1500
	idMin, idMax   = 20, 64
)

// sources are the kinds that can be published, if the policy says so. Units are not
// among them, so there is no way to publish where the police is.
var sources = []geo.Kind{geo.Incident, geo.Hazard, geo.Shelter, geo.Site}

var system = geo.Principal{Name: "system", Role: "system"}

type rules struct{ Policy }

// Rules returns the rules by the names of their commands. The policy must not be
// changed afterwards.
func Rules(p Policy) map[string]geo.Rule {
	r := &rules{p}
	return map[string]geo.Rule{SetName: r.set, WithdrawName: r.withdraw, FollowName: r.follow}
}

// Due returns the rule for publications whose moment has come: a delay or a time is
// over.
func Due(p Policy) func(*geo.Draft, *geo.Feature) error { return (&rules{p}).due }

// Request are the arguments of publish.set.
type Request struct {
	Source string   `json:"source"` // key
	Kind   geo.Kind `json:"kind"`   // of the source
	// ID is the public id that the source gets when it is published first: 20 to 64
	// letters a to z and digits that nobody can guess. The door makes it.
	ID         string    `json:"id"`
	Precision  Precision `json:"precision,omitempty"` // empty: as fine as it may be
	DelayS     *int      `json:"delay_s,omitempty"`   // nil: as short as it may be
	Title      Text      `json:"title,omitempty"`
	Advice     Text      `json:"advice,omitempty"`
	Severity   string    `json:"severity,omitempty"`
	ValidUntil string    `json:"valid_until,omitempty"`
	Confirmed  bool      `json:"confirmed,omitempty"`
	Reason     string    `json:"reason,omitempty"`
}

// Answer says where a publication stands. Features are GeoJSON, as the public gets
// them.
type Answer struct {
	Publication string          `json:"publication,omitempty"` // key in the world of operations
	PublicID    string          `json:"public_id,omitempty"`
	Status      string          `json:"status"` // none, scheduled, public, withdrawn, expired
	Why         string          `json:"why,omitempty"`
	Shown       json.RawMessage `json:"shown,omitempty"`
	Next        json.RawMessage `json:"next,omitempty"`
	NextAt      string          `json:"next_at,omitempty"`
}

func answer(r *record) (Answer, error) {
	a := Answer{Publication: KeyOf(r.Source), PublicID: r.PublicID, Status: r.Status, Why: r.Why}
	var err error
	if a.Shown, err = asGeoJSON(r.Shown, r); err == nil {
		a.Next, err = asGeoJSON(r.Next, r)
	}
	if r.NextAt != 0 {
		a.NextAt = stamp(r.NextAt)
	}
	return a, err
}

func asGeoJSON(p *Feature, r *record) (json.RawMessage, error) {
	if p == nil {
		return nil, nil
	}
	return geo.ToGeoJSON(p.geo(r.PublicNo, r.PublicSeq, 1))
}

func (r *rules) set(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var in Request
	if err := decode(args, &in); err != nil {
		return nil, err
	}
	rec, f, err := r.asked(d, &in)
	if err != nil {
		return nil, err
	}
	c := r.ceiling(mustGet(d, in.Source))
	if c.Guard && !in.Confirmed {
		return nil, refuse(geo.Conflict, "confirm-needed", "%s is of a sensitive type; publishing it must be confirmed.", in.Source)
	}
	if f == nil && !goodID(in.ID) {
		return nil, invalid("id", fmt.Sprintf("must be %d to %d letters a to z and digits", idMin, idMax))
	}
	if err := r.renew(d, rec, mustGet(d, in.Source)); err != nil {
		return nil, err
	}
	f, err = rec.keep(d, f)
	if err != nil {
		return nil, err
	}
	d.Act(geo.Act{Name: SetName, By: who, Why: in.Reason, Subjects: []string{in.Source, f.Key}})
	return answer(rec)
}

// asked checks a request and returns the record as it asks for it, and the feature that
// holds the record, if there is one.
func (r *rules) asked(d *geo.Draft, in *Request) (*record, *geo.Feature, error) {
	src, err := source(d, in.Kind, in.Source)
	if err != nil {
		return nil, nil, err
	}
	c := r.ceiling(src)
	if c.Never != "" {
		return nil, nil, refuse(geo.Conflict, "never-public", "%s %s cannot be published (%s).", src.Kind, src.Key, c.Never)
	}
	rec, f, err := find(d, in.Source)
	if err != nil {
		return nil, nil, err
	}
	if rec == nil {
		rec = &record{Source: in.Source, PublicID: in.ID}
	}
	if !rec.active() {
		rec.Status = scheduled
	}
	rec.SourceKind, rec.Why = in.Kind, ""
	rec.Ask = ask{Precision: in.Precision, DelayS: in.DelayS, Title: in.Title, Advice: in.Advice, Severity: in.Severity, ValidUntil: in.ValidUntil}

	var errs []geo.FieldError
	bad := func(field, reason string, a ...any) {
		errs = append(errs, geo.FieldError{Field: field, Reason: fmt.Sprintf(reason, a...)})
	}
	switch {
	case in.Precision == "":
	case !in.Precision.Known():
		bad("precision", "must be exact, block, district or hidden")
	case in.Precision.FinerThan(c.Precision):
		return nil, nil, refuse(geo.Conflict, "too-fine", "The place of %s may be told to the %s at the finest, not %s.", src.Key, c.Precision, in.Precision)
	case c.Precision != Exact && in.Precision.FinerThan(rec.Told.Precision) && rec.Told.Precision != "":
		return nil, nil, refuse(geo.Conflict, "narrower", "The place of %s was told to the %s; it does not become finer.", src.Key, rec.Told.Precision)
	}
	if in.DelayS != nil {
		switch delay := time.Duration(*in.DelayS) * time.Second; {
		case *in.DelayS < 0 || *in.DelayS > int(delayMax/time.Second):
			bad("delay_s", "must be in 0..%d", int(delayMax/time.Second))
		case delay < c.Delay:
			return nil, nil, refuse(geo.Conflict, "too-soon", "%s may be public %d s after the decision at the earliest.", src.Key, int(c.Delay/time.Second))
		}
	}
	texts := func(field string, t Text, most int) {
		for _, lang := range keys(t) {
			if !slices.Contains(Languages, lang) {
				bad(field+"."+clip(lang), "is no language; they are %s", strings.Join(Languages, ", "))
			} else if reason := badText(t[lang], most); reason != "" {
				bad(field+"."+lang, "%s", reason)
			}
		}
	}
	texts("title", in.Title, titleMax)
	texts("advice", in.Advice, adviceMax)
	if in.Severity != "" && !slices.Contains(Severities, in.Severity) {
		bad("severity", "must be one of %s", strings.Join(Severities, ", "))
	}
	if in.ValidUntil != "" {
		switch until := moment(in.ValidUntil); {
		case until == 0:
			bad("valid_until", "must be a time with offset, as RFC 3339 has it")
		case until <= d.Now():
			bad("valid_until", "lies in the past")
		case until > later(d.Now(), untilMax):
			bad("valid_until", "is more than a year away")
		}
	}
	if reason := badText(in.Reason, adviceMax); reason != "" {
		bad("reason", "%s", reason)
	}
	if len(errs) > 0 {
		return nil, nil, invalids(errs)
	}
	if in.ValidUntil != "" {
		rec.Ask.ValidUntil = stamp(moment(in.ValidUntil))
	}
	if p, _ := r.precision(rec, c); src.Shape != nil && p != Hidden {
		if _, ok := placeOf(&told{}, p, src); !ok {
			return nil, nil, refuse(geo.Conflict, "area-too-large", "The area of %s is too large to be told by cells; publish it without its place (hidden).", src.Key)
		}
	}
	return rec, f, nil
}

// precision is how finely a place is told: as the person asked, never finer than the
// ceiling, and no finer than before, unless nothing of the type is to be kept.
func (r *rules) precision(rec *record, c Ceiling) (Precision, bool) {
	p := c.Precision
	if rec.Ask.Precision != "" && p.FinerThan(rec.Ask.Precision) {
		p = rec.Ask.Precision
	}
	if was := rec.Told.Precision; was != "" && p.FinerThan(was) && (c.Precision != Exact || rec.Ask.Precision == "") {
		p = was
	}
	return p, rec.Shown != nil && rec.Shown.Precision.FinerThan(p)
}

// renew brings a publication to what its source is now: at once, or after the delay.
// What must be coarser than it is shown does not wait for it.
func (r *rules) renew(d *geo.Draft, rec *record, src *geo.Feature) error {
	c := r.ceiling(src)
	if c.Never != "" {
		return rec.hide(d, withdrawn, c.Never)
	}
	rec.Type, rec.Sensitive = src.Props.Text("type"), c.Guard
	p, coarser := r.precision(rec, c)
	now, t := r.statement(rec, c, p, src, d.Now())
	if coarser {
		if err := rec.hide(d, scheduled, ""); err != nil {
			return err
		}
	}
	delay := c.Delay
	if rec.Ask.DelayS != nil {
		delay = max(delay, time.Duration(*rec.Ask.DelayS)*time.Second)
	}
	switch {
	case now.same(rec.Shown):
		rec.Told, rec.Next, rec.NextAt = t, nil, 0
	case rec.Next != nil && now.same(rec.Next):
	case delay == 0:
		rec.Told = t
		if err := rec.show(d, now); err != nil {
			return err
		}
	default:
		// What waits is replaced and the wait begins again only when a person decided
		// anew; see follow. The cells count from now on: what was nearly told is told.
		rec.Told = t
		rec.Next, rec.NextAt = now, later(d.Now(), delay)
	}
	rec.end(d.Now(), r.OverFor)
	return nil
}

// end sees to it that what is over goes after a while.
func (r *record) end(now geo.Millis, overFor time.Duration) {
	switch {
	case r.Shown == nil || r.Shown.Status != StatusOver || overFor == 0:
		r.EndsAt = 0
	case r.EndsAt == 0:
		r.EndsAt = later(now, overFor)
	}
}

// statement is what the public would be told of a source as it is now, and by which
// cells.
func (r *rules) statement(rec *record, c Ceiling, p Precision, src *geo.Feature, now geo.Millis) (*Feature, told) {
	out := &Feature{ID: rec.PublicID, Kind: src.Kind, Type: src.Props.Text("type"), Severity: rec.Ask.Severity, Status: StatusOpen,
		Title: Text{}, ValidUntil: rec.Ask.ValidUntil}
	name := ""
	if c.Named {
		name = strings.TrimSpace(src.Props.Text("name"))
		if badText(name, titleMax) != "" {
			name = ""
		}
	}
	for _, lang := range Languages {
		for _, s := range []string{rec.Ask.Title[lang], name, c.Label[lang], out.Type} {
			if s != "" {
				out.Title[lang] = s
				break
			}
		}
	}
	for lang, s := range rec.Ask.Advice {
		if s != "" {
			if out.Advice == nil {
				out.Advice = Text{}
			}
			out.Advice[lang] = s
		}
	}
	if until := moment(src.Props.Text("valid_to")); src.Kind == geo.Hazard && until != 0 && out.ValidUntil == "" {
		out.ValidUntil = stamp(until)
	}
	if r.over(src, now) {
		out.Status = StatusOver
	}
	if src.Kind == geo.Shelter {
		out.Room = r.room(src)
	}
	t := rec.Told
	place, ok := placeOf(&t, p, src)
	if !ok {
		place = spot{precision: Hidden}
	}
	out.Precision, out.Point, out.RadiusM, out.Area = place.precision, place.point, place.radiusM, place.area
	if t.Precision == "" || t.Precision.FinerThan(out.Precision) || p == Exact {
		t.Precision = out.Precision
	}
	return out, t
}

// spot is where the public is told that something is.
type spot struct {
	precision Precision
	point     *geo.LngLat
	radiusM   int
	area      *geo.Shape
}

// placeOf finds how a place is told that was told by t before, and notes it there;
// false for an area that no cells tell. What has no place has none to hide.
func placeOf(t *told, p Precision, src *geo.Feature) (spot, bool) {
	s := spot{precision: p}
	if !src.Fix.Placed() && src.Shape == nil || p == Hidden {
		return s, true
	}
	if p == Exact && (src.Shape == nil || len(src.Shape.Points) <= exactPointsMax) {
		at := src.Fix.At
		s.point, s.area = &at, src.Shape
		t.Size, t.Cells = Exact, nil
		return s, true
	}
	if p == Exact {
		p = Block
	}
	before := func(p Precision) []Cell { // the cells of before, as large as those of now
		var out []Cell
		for _, c := range t.cells() {
			if c.Size.FinerThan(p) {
				c = c.within(p)
			}
			if c.Size == p && !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
		return out
	}
	if src.Shape == nil {
		c := CellOf(src.Fix.At, p)
		if old := before(p); len(old) == 1 && old[0].near(c) {
			c = old[0]
		}
		t.set(p, []Cell{c})
		at := c.Point()
		return spot{precision: p, point: &at, radiusM: c.Radius()}, true
	}
	for ; p != Hidden; p = Precisions[p.rank()+1] {
		now, ok := cellsOf(src.Shape, p)
		if !ok {
			continue
		}
		cells := follow(before(p), now)
		if len(cells) > cellsMax {
			cells = now
		}
		t.set(p, cells)
		area := outline(cells)
		at := area.Inside()
		return spot{precision: p, point: &at, area: area}, true
	}
	return spot{precision: Hidden}, false
}

func (r *rules) withdraw(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var in struct {
		Source string   `json:"source"`
		Kind   geo.Kind `json:"kind"`
		Reason string   `json:"reason"`
	}
	if err := decode(args, &in); err != nil {
		return nil, err
	}
	if reason := badText(in.Reason, adviceMax); reason != "" {
		return nil, invalid("reason", reason)
	}
	rec, f, err := find(d, in.Source)
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.SourceKind != in.Kind {
		return nil, refuse(geo.Missing, "not-published", "%s %.140q was never published.", in.Kind, in.Source)
	}
	if !rec.active() {
		return answer(rec)
	}
	if err := rec.hide(d, withdrawn, ""); err != nil {
		return nil, err
	}
	if f, err = rec.keep(d, f); err != nil {
		return nil, err
	}
	d.Act(geo.Act{Name: WithdrawName, By: who, Why: in.Reason, Subjects: []string{in.Source, f.Key}})
	return answer(rec)
}

// follow brings a publication to what became of its source.
func (r *rules) follow(d *geo.Draft, _ geo.Principal, args json.RawMessage) (any, error) {
	var in struct {
		Publication string `json:"publication"`
	}
	if err := decode(args, &in); err != nil {
		return nil, err
	}
	f, ok := d.Get(in.Publication)
	if !ok || f.Kind != Publication {
		return nil, refuse(geo.Missing, "no-publication", "There is no publication %.140q.", in.Publication)
	}
	return struct{}{}, r.catchUp(d, f)
}

// catchUp is follow, and what is due.
func (r *rules) catchUp(d *geo.Draft, f *geo.Feature) error {
	rec, err := recordOf(f)
	if err != nil {
		return err
	}
	if !rec.active() {
		return nil
	}
	was := rec.Status
	name := FollowName
	over := func(t geo.Millis) bool { return t != 0 && t <= d.Now() }
	src, ok := d.Get(rec.Source)
	switch {
	case !ok || src.Kind != rec.SourceKind:
		err = rec.hide(d, withdrawn, "gone")
	case r.ceiling(src).Never != "":
		err = rec.hide(d, withdrawn, r.ceiling(src).Never)
	case over(moment(rec.Ask.ValidUntil)), over(rec.EndsAt):
		name, err = "publish.expired", rec.hide(d, expired, "")
	default:
		if over(rec.NextAt) {
			name, err = "publish.shown", rec.show(d, rec.Next)
		}
		// While something waits, what comes after it waits with it: otherwise a source
		// that changes all the time would never become public.
		p, coarser := r.precision(rec, r.ceiling(src))
		waits := rec.Next != nil && !coarser && !rec.Next.Precision.FinerThan(p)
		if err == nil && !waits {
			rec.Next, rec.NextAt = nil, 0
			err = r.renew(d, rec, src)
		}
		rec.end(d.Now(), r.OverFor)
	}
	if err != nil {
		return err
	}
	if rec.Status == withdrawn && was != withdrawn {
		name = "publish.suppressed"
	}
	g, err := rec.keep(d, f)
	if err != nil {
		return err
	}
	if g != f {
		d.Act(geo.Act{Name: name, By: system, Why: rec.Why, Subjects: []string{rec.Source, f.Key}})
	}
	return nil
}

func (r *rules) due(d *geo.Draft, f *geo.Feature) error { return r.catchUp(d, f) }

// Sight is what could be public of a source, before it is.
type Sight struct {
	Answer
	// Never says why it cannot be published; empty: it can, and the rest says how.
	Never     string          `json:"never,omitempty"`
	Ceiling   Precision       `json:"ceiling,omitempty"`
	Floor     Precision       `json:"floor,omitempty"` // the coarsest so far: it does not become finer
	DelayS    int             `json:"delay_s"`
	Guard     bool            `json:"guard"` // it must be confirmed
	Preview   json.RawMessage `json:"preview,omitempty"`
	PreviewAt string          `json:"preview_at,omitempty"` // when it would be public
}

// Look says what publishing a source now would make public. It changes nothing. Its
// refusals are those of publish.set.
func Look(p Policy, v *geo.View, now geo.Millis, in Request) (Sight, error) {
	r := &rules{p}
	d := geo.NewDraft(v, v.Seq()+1, now)
	src, err := source(d, in.Kind, in.Source)
	if err != nil {
		return Sight{}, err
	}
	s := Sight{Answer: Answer{Status: "none"}}
	rec, _, err := find(d, in.Source)
	if err != nil {
		return Sight{}, err
	}
	if rec != nil {
		if s.Answer, err = answer(rec); err != nil {
			return Sight{}, err
		}
		if s.Floor = rec.Told.Precision; r.ceiling(src).Precision == Exact {
			s.Floor = ""
		}
	}
	c := r.ceiling(src)
	if s.Never = c.Never; s.Never != "" {
		return s, nil
	}
	s.Ceiling, s.DelayS, s.Guard = c.Precision, int(c.Delay/time.Second), c.Guard
	asked, _, err := r.asked(d, &in)
	if err != nil {
		return Sight{}, err
	}
	want, _ := r.precision(asked, c)
	said, _ := r.statement(asked, c, want, src, now)
	delay := c.Delay
	if in.DelayS != nil {
		delay = time.Duration(*in.DelayS) * time.Second
	}
	said.ID = "preview"
	if asked.PublicID != "" {
		said.ID = asked.PublicID
	}
	s.PreviewAt = stamp(later(now, delay))
	s.Preview, err = asGeoJSON(said, asked)
	return s, err
}

// source returns the feature that is to be published, or refuses.
func source(d *geo.Draft, kind geo.Kind, key string) (*geo.Feature, error) {
	if !slices.Contains(sources, kind) {
		return nil, refuse(geo.Conflict, "never-public", "Features of kind %.40q cannot be published.", kind)
	}
	f, ok := d.Get(key)
	if !ok || f.Kind != kind {
		return nil, refuse(geo.Missing, "no-"+string(kind), "There is no %s %.140q.", kind, key)
	}
	return f, nil
}

// find returns the publication of a source, nil when it was never published.
func find(d *geo.Draft, source string) (*record, *geo.Feature, error) {
	f, ok := d.Get(KeyOf(source))
	if !ok {
		return nil, nil, nil
	}
	if f.Kind != Publication {
		return nil, nil, refuse(geo.Conflict, "key-taken", "%s is the key of a %s.", f.Key, f.Kind)
	}
	rec, err := recordOf(f)
	return rec, f, err
}

func mustGet(d *geo.Draft, key string) *geo.Feature {
	f, ok := d.Get(key)
	if !ok {
		panic("publish: " + key + " went away while it was read")
	}
	return f
}

func goodID(id string) bool {
	return len(id) >= idMin && len(id) <= idMax && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// badText says what is wrong with a text that the public will read.
func badText(s string, most int) string {
	switch {
	case !utf8.ValidString(s):
		return "must be valid UTF-8"
	case utf8.RuneCountInString(s) > most:
		return fmt.Sprintf("is longer than %d letters", most)
	case strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }):
		return "holds control characters"
	}
	return ""
}

// decode reads the arguments of a command.
func decode(args json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, extra := dec.Token(); extra != io.EOF {
			err = fmt.Errorf("something follows the object")
		}
	}
	if err != nil {
		return refuse(geo.Invalid, "bad-args", "The arguments cannot be read: %v.", err)
	}
	return nil
}

func refuse(class geo.RefusalClass, code, format string, a ...any) *geo.Refusal {
	return &geo.Refusal{Class: class, Code: code, Detail: fmt.Sprintf(format, a...)}
}

func invalid(field, reason string) *geo.Refusal {
	return invalids([]geo.FieldError{{Field: field, Reason: reason}})
}

func invalids(errs []geo.FieldError) *geo.Refusal {
	said := make([]string, len(errs))
	for i, e := range errs {
		said[i] = e.Field + " " + e.Reason
	}
	return &geo.Refusal{Class: geo.Invalid, Code: "invalid", Detail: strings.Join(said, "; ") + ".", Errors: errs}
}

func keys(t Text) []string {
	out := make([]string, 0, len(t))
	for k := range t {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
