package publish

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/geo"
)

var tehran = geo.LngLat{Lng: 513_890_123, Lat: 356_892_345}

func TestEverythingStartsUnpublished(t *testing.T) {
	w := newTown(t)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	w.put(geo.Shelter, "S1", tehran, nil, map[string]any{"type": "school", "status": "open", "name": "School 5"})
	w.wait(time.Hour)
	if n := w.public.View().Len(""); n != 0 {
		t.Fatalf("%d things are public and nobody published any", n)
	}
	if d := read(t, w.public.Snapshot().Body); len(d.Features) != 0 || d.Seq != 1 {
		t.Errorf("the snapshot is %+v", d)
	}
}

func TestWhatIsAskedAndRefused(t *testing.T) {
	tests := []struct {
		name   string
		kind   geo.Kind
		typ    string
		props  map[string]any
		change func(*Request)
		want   string
	}{
		{name: "a fire may be told", kind: geo.Incident, typ: "fire"},
		{name: "and less finely", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Precision = District }},
		{name: "or without its place", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Precision = Hidden }},
		{name: "not more finely", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Precision = Exact }, want: "too-fine"},
		{name: "not more finely than hidden", kind: geo.Incident, typ: "secret", change: func(r *Request) { r.Precision = District }, want: "too-fine"},
		{name: "medical calls never", kind: geo.Incident, typ: "medical", want: "never-public"},
		{name: "what the policy does not know never", kind: geo.Incident, typ: "new_type", want: "never-public"},
		{name: "what has no type never", kind: geo.Incident, typ: "", want: "never-public"},
		{name: "a fire with minors never", kind: geo.Incident, typ: "fire", props: map[string]any{"minors": true}, want: "never-public"},
		{name: "safe houses never", kind: geo.Site, typ: "safe_house", change: func(r *Request) { r.Confirmed = true }, want: "never-public"},
		{name: "units never", kind: geo.Unit, typ: "engine", want: "never-public"},
		{name: "a sensitive type needs a word", kind: geo.Incident, typ: "riot", want: "confirm-needed"},
		{name: "and has it", kind: geo.Incident, typ: "riot", change: func(r *Request) { r.Confirmed = true }},
		{name: "so does one marked sensitive", kind: geo.Incident, typ: "fire", props: map[string]any{"sensitive": true}, want: "confirm-needed"},
		{name: "a delay may be longer", kind: geo.Incident, typ: "slow", change: func(r *Request) { r.DelayS = new(600) }},
		{name: "not shorter", kind: geo.Incident, typ: "slow", change: func(r *Request) { r.DelayS = new(299) }, want: "too-soon"},
		{name: "nor negative", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.DelayS = new(-1) }, want: "invalid"},
		{name: "nor for ever", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.DelayS = new(1 << 40) }, want: "invalid"},
		{name: "an unknown precision", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Precision = "street" }, want: "invalid"},
		{name: "a text in no language", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Title = Text{"tlh": "x"} }, want: "invalid"},
		{name: "a text too long", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Advice = Text{"fa": strings.Repeat("آ", adviceMax+1)} }, want: "invalid"},
		{name: "a text as long as may be", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Advice = Text{"fa": strings.Repeat("آ", adviceMax)} }},
		{name: "a text with control characters", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Title = Text{"en": "a\x1b[2J"} }, want: "invalid"},
		{name: "an unknown severity", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Severity = "bad" }, want: "invalid"},
		{name: "a severity", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Severity = "severe" }},
		{name: "an end in the past", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.ValidUntil = stamp(start) }, want: "invalid"},
		{name: "an end that is no time", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.ValidUntil = "tomorrow" }, want: "invalid"},
		{name: "a public id that can be guessed", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.ID = "fire1" }, want: "invalid"},
		{name: "of the wrong kind", kind: geo.Hazard, typ: "smoke", change: func(r *Request) { r.Kind = geo.Incident }, want: "no-incident"},
		{name: "that is not there", kind: geo.Incident, typ: "fire", change: func(r *Request) { r.Source = "I2" }, want: "no-incident"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newTown(t)
			props := map[string]any{"type": tt.typ, "status": "open"}
			for k, v := range tt.props {
				props[k] = v
			}
			w.put(tt.kind, "X", tehran, nil, props)
			in := w.request(tt.kind, "X")
			if tt.change != nil {
				tt.change(&in)
			}
			before := w.world.View().Seq()
			_, err := w.do(SetName, in)
			if got := refused(err); got != tt.want {
				t.Fatalf("refused with %q, want %q: %v", got, tt.want, err)
			}
			if tt.want != "" && w.world.View().Seq() != before {
				t.Error("a refusal was recorded")
			}
			// What can be seen before says the same.
			sight, err := Look(testPolicy, w.world.View(), w.now, in)
			switch got := refused(err); {
			case tt.want == "confirm-needed":
				if got != "" || !sight.Guard || sight.Preview == nil {
					t.Errorf("the preview says %q, guard %v", got, sight.Guard)
				}
			case tt.want == "never-public" && tt.kind != geo.Unit:
				if got != "" || sight.Never == "" || sight.Preview != nil {
					t.Errorf("the preview of what is never public says %q, %+v", got, sight)
				}
			case in.ID == "fire1":
			case got != tt.want:
				t.Errorf("the preview is refused with %q, want %q", got, tt.want)
			}
		})
	}
}

