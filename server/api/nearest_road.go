package api

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
)

var nan = math.NaN()

// never is the time of a row that no speed is known for: it stands last.
const never = roads.Cost(math.MaxUint32)

// row is a unit of an answer by road.
type row struct {
	f      *geo.Feature // as the world has it
	means  Means
	cost   roads.Cost // never: unknown
	metres float64
	road   bool
	off    bool // by line because no road is near it or the place
}

// before is the order of an answer: first who is known to get there, by road or by
// an own way, then those whose straight line is only a bound.
func (r *row) before(o *row) int {
	if r.off != o.off {
		if r.off {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(r.cost, o.cost), cmp.Compare(r.f.ID, o.f.ID))
}

// answerByRoad answers who is there first.
func (a *API) answerByRoad(w http.ResponseWriter, r *http.Request, q *question) error {
	view, ways, err := a.ways(r.Context())
	if err != nil {
		return err
	}
	s := &roadSearch{API: a, q: q, view: view, ways: ways}
	rows := s.run()

	buf := buffers.Get().(*[]byte)
	b := append((*buf)[:0], `{"units":[`...)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.append(b, &rows[i], i == 0)
	}
	b = append(b, `],"excluded":{"stale":`...)
	b = strconv.AppendInt(b, int64(s.stale), 10)
	b = append(b, `,"unplaced":`...)
	b = strconv.AppendInt(b, int64(s.unplaced), 10)
	b = append(b, `,"unreachable":`...)
	b = strconv.AppendInt(b, int64(s.unreachable), 10)
	b = append(b, `},"by":"road","seq":`...)
	b = strconv.AppendUint(b, view.Seq(), 10)
	b = append(b, '}')
	a.sendNearest(w, b, view.Seq())
	*buf = b
	buffers.Put(buf)
	return nil
}

// roadSearch is one question by road.
type roadSearch struct {
	*API
	q    *question
	view *geo.View
	ways Ways

	off []roads.ProfileID // that cannot drive to the place: no road is near it, or one of an island

	stale, unplaced, unreachable int
}

// asked tells whether the question is about a unit, and whether its fix still counts:
// it may have fallen silent since the roads were worked in.
func (s *roadSearch) asked(f *geo.Feature, x geo.Fix) bool {
	t := s.traitsOf(f)
	return s.about(f) && (t.staleAfter <= 0 || s.q.Now-x.Time < t.staleAfter)
}

// about tells whether the question is about a unit, however old its fix.
func (s *roadSearch) about(f *geo.Feature) bool {
	return s.q.fits(s.traitsOf(f)) && (s.q.Counts == nil || s.q.Counts(f))
}

// run finds the rows, at most K, in order.
func (s *roadSearch) run() []row {
	for _, id := range s.ways.Stale() {
		if f, _, ok := s.view.Peek(id); ok && s.about(f) {
			s.stale++
		}
	}
	for _, id := range s.ways.Unplaced() {
		if f, _, ok := s.view.Peek(id); ok && s.about(f) {
			s.unplaced++
		}
	}
	var rows []row
	for _, p := range s.profiles() {
		to, err := s.ways.Router().Stop(p, s.q.At, nan)
		if err != nil {
			s.off = append(s.off, p)
		}
		if !errors.Is(err, roads.ErrNoRoad) { // on an island others may be as well
			rows = append(rows, s.byRoad(p, to)...)
		}
	}
	rows = append(rows, s.byLine(rows)...)
	slices.SortFunc(rows, func(a, b row) int { return a.before(&b) })
	if len(rows) < s.q.K {
		s.count(rows)
	}
	rows = rows[:min(len(rows), s.q.K)]
	for i := range rows {
		s.measure(&rows[i])
	}
	return rows
}

// profiles are those of the units that can be in the answer.
func (s *roadSearch) profiles() []roads.ProfileID {
	if s.q.Type != "" {
		if m := s.Reach.Kind(s.q.Type); m.Way == fixtures.WayRoad {
			return []roads.ProfileID{m.Profile}
		}
		return nil
	}
	var out []roads.ProfileID
	for _, p := range s.Preset.Profiles {
		if id, ok := s.ways.Router().Profile(p.Code); ok {
			out = append(out, id)
		}
	}
	return out
}

