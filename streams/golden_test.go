package streams

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"rasad/geo"
)

var updateGolden = flag.Bool("update", false, "write the golden vectors of this version anew")

const goldenDir = "../fixtures/golden"

// goldenIndex is index.json of a version's vectors.
type goldenIndex struct {
	About string `json:"about"`
	// Story frames are applied one after another, from nothing.
	Story []goldenStep `json:"story"`
	// Single frames stand alone.
	Single []string `json:"single"`
	// Journal frames form a chain: each names the SHA-256 of the one before.
	Journal []string `json:"journal"`
	// Broken bytes are refused: "format" or "newer".
	Broken map[string]string `json:"broken"`
	// Mix is the hash of single features.
	Mix []goldenMix `json:"mix"`
}

// goldenStep is a frame of the story and what a reader holds after it.
type goldenStep struct {
	Name string `json:"name"`
	Hash string `json:"hash"` // state hash, 16 hexadecimal digits
	Seq  uint64 `json:"seq"`
	Live uint64 `json:"live"`
	// Count is how many features there are. Recorded is those of them below 5000
	// or from 100,000 on in ID order with their recorded fix (the hash vouches for the
	// rest); Shown holds the fixes that an overlay shows instead.
	Count    int         `json:"count"`
	Recorded []goldenRow `json:"recorded"`
	Shown    []goldenRow `json:"shown"`
}

// goldenRow is a feature's id, rev and fix, in the integers of the hash.
type goldenRow struct {
	ID       geo.ID     `json:"id"`
	Rev      uint64     `json:"rev"`
	Lng      int32      `json:"lng"`
	Lat      int32      `json:"lat"`
	Time     geo.Millis `json:"time"`
	Heading  uint16     `json:"heading"`
	Speed    uint16     `json:"speed"`
	Accuracy uint16     `json:"accuracy"`
	Flags    uint16     `json:"flags"`
}

type goldenMix struct {
	goldenRow
	Mix string `json:"mix"`
}

func rowOf(id geo.ID, rev uint64, x geo.Fix) goldenRow {
	return goldenRow{id, rev, x.At.Lng, x.At.Lat, x.Time, x.Heading, x.Speed, x.Accuracy, uint16(x.Flags)}
}

// goldenFrame is a frame as plain JSON: 64-bit values that need all their bits
// in hexadecimal or decimal text, bytes in hexadecimal.
type goldenFrame struct {
	SHA256  string          `json:"sha256"` // of the bytes of the vector
	V       uint32          `json:"v"`
	World   string          `json:"world"`
	Epoch   string          `json:"epoch"`
	Term    string          `json:"term"`
	Base    uint64          `json:"base"`
	Seq     uint64          `json:"seq"`
	Live    uint64          `json:"live"`
	Time    geo.Millis      `json:"time"`
	Prev    string          `json:"prev"`
	State   string          `json:"state"`
	NextID  geo.ID          `json:"next_id"`
	Drop    []geo.ID        `json:"drop"`
	Put     []goldenFeature `json:"put"`
	Move    []goldenRow     `json:"move"` // rev is 0: a move has none
	Acts    []goldenAct     `json:"acts"`
	Changed []uint64        `json:"changed"`
	Tombs   []goldenTomb    `json:"tombs"`
	Status  *goldenStatus   `json:"status"`
	Extra   string          `json:"extra"`
}

type goldenFeature struct {
	goldenRow
	Key    string         `json:"key"`
	Kind   string         `json:"kind"`
	Due    geo.Millis     `json:"due"`
	Props  string         `json:"props"`
	Shape  *goldenShape   `json:"shape"`
	Sealed []goldenSealed `json:"sealed"`
	Extra  string         `json:"extra"`
}

type goldenShape struct {
	Type  uint8    `json:"type"`
	Lng   []int32  `json:"lng"`
	Lat   []int32  `json:"lat"`
	Ends  []uint32 `json:"ends"`
	Parts []uint32 `json:"parts"`
}

