package roads

// For the tests of whole cities, which live outside of the package because geo/city needs it.
var (
	EqualsDijkstra = equalsDijkstra
	SomeChanges    = someChanges
	Somewhere      = somewhere
	TestProfiles   = testProfiles
)
