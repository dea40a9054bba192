// Package coverage says where people live whom a unit can reach in time, and where nobody can.
//
// [Demand] is where people are: small squares, each with a weight. [Grid] ties them to the roads and
// counts for each standard (a capability, a number of seconds) how many dispatchable units reach each
// square. Its one law:
//
//	the counts after any sequence of Set, Remove and Reroute equal those counted from nothing
//
// A Grid has one writer. Readers take a [View], which never changes, so a question never waits for a
// unit that moves. Weights are summed as integers: a share does not drift, however long the watch.
//
// The package reads no clock and no file but its own, and no goroutine of it outlives a call.
package coverage
