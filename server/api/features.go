package api

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
)

// list is what a page of features is chosen by.
type list struct {
	kinds  []geo.Kind
	box    *geo.Box
	limit  int
	cursor string
}

// onMap are the kinds that stand in a page when none is named.
var onMap = []geo.Kind{geo.Unit, geo.Incident, geo.Hazard, geo.Shelter, geo.Site}

// ListFeatures answers a page of features of any kinds.
func (a *API) ListFeatures(c echo.Context, p ListFeaturesParams) error {
	kinds := onMap
	if p.Kind != nil && len(*p.Kind) > 0 {
		kinds = nil
		for _, k := range *p.Kind {
			kinds = append(kinds, geo.Kind(k))
		}
	}
	see := a.seerOf(principal(c))
	if p.As != nil {
		var err error
		if see, err = a.preview(c, *p.As); err != nil {
			return err
		}
	}
	return a.pageOf(c, see, kinds, p.Bbox, p.Limit, p.Cursor)
}

func (a *API) page(c echo.Context, kinds []geo.Kind, bbox *Bbox, limit *Limit, cursor *Cursor) error {
	return a.pageOf(c, a.seerOf(principal(c)), kinds, bbox, limit, cursor)
}

func (a *API) pageOf(c echo.Context, see seer, kinds []geo.Kind, bbox *Bbox, limit *Limit, cursor *Cursor) error {
	l := list{kinds: kinds, limit: pageDefault}
	if limit != nil {
		l.limit = *limit
	}
	if bbox != nil {
		box, err := parseBox(*bbox)
		if err != nil {
			return err
		}
		l.box = &box
	}
	if cursor != nil {
		l.cursor = *cursor
	}
	if !slices.ContainsFunc(kinds, func(k geo.Kind) bool { return !see.Nothing(k) }) {
		return problem(http.StatusForbidden, access.Denied, fmt.Sprintf("there is nothing of this kind for the role %s", principal(c).Role))
	}
	after, err := l.after()
	if err != nil {
		return err
	}
	features, view := l.features(a.World, after)
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 1<<20 { // a page of 10,000 shapes must not stay in memory
			buffers.Put(buf)
		}
	}()
	b := append((*buf)[:0], `{"type":"FeatureCollection","features":[`...)
	n, next := 0, geo.ID(0)
	whole := map[geo.Kind]bool{}
	for _, k := range kinds {
		whole[k] = see.Everything(k)
	}
	for f := range features {
		if !whole[f.Kind] {
			if f = see.show(f); f == nil {
				continue
			}
		}
		if n == l.limit {
			*buf = b
			b = append(b, `],"next":"`...)
			b = append(b, l.cursorAfter(next)...)
			b = append(b, `"}`...)
			*buf = b
			return a.collection(c, view, b)
		}
		if n > 0 {
			b = append(b, ',')
		}
		if b, err = appendFeature(b, f); err != nil {
			return err
		}
		n, next = n+1, f.ID
	}
	b = append(b, `]}`...)
	*buf = b
	return a.collection(c, view, b)
}

func (a *API) collection(c echo.Context, view *geo.View, b []byte) error {
	setSeq(c.Response(), view.Seq())
	return writeJSON(c.Response(), http.StatusOK, geojsonType, b)
}

func appendFeature(b []byte, f *geo.Feature) ([]byte, error) {
	g, err := geo.ToGeoJSON(f)
	if err != nil {
		return nil, fmt.Errorf("write %s %s: %w", f.Kind, f.Key, err)
	}
	return append(b, g...), nil
}

// features yields what the list chooses, in ID order, beginning after an ID.
func (l *list) features(w *geo.World, after geo.ID) (iter.Seq[*geo.Feature], *geo.View) {
	if l.box != nil {
		found, view := w.Within(*l.box, l.kinds...)
		return func(yield func(*geo.Feature) bool) {
			for _, f := range found {
				if f.ID > after && !yield(f) {
					return
				}
			}
		}, view
	}
	view := w.View()
	kind := geo.Kind("") // several kinds: one walk over all keeps ID order
	if len(l.kinds) == 1 {
		kind = l.kinds[0]
	}
	return func(yield func(*geo.Feature) bool) {
		for f := range view.All(kind) {
			if f.ID > after && (kind != "" || l.has(f.Kind)) && !yield(f) {
				return
			}
		}
	}, view
}

func (l *list) has(k geo.Kind) bool {
	for _, have := range l.kinds {
		if have == k {
			return true
		}
	}
	return false
}

