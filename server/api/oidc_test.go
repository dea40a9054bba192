package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"rasad/server/access"
	"rasad/server/api"
)

// tab is a browser that follows no redirect, keeps cookies as one does, and says whether the step
// comes from a page of another site, to which strict cookies are not brought.
type tab struct {
	h       *house
	cookies map[string]*http.Cookie
}

func (b *tab) open(method, path string, fromElsewhere bool) *http.Response {
	b.h.t.Helper()
	r, err := http.NewRequest(method, b.h.url+path, nil)
	if err != nil {
		b.h.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if fromElsewhere {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	for _, c := range b.cookies {
		if !fromElsewhere || c.SameSite == http.SameSiteLaxMode {
			r.AddCookie(c)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	b.h.t.Cleanup(func() { res.Body.Close() })
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			b.h.t.Errorf("%s: a cookie that scripts read or that goes elsewhere: %s", path, c)
		}
		b.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return res
}

// TestTheBrowserGoesToTheProviderAndComesBack is the whole way through the door.
func TestTheBrowserGoesToTheProviderAndComesBack(t *testing.T) {
	m, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Shutdown() }()
	h := newHouse(t, func(d *api.Deps) {
		hash, err := d.Gate.Hasher.Hash(t.Context(), "an otter swims at dusk")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Gate.Register.Create(t.Context(), access.Act{By: "test", At: time.Now()}, access.NewAccount{Name: "root", Role: access.Admin, Hash: hash}); err != nil {
			t.Fatal(err)
		}
		d.OIDCName = "City directory"
		if d.OIDC, err = access.NewOIDC(d.Gate, access.OIDCConfig{Issuer: m.Issuer(), ClientID: m.ClientID, ClientSecret: m.ClientSecret,
			Callback: "http://127.0.0.1/api/v1/oidc/callback", Scopes: []string{"profile", "groups"}, Roles: []access.OIDCRole{{Value: "design", Role: access.Dispatcher}}}); err != nil {
			t.Fatal(err)
		}
	})
	b := &tab{h: h, cookies: map[string]*http.Cookie{}}
	if a := h.get("/api/v1/oidc", "Authorization", "").want(200); a.at("name") != "City directory" {
		t.Errorf("the page to sign in is told %s", a.body)
	}
	res := b.open("GET", "/api/v1/oidc/start?to=/console", false)
	flow := b.cookies["rasad-loopback-flow"]
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), m.AuthorizationEndpoint()) || flow == nil || flow.SameSite != http.SameSiteLaxMode {
		t.Fatalf("start: %s to %q, keeping %v", res.Status, res.Header.Get("Location"), flow)
	}
	back, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	at, err := url.Parse(back.Header.Get("Location"))
	if err != nil || at.Path != "/api/v1/oidc/callback" {
		t.Fatalf("the provider sends the browser to %q", back.Header.Get("Location"))
	}
	res = b.open("GET", at.RequestURI(), true)
	session := b.cookies["rasad-loopback"]
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/console" || session == nil || session.SameSite != http.SameSiteStrictMode {
		t.Fatalf("callback: %s to %q, session %v", res.Status, res.Header.Get("Location"), session)
	}
	if _, kept := b.cookies["rasad-loopback-flow"]; kept {
		t.Error("the browser keeps what it does not need any more")
	}
	if res := b.open("GET", "/api/v1/session", false); res.StatusCode != http.StatusOK {
		t.Errorf("who is it: %s", res.Status)
	}
	// The same link again, out of a history or a log.
	if res := b.open("GET", at.RequestURI(), false); res.Header.Get("Location") != "/signin?problem=oidc-flow" {
		t.Errorf("the callback again: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if res := b.open("POST", "/api/v1/oidc/end", false); res.StatusCode != http.StatusOK || b.cookies["rasad-loopback"] != nil {
		t.Errorf("the end: %s, cookies %v", res.Status, b.cookies)
	}
	if res := b.open("GET", "/api/v1/session", false); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the end: %s", res.Status)
	}
	if res := b.open("GET", "/api/v1/oidc/start?stepup=true", false); res.Header.Get("Location") != "/signin?problem=oidc-flow" {
		t.Errorf("nobody steps up: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if strings.Contains(h.logs.String(), at.Query().Get("code")) {
		t.Error("the code stands in the log")
	}
}

func TestWithoutAProviderNobodyIsSentToOne(t *testing.T) {
	h := newHouse(t)
	if a := h.get("/api/v1/oidc").want(200); a.at("name") != "" {
		t.Errorf("a provider %q", a.body)
	}
	b := &tab{h: h, cookies: map[string]*http.Cookie{}}
	for _, path := range []string{"/api/v1/oidc/start", "/api/v1/oidc/callback?code=x&state=y"} {
		if res := b.open("GET", path, false); res.Header.Get("Location") != "/signin?problem=no-oidc" {
			t.Errorf("%s: %s to %q", path, res.Status, res.Header.Get("Location"))
		}
	}
}
