package access

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Subject is who an account is at a provider of identities. A name may change hands
// there; a subject does not.
type Subject struct {
	Issuer string `json:"issuer"`
	ID     string `json:"id"`
}

// OIDCConfig names a provider of identities, and says what its word means here.
type OIDCConfig struct {
	Issuer       string // https://idp.city.example/realms/city
	ClientID     string
	ClientSecret string // empty: a public client, by PKCE alone
	Callback     string // https://rasad.city.example/api/v1/oidc/callback, as the provider knows it
	Scopes       []string
	// NameClaim becomes the account's name when it is made; empty: preferred_username.
	NameClaim string
	// RoleClaim and AgencyClaim hold text or a list of texts; a dot leads into an
	// object (realm_access.roles). Empty: groups.
	RoleClaim, AgencyClaim string
	// Roles: the first whose value is in the claim is the person's role. Who has none
	// does not come in.
	Roles []OIDCRole
	// Agencies and Shelters are those of all values that are in the claim.
	Agencies, Shelters []OIDCScope
	// ACR: the token must say that the person proved who they are by one of these;
	// empty: as the provider likes.
	ACR []string
	// Client asks the provider; nil: one with limits of time.
	Client *http.Client
	// Key seals what the browser keeps between start and callback.
	Key []byte
}

// OIDCRole gives a role to who has a value in the claim.
type OIDCRole struct {
	Value string `yaml:"value"`
	Role  Role   `yaml:"role"`
}

// OIDCScope gives an agency or a shelter to who has a value in the claim.
type OIDCScope struct {
	Value string `yaml:"value"`
	Code  string `yaml:"code"`
}

// Why nobody comes in by a provider.
var (
	// ErrOIDCAway: the provider does not answer. Local accounts come in as ever.
	ErrOIDCAway = errors.New("the provider of identities does not answer")
	// ErrOIDCFlow: the answer belongs to no sign-in that this browser began, or to one
	// that is past its time or was used already.
	ErrOIDCFlow = errors.New("this answer belongs to no sign-in that was begun here; begin again")
	// ErrOIDCDenied: the provider says no.
	ErrOIDCDenied = errors.New("the provider of identities did not let this person in")
	// ErrOIDCToken: the provider's word is not genuine, of another time or for others.
	ErrOIDCToken = errors.New("the word of the provider of identities does not hold")
	// ErrOIDCRole: what the provider says of the person gives no role here.
	ErrOIDCRole = errors.New("this person has no role here; the city's mapping of groups says who has")
	// ErrOIDCName: a local account has the name, and a provider does not take it over.
	ErrOIDCName = errors.New("a local account has the name of this person; an admin must rename or remove it")
	// ErrOIDCSetup: the first account is a local one, so that somebody comes in when
	// the provider is away.
	ErrOIDCSetup = errors.New("there is no account yet; make the first one by the setup link")
)

const (
	flowLives    = 10 * time.Minute // a person types a password and a code elsewhere
	flowsMax     = 10_000
	oidcAnswer   = 10 * time.Second
	oidcBytesMax = 1 << 20
	oidcLeeway   = time.Minute // between the provider's clock and ours
	asking       = 8           // answers that are looked at by the provider at once
)

// OIDC lets people in by the word of a provider. It is safe for concurrent use.
type OIDC struct {
	gate *Gate
	c    OIDCConfig
	aead cipher.AEAD
	now  func() time.Time // a test sets it
	ask  chan struct{}

	mu       sync.Mutex
	provider *oidc.Provider
	failed   time.Time // when the provider did not answer last
	used     map[string]time.Time
}

// flow is what the browser keeps, sealed, between start and callback.
type flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	To       string    `json:"t"`
	Began    time.Time `json:"b"`
	Session  string    `json:"x,omitempty"` // id of the session that the browser had
	Up       bool      `json:"u,omitempty"` // it steps up; else it ends
}

