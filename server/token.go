package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"rasad/geo"
	"rasad/server/access"
)

// tokenFlags are what every command about tokens knows.
type tokenFlags struct {
	*flags
	data, why *string
}

func newTokenFlags(name string) tokenFlags {
	f := newFlags(name)
	return tokenFlags{f, f.String("data", "", "folder that keeps the record"), f.String("why", "", "what it is for")}
}

// open opens the tokens of the data folder, whether a server runs on it or not.
func (f tokenFlags) open() (*access.Tokens, error) {
	if *f.data == "" {
		return nil, usagef("--data is missing")
	}
	if err := os.MkdirAll(*f.data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	tokens, err := access.OpenTokens(*f.data)
	if err != nil {
		return nil, fmt.Errorf("open the tokens in %s: %w", *f.data, err)
	}
	return tokens, nil
}

// act is who does it: somebody who may write to the data folder.
func (f tokenFlags) act(e env) access.Act {
	name := "local"
	if user := e.getenv("USER"); user != "" {
		name += ":" + user
	}
	return access.Act{By: name, From: "command line", At: time.Now(), Why: *f.why}
}

// token makes a token and prints it and nothing else.
func token(_ context.Context, e env, args []string) error {
	f := newTokenFlags("token")
	role := f.String("role", "", "what the program may do")
	name := f.String("name", "", "whose token it is")
	moves := f.String("moves", "", "the only units that it may move: keys separated by commas, * stands for anything")
	creates := f.Bool("creates", false, "it may create the units that it reports first")
	feed := f.String("feed", "", "the only feed that it may speak to")
	agency := f.String("agency", "", "the agencies that it is confined to, separated by commas")
	shelter := f.String("shelter", "", "the shelters that it keeps, separated by commas")
	worlds := f.String("worlds", "", "the worlds that it may enter, separated by commas, * for all; empty: the home world")
	perSecond := f.Int("per-second", 0, "how many fixes a second it may send; 0: 20000")
	expires := f.Duration("expires", 0, "when it ends by itself, such as 720h; 0: never")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	for _, given := range []struct{ flag, value string }{{"data", *f.data}, {"role", *role}, {"name", *name}} {
		if given.value == "" {
			return usagef("--%s is missing", given.flag)
		}
	}
	o := access.TokenOptions{Name: *name, Role: *role, Feed: *feed, Creates: *creates, Agencies: commas(*agency), Shelters: commas(*shelter), Worlds: commas(*worlds), PerSecond: *perSecond}
	if *moves != "" {
		o.IDs = commas(*moves)
	}
	switch {
	case *expires < 0:
		return usagef("--expires %s: lies in the past", *expires)
	case *expires > 0:
		o.Expires = time.Now().Add(*expires).UTC()
	}
	for _, key := range o.Shelters {
		if err := geo.CheckKey(key); err != nil {
			return usagef("--shelter %s: %v", key, err)
		}
	}
	tokens, err := f.open()
	if err != nil {
		return err
	}
	text, _, err := tokens.Make(f.act(e), o)
	if err != nil {
		return tokenError(err)
	}
	_, err = fmt.Fprintln(e.out, text)
	return err
}

// commas are the parts of a list; nil of an empty one.
func commas(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// tokenError tells a mistake of the caller from a failure.
func tokenError(err error) error {
	for _, wrong := range []error{access.ErrRole, access.ErrName, access.ErrPattern, access.ErrScope, access.ErrWorlds, access.ErrLimits, access.ErrNoToken} {
		if errors.Is(err, wrong) {
			return usagef("%v", err)
		}
	}
	return err
}

// tokenList prints the tokens as a table: none of them can be read back.
func tokenList(_ context.Context, e env, args []string) error {
	f := newTokenFlags("token list")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	tokens, err := f.open()
	if err != nil {
		return err
	}
	now := time.Now()
	all, err := tokens.List(now)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tSTATE\tMOVES\tMADE\tSEEN")
	for _, t := range all {
		state := "valid"
		switch {
		case t.Revoked:
			state = "revoked"
		case !t.Expires.IsZero() && !now.Before(t.Expires):
			state = "expired"
		case !t.Quarantined.IsZero():
			state = "set aside until " + t.Quarantined.UTC().Format(time.RFC3339)
		}
		moves, seen := "", "never"
		if t.Role == string(access.FeedProgram) {
			if moves = strings.Join(t.IDs, ","); t.IDs == nil {
				moves = "*"
			}
		}
		if !t.Seen.IsZero() {
			seen = t.Seen.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, state, moves, t.Created.UTC().Format(time.RFC3339), seen)
	}
	return w.Flush()
}

// aboutToken reads the flags of a command about one token, and does it.
func aboutToken(f tokenFlags, e env, args []string, do func(*access.Tokens, string) error) error {
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want("ID"); err != nil {
		return err
	}
	tokens, err := f.open()
	if err != nil {
		return err
	}
	return tokenError(do(tokens, f.args[0]))
}

// tokenRotate gives a token a new secret and prints it; the one before works for a while.
func tokenRotate(_ context.Context, e env, args []string) error {
	f := newTokenFlags("token rotate")
	overlap := f.Duration("overlap", 24*time.Hour, "how long the token before still works")
	return aboutToken(f, e, args, func(t *access.Tokens, id string) error {
		text, err := t.Rotate(f.act(e), id, *overlap)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.out, text)
		return err
	})
}

// tokenRevoke ends a token for ever.
func tokenRevoke(_ context.Context, e env, args []string) error {
	f := newTokenFlags("token revoke")
	return aboutToken(f, e, args, func(t *access.Tokens, id string) error { return t.Revoke(f.act(e), id) })
}

// tokenRelease ends the quarantine of a token.
func tokenRelease(_ context.Context, e env, args []string) error {
	f := newTokenFlags("token release")
	return aboutToken(f, e, args, func(t *access.Tokens, id string) error { return t.Release(f.act(e), id) })
}
