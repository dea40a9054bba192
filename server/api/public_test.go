package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/streams"
)

// square is a public world that says what a test wants it to.
type square struct {
	mu     sync.Mutex
	page   api.PublicPage
	chunks map[string]api.PublicPage
	at     int64
	block  chan struct{} // when set, a snapshot waits for it
	look   func(args json.RawMessage) (any, error)
}

func (s *square) Snapshot() api.PublicPage {
	s.mu.Lock()
	block, p := s.block, s.page
	s.mu.Unlock()
	if block != nil {
		<-block
	}
	return p
}

func (s *square) Since(epoch string, seq uint64) (api.PublicPage, int64, bool) {
	p, ok := s.chunks[fmt.Sprintf("%s/%d", epoch, seq)]
	return p, s.at, ok
}

func (s *square) Look(_ *geo.View, _ geo.Millis, args json.RawMessage) (any, error) {
	return s.look(args)
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func newSquare() *square {
	body := []byte(`{"type":"FeatureCollection","features":[]}` + strings.Repeat(" ", 500))
	return &square{page: api.PublicPage{Body: body, Gzip: zipped(body), Tag: "pe-7"}, at: -1, chunks: map[string]api.PublicPage{
		"pe/16": {Body: []byte(`{"complete":false}`), Tag: "a"}, "pe/0": {Body: []byte(`{"complete":true}`), Tag: "b", Whole: true}}}
}

// askPublic asks as a browser of somebody unknown does.
func (h *house) askPublic(method, path string, header http.Header) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return w
}

func TestThePublicSnapshotIsForCaches(t *testing.T) {
	s := newSquare()
	h := newHouse(t, func(d *api.Deps) { d.Public = s })
	w := h.askPublic("GET", "/public/v1/snapshot.json", nil)
	for name, want := range map[string]string{
		"Content-Type": "application/geo+json", "Etag": `"pe-7"`, "Vary": "Accept-Encoding", "Access-Control-Allow-Origin": "*",
		"Cache-Control":                "public, max-age=2, stale-while-revalidate=10, stale-if-error=600",
		"Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff",
		"Rasad-Seq": "", "Set-Cookie": "", "Access-Control-Allow-Credentials": "", "Content-Encoding": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), s.page.Body) {
		t.Errorf("the answer is %d %s", w.Code, w.Body)
	}
	z := h.askPublic("GET", "/public/v1/snapshot.json?utm_source=x", http.Header{"Accept-Encoding": {"br, gzip"}})
	if z.Header().Get("Content-Encoding") != "gzip" || z.Header().Get("Etag") != `"pe-7-gzip"` {
		t.Errorf("the gzipped answer has %v", z.Header())
	}
	plain, err := gzip.NewReader(z.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(plain); err != nil || !bytes.Equal(b, s.page.Body) {
		t.Errorf("the gzipped answer is another one: %v", err)
	}
	// Who says who they are gets the same bytes: nothing depends on it.
	for name, header := range map[string]http.Header{
		"a cookie": {"Cookie": {"__Host-rasad=abc"}}, "a bad token": {"Authorization": {"Bearer nonsense"}}, "a token": h.bearer(),
		"another origin": {"Origin": {"https://news.example"}, "Sec-Fetch-Site": {"cross-site"}},
	} {
		if x := h.askPublic("GET", "/public/v1/snapshot.json", header); x.Code != 200 || !bytes.Equal(x.Body.Bytes(), s.page.Body) || x.Header().Get("Set-Cookie") != "" {
			t.Errorf("with %s: %d", name, x.Code)
		}
	}
	for _, c := range []struct {
		name, accept, have string
		want               int
	}{
		{"as it has it", "", `"pe-7"`, 304}, {"one of several", "", `"x", "pe-7"`, 304}, {"weakly", "", `W/"pe-7"`, 304}, {"anything", "", "*", 304},
		{"an older one", "", `"pe-6"`, 200}, {"gzipped as it has it", "gzip", `"pe-7-gzip"`, 304}, {"the other bytes", "gzip", `"pe-7"`, 200},
	} {
		x := h.askPublic("GET", "/public/v1/snapshot.json", http.Header{"If-None-Match": {c.have}, "Accept-Encoding": {c.accept}})
		if x.Code != c.want || c.want == 304 && (x.Body.Len() > 0 || x.Header().Get("Cache-Control") == "" || x.Header().Get("Etag") == "") {
			t.Errorf("%s: %d with %d bytes, want %d", c.name, x.Code, x.Body.Len(), c.want)
		}
	}
	if x := h.askPublic("HEAD", "/public/v1/snapshot.json", nil); x.Code != 200 || x.Body.Len() != 0 || x.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, %d bytes, %v", x.Code, x.Body.Len(), x.Header())
	}
	if x := h.askPublic("OPTIONS", "/public/v1/snapshot.json", http.Header{"Origin": {"https://news.example"}, "Access-Control-Request-Headers": {"if-none-match"}}); x.Code != 204 ||
		x.Header().Get("Access-Control-Allow-Headers") != "If-None-Match" || x.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: %d %v", x.Code, x.Header())
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if x := h.askPublic(method, "/public/v1/snapshot.json", nil); x.Code != 405 || x.Header().Get("Allow") == "" {
			t.Errorf("%s: %d %v", method, x.Code, x.Header())
		}
	}
	// Nothing but the public world may be read from a foreign page.
	if x := h.askPublic("GET", "/healthz", nil); x.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("a foreign page may read /healthz")
	}
}