type goldenSealed struct {
	Name  string `json:"name"`
	KeyID string `json:"key_id"`
	Box   string `json:"box"`
}

type goldenAct struct {
	At       geo.Millis `json:"at"`
	Name     string     `json:"name"`
	By       string     `json:"by"`
	Role     string     `json:"role"`
	From     string     `json:"from"`
	Why      string     `json:"why"`
	Subjects []string   `json:"subjects"`
	Args     string     `json:"args"`
	Key      string     `json:"key"`
	Digest   string     `json:"digest"`
	Answer   string     `json:"answer"`
	Extra    string     `json:"extra"`
}

type goldenTomb struct {
	ID  geo.ID `json:"id"`
	Key string `json:"key"`
	Seq uint64 `json:"seq"`
}

type goldenStatus struct {
	Mode      string     `json:"mode"`
	Exercise  bool       `json:"exercise"`
	Recording bool       `json:"recording"`
	Build     string     `json:"build"`
	Tick      geo.Millis `json:"tick"`
	Audience  string     `json:"audience"`
	Clock     geo.Millis `json:"clock"`
	Echo      uint32     `json:"echo"`
	Speed     float64    `json:"speed"`
	Simulated bool       `json:"simulated"`
}

func describe(f *Frame, bin []byte) goldenFrame {
	sum := sha256.Sum256(bin)
	g := goldenFrame{
		SHA256: hex.EncodeToString(sum[:]),
		V:      f.V, World: f.World, Epoch: f.Epoch, Term: strconv.FormatUint(f.Term, 10), Base: f.Base, Seq: f.Seq, Live: f.Live, Time: f.Time,
		State: fmt.Sprintf("%016x", f.State), NextID: f.NextID, Extra: hex.EncodeToString([]byte(f.Extra)),
		Drop: append([]geo.ID{}, f.Drop...), Put: []goldenFeature{}, Move: []goldenRow{}, Acts: []goldenAct{}, Changed: append([]uint64{}, f.Changed...), Tombs: []goldenTomb{},
	}
	if f.Prev != [32]byte{} {
		g.Prev = hex.EncodeToString(f.Prev[:])
	}
	for _, p := range f.Put {
		h := goldenFeature{goldenRow: rowOf(p.ID, p.Rev, p.Fix), Key: p.Key, Kind: string(p.Kind), Due: p.Due, Props: string(p.Props), Sealed: []goldenSealed{}, Extra: hex.EncodeToString([]byte(p.Extra))}
		if s := p.Shape; s != nil {
			h.Shape = &goldenShape{Type: uint8(s.Type), Lng: []int32{}, Lat: []int32{}, Ends: append([]uint32{}, s.Ends...), Parts: append([]uint32{}, s.Parts...)}
			for _, at := range s.Points {
				h.Shape.Lng, h.Shape.Lat = append(h.Shape.Lng, at.Lng), append(h.Shape.Lat, at.Lat)
			}
		}
		for _, s := range p.Sealed {
			h.Sealed = append(h.Sealed, goldenSealed{s.Name, s.KeyID, hex.EncodeToString(s.Box)})
		}
		g.Put = append(g.Put, h)
	}
	for _, m := range f.Move {
		g.Move = append(g.Move, rowOf(m.ID, 0, m.Fix))
	}
	for _, a := range f.Acts {
		g.Acts = append(g.Acts, goldenAct{a.At, a.Name, a.By.Name, a.By.Role, a.By.From, a.Why, append([]string{}, a.Subjects...),
			hex.EncodeToString(a.Args), a.Key, hex.EncodeToString(a.Digest), hex.EncodeToString(a.Answer), hex.EncodeToString([]byte(a.Extra))})
	}
	for _, x := range f.Tombs {
		g.Tombs = append(g.Tombs, goldenTomb(x))
	}
	if s := f.Status; s != nil {
		g.Status = &goldenStatus{s.Mode, s.Exercise, s.Recording, s.Build, s.Tick, s.Audience, s.Clock, s.Echo, s.Speed, s.Simulated}
	}
	return g
}

