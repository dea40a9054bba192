package api

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"rasad/geo"
	"rasad/streams"
)

// The public world, and what operations do for it. Whoever reads it is nobody: no cookie
// and no token is looked at, no answer depends on who asks, and nothing of the world of
// operations stands in one, not even its sequence. So a cache may keep what goes out.

// PublicPage is an answer of the public world as bytes, made before it is asked for.
type PublicPage struct {
	Body []byte // JSON
	Gzip []byte // the same gzipped; nil while it is not
	Tag  string // names the bytes; without quotes
	// Whole: a part of the past that is complete. Nothing is added to it any more.
	Whole bool
}

// Public is the public world. Its methods may be called from any goroutine and wait for
// nobody.
type Public interface {
	// Snapshot is all of it.
	Snapshot() PublicPage
	// Since is what changed after a boundary. When there is none, at is the boundary
	// before it, or -1 when only the snapshot helps.
	Since(epoch string, seq uint64) (p PublicPage, at int64, ok bool)
	// Look says what publishing a feature would make public; args are those of
	// publish.set. A no is a *geo.Refusal.
	Look(v *geo.View, now geo.Millis, args json.RawMessage) (any, error)
}

const (
	publicPrefix = "/public/"
	snapshotPath = "/public/v1/snapshot.json"
	sincePrefix  = "/public/v1/since/"
)

// Header values of the public world.
//
// A cache at the edge asks once in two seconds whatever the surge, answers from what it
// has while it asks, and goes on for ten minutes when nobody answers. A chunk never
// grows once it is complete, but what is withdrawn leaves it, so it is kept for a minute
// and not for ever.
var (
	anyOrigin     = []string{"*"}
	varyEncoding  = []string{"Accept-Encoding"}
	gzipEncoding  = []string{"gzip"}
	exposed       = []string{"ETag, Age, Retry-After"}
	cacheSnapshot = []string{"public, max-age=2, stale-while-revalidate=10, stale-if-error=600"}
	cacheOpen     = []string{"public, max-age=1, stale-while-revalidate=5, stale-if-error=600"}
	cacheWhole    = []string{"public, max-age=60, immutable, stale-if-error=600"}
	readMethods   = []string{"GET, HEAD, OPTIONS"}
)

// strangers holds those who ask for the public world to a share of the machine, so that
// operations keep theirs when the city looks.
type strangers struct {
	inside atomic.Int64
	most   int64
	rate   float64 // a second

	mu     sync.Mutex
	tokens float64
	filled time.Time

	late  atomic.Int64 // until when, in ns of the monotonic clock, goroutines ran late
	begun time.Time
	stop  chan struct{}
	once  sync.Once

	asked *prometheus.CounterVec
	// The counters of what is asked for thousands of times a second.
	full, same, shed prometheus.Counter
}

const (
	publicCallsMax   = 256  // at once; each is some microseconds
	publicRateMax    = 8000 // a second
	publicRetryAfter = 3 * time.Second
	// A goroutine that sleeps for lateEvery and wakes lateMost after that shows that
	// there are more of them than the machine has time for.
	lateEvery = 20 * time.Millisecond
	lateMost  = 80 * time.Millisecond
	lateFor   = 100 * time.Millisecond
)

func newStrangers(l Limits, reg prometheus.Registerer) *strangers {
	s := &strangers{most: int64(l.PublicCalls), rate: float64(l.PublicRate), begun: time.Now(), stop: make(chan struct{}),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rasad_public_requests_total",
			Help: "Answers of the public world, by what was asked for and by status; 503 were turned away so that operations keep their time."}, []string{"what", "status"})}
	if s.most <= 0 {
		s.most = publicCallsMax
	}
	if s.rate <= 0 {
		s.rate = publicRateMax
	}
	s.tokens, s.filled = s.rate, s.begun
	reg.MustRegister(s.asked)
	s.full, s.same, s.shed = s.asked.WithLabelValues("snapshot", "200"), s.asked.WithLabelValues("snapshot", "304"), s.asked.WithLabelValues("any", "503")
	return s
}

