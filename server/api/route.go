package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"

	"github.com/labstack/echo/v4"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
)

// GetRoute answers the way of a unit, with the closures of this moment.
func (a *API) GetRoute(c echo.Context, p GetRouteParams) error {
	view, ways, err := a.ways(c.Request().Context())
	if err != nil {
		return err
	}
	setSeq(c.Response(), view.Seq())
	from, to, means, err := a.ends(a.seerOf(principal(c)), view, &p)
	if err != nil {
		return err
	}
	out := Route{Type: RouteTypeFeature, Properties: RouteProperties{Seq: int64(view.Seq()), Reasons: []string{}, Steps: []RouteStep{}}}
	if p.Unit != nil {
		out.Properties.Unit = *p.Unit
	}
	if p.Incident != nil {
		out.Properties.Incident = *p.Incident
	}
	lang := a.Preset.Languages[0]
	if p.Lang != nil {
		lang = *p.Lang
	}
	line := func(reason string) error {
		metres := geo.Distance(from.At, to)
		out.Geometry = routeLine([]geo.LngLat{from.At, to})
		step := RouteStep{DistanceM: tenths(metres)}
		if means.Speed > 0 {
			seconds := int(math.Ceil(metres / means.Speed))
			out.Properties.DurationS, step.DurationS = &seconds, tenths(metres/means.Speed)
		}
		out.Properties.By, out.Properties.DistanceM = RoutePropertiesByLine, tenths(metres)
		out.Properties.Steps, out.Properties.Reasons = append(out.Properties.Steps, step), append(out.Properties.Reasons, reason)
		return sendRoute(c, &out)
	}
	if means.Way != fixtures.WayRoad {
		return line(means.Way)
	}
	router := ways.Router()
	start, err1 := router.Stop(means.Profile, from.At, heading(from))
	end, err2 := router.Stop(means.Profile, to, nan)
	if errors.Is(err1, roads.ErrNoRoad) || errors.Is(err2, roads.ErrNoRoad) {
		return line("no_road")
	}
	path, ok := router.Path(means.Profile, start, end)
	switch {
	case !ok && (err1 != nil || err2 != nil):
		return line("no_road") // a road that hangs together with no other
	case !ok:
		return problem(http.StatusConflict, "unreachable", "no open road leads there now")
	}
	seconds := int(math.Ceil(float64(path.Cost) / 1000))
	out.Geometry = routeLine(path.Line)
	out.Properties.By, out.Properties.DistanceM, out.Properties.DurationS = RoutePropertiesByRoad, tenths(path.Metres), &seconds
	for _, s := range path.Steps(router.Graph(), lang) {
		out.Properties.Steps = append(out.Properties.Steps, RouteStep{Name: s.Name, DistanceM: tenths(s.Metres), DurationS: tenths(s.Seconds)})
	}
	out.Properties.Reasons = append(out.Properties.Reasons, detours(ways, means.Profile, from, to, path.Cost)...)
	return sendRoute(c, &out)
}

func tenths(x float64) float64 { return math.Round(x*10) / 10 }

func sendRoute(c echo.Context, r *Route) error {
	c.Response().Header()["Content-Type"] = geojsonType
	return c.JSON(http.StatusOK, r)
}

// routeLine writes a line; one that would be a point has it twice, as GeoJSON wants.
func routeLine(line []geo.LngLat) RouteLine {
	out := RouteLine{Type: RouteLineTypeLineString, Coordinates: make([][]float64, 0, max(2, len(line)))}
	for _, p := range line {
		lng, lat := p.Degrees()
		out.Coordinates = append(out.Coordinates, []float64{lng, lat})
	}
	for n := len(out.Coordinates); n > 0 && n < 2; n++ {
		out.Coordinates = append(out.Coordinates, out.Coordinates[0])
	}
	return out
}

// ends reads where a route begins (with the way that the unit faces) and ends, and
// who drives.
func (a *API) ends(see seer, view *geo.View, p *GetRouteParams) (from geo.Fix, to geo.LngLat, means Means, err error) {
	if (p.Unit == nil) == (p.From == nil) {
		return from, to, means, invalid("unit", "or from must be given, and not both")
	}
	if (p.Incident == nil) == (p.To == nil) {
		return from, to, means, invalid("incident", "or to must be given, and not both")
	}
	if p.Unit != nil {
		if p.Type != nil {
			return from, to, means, invalid("type", "goes with from: a unit has a type of its own")
		}
		f, err := see.placed(view, geo.Unit, "unit", *p.Unit)
		if err != nil {
			return from, to, means, err
		}
		from, means = f.Fix, a.Reach.Kind(f.Props.Text("type"))
	} else {
		at, err := lonLat("from", *p.From)
		if err != nil {
			return from, to, means, err
		}
		from = geo.Fix{At: at, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}
		kind := ""
		if p.Type != nil {
			if kind = *p.Type; a.Preset.UnitKind(kind) == nil {
				return from, to, means, invalid("type", "%q is no kind of unit of the preset", clip(kind))
			}
		}
		means = a.Reach.Kind(kind)
	}
	if p.Incident != nil {
		f, err := see.placed(view, geo.Incident, "incident", *p.Incident)
		if err != nil {
			return from, to, means, err
		}
		return from, f.Fix.At, means, nil
	}
	to, err = lonLat("to", *p.To)
	return from, to, means, err
}

// placed returns the feature of a kind that a field names, which must have a place.
func (s seer) placed(view *geo.View, kind geo.Kind, field, key string) (*geo.Feature, error) {
	f, ok := s.get(view, key)
	if !ok || f.Kind != kind {
		return nil, problem(http.StatusNotFound, "no-"+string(kind), fmt.Sprintf("there is no %s %q", kind, clip(key)), FieldError{field, "names nothing"})
	}
	if !f.Fix.Placed() {
		return nil, problem(http.StatusConflict, "no-place", fmt.Sprintf("%s has no place yet", key), FieldError{field, "has no place"})
	}
	return f, nil
}

func lonLat(field string, pair []float64) (geo.LngLat, error) {
	if len(pair) != 2 {
		return geo.LngLat{}, invalid(field, "must be longitude and latitude, separated by a comma")
	}
	at, err := geo.At(pair[0], pair[1])
	if err != nil {
		return at, invalid(field, "%v", err)
	}
	return at, nil
}