// goldenSource is everything that -update writes.
type goldenSource struct {
	story, single, journal []namedFrame
	broken                 []namedBytes
}

type namedFrame struct {
	name  string
	frame *Frame
}

type namedBytes struct {
	name, why string
	b         []byte
}

func goldenVectors() goldenSource {
	const t0 = geo.Millis(1_795_340_460_120) // 2026-11-22T09:41:00.120Z
	unknown := geo.Fix{Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}
	fix := func(lng, lat int32, at geo.Millis, heading, speed, accuracy uint16, flags geo.FixFlags) geo.Fix {
		return geo.Fix{At: geo.LngLat{Lng: lng, Lat: lat}, Time: at, Heading: heading, Speed: speed, Accuracy: accuracy, Flags: flags}
	}
	status := &Status{Mode: "live", Recording: true, Build: "1.0.0", Tick: t0 - 2, Audience: "ops", Clock: t0 + 11, Simulated: true}
	ring := []geo.LngLat{{Lng: -755_500_000, Lat: 397_400_000}, {Lng: -755_400_000, Lat: 397_400_000}, {Lng: -755_400_000, Lat: 397_500_000}, {Lng: -755_500_000, Lat: 397_500_000}, {Lng: -755_500_000, Lat: 397_400_000}}
	hole := []geo.LngLat{{Lng: -755_480_000, Lat: 397_420_000}, {Lng: -755_480_000, Lat: 397_480_000}, {Lng: -755_420_000, Lat: 397_480_000}, {Lng: -755_420_000, Lat: 397_420_000}, {Lng: -755_480_000, Lat: 397_420_000}}
	features := []*geo.Feature{
		{ID: 1, Key: "E7", Kind: geo.Unit, Rev: 1040, Fix: fix(-755_466_000, 397_447_000, t0-320, 182, 114, 8, 0), Props: `{"agency":"fire","name":"Engine 7","status":"available","type":"engine"}`},
		{ID: 2, Key: "M2", Kind: geo.Unit, Rev: 7, Fix: fix(-755_470_001, 397_440_009, t0-1120, geo.HeadingUnknown, geo.SpeedUnknown, 0, 0), Props: `{"name":"Medic 2"}`},
		{ID: 3, Key: "inc-0001", Kind: geo.Incident, Rev: 1041, Due: t0 + 60_000, Fix: fix(-755_450_000, 397_450_000, t0, geo.HeadingUnknown, geo.SpeedUnknown, 0, geo.FixManual), Props: `{"priority":1,"type":"structure_fire"}`,
			Sealed: []geo.Sealed{{Name: "caller", KeyID: "k-42", Box: []byte{0, 1, 2, 0xfe, 0xff}}, {Name: "patient", KeyID: "k-43", Box: []byte("box")}}},
		{ID: 4, Key: "line", Kind: geo.Hazard, Rev: 12, Fix: fix(-755_450_000, 397_450_000, t0, 511, 0xFFFF, 0, 0), Shape: &geo.Shape{Type: geo.LineString, Points: ring[:3]}},
		{ID: 5, Key: "lines", Kind: geo.Hazard, Rev: 12, Fix: unknown, Shape: &geo.Shape{Type: geo.MultiLineString, Points: ring[:4], Ends: []uint32{2, 4}}},
		{ID: 6, Key: "points", Kind: geo.Site, Rev: 12, Fix: unknown, Shape: &geo.Shape{Type: geo.MultiPoint, Points: ring[:2]}},
		{ID: 7, Key: "zone", Kind: geo.Zone, Rev: 12, Fix: unknown, Shape: &geo.Shape{Type: geo.Polygon, Points: slices.Concat(ring, hole), Ends: []uint32{5, 10}}},
		{ID: 8, Key: "zones", Kind: geo.Zone, Rev: 12, Fix: unknown, Shape: &geo.Shape{Type: geo.MultiPolygon, Points: slices.Concat(ring, hole, ring), Ends: []uint32{5, 10, 15}, Parts: []uint32{2, 3}}},
		{ID: 9, Key: "یگان-۷", Kind: geo.Unit, Rev: 13, Fix: fix(513_890_000, 356_892_000, t0-5, 0, 0, 4, 0), Props: "{\"name\":\"آتش\u200cنشانی ۷\",\"note\":\"«نقل قول» \\\"ok\\\" \\\\ 🚒\"}"},
		{ID: 10, Key: "消防-7", Kind: geo.Unit, Rev: 13, Fix: fix(1_163_974_280, 399_092_000, t0-7, 359, 1, 15, geo.FixClock), Props: `{"name":"消防车七号"}`},
		{ID: 4000, Key: "plan-1", Kind: "plan", Rev: 14, Fix: geo.Fix{}, Props: `{"nested":{"a":[1,2.5,-3e-7,null,true,false,"x"],"b":{}}}`},
		{ID: 4001, Key: "bare", Kind: geo.Alarm, Rev: 15, Fix: unknown},
	}
	moves := []geo.Move{
		{ID: 1, Fix: fix(-755_466_123, 397_447_456, t0+800, 183, 118, 6, 0)},
		{ID: 2, Fix: fix(-755_470_002, 397_440_010, t0+880, 0, 0, 0, geo.FixJump)},
		{ID: 9, Fix: fix(513_890_100, 356_892_100, t0+1000, geo.HeadingUnknown, 7, 4, 0)},
		{ID: 10, Fix: fix(1_163_974_180, 399_091_900, t0+999, 359, geo.SpeedUnknown, 65535, geo.FixClock|geo.FixManual)},
		{ID: 77777, Fix: fix(1, 1, t0, 1, 1, 1, 0)}, // nobody: no error and no change
	}
	moved := *features[0]
	moved.Rev, moved.Fix, moved.Props = 1043, fix(-755_466_200, 397_447_500, t0+1500, 184, 120, 6, 0), `{"agency":"fire","name":"Engine 7","status":"dispatched","type":"engine"}`
	many := make([]geo.Move, 0, 300)
	var manyPut []*geo.Feature
	for i := range 300 {
		id := geo.ID(5000 + 3*i)
		manyPut = append(manyPut, &geo.Feature{ID: id, Key: fmt.Sprintf("u%d", i), Kind: geo.Unit, Rev: 1046, Fix: unknown})
		many = append(many, geo.Move{ID: id, Fix: fix(-755_000_000+int32(i*i*37%3_999_999), 397_000_000+int32(i*7919%2_699_999), t0+geo.Millis(i*617%1000), uint16(i%360), uint16(i%250), uint16(i%30), 0)})
	}
	whole := make([]geo.Move, 0, 5)
	for i := range 5 {
		whole = append(whole, geo.Move{ID: geo.ID(5000 + 3*i), Fix: fix(-755_000_000, 397_000_000, 1_795_340_470_000+geo.Millis(i*1000), 90, 100, 5, 0)})
	}
	const maxSafe = 1<<53 - 1
	extreme := []*geo.Feature{
		{ID: 100_001, Key: string(bytes.Repeat([]byte("k"), geo.KeyMax)), Kind: geo.Unit, Rev: maxSafe, Due: 253_402_300_799_999, Fix: fix(geo.LngMax, geo.LatMax, 253_402_300_799_999, 359, 65534, 65535, 65535)},
		{ID: 100_000, Key: "low", Kind: geo.Unit, Rev: 1 << 32, Fix: fix(-geo.LngMax, -geo.LatMax, -62_135_596_800_000, 0, 0, 0, 0)},
	}
	slices.Reverse(extreme)
	extremeMoves := []geo.Move{
		{ID: 100_000, Fix: fix(geo.LngMax, -geo.LatMax, 253_402_300_799_999, 511, 65535, 0, 0)},
		{ID: 100_001, Fix: fix(-geo.LngMax, geo.LatMax, -1, 0, 65534, 65535, 65535)},
	}

	// The story: a reader starts with a keyframe and follows. States come from
	// the world itself.
	w := geo.NewWorld()
	step := func(f *Frame) *Frame {
		f.V, f.World, f.Epoch = 1, "live", "k3v9m2"
		switch {
		case f.Live > 0:
		case f.Keyframe():
			w = geo.NewWorld()
			fallthrough
		default:
			if f.Seq > w.View().Seq() {
				w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
			}
			f.State = w.View().Hash()
		}
		return f
	}
	src := goldenSource{story: []namedFrame{
		{"01-keyframe", step(&Frame{Seq: 1041, Time: t0, Delta: geo.Delta{Put: features}, Status: status})},
		{"02-moves", step(&Frame{Base: 1041, Seq: 1042, Time: t0 + 1000, Delta: geo.Delta{Move: moves}})},
		{"03-heartbeat", step(&Frame{Base: 1042, Seq: 1042, Time: t0 + 1000, Status: &Status{Mode: "live", Recording: true, Build: "1.0.0", Tick: t0 + 1950, Audience: "ops", Clock: t0 + 2000, Echo: 4_294_967_295, Simulated: true}})},
		{"04-drop-put-move", step(&Frame{Base: 1042, Seq: 1043, Time: t0 + 1500, Delta: geo.Delta{Drop: []geo.ID{2, 6, 4000, 99999}, Put: []*geo.Feature{&moved}, Move: moves[2:4]}})},
		{"05-overlay-1", step(&Frame{Base: 1043, Seq: 1043, Live: 1, Time: t0 + 2000, Delta: geo.Delta{Move: []geo.Move{{ID: 1, Fix: fix(-755_466_300, 397_447_600, t0+1950, 185, 121, 5, 0)}, {ID: 9, Fix: fix(513_890_200, 356_892_200, t0+1960, 1, 7, 4, 0)}}}})},
		{"06-overlay-2", step(&Frame{Base: 1043, Seq: 1043, Live: 2, Time: t0 + 2050, Delta: geo.Delta{Move: []geo.Move{{ID: 1, Fix: fix(-755_466_400, 397_447_700, t0+2040, 186, 122, 5, 0)}}}})},
		{"07-heartbeat-not-recording", step(&Frame{Base: 1043, Seq: 1043, Time: t0 + 1500, Status: &Status{Mode: "live", Build: "1.0.0", Tick: t0 + 2050, Audience: "ops", Clock: t0 + 2060, Simulated: true}})},
		{"08-recorded-again", step(&Frame{Base: 1043, Seq: 1044, Time: t0 + 3000, Delta: geo.Delta{Move: []geo.Move{{ID: 1, Fix: fix(-755_466_500, 397_447_800, t0+2990, 187, 123, 5, 0)}}}})},
		{"09-nothing-changed", step(&Frame{Base: 1044, Seq: 1045, Time: t0 + 4000})},
		{"10-many-put", step(&Frame{Base: 1045, Seq: 1046, Time: t0 + 5000, Delta: geo.Delta{Put: manyPut}})},
		{"11-many-moves", step(&Frame{Base: 1040, Seq: 1047, Time: t0 + 6000, Delta: geo.Delta{Move: many}})},
		{"12-whole-seconds", step(&Frame{Base: 1047, Seq: 1048, Time: 1_795_340_475_000, Delta: geo.Delta{Move: whole}})},
		{"13-key-comes-back", step(&Frame{Base: 1042, Seq: 1049, Time: 1_795_340_475_050, Delta: geo.Delta{Drop: []geo.ID{2, 6, 4000}, Put: []*geo.Feature{{ID: 9000, Key: "M2", Kind: geo.Unit, Rev: 1049, Fix: unknown}}}})},
		{"14-extremes", step(&Frame{Base: 1049, Seq: maxSafe - 1, Time: 253_402_300_799_998, Delta: geo.Delta{Put: extreme}})},
		{"15-extreme-moves", step(&Frame{Base: maxSafe - 1, Seq: maxSafe, Time: 253_402_300_799_999, Delta: geo.Delta{Move: extremeMoves}})},
		{"16-keyframe-empty", step(&Frame{Seq: 5, Time: t0, Status: status})},
		{"17-replay", step(&Frame{Seq: 6, Time: t0, Delta: geo.Delta{Put: features[:2]}, Status: &Status{Mode: "replay", Exercise: true, Recording: true, Build: "1.0.0", Tick: t0, Audience: "brief", Clock: t0 + 86_400_000, Speed: 0.5}})},
	}}
	head := func(f *Frame) *Frame { f.V, f.World, f.Epoch = 1, "live", "k3v9m2"; return f }
	newer := *features[0]
	newer.Extra = string(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "later"))
	src.single = []namedFrame{
		{"keyframe-file", head(&Frame{Term: 3, Seq: 1041, Time: t0, State: 0xfedcba9876543210, NextID: 4002, Delta: geo.Delta{Put: features[:3]}, Changed: []uint64{1041, 900, 1041},
			Tombs: []geo.Tomb{{ID: 40, Seq: 12, Key: "E9"}, {ID: 41, Seq: 1000, Key: "یگان"}}})},
		{"unknown-fields", head(&Frame{Base: 1, Seq: 2, Time: t0, Delta: geo.Delta{Put: []*geo.Feature{&newer}}, Acts: []geo.Act{{At: t0, Name: "later", Extra: newer.Extra}},
			Extra: string(protowire.AppendVarint(protowire.AppendTag([]byte(newer.Extra), 100, protowire.VarintType), 1<<63))})},
		{"one-move", head(&Frame{Base: 1, Seq: 2, Time: t0, State: 1, Delta: geo.Delta{Move: moves[:1]}})},
		{"extreme-ids", head(&Frame{Base: 1, Seq: 2, Time: t0, State: 1<<64 - 1, Delta: geo.Delta{Drop: []geo.ID{1, 1<<32 - 3}, Put: []*geo.Feature{{ID: 1<<32 - 2, Key: "last", Kind: geo.Unit, Rev: 2, Fix: extreme[1].Fix}},
			Move: []geo.Move{{ID: 1, Fix: extreme[0].Fix}, {ID: 1<<32 - 1, Fix: extreme[1].Fix}}}})},
		{"equal-moves", head(&Frame{Base: 1, Seq: 2, Time: t0, State: 1, Delta: geo.Delta{Move: []geo.Move{{ID: 1, Fix: whole[0].Fix}, {ID: 2, Fix: whole[0].Fix}, {ID: 3, Fix: whole[0].Fix}}}})},
	}
	acts := []geo.Act{
		{At: t0, Name: "incident.assign", By: geo.Principal{Name: "dispatcher:amini", Role: "dispatcher", From: "192.0.2.7"}, Why: "نزدیک\u200cترین", Subjects: []string{"inc-0001", "E7", ""},
			Args: []byte(`{"units":["E7"]}`), Key: "0193f0", Digest: []byte{0xde, 0xad}, Answer: []byte(`{"seq":2}`)},
		{At: t0 + 1, Name: "fix.late"},
	}
	var prev [32]byte
	for i, f := range []*Frame{
		{Term: 1, Seq: 1, Time: t0},
		{Term: 1, Base: 1, Seq: 2, Time: t0 + 50, Delta: geo.Delta{Put: features[:1]}, Acts: acts, State: geo.Mix(1, 1040, features[0].Fix)},
		{Term: 2, Base: 2, Seq: 3, Time: t0 + 100, Delta: geo.Delta{Move: moves[:1]}, State: geo.Mix(1, 1040, moves[0].Fix)},
	} {
		f.Prev = prev
		prev = sha256.Sum256(head(f).Encode())
		src.journal = append(src.journal, namedFrame{fmt.Sprintf("journal-%d", i+1), f})
	}
	good := src.story[1].frame.Encode()
	src.broken = []namedBytes{
		{"broken-cut", "format", good[:len(good)-1]},
		{"broken-tag", "format", []byte{0x07}},
		{"broken-wire-type", "format", []byte{0x2a, 0x00}},
		{"broken-no-id", "format", []byte{0xaa, 0x01, 0x03, 0x12, 0x01, 'x'}},
		{"broken-props", "format", []byte{0xaa, 0x01, 0x05, 0x08, 0x01, 0x6a, 0x01, '{'}},
		{"broken-columns", "format", []byte{0xb2, 0x01, 0x04, 0x08, 0x01, 0x12, 0x00}},
		{"broken-many-from-few", "format", []byte{0xb2, 0x01, 0x0f, 0x08, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x12, 0x08, 2, 0, 0, 0, 0, 0, 0, 0}[:18]},
		{"broken-drop-twice", "format", []byte{0xa2, 0x01, 0x02, 0x05, 0x00}},
		{"newer", "newer", []byte{0x08, 0x02, 0xff, 0xff}},
	}
	return src
}

