package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"rasad/server/access"
	"rasad/streams"
)

// People and walls from the command line: for the day when nobody can sign in. Whoever
// may write to the data folder may do this; it is recorded in their name.

// linkLives is how long a one-time link of the command line works.
const linkLives = 24 * time.Hour

// order is what the command line asks for: of the running server through its socket, or
// of the register itself while there is none.
type order struct {
	Op         string    `json:"op"` // "user add", "device list" …
	Name       string    `json:"name"`
	Display    *string   `json:"display,omitempty"`
	Role       string    `json:"role,omitempty"`
	Agencies   *[]string `json:"agencies,omitempty"`
	Shelters   *[]string `json:"shelters,omitempty"`
	Worlds     *[]string `json:"worlds,omitempty"`
	World      string    `json:"world,omitempty"` // that a wall shows
	Language   *string   `json:"language,omitempty"`
	Code       string    `json:"code,omitempty"` // on the screen of a wall
	BreakGlass bool      `json:"break_glass,omitempty"`
	Factor     bool      `json:"factor,omitempty"`
	JSON       bool      `json:"json,omitempty"`
	Why        string    `json:"why,omitempty"`
	By         string    `json:"by"`
}

func (o order) act() access.Act {
	return access.Act{By: "local:" + o.By, From: "command line", Why: o.Why, At: time.Now()}
}

// errNotRunning is an order that only a running server can do.
var errNotRunning = errors.New("the code on a wall is known to the running server only; start it")

// do does what is ordered, and writes what it answers. base is the address of the
// server, empty when none runs; gate is nil then.
func (o order) do(ctx context.Context, r *access.Register, gate *access.Gate, base string, w io.Writer) error {
	find := func() (access.Account, error) {
		a, ok := r.State().Named(o.Name)
		if !ok {
			return a, fmt.Errorf("%q: %w", o.Name, access.ErrNoAccount)
		}
		return a, nil
	}
	change := func(c access.AccountChanges) error {
		a, err := find()
		if err != nil {
			return err
		}
		if a, err = r.Change(ctx, o.act(), a.ID, c); err != nil {
			return err
		}
		return tellAccounts(w, o.JSON, a)
	}
	switch o.Op {
	case "user add":
		in := access.NewAccount{Name: o.Name, Role: access.Role(o.Role), BreakGlass: o.BreakGlass}
		setTo(&in.Display, o.Display)
		setTo(&in.Agencies, o.Agencies)
		setTo(&in.Shelters, o.Shelters)
		setTo(&in.Worlds, o.Worlds)
		setTo(&in.Language, o.Language)
		a, err := r.Create(ctx, o.act(), in)
		if err != nil {
			return err
		}
		return o.link(ctx, r, a, base, w)
	case "user list":
		return tellAccounts(w, o.JSON, r.State().Accounts()...)
	case "user disable", "user enable":
		off := o.Op == "user disable"
		return change(access.AccountChanges{Disabled: &off})
	case "user role":
		role := access.Role(o.Role)
		return change(access.AccountChanges{Role: &role, Agencies: o.Agencies, Shelters: o.Shelters, Worlds: o.Worlds})
	case "user break-glass":
		return change(access.AccountChanges{BreakGlass: &o.BreakGlass})
	case "user reset":
		a, err := find()
		if err != nil {
			return err
		}
		return o.link(ctx, r, a, base, w)
	case "device list":
		return tellDevices(w, o.JSON, r.State().Devices())
	case "device revoke":
		for _, d := range r.State().Devices() {
			if !d.Revoked && (d.ID == o.Name || d.Name == o.Name) {
				if err := r.RevokeDevice(ctx, o.act(), d.ID); err != nil {
					return err
				}
				_, err := fmt.Fprintf(w, "revoked: %s (%s)\n", d.ID, printable(d.Name))
				return err
			}
		}
		return fmt.Errorf("%q: %w", o.Name, access.ErrNoDevice)
	case "device approve":
		if gate == nil {
			return errNotRunning
		}
		d, err := gate.Enrolments.Approve(ctx, r, o.act(), o.Code, o.Name, o.World)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "approved: %s (%s)\n", d.ID, printable(d.Name))
		return err
	}
	return fmt.Errorf("there is no order %q", o.Op)
}

func setTo[T any](at *T, v *T) {
	if v != nil {
		*at = *v
	}
}

// link prints a one-time link and nothing else.
func (o order) link(ctx context.Context, r *access.Register, a access.Account, base string, w io.Writer) error {
	token, _, err := r.IssueReset(ctx, o.act(), a.ID, linkLives, o.Factor)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s/reset#%s\n", base, token)
	return err
}

