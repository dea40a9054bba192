package reach

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"rasad/geo"
	"rasad/geo/coverage"
)

const (
	watchEvery = time.Second
	// noteApart is the least time between two notes, noteEvery the most: a share that
	// creeps is noted each minute, one that falls at once.
	noteApart = 10 * time.Second
	noteEvery = time.Minute
	// noteChange is a change of a share that is worth a note: 0.2 points.
	noteChange = 0.002
)

// noted is how well a standard is met, as it is noted.
type noted struct {
	Capability string   `json:"capability"`
	Seconds    int      `json:"seconds"`
	Share      float64  `json:"share"`
	Basis      string   `json:"basis"`
	VoidZones  []string `json:"void_zones"`
}

// watch proposes what the record is to keep: the shares, and voids as they open and close.
func (d *Driver) watch(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	var last []noted
	var at time.Time
	trouble := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s := d.cover.state.Load()
		if s == nil {
			continue // the world is not worked in yet
		}
		now := d.survey(s.view)
		err := d.voids(ctx, now)
		since := time.Since(at)
		if err == nil && (at.IsZero() || since >= noteEvery || since >= noteApart && changed(last, now)) {
			if err = d.Propose(ctx, "coverage.note", map[string]any{"units": s.units, "standards": now}); err == nil {
				last, at = now, time.Now()
			}
		}
		if err != nil && ctx.Err() == nil && !trouble {
			d.Log.Warn("the coverage is not kept in the record", "error", err)
		}
		trouble = err != nil
	}
}

// survey measures every standard. A zone is void of a capability that the city has
// at all: what it never had is no gap that a dispatcher could close.
func (d *Driver) survey(view *coverage.View) (standards []noted) {
	demand := view.Demand()
	enrolled := d.state.Load().enrolled
	for _, s := range d.cover.standards {
		share := view.Share(s)
		n := noted{Capability: s.Capability, Seconds: s.Seconds, Share: share.Part(), Basis: demand.Basis, VoidZones: []string{}}
		for z, zone := range share.Zones {
			if enrolled[s.Capability] > 0 && zone.Total > 0 && zone.Part() < d.Preset.Coverage.VoidBelow {
				n.VoidZones = append(n.VoidZones, demand.Zones[z].ID)
			}
		}
		standards = append(standards, n)
	}
	return standards
}

func changed(before, now []noted) bool {
	return !slices.EqualFunc(before, now, func(a, b noted) bool {
		return a.Capability == b.Capability && math.Abs(a.Share-b.Share) < noteChange && slices.Equal(a.VoidZones, b.VoidZones)
	})
}

// voids opens and closes voids so that the world has those that are.
func (d *Driver) voids(ctx context.Context, now []noted) error {
	type place struct{ capability, zone string }
	open := map[place]bool{}
	for f := range d.World.View().All(geo.Void) {
		open[place{f.Props.Text("capability"), f.Props.Text("zone")}] = true
	}
	var errs []error
	for _, s := range now {
		for _, zone := range s.VoidZones {
			p := place{s.Capability, zone}
			if open[p] {
				delete(open, p)
				continue
			}
			args := map[string]any{"zone": zone, "capability": s.Capability, "seconds": s.Seconds}
			if names := d.names(zone); len(names) > 0 {
				args["names"] = names
			}
			errs = append(errs, d.Propose(ctx, "void.open", args))
		}
	}
	for p := range open {
		errs = append(errs, d.Propose(ctx, "void.close", map[string]any{"zone": p.zone, "capability": p.capability}))
	}
	return errors.Join(errs...)
}

// names are those of a zone, by language; "local" as the signs have it.
func (d *Driver) names(id string) map[string]string {
	i := slices.IndexFunc(d.Demand.Zones, func(z coverage.Zone) bool { return z.ID == id })
	if i < 0 {
		return nil
	}
	return Names(&d.Demand.Zones[i])
}

// Names are the names of a zone in the three languages; none when it has no name.
func Names(z *coverage.Zone) map[string]string {
	out := map[string]string{}
	for _, lang := range []string{"fa", "zh", "en"} {
		if name := z.Names.In(lang); name != "" {
			out[lang] = name
		}
	}
	return out
}
