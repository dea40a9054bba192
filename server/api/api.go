// Package api is the door: HTTP and WebSocket in front of the world.
//
// Its one law: nothing is decided here. A request is read, checked for form and
// named; what it asks of the world goes to the sequencer as a command, and what
// it wants to know is answered from one view, whose sequence stands in every
// answer. openapi.yaml is the contract: it generates the types and the routes, and
// every query parameter is checked against it.
//
// # Wiring
//
//	a, err := api.New(api.Deps{
//		World: world, Sequencer: seq, Audiences: audiences, Gate: gate, History: journal, Sealer: sealer,
//		Epoch: journal.Epoch(), Preset: preset, City: city, Screens: screens,
//		Feeds: []api.Feed{{Name: "osmand", Path: "/feeds/osmand", Parse: …}},
//		Ready: journal.Probe, Build: build, Log: log, Metrics: registry,
//		LoopbackOnly: true,
//	})
//	srv := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
//	…
//	a.Close(ctx)      // first: sockets are told to come back (1012)
//	srv.Shutdown(ctx) // then: calls under way are answered
//
// The rules of the sequencer must hold [OpenSealed] under [OpenSealedName] beside
// those of dispatch, so that opening a sealed field is in the record.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/city"
	"rasad/server/access"
	"rasad/streams"
)

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml

// bodyWait is how long a body may take: 1 MiB at 35 kB/s, a poor mobile link.
var bodyWait = 30 * time.Second // a test shortens it

// Limits of the door, as the contract names them.
const (
	bodyBytesMax     = 1 << 20
	feedBytesMax     = 64 << 10
	pageMax          = 10_000
	pageDefault      = 1000
	nearestDefault   = 5
	reportsMax       = 1000 // fixes in one message of a feed
	staleAfterPreset = 120 * time.Second
)

// Sequencer is what the door asks of the single writer.
type Sequencer interface {
	Propose(context.Context, streams.Command) (streams.Answer, error)
	Report(context.Context, streams.Report) (*streams.Ticket, error)
	ReportMany(context.Context, []streams.Report) (*streams.Tickets, error)
	Status() streams.SequencerStatus
}

// Sealer encrypts personal fields before they enter a command.
type Sealer interface {
	// Seal encrypts under a fresh key.
	Seal(name string, plain []byte) (geo.Sealed, error)
	// Open decrypts; it returns streams.ErrErased when the key was destroyed.
	Open(geo.Sealed) ([]byte, error)
	// Erase destroys a key.
	Erase(keyID string) error
	// Digest is a keyed hash, for idempotency.
	Digest(body []byte) []byte
}

// Hub is where live frames come from.
type Hub interface {
	Subscribe(from streams.Resume, every time.Duration) *streams.Subscription
}

// Feed is an adapter behind a path: bytes in, reports out.
type Feed struct {
	Name string // "osmand"; the label of its metrics
	Path string // "/feeds/osmand", as in openapi.yaml
	// Parse reads one message of at most 64 KiB; for GET the body is empty. It
	// returns an [*Unfit] for what is well formed but holds no fix (200, refused).
	// Any other error is 400: a *geo.Refusal, or one whose text is the field, a
	// colon and the reason. No reports and no error is accepted and does nothing.
	Parse func(r *http.Request, body []byte, received time.Time) ([]streams.Report, error)
	// Reply is the JSON body of a success when the protocol wants its own; nil:
	// {"accepted":true}. A refusal is always {"accepted":false,"reason":…}.
	Reply []byte
}

// Unfit is a message of a feed that is well formed and holds no fix.
type Unfit struct{ Reason string }

func (u *Unfit) Error() string { return u.Reason }

