package access

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder is a data folder whose register and tokens are opened again and again.
type folder struct {
	t     *testing.T
	dir   string
	vault *vault
}

func (f *folder) open() (*Register, *Tokens) {
	f.t.Helper()
	g, err := OpenRegister(f.dir, f.vault)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { g.Close() })
	tokens, err := OpenTokens(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	return g, tokens
}

// read returns what is new as "op name", and the mark after it.
func read(t *testing.T, c *Changes, from Mark) (out []string, at Mark) {
	t.Helper()
	list, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	at = from
	for _, x := range list {
		out, at = append(out, x.Op+" "+x.Name), x.Mark
		if b, _ := json.Marshal(x); strings.Contains(string(b), "argon2") || strings.Contains(string(b), "box of") || strings.Contains(string(b), "sha256") {
			t.Errorf("a change tells what is sealed: %s", b)
		}
	}
	return out, at
}

func TestChangesAreToldOnce(t *testing.T) {
	f := &folder{t, t.TempDir(), &vault{}}
	g, tokens := f.open()
	c, err := NewChanges(g, tokens, Mark{})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, c, Mark{}); got != nil {
		t.Errorf("nothing was done, and %v is told", got)
	}
	hash, err := NewHasher(cheap, 1).Hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	a, err := g.Create(t.Context(), by("boss"), NewAccount{Name: "amini", Role: Dispatcher, Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	_, id, err := tokens.Make(by("boss"), TokenOptions{Name: "cad", Role: "feed"})
	if err != nil {
		t.Fatal(err)
	}
	got, mark := read(t, c, Mark{})
	if !slices.Equal(got, []string{"account.create amini", "token.issue cad"}) {
		t.Errorf("told: %v", got)
	}
	role := Supervisor
	act := Act{By: "user:boss", Role: Admin, Session: "s1", From: "192.0.2.7", Why: "promoted", At: time.Now()}
	if _, err := g.Change(t.Context(), act, a.ID, AccountChanges{Role: &role}); err != nil {
		t.Fatal(err)
	}
	if err := g.useStep(t.Context(), by("amini"), a.ID, 7); err != nil { // tells nothing that a sign-in does not tell
		t.Fatal(err)
	}
	if err := tokens.Change(act, id, func(i TokenInfo) (TokenOptions, error) {
		i.PerSecond = 5
		return i.TokenOptions, nil
	}); err != nil {
		t.Fatal(err)
	}
	list, err := c.Next()
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for i, want := range []struct{ op, subject, before, after string }{
		{"account.change", a.ID, "map[role:dispatcher]", "map[role:supervisor]"}, {"token.change", id, "map[]", "map[per_second:5]"},
	} {
		x := list[i]
		if x.Op != want.op || x.Subject != want.subject || fmt.Sprint(x.Before) != want.before || fmt.Sprint(x.After) != want.after {
			t.Errorf("%s of %s: %v → %v, want %+v", x.Op, x.Subject, x.Before, x.After, want)
		}
		if x.By != act.By || x.Session != act.Session || x.From != act.From || x.Why != act.Why || x.Role != act.Role {
			t.Errorf("who: %+v", x.Act)
		}
	}

	// From the mark before, the two are told again; from the one after, nothing is.
	again, err := NewChanges(g, tokens, mark)
	if err != nil {
		t.Fatal(err)
	}
	got, end := read(t, again, mark)
	if !slices.Equal(got, []string{"account.change amini", "token.change cad"}) {
		t.Errorf("from a mark: %v", got)
	}
	if again, err = NewChanges(g, tokens, end); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, again, end); got != nil {
		t.Errorf("from the end: %v", got)
	}
	// What another process does to tokens is told as well, and after a line was taken out
	// by hand nothing is told twice.
	other, err := OpenTokens(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Revoke(Act{By: "local:root", At: time.Now()}, id); err != nil {
		t.Fatal(err)
	}
	if got, end = read(t, again, end); !slices.Equal(got, []string{"token.revoke cad"}) {
		t.Errorf("by another process: %v", got)
	}
	path := filepath.Join(f.dir, "tokens.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	if err := os.WriteFile(path, []byte(strings.Join(slices.Delete(lines, 1, 2), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err = NewChanges(g, tokens, end); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, again, end); got != nil {
		t.Errorf("after a line was taken out: %v", got)
	}
	// A mark of another history is put at the end.
	for _, mark := range []Mark{{Record: 99, Chain: "x"}, {Record: 1, Chain: "of another"}} {
		mark.Token, mark.Line = end.Token, end.Line
		if again, err = NewChanges(g, tokens, mark); err != nil {
			t.Fatal(err)
		}
		if got, _ := read(t, again, mark); got != nil {
			t.Errorf("from the mark %+v: %v", mark, got)
		}
	}
}

func TestAOneTimeLink(t *testing.T) {
	k := newKit(t)
	a := k.person(t, "amini", Dispatcher)
	now := time.Now()
	issue := func(valid time.Duration) string {
		token, _, err := k.Register.IssueReset(t.Context(), by("boss"), a.ID, valid, false)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	old := issue(time.Hour)
	token := issue(time.Hour)
	if b, _ := json.Marshal(k.log.records); strings.Contains(string(b), strings.Split(token, ".")[1]) {
		t.Error("the token of a link stands in the record")
	}
	_, p := k.in(t, "amini")
	over, stop := k.Watch(p)
	defer stop()
	runs := k.Hasher.Runs()
	for name, bad := range map[string]string{"none": "", "another": secret(32), "the one before": old, "of nobody": "x." + secret(32)} {
		if _, err := k.UseReset(t.Context(), bad, "seven herons stand in reeds", "192.0.2.7"); err == nil || k.Hasher.Runs() != runs {
			t.Errorf("%s: %v, %d hashes", name, err, k.Hasher.Runs()-runs)
		}
	}
	if _, ok := k.Register.ResetOf(token, now.Add(2*time.Hour)); ok {
		t.Error("a link outlives its time")
	}
	if _, err := k.Register.IssueSetup(t.Context(), by("boss"), time.Hour); err == nil {
		t.Error("a setup link beside accounts")
	}
	won := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := k.UseReset(t.Context(), token, "seven herons stand in reeds", "192.0.2.7")
			won <- err
		}()
	}
	n := 0
	for range 8 {
		if err := <-won; err == nil {
			n++
		}
	}
	if n != 1 {
		t.Errorf("of 8 at once %d used one link", n)
	}
	if !isOver(over) {
		t.Error("a session of the old password goes on")
	}
	if _, err := k.SignIn(t.Context(), SignIn{Name: "amini", Password: "seven herons stand in reeds"}); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	off := true
	token = issue(time.Hour)
	if _, err := k.Register.Change(t.Context(), by("boss"), a.ID, AccountChanges{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.Register.ResetOf(token, time.Now()); ok {
		t.Error("a link opens an account that is disabled")
	}
}
