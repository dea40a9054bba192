package streams

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"rasad/geo"
)

// Why bytes are no frame.
var (
	// ErrFormat is bytes that are not a frame, or not one that a writer of this
	// version could have written.
	ErrFormat = errors.New("not a frame")
	// ErrNewerFormat is a frame of a newer major version. It must not be guessed
	// at: the program that reads it is too old.
	ErrNewerFormat = errors.New("the frame is of a newer format than this program knows")
)

// Field numbers of frame.proto.
const (
	frameV       = 1
	frameWorld   = 2
	frameEpoch   = 3
	frameTerm    = 4
	frameBase    = 5
	frameSeq     = 6
	frameLive    = 7
	frameTime    = 8
	framePrev    = 9
	frameState   = 10
	frameNextID  = 11
	frameDrop    = 20
	framePut     = 21
	frameMoves   = 22
	frameActs    = 30
	frameChanged = 31
	frameTombID  = 32
	frameTombSeq = 33
	frameTombKey = 34
	frameStatus  = 40
)

// Encode returns the bytes of the frame as they are journaled: always the same
// for the same frame. Drops and moves are written in ID order, of two moves of
// one feature the last.
func (f *Frame) Encode() []byte { return f.AppendEncode(nil) }

// AppendEncode appends what [Frame.Encode] returns to b.
func (f *Frame) AppendEncode(b []byte) []byte {
	b = f.appendHeader(b)
	b = f.appendBody(b)
	if f.Status != nil {
		b = f.Status.append(b)
	}
	return append(b, f.Extra...)
}

func (f *Frame) appendHeader(b []byte) []byte {
	v := f.V
	if v == 0 {
		v = FormatVersion
	}
	b = pbUint(b, frameV, uint64(v))
	b = pbString(b, frameWorld, f.World)
	return pbString(b, frameEpoch, f.Epoch)
}

// appendBody writes everything between the header and the status.
func (f *Frame) appendBody(b []byte) []byte {
	b = pbUint(b, frameTerm, f.Term)
	b = pbUint(b, frameBase, f.Base)
	b = pbUint(b, frameSeq, f.Seq)
	b = pbUint(b, frameLive, f.Live)
	b = pbSint(b, frameTime, int64(f.Time))
	if f.Prev != [32]byte{} {
		b = pbBytes(b, framePrev, f.Prev[:])
	}
	b = pbState(b, f.State)
	b = pbUint(b, frameNextID, uint64(f.NextID))
	b = pbDelta(b, f.Delta)
	for i := range f.Acts {
		b = pbAct(b, &f.Acts[i])
	}
	b = pbPacked(b, frameChanged, len(f.Changed), func(i int) uint64 { return f.Changed[i] })
	b = pbPacked(b, frameTombID, len(f.Tombs), func(i int) uint64 { return uint64(f.Tombs[i].ID) })
	b = pbPacked(b, frameTombSeq, len(f.Tombs), func(i int) uint64 { return f.Tombs[i].Seq })
	for i := range f.Tombs {
		b = protowire.AppendTag(b, frameTombKey, protowire.BytesType)
		b = protowire.AppendString(b, f.Tombs[i].Key)
	}
	return b
}

func pbState(b []byte, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, frameState, protowire.Fixed64Type), v)
}

func pbDelta(b []byte, d geo.Delta) []byte {
	b = slices.Grow(b, 12*len(d.Move)+192*len(d.Put)) // what they take in a city
	b = pbDrop(b, d.Drop)
	for _, p := range d.Put {
		b = pbFeature(b, p)
	}
	return pbMoves(b, d.Move)
}

func pbUint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func pbSint(b []byte, n protowire.Number, v int64) []byte {
	return pbUint(b, n, protowire.EncodeZigZag(v))
}

func pbBool(b []byte, n protowire.Number, v bool) []byte {
	return pbUint(b, n, protowire.EncodeBool(v))
}

func pbString(b []byte, n protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), v)
}

