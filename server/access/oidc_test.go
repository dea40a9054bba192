package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
)

// citizen is a person at the provider; the claims are all that it says of them.
type citizen struct{ claims map[string]any }

func (c citizen) ID() string                        { return c.claims["sub"].(string) }
func (c citizen) Userinfo([]string) ([]byte, error) { return json.Marshal(c.claims) }
func (c citizen) Claims(_ []string, base *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	m := jwt.MapClaims{"iss": base.Issuer, "aud": base.Audience, "exp": base.ExpiresAt.Unix(), "iat": base.IssuedAt.Unix(), "nonce": base.Nonce}
	for k, v := range c.claims {
		m[k] = v
	}
	return m, nil
}

// directory is a provider of identities and a gate in front of which it stands.
type directory struct {
	*kit
	*OIDC
	m *mockoidc.MockOIDC
	t *testing.T
}

func newDirectory(t *testing.T, change ...func(*OIDCConfig)) *directory {
	t.Helper()
	m, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	var one sync.Mutex // the provider keeps its maps without locks
	if err := m.AddMiddleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			one.Lock()
			defer one.Unlock()
			next.ServeHTTP(w, r)
		})
	}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(l, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Shutdown() })
	d := &directory{kit: newKit(t), m: m, t: t}
	d.person(t, "root", Admin)
	c := OIDCConfig{Issuer: m.Issuer(), ClientID: m.ClientID, ClientSecret: m.ClientSecret, Callback: "https://rasad.example/api/v1/oidc/callback",
		Scopes: []string{"profile", "groups"}, Key: []byte("a key of this test"),
		Roles:    []OIDCRole{{"rasad-admins", Admin}, {"chiefs", Supervisor}, {"desk", Dispatcher}, {"liaison", AgencyOfficer}},
		Agencies: []OIDCScope{{"fire-brigade", "fire"}, {"ambulance", "ems"}}, Shelters: []OIDCScope{{"school-7", "S7"}},
	}
	for _, f := range change {
		f(&c)
	}
	if d.OIDC, err = NewOIDC(d.Gate, c); err != nil {
		t.Fatal(err)
	}
	return d
}

func zahra(groups ...string) map[string]any {
	return map[string]any{"sub": "u-1", "preferred_username": "Zahra", "name": "Zahra Amini", "groups": groups}
}

// visit does what a browser does at the provider: it follows the address and comes back
// with the answer. The person is who signs in there.
func (d *directory) visit(address string, who map[string]any) url.Values {
	d.t.Helper()
	d.m.QueueUser(citizen{who})
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	back, err := res.Location()
	if err != nil {
		d.t.Fatalf("the provider answered %s: %s", res.Status, body)
	}
	return back.Query()
}

// comes signs somebody in through the provider.
func (d *directory) comes(who map[string]any) (Entry, string, error) {
	d.t.Helper()
	address, kept, err := d.Start(Nobody("192.0.2.7"), "/console", false)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.Finish(d.t.Context(), d.visit(address, who), kept, SignIn{From: "192.0.2.7", Agent: "a browser"})
}

