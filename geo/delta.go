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
// the result shares features with both. Each part of the result is in ID order and
// holds an ID once.
func (d Delta) Merge(next Delta) Delta {
	a, b := d.inOrder(), next.inOrder()
	var out Delta
	if n := len(a.Move) + len(b.Move); n > 0 {
		out.Move = make([]Move, 0, n)
	}
	for {
		if len(a.Drop)+len(b.Drop)+len(a.Put)+len(b.Put) == 0 { // nearly always, from the start
			out.Move = mergeMoves(out.Move, a.Move, b.Move)
			break
		}
		id, more := a.first()
		if other, too := b.first(); too && (!more || other < id) {
			id, more = other, true
		}
		if !more {
			break
		}
		var s state
		s.follow(&a, id)
		s.follow(&b, id)
		if s.dropped {
			out.Drop = append(out.Drop, id)
		}
		if s.put != nil {
			out.Put = append(out.Put, s.put)
		}
		if s.moved {
			out.Move = append(out.Move, Move{id, s.fix})
		}
	}
	if len(out.Move) == 0 {
		out.Move = nil
	}
	return out
}

// mergeMoves appends the moves of both, in ID order, the later of an ID only.
func mergeMoves(out, a, b []Move) []Move {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].ID < b[0].ID:
			out = append(out, a[0])
			a = a[1:]
			continue
		case a[0].ID == b[0].ID:
			a = a[1:]
		}
		out = append(out, b[0])
		b = b[1:]
	}
	return append(append(out, a...), b...)
}

// state is what a delta, or two in a row, do to one feature.
type state struct {
	dropped, moved bool
	put            *Feature
	fix            Fix
}

// follow takes the part of id out of the front of d and does it after s.
func (s *state) follow(d *Delta, id ID) {
	if len(d.Drop) > 0 && d.Drop[0] == id {
		d.Drop = d.Drop[1:]
		*s = state{dropped: true}
	}
	if len(d.Put) > 0 && d.Put[0].ID == id {
		s.put, s.moved = d.Put[0], false // a put carries its own fix
		d.Put = d.Put[1:]
	}
	if len(d.Move) > 0 && d.Move[0].ID == id {
		switch x := d.Move[0].Fix; {
		case s.put != nil:
			moved := *s.put
			moved.Fix = x
			s.put = &moved
		case !s.dropped: // moving what was dropped does nothing
			s.moved, s.fix = true, x
		}
		d.Move = d.Move[1:]
	}
}

// first returns the lowest ID of a delta in order.
func (d *Delta) first() (id ID, ok bool) {
	if len(d.Move) > 0 {
		id, ok = d.Move[0].ID, true
	}
	if len(d.Put) > 0 && (!ok || d.Put[0].ID < id) {
		id, ok = d.Put[0].ID, true
	}
	if len(d.Drop) > 0 && (!ok || d.Drop[0] < id) {
		id, ok = d.Drop[0], true
	}
	return id, ok
}

// inOrder returns the delta with each part in ID order, the last of an ID only.
// Frames are in order already, and then it copies nothing.
func (d Delta) inOrder() Delta {
	return Delta{
		inOrder(d.Drop, func(id ID) ID { return id }),
		inOrder(d.Put, func(f *Feature) ID { return f.ID }),
		inOrder(d.Move, func(m Move) ID { return m.ID }),
	}
}

func inOrder[T any](part []T, id func(T) ID) []T {
	for i := 1; i < len(part); i++ {
		if id(part[i-1]) < id(part[i]) {
			continue
		}
		part = slices.Clone(part)
		slices.SortStableFunc(part, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
		n := 0
		for i := range part {
			if i+1 == len(part) || id(part[i]) != id(part[i+1]) {
				part[n] = part[i]
				n++
			}
		}
		return part[:n]
	}
	return part
}

// Tomb remembers that a feature was dropped, and in which frame.
type Tomb struct {
	ID  ID
	Key string
	Seq uint64
}