func pbBytes(b []byte, n protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

// pbPacked writes a packed field of varints, or nothing when there are none.
func pbPacked(b []byte, num protowire.Number, n int, at func(int) uint64) []byte {
	if n == 0 {
		return b
	}
	b, start := pbOpen(b, num)
	for i := range n {
		b = protowire.AppendVarint(b, at(i))
	}
	return pbClose(b, start)
}

// pbOpen begins a field whose length is not known yet, leaving one byte for it;
// pbClose fills the length in, and makes room when one byte is too little.
func pbOpen(b []byte, n protowire.Number) ([]byte, int) {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return append(b, 0), len(b) + 1
}

func pbClose(b []byte, start int) []byte {
	size := len(b) - start
	if size < 0x80 {
		b[start-1] = byte(size)
		return b
	}
	extra := protowire.SizeVarint(uint64(size)) - 1
	b = append(b, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:extra]...)
	copy(b[start+extra:], b[start:start+size])
	protowire.AppendVarint(b[:start-1], uint64(size))
	return b
}

func pbDrop(b []byte, drop []geo.ID) []byte {
	if len(drop) == 0 {
		return b
	}
	if !slices.IsSorted(drop) {
		drop = slices.Sorted(slices.Values(drop))
	}
	b, start := pbOpen(b, frameDrop)
	var last geo.ID
	for _, id := range drop {
		if id == last {
			continue // the second drop of one feature does nothing
		}
		b = protowire.AppendVarint(b, uint64(id-last))
		last = id
	}
	return pbClose(b, start)
}

// wireHeading and wireSpeed move "unknown" to 0, the value that costs nothing.
func wireHeading(h uint16) uint32 {
	if h == geo.HeadingUnknown {
		return 0
	}
	return uint32(h) + 1
}

func headingOf(wire uint64) uint16 {
	if wire == 0 {
		return geo.HeadingUnknown
	}
	return uint16(wire - 1)
}

func wireSpeed(s uint16) uint32 { return uint32(s + 1) } // SpeedUnknown is the last uint16

func speedOf(wire uint64) uint16 { return uint16(wire) - 1 }

func pbFeature(b []byte, f *geo.Feature) []byte {
	b, start := pbOpen(b, framePut)
	b = pbUint(b, 1, uint64(f.ID))
	b = pbString(b, 2, f.Key)
	b = pbString(b, 3, string(f.Kind))
	b = pbUint(b, 4, f.Rev)
	b = pbSint(b, 5, int64(f.Due))
	b = pbSint(b, 6, int64(f.Fix.At.Lng))
	b = pbSint(b, 7, int64(f.Fix.At.Lat))
	b = pbSint(b, 8, int64(f.Fix.Time))
	b = pbUint(b, 9, uint64(wireHeading(f.Fix.Heading)))
	b = pbUint(b, 10, uint64(wireSpeed(f.Fix.Speed)))
	b = pbUint(b, 11, uint64(f.Fix.Accuracy))
	b = pbUint(b, 12, uint64(f.Fix.Flags))
	b = pbString(b, 13, string(f.Props))
	if f.Shape != nil {
		b = pbShape(b, f.Shape)
	}
	for i := range f.Sealed {
		s := &f.Sealed[i]
		var at int
		b, at = pbOpen(b, 15)
		b = pbString(b, 1, s.Name)
		b = pbString(b, 2, s.KeyID)
		b = pbBytes(b, 3, s.Box)
		b = pbClose(b, at)
	}
	return pbClose(append(b, f.Extra...), start)
}

func pbShape(b []byte, s *geo.Shape) []byte {
	b, start := pbOpen(b, 14)
	b = pbUint(b, 1, uint64(s.Type))
	// Differences wrap around in 32 bits, so that any two int32 have one.
	last := geo.LngLat{}
	b = pbPacked(b, 2, len(s.Points), func(i int) uint64 {
		d := s.Points[i].Lng - last.Lng
		last.Lng = s.Points[i].Lng
		return protowire.EncodeZigZag(int64(d))
	})
	b = pbPacked(b, 3, len(s.Points), func(i int) uint64 {
		d := s.Points[i].Lat - last.Lat
		last.Lat = s.Points[i].Lat
		return protowire.EncodeZigZag(int64(d))
	})
	b = pbPacked(b, 4, len(s.Ends), func(i int) uint64 { return uint64(s.Ends[i]) })
	b = pbPacked(b, 5, len(s.Parts), func(i int) uint64 { return uint64(s.Parts[i]) })
	return pbClose(b, start)
}