func (d *directory) principal(e Entry) Principal {
	d.t.Helper()
	p, err := d.Identify(d.t.Context(), Credentials{Session: e.Secret, From: "192.0.2.7"})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func TestAPersonComesInByTheProvider(t *testing.T) {
	d := newDirectory(t)
	records := len(d.log.records)
	e, to, err := d.comes(zahra("desk", "fire-brigade", "choir"))
	if err != nil || to != "/console" {
		t.Fatalf("to %q: %v", to, err)
	}
	p := d.principal(e)
	if p.Role != Dispatcher || !slices.Equal(p.Agencies, []string{"fire"}) || p.Name != "user:zahra" || p.SteppedUp {
		t.Errorf("who came in: %+v", p)
	}
	if n := len(d.log.records) - records; n != 1 || d.log.records[records].Op != "account.create" || d.log.records[records].By != "oidc" {
		t.Errorf("%d records of the first sign-in: %+v", n, d.log.records[records:])
	}
	// Nothing has changed: no record. Then the directory says otherwise.
	second, _, err := d.comes(zahra("desk", "fire-brigade"))
	if err != nil || len(d.log.records) != records+1 {
		t.Errorf("%v; %d records after a second sign-in, want none more", err, len(d.log.records)-records)
	}
	over, stop := d.Watch(d.principal(second))
	defer stop()
	third, _, err := d.comes(zahra("chiefs", "desk", "ambulance", "fire-brigade"))
	if err != nil {
		t.Fatal(err)
	}
	if p := d.principal(third); p.Role != Supervisor || !slices.Equal(p.Agencies, []string{"fire", "ems"}) || p.Account == "" {
		t.Errorf("after the directory changed: %+v", p)
	}
	if !isOver(over) {
		t.Error("the session of the role before goes on")
	}
	if a, ok := d.Register.State().Named("zahra"); !ok || a.Password != nil || a.Subject == nil || a.Subject.ID != "u-1" {
		t.Errorf("the account: %+v", a)
	}
	if _, err := d.SignIn(t.Context(), SignIn{Name: "zahra", Password: "", From: "x"}); !errors.Is(err, ErrSignIn) {
		t.Errorf("an account without a password comes in by an empty one: %v", err)
	}
}

func TestWhoHasNoRoleDoesNotComeIn(t *testing.T) {
	d := newDirectory(t)
	for name, who := range map[string]map[string]any{
		"other groups":             zahra("choir"),
		"no groups":                {"sub": "u-2", "preferred_username": "b"},
		"groups that are no texts": {"sub": "u-3", "preferred_username": "c", "groups": []any{1, map[string]any{"a": "desk"}}},
		"the role as a part":       zahra("desk-junior"),
		"a group in one text":      {"sub": "u-4", "preferred_username": "d", "groups": "choir desk"},
	} {
		if _, _, err := d.comes(who); !errors.Is(err, ErrOIDCRole) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(d.Register.State().Accounts()); n != 1 {
		t.Errorf("%d accounts were made", n-1)
	}
	if d.told(EventRefused) != 5 {
		t.Errorf("%d refusals were told", d.told(EventRefused))
	}
	// Who had a role and has none any more is out, sessions and all.
	e, _, err := d.comes(zahra("desk"))
	if err != nil {
		t.Fatal(err)
	}
	over, stop := d.Watch(d.principal(e))
	defer stop()
	if _, _, err := d.comes(zahra("choir")); !errors.Is(err, ErrOIDCRole) || !isOver(over) {
		t.Errorf("who has lost the role: %v, and the session is over: %v", err, isOver(over))
	}
	// An officer needs an agency; the mapping gives none.
	if _, _, err := d.comes(map[string]any{"sub": "u-9", "preferred_username": "officer", "groups": []string{"liaison"}}); !errors.Is(err, ErrScope) {
		t.Errorf("an officer of no agency: %v", err)
	}
}

func TestTheAnswerMustBelongToThisBrowserOnce(t *testing.T) {
	d := newDirectory(t)
	begin := func() (url.Values, string) {
		t.Helper()
		address, kept, err := d.Start(Nobody("x"), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		return d.visit(address, zahra("desk")), kept
	}
	finish := func(answer url.Values, kept string) error {
		_, _, err := d.Finish(t.Context(), answer, kept, SignIn{From: "x"})
		return err
	}
	mine, kept := begin()
	theirs, keptByThem := begin()
	for name, tt := range map[string]struct {
		answer url.Values
		kept   string
		want   error
	}{
		"no cookie":              {mine, "", ErrOIDCFlow},
		"a cookie of others":     {mine, keptByThem, ErrOIDCFlow}, // and so is sign-in forced by a foreign page
		"a state of others":      {theirs, kept, ErrOIDCFlow},
		"no state":               {url.Values{"code": mine["code"]}, kept, ErrOIDCFlow},
		"a cookie that was bent": {mine, bend(kept), ErrOIDCFlow},
		"a cookie that is short": {mine, kept[:8], ErrOIDCFlow},
		"no base64":              {mine, "%%%", ErrOIDCFlow},
	} {
		if err := finish(tt.answer, tt.kept); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if err := finish(mine, kept); err != nil {
		t.Fatalf("the genuine answer: %v", err)
	}
	if err := finish(mine, kept); !errors.Is(err, ErrOIDCFlow) {
		t.Errorf("the same answer again: %v", err)
	}
	// The code again, with a state of its own: the provider says no.
	fresh, keptFresh := begin()
	fresh["code"] = mine["code"]
	if err := finish(fresh, keptFresh); !errors.Is(err, ErrOIDCDenied) {
		t.Errorf("a used code: %v", err)
	}
	// A stolen code does not fit the verifier of another browser (PKCE).
	stolen, _ := begin()
	thief, keptByThief := begin()
	thief["code"] = stolen["code"]
	if err := finish(thief, keptByThief); !errors.Is(err, ErrOIDCDenied) {
		t.Errorf("a stolen code: %v", err)
	}
	// Too late.
	late, keptLate := begin()
	d.OIDC.now = func() time.Time { return time.Now().Add(flowLives) }
	if err := finish(late, keptLate); !errors.Is(err, ErrOIDCFlow) {
		t.Errorf("an answer after %v: %v", flowLives, err)
	}
	d.OIDC.now = time.Now
	denied, keptDenied := begin()
	if err := finish(url.Values{"state": denied["state"], "error": {"access_denied"}}, keptDenied); !errors.Is(err, ErrOIDCDenied) {
		t.Errorf("the provider said no: %v", err)
	}
	mixed, keptMixed := begin()
	mixed.Set("iss", "https://other.example")
	if err := finish(mixed, keptMixed); !errors.Is(err, ErrOIDCToken) {
		t.Errorf("an answer of another provider: %v", err)
	}
}

// bend changes one bit.
func bend(kept string) string {
	b, _ := base64.RawURLEncoding.DecodeString(kept)
	b[len(b)/2] ^= 1
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestTheProvidersWordMustHold lets somebody in between change the word, or the
// provider say what it should not.
func TestTheProvidersWordMustHold(t *testing.T) {
	tests := map[string]struct {
		who    map[string]any
		change func(parts []string) []string // of the token: head, claims, signature
		late   time.Duration
	}{
		"a wrong nonce":         {who: with(zahra("desk"), "nonce", "of another sign-in")},
		"no nonce":              {who: with(zahra("desk"), "nonce", nil)},
		"for another client":    {who: with(zahra("desk"), "aud", []string{"another"})},
		"of another provider":   {who: with(zahra("desk"), "iss", "https://other.example")},
		"expired":               {who: with(zahra("desk"), "exp", time.Now().Add(-time.Minute).Unix())},
		"expired by our clock":  {who: zahra("desk"), late: 9 * time.Minute},
		"nobody":                {who: with(zahra("desk"), "sub", "")},
		"claims changed":        {who: zahra("choir"), change: func(p []string) []string { p[1] = enc(`{"sub":"u-1","groups":["rasad-admins"]}`); return p }},
		"no signature":          {who: zahra("desk"), change: func(p []string) []string { return []string{enc(`{"alg":"none"}`), p[1], ""} }},
		"another algorithm":     {who: zahra("desk"), change: func(p []string) []string { p[0] = enc(`{"alg":"HS256"}`); return p }},
		"no token at all":       {who: zahra("desk"), change: func([]string) []string { return nil }},
		"a signature of nobody": {who: zahra("desk"), change: func(p []string) []string { p[2] = enc("xxxx"); return p }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			between := &middle{change: tt.change}
			d := newDirectory(t, func(c *OIDCConfig) { c.Client = &http.Client{Transport: between} })
			if tt.late > 0 { // the flow is good for longer than this token
				d.m.AccessTTL = tt.late / 2
			}
			address, kept, err := d.Start(Nobody("x"), "/", false)
			if err != nil {
				t.Fatal(err)
			}
			answer := d.visit(address, tt.who)
			if tt.late > 0 {
				d.OIDC.now = func() time.Time { return time.Now().Add(tt.late) }
			}
			_, _, err = d.Finish(t.Context(), answer, kept, SignIn{From: "x"})
			if !errors.Is(err, ErrOIDCToken) {
				t.Errorf("got %v, want %v", err, ErrOIDCToken)
			}
			if n := len(d.Register.State().Accounts()); n != 1 {
				t.Error("an account was made")
			}
		})
	}
}

func with(m map[string]any, k string, v any) map[string]any { m[k] = v; return m }

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// middle sits between us and the provider.
type middle struct {
	change func([]string) []string
}

func (m *middle) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || m.change == nil || !strings.HasSuffix(r.URL.Path, "/token") || res.StatusCode != http.StatusOK {
		return res, err
	}
	var v map[string]any
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		return nil, err
	}
	res.Body.Close()
	v["id_token"] = strings.Join(m.change(strings.Split(v["id_token"].(string), ".")), ".")
	b, err := json.Marshal(v)
	res.Body, res.ContentLength = io.NopCloser(strings.NewReader(string(b))), int64(len(b))
	return res, err
}

func TestALocalAccountIsNotTakenOver(t *testing.T) {
	d := newDirectory(t)
	if _, _, err := d.comes(with(zahra("rasad-admins"), "preferred_username", "ROOT")); !errors.Is(err, ErrOIDCName) {
		t.Errorf("the provider's root is ours: %v", err)
	}
	if _, _, err := d.comes(with(zahra("desk"), "preferred_username", "no such/name")); !errors.Is(err, ErrAccountName) {
		t.Errorf("a name that cannot be: %v", err)
	}
}

func TestAPersonIsKnownByTheSubjectAndNotByTheName(t *testing.T) {
	d := newDirectory(t)
	e, _, err := d.comes(zahra("desk"))
	if err != nil {
		t.Fatal(err)
	}
	married, _, err := d.comes(with(with(zahra("desk"), "preferred_username", "zahra.karimi"), "name", "Zahra Karimi"))
	if err != nil || d.principal(married).Account != d.principal(e).Account {
		t.Errorf("another name, another account: %v", err)
	}
	if _, _, err := d.comes(with(zahra("desk"), "sub", "u-2")); !errors.Is(err, ErrOIDCName) {
		t.Errorf("another person of the same name: %v", err)
	}
}

func TestADisabledAccountStaysOut(t *testing.T) {
	d := newDirectory(t)
	if _, _, err := d.comes(zahra("desk")); err != nil {
		t.Fatal(err)
	}
	a, _ := d.Register.State().Named("zahra")
	yes := true
	if _, err := d.Register.Change(t.Context(), by("root"), a.ID, AccountChanges{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]string{{"desk"}, {"rasad-admins"}} {
		if _, _, err := d.comes(zahra(groups...)); !errors.Is(err, ErrSignIn) {
			t.Errorf("disabled, %v: %v", groups, err)
		}
	}
	if a, _ := d.Register.State().Named("zahra"); !a.Disabled || a.Role != Dispatcher {
		t.Errorf("the provider changed a disabled account: %+v", a)
	}
}

func TestBreakGlassWhenTheProviderIsAway(t *testing.T) {
	d := newDirectory(t)
	d.person(t, "glass", Admin, func(a *NewAccount) { a.BreakGlass = true })
	address, kept, err := d.Start(Nobody("x"), "/", false)
	if err != nil {
		t.Fatal(err)
	}
	answer := d.visit(address, zahra("desk"))
	if err := d.m.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Finish(t.Context(), answer, kept, SignIn{From: "x"}); !errors.Is(err, ErrOIDCAway) {
		t.Errorf("the provider went away in the middle: %v", err)
	}
	other, err := NewOIDC(d.Gate, d.c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := other.Start(Nobody("x"), "/", false); !errors.Is(err, ErrOIDCAway) {
			t.Errorf("begun with a provider that is away: %v", err)
		}
	}
	if to := other.Goodbye(); to != "" {
		t.Errorf("goodbye at %q", to)
	}
	_, p := d.in(t, "glass")
	if !p.BreakGlass || !Allow(p, AccountRead, Target{}).Allowed {
		t.Errorf("the break-glass account: %+v", p)
	}
	alarmed := false
	d.kit.mu.Lock()
	for _, e := range d.events {
		alarmed = alarmed || e.Type == EventBreakGlass && e.Alarm && e.Account == "glass"
	}
	d.kit.mu.Unlock()
	if !alarmed {
		t.Error("nobody was alarmed")
	}
}

func TestStepUpByTheProviderNeedsAFreshProofOfThisPerson(t *testing.T) {
	d := newDirectory(t)
	e, _, err := d.comes(zahra("chiefs"))
	if err != nil {
		t.Fatal(err)
	}
	p := d.principal(e)
	if p.SteppedUp {
		t.Fatal("stepped up without a word of when the person proved who they are")
	}
	up := func(who map[string]any) (Entry, error) {
		t.Helper()
		address, kept, err := d.Start(p, "/admin", true)
		if err != nil {
			t.Fatal(err)
		}
		q, _ := url.Parse(address)
		if q.Query().Get("prompt") != "login" || q.Query().Get("max_age") != "0" {
			t.Errorf("the provider is not told to ask again: %s", address)
		}
		e, _, err := d.Finish(t.Context(), d.visit(address, who), kept, SignIn{From: "x"})
		return e, err
	}
	now := time.Now().Unix()
	if _, err := up(zahra("chiefs")); !errors.Is(err, ErrOIDCToken) {
		t.Errorf("no auth_time: %v", err)
	}
	if _, err := up(with(zahra("chiefs"), "auth_time", now-3600)); !errors.Is(err, ErrOIDCToken) {
		t.Errorf("an old proof: %v", err)
	}
	if _, err := up(with(zahra("chiefs"), "auth_time", now+3600)); !errors.Is(err, ErrOIDCToken) {
		t.Errorf("a proof of tomorrow: %v", err)
	}
	if _, err := up(with(with(zahra("chiefs"), "auth_time", now), "sub", "u-2")); !errors.Is(err, ErrOIDCFlow) {
		t.Errorf("another person's proof: %v", err)
	}
	fresh, err := up(with(zahra("chiefs"), "auth_time", now))
	if err != nil || !d.principal(fresh).SteppedUp || fresh.Session.ID != e.Session.ID || fresh.Secret == e.Secret {
		t.Errorf("a fresh proof: %+v, %v", fresh, err)
	}
	if _, err := d.Identify(t.Context(), Credentials{Session: e.Secret}); !errors.Is(err, ErrNoSession) {
		t.Errorf("the secret before still opens: %v", err)
	}
	if _, _, err := d.Start(Nobody("x"), "/", true); !errors.Is(err, ErrNoSession) {
		t.Errorf("nobody steps up: %v", err)
	}
	address, kept, err := d.Start(p, "/", true)
	if err != nil {
		t.Fatal(err)
	}
	d.SignOut(t.Context(), p)
	if _, _, err := d.Finish(t.Context(), d.visit(address, with(zahra("chiefs"), "auth_time", now)), kept, SignIn{From: "x"}); !errors.Is(err, ErrNoSession) {
		t.Errorf("a session that ended meanwhile: %v", err)
	}
}

func TestTheStrengthOfTheProofMayBeAsked(t *testing.T) {
	d := newDirectory(t, func(c *OIDCConfig) { c.ACR = []string{"mfa", "phr"} })
	address, _, err := d.Start(Nobody("x"), "/", false)
	if err != nil || !strings.Contains(address, "acr_values=mfa+phr") {
		t.Errorf("%s %v", address, err)
	}
	if _, _, err := d.comes(with(zahra("desk"), "acr", "password")); !errors.Is(err, ErrOIDCToken) {
		t.Errorf("a password alone: %v", err)
	}
	if _, _, err := d.comes(with(zahra("desk"), "acr", "mfa")); err != nil {
		t.Errorf("two factors: %v", err)
	}
}

func TestTheFirstAccountIsALocalOne(t *testing.T) {
	d := newDirectory(t)
	empty := newKit(t)
	o, err := NewOIDC(empty.Gate, d.c)
	if err != nil {
		t.Fatal(err)
	}
	d.OIDC = o
	if _, _, err := d.comes(zahra("rasad-admins")); !errors.Is(err, ErrOIDCSetup) {
		t.Errorf("got %v", err)
	}
}

func TestWhereTheBrowserGoesIsOnThisServer(t *testing.T) {
	for to, want := range map[string]string{
		"/console": "/console", "/admin?tab=people#x": "/admin?tab=people#x", "": "/", "console": "/", "https://evil.example": "/", "//evil.example": "/",
		"/\\evil.example": "/", "///evil.example": "/", "javascript:alert(1)": "/", "/a\r\nSet-Cookie: x=y": "/", "/\tx": "/", "http:/evil.example": "/",
		"/" + strings.Repeat("a", 500): "/",
	} {
		if got := localPath(to); got != want {
			t.Errorf("%q: %q, want %q", to, got, want)
		}
	}
}

func TestClaimsAreFoundByTheirPath(t *testing.T) {
	var claims map[string]any
	if err := json.Unmarshal([]byte(`{"groups":["a","b"],"one":"x","realm_access":{"roles":["c"]},"https://city.example/roles":["d"],"n":5}`), &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"groups": {"a", "b"}, "one": {"x"}, "realm_access.roles": {"c"}, "https://city.example/roles": {"d"},
		"n": nil, "none": nil, "groups.a": nil, "realm_access.none": nil, "": nil} {
		if got := texts(claims, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAProviderThatFloodsOrHangsIsAway(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "hang") {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	defer close(hang)
	for _, path := range []string{"/flood", "/hang"} {
		o, err := NewOIDC(newKit(t).Gate, OIDCConfig{Issuer: srv.URL + path, ClientID: "x", Callback: "https://r.example/cb", Roles: []OIDCRole{{"a", Viewer}}})
		if err != nil {
			t.Fatal(err)
		}
		o.c.Client.Timeout = 300 * time.Millisecond
		if path == "/flood" {
			o.c.Client.Timeout = 5 * time.Second
		}
		began := time.Now()
		if _, _, err := o.Start(Nobody("x"), "/", false); !errors.Is(err, ErrOIDCAway) || time.Since(began) > 4*time.Second {
			t.Errorf("%s: %v after %v", path, err, time.Since(began))
		}
	}
}

func TestManyFirstSignInsOfOnePersonMakeOneAccount(t *testing.T) {
	d := newDirectory(t)
	var wg sync.WaitGroup
	for range 8 {
		address, kept, err := d.Start(Nobody("x"), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		answer := d.visit(address, zahra("desk"))
		wg.Go(func() { // who comes second at the same moment may be told no, and tries again
			_, _, _ = d.Finish(context.Background(), answer, kept, SignIn{From: "x"})
		})
	}
	wg.Wait()
	if n := len(d.Register.State().Accounts()); n != 2 {
		t.Errorf("%d accounts, want root and one", n)
	}
}

func TestAConfigThatCannotBeIsRefused(t *testing.T) {
	good := OIDCConfig{Issuer: "https://idp.example", ClientID: "rasad", Callback: "https://r.example/cb", Roles: []OIDCRole{{"a", Viewer}}}
	for name, f := range map[string]func(*OIDCConfig){
		"an issuer in clear":  func(c *OIDCConfig) { c.Issuer = "http://idp.example" },
		"no issuer":           func(c *OIDCConfig) { c.Issuer = "" },
		"a callback in clear": func(c *OIDCConfig) { c.Callback = "http://r.example/cb" },
		"no client":           func(c *OIDCConfig) { c.ClientID = "" },
		"no roles":            func(c *OIDCConfig) { c.Roles = nil },
		"a role of programs":  func(c *OIDCConfig) { c.Roles = []OIDCRole{{"a", FeedProgram}} },
		"a role of nobody":    func(c *OIDCConfig) { c.Roles = []OIDCRole{{"a", "king"}} },
		"a role for all":      func(c *OIDCConfig) { c.Roles = []OIDCRole{{"", Viewer}} },
	} {
		c := good
		f(&c)
		if _, err := NewOIDC(newKit(t).Gate, c); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if _, err := NewOIDC(newKit(t).Gate, good); err != nil {
		t.Error(err)
	}
}
