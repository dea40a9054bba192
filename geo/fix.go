package geo

import "time"

// Reasons why a fix does not move its unit. They are stable: metrics count by
// them, and feeds hand them to the device.
const (
	FixNullIsland = "null_island"  // 0/0, what a receiver without a fix reports
	FixOutOfRange = "out_of_range" // off the globe
	FixDuplicate  = "duplicate"    // the same time and place again
	FixLate       = "late"         // older than the last: goes to the record, does not move the unit
	FixTooFast    = "too_fast"     // nobody drives there in that time; believed once others agree
)

// FixLimits are what a fix of a unit is judged by.
type FixLimits struct {
	Speed float64       // fastest believable, metres per second; zero: no limit
	Stale time.Duration // age from which a fix says nothing about now; zero: never
}

// Suspicion is what [Judge] remembers of a device between its fixes. It is no
// part of the world: losing it costs a device two or three fixes. The zero value
// suspects nothing.
type Suspicion struct {
}

// Verdict is what Judge makes of a fix.
type Verdict struct {
	Fix    Fix    // as to be stored: time and flags set
	Moves  bool   // the unit moves there
	Reason string // why it does not move, one of the Fix… reasons; empty when it does
}

// Judge decides what a reported fix does to a unit that was last at prev (not
// placed: nowhere yet). The time of fix is the device's, zero when it sent none.
func Judge(prev, fix Fix, received Millis, limits FixLimits, s *Suspicion) Verdict {
	const ahead = 10_000
	if fix.Time == 0 {
		fix.Time = received
	} else if fix.Time > received+ahead {
		fix.Time, fix.Flags = received, fix.Flags|FixClock
	}
	fix.Time = min(fix.Time, received)
	switch p := fix.At; {
	case p.Lng > LngMax || p.Lng < -LngMax || p.Lat > LatMax || p.Lat < -LatMax:
		return Verdict{Fix: fix, Reason: FixOutOfRange}
	case Distance(p, LngLat{}) < 10:
		return Verdict{Fix: fix, Reason: FixNullIsland}
	case !prev.Placed():
		return Verdict{Fix: fix, Moves: true}
	case fix.Time == prev.Time && fix.At == prev.At:
		return Verdict{Fix: fix, Reason: FixDuplicate}
	case fix.Time < prev.Time:
		return Verdict{Fix: fix, Reason: FixLate}
	}
	return Verdict{Fix: fix, Moves: true}
}