// watch measures whether goroutines wait for a processor, until the door closes.
func (s *strangers) watch() {
	t := time.NewTimer(lateEvery)
	defer t.Stop()
	for {
		slept := time.Now()
		select {
		case <-s.stop:
			return
		case <-t.C:
		}
		if now := time.Now(); now.Sub(slept) > lateEvery+lateMost {
			s.late.Store(int64(now.Sub(s.begun) + lateFor))
		}
		t.Reset(lateEvery)
	}
}

func (s *strangers) close() { s.once.Do(func() { close(s.stop) }) }

// enter lets one in, or says no at once.
func (s *strangers) enter() bool {
	now := time.Now()
	if s.inside.Add(1) > s.most || int64(now.Sub(s.begun)) < s.late.Load() || !s.take(now) {
		s.inside.Add(-1)
		s.shed.Inc()
		return false
	}
	return true
}

func (s *strangers) take(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = min(s.rate, s.tokens+now.Sub(s.filled).Seconds()*s.rate) // a second's worth at once
	s.filled = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}

// servePublic answers for the public world without the router, which costs more than
// the answer.
func (a *API) servePublic(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Expose-Headers"] = exposed
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions: // a page that sends If-None-Match asks first
		h["Access-Control-Allow-Methods"] = readMethods
		h.Set("Access-Control-Allow-Headers", "If-None-Match")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h["Allow"] = readMethods
		a.publicProblem(w, "other", problem(http.StatusMethodNotAllowed, "method-not-allowed", "the public world is only read"))
		return
	}
	if a.Public == nil {
		a.publicProblem(w, "other", problem(http.StatusNotFound, "no-public-world", "this server has no public world"))
		return
	}
	if !a.strangers.enter() {
		h.Set("Retry-After", strconv.Itoa(int(publicRetryAfter.Seconds())))
		h["Cache-Control"] = noStore
		a.writePublicProblem(w, problem(http.StatusServiceUnavailable, "busy", "too many ask at once; come back later"))
		return
	}
	defer a.strangers.inside.Add(-1)
	if r.URL.Path == snapshotPath {
		a.writePage(w, r, "snapshot", a.Public.Snapshot(), cacheSnapshot)
		return
	}
	if r.URL.Path == picturePath {
		a.servePicture(w, r)
		return
	}
	a.servePublicSince(w, r)
}

func (a *API) servePublicSince(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, sincePrefix)
	epoch, file, _ := strings.Cut(rest, "/")
	number, named := strings.CutSuffix(file, ".json")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || !named || err != nil {
		a.publicProblem(w, "other", problem(http.StatusNotFound, "no-such-call", "the public world has /public/v1/snapshot.json, what its member since names, and /public/v1/picture.svg"))
		return
	}
	p, at, ok := a.Public.Since(epoch, seq)
	if ok {
		cache := cacheOpen
		if p.Whole {
			cache = cacheWhole
		}
		a.writePage(w, r, "since", p, cache)
		return
	}
	to := snapshotPath
	if at >= 0 {
		to = sincePrefix + epoch + "/" + strconv.FormatInt(at, 10) + ".json" // a known epoch: nothing of the caller's stands in it
	}
	h := w.Header()
	h["Location"] = []string{to}
	h["Cache-Control"] = cacheOpen
	a.strangers.asked.WithLabelValues("since", "303").Inc()
	w.WriteHeader(http.StatusSeeOther)
}

// writePage answers with a page, or says that the caller has it.
func (a *API) writePage(w http.ResponseWriter, r *http.Request, what string, p PublicPage, cache []string) {
	a.writeBytes(w, r, what, p, cache, geojsonType, varyEncoding)
}

