package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/server/dispatch"
	"rasad/streams"
)

// memory is a journal that keeps frames in memory and fails when told to.
type memory struct {
	mu     sync.Mutex
	frames []*streams.Frame
	fail   error
	lost   bool          // there is no keyframe
	slow   chan struct{} // when set, Append waits until it is closed
}

func (m *memory) Append(ctx context.Context, f *streams.Frame) error {
	m.mu.Lock()
	slow, fail := m.slow, m.fail
	m.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frames = append(m.frames, f)
	return nil
}

// KeyframeAt, Frames and Span make it a history.
func (m *memory) KeyframeAt(context.Context, geo.Millis) (*streams.Frame, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost {
		return nil, streams.ErrNoHistory
	}
	return &streams.Frame{V: streams.FormatVersion, World: "live", Epoch: epoch, Time: m.frames[0].Time - 1000}, nil
}

func (m *memory) Frames(_ context.Context, after uint64) iter.Seq2[*streams.Frame, error] {
	m.mu.Lock()
	frames := m.frames
	m.mu.Unlock()
	return func(yield func(*streams.Frame, error) bool) {
		for _, f := range frames {
			if f.Seq > after && !yield(f, nil) {
				return
			}
		}
	}
}

func (m *memory) Span() (first, last geo.Millis) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frames[0].Time - 1000, m.frames[len(m.frames)-1].Time
}

func (m *memory) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) acts() (out []geo.Act) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.frames {
		out = append(out, f.Acts...)
	}
	return out
}

// house is a whole server but for its disk: the real world, sequencer, rules, hub
// and door.
type house struct {
	t       testing.TB
	api     *api.API
	world   *geo.World
	seq     *streams.Sequencer
	hub     *api.Audiences
	sealer  *streams.Sealer
	gate    *access.Gate
	token   string // of who asks when a test says nothing: a supervisor
	journal *memory
	metrics *prometheus.Registry
	logs    *bytes.Buffer
	url     string
	router  routers.Router
}

const epoch = "k3v9test"

var policy = dispatch.Policy{
	UnitStatuses: map[string]dispatch.UnitStatus{
		"available": {Dispatchable: true}, "returning": {Dispatchable: true}, "out_of_service": {},
		"dispatched": {Busy: true}, "en_route": {Busy: true}, "on_scene": {Busy: true},
		"transporting": {Busy: true, Carrying: true}, "at_hospital": {Busy: true},
	},
	Initial: "available", Assigned: "dispatched", Open: "open", Closed: "closed",
	IncidentStatuses: map[string]dispatch.IncidentStatus{
		"open": {Order: 1}, "dispatched": {Order: 2}, "under_control": {Order: 3}, "closed": {Order: 4, Final: true},
	},
	Scales:  map[string][]string{"priority": {"1", "2", "3", "4"}, "response_level": {"3", "2", "1"}},
	Figures: []string{"injured"}, Languages: []string{"en", "fa", "zh"}, Panels: fixtures.Panels, Layers: fixtures.Layers,
}

// echoFeed is an adapter of this test: the unit and place stand in the query.
func echoFeed(r *http.Request, body []byte, received time.Time) ([]streams.Report, error) {
	q := r.URL.Query()
	if len(body) > 0 && q.Get("id") == "" {
		q.Set("id", string(body))
	}
	switch {
	case q.Get("status") != "":
		return nil, &api.Unfit{Reason: "status_only"}
	case q.Get("id") == "":
		return nil, &fieldError{"id", "must be given"}
	case q.Get("id") == "panic":
		panic("the adapter broke")
	}
	lon, err1 := strconv.ParseFloat(q.Get("lon"), 64)
	lat, err2 := strconv.ParseFloat(q.Get("lat"), 64)
	if err1 != nil || err2 != nil {
		return nil, &fieldError{"lat", "is not a number"}
	}
	at, err := geo.At(lon, lat)
	if err != nil {
		return nil, &fieldError{"lat", err.Error()}
	}
	now := geo.Millis(received.UnixMilli())
	fix := geo.Fix{At: at, Time: now, Heading: 90, Speed: 100, Accuracy: 5}
	n := 1
	if q.Get("n") != "" {
		n, _ = strconv.Atoi(q.Get("n"))
	}
	var out []streams.Report
	for range n {
		out = append(out, streams.Report{Key: q.Get("id"), Fix: fix, Received: now, Feed: "osmand"})
	}
	return out, nil
}

