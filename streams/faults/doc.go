// Package faults holds the tests that kill, cut, fill and corrupt: whatever a
// journal has acknowledged must be there afterwards, or its loss must be named.
//
// An ordinary run makes a few of each; with the build tag faults it makes them
// in the numbers that the product promises:
//
//	go test -tags faults -v -timeout 10m ./streams/faults -run Kill
//	go test -tags faults -v -timeout 10m ./streams/faults -run PowerCut
//	go test -tags faults -v -timeout 10m ./streams/faults -run FullDisk
//	go test -tags faults -v -timeout 10m ./streams/faults -run Flip
//
// Power cuts and full disks mount small disks and need root.
package faults
