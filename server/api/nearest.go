package api

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
)

const nearestPath = "/api/v1/units/nearest"

// staleness says after which age a fix of a unit counts as stale.
type staleness struct {
	byType map[string]time.Duration
	other  time.Duration
	least  time.Duration // of all
}

func newStaleness(p *fixtures.Preset) staleness {
	s := staleness{byType: map[string]time.Duration{}, other: staleAfterPreset}
	if p.StaleAfterS > 0 {
		s.other = time.Duration(p.StaleAfterS) * time.Second
	}
	s.least = s.other
	for _, k := range p.UnitKinds {
		if k.StaleAfterS > 0 {
			s.byType[k.Code] = time.Duration(k.StaleAfterS) * time.Second
			s.least = min(s.least, s.byType[k.Code])
		}
	}
	return s
}

// at is what nearest asks at a moment. A fix that is younger than any limit needs
// no look at the type of its unit, which costs more than all the rest.
func (s *staleness) at(now geo.Millis) func(*geo.Feature) time.Duration {
	fresh := now - geo.Millis(s.least.Milliseconds())
	return func(f *geo.Feature) time.Duration {
		if f.Fix.Time > fresh {
			return s.least
		}
		return s.after(f)
	}
}

func (s *staleness) after(f *geo.Feature) time.Duration {
	if d, ok := s.byType[f.Props.Text("type")]; ok {
		return d
	}
	return s.other
}

// question is the query of units/nearest.
type question struct {
	geo.Query
	reasons []string // of every unit of the answer: the filters it passed
	by      string   // "road", "line", or "" for what the server can
}

// parseNearest reads the query by hand: it is the one call that is asked for
// thousands of times a second, and url.ParseQuery alone would cost a tenth of it.
// What it takes and refuses is what openapi.yaml says; a test holds both together.
func parseNearest(raw string) (q question, errs []FieldError, world string) {
	q.K = nearestDefault
	bad := func(field, reason string) { errs = append(errs, FieldError{field, reason}) }
	var hasLon, hasLat bool
	var lon, lat float64
	var seen uint
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if strings.ContainsAny(pair, "%+;") {
			var err1, err2 error
			if strings.Contains(pair, ";") {
				bad(clip(name), "';' does not separate parameters")
				continue
			}
			name, err1 = url.QueryUnescape(name)
			value, err2 = url.QueryUnescape(value)
			if err1 != nil || err2 != nil {
				bad(clip(name), "is malformed: % must be followed by two hexadecimal digits")
				continue
			}
		}
		bit := uint(0)
		switch name {
		case "lon":
			bit = 1 << 0
		case "lat":
			bit = 1 << 1
		case "k":
			bit = 1 << 2
		case "dispatchable":
			bit = 1 << 3
		case "status":
			bit = 1 << 4
		case "capability":
			bit = 1 << 5
		case "agency":
			bit = 1 << 6
		case "type":
			bit = 1 << 7
		case "max_m":
			bit = 1 << 8
		case "by":
			bit = 1 << 9
		case "world":
			bit = 1 << 10
		default:
			bad(clip(name), "the call has no such parameter")
			continue
		}
		if seen&bit != 0 {
			bad(name, "given more than once")
			continue
		}
		seen |= bit
		if value == "" {
			continue
		}
		if len(value) > 2048 || !utf8.ValidString(value) {
			bad(name, "is not text of a believable length")
			continue
		}
		switch name {
		case "lon":
			v, err := strconv.ParseFloat(value, 64)
			if lon, hasLon = v, true; err != nil || !(v >= -180 && v <= 180) {
				bad(name, "must be a number from -180 to 180")
			}
		case "lat":
			v, err := strconv.ParseFloat(value, 64)
			if lat, hasLat = v, true; err != nil || !(v >= -90 && v <= 90) {
				bad(name, "must be a number from -90 to 90")
			}
		case "k":
			n, err := strconv.Atoi(value)
			if q.K = n; err != nil || n < 1 || n > geo.NearestMax {
				bad(name, "must be a whole number from 1 to 100")
			}
		case "dispatchable":
			switch value {
			case "true":
				q.Dispatchable = &yes
				q.reasons = append(q.reasons, "dispatchable")
			case "false": // no condition: the contract has no question for those who may not be sent
			default:
				bad(name, "must be true or false")
			}
		case "status":
			q.Status = value
			q.reasons = append(q.reasons, "status:"+value)
		case "agency":
			q.Agency = value
			q.reasons = append(q.reasons, "agency:"+value)
		case "type":
			q.Type = value
			q.reasons = append(q.reasons, "type:"+value)
		case "capability":
			q.Capability = strings.Split(value, ",")
			if len(q.Capability) > 16 {
				bad(name, "must be at most 16 values separated by commas")
				continue
			}
			for _, c := range q.Capability {
				if c == "" || len(c) > 64 {
					bad(name, "each value must have 1 to 64 bytes")
					break
				}
				q.reasons = append(q.reasons, "capability:"+c)
			}
		case "max_m":
			v, err := strconv.ParseFloat(value, 64)
			if q.MaxDistance = v; err != nil || !(v >= 0 && v <= 20_040_000) {
				bad(name, "must be a number from 0 to 20040000")
			} else if v == 0 {
				q.MaxDistance = math.SmallestNonzeroFloat64 // zero is "no limit" to geo
			}
		case "by":
			if q.by = value; value != "road" && value != "line" {
				bad(name, "must be one of road, line")
			}
		case "world":
			world = value
		}
		if (name == "status" || name == "agency" || name == "type" || name == "world") && len(value) > 64 {
			bad(name, "must be at most 64 bytes")
		}
	}
	if !hasLon {
		bad("lon", "must be given")
	}
	if !hasLat {
		bad("lat", "must be given")
	}
	if len(errs) == 0 {
		q.At, _ = geo.At(lon, lat) // in range
	}
	return q, errs, world
}

