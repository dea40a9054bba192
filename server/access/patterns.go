package access

import (
	"errors"
	"fmt"
	"strings"

	"rasad/geo"
)

// Patterns are the ids that a token may move: keys of units in which * stands for
// any run of characters, none included. Nil patterns match every key.
type Patterns []string

// ErrPattern is a pattern that could name no unit.
var ErrPattern = errors.New("a pattern is a key of at most 128 letters, digits, '-', '_', '.', '~' or ':', with at most 4 '*'")

const patternsMax = 1000

// CheckPatterns returns [ErrPattern], wrapped, unless every pattern can name a unit.
func CheckPatterns(p Patterns) error {
	if len(p) > patternsMax {
		return fmt.Errorf("%d patterns, of at most %d: %w", len(p), patternsMax, ErrPattern)
	}
	for _, s := range p {
		if s == "" || len(s) > geo.KeyMax || strings.Count(s, "*") > 4 || strings.ContainsFunc(s, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.~:*", r))
		}) {
			return fmt.Errorf("pattern %.140q: %w", s, ErrPattern)
		}
	}
	return nil
}

// Match tells whether a key is among the ids.
func (p Patterns) Match(key string) bool {
	if p == nil {
		return true
	}
	for _, s := range p {
		if matchPattern(s, key) {
			return true
		}
	}
	return false
}

// matchPattern is linear in practice: the first fitting place of each piece
// between stars is as good as any later one.
func matchPattern(pattern, key string) bool {
	pieces := strings.Split(pattern, "*")
	if len(pieces) == 1 {
		return pattern == key
	}
	rest, ok := strings.CutPrefix(key, pieces[0])
	if !ok {
		return false
	}
	last := pieces[len(pieces)-1]
	for _, piece := range pieces[1 : len(pieces)-1] {
		i := strings.Index(rest, piece)
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return strings.HasSuffix(rest, last)
}