func pbAct(b []byte, a *geo.Act) []byte {
	b, start := pbOpen(b, frameActs)
	b = pbSint(b, 1, int64(a.At))
	b = pbString(b, 2, a.Name)
	b = pbString(b, 3, a.By.Name)
	b = pbString(b, 4, a.By.Role)
	b = pbString(b, 5, a.By.From)
	b = pbString(b, 6, a.Why)
	for _, s := range a.Subjects {
		b = protowire.AppendString(protowire.AppendTag(b, 7, protowire.BytesType), s)
	}
	b = pbBytes(b, 8, a.Args)
	b = pbString(b, 9, a.Key)
	b = pbBytes(b, 10, a.Digest)
	b = pbBytes(b, 11, a.Answer)
	b = pbString(b, 12, a.By.Session)
	return pbClose(append(b, a.Extra...), start)
}

func (s *Status) append(b []byte) []byte {
	b, start := pbOpen(b, frameStatus)
	b = pbString(b, 1, s.Mode)
	b = pbBool(b, 2, s.Exercise)
	b = pbBool(b, 3, s.Recording)
	b = pbString(b, 4, s.Build)
	b = pbSint(b, 5, int64(s.Tick))
	b = pbString(b, 6, s.Audience)
	b = pbSint(b, 7, int64(s.Clock))
	b = pbUint(b, 8, uint64(s.Echo))
	if bits := math.Float64bits(s.Speed); bits != 0 {
		b = protowire.AppendFixed64(protowire.AppendTag(b, 9, protowire.Fixed64Type), bits)
	}
	b = pbBool(b, 10, s.Simulated)
	return pbClose(b, start)
}

// ParseFrame reads what [Frame.Encode] and [Frame.Wire] write. It returns
// [ErrFormat] or [ErrNewerFormat], wrapped, and takes no more memory than a
// bounded multiple of len(b). The frame shares nothing with b. Its moves are in ID
// order, one for each ID.
func ParseFrame(b []byte) (*Frame, error) {
	f := &Frame{}
	var tombID, tombSeq []uint64
	var tombKey []string
	p := &pbReader{b: b}
	for p.more() {
		switch p.num {
		case frameV:
			f.V = uint32(p.uint(math.MaxUint32))
			if f.V > FormatVersion {
				return nil, fmt.Errorf("parse frame of version %d: %w", f.V, ErrNewerFormat)
			}
		case frameWorld:
			f.World = p.string()
		case frameEpoch:
			f.Epoch = p.string()
		case frameTerm:
			f.Term = p.uint(math.MaxUint64)
		case frameBase:
			f.Base = p.uint(math.MaxUint64)
		case frameSeq:
			f.Seq = p.uint(math.MaxUint64)
		case frameLive:
			f.Live = p.uint(math.MaxUint64)
		case frameTime:
			f.Time = geo.Millis(p.sint(math.MinInt64, math.MaxInt64))
		case framePrev:
			prev := p.bytes()
			p.check(len(prev) == len(f.Prev), "prev is no SHA-256")
			copy(f.Prev[:], prev)
		case frameState:
			f.State = p.fixed64()
		case frameNextID:
			f.NextID = geo.ID(p.uint(math.MaxUint32))
		case frameDrop:
			f.Drop = p.drop(f.Drop)
		case framePut:
			f.Put = append(f.Put, p.feature())
		case frameMoves:
			f.Move = p.moves(f.Move)
		case frameActs:
			f.Acts = append(f.Acts, p.act())
		case frameChanged:
			f.Changed = p.packed(f.Changed, math.MaxUint64)
		case frameTombID:
			tombID = p.packed(tombID, math.MaxUint32)
		case frameTombSeq:
			tombSeq = p.packed(tombSeq, math.MaxUint64)
		case frameTombKey:
			tombKey = append(tombKey, p.string())
		case frameStatus:
			f.Status = p.status()
		default:
			p.unknown()
		}
	}
	f.Extra = string(p.extra)
	p.check(len(f.Changed) == 0 || len(f.Changed) == len(f.Put), "changed is not as long as put")
	p.check(len(tombID) == len(tombSeq) && len(tombID) == len(tombKey), "the columns of the tombs differ in length")
	if p.err != nil {
		return nil, fmt.Errorf("parse frame of %d bytes: %w", len(b), p.err)
	}
	for i, id := range tombID {
		f.Tombs = append(f.Tombs, geo.Tomb{ID: geo.ID(id), Seq: tombSeq[i], Key: tombKey[i]})
	}
	if f.V == 0 {
		f.V = FormatVersion // on a stream, only the first frame and heartbeats say it
	}
	return f, nil
}