func TestGoldenUpdate(t *testing.T) {
	src := goldenVectors()
	dir := filepath.Join(goldenDir, fmt.Sprintf("v%d", FormatVersion))
	idx := goldenIndex{About: "Frames and what a reader must find in them; see streams/FORMAT.md. Written by go test ./streams -run TestGoldenUpdate -update.", Broken: map[string]string{}}
	want := map[string][]byte{}
	add := func(n namedFrame) {
		b := n.frame.Encode()
		parsed, err := ParseFrame(b)
		if err != nil {
			t.Fatalf("%s: %v", n.name, err)
		}
		want[n.name+".bin"] = b
		want[n.name+".json"] = goldenJSON(t, describe(parsed, b))
	}
	r := newGoldenReader()
	for _, n := range src.story {
		add(n)
		idx.Story = append(idx.Story, r.apply(n.name, n.frame))
	}
	for _, n := range src.single {
		add(n)
		idx.Single = append(idx.Single, n.name)
	}
	for _, n := range src.journal {
		add(n)
		idx.Journal = append(idx.Journal, n.name)
	}
	for _, n := range src.broken {
		want[n.name+".bin"] = n.b
		idx.Broken[n.name] = n.why
	}
	for _, s := range idx.Story[:15] {
		for _, row := range s.Recorded {
			if m := (goldenMix{row, fmt.Sprintf("%016x", geo.Mix(row.ID, row.Rev, row.fix()))}); !slices.Contains(idx.Mix, m) {
				idx.Mix = append(idx.Mix, m)
			}
		}
	}
	want["index.json"] = goldenJSON(t, idx)
	if *updateGolden {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range want {
		path := filepath.Join(dir, name)
		if *updateGolden {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, b) {
			t.Errorf("%s is not what this code writes; the format of a released version must not change", path)
		}
	}
}

func goldenJSON(t *testing.T, v any) []byte {
	t.Helper()
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (r goldenRow) fix() geo.Fix {
	return geo.Fix{At: geo.LngLat{Lng: r.Lng, Lat: r.Lat}, Time: r.Time, Heading: r.Heading, Speed: r.Speed, Accuracy: r.Accuracy, Flags: geo.FixFlags(r.Flags)}
}

// goldenReader follows frames as FORMAT.md says, without package geo's world:
// it is how a program in another language would be written.
type goldenReader struct {
	started   bool
	seq, live uint64
	rows      map[geo.ID]goldenRow
	shown     map[geo.ID]goldenRow
}

func newGoldenReader() *goldenReader { return &goldenReader{} }

func (r *goldenReader) apply(name string, f *Frame) goldenStep {
	switch {
	case f.Base == 0:
		r.started, r.seq, r.live, r.rows, r.shown = true, f.Seq, 0, map[geo.ID]goldenRow{}, map[geo.ID]goldenRow{}
		r.take(f)
	case !r.started || f.Base > r.seq:
		panic("a frame is missing in the story")
	case f.Live > 0 && f.Seq == r.seq:
		if f.Live > r.live {
			r.live = f.Live
			for _, m := range f.Move {
				if old, ok := r.rows[m.ID]; ok {
					r.shown[m.ID] = rowOf(m.ID, old.Rev, m.Fix)
				}
			}
		}
	case f.Seq > r.seq:
		r.seq, r.live, r.shown = f.Seq, 0, map[geo.ID]goldenRow{}
		r.take(f)
	}
	var hash uint64
	for _, row := range r.rows {
		hash += geo.Mix(row.ID, row.Rev, row.fix())
	}
	return goldenStep{name, fmt.Sprintf("%016x", hash), r.seq, r.live, len(r.rows), sortedRows(r.rows), sortedRows(r.shown)}
}

func (r *goldenReader) take(f *Frame) {
	for _, id := range f.Drop {
		delete(r.rows, id)
	}
	for _, p := range f.Put {
		r.rows[p.ID] = rowOf(p.ID, p.Rev, p.Fix)
	}
	for _, m := range f.Move {
		if old, ok := r.rows[m.ID]; ok {
			r.rows[m.ID] = rowOf(m.ID, old.Rev, m.Fix)
		}
	}
}

func sortedRows(m map[geo.ID]goldenRow) []goldenRow {
	out := []goldenRow{}
	for _, row := range m {
		if row.ID < 5000 || row.ID >= 100_000 {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b goldenRow) int { return int(int64(a.ID) - int64(b.ID)) })
	return out
}

// Vectors of every version that was ever released stay readable.
func TestGoldenVectorsStayReadable(t *testing.T) {
	versions, err := filepath.Glob(filepath.Join(goldenDir, "v*"))
	if err != nil || len(versions) < FormatVersion {
		t.Fatalf("found %d versions of vectors in %s, want at least %d (%v)", len(versions), goldenDir, FormatVersion, err)
	}
	for _, dir := range versions {
		t.Run(filepath.Base(dir), func(t *testing.T) { testGoldenVersion(t, dir) })
	}
}

func testGoldenVersion(t *testing.T, dir string) {
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var idx goldenIndex
	if err := json.Unmarshal(read("index.json"), &idx); err != nil {
		t.Fatal(err)
	}
	check := func(name string) (*Frame, []byte) {
		t.Helper()
		b := read(name + ".bin")
		f, err := ParseFrame(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want goldenFrame
		if err := json.Unmarshal(read(name+".json"), &want); err != nil {
			t.Fatal(err)
		}
		if got := describe(f, b); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if !bytes.Equal(f.Encode(), b) {
			t.Errorf("%s: encoded again it has other bytes", name)
		}
		witness(t, name, f, b)
		return f, b
	}

	w, r := geo.NewWorld(), newGoldenReader()
	for _, want := range idx.Story {
		f, _ := check(want.Name)
		if got := r.apply(want.Name, f); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: a reader holds %+v, want %+v", want.Name, got, want)
		}
		if f.Live > 0 {
			w.Overlay(f.Live, f.Time, f.Move)
		} else {
			if f.Keyframe() {
				w = geo.NewWorld()
			}
			if f.Seq > w.View().Seq() {
				w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
			}
			if f.State != w.View().Hash() {
				t.Errorf("%s: state %x, the world has %x", want.Name, f.State, w.View().Hash())
			}
		}
		if got := fmt.Sprintf("%016x", w.View().Hash()); got != want.Hash {
			t.Errorf("%s: the world's hash is %s, want %s", want.Name, got, want.Hash)
		}
	}
	for _, name := range idx.Single {
		check(name)
	}
	var prev [32]byte
	for _, name := range idx.Journal {
		f, b := check(name)
		if f.Prev != prev {
			t.Errorf("%s: prev %x, want %x", name, f.Prev, prev)
		}
		prev = sha256.Sum256(b)
	}
	for name, why := range idx.Broken {
		_, err := ParseFrame(read(name + ".bin"))
		if want := map[string]error{"format": ErrFormat, "newer": ErrNewerFormat}[why]; !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	for _, m := range idx.Mix {
		if got := fmt.Sprintf("%016x", geo.Mix(m.ID, m.Rev, m.fix())); got != m.Mix {
			t.Errorf("mix of %d: got %s, want %s", m.ID, got, m.Mix)
		}
	}
}