// Deps is all that the door needs. World, Sequencer, Audiences, Gate, Sealer, Preset,
// Log and Metrics must be there.
type Deps struct {
	// Name is that of the world in calls, streams and the record; empty: access.Home.
	Name string
	// Title is what people call it; empty: the name of the city, or that of the world.
	Title     string
	World     *geo.World
	Sequencer Sequencer
	Audiences *Audiences
	// History is what replay plays; nil: there is no replay.
	History streams.History
	Sealer  Sealer
	Epoch   string
	Preset  *fixtures.Preset
	// City is the ground; nil: a plain one.
	City *city.City
	// Reach answers by road; nil: there is no city, or one without roads that this
	// version reads.
	Reach Reach
	Feeds []Feed
	// Screens are the pages of the front end; nil or empty: there are none.
	Screens *Screens
	// Embed is what the pages of news sites are made of; nil: there is no embed.
	Embed *Embed
	// Approval is the number under which an authority approved the map (审图号), which the
	// embed shows; empty: there is none.
	Approval string
	// Gate knows who comes in by what.
	Gate *access.Gate
	// Client says whether the caller's connection is TLS, to us or to a trusted proxy,
	// and the address of the caller. Nil: no proxy is trusted.
	Client func(*http.Request) (secure bool, from string)
	// Hubs are those of audiences that are kept elsewhere, by name: "public".
	Hubs map[string]Hub
	// Public is the public world; nil: there is none. Its stream is in Hubs.
	Public Public
	// PublicHost is the name of the host that answers the public and nobody else: the
	// public world, the embed, and what the embed is made of. Empty: there is none.
	PublicHost string
	// Erase destroys the keys of a personal field in the whole record, after it was said
	// there. A *geo.Refusal is the answer when there never was one. Nil: there is no
	// record.
	Erase func(context.Context, Erasure) (ErasureDone, error)
	// Ready proves that a write can be recorded now; nil: the status of the
	// sequencer is asked.
	Ready func(context.Context) error
	// CreateUnknown makes feeds create units that they do not know.
	CreateUnknown bool
	Build         string
	Log           *slog.Logger
	Metrics       prometheus.Registerer
	// Gather is what /metrics shows; nil: Metrics, when it can be gathered.
	Gather prometheus.Gatherer
	// LoopbackOnly: the server listens on this machine alone, so only its names are
	// answered (a foreign page that rebinds its name gets nothing).
	LoopbackOnly bool
	// Origins may use the stream and write beside the server's own origin:
	// "http://localhost:5173".
	Origins []string
	Limits  Limits
	// Frames are the origins whose pages may show the embed; none: everybody's.
	Frames []string
	// Cameras are the origins whose pictures and videos the screens may show; none:
	// no pictures come from elsewhere.
	Cameras []string
	// OIDC lets people in by a provider of identities, which is called OIDCName; nil:
	// there is none.
	OIDC     *access.OIDC
	OIDCName string
	// HSTS is the Strict-Transport-Security of answers over TLS; empty: none.
	HSTS string
	// CA is the certificate of the local authority in PEM, which everybody may fetch at
	// /ca.pem; nil: there is none.
	CA []byte
}

// Limits protect the server; zero values stand for the defaults.
type Limits struct {
	Sockets int // 20,000; more get 503 with Retry-After
	Players int // replays at once, 32; more are closed with 1013
	// Of strangers, who are turned away (503) so that operations keep their time:
	Strangers   int // open streams, half of Sockets
	PublicCalls int // calls of the public world at once, 256
	PublicRate  int // and a second, 8000
}

// API is the door. Its zero value is not usable.
type API struct {
	Deps
	echo    *echo.Echo
	cross   *http.CrossOriginProtection
	metrics *metrics
	spec    *spec
	preset  cached
	places  cached // empty without a city, or where it has no names
	city    cached // city.json
	stale   staleness
	traits  traitTable
	facts   access.Facts
	pace    *pace
	speeds  map[string]float64 // unit kind: m/s with lights and siren, over a whole drive
	feeds   map[string]*Feed
	screens *Screens
	// neighbours are the worlds of the installation, this one among them.
	neighbours []*API
	// Header values, made once.
	screenPolicy, embedPolicy, builderPolicy, hsts []string
	sockets                                        *sockets
	strangers                                      *strangers
	shop                                           *embedShop // nil without Embed
}

