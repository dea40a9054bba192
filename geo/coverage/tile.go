package coverage

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"slices"
	"sync"
)

const (
	tilePixels  = 256
	tileBits    = 8
	tileZoomMax = 24
	blockBits   = 3 // a square is drawn at least 8 pixels wide: a finer hatch is no hatch
	hatchPixels = 8 // divides the tile, so that lines run on into the next one
)

// The colours of a hole. The lines are amber with a dark edge: the amber is seen on the night ground, the
// edge on the day's, and the hatch by those who see neither as yellow.
const (
	inkNone = iota
	inkAmber
	inkEdge
	inkFaint // between the lines, where few people live
	inkHalf
	inkFull // where many do
)

var palette = color.Palette{
	inkNone:  color.NRGBA{},
	inkAmber: color.NRGBA{0xff, 0xb0, 0x00, 0xe6},
	inkEdge:  color.NRGBA{0x3a, 0x22, 0x00, 0xb4},
	inkFaint: color.NRGBA{0xff, 0xb0, 0x00, 0x14},
	inkHalf:  color.NRGBA{0xff, 0xa0, 0x00, 0x32},
	inkFull:  color.NRGBA{0xff, 0x90, 0x00, 0x5a},
}

// hatches are the inks across the lines, by how many people live there: a thin line, a wide one, one as wide
// as its gap.
var hatches = [...][hatchPixels]uint8{
	1: {inkAmber, inkEdge, inkFaint, inkFaint, inkFaint, inkFaint, inkFaint, inkFaint},
	2: {inkAmber, inkAmber, inkEdge, inkHalf, inkHalf, inkHalf, inkHalf, inkHalf},
	3: {inkAmber, inkAmber, inkAmber, inkAmber, inkEdge, inkFull, inkFull, inkFull},
}

var pngs = png.Encoder{CompressionLevel: png.BestSpeed}

var emptyTile = sync.OnceValue(func() []byte {
	return encode(image.NewPaletted(image.Rect(0, 0, tilePixels, tilePixels), palette[:1]))
})

func encode(m image.Image) []byte {
	var b bytes.Buffer
	if err := pngs.Encode(&b, m); err != nil {
		panic(err) // a buffer takes everything, and the size is ours
	}
	return b.Bytes()
}

// Tile draws the holes of a standard: the ground where people live and no unit is there in time, as a PNG
// of 256 by 256 pixels in Web Mercator. Where everybody is reached, or nobody lives, it is transparent.
// Holes are hatched, denser where more people live. Zoomed out, squares are drawn together: hatched where
// half of the people or more are out of reach, or where those who are would fill a square of the city as
// people fill it elsewhere. An address that is no tile gives the empty one. The bytes may be shared: do
// not change them.
func (v *View) Tile(s Standard, z, x, y uint32) []byte {
	if z > tileZoomMax || x>>z != 0 || y>>z != 0 {
		return emptyTile()
	}
	t := v.tally(s)
	level := uint32(v.ground.demand.Level)
	coarse := min(level, z+tileBits-blockBits) // the level of what is drawn as one square
	shift := z + tileBits - coarse             // a square has 1<<shift pixels
	// The squares of the tile, and one more on each side for the outlines.
	left, top := int64(x)<<tileBits>>shift-1, int64(y)<<tileBits>>shift-1
	wide := int64(tilePixels>>min(shift, tileBits)) + 2
	holes := make([]int64, wide*wide) // uncovered weight, by square
	all := make([]int64, wide*wide)
	fine := level - coarse
	edge := int64(1) << coarse
	x0, y0 := max(left, 0), max(top, 0)
	x1, y1 := min(left+wide, edge)-1, min(top+wide, edge)-1
	found := false
	v.ground.within(uint32(x0<<fine), uint32(y0<<fine), uint32((x1+1)<<fine-1), uint32((y1+1)<<fine-1), func(c int32) {
		i := (int64(v.ground.ys[c]>>fine)-top)*wide + int64(v.ground.xs[c]>>fine) - left
		all[i] += v.ground.weight[c]
		if t.counts[c] == 0 {
			holes[i] += v.ground.weight[c]
			found = true
		}
	})
	if !found {
		return emptyTile()
	}
	class := make([]uint8, len(holes))
	for i, w := range holes {
		switch dense := w >> (2 * fine); { // by square of the demand
		case w == 0 || 2*w < all[i] && dense < v.ground.dense[0]:
		case dense < v.ground.dense[0]:
			class[i] = 1
		case dense <= v.ground.dense[1]:
			class[i] = 2
		default:
			class[i] = 3
		}
	}
	if !slices.ContainsFunc(class, func(c uint8) bool { return c > 0 }) {
		return emptyTile()
	}
	m := image.NewPaletted(image.Rect(0, 0, tilePixels, tilePixels), palette)
	for row := range int64(tilePixels) {
		gy := int64(y)<<tileBits + row
		line := class[(gy>>shift-top)*wide:][:wide]
		out := m.Pix[row*tilePixels:][:tilePixels]
		for col := range int64(tilePixels) {
			gx := int64(x)<<tileBits + col
			if k := line[gx>>shift-left]; k > 0 {
				out[col] = hatches[k][(gx+gy)%hatchPixels]
			}
		}
	}
	if shift > blockBits {
		outline(m, class, wide, shift, int64(x)<<tileBits, int64(y)<<tileBits, left, top)
	}
	return encode(m)
}

// outline draws the edge of the holes, inside them: a dark line and an amber one next to it.
func outline(m *image.Paletted, class []uint8, wide int64, shift uint32, gx0, gy0, left, top int64) {
	at := func(bx, by int64) uint8 { return class[(by-top)*wide+bx-left] }
	size := int64(1) << shift
	for by := top + 1; by < top+wide-1; by++ {
		for bx := left + 1; bx < left+wide-1; bx++ {
			if at(bx, by) == 0 {
				continue
			}
			west, north := bx*size-gx0, by*size-gy0
			for i := range int64(2) {
				ink := uint8(inkEdge - i) // the edge, then the amber
				for k := i; k < size-i; k++ {
					if at(bx-1, by) == 0 {
						paint(m, west+i, north+k, ink)
					}
					if at(bx+1, by) == 0 {
						paint(m, west+size-1-i, north+k, ink)
					}
					if at(bx, by-1) == 0 {
						paint(m, west+k, north+i, ink)
					}
					if at(bx, by+1) == 0 {
						paint(m, west+k, north+size-1-i, ink)
					}
				}
			}
		}
	}
}

func paint(m *image.Paletted, x, y int64, ink uint8) {
	if x >= 0 && y >= 0 && x < tilePixels && y < tilePixels {
		m.Pix[y*tilePixels+x] = ink
	}
}
