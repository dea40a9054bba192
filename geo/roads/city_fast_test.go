//go:build !soak

package roads_test

const (
	cityQueries = 500
	citySources = 2 // for each profile and moment
)
