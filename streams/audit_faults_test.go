//go:build faults

package streams

func init() { mutations = 10_000 }