// NewOIDC returns a way in through a provider; the provider is asked when somebody
// first comes. Errors say what of the config cannot be.
func NewOIDC(g *Gate, c OIDCConfig) (*OIDC, error) {
	for _, u := range []string{c.Issuer, c.Callback} {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.Fragment != "" || p.Scheme != "https" && (p.Scheme != "http" || !loopbackName(p.Hostname())) {
			return nil, fmt.Errorf("%q is no https address", u)
		}
	}
	switch {
	case c.ClientID == "":
		return nil, errors.New("the client id is missing")
	case len(c.Roles) == 0:
		return nil, errors.New("no value of a claim gives a role, so nobody could come in")
	}
	for _, r := range c.Roles {
		if r.Value == "" || !slices.Contains(PersonRoles, r.Role) {
			return nil, fmt.Errorf("the value %q gives %q: %w", r.Value, r.Role, ErrPersonRole)
		}
	}
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	client := *c.Client
	client.Timeout = oidcAnswer
	client.Transport = brief{cmp.Or[http.RoundTripper](client.Transport, http.DefaultTransport)}
	c.Client = &client
	c.NameClaim, c.RoleClaim, c.AgencyClaim = cmp.Or(c.NameClaim, "preferred_username"), cmp.Or(c.RoleClaim, "groups"), cmp.Or(c.AgencyClaim, "groups")
	if c.Scopes == nil {
		c.Scopes = []string{"profile"}
	}
	key := sha256.Sum256(append([]byte("rasad oidc flow\x00"), c.Key...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &OIDC{gate: g, c: c, aead: aead, now: time.Now, ask: make(chan struct{}, asking), used: map[string]time.Time{}}, nil
}

// brief ends answers that are longer than any of a provider.
type brief struct{ next http.RoundTripper }

func (b brief) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, oidcBytesMax)
	}
	return res, err
}

// connect asks the provider who it is, once. One that did not answer is asked again
// after a few seconds.
func (o *OIDC) connect() (*oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.provider != nil:
		return o.provider, nil
	case o.now().Sub(o.failed) < 3*time.Second:
		return nil, ErrOIDCAway
	}
	// The keys of the provider are fetched later by the same context, so it is nobody's.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), o.c.Client), o.c.Issuer)
	if err != nil {
		o.failed = o.now()
		o.gate.Log.Warn("the provider of identities does not answer", "issuer", o.c.Issuer, "error", err)
		return nil, fmt.Errorf("%w: %w", ErrOIDCAway, err)
	}
	o.provider = p
	return p, nil
}

func (o *OIDC) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: o.c.ClientID, ClientSecret: o.c.ClientSecret, RedirectURL: o.c.Callback, Endpoint: p.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID}, o.c.Scopes...)}
}

// Start returns the address to send the browser to, and what it keeps meanwhile, for
// [SetFlow]. to is where it goes in the end, on this server; p is who the browser is now.
// With stepUp the person of its session proves again who they are; else the session ends
// when another begins. It returns [ErrOIDCAway], and [ErrNoSession] when there is none
// that could step up.
func (o *OIDC) Start(p Principal, to string, stepUp bool) (address, kept string, err error) {
	if stepUp && (p.Session == "" || p.Account == "") {
		return "", "", ErrNoSession
	}
	provider, err := o.connect()
	if err != nil {
		return "", "", err
	}
	f := flow{State: secret(32), Nonce: secret(32), Verifier: oauth2.GenerateVerifier(), To: localPath(to), Began: o.now().UTC().Round(0), Session: p.Session, Up: stepUp}
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if stepUp {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	if len(o.c.ACR) > 0 {
		options = append(options, oauth2.SetAuthURLParam("acr_values", strings.Join(o.c.ACR, " ")))
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return "", "", err
	}
	nonce := make([]byte, o.aead.NonceSize())
	_, _ = rand.Read(nonce) // crypto/rand does not fail
	return o.oauth(provider).AuthCodeURL(f.State, options...), base64.RawURLEncoding.EncodeToString(o.aead.Seal(nonce, nonce, plain, nil)), nil
}

// localPath is an address on this server and nowhere else; "/" for any other.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || len(to) > 500 {
		return "/"
	}
	return to
}

