package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Input is a feature as the arguments of a command carry it: checked by the
// door, in JSON, coordinates in 1e-7 degree.
//
//	{"key":"E7","kind":"unit","at":[-755466000,397447000],"props":{"name":"Engine 7"}}
type Input struct {
	Key     string   `json:"key"`
	Kind    Kind     `json:"kind"`
	At      *LngLat  `json:"at,omitempty"` // nil: no place; for a shape, a point inside it
	Shape   *Shape   `json:"shape,omitempty"`
	Props   Props    `json:"props,omitempty"`
	Sealed  []Sealed `json:"sealed,omitempty"`
	IfMatch uint64   `json:"if_match,omitempty"` // the rev that the caller saw; zero: any
}

// MarshalJSON writes a position as [lng, lat] in 1e-7 degree.
func (p LngLat) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt([]byte{'['}, int64(p.Lng), 10)
	b = strconv.AppendInt(append(b, ','), int64(p.Lat), 10)
	return append(b, ']'), nil
}

// UnmarshalJSON reads a position from [lng, lat] in 1e-7 degree. It returns
// [ErrRange], wrapped, for a place off the globe.
func (p *LngLat) UnmarshalJSON(b []byte) error {
	var a []int32
	if err := json.Unmarshal(b, &a); err != nil {
		return fmt.Errorf("read a position: %w", err)
	}
	if len(a) != 2 {
		return errors.New("read a position: it is two numbers, longitude and latitude")
	}
	if a[0] < -LngMax || a[0] > LngMax || a[1] < -LatMax || a[1] > LatMax {
		return fmt.Errorf("read a position: %w", ErrRange)
	}
	p.Lng, p.Lat = a[0], a[1]
	return nil
}

// MarshalJSON writes the object that p is.
func (p Props) MarshalJSON() ([]byte, error) {
	if p == "" {
		return []byte("{}"), nil
	}
	return []byte(p), nil
}

// UnmarshalJSON makes canonical Props of an object; see [ParseProps].
func (p *Props) UnmarshalJSON(b []byte) error {
	q, err := ParseProps(b)
	*p = q
	return err
}