// New makes the door. It returns an error when openapi.yaml and Deps do not fit.
func New(d Deps) (*API, error) {
	switch {
	case d.World == nil, d.Sequencer == nil, d.Audiences == nil, d.Gate == nil, d.Sealer == nil, d.Preset == nil, d.Log == nil, d.Metrics == nil:
		return nil, errors.New("api: World, Sequencer, Audiences, Gate, Sealer, Preset, Log and Metrics must be given")
	}
	s, err := contract()
	if err != nil {
		return nil, err
	}
	if d.Gather == nil {
		d.Gather, _ = d.Metrics.(prometheus.Gatherer)
	}
	a := &API{
		Deps: d, spec: s, cross: http.NewCrossOriginProtection(), metrics: newMetrics(d.Metrics),
		feeds: map[string]*Feed{}, speeds: map[string]float64{}, stale: newStaleness(d.Preset), facts: factsOf(d.Preset), pace: newPace(),
	}
	a.neighbours = []*API{a}
	if a.Name == "" {
		a.Name = access.Home
	}
	for _, o := range d.Origins {
		if err := a.cross.AddTrustedOrigin(o); err != nil {
			return nil, err
		}
	}
	for _, k := range d.Preset.UnitKinds {
		a.speeds[k.Code] = k.Speed.EmergencyMps
	}
	for i := range d.Feeds {
		a.feeds[d.Feeds[i].Path] = &d.Feeds[i]
	}
	if a.preset, err = cacheJSON(d.Preset); err != nil {
		return nil, err
	}
	if d.City != nil {
		if a.city, err = cacheJSON(d.City.Manifest()); err != nil {
			return nil, err
		}
		if b, err := os.ReadFile(d.City.PlacesPath()); err == nil { // names are a help: the file itself says what is wrong with it
			if a.places, err = cacheBody(b); err != nil {
				return nil, err
			}
		}
	}
	if a.screens = d.Screens; a.screens == nil {
		a.screens = &Screens{}
	}
	if d.Embed != nil {
		if a.shop, err = newEmbedShop(a); err != nil {
			return nil, err
		}
	}
	a.screenPolicy, a.embedPolicy, a.builderPolicy = screenPolicyOf(d.Cameras), embedPolicyOf(d.Frames), builderPolicyOf(d.Frames)
	if d.HSTS != "" {
		a.hsts = []string{d.HSTS}
	}
	a.sockets = newSockets(a)
	a.strangers = newStrangers(d.Limits, d.Metrics)
	go a.strangers.watch()
	a.route()
	return a, nil
}

func (a *API) route() {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = a.fail
	e.Use(a.door)
	RegisterHandlers(e, a)
	e.GET("/tiles/:z/:x/:tile", a.tile)
	e.GET("/api/v1/coverage/:z/:x/:tile", a.coverageTile)
	e.GET("/city/:file", a.cityFile)
	a.echo = e
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.survive(w, r)
	a.dress(w, r)
	if r.ContentLength != 0 {
		// Without a time a body that never ends would hold its goroutine for ever,
		// here or in net/http, which wants the rest of it before it answers.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait)) // not every writer can, in tests
	}
	if public, answered := a.onPublicHost(r); !answered {
		a.writePublicProblem(w, problem(http.StatusNotFound, "no-such-call", "this host is for the public"))
		return
	} else if public || strings.HasPrefix(r.URL.Path, publicPrefix) {
		w.Header()["Cross-Origin-Resource-Policy"] = crossOrigin
	}
	if strings.HasPrefix(r.URL.Path, publicPrefix) {
		a.servePublic(w, r)
		return
	}
	if p := a.guard(r); p != nil {
		a.writeProblem(w, p)
		return
	}
	if strings.HasPrefix(r.URL.Path, embedPath) && a.serveEmbed(w, r) {
		return
	}
	if r.URL.Path == nearestPath && r.Method == http.MethodGet {
		a.serveNearest(w, r) // without a router: it is asked for thousands of times a second
		return
	}
	if r.Method == http.MethodHead { // net/http drops the body
		get := *r
		get.Method = http.MethodGet
		r = &get
	}
	if r.Method == http.MethodGet && (a.serveScreen(w, r) || a.serveCA(w, r)) {
		return
	}
	a.echo.ServeHTTP(w, r)
}

// Close tells every open socket to come back (1012) and waits for them, at most
// until ctx ends. New sockets are refused from then on.
func (a *API) Close(ctx context.Context) error {
	a.strangers.close()
	return a.sockets.close(ctx)
}

// guard refuses what a foreign web page makes a browser send.
func (a *API) guard(r *http.Request) *Problem {
	if a.LoopbackOnly && !loopbackHost(r.Host) {
		return problem(http.StatusForbidden, "host-not-allowed",
			"a server that listens on this machine alone answers only to localhost, 127.0.0.1 and [::1]")
	}
	ask := r
	if r.Method == http.MethodGet && (strings.HasPrefix(r.URL.Path, "/feeds/") || strings.HasSuffix(r.URL.Path, "/caller") || strings.Contains(r.URL.Path, "/personal/")) {
		// These change something although they are GETs: an image on a foreign
		// page must not move a unit.
		post := *r
		post.Method = http.MethodPost
		ask = &post
	}
	if err := a.cross.Check(ask); err != nil {
		return problem(http.StatusForbidden, "cross-origin", "this call must not come from a page of another origin")
	}
	return nil
}

func loopbackHost(host string) bool {
	switch host {
	case "localhost", "127.0.0.1", "[::1]":
		return true
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
