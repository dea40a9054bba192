package api

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
)

// cellsShown is how many lost cells an answer lists: enough for a picture.
const cellsShown = 500

// GetCoverage answers which share of the city is reached in time.
func (a *API) GetCoverage(c echo.Context, p GetCoverageParams) error {
	by := "road"
	if p.By != nil {
		by = string(*p.By)
	}
	view, seq, err := a.cover(c)
	if err != nil {
		return err
	}
	s, err := a.standard(p.Seconds, p.Capability, by)
	if err != nil {
		return err
	}
	share, demand := view.Share(s), view.Demand()
	out := Coverage{
		CoveredShare: share4(share.Part()), Basis: CoverageBasis(demand.Basis), BasisSource: basisSource(demand), By: CoverageBy(by),
		Seconds: s.Seconds, Capability: s.Capability, Units: share.Units, Seq: int64(seq),
	}
	world := a.World.View()
	out.Zones = make([]CoverageZone, 0, len(share.Zones))
	for i, z := range share.Zones {
		zone := &demand.Zones[i]
		row := CoverageZone{Id: zone.ID, Name: zoneName(zone), CoveredShare: share4(z.Part()), WeightShare: share4(ratio(z.Total, share.Total))}
		if f, ok := world.Get("void:" + s.Capability + ":" + zone.ID); ok && f.Kind == geo.Void {
			if n, _ := f.Props.Number("seconds"); int(n) == s.Seconds {
				if since, err := time.Parse(time.RFC3339, f.Props.Text("since")); err == nil {
					row.VoidSince = &since
				}
			}
		}
		out.Zones = append(out.Zones, row)
	}
	return c.JSON(http.StatusOK, out)
}

// share4 rounds a share to a hundredth of a point: more would be noise.
func share4(x float64) float64 { return math.Round(x*1e4) / 1e4 }

func ratio(part, whole float64) float64 {
	if whole > 0 {
		return part / whole
	}
	return 0
}

// WhatIf answers what covering the city would lose or gain.
func (a *API) WhatIf(c echo.Context, _ WhatIfParams) error {
	var in WhatIfInput
	if _, err := readObject(c, &in, false); err != nil {
		return err
	}
	view, seq, err := a.cover(c)
	if err != nil {
		return err
	}
	remove, add, capabilities, err := a.supposed(a.seerOf(principal(c)), &in)
	if err != nil {
		return err
	}
	if in.Capability != nil {
		capabilities = []string{*in.Capability}
	} else if len(capabilities) == 0 {
		capabilities = []string{""} // a unit that can do nothing in particular is still somebody
	}
	type result struct {
		coverage.Standard
		before, after coverage.Share
		lost, gained  []int32
	}
	var all []result
	for _, capability := range capabilities {
		asked := &capability
		if capability == "" {
			asked = nil
		}
		s, err := a.standard(in.Seconds, asked, "road")
		if err != nil {
			return err
		}
		r := result{Standard: s}
		r.before, r.after, r.lost, r.gained = view.WhatIf(s, remove, add)
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b result) int {
		return cmp.Compare(a.after.Part()-a.before.Part(), b.after.Part()-b.before.Part())
	})
	worst := all[0]
	demand := view.Demand()
	lost := 0.0
	for _, i := range worst.lost {
		lost += demand.Cells[i].Weight
	}
	out := WhatIf{
		Before: shareOf(worst.before), After: shareOf(worst.after), Seconds: worst.Seconds, Capability: worst.Capability,
		LostCells: len(worst.lost), LostShare: share4(ratio(lost, worst.before.Total)), GainedCells: len(worst.gained),
		Cells: make([][]float64, 0, min(len(worst.lost), cellsShown)), ByCapability: make([]WhatIfCapability, 0, len(all)), Seq: int64(seq),
	}
	for _, i := range worst.lost[:min(len(worst.lost), cellsShown)] {
		lon, lat := demand.Cells[i].At.Degrees()
		out.Cells = append(out.Cells, []float64{lon, lat})
	}
	for _, r := range all {
		out.ByCapability = append(out.ByCapability, WhatIfCapability{Capability: r.Capability, Seconds: r.Seconds, Before: shareOf(r.before), After: shareOf(r.after)})
	}
	return c.JSON(http.StatusOK, out)
}

func shareOf(s coverage.Share) CoverageShare { return CoverageShare{CoveredShare: share4(s.Part())} }

