package roads

import "math"

// Cost is driving time in whole milliseconds. Whole numbers, so that "as fast as" is equality
// and not a tolerance, whatever road the sum was taken along.
type Cost uint32

// Unreached is the cost of what cannot be reached.
const Unreached Cost = math.MaxUint32

// Seconds gives the cost in seconds; +Inf for [Unreached].
func (c Cost) Seconds() float64 {
	if c == Unreached {
		return math.Inf(1)
	}
	return float64(c) / 1000
}

// never stands inside this package for what cannot be driven. The sum of two such still fits in
// 32 bits, so sums need no test for overflow: every one is cut back to never by a min. It is
// 24.8 days.
const never = math.MaxInt32

// out turns a sum from inside the package into a Cost.
func out(c uint32) Cost {
	if c >= never {
		return Unreached
	}
	return Cost(c)
}

// millis rounds seconds to milliseconds; what is negative or no number is never.
func millis(seconds float64) uint32 {
	if !(seconds >= 0 && seconds < never/1000) {
		return never
	}
	return uint32(seconds*1000 + 0.5)
}

// TurnClass is the kind of turn from one edge onto the next, by the angle between them.
type TurnClass uint8

// The classes of turns.
const (
	Straight   TurnClass = iota // less than 20° to either side, or no other way to go
	Slight                      // to 50°
	Left                        // to 130°
	Right                       // to 130°
	SharpLeft                   // more
	SharpRight                  // more
	UTurn                       // back along the same street
	TurnClassCount
)

// ClassCount is the number of classes of roads.
const ClassCount = classCount

// Profile says how one sort of vehicle drives: what a preset or a city sets in a small table.
type Profile struct {
	Name string
	// Max is the most it drives on a class of road, in m/s; 0 is never.
	Max [ClassCount]float64
	// Limit is how many times the free-flow speed of a road it may drive; 1 keeps to it.
	Limit float64
	// Turn is what a turn costs in seconds, by class; negative is never.
	Turn [TurnClassCount]float64
	// Gate is what a gate or barrier costs in seconds; negative is never.
	Gate float64
	// Private allows roads without public access.
	Private bool
	// Against is the share of the speed that is left when driving against a one-way street; 0 is never.
	Against float64
	// Banned allows turns that signs forbid.
	Banned bool
	// Approach is the speed between the road and a place beside it, in m/s.
	Approach float64
}

// ProfileID numbers a profile of a [Router], in the order in which NewRouter was given them.
type ProfileID int

// weight is the time to drive a whole edge.
func (p *Profile) weight(g *Graph, id EdgeID) uint32 {
	e := &g.edges[id]
	s := &g.segs[e.seg&^reversed]
	if g.flags[id]&Private != 0 && !p.Private || !(p.Max[s.class] > 0) || !(p.Limit > 0) {
		return never
	}
	seconds := max(float64(s.metres)/p.Max[s.class], float64(e.seconds)/p.Limit)
	if g.flags[id]&Against != 0 {
		seconds /= max(p.Against, 0) // no share: never
	}
	return max(millis(seconds), 1) // so that a way never stands still
}

// turns is what each kind of arc costs beside the edge that it leads onto.
func (p *Profile) turns() (t [arcKinds]uint32) {
	for kind := range t {
		if kind&arcClass >= int(TurnClassCount) {
			continue
		}
		t[kind] = millis(p.Turn[kind&arcClass])
		if kind&arcGate != 0 {
			t[kind] = min(never, t[kind]+millis(p.Gate))
		}
		if kind&arcBanned != 0 && !p.Banned {
			t[kind] = never
		}
	}
	return t
}
