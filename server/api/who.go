package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// Who asks, and what the policy says about it. Nothing is decided here that package
// access does not decide.

type principalContext struct{}

// WithPrincipal returns a context whose calls are made in the name of p: of what runs
// inside the server and uses its calls, such as the simulation of a demo. Nothing that
// comes over the network carries such a context.
func WithPrincipal(ctx context.Context, p access.Principal) context.Context {
	return context.WithValue(ctx, principalContext{}, p)
}

// client says whether the caller's connection is TLS, and the address of the caller.
func (a *API) client(r *http.Request) (secure bool, from string) {
	if a.Client != nil {
		return a.Client(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return r.TLS != nil, host
}

// identify finds out who asks. An error is a problem for the caller.
func (a *API) identify(r *http.Request) (access.Principal, error) {
	if p, ok := r.Context().Value(principalContext{}).(access.Principal); ok {
		return p, nil
	}
	secure, from := a.client(r)
	c, err := credentials(r, secure, from)
	if err != nil {
		return access.Nobody(from), signIn(err)
	}
	return a.known(r, c, secure)
}

// tokenPath begins the address of a feed in which a token stands.
const tokenPath = "/feeds/osmand/"

// pathOf is the path of a request as it may be told: without what opens something.
func pathOf(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, tokenPath) {
		return tokenPath + "{token}"
	}
	return r.URL.Path
}

// credentials are what a request brings. Phones of the OwnTracks app know no bearer
// tokens: theirs is the password.
func credentials(r *http.Request, secure bool, from string) (access.Credentials, error) {
	if token, ok := strings.CutPrefix(r.URL.Path, tokenPath); ok {
		return access.Credentials{Token: token, From: from}, nil
	}
	if _, password, ok := r.BasicAuth(); ok && r.URL.Path == "/feeds/owntracks" {
		return access.Credentials{Token: password, From: from}, nil
	}
	return access.CredentialsOf(r, secure, from)
}

func (a *API) known(r *http.Request, c access.Credentials, secure bool) (access.Principal, error) {
	if !secure && !access.MayGoBare(r) {
		c.Session = "" // whoever reads the wire has it by now
	}
	p, err := a.Gate.Identify(r.Context(), c)
	if errors.Is(err, access.ErrNoSession) {
		return access.Nobody(c.From), nil // its browser has to be able to load the page to sign in
	}
	if err != nil {
		return access.Nobody(c.From), signIn(err)
	}
	return p, nil
}

func signIn(err error) error {
	return problem(http.StatusUnauthorized, access.SignInNeeded, "sign in, or give a token: "+err.Error())
}

// principal is who makes the call; of one that nobody has looked at it is anonymous.
func principal(c echo.Context) access.Principal {
	p, ok := c.Get(principalKey).(access.Principal)
	if !ok {
		return access.Nobody("")
	}
	return p
}

// admit decides what can be decided before the call is read. What is about a feature,
// an audience or a unit is decided when that is known; whoever could not do it to any
// is told so now.
func admit(p access.Principal, op *call) error {
	if op.action == access.StreamOpen {
		return nil // a socket is told by its own codes
	}
	d := access.Allow(p, op.action, access.Target{Kind: op.kind})
	if d.Allowed || op.later && !slices.Contains([]string{access.SignInNeeded, access.Denied, access.PasswordChange, access.PersonNeeded, access.StepUpNeeded}, d.Code) {
		return nil
	}
	return decided(d)
}

// decidedLater are the actions that are about something that the call names.
var decidedLater = []access.Action{access.FeatureRead, access.FeatureCreate, access.FeaturePut, access.FeaturePatch, access.FeatureDelete,
	access.SealedOpen, access.SealedErase, access.Dispatch, access.UnitStatus, access.FixReport, access.ReplayOpen}

// may decides whether the caller may do something; the error is a problem.
func (a *API) may(c echo.Context, action access.Action, t access.Target) error {
	d := access.Allow(principal(c), action, t)
	if d.Code == access.Hidden && t.Kind != "" && t.Key != "" {
		return missing(t.Kind, t.Key)
	}
	return decided(d)
}

// decided makes a problem of a decision; nil of one that allows.
func decided(d access.Decision) error {
	if d.Allowed {
		return nil
	}
	status := http.StatusForbidden
	switch d.Code {
	case access.SignInNeeded:
		status = http.StatusUnauthorized
	case access.Hidden:
		status = http.StatusNotFound
	case access.RateLimited:
		status = http.StatusTooManyRequests
	case access.TooLarge:
		status = http.StatusRequestEntityTooLarge
	}
	return problem(status, d.Code, d.Reason)
}

// missing is said of what is not there and of what is hidden: nobody can tell which.
func missing(kind geo.Kind, key string) *Problem {
	return problem(http.StatusNotFound, "no-"+string(kind), fmt.Sprintf("there is no %s %s", kind, key))
}

// factsOf is what the preset says of its types that the policy asks for.
func factsOf(p *fixtures.Preset) access.Facts {
	f := access.Facts{Sensitive: map[geo.Kind][]string{}, Agencies: map[string][]string{}}
	for _, t := range p.IncidentTypes {
		f.Agencies[t.Code] = t.Agencies
		if t.Sensitive {
			f.Sensitive[geo.Incident] = append(f.Sensitive[geo.Incident], t.Code)
		}
	}
	for _, t := range p.HazardTypes {
		if t.Sensitive {
			f.Sensitive[geo.Hazard] = append(f.Sensitive[geo.Hazard], t.Code)
		}
	}
	for _, k := range p.SiteKinds {
		if k.Sensitive {
			f.Sensitive[geo.Site] = append(f.Sensitive[geo.Site], k.Code)
		}
	}
	return f
}

// seer shows features to one who asks.
type seer struct {
	access.Reader
	facts *access.Facts
}

func (a *API) seerOf(p access.Principal) seer {
	return seer{access.NewReader(p, access.DoorREST), &a.facts}
}

// show returns what is seen of a feature, nil for nothing.
func (s seer) show(f *geo.Feature) *geo.Feature { return s.Show(f, s.facts.Target(f)) }

// get is the feature of a key as it is seen.
func (s seer) get(view *geo.View, key string) (*geo.Feature, bool) {
	f, ok := view.Get(key)
	if !ok {
		return nil, false
	}
	f = s.show(f)
	return f, f != nil
}

// about describes features by their keys for the policy.
func (a *API) about(view *geo.View) func(string) (access.Target, bool) {
	return func(key string) (access.Target, bool) {
		f, ok := view.Get(key)
		if !ok {
			return access.Target{}, false
		}
		return a.facts.Target(f), true
	}
}

// decide asks the policy about a command.
func (a *API) decide(p access.Principal, cmd *streams.Command) error {
	req, err := access.CommandAction(cmd.Name, cmd.Args)
	if err != nil {
		return problem(http.StatusForbidden, access.Denied, err.Error())
	}
	about := a.about(a.World.View())
	d := req.Decide(p, func(key string) (access.Target, bool) {
		t, ok := about(key)
		if ok && req.Kind != "" && t.Kind != req.Kind {
			return access.Target{}, false // the rule says that the key is of another kind
		}
		return t, ok
	})
	if d.Code == access.Hidden && len(req.Keys) > 0 {
		kind := req.Kind
		if kind == "" {
			if kind = geo.Incident; req.Action == access.UnitStatus {
				kind = geo.Unit
			}
		}
		return missing(kind, req.Keys[0])
	}
	return decided(d)
}

// shown is the current feature of a refusal as the caller sees it.
func (s seer) shown(err error) error {
	var refusal *geo.Refusal
	if !errors.As(err, &refusal) || refusal.Current == nil {
		return err
	}
	poorer := *refusal
	poorer.Current = s.show(refusal.Current)
	return &poorer
}

// answered is a feature in an answer of a rule as the caller sees it: the members of
// its properties, and whether its place is seen.
func (s seer) answered(key string, props json.RawMessage) (_ json.RawMessage, place bool, err error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(props, &m); err != nil {
		return nil, false, fmt.Errorf("read the properties in the answer of a rule: %w", err)
	}
	var kind geo.Kind
	_ = json.Unmarshal(m["kind"], &kind) // as the world writes it
	sorted, err := json.Marshal(m)       // as Props are
	if err != nil {
		return nil, false, fmt.Errorf("read the properties in the answer of a rule: %w", err)
	}
	t := s.facts.Target(&geo.Feature{Kind: kind, Key: key, Props: geo.Props(sorted)})
	if s.Whole(t) {
		return props, true, nil
	}
	for name := range m {
		if name != "kind" && name != "rev" && !s.Field(t, name) {
			delete(m, name)
		}
	}
	out, err := json.Marshal(m)
	return out, s.Field(t, access.PlaceField), err
}

// retryAfter writes how long a caller shall wait, in whole seconds.
func retryAfter(h http.Header, err error) {
	var wait *access.WaitError
	if errors.As(err, &wait) {
		h.Set("Retry-After", strconv.Itoa(int(wait.Wait.Seconds())+1))
	}
}
