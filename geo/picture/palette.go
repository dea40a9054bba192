package picture

import (
	"fmt"
	"regexp"
	"strings"
)

// Palette is the colours of a theme by the names of tokens.css, without the dashes:
// "map-water". A colour is #rrggbb.
type Palette map[string]string

// The themes of tokens.css.
const (
	Night = "night"
	Day   = "day"
)

// tokens are the colours that a picture needs.
var tokens = []string{
	"map-ground", "map-sea", "map-water", "map-wood", "map-park", "map-green", "map-urban", "map-industrial", "map-institution", "map-sand",
	"map-motorway", "map-trunk", "map-primary", "map-secondary", "map-tertiary", "map-street", "map-casing", "map-boundary",
	"map-place", "map-place-minor", "map-halo", "map-uncovered",
	"surface", "line-color", "text", "text-muted", "text-inverse", "hazard", "act-now", "attention", "site", "shelter-open", "shelter-full", "shelter-closed",
	"status-out-of-service", "symbol-casing", "symbol-ink", "label", "label-halo", "state-exercise", "state-simulated",
}

var (
	blockOf = map[string]*regexp.Regexp{
		Night: regexp.MustCompile(`(?s):root\[data-theme="night"\]\s*\{(.*?)\}`),
		Day:   regexp.MustCompile(`(?s):root\[data-theme="day"\]\s*\{(.*?)\}`),
	}
	colour = regexp.MustCompile(`--([a-z0-9-]+):\s*(#[0-9a-f]{6})\s*;`)
)

// Palettes reads the palettes of both themes from the style sheet of the screens, so
// that a picture has their colours and no others. The error names a colour that is
// missing.
func Palettes(css []byte) (map[string]Palette, error) {
	out := map[string]Palette{}
	for theme, block := range blockOf {
		m := block.FindSubmatch(css)
		if m == nil {
			return nil, fmt.Errorf("read the colours: there is no theme %q", theme)
		}
		p := Palette{}
		for _, c := range colour.FindAllStringSubmatch(string(m[1]), -1) {
			p[c[1]] = c[2]
		}
		var missing []string
		for _, t := range tokens {
			if p[t] == "" {
				missing = append(missing, t)
			}
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("read the colours: theme %q lacks %s", theme, strings.Join(missing, ", "))
		}
		out[theme] = p
	}
	return out, nil
}
