package dispatch

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
)

// pass lets time go by, a second at a time, and has whatever is due decided, as
// the sequencer does.
func (k *desk) pass(d time.Duration) {
	k.t.Helper()
	due := Due(policy)
	for range int(d / time.Second) {
		k.now += 1000
		v := k.w.View()
		draft := geo.NewDraft(v, v.Seq()+1, k.now)
		for f := range v.All("") {
			if f.Due != 0 && f.Due <= k.now {
				if err := draft.Try(func() error { return due(draft, f) }); err != nil {
					k.t.Fatal(err)
				}
			}
		}
		if !draft.Delta().Empty() {
			if len(draft.Acts()) == 0 {
				k.t.Error("something due changed the world without an act")
			}
			k.w.Apply(geo.Moment{Seq: v.Seq() + 1, Time: k.now}, draft.Delta())
		}
	}
}

// alarms are the types of the alarms that stand, with what they are about.
func (k *desk) alarms() []string {
	out := []string{}
	for f := range k.w.View().All(geo.Alarm) {
		s := f.Props.Text("type") + " " + strings.Join(f.Props.Texts("subjects"), ",")
		if f.Props.Raw("over_at") != "" {
			s += " over"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func open(zone string) string {
	return fmt.Sprintf(`void.open {"zone":%q,"capability":"als","seconds":480,"names":{"en":"Zone %s","fa":"ناحیه"}}`, zone, zone)
}

func closed(zone string) string {
	return fmt.Sprintf(`void.close {"zone":%q,"capability":"als"}`, zone)
}

func TestVoids(t *testing.T) {
	tests := map[string]struct {
		play func(k *desk)
		want []string
	}{
		"a short void alarms nobody": {func(k *desk) {
			k.must(open("1"))
			k.pass(59 * time.Second)
			k.must(closed("1"))
			k.pass(time.Minute)
		}, []string{}},
		"one that lasts does": {func(k *desk) {
			k.must(open("1"))
			k.pass(60 * time.Second)
		}, []string{"void void:als:1"}},
		"and only once": {func(k *desk) {
			k.must(open("1"))
			k.pass(time.Minute)
			k.must(`alarm.ack {"alarm":"alarm:void:als:1"}`)
			k.must(open("1"))
			k.pass(10 * time.Minute)
		}, []string{"void void:als:1"}},
		"it ends with the void": {func(k *desk) {
			k.must(open("1"))
			k.pass(time.Minute)
			k.must(closed("1"))
		}, []string{"void void:als:1 over"}},
		"and goes when it was seen": {func(k *desk) {
			k.must(open("1"))
			k.pass(time.Minute)
			k.must(`alarm.ack {"alarm":"alarm:void:als:1"}`)
			k.must(closed("1"))
		}, []string{}},
		"a flickering one begins again each time": {func(k *desk) {
			for range 5 {
				k.must(open("1"))
				k.pass(40 * time.Second)
				k.must(closed("1"))
			}
		}, []string{}},
		"three are three alarms": {func(k *desk) {
			k.must(open("1"))
			k.must(open("2"))
			k.must(open("3"))
			k.pass(time.Minute)
		}, []string{"void void:als:1", "void void:als:2", "void void:als:3"}},
		"four are one": {func(k *desk) {
			for _, z := range []string{"1", "2", "3", "4"} {
				k.must(open(z))
				k.pass(5 * time.Second)
			}
			k.pass(time.Minute)
		}, []string{"void_surge void:als:1,void:als:2,void:als:3,void:als:4"}},
		"a fifth joins them": {func(k *desk) {
			for _, z := range []string{"1", "2", "3", "4"} {
				k.must(open(z))
			}
			k.pass(time.Minute)
			k.must(open("5"))
			k.pass(time.Minute)
			k.must(closed("1"))
		}, []string{"void_surge void:als:2,void:als:3,void:als:4,void:als:5"}},
		"the surge is over when three are left": {func(k *desk) {
			for _, z := range []string{"1", "2", "3", "4"} {
				k.must(open(z))
			}
			k.pass(time.Minute)
			k.must(closed("2"))
			k.pass(time.Hour)
		}, []string{"void_surge void:als:1,void:als:2,void:als:3,void:als:4 over"}},
		"and a new one is an alarm of its own, or a new surge": {func(k *desk) {
			for _, z := range []string{"1", "2", "3", "4"} {
				k.must(open(z))
			}
			k.pass(time.Minute)
			k.must(`alarm.ack {"alarm":"alarm:void_surge"}`)
			k.must(closed("1"))
			k.must(closed("2"))
			k.must(open("7"))
			k.pass(time.Minute)
		}, []string{"void void:als:7"}},
		"a void that is not old enough is no part of a surge": {func(k *desk) {
			for _, z := range []string{"1", "2", "3"} {
				k.must(open(z))
			}
			k.pass(50 * time.Second)
			k.must(open("4"))
			k.pass(10 * time.Second)
		}, []string{"void void:als:1", "void void:als:2", "void void:als:3"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t)
			tt.play(k)
			if got := k.alarms(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheAlarmOfAVoidSaysWhere(t *testing.T) {
	k := newDesk(t, open("1"))
	k.pass(time.Minute)
	f := k.get("alarm:void:als:1")
	for name, want := range map[string]string{"zone": `"1"`, "capability": `"als"`, "seconds": "480", "names": `{"en":"Zone 1","fa":"ناحیه"}`, "lasting": "true"} {
		if got := f.Props.Raw(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, z := range []string{"2", "3", "4"} {
		k.must(open(z))
	}
	k.pass(time.Minute)
	if got := k.get("alarm:void_surge").Props.Raw("count"); got != "4" {
		t.Errorf("the surge counts %s, want 4", got)
	}
}

// A day of notes, ten seconds apart, as a share that falls slowly.
func TestTrendOfADay(t *testing.T) {
	var trend [][2]float64
	start := morning
	for now := start; now < start+26*3600_000; now += 10_000 {
		trend = prolong(trend, now, 1-float64(now-start)/1e9)
		if len(trend) > trendMax {
			t.Fatalf("%d points", len(trend))
		}
		newest := trend[len(trend)-1]
		if newest[0] != float64(now/1000) {
			t.Fatalf("the newest point is of %v, want now", newest[0])
		}
	}
	now := trend[len(trend)-1][0]
	for i, p := range trend {
		if want := 1 - (p[0]-float64(start/1000))*1000/1e9; math.Abs(p[1]-want) > 1e-12 {
			t.Errorf("point %d: share %v is not that of its moment, %v", i, p[1], want)
		}
		if i == 0 {
			continue
		}
		step, age := p[0]-trend[i-1][0], now-p[0]
		if step <= 0 {
			t.Fatalf("point %d does not follow the one before", i)
		}
		// Nowhere a gap of more than two steps of its age.
		if most := map[bool]float64{true: 2 * 60, false: 2 * 300}[age < 29*60]; age < 175*60 && step > most {
			t.Errorf("a gap of %v s, %v s ago", step, age)
		}
		if step > 2*2400 {
			t.Errorf("a gap of %v s", step)
		}
	}
	if first := now - trend[0][0]; first < 22*3600 || first > 24*3600 {
		t.Errorf("the trend reaches back %v h, want most of a day", first/3600)
	}
	if len(trend) < 80 {
		t.Errorf("got %d points, want about 90", len(trend))
	}
}

func TestATrendThatIsNoneBeginsAnew(t *testing.T) {
	for _, before := range [][][2]float64{nil, {}, {{-5, 1}}, {{9e12, 1}}} {
		if got := prolong(before, morning, 0.5); len(got) != 1 || got[0] != [2]float64{float64(morning / 1000), 0.5} {
			t.Errorf("after %v: got %v", before, got)
		}
	}
}

func TestNotesOfTheCoverage(t *testing.T) {
	note := func(share float64) string {
		return fmt.Sprintf(`coverage.note {"units":3,"standards":[{"capability":"engine","seconds":480,"share":%v,"basis":"people","void_zones":["a","b"]},{"capability":"als","seconds":480,"share":0}]}`, share)
	}
	k := newDesk(t, note(0.5))
	k.now += 60_000
	k.must(note(0.25))
	f := k.get("coverage")
	if f.Kind != geo.Coverage || f.Fix.Placed() || f.Due != 0 {
		t.Errorf("got %+v", f)
	}
	var trend [][2]float64
	if err := json.Unmarshal([]byte(f.Props.Raw("trend")), &trend); err != nil || len(trend) != 2 || trend[0][1] != 0.5 || trend[1][1] != 0.25 {
		t.Errorf("got %s, %v", f.Props.Raw("trend"), err)
	}
	if got := f.Props.Raw("at"); got != `"2023-11-14T22:14:20.000Z"` {
		t.Errorf("got %s", got)
	}
}