// take opens what the browser kept, for the answer that came back, and once.
func (o *OIDC) take(kept, state string) (flow, error) {
	var f flow
	b, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil || len(b) < o.aead.NonceSize() {
		return f, ErrOIDCFlow
	}
	n := o.aead.NonceSize()
	plain, err := o.aead.Open(nil, b[:n], b[n:], nil)
	if err != nil || json.Unmarshal(plain, &f) != nil || f.State == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) != 1 {
		return f, ErrOIDCFlow
	}
	now := o.now()
	if now.Sub(f.Began) >= flowLives {
		return f, ErrOIDCFlow
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for s, began := range o.used {
		if now.Sub(began) >= flowLives {
			delete(o.used, s)
		}
	}
	if _, again := o.used[f.State]; again || len(o.used) >= flowsMax {
		return f, ErrOIDCFlow
	}
	o.used[f.State] = f.Began
	return f, nil
}

// Finish takes the answer of the provider that the browser brought, with what it kept,
// and begins a session, or steps up the one that began it. It says where the browser
// goes. The browser brings no session along, coming from another site: what it kept
// names it, sealed. Errors are ErrOIDC…, [ErrSignIn] of a disabled account, [ErrNoSession],
// [ErrBusy] and those of the record.
func (o *OIDC) Finish(ctx context.Context, answer url.Values, kept string, in SignIn) (e Entry, to string, err error) {
	f, err := o.take(kept, answer.Get("state"))
	if err != nil {
		return Entry{}, "/", err
	}
	if answer.Get("error") != "" || answer.Get("code") == "" {
		return Entry{}, f.To, ErrOIDCDenied
	}
	if iss := answer.Get("iss"); iss != "" && iss != o.c.Issuer { // RFC 9207: the answer of another provider
		return Entry{}, f.To, ErrOIDCToken
	}
	select {
	case o.ask <- struct{}{}:
		defer func() { <-o.ask }()
	default:
		return Entry{}, f.To, ErrBusy
	}
	claims, subject, proved, err := o.claims(ctx, answer.Get("code"), f)
	if err != nil {
		o.gate.Log.Warn("the provider's answer was refused", "from", in.From, "error", err)
		return Entry{}, f.To, err
	}
	if f.Up {
		e, err = o.stepUp(ctx, subject, proved, f, in)
		return e, f.To, err
	}
	a, err := o.account(ctx, subject, claims, in)
	if err != nil {
		o.gate.Tell(Event{Type: EventRefused, Account: a.Name, From: in.From, At: o.now(), By: Nobody(in.From), Text: "by the provider of identities: " + err.Error()})
		return Entry{}, f.To, err
	}
	now := o.now()
	s := Session{Account: a.ID, Role: a.Role, Grant: a.Grant, From: in.From, Agent: in.Agent}
	if until := proved.Add(stepUpFor).UTC().Round(0); until.After(now) && !proved.After(now.Add(oidcLeeway)) {
		s.SteppedUp = until // a session of the provider's that lasts all day proves nothing now
	}
	o.gate.Sessions.Revoke(ctx, func(x Session) bool { return f.Session != "" && x.ID == f.Session })
	e.Secret, e.Session = o.gate.Sessions.Begin(ctx, now, s, in.Old)
	o.gate.Tell(Event{Type: EventSignIn, Account: a.Name, Session: e.Session.ID, From: in.From, At: now, By: a.principal(e.Session.ID, in.From), Text: "by the provider of identities"})
	return e, f.To, nil
}

