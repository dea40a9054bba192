package access

import (
	"errors"
	"testing"
	"time"
)

func TestWhoMayEnterAWorld(t *testing.T) {
	for name, c := range map[string]struct {
		p    Principal
		in   string
		want bool
	}{
		"home without a word":     {Principal{Role: Dispatcher}, Home, true},
		"elsewhere without":       {Principal{Role: Admin}, "dover", false},
		"by name":                 {Principal{Role: Dispatcher, Worlds: []string{"dover"}}, "dover", true},
		"not home if only dover":  {Principal{Role: Dispatcher, Worlds: []string{"dover"}}, Home, false},
		"everywhere":              {Principal{Role: Admin, Worlds: []string{EveryWorld}}, "shiraz", true},
		"anonymous":               {Nobody(""), "dover", true},
		"break-glass":             {Principal{Role: Viewer, BreakGlass: true}, "dover", true},
		"a feed":                  {Principal{Role: FeedProgram}, "dover", false},
		"a wall of another world": {Principal{Role: Wall, Worlds: []string{"dover"}}, Home, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.p.In(c.in); got != c.want {
				t.Errorf("In(%q) = %t", c.in, got)
			}
		})
	}
	for _, bad := range []string{"", "Dover", "a b", "-x", "a/b", "../x", "dover~", "012345678901234567890123456789012"} {
		if CheckWorld(bad) {
			t.Errorf("%q is no name of a world", bad)
		}
	}
}

// What an account may enter is kept, ends its sessions when it changes, and cannot be
// nonsense.
func TestWorldsOfAnAccount(t *testing.T) {
	k := newKit(t)
	act := by("test")
	link, err := k.Register.IssueSetup(t.Context(), act, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Setup(t.Context(), link, NewAccount{Name: "first"}, SignIn{Password: goodPassword}); err != nil {
		t.Fatal(err)
	}
	if _, p := k.in(t, "first"); !p.In("dover") || !p.In(Home) {
		t.Errorf("the first account enters %v, want every world", p.Worlds)
	}
	a, err := k.Register.Create(t.Context(), act, NewAccount{Name: "dover.desk", Role: Dispatcher, Worlds: []string{"dover"}})
	if err != nil {
		t.Fatal(err)
	}
	more := []string{"dover", Home}
	b, err := k.Register.Change(t.Context(), act, a.ID, AccountChanges{Worlds: &more})
	if err != nil || b.Grant == a.Grant {
		t.Errorf("grant %d after %d, %v: open sessions must end", b.Grant, a.Grant, err)
	}
	if _, err := k.Register.Create(t.Context(), act, NewAccount{Name: "nowhere", Role: Dispatcher, Worlds: []string{"../etc"}}); !errors.Is(err, ErrWorlds) {
		t.Errorf("got %v, want %v", err, ErrWorlds)
	}
	if _, _, err := k.Tokens.IssueWith(TokenOptions{Name: "x", Role: "viewer", Worlds: []string{"A"}}, time.Now()); !errors.Is(err, ErrWorlds) {
		t.Errorf("got %v, want %v", err, ErrWorlds)
	}
}
