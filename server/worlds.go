package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"rasad/server/access"
	"rasad/server/api"
)

// An installation holds several worlds: other cities, or an exercise. Each has its own
// record, keys, hubs and rules, in a data folder of its own under worlds/ that the
// command line takes as any other. People, programs, walls, the address and its
// certificate are of the installation.

// worldConfig is what the config file says of a world beside the home world.
type worldConfig struct {
	Title  string `yaml:"title"`
	City   string `yaml:"city"`
	Preset string `yaml:"preset"` // empty: that of the home world
	Demo   bool   `yaml:"demo"`
	// Exercise: what happens in it is practice, and every screen says so.
	Exercise bool `yaml:"exercise"`
}

// openOthers opens the worlds beside the home world.
func (s *server) openOthers(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(s.config.Worlds)) {
		w := s.config.Worlds[name]
		c := s.config
		c.world, c.title, c.exercise, c.City, c.Demo, c.Worlds = name, w.Title, w.Exercise, w.City, w.Demo, nil
		c.Data = filepath.Join(s.config.Data, "worlds", name)
		if w.Preset != "" {
			c.Preset = w.Preset
		}
		o, err := open(ctx, c, s, s.log.With("world", name))
		if err != nil {
			return fmt.Errorf("open the world %s: %w", name, err)
		}
		s.others = append(s.others, o)
	}
	return nil
}

// door is what answers: the home world, or the worlds by their names.
func (s *server) door() http.Handler {
	if len(s.others) == 0 {
		return s.api
	}
	others := map[string]*api.API{}
	for _, o := range s.others {
		others[o.config.world] = o.api
	}
	return api.NewWorlds(s.api, others)
}

// share connects the worlds; nil when there is one.
func (s *server) share(worlds []*server) *sharing {
	if len(worlds) == 1 {
		return nil
	}
	of := map[string]sharingWorld{}
	for _, w := range worlds {
		policy := w.policy
		of[w.config.world] = sharingWorld{view: w.world.View, propose: w.propose, final: func(status string) bool { return policy.IncidentStatuses[status].Final }}
	}
	shared := newSharing(of, s.log)
	for _, w := range worlds {
		w.shared = shared
	}
	return shared
}

// worldIn tells whose record a data folder holds: its mark bears the name.
func worldIn(data string) string {
	marks, err := filepath.Glob(filepath.Join(data, "*.mark"))
	if err != nil || len(marks) != 1 {
		return access.Home
	}
	return strings.TrimSuffix(filepath.Base(marks[0]), ".mark")
}
