package streams

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
)

// For returns a hub that shows the same world to another audience, and stands where h
// stands: the next frame that is published is the next for both. It is not called
// while a frame is being published, nor on a hub that shows less than everything.
// Audiences of one group ("agency:fire", "agency:police") share their metrics.
func (h *Hub) For(a Audience, metrics prometheus.Registerer) *Hub {
	if h.project != nil {
		panic("streams: a hub of " + a.Name + " from one that does not see everything")
	}
	group, _, _ := strings.Cut(a.Name, ":")
	h.mu.Lock()
	defer h.mu.Unlock()
	head := h.head.Load()
	g := &Hub{source: h.source, world: h.world, epoch: h.epoch, fixed: h.fixed, m: newHubMetrics(metrics, group)}
	g.fixed.Audience = a.Name
	if a.Project != nil {
		g.project = newProjection(a.Project, head.view)
	}
	g.status = g.complete(h.status)
	now := &hubMoment{hubState: g.stateOf(head.view, nil), live: head.live}
	if over := head.overlay; over != nil {
		moves := over.Move
		if g.project != nil {
			moves = g.project.overlay(h.source.View(), moves)
		}
		now.overlay = g.frame(head.view, over.Base, over.Live, over.Time, geo.Delta{Move: moves})
		now.last = now.overlay
	}
	g.head.Store(&hubHead{hubMoment: now, statusNo: 1, closed: head.closed})
	return g
}
