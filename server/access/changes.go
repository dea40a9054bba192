package access

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"time"
)

// Change is something that was done to an account, a device or a token, as the record
// of the world tells it: who did what to whom, and what of it differs.
type Change struct {
	Mark Mark
	Act
	Op      string // "account.change", "device.revoke", "token.rotate" …
	Subject string // id of the account, device or token; empty when there is none
	Name    string // of it
	// Before and After are the members that differ, nothing sealed and no hash among
	// them.
	Before, After map[string]any
}

// Mark is how far changes have been read. The zero Mark is before the first.
type Mark struct {
	Record uint64 `json:"record"`
	Token  int    `json:"token"`           // lines of the token file
	Line   string `json:"line,omitempty"`  // SHA-256 of the last of them
	Chain  string `json:"chain,omitempty"` // digest of the last record
}

// quiet are records that tell nothing that a sign-in does not tell.
var quiet = []string{"account.code", "account.rehash"}

// Changes reads what was done to accounts, devices and tokens, by whichever process,
// once each. It is not safe for concurrent use.
type Changes struct {
	g      *Register
	tokens *Tokens
	mark   Mark
	state  *State
	off    int64
	stamp  stamp
}

// NewChanges reads on from a mark. A mark that does not fit what is kept, as after a
// restore of an older copy, is put at its end: what is there was told before.
func NewChanges(g *Register, tokens *Tokens, from Mark) (*Changes, error) {
	c := &Changes{g: g, tokens: tokens, mark: from, state: newState()}
	records, err := c.records()
	if err != nil {
		return nil, err
	}
	n := len(records)
	if from.Record < uint64(n) && (from.Record == 0 || records[from.Record-1].digest() == from.Chain) {
		n = int(from.Record)
	}
	for _, r := range records[:n] {
		if c.state, err = c.state.Apply(r); err != nil {
			return nil, err
		}
	}
	// What comes after the mark is read again by Next.
	c.mark.Record, c.mark.Chain = c.state.Head()
	if c.off, err = offsetAfter(c.g, n); err != nil {
		return nil, err
	}
	return c, nil
}

// source is where a register keeps its records; one in memory has none.
func (g *Register) source() (io.ReaderAt, int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.log.(*file)
	if !ok {
		return bytes.NewReader(nil), 0
	}
	return f.f, f.size
}

func (c *Changes) records() ([]Record, error) {
	r, size := c.g.source()
	if c.off >= size {
		return nil, nil
	}
	out, n, err := readRecords(io.NewSectionReader(r, c.off, size-c.off))
	if err != nil {
		return nil, fmt.Errorf("read what was done to accounts: %w", err)
	}
	c.off += n
	return out, nil
}

// offsetAfter is where the record after the first n begins.
func offsetAfter(g *Register, n int) (int64, error) {
	r, size := g.source()
	b := make([]byte, size)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read what was done to accounts: %w", err)
	}
	off := 0
	for range n {
		off += bytes.IndexByte(b[off:], '\n') + 1
	}
	return int64(off), nil
}

// Next returns what was done since the last call, oldest first: of accounts and
// devices, then of tokens.
func (c *Changes) Next() ([]Change, error) {
	var out []Change
	if n, _ := c.g.State().Head(); n != c.mark.Record {
		records, err := c.records()
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			next, err := c.state.Apply(r)
			if err != nil {
				return out, err
			}
			was := c.state
			c.state = next
			c.mark.Record, c.mark.Chain = next.Head()
			if !slices.Contains(quiet, r.Op) {
				out = append(out, r.change(was, c.mark))
			}
		}
	}
	of, err := c.ofTokens()
	return append(out, of...), err
}

func (r Record) change(was *State, at Mark) Change {
	x := Change{Mark: at, Act: Act{By: r.By, Session: r.Session, From: r.From, Why: r.Why, Role: r.Role, At: r.At}, Op: r.Op}
	switch {
	case r.Account != nil:
		x.Subject, x.Name = r.Account.ID, r.Account.Name
		var before map[string]any
		if a, ok := was.Account(r.Account.ID); ok {
			before = told(a.Profile())
			before["link"] = a.Reset != nil
		}
		after := told(r.Account.Profile())
		after["link"] = r.Account.Reset != nil
		x.Before, x.After = differ(before, after)
	case r.Device != nil:
		x.Subject, x.Name = r.Device.ID, r.Device.Name
		var before map[string]any
		if d, ok := was.Device(r.Device.ID); ok {
			before = told(d)
		}
		x.Before, x.After = differ(before, told(r.Device))
	}
	return x
}

// ofTokens reads the lines of the token file that are new.
func (c *Changes) ofTokens() ([]Change, error) {
	fi, err := os.Stat(c.tokens.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the tokens: %w", err)
	}
	if stampOf(fi) == c.stamp {
		return nil, nil
	}
	b, err := os.ReadFile(c.tokens.path)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	lines := slices.Collect(bytes.Lines(b))
	// A line may have been taken out by hand: the last one that was told is looked for.
	from := min(c.mark.Token, len(lines))
	for i := len(lines); i > 0 && c.mark.Line != ""; i-- {
		if sha(string(lines[i-1])) == c.mark.Line {
			from = i
			break
		}
	}
	var out []Change
	ids := map[string]*token{}
	for i, line := range lines {
		var r tokenRecord
		if len(bytes.TrimSpace(line)) == 0 || json.Unmarshal(line, &r) != nil {
			continue // the server says it when it reads the tokens
		}
		r.ID = cmp.Or(r.ID, clip(r.SHA256, 12))
		before := toldToken(ids[r.ID])
		r.into(ids)
		if i < from {
			continue
		}
		c.mark.Token, c.mark.Line = i+1, sha(string(line))
		x := Change{Mark: c.mark, Act: Act{By: cmp.Or(r.By, "local"), Session: r.Session, From: r.From, Why: r.Why, Role: r.As, At: r.Created},
			Op: "token." + cmp.Or(r.Op, "issue"), Subject: r.ID}
		if k := ids[r.ID]; k != nil {
			x.Name = k.Name
		}
		x.Before, x.After = differ(before, toldToken(ids[r.ID]))
		out = append(out, x)
	}
	c.stamp = stampOf(fi)
	return out, nil
}

func toldToken(k *token) map[string]any {
	if k == nil {
		return nil
	}
	m := told(k.TokenOptions)
	m["revoked"] = k.revoked
	if !k.quarantined.IsZero() {
		m["quarantined_until"] = k.quarantined.Format(time.RFC3339)
	}
	m["secrets"] = float64(len(k.secrets))
	return m
}

// told is a value as its JSON tells it.
func told(v any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		panic("access: " + err.Error()) // its types are all ours
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		panic("access: " + err.Error())
	}
	return m
}

// differ leaves the members that differ; of what was not there before, those that say
// something.
func differ(before, after map[string]any) (_, _ map[string]any) {
	b, a := map[string]any{}, map[string]any{}
	for name, v := range after {
		was, had := before[name]
		if reflect.DeepEqual(was, v) || !had && nothing(v) {
			continue
		}
		a[name] = v
		if had {
			b[name] = was
		}
	}
	for name, was := range before {
		if _, has := after[name]; !has {
			b[name] = was
		}
	}
	return b, a
}

// nothing tells of a member of JSON that it says nothing.
func nothing(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0 || v == nil || !ok && slices.Contains([]any{false, "", 0.0}, v)
}