// A cursor is the number of the last feature of a page, with a mark of what was
// asked for: numbers are never given twice, so pages neither repeat nor skip what stays,
// whatever is created and removed meanwhile.
func (l *list) cursorAfter(id geo.ID) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(id)), l.mark()))
}

func (l *list) mark() uint32 {
	h := fnv.New32a()
	for _, k := range l.kinds {
		fmt.Fprintf(h, "%s,", k)
	}
	if l.box != nil {
		fmt.Fprintf(h, "%v", *l.box)
	}
	return h.Sum32()
}

func (l *list) after() (geo.ID, error) {
	if l.cursor == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(l.cursor)
	if err != nil || len(b) != 8 {
		return 0, invalid("cursor", "is not one that a page gave as next")
	}
	if binary.BigEndian.Uint32(b[4:]) != l.mark() {
		return 0, invalid("cursor", "belongs to a question with other kinds or another bbox")
	}
	return geo.ID(binary.BigEndian.Uint32(b)), nil
}

// parseBox reads west, south, east, north in degrees.
func parseBox(v []float64) (geo.Box, error) {
	if len(v) != 4 {
		return geo.Box{}, invalid("bbox", "must be 4 values separated by commas")
	}
	if v[1] > v[3] {
		return geo.Box{}, invalid("bbox", "south is greater than north")
	}
	sw, err1 := geo.At(v[0], v[1])
	ne, err2 := geo.At(v[2], v[3])
	if err1 != nil || err2 != nil {
		return geo.Box{}, invalid("bbox", "%s", geo.ErrRange)
	}
	return geo.Box{Min: sw, Max: ne}, nil
}

// get answers one feature.
func (a *API) get(c echo.Context, kind geo.Kind, id string, ifNoneMatch *IfNoneMatch) error {
	view := a.World.View()
	setSeq(c.Response(), view.Seq())
	f, err := a.seerOf(principal(c)).lookup(view, kind, id)
	if err != nil {
		return err
	}
	tag := etag(f.Rev)
	c.Response().Header()["Cache-Control"] = noCache
	c.Response().Header()["Etag"] = []string{tag}
	if ifNoneMatch != nil && tagIn(*ifNoneMatch, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	b, err := geo.ToGeoJSON(f)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", kind, id, err)
	}
	return writeJSON(c.Response(), http.StatusOK, geojsonType, b)
}

// lookup is the feature of a key as it is seen; what is not seen is not there.
func (s seer) lookup(view *geo.View, kind geo.Kind, id string) (*geo.Feature, error) {
	if err := geo.CheckKey(id); err != nil {
		return nil, err
	}
	f, ok := s.get(view, id)
	switch {
	case !ok:
		return nil, missing(kind, id)
	case f.Kind != kind:
		return nil, problem(http.StatusNotFound, "no-"+string(kind), fmt.Sprintf("there is no %s %s; the key names a feature of kind %s", kind, id, f.Kind))
	}
	return f, nil
}

func etag(rev uint64) string { return `"` + strconv.FormatUint(rev, 10) + `"` }

// parseTags reads the value of If-Match or If-None-Match: the revisions it names,
// or any for "*". A weak tag names its revision too: ours are never weak, but a
// proxy that compresses makes them so.
func parseTags(field, s string) (revs []uint64, any bool, err error) {
	if s == "*" {
		return nil, true, nil
	}
	for rest := s; ; {
		var tag string
		tag, rest = cutComma(rest)
		if len(tag) > 2 && tag[:2] == "W/" {
			tag = tag[2:]
		}
		if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			return nil, false, invalid(field, "must be an ETag as an answer gave it, in double quotes, or *")
		}
		n, err := strconv.ParseUint(tag[1:len(tag)-1], 10, 64)
		if err != nil {
			n = math.MaxUint64 // a tag that is well formed and never was ours: matches nothing
		}
		revs = append(revs, n)
		if rest == "" {
			return revs, false, nil
		}
		if len(revs) > 32 {
			return nil, false, invalid(field, "names more than 32 ETags")
		}
	}
}

func cutComma(s string) (tag, rest string) {
	tag, rest, _ = strings.Cut(s, ",")
	return strings.TrimSpace(tag), strings.TrimSpace(rest)
}

// tagIn tells whether a value of If-None-Match names the tag; one that is malformed
// names nothing, since the worst that follows is an answer in full.
func tagIn(header, tag string) bool {
	for rest := header; rest != ""; {
		var one string
		if one, rest = cutComma(rest); one == "*" || one == tag || one == "W/"+tag {
			return true
		}
	}
	return false
}