// byRoad finds the first K units of a profile.
func (s *roadSearch) byRoad(p roads.ProfileID, to roads.Stop) []row {
	match := func(id uint32) bool {
		f, x, ok := s.view.Peek(geo.ID(id))
		if !ok || !s.asked(f, x) {
			return false
		}
		return s.q.MaxDistance == 0 || geo.Distance(x.At, s.q.At) <= s.q.MaxDistance // no road is shorter than the line
	}
	for k := s.q.K; ; k *= 2 {
		found := s.ways.Fleet().Nearest(s.ways.Router(), p, to, k, match)
		rows := make([]row, 0, len(found))
		for _, n := range found {
			f, ok := s.view.ByID(geo.ID(n.ID))
			if !ok {
				continue
			}
			r := row{f: f, means: s.traitsOf(f).means, cost: n.Cost, road: true, metres: nan}
			if s.q.MaxDistance > 0 {
				if s.measure(&r); r.metres > s.q.MaxDistance {
					continue
				}
			}
			rows = append(rows, r)
		}
		// By time the first K may be far by road; as long as there are more, look on.
		if len(rows) >= s.q.K || len(found) < k {
			return rows
		}
	}
}

// measure finds how long the way of a row by road is, unless that is known.
func (s *roadSearch) measure(r *row) {
	if !math.IsNaN(r.metres) {
		return
	}
	r.metres = geo.Distance(r.f.Fix.At, s.q.At) // for one that left the roads this moment
	from, err := s.ways.Router().Stop(r.means.Profile, r.f.Fix.At, heading(r.f.Fix))
	if errors.Is(err, roads.ErrNoRoad) {
		return
	}
	to, _ := s.ways.Router().Stop(r.means.Profile, s.q.At, nan)
	if path, ok := s.ways.Router().Path(r.means.Profile, from, to); ok {
		r.metres = path.Metres
	}
}

// byLine finds the units that go their own way, and those that are not among the
// rows by road because no road is near them, or near the place.
func (s *roadSearch) byLine(byRoad []row) []row {
	found := make(map[geo.ID]bool, len(byRoad))
	for i := range byRoad {
		found[byRoad[i].f.ID] = true
	}
	var rows []row // the first K, in order
	add := func(id geo.ID) {
		f, x, ok := s.view.Peek(id)
		if !ok || !x.Placed() || found[id] || !s.asked(f, x) {
			return
		}
		m := s.traitsOf(f).means
		r := row{f: f, means: m, cost: never, metres: geo.Distance(x.At, s.q.At), off: m.Way == fixtures.WayRoad}
		if s.q.MaxDistance > 0 && r.metres > s.q.MaxDistance {
			return
		}
		if m.Speed > 0 {
			r.cost = roads.Cost(min(r.metres/m.Speed*1000, float64(never-1)))
		}
		i, _ := slices.BinarySearchFunc(rows, r, func(a, b row) int { return a.before(&b) })
		if i == s.q.K {
			return
		}
		if len(rows) == s.q.K {
			rows = rows[:s.q.K-1]
		}
		rows = slices.Insert(rows, i, r)
	}
	for _, id := range s.ways.Aside() {
		add(id)
	}
	if len(s.off) > 0 {
		aside := s.ways.Aside()
		for f := range s.view.All(geo.Unit) {
			m := s.traitsOf(f).means
			if _, twice := slices.BinarySearch(aside, f.ID); !twice && m.Way == fixtures.WayRoad && slices.Contains(s.off, m.Profile) {
				add(f.ID)
			}
		}
	}
	for i := range rows {
		rows[i].f, _ = s.view.ByID(rows[i].f.ID) // with its fix of now
	}
	return rows
}

// count finds how many fit and are on the roads, but not among the rows: none leads
// them here.
func (s *roadSearch) count(rows []row) {
	found := make(map[geo.ID]bool, len(rows))
	for i := range rows {
		found[rows[i].f.ID] = true
	}
	for f := range s.view.All(geo.Unit) {
		if found[f.ID] || !f.Fix.Placed() || !s.asked(f, f.Fix) {
			continue
		}
		if s.q.MaxDistance > 0 && geo.Distance(f.Fix.At, s.q.At) > s.q.MaxDistance {
			continue
		}
		s.unreachable++
	}
}

