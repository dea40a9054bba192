package access

import (
	"errors"
	"slices"
	"strings"
)

// An installation may hold several worlds: cities, each with its own record, and
// exercises. Who comes in to one has not come in to another.
const (
	// Home is the world of an installation that has one.
	Home = "live"
	// EveryWorld stands for all worlds, those of tomorrow too.
	EveryWorld = "*"
)

// ErrWorlds is a list of worlds that could name none.
var ErrWorlds = errors.New("a world has a name of 1 to 32 small letters, digits and '-'; * stands for all, and there are at most 100")

// CheckWorld tells whether a world may have the name.
func CheckWorld(name string) bool {
	return len(name) >= 1 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && name[0] != '-'
}

func checkWorlds(worlds []string) error {
	if len(worlds) > 100 || slices.ContainsFunc(worlds, func(w string) bool { return w != EveryWorld && !CheckWorld(w) }) {
		return ErrWorlds
	}
	return nil
}

// In tells whether p may enter a world. Who names none belongs to [Home]. Somebody
// unknown may enter every one, and sees of it what is public.
func (p Principal) In(world string) bool {
	switch {
	case p.Role == Anonymous, p.BreakGlass:
		return true
	case len(p.Worlds) == 0:
		return world == Home
	}
	return slices.Contains(p.Worlds, world) || slices.Contains(p.Worlds, EveryWorld)
}
