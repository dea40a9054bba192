package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// ErrBehind is what a [Reach] answers when it has not worked in what was asked for.
var ErrBehind = errors.New("the closures of this moment are not worked in yet")

// Reach answers in seconds over the roads. Its methods may be called from any goroutine.
type Reach interface {
	// Roads returns the roads as of sequence seq or later. It waits for them, at most
	// two seconds, and returns [ErrBehind] after that.
	Roads(ctx context.Context, seq uint64) (Ways, error)
	// Cover returns the coverage as of sequence seq or later, and which one that is; a
	// nil view when the city says nothing of where people are. It waits as Roads does.
	Cover(ctx context.Context, seq uint64) (*coverage.View, uint64, error)
	// Kind says how units of a type get about, of "" and unknown types too.
	Kind(unitType string) Means
}

// Ways are the roads of one moment. Slices must not be changed.
type Ways interface {
	Router() *roads.Router   // with the closures of the moment
	Free() *roads.Router     // without any
	Changes() []roads.Change // the closures, by edge
	Fleet() *roads.Fleet     // units on roads, with a fresh fix
	Aside() []geo.ID         // units with a fresh fix and no road under them
	Stale() []geo.ID         // units whose fix is too old to count
	Unplaced() []geo.ID      // units without a place
}

// Means is how a kind of unit gets about.
type Means struct {
	Way     string          // fixtures.WayRoad, WayAir or WayWater
	Profile roads.ProfileID // of a road unit
	// Speed is the usual one of a drive, in metres a second; zero: unknown. Line is
	// that over a straight line: of a road unit less, by the detour of streets.
	Speed, Line float64
	Covers      bool // it counts for the coverage
}

// noReach says why there are no answers by road: no city, or an old one.
func (a *API) noReach() *Problem {
	if a.City == nil {
		return problem(http.StatusConflict, "no-city",
			"this server runs without a city, so it has neither roads nor demand; start it with --city, or ask by=line where the call has it")
	}
	return cityTooOld()
}

func cityTooOld() *Problem {
	return problem(http.StatusConflict, "build-city-again",
		"the city was built by an older version and lacks what this question needs; build the city again with: rasad city build")
}

// behind makes a problem of what a Reach returned.
func behind(err error) error {
	if errors.Is(err, ErrBehind) {
		return problem(http.StatusServiceUnavailable, "roads-behind", "the closures of this moment are not worked in yet; ask again")
	}
	return err
}

// ways returns the view of the world and roads that know all of its closures.
func (a *API) ways(ctx context.Context) (*geo.View, Ways, error) {
	view := a.World.View()
	if a.Reach == nil {
		return nil, nil, a.noReach()
	}
	w, err := a.Reach.Roads(ctx, view.Seq())
	if err != nil {
		return nil, nil, behind(err)
	}
	return view, w, nil
}

// cover returns the coverage of this moment, and its sequence.
func (a *API) cover(c echo.Context) (*coverage.View, uint64, error) {
	if a.Reach == nil {
		return nil, 0, a.noReach()
	}
	view, seq, err := a.Reach.Cover(c.Request().Context(), a.World.View().Seq())
	switch {
	case err != nil:
		return nil, 0, behind(err)
	case view == nil:
		return nil, 0, cityTooOld()
	}
	setSeq(c.Response(), seq)
	return view, seq, nil
}

// standard is what a question about the coverage asks for.
func (a *API) standard(seconds *int, capability *string, by string) (coverage.Standard, error) {
	s := coverage.Standard{Line: by == "line"}
	if capability != nil {
		s.Capability = *capability
		if a.Preset.Capability(s.Capability) == nil {
			return s, invalid("capability", "%q is none of the preset", clip(s.Capability))
		}
	}
	if s.Seconds = a.secondsFor(s.Capability); seconds != nil {
		s.Seconds = *seconds
	}
	return s, nil
}

// secondsFor is the city's standard for a capability, else its first.
func (a *API) secondsFor(capability string) int {
	all := a.Preset.Coverage.Standards
	for _, s := range all {
		if s.Capability == capability {
			return s.Seconds
		}
	}
	if len(all) == 0 {
		return coverage.MaxSeconds
	}
	return all[0].Seconds
}

// zoneName is the name of a zone by language; empty when it has none.
func zoneName(z *coverage.Zone) map[string]string {
	out := map[string]string{}
	for _, lang := range []string{"fa", "zh", "en"} {
		if name := z.Names.In(lang); name != "" {
			out[lang] = name
		}
	}
	return out
}

func basisSource(d *coverage.Demand) string {
	if d.Source != "" {
		return d.Source
	}
	return "buildings and street length"
}