type fieldError struct{ field, reason string }

func (e *fieldError) Error() string { return e.field + ": " + e.reason }

var document = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		panic(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		panic(err)
	}
	r, err := legacy.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	return doc, r
})

// presetUS is read once; no test changes it.
var presetUS = sync.OnceValues(func() (*fixtures.Preset, error) { return fixtures.Load("us") })

// pages are screens made of files.
func pages(t testing.TB, files fstest.MapFS) *api.Screens {
	t.Helper()
	s, err := api.OpenScreens(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newHouse(t testing.TB, change ...func(*api.Deps)) *house {
	t.Helper()
	h := &house{t: t, world: geo.NewWorld(), journal: &memory{}, metrics: prometheus.NewRegistry(), logs: &bytes.Buffer{}}
	_, h.router = document()
	preset, err := presetUS()
	if err != nil {
		t.Fatal(err)
	}
	if h.sealer, err = streams.OpenSealer(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.sealer.Close() })
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: h.logs}, nil))
	h.gate = newGate(t, h.sealer, log)
	h.token = h.issue(access.TokenOptions{Role: "supervisor", Name: "test"})
	rules := dispatch.Rules(policy)
	rules[api.OpenSealedName] = api.OpenSealed
	d := api.Deps{
		World: h.world, Sealer: h.sealer, Epoch: epoch, Preset: preset, Build: "test", Log: log, Metrics: h.metrics,
		LoopbackOnly: true, Gate: h.gate,
		Feeds: []api.Feed{
			{Name: "osmand", Path: "/feeds/osmand", Parse: echoFeed},
			{Name: "owntracks", Path: "/feeds/owntracks", Parse: echoFeed, Reply: []byte("[]")},
		},
		Screens: pages(t, fstest.MapFS{
			"index.html":          {Data: []byte("<!doctype html><title>Rasad</title>")},
			"index.html.br":       {Data: []byte("as Brotli")},
			"index.html.gz":       {Data: zipped([]byte("as gzip"))},
			"assets/main-3f9c.js": {Data: []byte("export {}")},
			".keep":               {},
		}),
	}
	for _, f := range change {
		f(&d)
	}
	if m, ok := d.History.(*memory); ok {
		h.journal = m // what is recorded is what is replayed
	}
	h.hub = api.NewAudiences(h.world, preset, streams.HubOptions{World: "live", Epoch: epoch, Build: "test"})
	publish := h.hub.Publish
	if by, ok := d.Reach.(byRoad); ok {
		publish = func(f *streams.Frame) { by.Frame(f); h.hub.Publish(f) }
	}
	h.seq = streams.NewSequencer(streams.SequencerOptions{
		World: h.world, Journal: h.journal, Publish: publish, Rules: rules, Due: dispatch.Due(policy),
		Name: "live", Epoch: epoch, Log: log,
	})
	d.Audiences = h.hub
	if b, ok := d.Sequencer.(*broken); ok {
		b.Sequencer = h.seq
	} else {
		d.Sequencer = h.seq
	}
	if h.api, err = api.New(d); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.seq.Run(ctx); err != nil {
			t.Errorf("the sequencer ended: %v", err)
		}
	})
	running.Go(func() { h.beat(ctx) })
	srv := httptest.NewServer(h.api)
	h.url = srv.URL
	t.Cleanup(func() {
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := h.api.Close(last); err != nil {
			t.Errorf("close: %v", err)
		}
		srv.Close()
		stop()
		running.Wait()
	})
	return h
}

