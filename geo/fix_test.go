package geo

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const now = Millis(1_795_340_460_000)
	here, near := LngLat{513_890_000, 356_892_000}, LngLat{513_892_000, 356_892_000} // 18 m apart
	far := LngLat{514_890_000, 356_892_000}                                          // 9 km
	prev := Fix{At: here, Time: now - 1000, Accuracy: 5}
	limits := FixLimits{Speed: 70, Stale: 2 * time.Minute}
	tests := map[string]struct {
		prev, fix Fix
		want      Verdict
	}{
		"moves":                      {prev, Fix{At: near, Time: now}, Verdict{Fix{At: near, Time: now}, true, ""}},
		"the first place of a unit":  {Fix{}, Fix{At: far, Time: now - 5}, Verdict{Fix{At: far, Time: now - 5}, true, ""}},
		"no time is now":             {prev, Fix{At: near}, Verdict{Fix{At: near, Time: now}, true, ""}},
		"a little ahead is now":      {prev, Fix{At: near, Time: now + 10_000}, Verdict{Fix{At: near, Time: now}, true, ""}},
		"far ahead is a wrong clock": {prev, Fix{At: near, Time: now + 10_001}, Verdict{Fix{At: near, Time: now, Flags: FixClock}, true, ""}},
		"twice in a second":          {prev, Fix{At: near, Time: now - 1000}, Verdict{Fix{At: near, Time: now - 1000}, true, ""}},
		"set by hand, kept so":       {prev, Fix{At: near, Time: now, Flags: FixManual}, Verdict{Fix{At: near, Time: now, Flags: FixManual}, true, ""}},
		"sent again":                 {prev, prev, Verdict{prev, false, FixDuplicate}},
		"older than the last":        {prev, Fix{At: near, Time: now - 1001}, Verdict{Fix{At: near, Time: now - 1001}, false, FixLate}},
		"a whole second, just begun": {Fix{At: here, Time: now + 700 - 1000}, Fix{At: near, Time: now - 1000}, Verdict{Fix{At: near, Time: now - 300}, true, ""}},
		"a device corrects a hand":   {Fix{At: here, Time: now - 200, Flags: FixManual}, Fix{At: LngLat{here.Lng + 500_000, here.Lat}, Time: now - 1500}, Verdict{Fix{At: LngLat{here.Lng + 500_000, here.Lat}, Time: now - 1500}, true, ""}},
		"but not from another city":  {Fix{At: here, Time: now - 200, Flags: FixManual}, Fix{At: far, Time: now}, Verdict{Fix{At: far, Time: now}, false, FixTooFast}},
		"nor from an hour ago":       {Fix{At: here, Time: now - 200, Flags: FixManual}, Fix{At: near, Time: now - 3_600_000}, Verdict{Fix{At: near, Time: now - 3_600_000}, false, FixLate}},
		"the null island":            {prev, Fix{At: LngLat{300, -700}, Time: now}, Verdict{Fix{At: LngLat{300, -700}, Time: now}, false, FixNullIsland}},
		"off the globe":              {prev, Fix{At: LngLat{0, LatMax + 1}, Time: now}, Verdict{Fix{At: LngLat{0, LatMax + 1}, Time: now}, false, FixOutOfRange}},
		"9 km in a second":           {prev, Fix{At: far, Time: now}, Verdict{Fix{At: far, Time: now}, false, FixTooFast}},
		"9 km in ten minutes":        {Fix{At: here, Time: now - 600_000}, Fix{At: far, Time: now}, Verdict{Fix{At: far, Time: now}, true, ""}},
		"9 km, by a mast of 10 km":   {prev, Fix{At: far, Time: now, Accuracy: 10_000}, Verdict{Fix{At: far, Time: now, Accuracy: 10_000}, false, FixInaccurate}},
		"a mast when nothing else":   {Fix{At: here, Time: now - 31_000, Accuracy: 5}, Fix{At: far, Time: now, Accuracy: 10_000}, Verdict{Fix{At: far, Time: now, Accuracy: 10_000}, true, ""}},
	}
	for name, tt := range tests {
		var s Suspicion
		if got := Judge(tt.prev, tt.fix, now, limits, &s); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// shown is a unit as a sequencer keeps it.
type shown struct {
	fix Fix
	s   Suspicion
}

func (u *shown) report(x Fix, received Millis, l FixLimits) Verdict {
	v := Judge(u.fix, x, received, l, &u.s)
	if v.Moves {
		u.fix = v.Fix
	}
	return v
}

func TestJumpIsBelievedWhenOthersAgree(t *testing.T) {
	l := FixLimits{Speed: 50}
	here, there := LngLat{500_000_000, 350_000_000}, LngLat{510_000_000, 350_000_000}
	u := shown{fix: Fix{At: here, Time: 1000}}
	for i, want := range []string{FixTooFast, FixTooFast, ""} {
		v := u.report(Fix{At: there, Time: Millis(2000 + i*1000)}, Millis(2000+i*1000), l)
		if v.Reason != want || (want == "") != (v.Fix.Flags == FixJump) {
			t.Fatalf("report %d: got %+v, want reason %q", i, v, want)
		}
	}
	if u.s != (Suspicion{}) {
		t.Errorf("suspicion %+v remains", u.s)
	}
	// One leap of the receiver is never shown.
	for i := range 20 {
		at := there
		if i%3 == 1 {
			at = here
		}
		if u.report(Fix{At: at, Time: Millis(10_000 + i*1000)}, Millis(10_000+i*1000), l); u.fix.At != there {
			t.Fatalf("report %d: a single leap was believed", i)
		}
	}
}

func TestSpeedLimitThatIsTooLowFreezesNobody(t *testing.T) {
	l := FixLimits{Speed: 1}
	u := shown{fix: Fix{At: LngLat{500_000_000, 350_000_000}, Time: 1000}}
	p := u.fix.At
	for i := range 200 {
		p.Lng += 3000 // 27 m a second
		u.report(Fix{At: p, Time: Millis(2000 + i*1000)}, Millis(2000+i*1000), l)
		if d := Distance(u.fix.At, p); d > 27.5*jumpAstray {
			t.Fatalf("after %d s the unit is shown %.0f m behind", i, d)
		}
	}
}

func TestBacklogIsLateAndAClockBehindIsNot(t *testing.T) {
	const now = Millis(1_795_340_460_000)
	here := LngLat{500_000_000, 350_000_000}
	start := Fix{At: here, Time: now}
	tests := map[string]struct {
		every, device Millis // between two reports, by our clock and by the device's
		restamped     bool
	}{
		"an hour at 1 Hz, flushed at 20 Hz":   {50, 1000, false},
		"every 10 s, flushed at 1 Hz":         {1000, 10_000, false},
		"every 2 s, flushed at 1 Hz":          {1000, 2000, false},
		"in step, an hour behind":             {1000, 1000, true},
		"in step at 0.1 Hz":                   {10_000, 10_000, true},
		"in step at 10 Hz":                    {100, 100, true},
		"a clock that stands":                 {1000, 0, true},
		"a clock that runs back":              {1000, -500, true},
		"a clock that runs 10 % fast, behind": {1000, 1100, true},
	}
	for name, tt := range tests {
		u := shown{fix: start}
		restamped := 0
		for i := range Millis(60) {
			v := u.report(Fix{At: LngLat{here.Lng + int32(i), here.Lat}, Time: now - 3_600_000 + i*tt.device}, now+1+i*tt.every, FixLimits{Speed: 70})
			if v.Moves {
				restamped++
				if v.Fix.Flags != FixClock || v.Fix.Time != now+1+i*tt.every {
					t.Fatalf("%s: report %d moves with %+v, want our time, flagged", name, i, v.Fix)
				}
			} else if v.Reason != FixLate || v.Fix.Time != now-3_600_000+i*tt.device {
				t.Fatalf("%s: report %d: got %+v, want late with its own time", name, i, v)
			}
		}
		if tt.restamped && restamped < 35 || !tt.restamped && restamped > 0 {
			t.Errorf("%s: %d of 60 restamped, want restamping: %t", name, restamped, tt.restamped)
		}
	}
}

// Whatever happened before, a device that goes on reporting from its true place
// is shown there.
func TestNothingFreezesAUnit(t *testing.T) {
	const enough = 40
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 8))
		now := Millis(1_795_340_460_000)
		place := func() LngLat {
			if r.IntN(2) == 0 {
				return town(r)
			}
			return worlds["everywhere"](r)
		}
		l := FixLimits{Speed: []float64{0, 0.1, 30, 70}[r.IntN(4)], Stale: time.Minute}
		u := shown{}
		for range r.IntN(30) { // a wild past
			now += Millis(r.Int64N(20_000))
			x := Fix{At: place(), Time: now + Millis(r.Int64N(7_200_000)) - 3_600_000, Accuracy: uint16(r.IntN(3000))}
			if r.IntN(5) == 0 {
				u.fix = x // set by somebody else
			}
			u.report(x, now, l)
		}
		truth := place()
		if Distance(truth, LngLat{}) < 20 {
			continue
		}
		clock := now + Millis(r.Int64N(7_200_000)) - 3_600_000 // the device's
		step := []Millis{1000, 1000, 0, 990, 1010}[r.IntN(5)]
		none := r.IntN(5) == 0
		accuracy := uint16(r.IntN(40))
		if r.IntN(4) == 0 {
			accuracy = uint16(r.IntN(3000))
		}
		for range enough {
			now += 1000
			clock += step
			x := Fix{At: truth, Time: clock, Accuracy: accuracy}
			if none {
				x.Time = 0
			}
			u.report(x, now, l)
		}
		if u.fix.At != truth {
			t.Fatalf("seed %d: after %d s the unit is shown at %v, not at %v, with %+v", seed, enough, u.fix, truth, u.s)
		}
	}
}