func TestATypeThatBecomesUnpublishableGoesAtOnce(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"another type": {"type": "medical"}, "minors": {"minors": true}, "an unknown type": {"type": "new"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "slow", "status": "open"})
			w.must(SetName, w.request(geo.Incident, "I1"))
			w.wait(5 * time.Minute)
			if w.seen("I1") == nil {
				t.Fatal("not public")
			}
			w.put(geo.Incident, "I1", tehran, nil, change)
			if w.seen("I1") != nil {
				t.Error("still public")
			}
		})
	}
}

func TestACoarserTypeIsToldMoreCoarselyAtOnce(t *testing.T) {
	w := newTown(t)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	w.must(SetName, w.request(geo.Incident, "I1"))
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "flood"})
	if got := w.seen("I1"); got == nil || got.Fix.At != CellOf(tehran, District).Point() {
		t.Errorf("it is told by %+v", got)
	}
	// And stays so: the type of before does not bring the place of before.
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire"})
	if got := w.seen("I1"); got == nil || got.Fix.At != CellOf(tehran, District).Point() {
		t.Errorf("it became finer again: %+v", got)
	}
}

func TestDelay(t *testing.T) {
	w := newTown(t)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "slow", "status": "open"})
	if a := w.must(SetName, w.request(geo.Incident, "I1")); a.Status != "scheduled" || a.Shown != nil || a.Next == nil {
		t.Fatalf("the answer is %+v", a)
	}
	w.wait(5*time.Minute - time.Millisecond)
	if w.seen("I1") != nil {
		t.Fatal("public before its delay is over")
	}
	w.wait(time.Millisecond)
	if w.seen("I1") == nil {
		t.Fatal("not public when its delay is over")
	}
	// A change waits as long, and what comes while it waits after it.
	far := geo.LngLat{Lng: tehran.Lng + 1_000_000, Lat: tehran.Lat}
	farther := geo.LngLat{Lng: tehran.Lng + 2_000_000, Lat: tehran.Lat}
	place := func(want geo.LngLat) {
		t.Helper()
		if got, want := w.seen("I1").Fix.At, CellOf(want, Block).Point(); got != want {
			t.Fatalf("it is told by %+v, want %+v", got, want)
		}
	}
	w.put(geo.Incident, "I1", far, nil, nil)
	w.wait(3 * time.Minute)
	w.put(geo.Incident, "I1", farther, nil, nil)
	place(tehran)
	w.wait(2*time.Minute - time.Millisecond)
	place(tehran)
	w.wait(time.Millisecond)
	place(far)
	w.wait(5*time.Minute - time.Millisecond)
	place(far)
	w.wait(time.Millisecond)
	place(farther)
	// A withdrawal does not wait, and takes what waits with it.
	w.put(geo.Incident, "I1", tehran, nil, nil)
	w.must(WithdrawName, map[string]any{"source": "I1", "kind": "incident"})
	if w.seen("I1") != nil {
		t.Fatal("withdrawn and public")
	}
	w.wait(24 * time.Hour)
	if w.seen("I1") != nil {
		t.Fatal("public again after it was withdrawn")
	}
}

