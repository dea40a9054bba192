package picture

import (
	"math"

	"github.com/paulmach/orb"

	"rasad/geo"
)

// The sides of a picture, pixels.
const (
	SideMin = 160
	SideMax = 1600
)

// latMost is where the projection ends that maps of cities use.
const latMost = 85

// earthM is the length of the equator, metres.
const earthM = 40_075_016.686

// Frame is which part of the earth a picture shows, and how large. North is up.
type Frame struct {
	W, H int // pixels
	// west and north are its corner in units of the whole Mercator world; scale is the
	// width of that world in pixels.
	west, north, scale float64
}

// FrameOf returns the frame of w by h pixels, within [SideMin] and [SideMax], that shows
// all of a box as large as it goes. A box that crosses the antimeridian is shown as the
// whole world's width.
func FrameOf(b geo.Box, w, h int) Frame {
	f := Frame{W: min(max(w, SideMin), SideMax), H: min(max(h, SideMin), SideMax)}
	if b.Min.Lng > b.Max.Lng {
		b.Min.Lng, b.Max.Lng = -geo.LngMax, geo.LngMax
	}
	x0, y1 := mercator(b.Min)
	x1, y0 := mercator(b.Max)
	// No finer than a hundred metres across, or a point would be shown without end.
	least := 100 / earthM
	f.scale = min(float64(f.W)/max(x1-x0, least), float64(f.H)/max(y1-y0, least))
	f.west = (x0+x1)/2 - float64(f.W)/2/f.scale
	f.north = (y0+y1)/2 - float64(f.H)/2/f.scale
	return f
}

// bound is the picture and a little around it, pixels.
func (f Frame) bound() orb.Bound {
	return orb.Bound{Min: orb.Point{-edge, -edge}, Max: orb.Point{float64(f.W) + edge, float64(f.H) + edge}}
}

// zoom is the zoom at which maps of 512-pixel tiles have the scale of the frame.
func (f Frame) zoom() float64 { return math.Log2(f.scale / 512) }

// at is where a place lies in the picture, pixels.
func (f Frame) at(p geo.LngLat) orb.Point {
	x, y := mercator(p)
	return orb.Point{(x - f.west) * f.scale, (y - f.north) * f.scale}
}

// metres is the length of a pixel at a place.
func (f Frame) metres(p geo.LngLat) float64 {
	_, lat := p.Degrees()
	return earthM * math.Cos(min(max(lat, -latMost), latMost)*math.Pi/180) / f.scale
}

// centre is the latitude of the middle of the picture, as a place.
func (f Frame) centre() geo.LngLat {
	y := f.north + float64(f.H)/2/f.scale
	lat := math.Atan(math.Sinh(math.Pi*(1-2*y))) * 180 / math.Pi
	return geo.LngLat{Lat: int32(lat * 1e7)}
}

func mercator(p geo.LngLat) (x, y float64) {
	lng, lat := p.Degrees()
	lat = min(max(lat, -latMost), latMost) * math.Pi / 180
	return lng/360 + 0.5, (1 - math.Asinh(math.Tan(lat))/math.Pi) / 2
}