func TestThePublicChunks(t *testing.T) {
	s := newSquare()
	h := newHouse(t, func(d *api.Deps) { d.Public = s })
	for _, c := range []struct {
		path, location, cache string
		at                    int64
		want                  int
	}{
		{path: "/public/v1/since/pe/16.json", want: 200, cache: "public, max-age=1, stale-while-revalidate=5, stale-if-error=600"},
		{path: "/public/v1/since/pe/0.json", want: 200, cache: "public, max-age=60, immutable, stale-if-error=600"},
		{path: "/public/v1/since/pe/17.json", at: 16, want: 303, location: "/public/v1/since/pe/16.json"},
		{path: "/public/v1/since/old/16.json", at: -1, want: 303, location: "/public/v1/snapshot.json"},
		{path: "/public/v1/since/pe/-1.json", want: 404},
		{path: "/public/v1/since/pe/x.json", want: 404},
		{path: "/public/v1/since/pe/16", want: 404},
		{path: "/public/v1/since/pe", want: 404},
		{path: "/public/v1/since/pe/1/6.json", want: 404},
		{path: "/public/v1/since/pe/99999999999999999999999.json", want: 404},
		{path: "/public/v1/", want: 404},
		{path: "/public/", want: 404},
		{path: "/public/v1/snapshot.json/", want: 404},
		{path: "/public/../api/v1/units", want: 404},
		{path: "/public/v1/%2e%2e/%2e%2e/api/v1/units", want: 404},
	} {
		s.at = c.at
		w := h.askPublic("GET", c.path, nil)
		if w.Code != c.want || w.Header().Get("Location") != c.location || c.cache != "" && w.Header().Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %v, want %d", c.path, w.Code, w.Header(), c.want)
		}
		if w.Header().Get("Rasad-Seq") != "" {
			t.Errorf("%s tells the sequence of operations", c.path)
		}
		if c.want == 404 && !strings.Contains(w.Body.String(), "urn:rasad:problem:") {
			t.Errorf("%s: no problem: %s", c.path, w.Body)
		}
	}
}

