package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"rasad/geo"
)

// Publication is the kind of the features in which publications are recorded.
const Publication geo.Kind = "publication"

// The head of the public sequence: one feature, of a kind that nobody is shown.
const (
	headKind = geo.Kind("public")
	headKey  = "public:head"
)

// KeyPrefix begins the keys of publications; nothing else may have such a key.
const KeyPrefix = "publication:"

// KeyOf returns the key of the publication of a source. See the package comment.
func KeyOf(source string) string {
	sum := sha256.Sum256([]byte("rasad publication\n" + source))
	return KeyPrefix + hex.EncodeToString(sum[:16])
}

// The states of a publication.
const (
	scheduled = "scheduled" // it will be public when its delay is over
	public    = "public"
	withdrawn = "withdrawn" // by a person, or because it may not be public any more
	expired   = "expired"   // its time was over
)

// record is a publication as it is recorded: the properties of its feature.
type record struct {
	Status     string   `json:"status"`
	Source     string   `json:"source"`
	SourceKind geo.Kind `json:"source_kind"`
	Type       string   `json:"type,omitempty"` // of the source
	// Sensitive: who may not see the source does not see its publication in the world
	// of operations either.
	Sensitive bool   `json:"sensitive,omitempty"`
	Why       string `json:"why,omitempty"` // a code: why the server withdrew it

	// What the public world needs: its id, its number there, and the place in the
	// public sequence of what was done to it last.
	PublicID  string `json:"public_id"`
	PublicNo  geo.ID `json:"public_no,omitempty"`
	PublicSeq uint64 `json:"public_seq,omitempty"`

	Ask  ask  `json:"ask"`
	Told told `json:"told"`

	Shown *Feature `json:"shown,omitempty"`
	Next  *Feature `json:"next,omitempty"`
	// NextAt is when Next is shown, EndsAt when what is over goes, ms since 1970.
	NextAt geo.Millis `json:"next_at,omitempty"`
	EndsAt geo.Millis `json:"ends_at,omitempty"`
}

// ask is what a person asked for.
type ask struct {
	Precision  Precision `json:"precision,omitempty"`
	DelayS     *int      `json:"delay_s,omitempty"`
	Title      Text      `json:"title,omitempty"`
	Advice     Text      `json:"advice,omitempty"`
	Severity   string    `json:"severity,omitempty"`
	ValidUntil string    `json:"valid_until,omitempty"`
}

// told is by which cells the place was told, for as long as there are publications.
type told struct {
	Precision Precision  `json:"precision,omitempty"` // the coarsest so far
	Size      Precision  `json:"size,omitempty"`      // of the cells
	Cells     [][2]int64 `json:"cells,omitempty"`     // row and column; of a point one
}

func (t told) cells() []Cell {
	out := make([]Cell, len(t.Cells))
	for i, c := range t.Cells {
		out[i] = Cell{t.Size, c[0], c[1]}
	}
	return out
}

func (t *told) set(size Precision, cells []Cell) {
	t.Size, t.Cells = size, make([][2]int64, len(cells))
	for i, c := range cells {
		t.Cells[i] = [2]int64{c.Row, c.Col}
	}
}

// recordOf reads a publication.
func recordOf(f *geo.Feature) (*record, error) {
	r := &record{}
	if err := json.Unmarshal([]byte(f.Props), r); err != nil {
		return nil, fmt.Errorf("read publication %s: %w", f.Key, err)
	}
	return r, nil
}

// props writes a publication. The error is that of a text too long for a feature.
func (r *record) props() (geo.Props, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("write a publication: %w", err)
	}
	return geo.ParseProps(b)
}

// active tells whether the publication is, or will be, public.
func (r *record) active() bool { return r.Status == public || r.Status == scheduled }

// due is when a rule must look at the publication again.
func (r *record) due() geo.Millis {
	if !r.active() {
		return 0
	}
	at := geo.Millis(0)
	for _, t := range []geo.Millis{r.NextAt, r.EndsAt, moment(r.Ask.ValidUntil)} {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	return at
}

// head is where the public sequence stands.
type head struct {
	Seq  uint64 `json:"seq"`
	Next geo.ID `json:"next"` // the number of the next feature
}

// headOf reads the head of a world; one without it has published nothing.
func headOf(get func(string) (*geo.Feature, bool)) (head, *geo.Feature) {
	h := head{Seq: 1, Next: 1} // sequence 0 is before everything
	f, ok := get(headKey)
	if !ok {
		return h, nil
	}
	if err := json.Unmarshal([]byte(f.Props), &h); err != nil {
		panic("publish: the head of the public sequence cannot be read: " + err.Error()) // only our rules write it
	}
	return h, f
}

// advance takes the next number of the public sequence.
func advance(d *geo.Draft, r *record) error {
	h, f := headOf(d.Get)
	h.Seq++
	r.PublicSeq = h.Seq
	if r.PublicNo == 0 {
		r.PublicNo = h.Next
		h.Next++
	}
	props := geo.Props("").With(map[string]any{"seq": h.Seq, "next": h.Next})
	if f == nil {
		if _, err := d.Create(geo.Feature{Key: headKey, Kind: headKind, Props: props}); err != nil {
			return fmt.Errorf("begin the public sequence: %w", err)
		}
		return nil
	}
	g := *f
	g.Props = props
	d.Put(g)
	return nil
}

// show makes a statement public in this frame.
func (r *record) show(d *geo.Draft, p *Feature) error {
	if err := advance(d, r); err != nil {
		return err
	}
	said := *p
	said.UpdatedAt = stamp(d.Now())
	if said.PublishedAt = said.UpdatedAt; r.Shown != nil {
		said.PublishedAt = r.Shown.PublishedAt
	}
	r.Shown, r.Status, r.Next, r.NextAt = &said, public, nil, 0
	return nil
}

// hide takes the statement back in this frame, and what was planned.
func (r *record) hide(d *geo.Draft, status, why string) error {
	if r.Shown != nil {
		if err := advance(d, r); err != nil {
			return err
		}
	}
	r.Shown, r.Next, r.NextAt, r.EndsAt, r.Status, r.Why = nil, nil, 0, 0, status, why
	return nil
}

// keep writes the record back.
func (r *record) keep(d *geo.Draft, f *geo.Feature) (*geo.Feature, error) {
	props, err := r.props()
	if err != nil {
		return nil, refuse(geo.Invalid, "too-large", "The publication is too large to be recorded: %v.", err)
	}
	g := geo.Feature{Key: KeyOf(r.Source), Kind: Publication}
	if f != nil {
		g = *f
	}
	g.Props, g.Due = props, r.due()
	g.Fix, g.Shape = geo.Fix{}, nil
	at := r.Shown
	if at == nil {
		at = r.Next
	}
	if at != nil && at.Point != nil { // so that operations see on the map what the public sees
		g.Fix = geo.Fix{At: *at.Point, Time: d.Now(), Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}
	}
	if f == nil {
		return d.Create(g)
	}
	if g.Props == f.Props && g.Due == f.Due {
		return f, nil
	}
	return d.Put(g), nil
}

// later is a moment after a delay.
func later(t geo.Millis, d time.Duration) geo.Millis { return t + geo.Millis(d.Milliseconds()) }
