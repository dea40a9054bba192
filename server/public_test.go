package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/server/publish"
)

// The preset's codes are those of the rules, and every type has its row.
func TestThePresetsSayWhatIsPublic(t *testing.T) {
	for _, name := range fixtures.Names() {
		p, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		q := publishPolicyOf(p)
		types := 0
		for kind, rows := range q.Ceilings {
			for code, c := range rows {
				types++
				if c.Never == "" && !c.Precision.Known() {
					t.Errorf("%s: %s %s has the precision %q", name, kind, code, c.Precision)
				}
				for _, lang := range publish.Languages {
					if c.Label[lang] == "" {
						t.Errorf("%s: %s %s has no label in %s", name, kind, code, lang)
					}
				}
			}
		}
		if want := len(p.IncidentTypes) + len(p.HazardTypes) + len(p.ShelterKinds) + len(p.SiteKinds); types != want {
			t.Errorf("%s: %d types have a ceiling, there are %d", name, types, want)
		}
		if c := q.Ceilings[geo.Site]["safe_house"]; c.Never == "" {
			t.Errorf("%s: a safe house can be public", name)
		}
	}
}

// hidden plants secrets in everything that is private.
type hidden struct {
	r       *rand.Rand
	secrets []string
}

func (h *hidden) word() string {
	w := fmt.Sprintf("canary%016x", h.r.Uint64())
	h.secrets = append(h.secrets, w)
	return w
}

// place is a place whose digits are a secret too.
func (h *hidden) place() geo.LngLat {
	at := geo.LngLat{Lng: int32(-755_466_000 + h.r.IntN(800_000) - 400_000), Lat: int32(397_447_000 + h.r.IntN(800_000) - 400_000)}
	if at.Lng%1000 == 0 || at.Lat%1000 == 0 {
		return h.place() // too few digits to be a secret
	}
	return at
}

func degrees(v int32) string { return strconv.FormatFloat(float64(v)/1e7, 'f', -1, 64) }

// private are properties that no stranger may read, whatever the kind.
var private = []string{"description", "notes", "agency_notes", "phone", "keeper_phone", "address", "crew_names", "contents", "plan", "patient_note", "by",
	"reported_by", "unheard_of", "radio", "original_text", "needs_note", "contact", "source_url"}

