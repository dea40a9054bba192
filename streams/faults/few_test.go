//go:build !faults

package faults

// An ordinary run shows that the machinery works.
const (
	kills     = 3
	cuts      = 2
	fills     = 1
	flips     = 40
	flipsSeed = 2
)
