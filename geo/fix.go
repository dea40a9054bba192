package geo

import "time"

// Reasons why a fix does not move its unit. They are stable: metrics count by
// them, and feeds hand them to the device.
const (
	FixNullIsland = "null_island"  // within 10 m of 0/0, what a receiver without a fix reports
	FixOutOfRange = "out_of_range" // off the globe
	FixDuplicate  = "duplicate"    // the same time and place again
	FixLate       = "late"         // older than the last: goes to the record, does not move the unit
	FixTooFast    = "too_fast"     // nobody drives there in that time
	FixInaccurate = "inaccurate"   // a vague circle around a good fix of a moment ago
)

// FixLimits are what a fix of a unit is judged by.
type FixLimits struct {
	Speed float64       // fastest believable, metres per second; zero: no limit
	Stale time.Duration // age from which a fix says nothing about now; zero: never
}

// Suspicion is what [Judge] remembers of a device between its fixes. It is no
// part of the world: losing it costs a device a few fixes. The zero value, which
// most units have most of the time, suspects nothing. It can be compared with ==.
type Suspicion struct {
	// The last place that was too far to be true, how many fixes in a row agree
	// with it, and how many in a row were too far from everything.
	jump          LngLat
	jumpTime      Millis
	agree, astray uint8
	// The first of a run of late fixes, by both clocks, and how many they are.
	lateTime, lateReceived Millis
	late                   uint8
}

// Verdict is what Judge makes of a fix.
type Verdict struct {
	Fix    Fix    // as to be stored: time and flags set
	Moves  bool   // the unit moves there
	Reason string // why it does not move, one of the Fix… reasons; empty when it does
}

const (
	clockAhead = 10_000 // milliseconds by which a device's clock may be ahead

	// A place too far to be true is believed when this many fixes in a row agree on it ...
	jumpAgree = 3
	// ... or this many were too far from everything: then it is the limit that is wrong.
	jumpAstray = 5

	// Late fixes are the sign of a clock behind after this many, over this long. A
	// backlog comes in a burst: many minutes of fixes within a second.
	lateRun  = 3
	lateTime = 2_000

	vague     = 500    // metres: the accuracy of a mast, not of a satellite
	vagueTime = 30_000 // milliseconds during which a good fix is worth more than a vague one

	// A place set by hand is somebody's guess of about now and about there: the
	// device's own word of the same minute, from up to 5 km away, is better.
	manualTime     = 60_000 // milliseconds
	manualAccuracy = 5_000  // metres
)

// Judge decides what a reported fix does to a unit that was last at prev (not
// placed: nowhere yet). The time of fix is the device's, zero when it sent none;
// received is ours. s is the unit's own and is changed.
//
// The time of a fix is the earlier of the two clocks; the time of a device more
// than 10 s ahead, or that sends none, is when we received it, and the former is
// flagged [FixClock]. A fix older than the last is late: it belongs in the record
// and not on the map.
//
// Nothing freezes a unit. A place that it cannot have reached is refused at first
// and believed, flagged [FixJump], when fixes go on coming from there. Fixes that
// go on being late in step with our clock come from a clock that is behind or
// stands still, and take the time of receipt, flagged FixClock. A vague fix, of
// 500 m or more, gives way to a good one around which it lies, for 30 s and no longer.
func Judge(prev, fix Fix, received Millis, limits FixLimits, s *Suspicion) Verdict {
	refuse := func(reason string) Verdict { return Verdict{Fix: fix, Reason: reason} }
	p := fix.At
	if p.Lng > LngMax || p.Lng < -LngMax || p.Lat > LatMax || p.Lat < -LatMax {
		return refuse(FixOutOfRange)
	}
	if Distance(p, LngLat{}) <= 10 {
		return refuse(FixNullIsland)
	}
	switch device := fix.Time; {
	case device > received+clockAhead:
		fix.Time, fix.Flags = received, fix.Flags|FixClock
	case device <= 0 || device > received:
		fix.Time = received
	}
	if !prev.Placed() {
		*s = Suspicion{}
		return Verdict{Fix: fix, Moves: true}
	}
	if fix.Time == prev.Time && fix.At == prev.At {
		return refuse(FixDuplicate)
	}
	byHand := prev.Flags&FixManual != 0 && fix.Flags&FixManual == 0
	switch {
	case byHand && fix.Time >= prev.Time-manualTime:
	case fix.Time < prev.Time && fix.Time%1000 == 0 && fix.Time > prev.Time-1000:
		fix.Time = prev.Time // a device that counts whole seconds means any moment of this one
	case fix.Time < prev.Time:
		if !s.behind(fix.Time, received) {
			return refuse(FixLate)
		}
		fix.Time, fix.Flags = received, fix.Flags|FixClock
	}
	if fix.Flags&FixClock == 0 {
		s.late, s.lateTime, s.lateReceived = 0, 0, 0
	}

	away := Distance(prev.At, fix.At)
	if byHand {
		prev.Accuracy = manualAccuracy
	}
	if fix.Accuracy >= vague && prev.Accuracy < fix.Accuracy/4 && away <= float64(fix.Accuracy) &&
		fix.Time >= prev.Time && fix.Time-prev.Time < vagueTime {
		return refuse(FixInaccurate)
	}
	if limits.Speed > 0 && away > limits.reach(prev, fix) {
		if s.strays(fix, limits) {
			return refuse(FixTooFast)
		}
		fix.Flags |= FixJump
	}
	s.agree, s.astray, s.jump, s.jumpTime = 0, 0, LngLat{}, 0
	return Verdict{Fix: fix, Moves: true}
}

// reach is how far apart two fixes may be, in metres. Many devices count whole
// seconds, so less than one is one.
func (l FixLimits) reach(a, b Fix) float64 {
	seconds := max(1, float64(b.Time-a.Time)/1000)
	return l.Speed*seconds + float64(a.Accuracy) + float64(b.Accuracy)
}

// strays notes a place that is too far away, and tells whether to disbelieve it.
func (s *Suspicion) strays(fix Fix, limits FixLimits) bool {
	before := Fix{At: s.jump, Time: s.jumpTime, Accuracy: fix.Accuracy}
	if Distance(before.At, fix.At) > limits.reach(before, fix) {
		s.agree = 0
	}
	s.agree++
	s.astray++
	s.jump, s.jumpTime = fix.At, fix.Time
	return s.agree < jumpAgree && s.astray < jumpAstray
}

// behind notes a late fix, and tells whether a clock that is behind sent it. The
// fixes of a backlog are younger than they are quick to follow each other: their times
// advance faster than ours.
func (s *Suspicion) behind(device, received Millis) bool {
	ours, theirs := received-s.lateReceived, device-s.lateTime
	if s.late == 0 || ours < 0 || theirs > ours+ours/4+1000 {
		s.late, s.lateTime, s.lateReceived = 1, device, received
		return false
	}
	s.late = min(s.late+1, lateRun)
	return s.late >= lateRun && ours >= lateTime
}
