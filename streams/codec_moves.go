package streams

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"rasad/geo"
)

const (
	// movesBlock is how many moves share the widths of their columns. Blocks keep
	// one odd value (a unit far away, a report an hour late) from widening a
	// column for everyone; smaller ones cost more in bases and widths.
	movesBlock = 256
	// rowBitsMin is the least that a row of a block with several rows takes.
	// Without it, ten bytes could claim billions of equal moves.
	rowBitsMin = 8
)

// The columns of a block, in their order.
const (
	colID = iota
	colLng
	colLat
	colHeading
	colSpeed
	colTime
	colAccuracy
	colFlags
	columns
)

// moveColumns is one block, column by column, as the integers of the wire.
type moveColumns struct {
	val   [columns][movesBlock]uint64
	base  [columns]int64
	width [columns]uint8
	unit  int64
}

// pbMoves writes moves in blocks.
func pbMoves(b []byte, move []geo.Move) []byte {
	if len(move) == 0 {
		return b
	}
	move = movesInOrder(move)
	c := &moveColumns{}
	for len(move) > 0 {
		n := min(len(move), movesBlock)
		b = c.append(b, move[:n])
		move = move[n:]
	}
	return b
}

// movesInOrder returns the moves in ID order, the last of each ID.
func movesInOrder(move []geo.Move) []geo.Move {
	ascend := true
	for i := 1; i < len(move) && ascend; i++ {
		ascend = move[i-1].ID < move[i].ID
	}
	if ascend {
		return move
	}
	move = slices.Clone(move)
	slices.SortStableFunc(move, func(a, b geo.Move) int { return cmp.Compare(a.ID, b.ID) })
	out := move[:0]
	for i, m := range move {
		if i+1 == len(move) || move[i+1].ID != m.ID {
			out = append(out, m)
		}
	}
	return out
}

func (c *moveColumns) append(b []byte, move []geo.Move) []byte {
	c.fill(move)
	n := len(move)
	b, start := pbOpen(b, frameMoves)
	b = pbUint(b, 1, uint64(n))
	b = pbPacked(b, 2, columns, func(i int) uint64 { return protowire.EncodeZigZag(c.base[i]) })
	if c.width != [columns]uint8{} {
		b = pbBytes(b, 3, c.width[:])
	}
	row := 0
	for _, w := range c.width {
		row += int(w)
	}
	if row > 0 {
		size := (n*row + 7) / 8
		b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.BytesType), uint64(size))
		b = c.pack(slices.Grow(b, size+8), n)
	}
	if c.unit != 1 {
		b = pbUint(b, 5, uint64(c.unit))
	}
	return pbClose(b, start)
}

// fill turns moves into columns and finds base and width of each.
func (c *moveColumns) fill(move []geo.Move) {
	last := move[0].ID
	c.unit = 1000
	for i := range move {
		m := &move[i]
		// Ids ascend, so a row holds how many were left out since the row before.
		c.val[colID][i] = uint64(m.ID-last) - 1
		last = m.ID
		c.val[colLng][i] = uint64(m.Fix.At.Lng)
		c.val[colLat][i] = uint64(m.Fix.At.Lat)
		c.val[colHeading][i] = uint64(wireHeading(m.Fix.Heading))
		c.val[colSpeed][i] = uint64(wireSpeed(m.Fix.Speed))
		c.val[colTime][i] = uint64(m.Fix.Time)
		if m.Fix.Time%1000 != 0 {
			c.unit = 1
		}
		c.val[colAccuracy][i] = uint64(m.Fix.Accuracy)
		c.val[colFlags][i] = uint64(m.Fix.Flags)
	}
	n := len(move)
	c.val[colID][0] = 0
	c.base[colID] = int64(move[0].ID)
	c.width[colID] = uint8(bits.Len64(slices.Max(c.val[colID][:n])))
	row := int(c.width[colID])
	for k := colLng; k < columns; k++ {
		col := c.val[k][:n]
		low, high := int64(col[0]), int64(col[0])
		for _, v := range col[1:] {
			low, high = min(low, int64(v)), max(high, int64(v))
		}
		span := uint64(high) - uint64(low)
		if k == colTime {
			span /= uint64(c.unit)
		}
		c.base[k], c.width[k] = low, uint8(bits.Len64(span))
		for i := range col {
			col[i] -= uint64(low)
		}
		row += int(c.width[k])
	}
	if c.unit != 1 {
		for i := range n {
			c.val[colTime][i] /= uint64(c.unit)
		}
	}
	if c.width[colTime] == 0 {
		c.unit = 1 // nothing to multiply: one way to write each frame
	}
	if n > 1 && row < rowBitsMin {
		c.width[colID] += uint8(rowBitsMin - row)
	}
}

// pack appends the bits of all columns. b has room for eight bytes more.
func (c *moveColumns) pack(b []byte, n int) []byte {
	var acc uint64
	var have uint
	for k := range c.width {
		w := uint(c.width[k])
		if w == 0 {
			continue
		}
		for _, v := range c.val[k][:n] {
			acc |= v << have
			have += w
			if have >= 64 {
				b = binary.LittleEndian.AppendUint64(b, acc)
				have -= 64
				acc = v >> (w - have)
			}
		}
	}
	end := len(b) + int(have+7)/8
	return binary.LittleEndian.AppendUint64(b, acc)[:end]
}

