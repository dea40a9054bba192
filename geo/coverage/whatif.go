package coverage

import (
	"cmp"
	"slices"
)

// WhatIf says what the share of a standard would be without some units and with some others. Lost and
// gained are the cells (indices in Demand.Cells) that are covered only before and only after, the
// heaviest first. It changes nothing. Units that are not there, or lack the capability, cost nothing.
func (v *View) WhatIf(s Standard, remove []uint32, add []Unit) (before, after Share, lost, gained []int32) {
	t := v.tally(s)
	by := make(map[int32]int32) // what the counts of the cells change by
	units := 0
	put := func(hits []hit, n int32) {
		for _, h := range hits {
			if h.at <= s.depth() {
				by[h.cell] += n
			}
		}
		units += int(n)
	}
	gone := slices.Compact(slices.Sorted(slices.Values(remove)))
	for _, id := range gone {
		i, found := slices.BinarySearchFunc(v.units, id, func(u *unit, id uint32) int { return cmp.Compare(u.id, id) })
		if found && s.met(&v.units[i].Unit) {
			put(v.reachOf(v.units[i], s).hits, -1)
		}
	}
	for i := range add {
		if s.met(&add[i]) {
			put(v.reach(&add[i], s.Line, s.depth()).hits, 1)
		}
	}
	change := &tally{covered: t.covered, zones: slices.Clone(t.zones), units: t.units + units}
	for c, n := range by {
		had, has := t.counts[c] > 0, int64(t.counts[c])+int64(n) > 0
		if had == has {
			continue
		}
		w := v.ground.weight[c]
		if had {
			lost, w = append(lost, c), -w
		} else {
			gained = append(gained, c)
		}
		change.covered += w
		if z := v.ground.demand.Cells[c].Zone; z >= 0 {
			change.zones[z] += w
		}
	}
	heaviest := func(a, b int32) int {
		return cmp.Or(cmp.Compare(v.ground.weight[b], v.ground.weight[a]), cmp.Compare(a, b))
	}
	slices.SortFunc(lost, heaviest)
	slices.SortFunc(gained, heaviest)
	return t.share(v.ground), change.share(v.ground), lost, gained
}