func (a *API) writeBytes(w http.ResponseWriter, r *http.Request, what string, p PublicPage, cache, contentType, vary []string) {
	h := w.Header()
	body, tag := p.Body, strconv.Quote(p.Tag)
	zipped := p.Gzip != nil && accepts(r, "gzip")
	if zipped {
		body, tag = p.Gzip, strconv.Quote(p.Tag+"-gzip") // other bytes have another name
	}
	h["Etag"] = []string{tag}
	h["Cache-Control"] = cache
	h["Vary"] = vary
	if tagIn(r.Header.Get("If-None-Match"), tag) {
		if what == "snapshot" {
			a.strangers.same.Inc()
		} else {
			a.strangers.asked.WithLabelValues(what, "304").Inc()
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if what == "snapshot" {
		a.strangers.full.Inc()
	} else {
		a.strangers.asked.WithLabelValues(what, "200").Inc()
	}
	h["Content-Type"] = contentType
	if zipped {
		h["Content-Encoding"] = gzipEncoding
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the caller may be gone
	}
}

func (a *API) publicProblem(w http.ResponseWriter, what string, p *Problem) {
	a.strangers.asked.WithLabelValues(what, strconv.Itoa(p.Status)).Inc()
	w.Header()["Cache-Control"] = cacheOpen // whoever asks for what is not there asks often
	a.writePublicProblem(w, p)
}

// writePublicProblem is writeProblem without the sequence of the world of operations,
// by which strangers could count what goes on there.
func (a *API) writePublicProblem(w http.ResponseWriter, p *Problem) {
	b, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("api: a problem is not JSON: %v", err)) // its members are all ours
	}
	a.metrics.problems.WithLabelValues(p.code()).Inc()
	h := w.Header()
	h.Del(seqHeader)
	h["Content-Type"] = problemType
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

// onPublicHost tells whether a request came to the host that is for the public alone,
// and then whether that host answers it.
func (a *API) onPublicHost(r *http.Request) (public, answered bool) {
	if a.PublicHost == "" {
		return false, true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !strings.EqualFold(strings.TrimSuffix(host, "."), a.PublicHost) {
		return false, true
	}
	path := r.URL.Path
	for _, prefix := range []string{publicPrefix, "/embed/", "/assets/", "/tiles/", "/city/"} {
		if strings.HasPrefix(path, prefix) {
			return true, true
		}
	}
	f, asset := a.screens.files[path]
	switch path {
	case "/embed":
		return true, true
	case "/api/v1/stream":
		return true, r.URL.Query().Get("audience") == "public"
	case "/index.html":
		return true, false
	}
	return true, asset && f.contentType != "text/html; charset=utf-8"
}

// PublishIncident makes an incident public.
func (a *API) PublishIncident(c echo.Context, id string, p PublishIncidentParams) error {
	return a.publish(c, geo.Incident, id, p.IdempotencyKey)
}

// PublishHazard makes a hazard public.
func (a *API) PublishHazard(c echo.Context, id string, p PublishHazardParams) error {
	return a.publish(c, geo.Hazard, id, p.IdempotencyKey)
}

// PublishShelter makes a shelter public.
func (a *API) PublishShelter(c echo.Context, id string, p PublishShelterParams) error {
	return a.publish(c, geo.Shelter, id, p.IdempotencyKey)
}

// PublishSite makes a site public.
func (a *API) PublishSite(c echo.Context, id string, p PublishSiteParams) error {
	return a.publish(c, geo.Site, id, p.IdempotencyKey)
}

// WithdrawIncident takes an incident back from the public.
func (a *API) WithdrawIncident(c echo.Context, id string, p WithdrawIncidentParams) error {
	return a.withdraw(c, geo.Incident, id, p.IdempotencyKey)
}

// WithdrawHazard takes a hazard back from the public.
func (a *API) WithdrawHazard(c echo.Context, id string, p WithdrawHazardParams) error {
	return a.withdraw(c, geo.Hazard, id, p.IdempotencyKey)
}

// WithdrawShelter takes a shelter back from the public.
func (a *API) WithdrawShelter(c echo.Context, id string, p WithdrawShelterParams) error {
	return a.withdraw(c, geo.Shelter, id, p.IdempotencyKey)
}

// WithdrawSite takes a site back from the public.
func (a *API) WithdrawSite(c echo.Context, id string, p WithdrawSiteParams) error {
	return a.withdraw(c, geo.Site, id, p.IdempotencyKey)
}

// GetIncidentPublication says what is, or would be, public of an incident.
func (a *API) GetIncidentPublication(c echo.Context, id string, p GetIncidentPublicationParams) error {
	return a.lookAtPublication(c, geo.Incident, id, (*string)(p.Precision))
}

// GetHazardPublication says what is, or would be, public of a hazard.
func (a *API) GetHazardPublication(c echo.Context, id string, p GetHazardPublicationParams) error {
	return a.lookAtPublication(c, geo.Hazard, id, (*string)(p.Precision))
}

// GetShelterPublication says what is, or would be, public of a shelter.
func (a *API) GetShelterPublication(c echo.Context, id string, p GetShelterPublicationParams) error {
	return a.lookAtPublication(c, geo.Shelter, id, (*string)(p.Precision))
}

// GetSitePublication says what is, or would be, public of a site.
func (a *API) GetSitePublication(c echo.Context, id string, p GetSitePublicationParams) error {
	return a.lookAtPublication(c, geo.Site, id, (*string)(p.Precision))
}

func (a *API) publish(c echo.Context, kind geo.Kind, id string, key *string) error {
	var in PublicationRequest
	body, err := readObject(c, &in, true)
	if err != nil {
		return err
	}
	args, err := publishArgs(kind, id, &in)
	if err != nil {
		return err
	}
	return a.publication(c, "publish.set", args, body, key)
}

// publishArgs are the arguments of publish.set. The public id is new each time; the rule
// takes it only when the feature has none.
func publishArgs(kind geo.Kind, id string, in *PublicationRequest) (json.RawMessage, error) {
	args := map[string]any{"source": id, "kind": kind, "id": newPublicID()}
	if err := geo.CheckKey(id); err != nil {
		return nil, err
	}
	set := func(name string, v any, given bool) {
		if given {
			args[name] = v
		}
	}
	set("precision", in.Precision, in.Precision != nil)
	set("delay_s", in.DelayS, in.DelayS != nil)
	set("title", in.Title, in.Title != nil)
	set("advice", in.Advice, in.Advice != nil)
	set("severity", in.Severity, in.Severity != nil)
	set("confirmed", in.Confirmed, in.Confirmed != nil)
	set("reason", in.Reason, in.Reason != nil)
	if in.ValidUntil != nil {
		args["valid_until"] = in.ValidUntil.Format(time.RFC3339)
	}
	b, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("write the arguments of publish.set: %w", err)
	}
	return b, nil
}

// newPublicID is an id that nobody can guess and that follows from nothing.
func newPublicID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

func (a *API) withdraw(c echo.Context, kind geo.Kind, id string, key *string) error {
	var in struct {
		Reason string `json:"reason"`
	}
	body, err := readObject(c, &in, true)
	if err != nil {
		return err
	}
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	args, err := json.Marshal(map[string]any{"source": id, "kind": kind, "reason": in.Reason})
	if err != nil {
		return fmt.Errorf("write the arguments of publish.withdraw: %w", err)
	}
	return a.publication(c, "publish.withdraw", args, body, key)
}

func (a *API) publication(c echo.Context, name string, args json.RawMessage, body []byte, key *string) error {
	answer, err := a.propose(c, streams.Command{Name: name, Args: args}, body, key, nil)
	if err != nil {
		return err
	}
	setSeq(c.Response(), answer.Seq)
	return writeJSON(c.Response(), http.StatusOK, jsonType, answer.Body)
}

func (a *API) lookAtPublication(c echo.Context, kind geo.Kind, id string, precision *string) error {
	if a.Public == nil {
		return problem(http.StatusNotFound, "no-public-world", "this server has no public world")
	}
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	view := a.World.View()
	setSeq(c.Response(), view.Seq())
	if f, ok := a.seerOf(principal(c)).get(view, id); !ok || f.Kind != kind {
		return missing(kind, id)
	}
	args, err := publishArgs(kind, id, &PublicationRequest{Precision: (*PublicationPrecision)(precision)})
	if err != nil {
		return err
	}
	sight, err := a.Public.Look(view, geo.Millis(time.Now().UnixMilli()), args)
	if err != nil {
		return err
	}
	b, err := json.Marshal(sight)
	if err != nil {
		return fmt.Errorf("write a preview: %w", err)
	}
	return writeJSON(c.Response(), http.StatusOK, jsonType, b)
}
