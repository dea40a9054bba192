package dispatch

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rasad/geo"
)

// Facts are what people say of the city as a whole: a line, a level, numbers,
// decisions, and what the walls show. Each is a feature without a place, written
// whole, with the moment ("at") and the person ("by") of its last writing.

// Their keys. What has a name has it behind the prefix.
const (
	situationKey   = "situation"
	responseKey    = "response"
	figurePrefix   = "figure-"
	decisionPrefix = "decision-"
	layoutPrefix   = "layout-"
)

const (
	factName      = 64   // bytes of the name of a fact
	factsMax      = 500  // of one kind: what a person overlooks is no fact
	situationMax  = 2000 // bytes: a line that is read in ten seconds, in Persian
	decisionMax   = 2000
	unitNameMax   = 40
	phoneMax      = 40
	figureMax     = 1e12
	layoutListMax = 64
	wallMax       = 16     // displays of a wall, across and down
	aheadMax      = 60_000 // milliseconds that a moment of the past may lie ahead: clocks differ
	dwellMin      = 5.0    // seconds of a tour at one place: less cannot be read
	dwellMax      = 3600.0
)

// responseScale is the scale of response levels.
const responseScale = "response_level"

// Words that mean the same in every city; screens translate them.
var (
	confirmations    = []string{"confirmed", "reported", "estimated"}
	decisionStatuses = []string{"open", "done", "dropped"}
	themes           = []string{"night", "day", "auto"}
)

// wrongs gathers what is wrong with a fact, field by field.
type wrongs []geo.FieldError

func (w *wrongs) add(field, format string, a ...any) {
	*w = append(*w, geo.FieldError{Field: field, Reason: fmt.Sprintf(format, a...)})
}

// line checks a text that a person wrote: least 1 makes it a must.
func (w *wrongs) line(field, s string, least, most int) {
	switch {
	case len(strings.TrimSpace(s)) < least:
		w.add(field, "must be given")
	case len(s) > most:
		w.add(field, "is longer than %d bytes", most)
	case !utf8.ValidString(s):
		w.add(field, "must be valid UTF-8")
	}
}

func (w *wrongs) oneOf(field, s string, known []string) {
	if !slices.Contains(known, s) {
		w.add(field, "must be one of %s", strings.Join(known, ", "))
	}
}

// when reads a moment that may be left out: zero, then.
func (w *wrongs) when(field, s string) geo.Millis {
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UnixMilli() <= 0 {
		w.add(field, "must be a time with offset, as RFC 3339 has it")
		return 0
	}
	return geo.Millis(t.UnixMilli())
}

// past is a moment that cannot lie ahead of now.
func (w *wrongs) past(field, s string, now geo.Millis) geo.Millis {
	t := w.when(field, s)
	if t > now+aheadMax {
		w.add(field, "lies in the future")
	}
	return t
}

// ahead is a moment that is to come.
func (w *wrongs) ahead(field, s string, now geo.Millis) geo.Millis {
	t := w.when(field, s)
	if t != 0 && t <= now {
		w.add(field, "lies in the past")
	}
	return t
}

// absent refuses words for a figure that the city has words for.
func (w *wrongs) absent(field, s string) {
	if s != "" {
		w.add(field, "is that of the preset; leave it out")
	}
}

// clock checks a time of the day.
func (w *wrongs) clock(field, s string) {
	if _, err := time.Parse("15:04", s); err != nil || len(s) != 5 {
		w.add(field, "must be a time of the day as 23:00")
	}
}

// list checks that a list is short and names nothing twice; known nil allows any key.
func (w *wrongs) list(field string, all, known []string) {
	if len(all) > layoutListMax {
		w.add(field, "has more than %d members", layoutListMax)
		return
	}
	for i, s := range all {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case slices.Contains(all[:i], s):
			w.add(at, "is there twice")
		case known != nil && !slices.Contains(known, s):
			w.add(at, "%.64q is none that the screens know", s)
		case known == nil && geo.CheckKey(s) != nil:
			w.add(at, "%v", geo.ErrKey)
		}
	}
}