func TestThereIsNoPublicWorldUnlessItIsGiven(t *testing.T) {
	h := newHouse(t)
	if w := h.askPublic("GET", "/public/v1/snapshot.json", nil); w.Code != 404 || w.Header().Get("Rasad-Seq") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestStrangersAreTurnedAwayFirst(t *testing.T) {
	s := newSquare()
	s.block = make(chan struct{})
	h := newHouse(t, func(d *api.Deps) { d.Public, d.Limits.PublicCalls = s, 4 })
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			for h.askPublic("GET", "/public/v1/snapshot.json", nil).Code == 503 { // the one below was in its place
				time.Sleep(time.Millisecond)
			}
		})
	}
	shed := func() bool {
		w := h.askPublic("GET", "/public/v1/since/pe/16.json", nil)
		if w.Code == 503 && (w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "*") {
			t.Fatalf("turned away with %v", w.Header())
		}
		return w.Code == 503
	}
	for start := time.Now(); !shed(); {
		if time.Since(start) > 30*time.Second {
			t.Fatal("a fifth is let in")
		}
		time.Sleep(time.Millisecond)
	}
	if a := h.get("/api/v1/units"); a.status != 200 { // operations are not
		t.Errorf("operations get %d", a.status)
	}
	close(s.block)
	waiting.Wait()
	for start := time.Now(); shed(); {
		if time.Since(start) > 30*time.Second {
			t.Fatal("nobody is let in any more")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStrangersHaveARate(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.Public, d.Limits.PublicRate = newSquare(), 50 })
	in, out := 0, 0
	for range 200 {
		switch h.askPublic("GET", "/public/v1/snapshot.json", nil).Code {
		case 200:
			in++
		case 503:
			out++
		}
	}
	if in < 50 || out < 50 || in+out != 200 {
		t.Errorf("%d were let in and %d turned away at a rate of 50 a second", in, out)
	}
}

func TestThePublicHostAnswersThePublicOnly(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.Public, d.PublicHost, d.LoopbackOnly = newSquare(), "map.city.example", false })
	for path, want := range map[string]int{
		"/public/v1/snapshot.json": 200, "/assets/main-3f9c.js": 200,
		"/": 404, "/wall": 404, "/console": 404, "/index.html": 404, "/api/v1/units": 404, "/api/v1/features": 404, "/metrics": 404, "/healthz": 404,
		"/api/openapi.yaml": 404, "/feeds/osmand?id=E1&lat=1&lon=1": 404, "/setup": 404, "/api/v1/stream": 404, "/api/v1/stream?audience=ops": 404,
	} {
		for _, host := range []string{"map.city.example", "map.city.example:443", "MAP.city.example.", "MAP.City.Example"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			r.Header = h.bearer()
			w := httptest.NewRecorder()
			h.api.ServeHTTP(w, r)
			if w.Code != want || w.Header().Get("Rasad-Seq") != "" {
				t.Errorf("%s of %s: %d, want %d", path, host, w.Code, want)
			}
		}
	}
	// By its other names the server answers all.
	r := httptest.NewRequest("GET", "http://ops.city.example/api/v1/units", nil)
	r.Header = h.bearer()
	w := httptest.NewRecorder()
	if h.api.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("operations get %d", w.Code)
	}
}