// moves reads one block.
func (p *pbReader) moves(to []geo.Move) []geo.Move {
	q := p.sub()
	var base []uint64
	var width, packed []byte
	var count, unit uint64 = 0, 1
	for q.more() {
		switch q.num {
		case 1:
			count = q.uint(math.MaxUint32)
		case 2:
			base = q.packed(base, math.MaxUint64)
		case 3:
			width = q.bytes()
		case 4:
			packed = q.bytes()
		case 5:
			unit = max(q.uint(math.MaxInt32), 1)
		default:
			q.closed()
		}
	}
	if width == nil {
		width = make([]byte, columns)
	}
	q.check(count > 0, "a block without moves")
	q.check(len(base) == columns && len(width) == columns, "a block has eight columns")
	var row uint64
	for _, w := range width {
		q.check(w <= 64, "a column is wider than 64 bits")
		row += uint64(w)
	}
	// count and row are small enough for the product not to overflow.
	q.check(uint64(len(packed)) == (count*row+7)/8, "the bits are not as many as rows and widths say")
	q.check(count == 1 || row >= rowBitsMin, "a row is narrower than eight bits")
	if q.err != nil {
		p.join(q, "moves")
		return to
	}

	start, n := len(to), int(count)
	if start == 0 {
		// The rest of the frame is probably more of the same.
		to = slices.Grow(to, n*(1+len(p.b)/(len(packed)+len(width)+1)))
	}
	to = slices.Grow(to, n)[:start+n]
	rows := to[start:]
	r := bitReader{b: packed}
	for k := range columns {
		c := column{low: protowire.DecodeZigZag(base[k]), width: uint(width[k]), unit: unit}
		if why := c.read(k, rows, &r); why != "" {
			q.fail(why)
			p.join(q, "moves")
			return to[:start]
		}
	}
	if start > 0 && to[start-1].ID >= to[start].ID {
		q.fail("ids do not ascend from block to block")
		p.join(q, "moves")
		return to[:start]
	}
	return to
}

// column is how one column of a block is packed.
type column struct {
	low   int64
	width uint
	unit  uint64
}

// read fills column k of the rows, and says what is wrong with it.
func (c *column) read(k int, rows []geo.Move, r *bitReader) (wrong string) {
	least, most := columnRange(k)
	if c.low < least || c.low > most {
		return "base out of range"
	}
	// The usual widths prove that no value leaves the range; others are looked
	// at one by one.
	sure := c.width < 33 && c.low <= most-(1<<c.width-1)
	low := uint64(c.low)
	id, first := low-1, true
	var buf [movesBlock]uint64
	for len(rows) > 0 {
		part := rows[:min(len(rows), movesBlock)]
		rows = rows[len(part):]
		val := buf[:len(part)]
		r.read(val, c.width)
		if !sure && k != colID && k != colTime { // any 64 bits are a time
			for _, v := range val {
				if v > uint64(most-c.low) {
					return "value out of range"
				}
			}
		}
		switch k {
		case colID:
			if first && val[0] != 0 {
				return "the first id is not the base"
			}
			first = false
			for i, v := range val {
				if v > math.MaxUint32 || id+v >= math.MaxUint32 {
					return "ids do not ascend"
				}
				id += v + 1
				part[i].ID = geo.ID(id)
			}
		case colLng:
			for i, v := range val {
				part[i].Fix.At.Lng = int32(low + v)
			}
		case colLat:
			for i, v := range val {
				part[i].Fix.At.Lat = int32(low + v)
			}
		case colHeading:
			for i, v := range val {
				part[i].Fix.Heading = headingOf(low + v)
			}
		case colSpeed:
			for i, v := range val {
				part[i].Fix.Speed = speedOf(low + v)
			}
		case colTime:
			for i, v := range val { // the sum may wrap, as it did when it was made
				part[i].Fix.Time = geo.Millis(low + v*c.unit)
			}
		case colAccuracy:
			for i, v := range val {
				part[i].Fix.Accuracy = uint16(low + v)
			}
		case colFlags:
			for i, v := range val {
				part[i].Fix.Flags = geo.FixFlags(low + v)
			}
		}
	}
	return ""
}

// columnRange is what the values of a column may be.
func columnRange(k int) (least, most int64) {
	switch k {
	case colID:
		return 1, math.MaxUint32
	case colLng, colLat:
		return math.MinInt32, math.MaxInt32
	case colHeading:
		return 0, math.MaxUint16 + 1
	case colTime:
		return math.MinInt64, math.MaxInt64
	}
	return 0, math.MaxUint16
}

// bitReader reads numbers of up to 64 bits, low bits first.
type bitReader struct {
	b   []byte
	bit uint
}

// read fills val with the next numbers of w bits.
func (r *bitReader) read(val []uint64, w uint) {
	if w == 0 {
		clear(val)
		return
	}
	b, bit, mask := r.b, r.bit, uint64(1)<<w-1
	for k := range val {
		i, s := bit>>3, bit&7
		bit += w
		if i+9 > uint(len(b)) { // near the end, where nine bytes are not there
			var tail [9]byte
			copy(tail[:], b[i:])
			val[k] = (binary.LittleEndian.Uint64(tail[:])>>s | uint64(tail[8])<<(64-s)) & mask
			continue
		}
		v := binary.LittleEndian.Uint64(b[i:]) >> s
		if s+w > 64 {
			v |= uint64(b[i+8]) << (64 - s)
		}
		val[k] = v & mask
	}
	r.bit = bit
}
