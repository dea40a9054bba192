package streams

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"rasad/geo"
	"rasad/streams/framepb"
)

// witness checks with the general protobuf library that b says what f holds,
// and that the library writes nothing else than we do.
func witness(t *testing.T, name string, f *Frame, b []byte) {
	t.Helper()
	var p framepb.Frame
	if err := proto.Unmarshal(b, &p); err != nil {
		t.Errorf("%s: protobuf does not read it: %v", name, err)
		return
	}
	wrong := func(field string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: protobuf reads %s as %v, we as %v", name, field, got, want)
		}
	}
	if p.V != 0 {
		wrong("v", p.V, f.V)
	}
	wrong("world", p.World, f.World)
	wrong("epoch", p.Epoch, f.Epoch)
	wrong("term", p.Term, f.Term)
	wrong("base", p.Base, f.Base)
	wrong("seq", p.Seq, f.Seq)
	wrong("live", p.Live, f.Live)
	wrong("time", p.Time, int64(f.Time))
	wrong("state", p.State, f.State)
	wrong("next_id", p.NextId, uint32(f.NextID))
	if len(p.Prev) > 0 && !bytes.Equal(p.Prev, f.Prev[:]) {
		t.Errorf("%s: protobuf reads another prev", name)
	}
	var drop []geo.ID
	var id geo.ID
	for _, gap := range p.Drop {
		id += geo.ID(gap)
		drop = append(drop, id)
	}
	if !slices.Equal(drop, f.Drop) {
		t.Errorf("%s: protobuf reads drop %v, we %v", name, drop, f.Drop)
	}
	wrong("number of puts", len(p.Put), len(f.Put))
	for i := range min(len(p.Put), len(f.Put)) {
		witnessFeature(t, name, p.Put[i], f.Put[i])
	}
	var rows []geo.Move
	for _, m := range p.Moves {
		rows = append(rows, witnessMoves(m)...)
	}
	if !slices.Equal(rows, f.Move) {
		t.Errorf("%s: protobuf and long division read moves %v, we %v", name, rows, f.Move)
	}
	wrong("number of acts", len(p.Acts), len(f.Acts))
	for i := range min(len(p.Acts), len(f.Acts)) {
		a, g := p.Acts[i], f.Acts[i]
		wrong("act", a.Name+"|"+a.By+"|"+a.Role+"|"+a.From+"|"+a.Why+"|"+a.Key+"|"+a.Session, g.Name+"|"+g.By.Name+"|"+g.By.Role+"|"+g.By.From+"|"+g.Why+"|"+g.Key+"|"+g.By.Session)
		wrong("act at", a.At, int64(g.At))
		wrong("act bytes", string(a.Args)+"|"+string(a.Digest)+"|"+string(a.Answer), string(g.Args)+"|"+string(g.Digest)+"|"+string(g.Answer))
		wrong("act subjects", slices.Equal(a.Subjects, g.Subjects), true)
	}
	wrong("changed", slices.Equal(p.Changed, f.Changed), true)
	wrong("number of tombs", len(p.TombId), len(f.Tombs))
	for i, x := range f.Tombs {
		wrong("tomb", geo.Tomb{ID: geo.ID(p.TombId[i]), Seq: p.TombSeq[i], Key: p.TombKey[i]}, x)
	}
	if wrong("status", p.Status != nil, f.Status != nil); p.Status != nil {
		s := p.Status
		wrong("status", Status{s.Mode, s.Exercise, s.Recording, s.Build, geo.Millis(s.Tick), s.Audience, geo.Millis(s.Clock), s.Echo, s.Speed, s.Simulated}, *f.Status)
	}
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&p)
	if err != nil || len(again) != len(b) {
		t.Errorf("%s: protobuf writes %d bytes, we %d (%v)", name, len(again), len(b), err)
	}
}

func witnessFeature(t *testing.T, name string, p *framepb.Feature, f *geo.Feature) {
	t.Helper()
	fix := geo.Fix{At: geo.LngLat{Lng: p.Lng, Lat: p.Lat}, Time: geo.Millis(p.Time), Heading: uint16(p.Heading - 1), Speed: uint16(p.Speed - 1), Accuracy: uint16(p.Accuracy), Flags: geo.FixFlags(p.Flags)}
	if p.Heading == 0 {
		fix.Heading = geo.HeadingUnknown
	}
	if geo.ID(p.Id) != f.ID || p.Key != f.Key || geo.Kind(p.Kind) != f.Kind || p.Rev != f.Rev || geo.Millis(p.Due) != f.Due || geo.Props(p.Props) != f.Props || fix != f.Fix {
		t.Errorf("%s: protobuf reads feature %v, we %+v", name, p, f)
	}
	if (p.Shape != nil) != (f.Shape != nil) || len(p.Sealed) != len(f.Sealed) {
		t.Errorf("%s: feature %s: shape or sealed fields are missing", name, f.Key)
		return
	}
	if p.Shape != nil {
		var at geo.LngLat
		var points []geo.LngLat
		for i := range p.Shape.Lng {
			at.Lng, at.Lat = at.Lng+p.Shape.Lng[i], at.Lat+p.Shape.Lat[i]
			points = append(points, at)
		}
		if uint32(f.Shape.Type) != p.Shape.Type || !slices.Equal(points, f.Shape.Points) || !slices.Equal(p.Shape.Ends, f.Shape.Ends) || !slices.Equal(p.Shape.Parts, f.Shape.Parts) {
			t.Errorf("%s: feature %s: protobuf reads shape %v, we %+v", name, f.Key, p.Shape, f.Shape)
		}
	}
	for i, s := range p.Sealed {
		if s.Name != f.Sealed[i].Name || s.KeyId != f.Sealed[i].KeyID || !bytes.Equal(s.Box, f.Sealed[i].Box) {
			t.Errorf("%s: feature %s: protobuf reads sealed field %v", name, f.Key, s)
		}
	}
}

// witnessMoves reads a block as FORMAT.md says, the slow and plain way: all bits
// as one great number.
func witnessMoves(m *framepb.Moves) []geo.Move {
	le := slices.Clone(m.Bits)
	slices.Reverse(le)
	all := new(big.Int).SetBytes(le)
	width := m.Width
	if width == nil {
		width = make([]byte, 8)
	}
	unit := int64(max(m.Unit, 1))
	rows := make([]geo.Move, m.Count)
	for c := range 8 {
		id := m.Base[0] - 1
		for i := range rows {
			v := new(big.Int).And(all, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(width[c])), big.NewInt(1)))
			all.Rsh(all, uint(width[c]))
			x := int64(v.Uint64())
			switch c {
			case 0:
				id += 1 + x
				rows[i].ID = geo.ID(id)
			case 1:
				rows[i].Fix.At.Lng = int32(m.Base[c] + x)
			case 2:
				rows[i].Fix.At.Lat = int32(m.Base[c] + x)
			case 3:
				rows[i].Fix.Heading = geo.HeadingUnknown
				if h := m.Base[c] + x; h != 0 {
					rows[i].Fix.Heading = uint16(h - 1)
				}
			case 4:
				rows[i].Fix.Speed = uint16(m.Base[c] + x - 1)
			case 5:
				rows[i].Fix.Time = geo.Millis(m.Base[c] + x*unit)
			case 6:
				rows[i].Fix.Accuracy = uint16(m.Base[c] + x)
			case 7:
				rows[i].Fix.Flags = geo.FixFlags(m.Base[c] + x)
			}
		}
	}
	return rows
}
