package geo

// Mix is the share of one feature in the state hash: two 32-bit lanes over the
// wire integers, so that a browser computes it without 64-bit arithmetic. The
// exact steps are in streams/FORMAT.md.
func Mix(id ID, rev uint64, x Fix) uint64 {
	words := [...]uint32{
		uint32(id), uint32(rev), uint32(rev >> 32),
		uint32(x.At.Lng), uint32(x.At.Lat), uint32(x.Time), uint32(uint64(x.Time) >> 32),
		uint32(x.Heading) | uint32(x.Speed)<<16, uint32(x.Accuracy) | uint32(x.Flags)<<16,
	}
	a, b := uint32(0x9e3779b9), uint32(0x85ebca6b)
	for _, w := range words {
		a = (a ^ w) * 0x01000193
		a ^= a >> 15
		b = (b + w) * 0xcc9e2d51
		b ^= b >> 13
	}
	return uint64(fmix(a^b<<1|b>>31))<<32 | uint64(fmix(b+a))
}

func fmix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
