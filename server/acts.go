package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// What is done to accounts, walls and tokens is decided and recorded by package access,
// in files of its own. Here it is told in the record of the world as well, in the chain
// that is signed, by whichever process it was done: each change once.

const (
	// accessNoteName is the command that leaves an act of such a change.
	accessNoteName = "access.note"
	// changesEvery is how often it is looked for.
	changesEvery = 200 * time.Millisecond
	// toldName is the file that says how far it was told.
	toldName = "access.told"
)

// accessNoted are the arguments of [accessNote], and of the act that it leaves.
type accessNoted struct {
	Act     string         `json:"act"`
	Subject string         `json:"subject,omitempty"`
	Name    string         `json:"name,omitempty"`
	At      time.Time      `json:"at"` // when it was done; the act says when it was told
	Before  map[string]any `json:"before,omitempty"`
	After   map[string]any `json:"after,omitempty"`
}

// accessNote is a rule that changes nothing and leaves an act: what somebody did to an
// account, a wall or a token, and what of it differs.
func accessNote(d *geo.Draft, by geo.Principal, args json.RawMessage) (any, error) {
	var in accessNoted
	if err := json.Unmarshal(args, &in); err != nil || in.Act == "" {
		return nil, &geo.Refusal{Class: geo.Invalid, Code: "bad-args", Detail: "the arguments of access.note are not as they should be"}
	}
	act := geo.Act{Name: in.Act, By: by, Args: args}
	if in.Subject != "" {
		act.Subjects = []string{in.Subject}
	}
	d.Act(act)
	return nil, nil
}

// note proposes a command that only leaves an act, in the name of who did it.
func (s *server) note(ctx context.Context, name string, args any, by geo.Principal, why string) error {
	b, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("write the arguments of %s: %w", name, err)
	}
	_, err = s.seq.Propose(ctx, streams.Command{Name: name, Args: b, By: by, Why: why})
	return err
}

// tellChanges tells the record what was done to accounts, walls and tokens until ctx
// ends. What could not be told is told later, after a restart if need be.
func (s *server) tellChanges(ctx context.Context) {
	path := filepath.Join(s.config.Data, toldName)
	var told access.Mark
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &told); err != nil {
			s.log.Warn("how far changes of accounts were told cannot be read; they are told again", "error", err)
		}
	}
	changes, err := access.NewChanges(s.gate.Register, s.gate.Tokens, told)
	if err != nil {
		s.log.Error("changes of accounts are not told in the record", "error", err)
		return
	}
	tick := time.NewTicker(changesEvery)
	defer tick.Stop()
	var waiting []access.Change
	for {
		more, err := changes.Next()
		if err != nil {
			s.log.Warn("changes of accounts cannot be read", "error", err)
		}
		waiting = append(waiting, more...)
		had := len(waiting)
		for len(waiting) > 0 && s.tellChange(ctx, waiting[0]) {
			told = waiting[0].Mark
			waiting = waiting[1:]
		}
		if len(waiting) < had {
			if err := keep(path, told); err != nil {
				s.log.Warn("how far changes of accounts were told was not written", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellChange tells one change; false when it has to be told later.
func (s *server) tellChange(ctx context.Context, c access.Change) bool {
	in := accessNoted{Act: c.Op, Subject: c.Subject, Name: c.Name, At: c.At, Before: c.Before, After: c.After}
	args, err := json.Marshal(in)
	if err != nil {
		s.log.Error("a change is not in the record of the world", "act", c.Op, "error", err)
		return true
	}
	cmd := streams.Command{Name: accessNoteName, Args: args, Why: c.Why, By: geo.Principal{Name: c.By, Role: string(c.Role), From: c.From, Session: c.Session},
		// When the server dies between the two files, it is told again, and once.
		Key: fmt.Sprintf("access-%d-%d-%.16s", c.Mark.Record, c.Mark.Token, c.Mark.Chain), Digest: s.sealer.Digest(args)}
	_, err = s.seq.Propose(ctx, cmd)
	var refusal *geo.Refusal
	if errors.As(err, &refusal) {
		s.log.Error("a change is not in the record of the world", "act", c.Op, "error", err)
		return true
	}
	return err == nil
}

// keep writes a small file in one step.
func keep(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