// Canaries: ten thousand secrets in every private field of every kind, some of it
// published, and everything that a stranger can get read through.
func TestNoSecretIsPublic(t *testing.T) {
	var logs buffer
	log := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
	c := defaults()
	c.Listen, c.Data = "127.0.0.1:0", t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := start(ctx, c, log)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	h := &hidden{r: rand.New(rand.NewPCG(2026, 11))}
	type thing struct {
		in      geo.Input
		publish bool
		exact   bool
	}
	types := map[geo.Kind][]string{
		geo.Unit: {"engine", "police"}, geo.Incident: {"earthquake", "power_outage", "storm", "structure_fire", "medical", "domestic_violence"},
		geo.Hazard: {"flood", "smoke", "police_cordon"}, geo.Shelter: {"emergency", "school"}, geo.Site: {"hospital", "safe_house", "power_plant"},
	}
	var things []thing
	for kind, codes := range types {
		for i := range 110 {
			x := thing{in: geo.Input{Key: fmt.Sprintf("%s-%03d-%s", kind, i, h.word()), Kind: kind}}
			props := map[string]any{"type": codes[i%len(codes)], "name": h.word()}
			for j, name := range private {
				if props[name] = map[string]any{"deep": []any{h.word()}}; j < 2 { // these the rules know as texts
					props[name] = h.word()
				}
			}
			at := h.place()
			x.in.At = &at
			x.publish = kind != geo.Unit && i/len(codes)%2 == 0
			switch kind {
			case geo.Incident:
				sealed, err := s.sealer.Seal("caller", fmt.Appendf(nil, `{"name":%q,"phone":%q}`, h.word(), h.word()))
				if err != nil {
					t.Fatal(err)
				}
				x.in.Sealed = []geo.Sealed{sealed}
			case geo.Shelter:
				props["capacity"], props["occupancy"], props["status"] = 300, 211, "open"
			}
			x.exact = kind != geo.Incident
			if x.publish && (kind == geo.Shelter || kind == geo.Site && codes[i%len(codes)] == "hospital") {
				props["name"] = "Known to all " + strconv.Itoa(i) // the name is public with it
			}
			if x.in.Props, err = geo.ParseProps(mustJSON(t, props)); err != nil {
				t.Fatal(err)
			}
			things = append(things, x)
		}
	}
	if len(h.secrets) < 10_000 {
		t.Fatalf("only %d secrets are planted", len(h.secrets))
	}
	each(len(things), func(i int) {
		if _, err := s.propose(ctx, "feature.create", things[i].in); err != nil {
			t.Errorf("create %s: %v", things[i].in.Key, err)
		}
	})
	if _, err := s.propose(ctx, "alarm.raise", map[string]any{"key": "alarm:" + h.word(), "type": "test", "text": h.word(), "lasting": true}); err != nil {
		t.Fatal(err)
	}

	// A stranger listens from the start, in both protocols.
	stranger := &crawl{t: t, base: "http://" + s.address}
	var heard [2]buffer
	var listening sync.WaitGroup
	var conns []*websocket.Conn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
		listening.Wait()
	}()
	for i, protocol := range []string{"rasad.json.v1", "rasad.pb.v1"} {
		conn, _, err := (&websocket.Dialer{Subprotocols: []string{protocol}}).Dial("ws://"+s.address+"/api/v1/stream?audience=public", nil)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		listening.Go(func() {
			for {
				_, b, err := conn.ReadMessage()
				if err != nil {
					return
				}
				heard[i].Write(b)
			}
		})
	}

	// Every other thing is asked to be published; the rule decides.
	refused := map[string]int{}
	var mu sync.Mutex
	supervisor := access.Principal{Name: "user:amini", Role: access.Supervisor, Account: "a1", Session: "s1", SteppedUp: true}
	each(len(things), func(i int) {
		x := things[i]
		if !x.publish {
			return
		}
		r := httptest.NewRequest("POST", "http://localhost/api/v1/"+string(x.in.Kind)+"s/"+x.in.Key+"/publish", strings.NewReader(`{"confirmed":true,"reason":"`+h.secrets[0]+`"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), supervisor)))
		mu.Lock()
		defer mu.Unlock()
		if w.Code != 200 {
			refused[fmt.Sprint(w.Code, " ", x.in.Kind, " ", x.in.Props.Text("type"))]++
			if w.Code != 409 || !strings.Contains(w.Body.String(), "never-public") {
				t.Errorf("publish %s: %d %s", x.in.Key, w.Code, w.Body)
			}
		}
	})
	for _, want := range []string{"409 incident medical", "409 incident domestic_violence", "409 hazard police_cordon", "409 site safe_house", "409 site power_plant"} {
		if refused[want] == 0 {
			t.Errorf("nobody was refused with %q: %v", want, refused)
		}
	}
	for end := time.Now().Add(20 * time.Second); s.public.Snapshot().Gzip() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the snapshot is not gzipped")
		}
	}

	// Everything that a stranger gets.
	public := s.public.View()
	if n := public.Len(""); n < 100 {
		t.Fatalf("only %d things are public", n)
	}
	stranger.get("/public/v1/snapshot.json")
	for from := uint64(0); from <= public.Seq(); from += 16 {
		stranger.get(fmt.Sprintf("/public/v1/since/%s/%d.json", s.public.Epoch(), from))
	}
	// The page and the picture of news sites, whatever the build of the screens.
	for _, query := range []string{"?lang=fa", "?lang=zh&theme=night", "?lang=en&area=-75.6,39.6,-75.4,39.8&layers=incidents,hazards,shelters,sites", "?lang=en&w=1600&h=1600"} {
		for _, path := range []string{"/embed", "/embed/builder", "/public/v1/picture.svg"} {
			stranger.get(path + query)
		}
	}
	shown := stranger.ask("GET", "/public/v1/picture.svg?lang=en&layers=shelters&w=1600&h=1600")
	for end := time.Now().Add(20 * time.Second); shown.status == 503 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		shown = stranger.ask("GET", "/public/v1/picture.svg?lang=en&layers=shelters&w=1600&h=1600")
	}
	if shown.status != 200 || !bytes.Contains(shown.body, []byte("Known to all")) || bytes.Contains(shown.body, []byte("Rasad-Seq")) {
		t.Errorf("the picture shows nothing of what is public, or a sequence of operations: %d", shown.status)
	}
	for _, path := range []string{"/", "/wall", "/console", "/embed", "/healthz", "/readyz", "/metrics", "/api/openapi.yaml", "/api/openapi.json", "/city/city.json",
		"/tiles/14/4754/6213.pbf", "/api/v1/coverage/14/4754/6213.png", "/api/v1/features", "/api/v1/features?kind=publication", "/api/v1/features?kind=incident&limit=10000",
		"/api/v1/features?as=public", "/api/v1/acts", "/api/v1/audiences", "/api/v1/preset", "/api/v1/units", "/api/v1/alarms", "/api/v1/units/nearest?lon=-75.5&lat=39.7",
		"/api/v1/stream", "/api/v1/stream?audience=ops", "/feeds/osmand?id=" + things[0].in.Key + "&lat=1&lon=1", "/feeds/osmand/x?lat=1&lon=1", "/feeds/owntracks",
		"/public/v1/since/x/1.json", "/public/v1/list.html", "/api/v1/session", "/api/v1/policy", "/api/v1/worlds"} {
		stranger.get(path)
	}
	for _, x := range things[:40] {
		for _, tail := range []string{"", "/publication", "/caller"} {
			// The key is in the question: what comes back in a refusal is the stranger's own.
			path := "/api/v1/" + string(x.in.Kind) + "s/" + x.in.Key + tail
			if b := stranger.ask("GET", path); bytes.Contains(b.body, []byte("type\":\""+x.in.Props.Text("type"))) || b.status < 400 {
				t.Errorf("%s tells a stranger: %d %s", path, b.status, b.body)
			}
		}
		want := 401
		if x.in.Kind == geo.Unit {
			want = 404 // there is no such call
		}
		if b := stranger.ask("POST", "/api/v1/"+string(x.in.Kind)+"s/"+x.in.Key+"/publish"); b.status != want {
			t.Errorf("a stranger publishes a thing of kind %s: %d", x.in.Kind, b.status)
		}
	}
	time.Sleep(200 * time.Millisecond)
	stranger.add("the stream as JSON", []byte(heard[0].String()))
	stranger.add("the stream as protobuf", []byte(heard[1].String()))
	stranger.add("the log", []byte(logs.String()))

	if heard[0].String() == "" || !strings.Contains(heard[0].String(), "Known to all") || !strings.Contains(heard[1].String(), "Known to all") {
		t.Error("the streams tell nothing: the test shows nothing of them")
	}
	found := 0
	for name, b := range stranger.got {
		for _, secret := range h.secrets {
			if bytes.Contains(b, []byte(secret)) {
				if found++; found < 10 {
					t.Errorf("%s holds %s", name, secret)
				}
			}
		}
		for _, x := range things {
			if x.publish && x.exact {
				continue
			}
			lng, lat := degrees(x.in.At.Lng), degrees(x.in.At.Lat)
			if bytes.Contains(b, []byte(lng)) && bytes.Contains(b, []byte(lat)) {
				t.Errorf("%s holds the place of %s", name, x.in.Key)
			}
		}
	}
	t.Logf("%d secrets, %d found; %d things public of %d, %d answers read", len(h.secrets), found, public.Len(""), len(things), len(stranger.got))

	// Every place is that of a cell, unless the ceiling is exact.
	for f := range public.All("") {
		switch p := publish.Precision(f.Props.Text("precision")); {
		case f.Kind == geo.Incident && p == publish.Exact:
			t.Errorf("%s is told exactly", f.Key)
		case p == publish.Block, p == publish.District:
			if f.Shape == nil && f.Fix.At != publish.CellOf(f.Fix.At, p).Point() {
				t.Errorf("%s is told at %+v, which is no point of a %s", f.Key, f.Fix.At, p)
			}
		}
	}
}

// The public world is the same after a restart: who followed goes on.
func TestThePublicWorldOutlivesARestart(t *testing.T) {
	data := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	c := defaults()
	c.Listen, c.Data = "127.0.0.1:0", data
	once := func(do func(ctx context.Context, s *server)) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := start(ctx, c, log)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		do(ctx, s)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	var epoch string
	var seq, hash uint64
	once(func(ctx context.Context, s *server) {
		for i := range 20 {
			key := fmt.Sprintf("I%d", i)
			at := geo.LngLat{Lng: -755_466_000 + int32(i)*50_000, Lat: 397_447_000}
			if _, err := s.propose(ctx, "feature.create", geo.Input{Key: key, Kind: geo.Incident, At: &at, Props: `{"type":"storm"}`}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.propose(ctx, publish.SetName, publish.Request{Source: key, Kind: geo.Incident, ID: fmt.Sprintf("test%024d", i)}); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				if _, err := s.propose(ctx, publish.WithdrawName, map[string]any{"source": key, "kind": "incident"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		v := s.public.View()
		epoch, seq, hash = s.public.Epoch(), v.Seq(), v.Hash()
	})
	once(func(_ context.Context, s *server) {
		v := s.public.View()
		if s.public.Epoch() != epoch || v.Seq() != seq || v.Hash() != hash || v.Len("") != 13 {
			t.Errorf("it is at %s:%d %x with %d, it was at %s:%d %x", s.public.Epoch(), v.Seq(), v.Hash(), v.Len(""), epoch, seq, hash)
		}
		conn, _, err := (&websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}).Dial(
			fmt.Sprintf("ws://%s/api/v1/stream?audience=public&from=%s:%d", s.address, epoch, seq-3), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		var f struct{ Base, Seq uint64 }
		if err := conn.ReadJSON(&f); err != nil || f.Base == 0 || f.Seq != seq {
			t.Errorf("who comes back gets %+v (%v), want what was missed since %d", f, err, seq-3)
		}
	})
}

type said struct {
	status int
	body   []byte
}

// crawl is a stranger who keeps everything.
type crawl struct {
	t    *testing.T
	base string
	got  map[string][]byte
}

func (c *crawl) ask(method, path string) said {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			c.t.Fatal(err)
		}
	}
	b, err := io.ReadAll(body)
	if err != nil {
		c.t.Fatal(err)
	}
	var head bytes.Buffer
	_ = res.Header.Write(&head)
	return said{res.StatusCode, append(head.Bytes(), b...)}
}

func (c *crawl) get(path string) {
	c.t.Helper()
	name, _, _ := strings.Cut(path, "?")
	if strings.HasPrefix(path, "/feeds/osmand?id=") {
		name = "/feeds/osmand with a key"
	}
	c.add(name+strconv.Itoa(len(c.got)), c.ask("GET", path).body)
}

func (c *crawl) add(name string, b []byte) {
	if c.got == nil {
		c.got = map[string][]byte{}
	}
	c.got[name] = b
}

// each calls do for 0..n-1, some at a time.
func each(n int, do func(int)) {
	var wg sync.WaitGroup
	work := make(chan int)
	for range 32 {
		wg.Go(func() {
			for i := range work {
				do(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