func TestTimes(t *testing.T) {
	w := newTown(t)
	w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	in := w.request(geo.Incident, "I1")
	in.ValidUntil = stamp(later(start, time.Hour))
	w.must(SetName, in)
	w.wait(time.Hour - time.Millisecond)
	if w.seen("I1") == nil {
		t.Fatal("gone before its time")
	}
	w.wait(time.Millisecond)
	if w.seen("I1") != nil {
		t.Fatal("its time is over and it is public")
	}
	if a := w.acts[len(w.acts)-1]; a.Name != "publish.expired" {
		t.Errorf("the last act is %s", a.Name)
	}

	w.put(geo.Incident, "I2", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	w.must(SetName, w.request(geo.Incident, "I2"))
	w.put(geo.Incident, "I2", tehran, nil, map[string]any{"status": "closed"})
	if got := w.seen("I2"); got == nil || got.Props.Text("status") != "over" {
		t.Fatalf("a closed incident is %+v", got)
	}
	w.wait(time.Hour - time.Millisecond)
	if w.seen("I2") == nil {
		t.Fatal("what is over went too soon")
	}
	w.wait(time.Millisecond)
	if w.seen("I2") != nil {
		t.Fatal("what is over stays for ever")
	}

	w.put(geo.Incident, "I3", tehran, nil, map[string]any{"type": "fire", "status": "open"})
	w.must(SetName, w.request(geo.Incident, "I3"))
	w.drop("I3")
	if w.seen("I3") != nil {
		t.Fatal("its source is deleted and it is public")
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		props map[string]any
		want  Room
	}{
		{map[string]any{"status": "open", "capacity": 200, "occupancy": 187}, Room{State: "open", From: 101, To: 500}},
		{map[string]any{"status": "limited", "capacity": 50}, Room{State: "open", From: 1, To: 50}},
		{map[string]any{"status": "open", "capacity": 100, "occupancy": 100}, Room{State: "full", From: 51, To: 100}},
		{map[string]any{"status": "full", "capacity": 5000}, Room{State: "full", From: 501}},
		{map[string]any{"status": "damaged"}, Room{State: "closed"}},
		{map[string]any{"status": "open", "counted_at": "2027-01-15T11:30:00.123+03:30"}, Room{State: "open", CountedAt: "2027-01-15T08:00:00Z"}},
	} {
		w := newTown(t)
		props := map[string]any{"type": "school", "name": "School 5", "needs": []string{"water"}}
		for k, v := range c.props {
			props[k] = v
		}
		w.put(geo.Shelter, "S1", tehran, nil, props)
		w.must(SetName, w.request(geo.Shelter, "S1"))
		f := w.seen("S1")
		var got Room
		if err := json.Unmarshal([]byte(f.Props.Raw("room")), &got); err != nil || got != c.want {
			t.Errorf("%v is told as %+v (%v), want %+v", c.props, got, err, c.want)
		}
		if f.Fix.At != tehran || !strings.Contains(f.Props.Raw("title"), "School 5") {
			t.Errorf("a shelter is told as %+v", f)
		}
		if strings.Contains(string(f.Props), "187") || strings.Contains(string(f.Props), "water") {
			t.Errorf("more is told than may be: %s", f.Props)
		}
	}
}

// tell plays the life of one incident for the public: where it is, when it is
// published and withdrawn, and how finely.
type life struct {
	places     []geo.LngLat
	do         []int // what follows each place: nothing, publish, withdraw
	precisions []Precision
}

func randomLife(r *rand.Rand) life {
	var l life
	at := city(r)
	for range 4 + r.IntN(12) {
		switch r.IntN(4) {
		case 0: // a correction within some cells
			at = near(r, at, 60_000)
		case 1: // it wavers
			at = near(r, at, 3_000)
		case 2: // about an edge
			b := CellOf(at, Block).Box()
			at = geo.LngLat{Lng: b.Max.Lng + int32(r.IntN(5)-2), Lat: at.Lat}
		}
		l.places = append(l.places, at)
		l.do = append(l.do, r.IntN(4))
		l.precisions = append(l.precisions, []Precision{"", "", Block, District}[r.IntN(4)])
	}
	return l
}

// tell returns everything that was ever public of a life, in order.
func (l life) tell(t *testing.T, typ string) []string {
	w := newTown(t)
	var said []string
	last := ""
	for i, at := range l.places {
		w.put(geo.Incident, "I1", at, nil, map[string]any{"type": typ, "status": "open"})
		switch l.do[i] {
		case 0, 1:
			in := w.request(geo.Incident, "I1")
			in.Precision = l.precisions[i]
			if _, err := w.do(SetName, in); err != nil && refused(err) != "narrower" {
				t.Fatal(err)
			}
		case 2:
			if w.seen("I1") != nil {
				w.must(WithdrawName, map[string]any{"source": "I1", "kind": "incident"})
			}
		}
		now := "-"
		if f := w.seen("I1"); f != nil {
			now = fmt.Sprint(f.Fix.At, f.Props.Text("precision"), f.Props.Raw("radius_m"))
		}
		if now != last {
			said, last = append(said, now), now
		}
		w.wait(time.Duration(i) * time.Minute)
	}
	return said
}

// The heart of it: whoever saw everything that was ever published of an incident knows
// no more than the cells that it was in. Two lives that pass through the same cells,
// wherever in them, are told word for word alike.
func TestPublishingNeverNarrows(t *testing.T) {
	told := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		l := randomLife(r)
		want := l.tell(t, "fire")
		told += len(want)
		for range 2 {
			other := l
			other.places = nil
			for _, at := range l.places {
				b := CellOf(at, Block).Box()
				other.places = append(other.places, geo.LngLat{
					Lng: b.Min.Lng + int32(r.Int64N(int64(b.Max.Lng)-int64(b.Min.Lng))),
					Lat: b.Min.Lat + int32(r.Int64N(int64(b.Max.Lat)-int64(b.Min.Lat))),
				})
			}
			if got := other.tell(t, "fire"); !slices.Equal(got, want) {
				t.Fatalf("seed %d: two lives in the same cells are told apart:\n%v\n%v", seed, got, want)
			}
		}
	}
	if told < 600 {
		t.Errorf("only %d statements were made", told)
	}
}

