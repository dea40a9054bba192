package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// sharing carries incidents from the world whose they are to those that they are
// shared with. It holds nothing that is not in the worlds: after a restart it looks
// at both sides and goes on.
type sharing struct {
	worlds map[string]sharingWorld
	log    *slog.Logger

	mu   sync.Mutex
	due  map[sharedKey]bool
	ids  map[string]map[geo.ID]string // by world: keys of incidents that were told, for drops
	wake chan struct{}

	// Of the goroutine that carries: which worlds hold an image.
	told map[sharedKey][]string
}

// sharingWorld is what is asked of a world: how it stands, and to change.
type sharingWorld struct {
	view    func() *geo.View
	propose func(ctx context.Context, name string, args any) (streams.Answer, error)
	final   func(status string) bool // of an incident
}

type sharedKey struct{ world, key string }

func newSharing(worlds map[string]sharingWorld, log *slog.Logger) *sharing {
	s := &sharing{worlds: worlds, log: log, due: map[sharedKey]bool{}, ids: map[string]map[geo.ID]string{}, wake: make(chan struct{}, 1), told: map[sharedKey][]string{}}
	for name, w := range worlds {
		s.ids[name] = map[geo.ID]string{}
		for f := range w.view().All(geo.Incident) {
			if home := f.Props.Text("shared_from"); home != "" {
				if !w.final(f.Props.Text("status")) {
					k := sharedKey{home, f.Props.Text("shared_key")}
					s.told[k] = append(s.told[k], name)
					s.due[k] = true // it may be over at home by now
				}
			} else if f.Props.Raw("shared_with") != "" {
				s.due[sharedKey{name, f.Key}] = true
				s.ids[name][f.ID] = f.Key
			}
		}
	}
	s.wake <- struct{}{}
	return s
}

// frame notes what of a world's frame others may have to hear. It is called by the
// writer of the world and does not wait.
func (s *sharing) frame(world string, f *streams.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, before := s.ids[world], len(s.due)
	for _, p := range f.Put {
		if p.Kind != geo.Incident {
			continue
		}
		if _, known := ids[p.ID]; known || p.Props.Raw("shared_with") != "" {
			ids[p.ID] = p.Key
			s.due[sharedKey{world, p.Key}] = true
		}
	}
	for _, id := range f.Drop {
		if key, known := ids[id]; known {
			delete(ids, id)
			s.due[sharedKey{world, key}] = true
		}
	}
	if len(s.due) > before {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// run carries until ctx ends. What cannot be told now is told later: the other world
// may not be recording.
func (s *sharing) run(ctx context.Context) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again.C:
		}
		s.mu.Lock()
		due := slices.Collect(maps.Keys(s.due))
		clear(s.due)
		s.mu.Unlock()
		for _, k := range due {
			if err := s.carry(ctx, k); err != nil && ctx.Err() == nil {
				s.log.Warn("a shared incident could not be told", "world", k.world, "incident", k.key, "error", err)
				s.mu.Lock()
				s.due[k] = true
				s.mu.Unlock()
			}
		}
	}
}

// carry makes the images of one incident equal to it.
func (s *sharing) carry(ctx context.Context, k sharedKey) error {
	var want []string
	home, there := s.worlds[k.world]
	var f *geo.Feature
	if there {
		f, there = home.view().Get(k.key)
	}
	if there && f.Kind == geo.Incident && !home.final(f.Props.Text("status")) {
		want = f.Props.Texts("shared_with")
	}
	var failed error
	held := s.told[k]
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(want, held)))) {
		w, ok := s.worlds[name]
		if !ok || name == k.world {
			s.log.Warn("an incident is shared with a world that this server does not hold", "world", k.world, "incident", k.key, "with", name)
			continue
		}
		wanted := slices.Contains(want, name)
		var err error
		if wanted {
			_, err = w.propose(ctx, "share.take", imageOf(k, f))
		} else {
			_, err = w.propose(ctx, "share.end", map[string]any{"world": k.world, "key": k.key, "reason": "it is over in the world " + k.world + ", or not shared any more"})
		}
		var no *geo.Refusal
		switch {
		case err == nil:
		case errors.As(err, &no) && (no.Class == geo.Invalid || no.Class == geo.Conflict || no.Class == geo.Missing): // it would be refused again
			s.log.Warn("a shared incident was refused", "world", k.world, "incident", k.key, "with", name, "error", err)
		default:
			failed = errors.Join(failed, err)
			continue
		}
		held = slices.DeleteFunc(held, func(x string) bool { return x == name })
		if wanted {
			held = append(held, name)
		}
	}
	if s.told[k] = held; len(held) == 0 {
		delete(s.told, k)
	}
	return failed
}

// imageOf is an incident as another world may know it: what whoever sees it sees,
// without the keys of units, which are another's there.
func imageOf(k sharedKey, f *geo.Feature) map[string]any {
	props := map[string]json.RawMessage{}
	for name, raw := range f.Props.Map() {
		if name == "assigned" || strings.HasPrefix(name, "shared_") || access.ClassOf(geo.Incident, name) != access.Open && name != "sensitive" {
			continue
		}
		props[name] = raw
	}
	out := map[string]any{"world": k.world, "key": k.key, "props": props}
	if f.Fix.Placed() {
		out["at"] = f.Fix.At
	}
	if f.Shape != nil {
		out["shape"] = f.Shape
	}
	return out
}
