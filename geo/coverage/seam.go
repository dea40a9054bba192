package coverage

import (
	"rasad/geo"
	"rasad/geo/roads"
)

type (
	Cost      uint32
	ProfileID uint32
	EdgeID    = roads.EdgeID
	Stop      struct {
		At geo.LngLat
		On []roads.OnEdge
	}
	RoadChange struct {
		Edge   EdgeID
		Factor float64
	}
	Router interface {
		Graph() *roads.Graph
		Changes() []RoadChange
		Approach(p ProfileID) float64
		Stop(p ProfileID, at geo.LngLat, heading float64) (Stop, error)
		Time(p ProfileID, from, to Stop) (Cost, bool)
		Within(p ProfileID, from Stop, budget Cost, visit func(e EdgeID, enter, leave Cost))
	}
)
