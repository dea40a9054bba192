//go:build faults

package faults

// What the product promises.
const (
	kills     = 50
	cuts      = 20
	fills     = 5
	flips     = 1000
	flipsSeed = 1
)
