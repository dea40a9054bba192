package streams

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rasad/geo"
)

// hubWriter stands in for the sequencer: it makes up changes, applies them and
// publishes them to its hubs.
type hubWriter struct {
	t     testing.TB
	r     *rand.Rand
	world *geo.World
	hubs  []*Hub
	live  uint64
	keep  func(*Frame) // told of every recorded frame; may be nil
}

const (
	hubWorld = "live"
	hubEpoch = "k3v9m2"
)

func newHubWriter(t testing.TB, seed uint64) *hubWriter {
	return &hubWriter{t: t, r: rand.New(rand.NewPCG(seed, 0)), world: geo.NewWorld()}
}

func (w *hubWriter) hub(a Audience) *Hub {
	h := NewHub(w.world, HubOptions{World: hubWorld, Epoch: hubEpoch, Audience: a, Build: "test"})
	w.hubs = append(w.hubs, h)
	return h
}

func (w *hubWriter) fix() geo.Fix {
	return geo.Fix{At: geo.LngLat{Lng: w.r.Int32N(4_000_000), Lat: w.r.Int32N(4_000_000)}, Time: geo.Millis(1 + w.r.IntN(1000)), Heading: uint16(w.r.IntN(360)), Speed: uint16(w.r.IntN(300))}
}

// delta makes up to n changes of each sort over a small number of features, so
// that they collide.
func (w *hubWriter) delta(n int) geo.Delta {
	v := w.world.View()
	seq := v.Seq() + 1
	ids := []geo.ID{}
	for f := range v.All("") {
		ids = append(ids, f.ID)
	}
	w.r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	take := func(most int) []geo.ID {
		k := min(w.r.IntN(most+1), len(ids))
		out := slices.Clone(ids[:k])
		ids = ids[k:]
		slices.Sort(out)
		return out
	}
	var d geo.Delta
	if v.Len("") > 3*n {
		d.Drop = take(n)
	} else if w.r.IntN(4) == 0 {
		d.Drop = take(1)
	}
	for _, id := range take(n / 3) {
		f, _ := v.ByID(id)
		g := *f
		g.Rev, g.Props = seq, geo.Props(fmt.Sprintf(`{"n":%d}`, w.r.IntN(100)))
		if w.r.IntN(2) == 0 {
			g.Fix = w.fix()
		}
		d.Put = append(d.Put, &g)
	}
	next := max(v.NextID(), 1)
	for range w.r.IntN(n/2 + 2) {
		key := fmt.Sprintf("u%d", next)
		if len(d.Drop) > 0 && w.r.IntN(3) == 0 { // a key comes back under another number
			f, _ := v.ByID(d.Drop[0])
			if !slices.ContainsFunc(d.Put, func(g *geo.Feature) bool { return g.Key == f.Key }) {
				key = f.Key
			}
		}
		d.Put = append(d.Put, &geo.Feature{ID: next, Key: key, Kind: geo.Unit, Rev: seq, Fix: w.fix()})
		next++
	}
	for _, id := range take(2 * n) {
		d.Move = append(d.Move, geo.Move{ID: id, Fix: w.fix()})
	}
	return d
}

func (w *hubWriter) write(d geo.Delta) *Frame {
	v := w.world.View()
	f := &Frame{V: FormatVersion, World: hubWorld, Epoch: hubEpoch, Term: 1, Base: v.Seq(), Seq: v.Seq() + 1, Time: max(v.Time(), geo.Millis(time.Now().UnixMilli())), Delta: d,
		Acts: []geo.Act{{Name: "secret of the journal"}}}
	w.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, d)
	f.State = w.world.View().Hash()
	w.live = 0
	if w.keep != nil {
		w.keep(f)
	}
	for _, h := range w.hubs {
		h.Publish(f)
	}
	return f
}

func (w *hubWriter) overlay() {
	v := w.world.View()
	var move []geo.Move
	for f := range v.All("") {
		if w.r.IntN(3) == 0 {
			move = append(move, geo.Move{ID: f.ID, Fix: w.fix()})
		}
	}
	w.live++
	at := geo.Millis(time.Now().UnixMilli())
	w.world.Overlay(w.live, at, move)
	f := &Frame{V: FormatVersion, World: hubWorld, Epoch: hubEpoch, Base: v.Seq(), Seq: v.Seq(), Live: w.live, Time: at, Delta: geo.Delta{Move: move}}
	for _, h := range w.hubs {
		h.Publish(f)
	}
}

func (w *hubWriter) tick(s Status) {
	s.Tick = geo.Millis(time.Now().UnixMilli())
	for _, h := range w.hubs {
		h.Tick(s)
	}
}

