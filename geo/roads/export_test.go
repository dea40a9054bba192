package roads

// For the tests of whole cities, which live outside of the package because geo/city needs it.
var (
	EqualsDijkstra = equalsDijkstra
	SomeChanges    = someChanges
	Somewhere      = somewhere
	TestProfiles   = testProfiles
)

// Arc is an arc of the turn-expanded graph.
type Arc struct {
	From, To, Millis uint32
}

// Arcs are the arcs of the turn-expanded graph that a profile may drive.
func Arcs(r *Router, p ProfileID) (arcs []Arc) {
	n, m := r.net, &r.now[p]
	for s := range uint32(n.states()) {
		for _, a := range n.outs[n.outFirst[s]:n.outFirst[s+1]] {
			if c := m.turn[a.kind()] + m.weight[a.state()]; c < never {
				arcs = append(arcs, Arc{s, a.state(), c})
			}
		}
	}
	return arcs
}

// States are the states of an edge: the edge and the copies that remember more.
func States(r *Router, e EdgeID) []uint32 {
	return append([]uint32{uint32(e)}, r.net.copies[uint32(e)]...)
}