func newGate(t testing.TB, sealer *streams.Sealer, log *slog.Logger) *access.Gate {
	t.Helper()
	dir := t.TempDir()
	register, err := access.OpenRegister(dir, sealer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { register.Close() })
	tokens, err := access.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	gate, err := access.OpenGate(context.Background(), register, tokens, access.NoStore{}, log, func(access.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	return gate
}

// issue makes a token.
func (h *house) issue(o access.TokenOptions) string {
	h.t.Helper()
	text, _, err := h.gate.Tokens.IssueWith(o, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// bearer are the headers of who asks when a test says nothing.
func (h *house) bearer() http.Header { return http.Header{"Authorization": {"Bearer " + h.token}} }

// beat is what the program does: it tells the hub the writer's last tick.
func (h *house) beat(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		st := h.seq.Status()
		h.hub.Tick(streams.Status{Tick: st.Tick, Recording: st.Recording})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// answer is what the door said.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a answer) json() (m map[string]any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatalf("got %d %q, which is not a JSON object: %v", a.status, a.body, err)
	}
	return m
}

// at walks into the JSON of an answer: a.at("properties", "rev").
func (a answer) at(path ...any) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("got %d %q, which is not JSON: %v", a.status, a.body, err)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (a answer) seq() uint64 {
	a.t.Helper()
	n, err := strconv.ParseUint(a.header.Get("Rasad-Seq"), 10, 64)
	if err != nil {
		a.t.Fatalf("Rasad-Seq: %v", err)
	}
	return n
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("got %d %.600q, want %d", a.status, a.body, status)
	}
	return a
}

// do sends a request, and holds the answer against openapi.yaml. Headers are given
// as pairs.
func (h *house) do(method, path, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header = h.bearer()
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	return h.send(r)
}

func (h *house) send(r *http.Request) answer {
	h.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{h.t, resp.StatusCode, resp.Header, b}
	h.conforms(r, a)
	return a
}

// conforms fails the test when an answer is not what the contract says.
func (h *house) conforms(r *http.Request, a answer) {
	h.t.Helper()
	if a.status >= 400 && r.Method != http.MethodHead {
		if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
			h.t.Errorf("%s %s: an error of type %q, want application/problem+json", r.Method, r.URL, ct)
		}
		p := a.json()
		if p["status"] != float64(a.status) || p["title"] == "" || p["detail"] == "" || !strings.HasPrefix(p["type"].(string), "urn:rasad:problem:") {
			h.t.Errorf("%s %s: got problem %s", r.Method, r.URL, a.body)
		}
	}
	if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/feeds/") {
		a.seq()
	}
	route, params, err := h.router.FindRoute(r)
	if err != nil {
		return // not a call: a screen, or what the router refuses too
	}
	if strings.HasPrefix(r.URL.Path, "/city/") || r.Method == http.MethodHead {
		return // bytes of any type
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}},
		Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		h.t.Errorf("%s %s: the answer %d %.300s is not what openapi.yaml says: %v", r.Method, r.URL, a.status, a.body, err)
	}
}

func (h *house) get(path string, headers ...string) answer { return h.do("GET", path, "", headers...) }

// unit puts a unit at a place.
func (h *house) unit(id string, lon, lat float64, props string) answer {
	h.t.Helper()
	if props != "" {
		props = "," + props
	}
	return h.do("PUT", "/api/v1/units/"+id, `{"type":"Feature","geometry":{"type":"Point","coordinates":[`+
		strconv.FormatFloat(lon, 'f', -1, 64)+`,`+strconv.FormatFloat(lat, 'f', -1, 64)+`]},"properties":{"name":"`+id+`"`+props+`}}`)
}

func (h *house) incident(id string, props string) answer {
	h.t.Helper()
	if props != "" {
		props = "," + props
	}
	return h.do("PUT", "/api/v1/incidents/"+id, `{"geometry":{"type":"Point","coordinates":[-75.55,39.74]},"properties":{"type":"structure_fire"`+props+`}}`)
}
