package geo

import (
	"fmt"
	"math"
	"strings"
)

// Datum is what a pair of coordinates is measured against. Everything inside is WGS 84; what
// comes in declares its datum and is converted at the door.
type Datum string

// The datums that come in. China's maps must be shifted by a secret polynomial (GCJ-02), and
// Baidu shifts that once more (BD-09); CGCS2000 agrees with WGS 84 to centimetres, so it is
// taken as it is.
const (
	WGS84    Datum = "wgs84"
	GCJ02    Datum = "gcj02"
	BD09     Datum = "bd09"
	CGCS2000 Datum = "cgcs2000"
)

// ParseDatum reads the name of a datum, in any case; empty means WGS 84.
func ParseDatum(s string) (Datum, error) {
	switch d := Datum(strings.ToLower(strings.TrimSpace(s))); d {
	case "":
		return WGS84, nil
	case WGS84, GCJ02, BD09, CGCS2000:
		return d, nil
	}
	return "", fmt.Errorf("datum %q: want wgs84, gcj02, bd09 or cgcs2000", s)
}

// ToWGS84 converts degrees, longitude first. GCJ-02 and BD-09 are undone by iteration, to well
// under a millimetre of what FromWGS84 gives; outside China they shift nothing.
func (d Datum) ToWGS84(lon, lat float64) (wgsLon, wgsLat float64) {
	switch d {
	case BD09:
		return unshift(unbaidu(lon, lat))
	case GCJ02:
		return unshift(lon, lat)
	}
	return lon, lat
}

// FromWGS84 converts degrees to the datum, longitude first.
func (d Datum) FromWGS84(lon, lat float64) (datumLon, datumLat float64) {
	switch d {
	case BD09:
		return baidu(shift(lon, lat))
	case GCJ02:
		return shift(lon, lat)
	}
	return lon, lat
}

// inChina is the rectangle within which the published shift applies. It is coarse, but it is
// what every provider uses, so a finer border would disagree with their coordinates.
func inChina(lon, lat float64) bool {
	return lon >= 72.004 && lon <= 137.8347 && lat >= 0.8293 && lat <= 55.8271
}

// gcjOffset is the shift at a place in China: Krasovsky 1940 ellipsoid and a published set of sines.
func gcjOffset(lon, lat float64) (dLon, dLat float64) {
	const (
		a  = 6378245.0
		ee = 0.00669342162296594323
	)
	x, y := lon-105, lat-35
	root := math.Sqrt(math.Abs(x))
	s := func(v float64) float64 { return math.Sin(v * math.Pi) }
	both := (20*s(6*x) + 20*s(2*x)) * 2 / 3
	dLat = -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*root + both +
		(20*s(y)+40*s(y/3))*2/3 + (160*s(y/12)+320*s(y/30))*2/3
	dLon = 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*root + both +
		(20*s(x)+40*s(x/3))*2/3 + (150*s(x/12)+300*s(x/30))*2/3
	φ := lat / 180 * math.Pi
	m := 1 - ee*math.Sin(φ)*math.Sin(φ)
	dLat = dLat * 180 / (a * (1 - ee) / (m * math.Sqrt(m)) * math.Pi)
	dLon = dLon * 180 / (a / math.Sqrt(m) * math.Cos(φ) * math.Pi)
	return dLon, dLat
}

func shift(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	dLon, dLat := gcjOffset(lon, lat)
	return lon + dLon, lat + dLat
}

// unshift undoes shift by fixed-point iteration: the shift changes by less than a percent of
// the way, so each round gains two digits. It decides by the shifted place whether it is in
// China, as shift decides by the true one: within the shift (some 700 m) of the rectangle's edge
// the two can disagree, and no datum can tell.
func unshift(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	x, y := lon, lat
	for range 30 {
		dLon, dLat := gcjOffset(x, y)
		nx, ny := lon-dLon, lat-dLat
		done := math.Abs(nx-x) < 1e-12 && math.Abs(ny-y) < 1e-12
		x, y = nx, ny
		if done {
			break
		}
	}
	return x, y
}

const bdPi = math.Pi * 3000 / 180

func baidu(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	r := math.Hypot(lon, lat) + 0.00002*math.Sin(lat*bdPi)
	θ := math.Atan2(lat, lon) + 0.000003*math.Cos(lon*bdPi)
	return r*math.Cos(θ) + 0.0065, r*math.Sin(θ) + 0.006
}

// unbaidu undoes baidu. The usual closed formula is off by up to a metre, so it is iterated too.
func unbaidu(lon, lat float64) (float64, float64) {
	if !inChina(lon, lat) {
		return lon, lat
	}
	x, y := lon-0.0065, lat-0.006
	for range 30 {
		r := math.Hypot(x, y) + 0.00002*math.Sin(y*bdPi)
		θ := math.Atan2(y, x) + 0.000003*math.Cos(x*bdPi)
		ex, ey := lon-(r*math.Cos(θ)+0.0065), lat-(r*math.Sin(θ)+0.006)
		x, y = x+ex, y+ey
		if math.Abs(ex) < 1e-12 && math.Abs(ey) < 1e-12 {
			break
		}
	}
	return x, y
}