// claims exchanges the code for the provider's word, and checks it: signature, issuer,
// audience, time, nonce, and how the person proved who they are.
func (o *OIDC) claims(ctx context.Context, code string, f flow) (claims map[string]any, s Subject, proved time.Time, err error) {
	provider, err := o.connect()
	if err != nil {
		return nil, s, proved, err
	}
	ctx = oidc.ClientContext(ctx, o.c.Client)
	token, err := o.oauth(provider).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < 500 {
			return nil, s, proved, fmt.Errorf("%w: %s", ErrOIDCDenied, clip(said.ErrorCode, 100))
		}
		return nil, s, proved, fmt.Errorf("%w: exchange the code: %w", ErrOIDCAway, err)
	}
	raw, _ := token.Extra("id_token").(string)
	word, err := provider.Verifier(&oidc.Config{ClientID: o.c.ClientID, Now: o.now}).Verify(ctx, raw)
	if err != nil {
		return nil, s, proved, fmt.Errorf("%w: %w", ErrOIDCToken, err)
	}
	if word.Subject == "" || len(word.Subject) > 255 || subtle.ConstantTimeCompare([]byte(word.Nonce), []byte(f.Nonce)) != 1 {
		return nil, s, proved, fmt.Errorf("%w: the nonce or the subject", ErrOIDCToken)
	}
	var all json.RawMessage
	if err := word.Claims(&all); err != nil {
		return nil, s, proved, fmt.Errorf("%w: %w", ErrOIDCToken, err)
	}
	d := json.NewDecoder(bytes.NewReader(all))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		return nil, s, proved, fmt.Errorf("%w: %w", ErrOIDCToken, err)
	}
	if len(o.c.ACR) > 0 && !slices.Contains(o.c.ACR, first(texts(claims, "acr"))) {
		return nil, s, proved, fmt.Errorf("%w: the person was not asked for enough (acr)", ErrOIDCToken)
	}
	if n, ok := claims["auth_time"].(json.Number); ok {
		if sec, err := n.Float64(); err == nil && sec > 0 && sec < 1e11 {
			proved = time.Unix(int64(sec), 0)
		}
	}
	return claims, Subject{word.Issuer, word.Subject}, proved, nil
}

// stepUp gives the session that began the flow a new secret, if the very person of it
// has proved who they are since then.
func (o *OIDC) stepUp(ctx context.Context, s Subject, proved time.Time, f flow, in SignIn) (Entry, error) {
	now := o.now()
	mine := o.gate.Sessions.List(now, func(x Session) bool { return x.ID == f.Session })
	if len(mine) == 0 {
		return Entry{}, ErrNoSession
	}
	a, ok := o.gate.Register.State().Account(mine[0].Account)
	if !ok || a.Subject == nil || *a.Subject != s {
		return Entry{}, ErrOIDCFlow
	}
	if proved.Before(f.Began.Add(-oidcLeeway)) || proved.After(now.Add(oidcLeeway)) {
		return Entry{}, fmt.Errorf("%w: it does not say that the person proved again who they are (auth_time)", ErrOIDCToken)
	}
	text, session, err := o.gate.Sessions.StepUp(ctx, now, f.Session)
	if err != nil {
		return Entry{}, err
	}
	o.gate.Tell(Event{Type: EventStepUp, Account: a.Name, Session: session.ID, From: in.From, At: now, By: a.principal(session.ID, in.From), Text: "by the provider of identities"})
	return Entry{Session: session, Secret: text}, nil
}

