package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/streams"
)

// retainEvery is how often it is looked whether personal fields are kept too long.
const retainEvery = 24 * time.Hour

// keepings says how long each personal field is kept after the end of what it is of: as
// the preset says, unless the config says otherwise. A field that is not in it is kept
// for ever.
func keepings(p *fixtures.Preset, c map[string]duration) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	for _, r := range p.Retention {
		out[r.Field] = time.Duration(r.Days) * 24 * time.Hour
	}
	for field, keep := range c {
		out[field] = time.Duration(keep)
	}
	known := slices.Concat(access.PersonalFields(geo.Incident), access.PersonalFields(geo.Call))
	for field, keep := range out {
		if !slices.Contains(known, field) {
			return nil, usagef("retention: %q is no personal field; those are %v", field, slices.Compact(slices.Sorted(slices.Values(known))))
		}
		if keep == 0 {
			delete(out, field)
		}
	}
	return out, nil
}

// overdue is a personal field that is kept too long.
type overdue struct {
	key, field string
	boxes      []geo.Sealed // under every key that it ever had
}

// kept is what the past says of a feature with personal fields.
type kept struct {
	boxes map[string][]geo.Sealed
	ended geo.Millis // 0: it goes on
}

// tooLong reads the past once and finds the fields whose time is over: that of a closed
// incident, or of what was deleted, and nobody brought back.
func tooLong(ctx context.Context, h streams.History, keep map[string]time.Duration, now geo.Millis) ([]overdue, error) {
	first, err := h.KeyframeAt(ctx, 0)
	if errors.Is(err, streams.ErrNoHistory) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the beginning of the record: %w", err)
	}
	past := map[string]*kept{}
	names := map[geo.ID]string{} // of features with personal fields
	look := func(f *streams.Frame) {
		for _, id := range f.Drop {
			if k := past[names[id]]; k != nil && k.ended == 0 {
				k.ended = f.Time
			}
		}
		for _, p := range f.Put {
			k := past[p.Key]
			if k == nil && len(p.Sealed) == 0 {
				continue
			}
			if k == nil {
				k = &kept{boxes: map[string][]geo.Sealed{}}
				past[p.Key] = k
			}
			names[p.ID] = p.Key
			for _, s := range p.Sealed {
				if !slices.ContainsFunc(k.boxes[s.Name], func(o geo.Sealed) bool { return o.KeyID == s.KeyID }) {
					k.boxes[s.Name] = append(k.boxes[s.Name], s)
				}
			}
			k.ended = 0
			if at, err := time.Parse(time.RFC3339, p.Props.Text("closed_at")); err == nil {
				k.ended = geo.Millis(at.UnixMilli())
			}
		}
	}
	look(first)
	for f, err := range h.Frames(ctx, first.Seq) {
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		look(f)
	}
	var out []overdue
	for _, key := range slices.Sorted(maps.Keys(past)) {
		k := past[key]
		for _, field := range slices.Sorted(maps.Keys(k.boxes)) {
			if most, ok := keep[field]; ok && k.ended > 0 && now-k.ended >= geo.Millis(most/time.Millisecond) {
				out = append(out, overdue{key, field, k.boxes[field]})
			}
		}
	}
	return out, nil
}

// retain erases what is kept too long, each by an act in the record, and says how many
// fields it were.
func (s *server) retain(ctx context.Context, keep map[string]time.Duration, now geo.Millis) (int, error) {
	if len(keep) == 0 {
		return 0, nil
	}
	found, err := tooLong(ctx, s.journal, keep, now)
	if err != nil {
		return 0, err
	}
	erased := 0
	for _, o := range found {
		open := slices.ContainsFunc(o.boxes, func(b geo.Sealed) bool {
			_, err := s.sealer.Open(b)
			return !errors.Is(err, streams.ErrErased) && !errors.Is(err, streams.ErrKeyMissing)
		})
		if !open {
			continue // it was erased before
		}
		why := fmt.Sprintf("kept for %d days after the end", keep[o.field]/(24*time.Hour))
		if _, err := s.eraseField(ctx, api.Erasure{Key: o.key, Field: o.field, Why: why, By: geo.Principal{Name: "system", Role: string(access.System)}}); err != nil {
			return erased, fmt.Errorf("erase the %s of %s, which is kept too long: %w", o.field, o.key, err)
		}
		erased++
	}
	return erased, nil
}

// retains looks once a day, and soon after the start, until ctx ends.
func (s *server) retains(ctx context.Context, keep map[string]time.Duration) {
	next := time.NewTimer(time.Minute)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		n, err := s.retain(ctx, keep, geo.Millis(time.Now().UnixMilli()))
		if err != nil && ctx.Err() == nil {
			s.log.Error("personal fields are kept longer than they should be", "error", err)
		}
		if n > 0 {
			s.log.Info("personal fields were erased, whose time was over", "fields", n)
		}
		next.Reset(retainEvery)
	}
}