// supposed reads which units would go and come, and what they can do.
func (a *API) supposed(see seer, in *WhatIfInput) (remove []uint32, add []coverage.Unit, capabilities []string, err error) {
	var errs []FieldError
	bad := func(field, format string, args ...any) {
		errs = append(errs, FieldError{field, fmt.Sprintf(format, args...)})
	}
	if in.Seconds != nil && (*in.Seconds < 1 || *in.Seconds > coverage.MaxSeconds) {
		bad("seconds", "must be a whole number from 1 to %d", coverage.MaxSeconds)
	}
	if in.Capability != nil && (*in.Capability == "" || len(*in.Capability) > 64) {
		bad("capability", "must have 1 to 64 bytes")
	}
	know := func(list []string) {
		for _, c := range list {
			if !slices.Contains(capabilities, c) {
				capabilities = append(capabilities, c)
			}
		}
	}
	world := a.World.View()
	if in.Remove != nil {
		if len(*in.Remove) > 100 {
			bad("remove", "must be at most 100 units")
		}
		for i, key := range *in.Remove {
			f, ok := see.get(world, key)
			if !ok || f.Kind != geo.Unit {
				return nil, nil, nil, problem(http.StatusNotFound, "no-unit", fmt.Sprintf("there is no unit %q", clip(key)), FieldError{fmt.Sprintf("remove[%d]", i), "is no unit"})
			}
			remove = append(remove, uint32(f.ID))
			know(f.Props.Texts("capabilities"))
		}
	}
	if in.Add != nil {
		if len(*in.Add) > 100 {
			bad("add", "must be at most 100 units")
		}
		for i, u := range *in.Add {
			at, err := geo.At(u.Lon, u.Lat)
			if err != nil {
				bad(fmt.Sprintf("add[%d]", i), "%v", err)
			}
			kind := a.Preset.UnitKind(u.Type)
			if kind == nil {
				bad(fmt.Sprintf("add[%d].type", i), "%q is no kind of unit of the preset", clip(u.Type))
				continue
			}
			know(kind.Capabilities)
			if m := a.Reach.Kind(kind.Code); m.Covers {
				add = append(add, coverage.Unit{At: at, Heading: nan, Profile: m.Profile, Line: m.Line, OffRoad: m.Way != fixtures.WayRoad, Capabilities: kind.Capabilities})
			}
		}
	}
	if in.Remove == nil && in.Add == nil {
		bad("remove", "or add must name a unit")
	}
	return remove, add, capabilities, invalids(errs)
}

// MoveUps answers which unit should move to which post.
func (a *API) MoveUps(c echo.Context, p MoveUpsParams) error {
	view, seq, err := a.cover(c)
	if err != nil {
		return err
	}
	s, err := a.standard(p.Seconds, p.Capability, "road")
	if err != nil {
		return err
	}
	most := 3
	if p.Max != nil {
		most = *p.Max
	}
	world, see := a.World.View(), a.seerOf(principal(c))
	var posts []coverage.Post
	var names []string
	for f := range world.All(geo.Site) {
		if f = see.show(f); f != nil && f.Fix.Placed() && slices.Contains(a.Preset.Coverage.Posts, f.Props.Text("type")) {
			names = append(names, f.Props.Text("name"))
			posts = append(posts, coverage.Post{ID: f.Key, At: f.Fix.At})
		}
	}
	moves, bound := view.MoveUps(s, posts, most)
	out := MoveUps{CoveredShare: share4(view.Share(s).Part()), Moves: make([]MoveUp, 0, len(moves)), BoundShare: share4(bound), Seconds: s.Seconds, Capability: s.Capability, Seq: int64(seq)}
	for _, m := range moves {
		unit, ok := world.ByID(geo.ID(m.Unit))
		if ok {
			unit = see.show(unit)
		}
		if unit == nil {
			continue // gone this moment, or hidden
		}
		out.Moves = append(out.Moves, MoveUp{Unit: unit.Key, Post: posts[m.Post].ID, PostName: names[m.Post], GainShare: share4(m.Gain), EtaS: int(math.Ceil(m.Seconds))})
	}
	return c.JSON(http.StatusOK, out)
}

// coverageTile answers a picture of the holes.
func (a *API) coverageTile(c echo.Context) error {
	z, x, y, err := tileAddress(c.Param("z"), c.Param("x"), c.Param("tile"), ".png", "holes are /api/v1/coverage/{z}/{x}/{y}.png")
	if err != nil {
		return err
	}
	view, _, err := a.cover(c)
	if err != nil {
		return err
	}
	q := c.QueryParams()
	var seconds *int
	if v := q.Get("seconds"); v != "" {
		n := 0
		if _, err := fmt.Sscan(v, &n); err != nil {
			return invalid("seconds", "must be a whole number")
		}
		seconds = &n
	}
	var capability *string
	if v := q.Get("capability"); v != "" {
		capability = &v
	}
	s, err := a.standard(seconds, capability, "road")
	if err != nil {
		return err
	}
	body := view.Tile(s, uint32(z), x, y)
	h := c.Response().Header()
	tag := contentTag(body)
	h["Cache-Control"], h["Etag"] = noCache, []string{tag}
	if tagIn(c.Request().Header.Get("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return writeJSON(c.Response(), http.StatusOK, pngType, body)
}

var pngType = []string{"image/png"}