// account makes the account of a subject what the claims say, or makes it. Of who has
// no role any more the sessions end.
func (o *OIDC) account(ctx context.Context, s Subject, claims map[string]any, in SignIn) (Account, error) {
	g := o.gate.Register
	want := Account{Display: first(texts(claims, "name")), Subject: &s}
	roles, agencies := texts(claims, o.c.RoleClaim), texts(claims, o.c.AgencyClaim)
	for _, r := range o.c.Roles {
		if want.Role == "" && slices.Contains(roles, r.Value) {
			want.Role = r.Role
		}
	}
	pick := func(scopes []OIDCScope) (out []string) {
		for _, x := range scopes {
			if slices.Contains(agencies, x.Value) && !slices.Contains(out, x.Code) {
				out = append(out, x.Code)
			}
		}
		return out
	}
	want.Agencies, want.Shelters = pick(o.c.Agencies), pick(o.c.Shelters)
	if r := []rune(want.Display); len(r) > 100 {
		want.Display = string(r[:100])
	}
	act := Act{By: "oidc", From: in.From, Why: "as the provider of identities says", At: o.now()}
	state := g.State()
	if state.Empty() {
		return Account{}, ErrOIDCSetup
	}
	a, known := state.Of(s)
	switch {
	case !known && want.Role == "":
		return Account{}, ErrOIDCRole
	case !known:
		name := first(texts(claims, o.c.NameClaim))
		a, err := g.Create(ctx, act, NewAccount{Name: name, Display: want.Display, Role: want.Role, Agencies: want.Agencies, Shelters: want.Shelters, Subject: &s})
		if errors.Is(err, ErrNameTaken) {
			err = ErrOIDCName
		}
		return a, err
	case a.Disabled:
		return a, ErrSignIn
	case want.Role == "":
		o.gate.EndSessions(ctx, Principal{Name: "oidc", Role: System, From: in.From}, a.ID, "", "", ErrOIDCRole.Error())
		return a, ErrOIDCRole
	}
	if a.Display == want.Display && a.Role == want.Role && slices.Equal(a.Agencies, want.Agencies) && slices.Equal(a.Shelters, want.Shelters) {
		return a, nil
	}
	return g.Change(ctx, act, a.ID, AccountChanges{Display: &want.Display, Role: &want.Role, Agencies: &want.Agencies, Shelters: &want.Shelters,
		If: func(now Account) error {
			if now.Disabled {
				return ErrSignIn
			}
			return nil
		}})
}

// Of returns a copy of the account of a subject.
func (s *State) Of(who Subject) (Account, bool) {
	for _, a := range s.accounts {
		if a.Subject != nil && *a.Subject == who {
			return copied(a)
		}
	}
	return Account{}, false
}

// texts are the texts of a claim: one, a list of them, or none. A dot in the name leads
// into an object where there is no claim of the whole name.
func texts(claims map[string]any, name string) []string {
	v, ok := claims[name]
	for !ok {
		head, rest, dotted := strings.Cut(name, ".")
		inner, isObject := claims[head].(map[string]any)
		if !dotted || !isObject {
			return nil
		}
		claims, name = inner, rest
		v, ok = claims[name]
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, x := range v {
			if t, ok := x.(string); ok {
				out = append(out, t)
			}
		}
		return out
	}
	return nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// Goodbye is the address at which the provider ends its own session with the person,
// and sends them back to our page to sign in; empty when it has none, or does not
// answer.
func (o *OIDC) Goodbye() string {
	p, err := o.connect()
	if err != nil {
		return ""
	}
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if p.Claims(&more) != nil {
		return ""
	}
	u, err := url.Parse(more.End)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopbackName(u.Hostname())) {
		return ""
	}
	back, err := url.Parse(o.c.Callback)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", o.c.ClientID)
	q.Set("post_logout_redirect_uri", back.Scheme+"://"+back.Host+"/signin")
	u.RawQuery = q.Encode()
	return u.String()
}

const flowSuffix = "-flow"

// SetFlow lets the browser keep what [OIDC.Start] returned. The answer comes by a link
// of the provider's page, which brings no strict cookies: this one is lax, and opens
// nothing by itself.
func SetFlow(w http.ResponseWriter, secure bool, kept string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure) + flowSuffix, Value: kept, Path: "/", MaxAge: int(flowLives / time.Second),
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// TakeFlow returns what the browser kept, and lets it forget it.
func TakeFlow(w http.ResponseWriter, r *http.Request, secure bool) string {
	found := r.CookiesNamed(cookieName(secure) + flowSuffix)
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure) + flowSuffix, Path: "/", MaxAge: -1, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}