// pbReader goes through the fields of one message. Its first error stays, and
// ends the loop over more.
type pbReader struct {
	b    []byte // what is left
	err  error
	num  protowire.Number
	typ  protowire.Type
	from []byte // b at the tag of the current field
	slab []geo.Feature
	// extra is the fields that this version does not know.
	extra []byte
}

func (p *pbReader) fail(why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: field %d: %s", ErrFormat, p.num, why)
	}
}

func (p *pbReader) check(ok bool, why string) {
	if !ok {
		p.fail(why)
	}
}

// more steps to the next field.
func (p *pbReader) more() bool {
	if p.err != nil || len(p.b) == 0 {
		return false
	}
	p.from = p.b
	var n int
	p.num, p.typ, n = protowire.ConsumeTag(p.b)
	if n < 0 {
		p.num = 0
		p.fail("broken tag")
		return false
	}
	p.b = p.b[n:]
	return true
}

func (p *pbReader) is(t protowire.Type) bool {
	p.check(p.typ == t, "wrong wire type")
	return p.err == nil
}

func (p *pbReader) varint() uint64 {
	if len(p.b) > 0 && p.b[0] < 0x80 {
		v := uint64(p.b[0])
		p.b = p.b[1:]
		return v
	}
	v, n := protowire.ConsumeVarint(p.b)
	if n < 0 {
		p.fail("broken number")
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *pbReader) uint(most uint64) uint64 {
	if !p.is(protowire.VarintType) {
		return 0
	}
	v := p.varint()
	p.check(v <= most, "number out of range")
	return v
}

func (p *pbReader) sint(least, most int64) int64 {
	if !p.is(protowire.VarintType) {
		return 0
	}
	v := protowire.DecodeZigZag(p.varint())
	p.check(v >= least && v <= most, "number out of range")
	return v
}

func (p *pbReader) bool() bool { return p.uint(math.MaxUint64) != 0 }

func (p *pbReader) fixed64() uint64 {
	if !p.is(protowire.Fixed64Type) {
		return 0
	}
	v, n := protowire.ConsumeFixed64(p.b)
	if n < 0 {
		p.fail("cut off")
		return 0
	}
	p.b = p.b[n:]
	return v
}

// bytes returns a length-delimited field. It is part of the input.
func (p *pbReader) bytes() []byte {
	if !p.is(protowire.BytesType) {
		return nil
	}
	size := p.varint()
	if p.err != nil {
		return nil
	}
	if size > uint64(len(p.b)) {
		p.fail("cut off")
		return nil
	}
	v := p.b[:size]
	p.b = p.b[size:]
	return v
}

func (p *pbReader) string() string { return string(p.bytes()) }

// copied returns a bytes field of its own, nil when empty.
func (p *pbReader) copied() []byte { return append([]byte(nil), p.bytes()...) }

// sub returns a reader of the message in the current field.
func (p *pbReader) sub() *pbReader { return &pbReader{b: p.bytes(), err: p.err} }

// join takes over the error of a sub-message.
func (p *pbReader) join(sub *pbReader, what string) {
	if p.err == nil && sub.err != nil {
		p.err = fmt.Errorf("%s: %w", what, sub.err)
	}
}

// unknown keeps a field that this version does not know, tag and all.
func (p *pbReader) unknown() {
	n := protowire.ConsumeFieldValue(p.num, p.typ, p.b)
	if n < 0 {
		p.fail("broken field")
		return
	}
	p.b = p.b[n:]
	p.extra = append(p.extra, p.from[:len(p.from)-len(p.b)]...)
}

// closed refuses a field that this version does not know, in a message that
// never grows.
func (p *pbReader) closed() { p.fail("unknown field in a message that never grows") }

func (p *pbReader) packed(to []uint64, most uint64) []uint64 {
	q := p.sub()
	q.num = p.num
	if to == nil {
		to = make([]uint64, 0, varints(q.b))
	}
	for len(q.b) > 0 && q.err == nil {
		v := q.varint()
		q.check(v <= most, "number out of range")
		to = append(to, v)
	}
	p.join(q, "packed")
	return to
}

// varints counts the numbers in a packed field: bytes without a continuation bit.
func varints(b []byte) int {
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}

func (p *pbReader) drop(to []geo.ID) []geo.ID {
	q := p.sub()
	q.num = p.num
	var id uint64
	if len(to) > 0 {
		q.fail("twice")
	}
	for len(q.b) > 0 && q.err == nil {
		gap := q.varint()
		id += gap
		q.check(gap != 0 && gap <= math.MaxUint32 && id <= math.MaxUint32, "ids do not ascend")
		to = append(to, geo.ID(id))
	}
	p.join(q, "drop")
	return to
}

// pbSlab is how many features share one allocation: a keyframe holds hundreds
// of thousands, and one that lives on must not hold back many.
const pbSlab = 16

func (p *pbReader) feature() *geo.Feature {
	q := pbReader{b: p.bytes(), err: p.err}
	if len(p.slab) == 0 {
		// A frame of one incident does not pay for sixteen.
		n := min(pbSlab, 1+len(p.b)/64)
		p.slab = make([]geo.Feature, n)
	}
	f := &p.slab[0]
	p.slab = p.slab[1:]
	f.Fix.Heading, f.Fix.Speed = geo.HeadingUnknown, geo.SpeedUnknown
	for q.more() {
		switch q.num {
		case 1:
			f.ID = geo.ID(q.uint(math.MaxUint32))
		case 2:
			f.Key = q.string()
		case 3:
			f.Kind = pbKind(q.bytes())
		case 4:
			f.Rev = q.uint(math.MaxUint64)
		case 5:
			f.Due = geo.Millis(q.sint(math.MinInt64, math.MaxInt64))
		case 6:
			f.Fix.At.Lng = int32(q.sint(math.MinInt32, math.MaxInt32))
		case 7:
			f.Fix.At.Lat = int32(q.sint(math.MinInt32, math.MaxInt32))
		case 8:
			f.Fix.Time = geo.Millis(q.sint(math.MinInt64, math.MaxInt64))
		case 9:
			f.Fix.Heading = headingOf(q.uint(math.MaxUint16 + 1))
		case 10:
			f.Fix.Speed = speedOf(q.uint(math.MaxUint16))
		case 11:
			f.Fix.Accuracy = uint16(q.uint(math.MaxUint16))
		case 12:
			f.Fix.Flags = geo.FixFlags(q.uint(math.MaxUint16))
		case 13:
			props := q.string()
			q.check(pbProps(props), "properties are not a compact JSON object")
			f.Props = geo.Props(props)
		case 14:
			f.Shape = q.shape()
		case 15:
			f.Sealed = append(f.Sealed, q.sealed())
		default:
			q.unknown()
		}
	}
	f.Extra = string(q.extra)
	q.check(f.ID != 0, "a feature without a number")
	p.join(&q, "feature")
	return f
}

// pbKind makes no garbage for the kinds that are known.
func pbKind(b []byte) geo.Kind {
	switch string(b) {
	case string(geo.Unit):
		return geo.Unit
	case string(geo.Incident):
		return geo.Incident
	case string(geo.Hazard):
		return geo.Hazard
	case string(geo.Shelter):
		return geo.Shelter
	case string(geo.Site):
		return geo.Site
	}
	return geo.Kind(b)
}

func (p *pbReader) shape() *geo.Shape {
	q := p.sub()
	s := &geo.Shape{}
	var lng, lat []uint64
	for q.more() {
		switch q.num {
		case 1:
			s.Type = geo.ShapeType(q.uint(math.MaxUint8))
		case 2:
			lng = q.packed(lng, math.MaxUint32)
		case 3:
			lat = q.packed(lat, math.MaxUint32)
		case 4:
			s.Ends = q.cuts(s.Ends)
		case 5:
			s.Parts = q.cuts(s.Parts)
		default:
			q.closed()
		}
	}
	q.check(s.Type >= geo.MultiPoint && s.Type <= geo.MultiPolygon, "a shape of no known type")
	q.check(len(lng) == len(lat), "longitudes and latitudes differ in number")
	q.check(len(s.Ends) == 0 || int(s.Ends[len(s.Ends)-1]) <= len(lng), "a part ends after the last point")
	q.check(len(s.Parts) == 0 || int(s.Parts[len(s.Parts)-1]) <= len(s.Ends), "a polygon ends after the last ring")
	p.join(q, "shape")
	if p.err != nil {
		return nil
	}
	if len(lng) > 0 {
		s.Points = make([]geo.LngLat, len(lng))
	}
	var at geo.LngLat
	for i := range lng {
		at.Lng += int32(protowire.DecodeZigZag(lng[i]))
		at.Lat += int32(protowire.DecodeZigZag(lat[i]))
		s.Points[i] = at
	}
	return s
}

// cuts reads indexes that never descend.
func (p *pbReader) cuts(to []uint32) []uint32 {
	for _, v := range p.packed(nil, math.MaxUint32) {
		p.check(len(to) == 0 || v >= uint64(to[len(to)-1]), "indexes descend")
		to = append(to, uint32(v))
	}
	return to
}

func (p *pbReader) sealed() geo.Sealed {
	q := p.sub()
	var s geo.Sealed
	for q.more() {
		switch q.num {
		case 1:
			s.Name = q.string()
		case 2:
			s.KeyID = q.string()
		case 3:
			s.Box = q.copied()
		default:
			q.closed()
		}
	}
	p.join(q, "sealed")
	return s
}

func (p *pbReader) act() geo.Act {
	q := p.sub()
	var a geo.Act
	for q.more() {
		switch q.num {
		case 1:
			a.At = geo.Millis(q.sint(math.MinInt64, math.MaxInt64))
		case 2:
			a.Name = q.string()
		case 3:
			a.By.Name = q.string()
		case 4:
			a.By.Role = q.string()
		case 5:
			a.By.From = q.string()
		case 6:
			a.Why = q.string()
		case 7:
			a.Subjects = append(a.Subjects, q.string())
		case 8:
			a.Args = q.copied()
		case 9:
			a.Key = q.string()
		case 10:
			a.Digest = q.copied()
		case 11:
			a.Answer = q.copied()
		case 12:
			a.By.Session = q.string()
		default:
			q.unknown()
		}
	}
	a.Extra = string(q.extra)
	p.join(q, "act")
	return a
}

func (p *pbReader) status() *Status {
	q := p.sub()
	s := &Status{}
	for q.more() {
		switch q.num {
		case 1:
			s.Mode = q.string()
		case 2:
			s.Exercise = q.bool()
		case 3:
			s.Recording = q.bool()
		case 4:
			s.Build = q.string()
		case 5:
			s.Tick = geo.Millis(q.sint(math.MinInt64, math.MaxInt64))
		case 6:
			s.Audience = q.string()
		case 7:
			s.Clock = geo.Millis(q.sint(math.MinInt64, math.MaxInt64))
		case 8:
			s.Echo = uint32(q.uint(math.MaxUint32))
		case 9:
			s.Speed = math.Float64frombits(q.fixed64())
			q.check(!math.IsNaN(s.Speed), "speed is not a number")
		case 10:
			s.Simulated = q.bool()
		default:
			q.unknown() // never journaled, so nothing is lost by leaving it out
		}
	}
	p.join(q, "status")
	return s
}