var yes = true

// serveNearest answers without the router.
func (a *API) serveNearest(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if err := a.answerNearest(w, r); err != nil {
		delete(h, "Content-Length")
		a.writeProblem(w, a.explain(err, r))
	}
}

// NearestUnits is the same behind the router, for HEAD.
func (a *API) NearestUnits(c echo.Context, _ NearestUnitsParams) error {
	return a.answerNearest(c.Response(), c.Request())
}

func (a *API) answerNearest(w http.ResponseWriter, r *http.Request) error {
	who, err := a.identify(r)
	if err := a.paced(who); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if err := admit(who, a.spec.calls["GET "+nearestPath]); err != nil {
		return err
	}
	q, errs, world := parseNearest(r.URL.RawQuery)
	if err := invalids(errs); err != nil {
		return err
	}
	if err := a.worldNamed(who, world); err != nil {
		return err
	}
	if see := a.seerOf(who); !see.Everything(geo.Unit) {
		if see.Nothing(geo.Unit) {
			return problem(http.StatusForbidden, access.Denied, fmt.Sprintf("there is nothing of this kind for the role %s", who.Role))
		}
		q.Counts = func(f *geo.Feature) bool { return see.show(f) != nil }
	}
	q.Now = geo.Millis(time.Now().UnixMilli())
	if q.by == "road" || q.by == "" && a.Reach != nil {
		return a.answerByRoad(w, r, &q)
	}
	q.StaleAfter = a.stale.at(q.Now)
	view := a.World.View()
	found := view.Nearest(q.Query)

	buf := buffers.Get().(*[]byte)
	b := append((*buf)[:0], `{"units":[`...)
	for i := range found.Units {
		if i > 0 {
			b = append(b, ',')
		}
		b = a.appendNear(b, &found.Units[i], i == 0, q.reasons)
	}
	b = append(b, `],"excluded":{"stale":`...)
	b = strconv.AppendInt(b, int64(found.Stale), 10)
	b = append(b, `},"by":"line","seq":`...)
	b = strconv.AppendUint(b, view.Seq(), 10)
	b = append(b, '}')

	a.sendNearest(w, b, view.Seq())
	*buf = b
	buffers.Put(buf)
	return nil
}

func (a *API) sendNearest(w http.ResponseWriter, b []byte, seq uint64) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h[seqHeader] = seqs.of(seq)
	if len(b) > 2048 { // net/http counts shorter ones itself, and sends longer ones in chunks
		h["Content-Length"] = []string{strconv.Itoa(len(b))}
	}
	a.metrics.nearest.Inc()
	_, _ = w.Write(b) // the caller may be gone
}

func (a *API) appendNear(b []byte, n *geo.Near, first bool, reasons []string) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, n.Feature.Key...) // CheckKey leaves nothing to escape
	b = append(b, `","distance_m":`...)
	b = strconv.AppendFloat(b, math.Round(n.Distance*10)/10, 'f', -1, 64)
	b = append(b, `,"eta_s":`...)
	if v := a.speeds[n.Feature.Props.Text("type")]; v > 0 {
		b = strconv.AppendInt(b, int64(math.Ceil(n.Distance/v)), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"by":"line","fix_age_s":`...)
	b = strconv.AppendFloat(b, math.Round(n.FixAge.Seconds()*10)/10, 'f', -1, 64)
	b = append(b, `,"reasons":[`...)
	comma := false
	if first {
		b = append(b, `"nearest"`...)
		comma = true
	}
	for _, s := range reasons {
		if comma {
			b = append(b, ',')
		}
		b, comma = appendString(b, s), true
	}
	return append(b, "]}"...)
}

// appendString appends s as JSON.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// buffers are bodies of answers that are written at once.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// seqs keeps the header value of the last sequence: thousands of answers speak of
// the same one.
var seqs seqHeaders

type seqHeaders struct{ last atomic.Pointer[seqValue] }

type seqValue struct {
	seq   uint64
	value []string
}

func (s *seqHeaders) of(n uint64) []string {
	if v := s.last.Load(); v != nil && v.seq == n {
		return v.value
	}
	v := &seqValue{n, []string{strconv.FormatUint(n, 10)}}
	s.last.Store(v)
	return v.value
}
