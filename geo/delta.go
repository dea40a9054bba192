package geo

import (
	"cmp"
	"slices"
)

// Move is a new fix for a feature that already exists.
type Move struct {
	ID  ID
	Fix Fix
}

// Delta is a set of changes, applied in field order: drops, then puts, then
// moves. It is state, not events: absolute and idempotent.
type Delta struct {
	Drop []ID
	Put  []*Feature
	Move []Move
}

// Empty tells whether the delta changes nothing.
func (d Delta) Empty() bool { return len(d.Drop) == 0 && len(d.Put) == 0 && len(d.Move) == 0 }

// Merge returns the delta equivalent to d followed by next. Neither is changed;
// the result shares features with both. Each part of the result is in ID order.
func (d Delta) Merge(next Delta) Delta {
	var drop map[ID]struct{}
	put := make(map[ID]*Feature, len(d.Put)+len(next.Put))
	move := make(map[ID]Fix, len(d.Move)+len(next.Move))
	for _, x := range [2]*Delta{&d, &next} {
		for _, id := range x.Drop {
			if drop == nil {
				drop = map[ID]struct{}{}
			}
			drop[id] = struct{}{}
			delete(put, id)
			delete(move, id)
		}
		for _, f := range x.Put {
			put[f.ID] = f
			delete(move, f.ID) // a put carries its own fix
		}
		for _, m := range x.Move {
			if f, ok := put[m.ID]; ok {
				moved := *f
				moved.Fix = m.Fix
				put[m.ID] = &moved
				continue
			}
			if _, gone := drop[m.ID]; !gone { // moving what this delta drops is a no-op
				move[m.ID] = m.Fix
			}
		}
	}
	out := Delta{}
	for id := range drop {
		out.Drop = append(out.Drop, id)
	}
	slices.Sort(out.Drop)
	for _, f := range put {
		out.Put = append(out.Put, f)
	}
	slices.SortFunc(out.Put, func(a, b *Feature) int { return cmp.Compare(a.ID, b.ID) })
	for id, x := range move {
		out.Move = append(out.Move, Move{id, x})
	}
	slices.SortFunc(out.Move, func(a, b Move) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Tomb remembers that a feature was dropped, and in which frame.
type Tomb struct {
	ID  ID
	Key string
	Seq uint64
}
