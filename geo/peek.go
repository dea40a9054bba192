package geo

import "hash/maphash"

// Peek returns a feature as it was put, and its current fix beside it. Unlike
// [View.ByID] it copies nothing, which counts when every unit of a city moves.
func (v *View) Peek(id ID) (put *Feature, x Fix, ok bool) {
	if v.table.feature(id) == nil {
		return nil, Fix{}, false
	}
	f, fix, _ := v.table.row(id)
	return f, *fix, true
}

// Find returns the number and the kind of the feature with the caller's key, or
// zero.
func (v *View) Find(key string) (ID, Kind) {
	h := uint32(maphash.String(v.seed, key) >> 32)
	id := v.keys.find(h, func(id ID) bool { return v.table.feature(id).Key == key })
	if id == 0 {
		return 0, ""
	}
	return id, v.table.feature(id).Kind
}