// hubScreen is a reader of bytes that follows FORMAT.md to the letter and checks
// every promise that it can see.
type hubScreen struct {
	name    string
	world   *geo.World
	epoch   string
	started bool
	status  Status
	hash    uint64 // as promised last

	keyframes, frames, overlays, beats, skipped int
}

func (s *hubScreen) resume() Resume {
	if !s.started {
		return Resume{}
	}
	return Resume{s.epoch, s.world.View().Seq(), s.world.View().Live()}
}

func (s *hubScreen) take(b []byte) error {
	f, err := ParseFrame(b)
	if err != nil {
		return err
	}
	if f.Status != nil {
		s.status, s.epoch = *f.Status, f.Epoch
		if f.World != hubWorld || f.V != FormatVersion {
			return fmt.Errorf("a header without world or version: %+v", f)
		}
	}
	if len(f.Acts) > 0 || f.Term != 0 || f.Prev != [32]byte{} {
		return fmt.Errorf("frame %d shows what is the journal's", f.Seq)
	}
	if f.Keyframe() {
		if f.Status == nil {
			return fmt.Errorf("keyframe %d without a status", f.Seq)
		}
		s.keyframes++
		s.world, s.started = geo.NewWorld(), true
		s.world.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, 0, nil, nil)
		return s.check(f)
	}
	if !s.started || f.Base > s.world.View().Seq() {
		return fmt.Errorf("frame %d starts at %d, the screen stands at %+v", f.Seq, f.Base, s.resume())
	}
	v := s.world.View()
	switch {
	case f.Overlay():
		s.overlays++
		if f.Seq != v.Seq() || f.Live <= v.Live() {
			return fmt.Errorf("overlay %d of %d, the screen stands at %d of %d", f.Live, f.Seq, v.Live(), v.Seq())
		}
		if f.State != 0 {
			return fmt.Errorf("overlay %d of %d has a hash", f.Live, f.Seq)
		}
		s.world.Overlay(f.Live, f.Time, f.Move)
		return nil
	case f.Heartbeat():
		s.beats++
		if f.Status == nil {
			return fmt.Errorf("heartbeat at %d without a status", f.Seq)
		}
	case f.Seq <= v.Seq():
		s.skipped++
		return nil
	default:
		s.frames++
		s.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
	return s.check(f)
}

func (s *hubScreen) check(f *Frame) error {
	if v := s.world.View(); v.Seq() != f.Seq || v.Hash() != f.State {
		return fmt.Errorf("frame %d (base %d) promises state %016x, the screen has %016x at %d", f.Seq, f.Base, f.State, v.Hash(), v.Seq())
	}
	s.hash = f.State
	return nil
}

// hubText is a reader of JSON: it knows keys only.
type hubText struct {
	seq      uint64
	started  bool
	features map[string]textFeature
}

type textFeature struct {
	Rev      uint64
	Lng, Lat float64
}

func (s *hubText) take(b []byte) error {
	var f struct {
		Base, Seq, Live uint64
		Hash            *string
		Epoch           string
		Drop            []string
		Put             []struct {
			ID       string
			Geometry struct{ Coordinates []float64 }
			Props    struct{ Rev uint64 } `json:"properties"`
		}
		Move [][]any
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("%s: %w", b, err)
	}
	switch {
	case f.Base == 0:
		s.started, s.features = true, map[string]textFeature{}
	case !s.started || f.Base > s.seq:
		return fmt.Errorf("frame %d starts at %d, the client stands at %d", f.Seq, f.Base, s.seq)
	case f.Seq <= s.seq: // heartbeats and overlays: this client shows what is recorded
		return nil
	}
	if f.Hash == nil || len(*f.Hash) != 16 {
		return fmt.Errorf("frame %d without a hash: %s", f.Seq, b)
	}
	s.seq = f.Seq
	for _, key := range f.Drop {
		delete(s.features, key)
	}
	for _, p := range f.Put {
		s.features[p.ID] = textFeature{p.Props.Rev, p.Geometry.Coordinates[0], p.Geometry.Coordinates[1]}
	}
	for _, m := range f.Move {
		if x, ok := s.features[m[0].(string)]; ok {
			s.features[m[0].(string)] = textFeature{x.Rev, m[1].(float64), m[2].(float64)}
		}
	}
	return nil
}

func textOf(v *geo.View) map[string]textFeature {
	out := map[string]textFeature{}
	for f := range v.All("") {
		lng, lat := f.Fix.At.Degrees()
		out[f.Key] = textFeature{f.Rev, lng, lat}
	}
	return out
}

// west is an audience that sees the western half, without contents: features
// come into its sight and leave it by moving.
var west = Audience{Name: "west", Project: func(f *geo.Feature) *geo.Feature {
	if f.Fix.At.Lng >= 2_000_000 {
		return nil
	}
	g := *f
	g.Props = ""
	return &g
}}
