package city

import (
	"testing"

	"github.com/paulmach/osm"
)

func TestSpoken(t *testing.T) {
	for raw, want := range map[string]string{
		"":                  "",
		"Main Street":       "Main Street",
		"I 95;US 202":       "I 95 / US 202",
		" A 1 ; B 2;; C 3;": "A 1 / B 2 / C 3",
		";":                 "",
	} {
		if got := spoken(osm.Tags{{Key: "ref", Value: raw}}, "name", "ref"); got != want {
			t.Errorf("%q is said as %q, want %q", raw, got, want)
		}
	}
}
