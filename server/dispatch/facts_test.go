package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
)

// told is a fact after a command, without what every set stamps.
func (k *desk) told(key string) string {
	k.t.Helper()
	return string(k.get(key).Props.With(map[string]any{"at": nil, "by": nil}))
}

func TestFacts(t *testing.T) {
	const wall = `"area":{"bbox":[-76,39,-75,40]},"panels":["worst"],"layers":["units"],"language":"fa"`
	tests := map[string]struct {
		before []string
		do     string
		key    string
		want   string // properties but at and by
	}{
		"the situation line has its author": {
			do:  `situation.set {"text":" Flood at the river. ","lang":"en","until":"2023-11-15T04:00:00+03:30"}`,
			key: "situation", want: `{"author":"dispatcher:amini","lang":"en","text":"Flood at the river.","until":"2023-11-15T00:30:00.000Z"}`,
		},
		"it is written whole": {
			before: []string{`situation.set {"text":"a","lang":"en","author":"Major Amini","next_briefing":"2023-11-15T00:00:00Z"}`},
			do:     `situation.set {"text":"b","lang":"fa"}`,
			key:    "situation", want: `{"author":"dispatcher:amini","lang":"fa","text":"b"}`,
		},
		"it says who is in command": {
			do:  `situation.set {"text":"a","lang":"en","author":"x","commander":" Colonel Rad ","commander_phone":"+98 21 125"}`,
			key: "situation", want: `{"author":"x","commander":"Colonel Rad","commander_phone":"+98 21 125","lang":"en","text":"a"}`,
		},
		"a response level begins now": {
			do:  `response.set {"level":"3","reason":"river over the mark"}`,
			key: "response", want: `{"level":"3","reason":"river over the mark","since":"2023-11-14T22:13:20.000Z"}`,
		},
		"it remembers the one before": {
			before: []string{`response.set {"level":"3","reason":"x","since":"2023-11-14T20:00:00Z"}`},
			do:     `response.set {"level":"2","reason":"second bridge","plan":"flood"}`,
			key:    "response", want: `{"before":"3","level":"2","plan":"flood","reason":"second bridge","since":"2023-11-14T22:13:20.000Z"}`,
		},
		"the same level goes on": {
			before: []string{`response.set {"level":"4","reason":"x"}`, `response.set {"level":"3","reason":"x","since":"2023-11-14T20:00:00Z"}`},
			do:     `response.set {"level":"3","reason":"again"}`,
			key:    "response", want: `{"before":"4","level":"3","reason":"again","since":"2023-11-14T20:00:00.000Z"}`,
		},
		"a figure of the city": {
			do:  `figure.set {"name":"injured","value":14,"as_of":"2023-11-14T22:00:00Z","source":"EMS","confirmed":"reported"}`,
			key: "figure-injured", want: `{"as_of":"2023-11-14T22:00:00.000Z","confirmed":"reported","name":"injured","source":"EMS","value":14}`,
		},
		"it keeps the number before": {
			before: []string{`figure.set {"name":"injured","value":14,"as_of":"2023-11-14T21:00:00Z","source":"EMS","confirmed":"reported"}`,
				`figure.set {"name":"injured","value":20,"as_of":"2023-11-14T22:00:00Z","source":"EMS","confirmed":"reported"}`},
			do:  `figure.set {"name":"injured","value":20,"source":"EMS","confirmed":"confirmed"}`,
			key: "figure-injured", want: `{"as_of":"2023-11-14T22:13:20.000Z","before":{"as_of":"2023-11-14T21:00:00.000Z","value":14},"confirmed":"confirmed","name":"injured","source":"EMS","value":20}`,
		},
		"a figure of its own": {
			do:  `figure.set {"name":"level-marcus","label":"Marcus Hook","value":-2.4,"unit":"m","source":"gauge","confirmed":"confirmed","definition":"above datum"}`,
			key: "figure-level-marcus", want: `{"as_of":"2023-11-14T22:13:20.000Z","confirmed":"confirmed","definition":"above datum","label":"Marcus Hook","name":"level-marcus","source":"gauge","unit":"m","value":-2.4}`,
		},
		"a decision is open": {
			do:  `decision.set {"name":"d1","text":"Close the bridge?","due":"2023-11-14T23:00:00Z","owner":"Mayor"}`,
			key: "decision-d1", want: `{"due":"2023-11-14T23:00:00.000Z","name":"d1","owner":"Mayor","status":"open","text":"Close the bridge?"}`,
		},
		"until it is settled": {
			before: []string{`decision.set {"name":"d1","text":"Close the bridge?"}`},
			do:     `decision.set {"name":"d1","text":"Close the bridge?","status":"done"}`,
			key:    "decision-d1", want: `{"name":"d1","settled_at":"2023-11-14T22:13:20.000Z","status":"done","text":"Close the bridge?"}`,
		},
		"a layout has what it leaves out": {
			do:  `layout.set {"name":"night",` + wall + `}`,
			key: "layout-night", want: `{"area":{"bbox":[-76,39,-75,40]},"language":"fa","layers":["units"],"name":"night","panels":["worst"],"text_scale":1,"theme":"night"}`,
		},
		"a part of a wall": {
			do: `layout.set {"name":"p","title":"Left","area":{"center":[51.4,35.7],"zoom":11.5},"panels":[],"layers":[],"language":"zh","text_scale":1.5,"theme":"auto",
				"tour":{"on":true,"dwell_s":20},"part":{"col":1,"row":0,"cols":2,"rows":2},"visitor":true,"devices":["w1"],"cameras":["cam-1"],"dim":{"from":"23:00","to":"06:30","level":0.4}}`,
			key: "layout-p", want: `{"area":{"center":[51.4,35.7],"zoom":11.5},"cameras":["cam-1"],"devices":["w1"],"dim":{"from":"23:00","level":0.4,"to":"06:30"},"language":"zh","layers":[],"name":"p","panels":[],"part":{"col":1,"cols":2,"row":0,"rows":2},"text_scale":1.5,"theme":"auto","title":"Left","tour":{"dwell_s":20,"on":true},"visitor":true}`,
		},
		"a display shows one layout": {
			before: []string{`layout.set {"name":"a",` + wall + `,"devices":["w1","w2"]}`},
			do:     `layout.set {"name":"b",` + wall + `,"devices":["w1"]}`,
			key:    "layout-a", want: `{"area":{"bbox":[-76,39,-75,40]},"devices":["w2"],"language":"fa","layers":["units"],"name":"a","panels":["worst"],"text_scale":1,"theme":"night"}`,
		},
		"and is switched": {
			before: []string{`layout.set {"name":"a",` + wall + `,"devices":["w1"]}`, `layout.set {"name":"b",` + wall + `}`},
			do:     `layout.show {"device":"w1","layout":"b"}`,
			key:    "layout-a", want: `{"area":{"bbox":[-76,39,-75,40]},"language":"fa","layers":["units"],"name":"a","panels":["worst"],"text_scale":1,"theme":"night"}`,
		},
		"to the other": {
			before: []string{`layout.set {"name":"a",` + wall + `,"devices":["w1"]}`, `layout.set {"name":"b",` + wall + `}`},
			do:     `layout.show {"device":"w1","layout":"b"}`,
			key:    "layout-b", want: `{"area":{"bbox":[-76,39,-75,40]},"devices":["w1"],"language":"fa","layers":["units"],"name":"b","panels":["worst"],"text_scale":1,"theme":"night"}`,
		},
		"or to none": {
			before: []string{`layout.set {"name":"a",` + wall + `,"devices":["w1"]}`},
			do:     `layout.show {"device":"w1","layout":""}`,
			key:    "layout-a", want: `{"area":{"bbox":[-76,39,-75,40]},"language":"fa","layers":["units"],"name":"a","panels":["worst"],"text_scale":1,"theme":"night"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t, tt.before...)
			k.must(tt.do)
			if got := k.told(tt.key); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			f := k.get(tt.key)
			if f.Props.Text("at") != "2023-11-14T22:13:20.000Z" || f.Props.Text("by") != "dispatcher:amini" {
				t.Errorf("it does not say when and by whom: %s", f.Props)
			}
			if len(k.acts) != 1 {
				t.Errorf("got %d acts, want 1", len(k.acts))
			}
		})
	}
}

func TestFactsThatAreWrong(t *testing.T) {
	const area = `"area":{"bbox":[-76,39,-75,40]}`
	const wall = area + `,"panels":["worst"],"layers":["units"],"language":"fa"`
	tests := map[string]struct{ do, fields string }{
		"no text":                     {`situation.set {"lang":"en"}`, "text"},
		"blank text":                  {`situation.set {"text":"  \n","lang":"en"}`, "text"},
		"a text that nobody reads":    {`situation.set {"text":"` + strings.Repeat("x", 2001) + `","lang":"en"}`, "text"},
		"a number that nobody dials":  {`situation.set {"text":"x","lang":"en","commander_phone":"` + strings.Repeat("1", 41) + `"}`, "commander_phone"},
		"a language nobody has":       {`situation.set {"text":"x","lang":"de"}`, "lang"},
		"an end in the past":          {`situation.set {"text":"x","lang":"en","until":"2023-11-14T22:13:20Z","next_briefing":"yesterday"}`, "until next_briefing"},
		"no level":                    {`response.set {"reason":"x"}`, "level"},
		"a level that is none":        {`response.set {"level":"5","reason":"x"}`, "level"},
		"no reason":                   {`response.set {"level":"4"}`, "reason"},
		"a level of tomorrow":         {`response.set {"level":"4","reason":"x","since":"2023-11-15T22:13:20Z"}`, "since"},
		"a figure without a name":     {`figure.set {"value":1,"source":"x","confirmed":"reported"}`, "name"},
		"a name that is no key":       {`figure.set {"name":"a b","value":1,"source":"x","confirmed":"reported"}`, "name"},
		"no value, source, word":      {`figure.set {"name":"injured"}`, "value source confirmed"},
		"a null value":                {`figure.set {"name":"injured","value":null,"source":"x","confirmed":"reported"}`, "value"},
		"half a person":               {`figure.set {"name":"injured","value":1.5,"source":"x","confirmed":"reported"}`, "value"},
		"minus one":                   {`figure.set {"name":"injured","value":-1,"source":"x","confirmed":"reported"}`, "value"},
		"more than there are":         {`figure.set {"name":"injured","value":1e300,"source":"x","confirmed":"reported"}`, "value"},
		"other words for it":          {`figure.set {"name":"injured","value":1,"source":"x","confirmed":"reported","label":"Hurt","unit":"men","definition":"all"}`, "label unit definition"},
		"its own without a label":     {`figure.set {"name":"gauge","value":1,"source":"x","confirmed":"reported"}`, "label"},
		"counted tomorrow":            {`figure.set {"name":"injured","value":1,"source":"x","confirmed":"sure","as_of":"2023-11-15T22:13:20Z"}`, "confirmed as_of"},
		"a decision about nothing":    {`decision.set {"name":"d","due":"soon","status":"maybe"}`, "text status due"},
		"a layout of nothing":         {`layout.set {"name":"a"}`, "area language"},
		"two areas":                   {`layout.set {"name":"a","area":{"bbox":[1,2,3,4],"center":[1,2],"zoom":3},"language":"fa"}`, "area"},
		"no area":                     {`layout.set {"name":"a","area":{},"language":"fa"}`, "area"},
		"a box upside down":           {`layout.set {"name":"a","area":{"bbox":[1,4,3,2]},"language":"fa"}`, "area.bbox"},
		"a box off the globe":         {`layout.set {"name":"a","area":{"bbox":[1,2,300,4]},"language":"fa"}`, "area.bbox"},
		"a box of three":              {`layout.set {"name":"a","area":{"bbox":[1,2,3],"zoom":3},"language":"fa"}`, "area.bbox area.zoom"},
		"a centre without a zoom":     {`layout.set {"name":"a","area":{"center":[1,200]},"language":"fa"}`, "area.center area.zoom"},
		"a panel nobody draws":        {`layout.set {"name":"a",` + area + `,"panels":["worst","weather"],"language":"fa"}`, "panels[1]"},
		"a panel twice":               {`layout.set {"name":"a",` + area + `,"panels":["worst","worst"],"language":"fa"}`, "panels[1]"},
		"a layer nobody draws":        {`layout.set {"name":"a",` + area + `,"layers":["roads"],"language":"fa"}`, "layers[0]"},
		"text for ants":               {`layout.set {"name":"a",` + wall + `,"text_scale":0.1,"theme":"pink"}`, "text_scale theme"},
		"a tour nobody can read":      {`layout.set {"name":"a",` + wall + `,"tour":{"on":true,"dwell_s":1}}`, "tour.dwell_s"},
		"a tour without a time":       {`layout.set {"name":"a",` + wall + `,"tour":{"on":true}}`, "tour.dwell_s"},
		"a part that is not there":    {`layout.set {"name":"a",` + wall + `,"part":{"col":2,"row":0,"cols":2,"rows":1}}`, "part.col"},
		"a wall of nothing":           {`layout.set {"name":"a",` + wall + `,"part":{"col":0,"row":0,"cols":0,"rows":1}}`, "part.cols"},
		"a device that is no key":     {`layout.set {"name":"a",` + wall + `,"devices":["a b"]}`, "devices[0]"},
		"dim at no time":              {`layout.set {"name":"a",` + wall + `,"dim":{"from":"25:00","to":"6:00","level":0}}`, "dim.from dim.to dim.level"},
		"a display without a name":    {`layout.show {"layout":"a"}`, "device"},
		"a layout that is no key":     {`layout.show {"device":"w1","layout":"a/b"}`, "name"},
		"a long reason to take it":    {`situation.clear {"reason":"` + strings.Repeat("x", 2001) + `"}`, "reason"},
		"taking away without a name":  {`figure.remove {}`, "name"},
		"a name longer than its rule": {`layout.set {"name":"` + strings.Repeat("x", 65) + `",` + wall + `}`, "name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t)
			_, err := k.do(tt.do)
			var no *geo.Refusal
			if !errors.As(err, &no) || no.Class != geo.Invalid {
				t.Fatalf("got %v, want a refusal of the input", err)
			}
			var fields []string
			for _, e := range no.Errors {
				fields = append(fields, e.Field)
			}
			if got := strings.Join(fields, " "); got != tt.fields {
				t.Errorf("got the fields %q (%v), want %q", got, no, tt.fields)
			}
		})
	}
}

func TestFactsThatMeetOthers(t *testing.T) {
	tests := map[string]struct {
		before []string
		do     string
		class  geo.RefusalClass
		code   string
	}{
		"written over what was not seen": {[]string{`situation.set {"text":"a","lang":"en"}`, `situation.set {"text":"b","lang":"en"}`},
			`situation.set {"text":"c","lang":"en","if_match":1}`, geo.Stale, "stale"},
		"seen and gone": {nil, `figure.set {"name":"injured","value":1,"source":"x","confirmed":"reported","if_match":7}`, geo.Missing, "no-figure"},
		"the key of a unit": {[]string{`feature.create {"key":"figure-injured","kind":"unit","props":{"type":"engine"}}`},
			`figure.set {"name":"injured","value":1,"source":"x","confirmed":"reported"}`, geo.Conflict, "wrong-kind"},
		"nothing to take away":  {nil, `decision.remove {"name":"d"}`, geo.Missing, "no-decision"},
		"no level to take away": {nil, `response.clear {}`, geo.Missing, "no-response"},
		"no such layout":        {nil, `layout.show {"device":"w1","layout":"b"}`, geo.Missing, "no-layout"},
		"a member that is none": {nil, `situation.set {"text":"c","lang":"en","colour":"red"}`, geo.Invalid, "bad-args"},
		"by a generic write":    {nil, `feature.create {"kind":"figure","props":{"value":1}}`, geo.Invalid, "invalid"},
		"taken away and not as seen": {[]string{`decision.set {"name":"d","text":"x"}`, `decision.set {"name":"d","text":"y"}`},
			`decision.remove {"name":"d","if_match":1}`, geo.Stale, "stale"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t, tt.before...)
			_, err := k.do(tt.do)
			var no *geo.Refusal
			if !errors.As(err, &no) || no.Class != tt.class || no.Code != tt.code {
				t.Fatalf("got %v, want %d %s", err, tt.class, tt.code)
			}
			if (no.Class == geo.Stale) != (no.Current != nil) {
				t.Error("a stale write shows what is there now")
			}
		})
	}
}

func TestFactsAreTakenAway(t *testing.T) {
	k := newDesk(t, `situation.set {"text":"a","lang":"en"}`, `response.set {"level":"4","reason":"x"}`,
		`figure.set {"name":"injured","value":1,"source":"x","confirmed":"reported"}`, `decision.set {"name":"d","text":"x"}`,
		`layout.set {"name":"a","area":{"bbox":[1,2,3,4]},"language":"fa"}`)
	k.must(`situation.clear {"reason":"over"}`)
	if k.acts[0].Why != "over" || k.acts[0].Name != "situation.clear" {
		t.Errorf("got the act %+v", k.acts[0])
	}
	k.must(`response.clear {}`)
	k.must(`figure.remove {"name":"injured"}`)
	k.must(`decision.remove {"name":"d","if_match":4}`)
	k.must(`layout.remove {"name":"a"}`)
	if n := k.w.View().Len(""); n != 0 {
		t.Errorf("%d features are left", n)
	}
}

func TestTooManyFacts(t *testing.T) {
	k := newDesk(t)
	for i := range factsMax {
		k.must(fmt.Sprintf(`decision.set {"name":"d%d","text":"x"}`, i))
	}
	var no *geo.Refusal
	if _, err := k.do(`decision.set {"name":"one-more","text":"x"}`); !errors.As(err, &no) || no.Code != "too-many" {
		t.Errorf("got %v, want too-many", err)
	}
	k.must(`decision.set {"name":"d7","text":"one that is there is still written"}`)
}

// Whatever layouts and switches come, a display is on one layout at most.
func TestADisplayIsNeverOnTwoLayouts(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		k := newDesk(t)
		for range 30 {
			devices := []string{}
			for range r.IntN(4) {
				if d := fmt.Sprintf("w%d", r.IntN(4)); !slices.Contains(devices, d) {
					devices = append(devices, d)
				}
			}
			list, _ := json.Marshal(devices)
			name := []string{"a", "b", "c", ""}[r.IntN(4)]
			switch {
			case r.IntN(2) == 0 && name != "":
				k.must(fmt.Sprintf(`layout.set {"name":%q,"area":{"bbox":[1,2,3,4]},"language":"fa","devices":%s}`, name, list))
			default:
				_, _ = k.do(fmt.Sprintf(`layout.show {"device":"w%d","layout":%q}`, r.IntN(4), name)) // refused when it is not there
			}
			on := map[string]string{}
			for f := range k.w.View().All(geo.Layout) {
				for _, d := range f.Props.Texts("devices") {
					if other, twice := on[d]; twice {
						t.Fatalf("seed %d: %s is on %s and %s", seed, d, other, f.Key)
					}
					on[d] = f.Key
				}
			}
			k.now += geo.Millis(time.Second / time.Millisecond)
		}
	}
}

// Arguments from anywhere never break a rule, and what is accepted can be read back.
func FuzzFacts(f *testing.F) {
	names := []string{"situation.set", "response.set", "figure.set", "decision.set", "layout.set", "layout.show", "figure.remove", "situation.clear"}
	f.Add(uint8(0), `{"text":"x","lang":"en"}`)
	f.Add(uint8(2), `{"name":"injured","value":1e400,"source":"x","confirmed":"reported"}`)
	f.Add(uint8(4), `{"name":"a","area":{"bbox":[1,2,3,null]},"panels":null,"language":"fa","dim":{}}`)
	f.Fuzz(func(t *testing.T, which uint8, args string) {
		k := newDesk(t, `layout.set {"name":"a","area":{"bbox":[1,2,3,4]},"language":"fa","devices":["w1"]}`)
		if _, err := k.do(names[int(which)%len(names)] + " " + args); err != nil {
			return
		}
		for x := range k.w.View().All("") {
			if _, err := geo.ParseProps([]byte(x.Props)); x.Props != "" && err != nil {
				t.Fatalf("%s has properties that cannot be read: %v", x.Key, err)
			}
		}
	})
}