// What is published points at the thing: it is within the radius that is told. And
// never at the thing itself, nor off the points of cells.
func TestPlacesAreTrueAndCoarse(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 5))
		l := randomLife(r)
		w := newTown(t)
		finest := Block
		for i, at := range l.places {
			w.put(geo.Incident, "I1", at, nil, map[string]any{"type": "fire", "status": "open"})
			if l.do[i] < 2 {
				in := w.request(geo.Incident, "I1")
				in.Precision = l.precisions[i]
				_, err := w.do(SetName, in)
				if code := refused(err); code != "" && (code != "narrower" || finest != District || in.Precision != Block) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if in.Precision == District {
					finest = District
				}
			}
			f := w.seen("I1")
			if f == nil {
				continue
			}
			p := Precision(f.Props.Text("precision"))
			if p != finest {
				t.Fatalf("seed %d: told to the %s, want %s", seed, p, finest)
			}
			if f.Fix.At != CellOf(f.Fix.At, p).Point() || f.Fix.At == at {
				t.Fatalf("seed %d: %+v is not the point of a %s", seed, f.Fix.At, p)
			}
			radius, _ := f.Props.Number("radius_m")
			if far := geo.Distance(at, f.Fix.At); far > radius {
				t.Fatalf("seed %d: it is %.0f m from where it is told to be, more than the %.0f m that are told", seed, far, radius)
			}
		}
	}
}

// A static incident has one point, however often it is published.
func TestOneIncidentOnePoint(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 6))
		w := newTown(t)
		at := city(r)
		points := map[geo.LngLat]bool{}
		for i := range 20 {
			// As a geocoder would, a little elsewhere each time.
			w.put(geo.Incident, "I1", near(r, at, 6_000), nil, map[string]any{"type": "fire", "status": "open"})
			in := w.request(geo.Incident, "I1")
			w.must(SetName, in)
			points[w.seen("I1").Fix.At] = true
			switch i % 3 {
			case 1:
				w.must(WithdrawName, map[string]any{"source": "I1", "kind": "incident"})
			case 2:
				w.drop("I1") // and created anew under its key
			}
		}
		if len(points) != 1 {
			t.Fatalf("seed %d: %d points were published of one incident", seed, len(points))
		}
	}
}

