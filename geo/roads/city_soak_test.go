//go:build soak

package roads_test

// go test -tags soak -timeout 30m -run Cities ./geo/roads
const (
	cityQueries = 10_000
	citySources = 12 // for each profile and moment
)
