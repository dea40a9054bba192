package publish

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
	"rasad/streams"
)

// town is a world with its rules and its public, without journal or clock.
type town struct {
	t      testing.TB
	world  *geo.World
	policy Policy
	public *World
	now    geo.Millis
	nextID int
	acts   []geo.Act
}

const start = geo.Millis(1_800_000_000_000)

var testPolicy = Policy{
	Ceilings: map[geo.Kind]map[string]Ceiling{
		geo.Incident: {
			"fire":    {Precision: Block, Label: Text{"en": "Fire", "fa": "آتش", "zh": "火灾"}},
			"slow":    {Precision: Block, Delay: 5 * time.Minute, Label: Text{"en": "Slow"}},
			"flood":   {Precision: District, Label: Text{"en": "Flood"}},
			"secret":  {Precision: Hidden, Label: Text{"en": "Something"}},
			"medical": {Never: "medical"},
			"riot":    {Precision: District, Guard: true, Label: Text{"en": "Unrest"}},
		},
		geo.Hazard:  {"smoke": {Precision: Block, Label: Text{"en": "Smoke"}}, "water": {Precision: Exact, Label: Text{"en": "Water"}}},
		geo.Shelter: {"school": {Precision: Exact, Named: true, Label: Text{"en": "School"}}},
		geo.Site:    {"safe_house": {Never: "safe_house"}, "hospital": {Precision: Exact, Named: true, Label: Text{"en": "Hospital"}}},
	},
	Flags:   []string{"minors"},
	Final:   []string{"closed"},
	Rooms:   map[string]string{"open": "open", "limited": "open", "full": "full"},
	Bands:   []int{50, 100, 500},
	OverFor: time.Hour,
}

func newTown(t testing.TB) *town {
	w := &town{t: t, world: geo.NewWorld(), policy: testPolicy, now: start}
	w.public = Open(w.world.View(), WorldOptions{Record: "test"})
	return w
}

// step makes a frame of what do changes, and shows it to the public world.
func (w *town) step(do func(d *geo.Draft) error) error {
	v := w.world.View()
	d := geo.NewDraft(v, v.Seq()+1, w.now)
	if err := d.Try(func() error { return do(d) }); err != nil {
		return err
	}
	delta := d.Delta()
	w.acts = append(w.acts, d.Acts()...)
	w.world.Apply(geo.Moment{Seq: d.Seq(), Time: w.now}, delta)
	w.public.Frame(&streams.Frame{Base: v.Seq(), Seq: d.Seq(), Time: w.now, Delta: delta}, w.world.View())
	return nil
}

func (w *town) do(name string, args any) (Answer, error) {
	w.t.Helper()
	b, raw := args.(json.RawMessage)
	var err error
	if !raw {
		if b, err = json.Marshal(args); err != nil {
			w.t.Fatal(err)
		}
	}
	var a Answer
	err = w.step(func(d *geo.Draft) error {
		v, err := Rules(w.policy)[name](d, geo.Principal{Name: "user:amini"}, b)
		if err == nil {
			a, _ = v.(Answer)
		}
		return err
	})
	return a, err
}

// must publishes, or withdraws, and fails the test when it is refused.
func (w *town) must(name string, args any) Answer {
	w.t.Helper()
	a, err := w.do(name, args)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return a
}

func (w *town) request(kind geo.Kind, key string) Request {
	w.nextID++
	return Request{Source: key, Kind: kind, ID: fmt.Sprintf("test%024d", w.nextID)}
}

// put creates or replaces a source.
func (w *town) put(kind geo.Kind, key string, at geo.LngLat, shape *geo.Shape, props map[string]any) {
	w.t.Helper()
	err := w.step(func(d *geo.Draft) error {
		f := geo.Feature{Key: key, Kind: kind}
		if old, ok := d.Get(key); ok {
			f = *old
		}
		f.Props, f.Shape = f.Props.With(props), shape
		f.Fix = geo.Fix{At: at, Time: w.now, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}
		if f.ID != 0 {
			d.Put(f)
			return nil
		}
		_, err := d.Create(f)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

func (w *town) drop(key string) {
	w.t.Helper()
	if err := w.step(func(d *geo.Draft) error {
		f, _ := d.Get(key)
		d.Drop(f.ID)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// settle gives the commands that the public world asks for.
func (w *town) settle() {
	w.t.Helper()
	w.public.followMu.Lock()
	var keys []string
	for k := range w.public.follow {
		keys = append(keys, k)
	}
	clear(w.public.follow)
	w.public.followMu.Unlock()
	slices.Sort(keys)
	for _, k := range keys {
		if _, err := w.do(FollowName, map[string]string{"publication": k}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// wait lets time go by, with what falls due.
func (w *town) wait(d time.Duration) {
	w.t.Helper()
	until := later(w.now, d)
	for {
		next := w.world.View().NextDue()
		if next == 0 || next > until {
			break
		}
		w.now = max(w.now, next)
		due := w.world.View().Due(w.now)
		if err := w.step(func(d *geo.Draft) error {
			for _, f := range due {
				if err := Due(w.policy)(d, f); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			w.t.Fatal(err)
		}
		if again := w.world.View().NextDue(); again == next {
			w.t.Fatalf("what was due at %d still is", next)
		}
	}
	w.now = until
}

// seen is what the public sees of a source; nil: nothing.
func (w *town) seen(source string) *geo.Feature {
	f, ok := w.world.View().Get(KeyOf(source))
	if !ok {
		return nil
	}
	rec, err := recordOf(f)
	if err != nil {
		w.t.Fatal(err)
	}
	g, _ := w.public.View().Get(rec.PublicID)
	return g
}

// refused is the code of a rule's no; empty: it said yes.
func refused(err error) string {
	var no *geo.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &no):
		return no.Code
	}
	return err.Error()
}

type document struct {
	Type, Epoch, Since, Next, Time string
	V, Base, Seq                   uint64
	Complete, Simulated, Exercise  bool
	Drop                           []string
	Features                       []struct {
		ID         string
		Geometry   json.RawMessage
		Properties json.RawMessage
	}
}

func read(t testing.TB, b []byte) document {
	t.Helper()
	var d document
	dec := json.NewDecoder(strings.NewReader(string(b)))
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return d
}

func near(r *rand.Rand, at geo.LngLat, reach int) geo.LngLat {
	return geo.LngLat{Lng: at.Lng + int32(r.IntN(2*reach+1)-reach), Lat: at.Lat + int32(r.IntN(2*reach+1)-reach)}
}