func TestWhoMayPublish(t *testing.T) {
	s := newSquare()
	s.look = func(json.RawMessage) (any, error) { return map[string]any{"status": "none"}, nil }
	h := newHouse(t, func(d *api.Deps) { d.Public = s })
	h.do("POST", "/api/v1/incidents", `{"id":"I1","properties":{"type":"structure_fire"}}`).want(201)
	person := func(role access.Role, stepped bool) *access.Principal {
		return &access.Principal{Name: "user:amini", Role: role, Account: "a1", Session: "s1", SteppedUp: stepped}
	}
	for _, c := range []struct {
		name, method, path string
		who                *access.Principal
		want               int
		code               string
	}{
		{"nobody", "POST", "/api/v1/incidents/I1/publish", &access.Principal{Name: "anonymous", Role: access.Anonymous}, 401, "sign-in"},
		{"a viewer", "POST", "/api/v1/incidents/I1/publish", person(access.Viewer, true), 403, "denied"},
		{"a dispatcher", "POST", "/api/v1/incidents/I1/publish", person(access.Dispatcher, true), 403, "denied"},
		{"a supervisor who did not prove it again", "POST", "/api/v1/incidents/I1/publish", person(access.Supervisor, false), 403, "step-up"},
		{"a program", "POST", "/api/v1/incidents/I1/publish", &access.Principal{Name: "token:x", Role: access.Supervisor, Token: "t1"}, 403, "person-needed"},
		{"a supervisor, whose command reaches the rules (this house has none)", "POST", "/api/v1/incidents/I1/publish", person(access.Supervisor, true), 500, "internal"},
		{"a dispatcher withdraws", "POST", "/api/v1/incidents/I1/withdraw", person(access.Dispatcher, false), 500, "internal"},
		{"a viewer does not", "POST", "/api/v1/incidents/I1/withdraw", person(access.Viewer, true), 403, "denied"},
		{"a dispatcher looks", "GET", "/api/v1/incidents/I1/publication", person(access.Dispatcher, false), 200, ""},
		{"a viewer does not look", "GET", "/api/v1/incidents/I1/publication", person(access.Viewer, false), 403, "denied"},
		{"at what is not there", "GET", "/api/v1/incidents/I2/publication", person(access.Dispatcher, false), 404, "no-incident"},
		{"of another kind", "GET", "/api/v1/hazards/I1/publication", person(access.Dispatcher, false), 404, "no-hazard"},
		{"units are not published", "POST", "/api/v1/units/E7/publish", person(access.Supervisor, true), 404, "no-such-call"},
	} {
		r := httptest.NewRequest(c.method, "http://localhost"+c.path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), *c.who)))
		if w.Code != c.want || c.code != "" && !strings.Contains(w.Body.String(), "urn:rasad:problem:"+c.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.want, c.code)
		}
	}
}

func TestAStreamOfThePublicNeedsNoSession(t *testing.T) {
	other := geo.NewWorld()
	public := streams.NewHub(other, streams.HubOptions{World: "live", Epoch: "pe", Audience: streams.Audience{Name: "public"}})
	h := newHouse(t, func(d *api.Deps) {
		d.Hubs, d.Limits.Sockets, d.Limits.Strangers = map[string]api.Hub{"public": public}, 10, 3
	})
	open := func() (*http.Response, func(), error) {
		conn, resp, err := h.dial("?audience=public", http.Header{"Authorization": {"-"}})
		if err != nil {
			return resp, func() {}, err
		}
		_, b, err := conn.ReadMessage()
		if err != nil || !strings.Contains(string(b), `"epoch":"pe"`) || !strings.Contains(string(b), `"audience":"public"`) {
			t.Fatalf("the first frame is %s (%v)", b, err)
		}
		return resp, func() { conn.Close() }, nil
	}
	var closes []func()
	for range 3 {
		_, end, err := open()
		if err != nil {
			t.Fatal(err)
		}
		closes = append(closes, end)
	}
	if resp, _, err := open(); err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("a fourth stranger: %v", err)
	}
	closes[0]()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		_, end, err := open()
		if err == nil {
			end()
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("the place of one who left stays taken")
		}
	}
	for _, end := range closes[1:] {
		end()
	}
}

func BenchmarkPublicSnapshot(b *testing.B) {
	s := newSquare()
	s.page.Body = bytes.Repeat([]byte(`{"type":"Feature"}`), 12_000) // some 500 shelters
	s.page.Gzip = zipped(s.page.Body)
	h := newHouse(b, func(d *api.Deps) { d.Public, d.Limits.PublicRate = s, 1<<30 })
	for name, header := range map[string]http.Header{"full": {"Accept-Encoding": {"gzip"}}, "same": {"Accept-Encoding": {"gzip"}, "If-None-Match": {`"pe-7-gzip"`}}} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "http://localhost/public/v1/snapshot.json", nil)
			r.Header = header
			b.ReportAllocs()
			for b.Loop() {
				h.api.ServeHTTP(nobodyReads{http.Header{}}, r)
			}
		})
	}
}

// nobodyReads is an answer that costs nothing.
type nobodyReads struct{ h http.Header }

func (n nobodyReads) Header() http.Header       { return n.h }
func (nobodyReads) WriteHeader(int)             {}
func (nobodyReads) Write(b []byte) (int, error) { return len(b), nil }
