package city

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrGate is wrapped by the error of a build that a gate refused; the message has the numbers.
var ErrGate = errors.New("refused")

// Gate is a check that stands between a bad extract and the wall.
type Gate struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Found  string `json:"found"` // what was found, against what is allowed
}

// Note counts something that was left out or mended, and says why.
type Note struct {
	What  string `json:"what"`
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// TileSize names a tile.
type TileSize struct {
	Tile  string `json:"tile"`  // z/x/y
	Bytes int    `json:"bytes"` // gzipped
}

// Report says what a build found and did, for a person who has to vouch for the map.
type Report struct {
	City          string            `json:"city"`
	Source        string            `json:"source"`
	BBox          [4]float64        `json:"bbox"`          // W,S,E,N
	CoveredShare  float64           `json:"covered_share"` // of the bbox
	CoverageBasis string            `json:"coverage_basis"`
	Counts        map[string]int    `json:"counts"`
	Sites         map[string]int    `json:"sites"`
	Merged        int               `json:"merged"` // elements merged into the site of their campus
	RoadKm        float64           `json:"road_km"`
	Roads         RoadReport        `json:"roads"`
	Demand        DemandReport      `json:"demand"`
	Sea           SeaReport         `json:"sea"`
	SeaSwallows   float64           `json:"sea_swallows"` // share of buildings that would stand in the sea
	Skipped       []Note            `json:"skipped"`
	Repaired      []Note            `json:"repaired"`
	Warnings      []string          `json:"warnings"`
	Gates         []Gate            `json:"gates"`
	LargestTile   TileSize          `json:"largest_tile"`
	Files         map[string]int64  `json:"files"` // bytes
	Took          map[string]string `json:"-"`     // by stage; not in the files, which are the same for the same input

	OverlaySites   int `json:"overlay_sites"`
	OverlayAmended int `json:"overlay_amended"`

	skipped, repaired map[[2]string]int
	started           time.Time
}

// gate records a check; a failed one is an error that carries its numbers.
func (r *Report) gate(name string, passed bool, format string, a ...any) error {
	g := Gate{name, passed, fmt.Sprintf(format, a...)}
	r.Gates = append(r.Gates, g)
	if passed {
		return nil
	}
	return fmt.Errorf("%w by gate %q: %s", ErrGate, name, g.Found)
}

// stage notes how long a stage took since the one before.
func (r *Report) stage(name string) {
	now := time.Now()
	r.Took[name] = now.Sub(r.started).Round(time.Millisecond).String()
	r.started = now
}

func notes(m map[[2]string]int) []Note {
	out := make([]Note, 0, len(m))
	for k, n := range m {
		out = append(out, Note{k[0], k[1], n})
	}
	slices.SortFunc(out, func(a, b Note) int { return strings.Compare(a.What+a.Why, b.What+b.Why) })
	return out
}

// Text is the report for a person.
func (r *Report) Text() string {
	var s strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&s, format+"\n", a...) }
	line("City      %s", r.City)
	line("Source    %s", r.Source)
	line("Box       %.5f,%.5f,%.5f,%.5f (W,S,E,N)", r.BBox[0], r.BBox[1], r.BBox[2], r.BBox[3])
	line("Covered   %.1f %% of the box, by %s", 100*r.CoveredShare, r.CoverageBasis)
	line("Roads     %.0f km", r.RoadKm)
	line("Sea       %d coastlines, %d islands; %d open ends joined, %d carried to the edge, %d islands left out; swallows %.2f %% of buildings",
		r.Sea.Ways, r.Sea.Islands, r.Sea.Joined, r.Sea.Carried, r.Sea.Stray, 100*r.SeaSwallows)
	line("\nGates")
	for _, g := range r.Gates {
		word := "passed "
		if !g.Passed {
			word = "REFUSED"
		}
		line("  %s  %-8s %s", word, g.Name, g.Found)
	}
	if len(r.Warnings) > 0 {
		line("\nWarnings")
		for _, w := range r.Warnings {
			line("  %s", w)
		}
	}
	r.Roads.text(line)
	line("\nSites (%d elements merged into their campus, %d from overlays, %d amended by them)", r.Merged, r.OverlaySites, r.OverlayAmended)
	for _, k := range slices.Sorted(maps.Keys(r.Sites)) {
		line("  %7d  %s", r.Sites[k], k)
	}
	r.Demand.lines(line)
	line("\nCounts")
	for _, k := range slices.Sorted(maps.Keys(r.Counts)) {
		line("  %7d  %s", r.Counts[k], k)
	}
	section := func(title string, ns []Note) {
		if len(ns) == 0 {
			return
		}
		line("\n%s", title)
		for _, n := range ns {
			line("  %7d  %s: %s", n.Count, n.What, n.Why)
		}
	}
	section("Left out", r.Skipped)
	section("Mended", r.Repaired)
	line("\nFiles (largest tile %s, %d bytes)", r.LargestTile.Tile, r.LargestTile.Bytes)
	for _, k := range slices.Sorted(maps.Keys(r.Files)) {
		line("  %10d  %s", r.Files[k], k)
	}
	return s.String()
}