// heading is where a unit faces, NaN when it stands or that is not known.
func heading(x geo.Fix) float64 {
	if x.Heading == geo.HeadingUnknown || !moving(x) {
		return nan
	}
	return float64(x.Heading)
}

// moving: a vehicle below 2 m/s may turn as it likes, and its receiver makes headings up.
func moving(x geo.Fix) bool { return x.Speed != geo.SpeedUnknown && x.Speed > 20 }

func (s *roadSearch) append(b []byte, r *row, first bool) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, r.f.Key...) // CheckKey leaves nothing to escape
	b = append(b, `","distance_m":`...)
	b = strconv.AppendFloat(b, math.Round(r.metres*10)/10, 'f', -1, 64)
	b = append(b, `,"eta_s":`...)
	if r.cost == never {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(math.Ceil(float64(r.cost)/1000)), 10)
	}
	by := "line"
	if r.road {
		by = "road"
	}
	b = append(b, `,"by":"`...)
	b = append(b, by...)
	b = append(b, `","fix_age_s":`...)
	age := max(0, time.Duration(s.q.Now-r.f.Fix.Time)*time.Millisecond)
	b = strconv.AppendFloat(b, math.Round(age.Seconds()*10)/10, 'f', -1, 64)
	b = append(b, `,"reasons":[`...)
	n := len(b)
	say := func(reason string) {
		if len(b) > n {
			b = append(b, ',')
		}
		b = appendString(b, reason)
	}
	switch {
	case first && r.road:
		say("nearest_by_road")
	case first:
		say("nearest")
	}
	switch {
	case r.off:
		say("no_road")
	case !r.road:
		say(r.means.Way)
	}
	if moving(r.f.Fix) {
		say("moving")
		if away(r.f.Fix, s.q.At) {
			say("facing_away")
		}
	}
	if r.road {
		for _, reason := range s.detours(r.means.Profile, r.f.Fix, r.cost) {
			say(reason)
		}
	}
	for _, reason := range s.q.reasons {
		say(reason)
	}
	return append(b, "]}"...)
}

// away tells whether a unit drives away from a place: it has to turn first.
func away(x geo.Fix, to geo.LngLat) bool {
	h := heading(x)
	if math.IsNaN(h) || x.At == to {
		return false
	}
	lng, lat := x.At.Degrees()
	lng2, lat2 := to.Degrees()
	bearing := math.Atan2(math.Remainder(lng2-lng, 360)*math.Cos((lat+lat2)/2*math.Pi/180), lat2-lat) * 180 / math.Pi
	return math.Abs(math.Remainder(bearing-h, 360)) > 90
}

// detours says whether the closures of this moment cost a unit time.
func (s *roadSearch) detours(p roads.ProfileID, x geo.Fix, cost roads.Cost) []string {
	return detours(s.ways, p, x, s.q.At, cost)
}

// detours says why a way takes longer than it would on free roads: a road of the
// shortest way is closed, or slowed.
func detours(ways Ways, p roads.ProfileID, x geo.Fix, at geo.LngLat, cost roads.Cost) []string {
	if len(ways.Changes()) == 0 {
		return nil
	}
	from, _ := ways.Free().Stop(p, x.At, heading(x))
	to, _ := ways.Free().Stop(p, at, nan)
	path, ok := ways.Free().Path(p, from, to)
	if !ok || path.Cost >= cost {
		return nil
	}
	closed, slowed := false, false
	for _, e := range path.Edges {
		i, found := slices.BinarySearchFunc(ways.Changes(), e, func(c roads.Change, e roads.EdgeID) int { return cmp.Compare(c.Edge, e) })
		if found {
			closed = closed || ways.Changes()[i].Factor == 0
			slowed = slowed || ways.Changes()[i].Factor > 0
		}
	}
	var out []string
	if closed {
		out = append(out, "closed_roads_avoided")
	}
	if slowed {
		out = append(out, "slow_roads")
	}
	return out
}