// Areas: only cells, all that the area touches, and two stories in the same cells are
// told alike.
func TestAreasAreCells(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		at := city(r)
		w := newTown(t)
		var before []Cell
		for i := range 6 {
			s := blob(r, near(r, at, 40_000), Block)
			w.put(geo.Hazard, "H1", s.Inside(), s, map[string]any{"type": "smoke"})
			if i == 0 {
				w.must(SetName, w.request(geo.Hazard, "H1"))
			}
			f := w.seen("H1")
			now, _ := cellsOf(s, Block)
			want := outline(follow(before, now))
			before = follow(before, now)
			if !slices.Equal(f.Shape.Points, want.Points) || f.Fix.At != want.Inside() {
				t.Fatalf("seed %d: the area is not that of its cells", seed)
			}
			for _, p := range s.Points[:len(s.Points)-1] {
				if !slices.Contains(before, CellOf(p, Block)) {
					t.Fatalf("seed %d: a corner of the area is not told", seed)
				}
				if slices.Contains(f.Shape.Points, p) {
					t.Fatalf("seed %d: a corner of the area is told as it is", seed)
				}
			}
			for _, c := range before {
				if !slices.ContainsFunc(now, c.near) {
					t.Fatalf("seed %d: a cell is told that is far from the area", seed)
				}
			}
		}
	}
}

func TestAnExactAreaIsAsItIs(t *testing.T) {
	w := newTown(t)
	r := rand.New(rand.NewPCG(1, 1))
	s := blob(r, tehran, District)
	w.put(geo.Hazard, "H1", s.Inside(), s, map[string]any{"type": "water", "valid_to": stamp(later(start, time.Hour))})
	w.must(SetName, w.request(geo.Hazard, "H1"))
	f := w.seen("H1")
	if !slices.Equal(f.Shape.Points, s.Points) || f.Props.Text("precision") != "exact" || f.Props.Text("valid_until") == "" {
		t.Errorf("told as %+v", f)
	}
	// One of thousands of points is told by blocks: a record has its limits.
	long := &geo.Shape{Type: geo.LineString}
	for i := range exactPointsMax + 1 {
		long.Points = append(long.Points, geo.LngLat{Lng: tehran.Lng + int32(i*10), Lat: tehran.Lat + int32(i%7)})
	}
	long.Ends = []uint32{uint32(len(long.Points))}
	w.put(geo.Hazard, "H2", long.Inside(), long, map[string]any{"type": "water"})
	w.must(SetName, w.request(geo.Hazard, "H2"))
	if f := w.seen("H2"); f.Props.Text("precision") != "block" || len(f.Shape.Points) > 20 {
		t.Errorf("told as %s by %d points", f.Props.Text("precision"), len(f.Shape.Points))
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"source":"I1","kind":"incident","id":"test0000000000000000000001","precision":"block","delay_s":10,"title":{"fa":"آتش"},"valid_until":"2027-01-15T11:30:00Z"}`))
	f.Add([]byte(`{"source":"H1","kind":"hazard","id":"test0000000000000000000001","confirmed":true}`))
	f.Add([]byte(`{"source":"publication:x","kind":"publication"}`))
	f.Add([]byte(`{"source":"I1","kind":"incident","delay_s":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, args []byte) {
		w := newTown(t)
		w.put(geo.Incident, "I1", tehran, nil, map[string]any{"type": "fire", "status": "open"})
		s := blob(rand.New(rand.NewPCG(1, 2)), tehran, Block)
		w.put(geo.Hazard, "H1", s.Inside(), s, map[string]any{"type": "smoke"})
		for range 2 {
			_, err := w.do(SetName, json.RawMessage(args))
			if err != nil && refused(err) == err.Error() {
				t.Fatalf("refused without a code: %v", err)
			}
			if _, err := w.do(WithdrawName, json.RawMessage(args)); err != nil && refused(err) == err.Error() {
				t.Fatalf("refused without a code: %v", err)
			}
		}
		w.wait(time.Hour)
		for g := range w.public.View().All("") {
			if !json.Valid([]byte(g.Props)) || g.Fix.At == tehran {
				t.Fatalf("published %+v", g)
			}
		}
	})
}
