package roads

// What others may know of a router besides its answers.

// Differs gives the edges that two routers of one graph close or slow in different ways.
func (r *Router) Differs(from *Router) []EdgeID { return differing(from.changes, r.changes) }

// Aside is the time between the road and a place some metres beside it.
func (r *Router) Aside(p ProfileID, metres float64) Cost {
	return out(r.now[p].aside(OnEdge{Metres: metres}))
}

// Drive is the time to drive an edge from its tail to a share of its length, [Unreached] where it is closed.
func (r *Router) Drive(p ProfileID, e EdgeID, along float64) Cost {
	return out(part(r.now[p].weight[e], along))
}
