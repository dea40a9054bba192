package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	server, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	shell, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := shell.Issue("dispatcher", "cad bridge", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	who, ok := server.Check(token)
	if !ok || who.Name != "token:cad bridge" || who.Role != "dispatcher" {
		t.Errorf("a running server saw %+v, %v, want the token just issued", who, ok)
	}
	if _, ok := server.Check(token + "x"); ok {
		t.Error("a token with a letter more was accepted")
	}
	file, err := os.ReadFile(shell.path)
	if err != nil || strings.Contains(string(file), strings.TrimPrefix(token, tokenPrefix)) {
		t.Errorf("the token stands on disk in clear (%v)", err)
	}
	if fi, _ := os.Stat(shell.path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", fi.Mode())
	}
}

func TestTokensRefuse(t *testing.T) {
	tokens, err := OpenTokens(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Issue("king", "x", time.Now()); !errors.Is(err, ErrRole) {
		t.Errorf("got %v, want %v", err, ErrRole)
	}
	for _, name := range []string{"", "a\nb", strings.Repeat("x", 65)} {
		if _, err := tokens.Issue("feed", name, time.Now()); !errors.Is(err, ErrName) {
			t.Errorf("name %q: got %v, want %v", name, err, ErrName)
		}
	}
}

func TestATokenIsBound(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	text, id, err := k.Tokens.IssueWith(TokenOptions{Name: "radios", Role: "feed", Feed: "osmand", IDs: Patterns{"E*", "L1"}, Creates: true, PerSecond: 5, Bytes: 1000}, now)
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Identify(t.Context(), Credentials{Token: text, From: "192.0.2.7"})
	if err != nil || p.Name != "token:radios" || p.Role != FeedProgram || p.Token != id || p.From != "192.0.2.7" {
		t.Fatalf("got %+v, %v", p, err)
	}
	nothing := func(string) (Target, bool) { return Target{}, false }
	for name, tt := range map[string]struct {
		feed string
		keys []string
		size int
		want string
	}{
		"own units":                  {"osmand", []string{"E7", "L1"}, 100, Allowed},
		"another's among them":       {"osmand", []string{"E7", "M1"}, 100, NotOwn},
		"through another feed":       {"owntracks", []string{"E7"}, 100, NotOwn},
		"a message that is too long": {"osmand", []string{"E7"}, 1001, TooLarge},
		"a burst beyond ten seconds": {"osmand", strings.Split(strings.Repeat("E7,", 59)+"E7", ","), 100, RateLimited},
	} {
		if d := k.MayReport(p, tt.feed, tt.keys, tt.size, nothing); d.Code != tt.want {
			t.Errorf("%s: got %+v, want %s", name, d, tt.want)
		}
	}
	if !CreatesUnit(p, "E99").Allowed || CreatesUnit(p, "M1").Allowed {
		t.Error("the token creates what it may not, or not what it may")
	}
	p.Creates = false
	if CreatesUnit(p, "E99").Allowed {
		t.Error("a token that creates nothing created")
	}
	for name, tt := range map[string]struct {
		o    TokenOptions
		want error
	}{
		"a pattern of a slash": {TokenOptions{Name: "x", Role: "feed", IDs: Patterns{"a/b"}}, ErrPattern},
		"an empty pattern":     {TokenOptions{Name: "x", Role: "feed", IDs: Patterns{""}}, ErrPattern},
		"too fast":             {TokenOptions{Name: "x", Role: "feed", PerSecond: 1e6}, ErrLimits},
		"negative":             {TokenOptions{Name: "x", Role: "feed", Bytes: -1}, ErrLimits},
		"a bad feed":           {TokenOptions{Name: "x", Role: "feed", Feed: "a\nb"}, ErrName},
		"a bad agency":         {TokenOptions{Name: "x", Role: "viewer", Agencies: []string{"A B"}}, ErrScope},
		"the system":           {TokenOptions{Name: "x", Role: "system"}, ErrRole},
		"a wall":               {TokenOptions{Name: "x", Role: "wall"}, ErrRole},
	} {
		if _, _, err := k.Tokens.IssueWith(tt.o, now); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestARateLetsABurstThroughAndFills(t *testing.T) {
	k := newKit(t)
	now := time.Unix(1e9, 0)
	_, id, err := k.Tokens.IssueWith(TokenOptions{Name: "x", Role: "feed", PerSecond: 2}, now)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for range 100 {
		if k.Tokens.Spend(id, 1, 10, now) == nil {
			sent++
		}
	}
	if sent != 20 {
		t.Errorf("%d of 100 at once went through, want a burst of 20", sent)
	}
	for range 600 { // a minute, ten a second
		now = now.Add(100 * time.Millisecond)
		if k.Tokens.Spend(id, 1, 10, now) == nil {
			sent++
		}
	}
	if sent < 138 || sent > 142 {
		t.Errorf("%d after a minute, want 140", sent)
	}
	if err := k.Tokens.Spend("nobody", 1, 1, now); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
}

func TestQuarantine(t *testing.T) {
	k := newKit(t)
	now := time.Now().Add(-48 * time.Hour)
	text, id, err := k.Tokens.IssueWith(TokenOptions{Name: "radios", Role: "feed"}, now)
	if err != nil {
		t.Fatal(err)
	}
	over, stop := k.Tokens.Watch(id)
	defer stop()
	refuse := func(n int) {
		t.Helper()
		for range n {
			if err := k.Tokens.Refused(id, "not its unit", now); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse(quarantineAfter - 1)
	now = now.Add(quarantineWithin + time.Second)
	refuse(quarantineAfter - 1)
	if _, err := k.Tokens.Principal(text, now); err != nil {
		t.Fatalf("few refusals, far apart: %v", err)
	}
	for i, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		refuse(1)
		if i > 0 {
			refuse(quarantineAfter - 1)
		}
		if _, err := k.Tokens.Principal(text, now); !errors.Is(err, ErrTokenQuarantined) {
			t.Fatalf("quarantine %d: %v", i, err)
		}
		if list, _ := k.Tokens.List(now); !list[0].Quarantined.Equal(now.Add(want).UTC()) {
			t.Errorf("quarantine %d until %v, want %v", i, list[0].Quarantined.Sub(now), want)
		}
		now = now.Add(want)
		if _, err := k.Tokens.Principal(text, now); err != nil {
			t.Errorf("quarantine %d does not end by itself: %v", i, err)
		}
		now = now.Add(time.Second)
	}
	if k.told(EventQuarantined) != 3 {
		t.Errorf("told %d times", k.told(EventQuarantined))
	}
	// An operator lets it go, which begins the count anew.
	refuse(quarantineAfter)
	if err := k.Tokens.Release(Act{At: now}, id); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Tokens.Principal(text, now); err != nil {
		t.Errorf("released: %v", err)
	}
	until := time.Now().Add(time.Hour)
	if err := k.Tokens.Quarantine(Act{Why: "by hand", At: time.Now()}, id, until); err != nil {
		t.Fatal(err)
	}
	if !isOver(over) {
		t.Error("the sockets of a token that is set aside go on")
	}
	again, err := OpenTokens(k.tokens)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Principal(text, time.Now()); !errors.Is(err, ErrTokenQuarantined) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestRotateARevokeAndAnEnd(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	first, id, err := k.Tokens.IssueWith(TokenOptions{Name: "cad", Role: "dispatcher", Expires: now.Add(48 * time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	shell, err := OpenTokens(k.tokens)
	if err != nil {
		t.Fatal(err)
	}
	second, err := shell.Rotate(Act{At: now}, id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	works := func(text string, at time.Time) error { _, err := k.Tokens.Principal(text, at); return err }
	if works(second, now) != nil || works(first, now.Add(59*time.Minute)) != nil {
		t.Error("during the overlap both secrets work")
	}
	if err := works(first, now.Add(time.Hour)); !errors.Is(err, ErrTokenExpired) || works(second, now.Add(2*time.Hour)) != nil {
		t.Errorf("after it: %v", err)
	}
	third, err := shell.Rotate(Act{At: now}, id, 0)
	if err != nil || works(third, now.Add(time.Second)) != nil {
		t.Fatalf("a third: %v", err)
	}
	if err := works(second, now.Add(time.Second)); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("without an overlap: %v", err)
	}
	if err := works(third, now.Add(48*time.Hour)); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := shell.Rotate(Act{At: now}, "nobody", 0); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
	if err := shell.Revoke(Act{Why: "lost", At: now}, id); err != nil {
		t.Fatal(err)
	}
	if err := works(third, now.Add(2*time.Second)); !errors.Is(err, ErrTokenRevoked) {
		t.Errorf("revoked by another process: %v", err)
	}
}

// A token that another process revokes closes its sockets within a second.
func TestARevocationByAnotherProcessRings(t *testing.T) {
	k := newKit(t)
	_, id, err := k.Tokens.IssueWith(TokenOptions{Name: "cad", Role: "viewer"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); k.Run(ctx) }()
	over, stop := k.Watch(Principal{Token: id})
	defer stop()
	shell, err := OpenTokens(k.tokens)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := shell.Revoke(Act{Why: "lost", At: began}, id); err != nil {
		t.Fatal(err)
	}
	select {
	case <-over:
	case <-time.After(5 * time.Second): // a machine under load; on an idle one half a second
		t.Error("the watch did not ring")
	}
	cancel()
	<-done
}

func TestLastSeen(t *testing.T) {
	k := newKit(t)
	at := time.Now().Add(-time.Hour)
	text, _, err := k.Tokens.IssueWith(TokenOptions{Name: "cad", Role: "viewer"}, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Tokens.Principal(text, at); err != nil {
		t.Fatal(err)
	}
	if err := k.Tokens.Flush(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenTokens(k.tokens)
	if err != nil {
		t.Fatal(err)
	}
	list, err := again.List(time.Now())
	if err != nil || len(list) != 1 || at.Sub(list[0].Seen) > time.Second || list[0].Seen.IsZero() {
		t.Errorf("got %+v %v, want seen at %v", list, err, at)
	}
	if b, _ := json.Marshal(list); strings.Contains(string(b), digest(text)) {
		t.Error("the list shows the hash")
	}
}

// The file of the first version is read as it is, and half a line of a process that
// died costs nobody else a token.
func TestTokenFilesOfOldAndHalfLines(t *testing.T) {
	dir := t.TempDir()
	text := tokenPrefix + secret(32)
	old := fmt.Sprintf(`{"name":"cad bridge","role":"dispatcher","sha256":"%s","created":"2026-11-22T05:00:00Z"}`+"\n", digest(text))
	path := filepath.Join(dir, "tokens.jsonl")
	if err := os.WriteFile(path, []byte(old+`{"id":"half","name":"x"`), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tokens.Principal(text, time.Now())
	if err != nil || p.Name != "token:cad bridge" || p.Role != Dispatcher || p.IDs != nil {
		t.Errorf("got %+v %v", p, err)
	}
	another, err := tokens.Issue("feed", "phones", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Principal(another, time.Now()); err != nil {
		t.Error(err)
	}
	if err := tokens.Revoke(Act{At: time.Now()}, p.Token); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(path); strings.Contains(string(b), "half") || strings.Count(string(b), "\n") != 3 {
		t.Errorf("the file is\n%s", b)
	}
	if err := os.WriteFile(path, []byte("{}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTokens(dir); err == nil || !strings.Contains(err.Error(), "tokens.jsonl:2:") {
		t.Errorf("a bad line is named: %v", err)
	}
	// A running server keeps what it knew.
	if _, err := tokens.Principal(another, time.Now().Add(time.Minute)); err != nil {
		t.Errorf("a bad line took a token from a running server: %v", err)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte(`{"name":"a","role":"feed","sha256":"aa","created":"2026-11-22T05:00:00Z"}` + "\n" + `{"op":"rotate","id":"aa","sha256":"bb","created":"2026-11-22T05:00:00Z","until":"2026-11-22T06:00:00Z"}` + "\n"))
	f.Add([]byte(`{"op":"quarantine","id":"x"}` + "\n\n{}\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := parseTokens(b)
		if err != nil {
			return
		}
		for id, k := range ids {
			if id == "" || len(k.secrets) == 0 {
				t.Fatalf("a token %q without a secret", id)
			}
			for sum := range k.secrets {
				_ = k.standing(sum, time.Unix(1e9, 0))
			}
			k.IDs.Match("E7")
		}
		// What is written after it does not change what stands there.
		more, err := parseTokens(append(b[:bytes.LastIndexByte(b, '\n')+1:bytes.LastIndexByte(b, '\n')+1], `{"op":"revoke","id":"nobody"}`+"\n"...))
		if err != nil || len(more) != len(ids) {
			t.Fatalf("%d tokens, then %d: %v", len(ids), len(more), err)
		}
	})
}

func BenchmarkTokenAndReport(b *testing.B) {
	dir := b.TempDir()
	tokens, err := OpenTokens(dir)
	if err != nil {
		b.Fatal(err)
	}
	text, _, err := tokens.IssueWith(TokenOptions{Name: "x", Role: "feed", IDs: Patterns{"E*"}, PerSecond: ratePerSecMax}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	g := &Gate{Tokens: tokens}
	b.ReportAllocs()
	for b.Loop() {
		p, err := g.Identify(b.Context(), Credentials{Token: text})
		if err != nil || !Allow(p, FixReport, Target{Kind: "unit", Key: "E7"}).Allowed {
			b.Fatal(err)
		}
		_ = tokens.Spend(p.Token, 1, 100, time.Now())
	}
}