// stampOrNil writes a moment, or takes the member out.
func stampOrNil(t geo.Millis) any {
	if t == 0 {
		return nil
	}
	return stampOf(t)
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// named is the key of a fact with a name.
func named(prefix, name string) (string, error) {
	if len(name) > factName || geo.CheckKey(name) != nil {
		return "", invalid("name", fmt.Sprintf("must be a key of at most %d bytes", factName))
	}
	return prefix + name, nil
}

// held returns the fact with the key, nil when there is none, and refuses when it is
// not as the caller saw it, or not of the kind.
func held(d *geo.Draft, kind geo.Kind, key string, ifMatch uint64) (*geo.Feature, error) {
	f, ok := d.Get(key)
	switch {
	case ok && f.Kind != kind:
		return nil, checkKey(d, kind, key)
	case !ok && ifMatch != 0:
		return nil, refuse(geo.Missing, "no-"+string(kind), "There is no %s %.140q.", kind, key)
	case !ok:
		return nil, nil
	case ifMatch != 0 && ifMatch != f.Rev:
		no := refuse(geo.Stale, "stale", "%s was changed: it is at revision %d, and the request saw %d.", key, f.Rev, ifMatch)
		no.Current = f
		return nil, no
	}
	return f, nil
}

// say writes a fact whole.
func say(d *geo.Draft, who geo.Principal, old *geo.Feature, kind geo.Kind, key string, set map[string]any, act geo.Act) (any, error) {
	set["at"], set["by"] = stampOf(d.Now()), who.Name
	props := geo.Props("").With(set)
	var f *geo.Feature
	if old != nil {
		g := *old
		g.Props = props
		f = d.Put(g)
	} else {
		n := 0
		for range d.All(kind) {
			if n++; n >= factsMax {
				return nil, refuse(geo.Conflict, "too-many", "There are %d features of kind %s; remove some first.", n, kind)
			}
		}
		var err error
		if f, err = d.Create(geo.Feature{Key: key, Kind: kind, Props: props}); err != nil {
			return nil, fmt.Errorf("say %s: %w", key, err)
		}
	}
	act.By, act.Subjects = who, append([]string{key}, act.Subjects...)
	d.Act(act)
	return answer(f)
}

func (r *rules) situationSet(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Text         string `json:"text"`
		Lang         string `json:"lang"`
		Author       string `json:"author"`
		Until        string `json:"until"`
		NextBriefing string `json:"next_briefing"`
		// Who is in command now, and the number of the duty desk: until there is a roster
		// whoever writes the line says it.
		Commander      string `json:"commander"`
		CommanderPhone string `json:"commander_phone"`
		IfMatch        uint64 `json:"if_match"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	var no wrongs
	no.line("text", a.Text, 1, situationMax)
	no.oneOf("lang", a.Lang, r.languages())
	no.line("author", a.Author, 0, nameMax)
	no.line("commander", a.Commander, 0, nameMax)
	no.line("commander_phone", a.CommanderPhone, 0, phoneMax)
	until, next := no.ahead("until", a.Until, d.Now()), no.ahead("next_briefing", a.NextBriefing, d.Now())
	if err := invalids(no); err != nil {
		return nil, err
	}
	old, err := held(d, geo.Situation, situationKey, a.IfMatch)
	if err != nil {
		return nil, err
	}
	if a.Author == "" {
		a.Author = who.Name
	}
	return say(d, who, old, geo.Situation, situationKey, map[string]any{"text": strings.TrimSpace(a.Text), "lang": a.Lang, "author": a.Author,
		"until": stampOrNil(until), "next_briefing": stampOrNil(next), "commander": orNil(strings.TrimSpace(a.Commander)), "commander_phone": orNil(strings.TrimSpace(a.CommanderPhone))}, geo.Act{Name: "situation.set"})
}

func (r *rules) responseSet(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Level   string `json:"level"`
		Since   string `json:"since"`
		Reason  string `json:"reason"`
		Plan    string `json:"plan"`
		IfMatch uint64 `json:"if_match"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	var no wrongs
	if levels := r.Scales[responseScale]; len(levels) > 0 {
		no.oneOf("level", a.Level, levels)
	} else {
		no.line("level", a.Level, 1, codeMax)
	}
	no.line("reason", a.Reason, 1, reasonMax)
	no.line("plan", a.Plan, 0, nameMax)
	since := no.past("since", a.Since, d.Now())
	if err := invalids(no); err != nil {
		return nil, err
	}
	old, err := held(d, geo.Response, responseKey, a.IfMatch)
	if err != nil {
		return nil, err
	}
	set := map[string]any{"level": a.Level, "reason": a.Reason, "plan": orNil(a.Plan)}
	if old != nil { // where it came from stays while the level does
		if was := old.Props.Text("level"); was != a.Level {
			set["before"] = was
		} else {
			set["before"] = orNil(old.Props.Text("before"))
			if since == 0 {
				since = momentOf(json.RawMessage(old.Props.Raw("since")))
			}
		}
	}
	if since == 0 {
		since = d.Now()
	}
	set["since"] = stampOf(since)
	return say(d, who, old, geo.Response, responseKey, set, geo.Act{Name: "response.set", Why: a.Reason})
}

func (r *rules) figureSet(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Name       string   `json:"name"`
		Label      string   `json:"label"`
		Value      *float64 `json:"value"`
		Unit       string   `json:"unit"`
		AsOf       string   `json:"as_of"`
		Source     string   `json:"source"`
		Confirmed  string   `json:"confirmed"`
		Definition string   `json:"definition"`
		IfMatch    uint64   `json:"if_match"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key, err := named(figurePrefix, a.Name)
	if err != nil {
		return nil, err
	}
	var no wrongs
	standard := slices.Contains(r.Figures, a.Name)
	switch {
	case a.Value == nil:
		no.add("value", "must be given")
	case math.Abs(*a.Value) > figureMax:
		no.add("value", "must lie in ±%g", figureMax)
	case standard && (*a.Value < 0 || *a.Value != math.Trunc(*a.Value)):
		no.add("value", "must be a whole number, 0 or more")
	}
	if standard { // its words are the city's, one for all
		no.absent("label", a.Label)
		no.absent("unit", a.Unit)
		no.absent("definition", a.Definition)
	} else {
		no.line("label", a.Label, 1, nameMax)
		no.line("unit", a.Unit, 0, unitNameMax)
		no.line("definition", a.Definition, 0, situationMax)
	}
	no.line("source", a.Source, 1, nameMax)
	no.oneOf("confirmed", a.Confirmed, confirmations)
	asOf := no.past("as_of", a.AsOf, d.Now())
	if err := invalids(no); err != nil {
		return nil, err
	}
	if asOf == 0 {
		asOf = d.Now()
	}
	old, err := held(d, geo.Figure, key, a.IfMatch)
	if err != nil {
		return nil, err
	}
	set := map[string]any{"name": a.Name, "label": orNil(a.Label), "value": *a.Value, "unit": orNil(a.Unit), "as_of": stampOf(asOf),
		"source": a.Source, "confirmed": a.Confirmed, "definition": orNil(a.Definition)}
	if old != nil { // the number before this one, for "what changed"
		if was, ok := old.Props.Number("value"); ok && was != *a.Value {
			set["before"] = map[string]any{"value": was, "as_of": old.Props.Text("as_of")}
		} else if raw := old.Props.Raw("before"); raw != "" {
			set["before"] = json.RawMessage(raw)
		}
	}
	return say(d, who, old, geo.Figure, key, set, geo.Act{Name: "figure.set"})
}

func (r *rules) decisionSet(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Name    string `json:"name"`
		Text    string `json:"text"`
		Due     string `json:"due"`
		Owner   string `json:"owner"`
		Status  string `json:"status"`
		IfMatch uint64 `json:"if_match"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key, err := named(decisionPrefix, a.Name)
	if err != nil {
		return nil, err
	}
	if a.Status == "" {
		a.Status = decisionStatuses[0]
	}
	var no wrongs
	no.line("text", a.Text, 1, decisionMax)
	no.line("owner", a.Owner, 0, nameMax)
	no.oneOf("status", a.Status, decisionStatuses)
	due := no.when("due", a.Due) // one that is overdue stays so when it is corrected
	if err := invalids(no); err != nil {
		return nil, err
	}
	old, err := held(d, geo.Decision, key, a.IfMatch)
	if err != nil {
		return nil, err
	}
	set := map[string]any{"name": a.Name, "text": strings.TrimSpace(a.Text), "due": stampOrNil(due), "owner": orNil(a.Owner), "status": a.Status}
	if a.Status != decisionStatuses[0] {
		set["settled_at"] = stampOf(d.Now())
		if old != nil && old.Props.Text("status") == a.Status {
			set["settled_at"] = old.Props.Text("settled_at")
		}
	}
	return say(d, who, old, geo.Decision, key, set, geo.Act{Name: "decision.set"})
}

// layout is what a wall shows, as it is given and as it is kept.
type layout struct {
	Name     string    `json:"name"`
	Title    string    `json:"title,omitempty"`
	Area     *wallArea `json:"area"`
	Panels   []string  `json:"panels"`
	Layers   []string  `json:"layers"`
	Scale    float64   `json:"text_scale"`
	Language string    `json:"language"`
	Theme    string    `json:"theme"`
	Tour     *wallTour `json:"tour,omitempty"`
	Part     *wallPart `json:"part,omitempty"`
	Visitor  bool      `json:"visitor,omitempty"`
	Devices  []string  `json:"devices,omitempty"`
	Cameras  []string  `json:"cameras,omitempty"` // keys of sites
	Dim      *wallDim  `json:"dim,omitempty"`
}

// wallArea is a box, or a centre with a zoom.
type wallArea struct {
	BBox   []float64 `json:"bbox,omitempty"`   // west, south, east, north
	Center []float64 `json:"center,omitempty"` // longitude, latitude
	Zoom   *float64  `json:"zoom,omitempty"`
}

type wallTour struct {
	On    bool    `json:"on"`
	Dwell float64 `json:"dwell_s"`
}

// wallPart says which part of a wall of several displays this one is.
type wallPart struct {
	Col  int `json:"col"`
	Row  int `json:"row"`
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

// wallDim is when the display is darker, by the clock of the city.
type wallDim struct {
	From  string  `json:"from"` // "23:00"
	To    string  `json:"to"`
	Level float64 `json:"level"` // share of the usual brightness
}

func (r *rules) layoutSet(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		layout
		IfMatch uint64 `json:"if_match"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	key, err := named(layoutPrefix, a.Name)
	if err != nil {
		return nil, err
	}
	if a.Scale == 0 {
		a.Scale = 1
	}
	if a.Theme == "" {
		a.Theme = themes[0]
	}
	if err := invalids(r.wrongLayout(&a.layout)); err != nil {
		return nil, err
	}
	old, err := held(d, geo.Layout, key, a.IfMatch)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, device := range a.Devices {
		left = append(left, leaveLayouts(d, who, device, key)...)
	}
	a.Panels, a.Layers = append([]string{}, a.Panels...), append([]string{}, a.Layers...) // [] and not null
	b, err := json.Marshal(a.layout)
	if err != nil {
		return nil, fmt.Errorf("write the layout %s: %w", a.Name, err)
	}
	set := map[string]any{}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("read the layout %s: %w", a.Name, err)
	}
	return say(d, who, old, geo.Layout, key, set, geo.Act{Name: "layout.set", Subjects: left})
}

// wrongLayout says what is wrong with a layout.
func (r *rules) wrongLayout(a *layout) wrongs {
	var no wrongs
	no.line("title", a.Title, 0, nameMax)
	within := func(v, least, most float64) bool { return v >= least && v <= most }
	switch {
	case a.Area == nil:
		no.add("area", "must be given: bbox, or center and zoom")
	case (a.Area.BBox == nil) == (a.Area.Center == nil):
		no.add("area", "must have either bbox, or center and zoom")
	case a.Area.BBox != nil:
		b := a.Area.BBox
		if len(b) != 4 || !within(b[0], -180, 180) || !within(b[2], -180, 180) || !within(b[1], -90, 90) || !within(b[3], -90, 90) || b[1] >= b[3] || b[0] == b[2] {
			no.add("area.bbox", "must be west, south, east, north in degrees, with south below north")
		}
		if a.Area.Zoom != nil {
			no.add("area.zoom", "goes with center, not with bbox")
		}
	default:
		c := a.Area.Center
		if len(c) != 2 || !within(c[0], -180, 180) || !within(c[1], -90, 90) {
			no.add("area.center", "must be longitude and latitude in degrees")
		}
		if a.Area.Zoom == nil || !within(*a.Area.Zoom, 0, 22) {
			no.add("area.zoom", "must lie in 0..22")
		}
	}
	no.list("panels", a.Panels, orEmpty(r.Panels))
	no.list("layers", a.Layers, orEmpty(r.Layers))
	if !within(a.Scale, 0.5, 4) {
		no.add("text_scale", "must lie in 0.5..4")
	}
	no.oneOf("language", a.Language, r.languages())
	no.oneOf("theme", a.Theme, themes)
	if a.Tour != nil && (a.Tour.On || a.Tour.Dwell != 0) && !within(a.Tour.Dwell, dwellMin, dwellMax) {
		no.add("tour.dwell_s", "must lie in %g..%g", dwellMin, dwellMax)
	}
	if p := a.Part; p != nil {
		if p.Cols < 1 || p.Cols > wallMax || p.Rows < 1 || p.Rows > wallMax {
			no.add("part.cols", "and rows must lie in 1..%d", wallMax)
		} else if p.Col < 0 || p.Col >= p.Cols || p.Row < 0 || p.Row >= p.Rows {
			no.add("part.col", "and row count from 0 and must lie within cols and rows")
		}
	}
	no.list("devices", a.Devices, nil)
	no.list("cameras", a.Cameras, nil)
	if m := a.Dim; m != nil {
		no.clock("dim.from", m.From)
		no.clock("dim.to", m.To)
		if !within(m.Level, 0.1, 1) {
			no.add("dim.level", "must lie in 0.1..1")
		}
	}
	return no
}

// orEmpty keeps a list that is not there from meaning "any key".
func orEmpty(s []string) []string { return append([]string{}, s...) }

// languages are those of the screens.
func (r *rules) languages() []string {
	if len(r.Languages) == 0 {
		return []string{"en"}
	}
	return r.Languages
}

// leaveLayouts takes a device off every layout but one: a display shows one thing.
// It returns the keys of those.
func leaveLayouts(d *geo.Draft, who geo.Principal, device, but string) (left []string) {
	for f := range d.All(geo.Layout) {
		if f.Key == but {
			continue
		}
		if devices := f.Props.Texts("devices"); slices.Contains(devices, device) {
			devices = slices.DeleteFunc(devices, func(k string) bool { return k == device })
			set := map[string]any{"devices": devices, "at": stampOf(d.Now()), "by": who.Name}
			if len(devices) == 0 {
				set["devices"] = nil
			}
			edit(d, f, set)
			left = append(left, f.Key)
		}
	}
	return left
}

// layoutShow puts a layout on a display; an empty name takes the display off all.
func (r *rules) layoutShow(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
	var a struct {
		Device string `json:"device"`
		Layout string `json:"layout"`
	}
	if err := decode(args, &a); err != nil {
		return nil, err
	}
	if geo.CheckKey(a.Device) != nil {
		return nil, invalid("device", geo.ErrKey.Error())
	}
	act := geo.Act{Name: "layout.show", By: who}
	if a.Layout == "" {
		if act.Subjects = leaveLayouts(d, who, a.Device, ""); len(act.Subjects) > 0 {
			d.Act(act)
		}
		return nil, nil
	}
	key, err := named(layoutPrefix, a.Layout)
	if err != nil {
		return nil, err
	}
	f, err := find(d, geo.Layout, key)
	if err != nil {
		return nil, err
	}
	devices := f.Props.Texts("devices")
	if !slices.Contains(devices, a.Device) {
		if len(devices) >= layoutListMax {
			return nil, refuse(geo.Conflict, "too-many", "%s is on %d displays already.", a.Layout, len(devices))
		}
		f = edit(d, f, map[string]any{"devices": append(devices, a.Device), "at": stampOf(d.Now()), "by": who.Name})
	}
	act.Subjects = append([]string{key}, leaveLayouts(d, who, a.Device, key)...)
	if f.Rev == d.Seq() || len(act.Subjects) > 1 { // else it shows it already
		d.Act(act)
	}
	return answer(f)
}

// takeBack removes a fact of a kind.
func takeBack(kind geo.Kind, name string) func(*geo.Draft, geo.Principal, json.RawMessage) (any, error) {
	return func(d *geo.Draft, who geo.Principal, args json.RawMessage) (any, error) {
		var a struct {
			Name    string `json:"name"`
			Reason  string `json:"reason"`
			IfMatch uint64 `json:"if_match"`
		}
		if err := decode(args, &a); err != nil {
			return nil, err
		}
		if err := checkReason(a.Reason); err != nil {
			return nil, err
		}
		key := string(kind) // of situation and response, which are one each
		if kind != geo.Situation && kind != geo.Response {
			var err error
			if key, err = named(key+"-", a.Name); err != nil {
				return nil, err
			}
		}
		f, err := held(d, kind, key, a.IfMatch)
		if err != nil {
			return nil, err
		}
		if f == nil {
			return nil, refuse(geo.Missing, "no-"+string(kind), "There is no %s %.140q.", kind, key)
		}
		d.Drop(f.ID)
		d.Act(geo.Act{Name: name, By: who, Why: a.Reason, Subjects: []string{key}})
		return nil, nil
	}
}