func tellAccounts(w io.Writer, asJSON bool, accounts ...access.Account) error {
	if asJSON {
		e := json.NewEncoder(w)
		for _, a := range accounts {
			if err := e.Encode(a.Profile()); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range accounts {
		p := a.Profile()
		var marks []string
		for _, m := range []struct {
			on   bool
			mark string
		}{{p.Disabled, "disabled"}, {p.BreakGlass, "break-glass"}, {!p.Password, "no password yet"}, {p.TwoFactor, "two factors"}} {
			if m.on {
				marks = append(marks, m.mark)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(p.Name), p.Role, strings.Join(append(p.Agencies, p.Shelters...), ","), strings.Join(marks, ", "), printable(p.Display))
	}
	return t.Flush()
}

func tellDevices(w io.Writer, asJSON bool, devices []access.Device) error {
	if asJSON {
		e := json.NewEncoder(w)
		for _, d := range devices {
			if err := e.Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range devices {
		state := "stands"
		if d.Revoked {
			state = "revoked"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.ID, state, d.Approved.Format(time.RFC3339), printable(d.Name))
	}
	return t.Flush()
}

// people answers the command line.
func (s *server) people(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.Unmarshal([]byte(r.URL.Query().Get("order")), &o); err != nil {
		http.Error(w, "the order cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	var out bytes.Buffer
	if err := o.do(r.Context(), s.gate.Register, s.gate, s.base(), &out); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	_, _ = w.Write(out.Bytes()) // nobody is left to tell
}

// give has an order done: by the running server, else here.
func (o order) give(ctx context.Context, e env, data string) error {
	if data == "" {
		return usagef("--data is missing: name the folder that keeps the record")
	}
	o.By = "unknown"
	if u, err := user.Current(); err == nil {
		o.By = u.Username
	}
	if answers(data) {
		b, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return tellLocal(ctx, http.MethodPost, data, "/people?"+url.Values{"order": {string(b)}}.Encode(), e.out)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	sealer, err := streams.OpenSealer(data)
	if err != nil {
		return fmt.Errorf("open the keys in %s: %w", data, err)
	}
	defer sealer.Close()
	r, err := access.OpenRegister(data, sealer)
	if err != nil {
		return err
	}
	err = o.do(ctx, r, nil, "", e.out)
	return errors.Join(err, r.Close())
}

// answers tells whether a server answers on the socket of a data folder: one that was
// killed leaves the socket behind.
func answers(data string) bool {
	c, err := net.DialTimeout("unix", filepath.Join(data, socketName), time.Second)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED)
	}
	c.Close()
	return true
}

// ordered makes the command of an order.
func ordered(op string, wants ...string) func(context.Context, env, []string) error {
	return func(ctx context.Context, e env, args []string) error {
		o := order{Op: op}
		f := newFlags(op)
		data := f.String("data", "", "folder that keeps the record")
		list := func(name, usage string, into **[]string) {
			f.Func(name, usage, func(s string) error {
				l := strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
				*into = &l
				return nil
			})
		}
		textOf := func(name, usage string, into **string) {
			f.Func(name, usage, func(s string) error { *into = &s; return nil })
		}
		off := false
		f.StringVar(&o.Why, "why", "", "why; it is written in the record")
		switch op {
		case "user add", "user role":
			f.StringVar(&o.Role, "role", "", "what they may do")
			list("agencies", "own agencies, with commas between", &o.Agencies)
			list("shelters", "keys of own shelters, with commas between", &o.Shelters)
			list("worlds", "worlds that they may enter, with commas between; * for all", &o.Worlds)
			if op == "user add" {
				textOf("display", "the name that people see", &o.Display)
				textOf("language", "fa, zh or en", &o.Language)
				f.BoolVar(&o.BreakGlass, "break-glass", false, "for the day when nobody else can get in")
			}
		case "user reset":
			f.BoolVar(&o.Factor, "factor", false, "take the second factor away as well")
		case "user break-glass":
			f.BoolVar(&off, "off", false, "take it away")
		case "device approve":
			f.StringVar(&o.Code, "code", "", "on the screen of the wall")
			f.StringVar(&o.World, "world", access.Home, "that it shows")
		case "user list", "device list":
			f.BoolVar(&o.JSON, "json", false, "write JSON lines")
		}
		if err := f.parse(args, e.getenv); err != nil {
			return err
		}
		if err := f.want(wants...); err != nil {
			return err
		}
		if len(wants) > 0 {
			o.Name = f.args[0]
		}
		switch {
		case (op == "user add" || op == "user role") && o.Role == "":
			return usagef("--role is missing")
		case op == "device approve" && o.Code == "":
			return usagef("--code is missing")
		case op == "user break-glass":
			o.BreakGlass = !off
		}
		return o.give(ctx, e, *data)
	}
}

// peopleCommands are the commands about people and walls.
var peopleCommands = []command{
	{"user add", "NAME --data DIR --role ROLE [--display TEXT] [--agencies a,b] [--shelters a,b] [--worlds a,b] [--language fa|zh|en] [--break-glass] [--why TEXT]", ordered("user add", "NAME")},
	{"user list", "--data DIR [--json]", ordered("user list")},
	{"user disable", "NAME --data DIR [--why TEXT]", ordered("user disable", "NAME")},
	{"user enable", "NAME --data DIR [--why TEXT]", ordered("user enable", "NAME")},
	{"user role", "NAME --data DIR --role ROLE [--agencies a,b] [--shelters a,b] [--worlds a,b] [--why TEXT]", ordered("user role", "NAME")},
	{"user reset", "NAME --data DIR [--factor] [--why TEXT]", ordered("user reset", "NAME")},
	{"user break-glass", "NAME --data DIR [--off] [--why TEXT]", ordered("user break-glass", "NAME")},
	{"device list", "--data DIR [--json]", ordered("device list")},
	{"device approve", "NAME --data DIR --code CODE [--world NAME] [--why TEXT]", ordered("device approve", "NAME")},
	{"device revoke", "ID|NAME --data DIR [--why TEXT]", ordered("device revoke", "ID|NAME")},
	{"wall list", "--data DIR [--json]", ordered("device list")},
	{"wall approve", "NAME --data DIR --code CODE [--world NAME] [--why TEXT]", ordered("device approve", "NAME")},
	{"wall revoke", "ID|NAME --data DIR [--why TEXT]", ordered("device revoke", "ID|NAME")},
}
