package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// buffer is a bytes.Buffer that a server writes and a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is `rasad serve` inside the test.
type running struct {
	t     *testing.T
	base  string
	token string // of who asks: a supervisor
	out   *buffer
	log   *buffer
	stop  func() int
}

// tokenOf makes a token as an operator does.
func tokenOf(t *testing.T, data string, args ...string) string {
	t.Helper()
	status, out, log := cli(append([]string{"token", "--data", data, "--name", "test"}, args...)...)
	if status != 0 {
		t.Fatal(log)
	}
	return strings.TrimSpace(out)
}

var printed = regexp.MustCompile(`http://[^/\s]+`)

func serving(t *testing.T, data string, args ...string) *running {
	t.Helper()
	token := tokenOf(t, data, "--role", "supervisor") // before the first start too
	ctx, cancel := context.WithCancel(context.Background())
	out, log := &buffer{}, &buffer{}
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, env{getenv: lookup(nil), out: out, err: log}, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...))
	}()
	r := &running{t: t, token: token, out: out, log: log, stop: sync.OnceValue(func() int { cancel(); return <-status })}
	t.Cleanup(func() { r.stop() })
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if r.base = printed.FindString(out.String()); r.base != "" {
			res, err := http.Get(r.base + "/readyz")
			if err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return r
				}
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not get ready: %s%s", out, log)
		}
	}
}

func (r *running) call(method, path, body string, want int) map[string]any {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		r.t.Fatalf("%s %s: %s %v\n%s\nwant %d", method, path, res.Status, err, b, want)
	}
	var v map[string]any
	_ = json.Unmarshal(b, &v) // an empty body stays nil
	return v
}

// bearer are the headers of who asks.
func (r *running) bearer() http.Header { return http.Header{"Authorization": {"Bearer " + r.token}} }

// hash is the state hash of the first keyframe that the stream gives, and its sequence.
func (r *running) hash() (string, float64) {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/api/v1/stream", r.bearer())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	var f map[string]any
	if err := c.ReadJSON(&f); err != nil || f["base"] != 0.0 {
		r.t.Fatalf("no keyframe: %v, %v", f, err)
	}
	return f["hash"].(string), f["seq"].(float64)
}

func cli(args ...string) (int, string, string) {
	var out, log bytes.Buffer
	status := run(context.Background(), env{getenv: lookup(nil), out: &out, err: &log}, args)
	return status, out.String(), log.String()
}

const unitE7 = `{"type":"Feature","geometry":{"type":"Point","coordinates":[-75.5466,39.7447]},"properties":{"name":"Engine 7","type":"engine","agency":"fire","capabilities":["engine"],"status":"available"}}`

// TestAServerIsStoppedAndComesBack is a night at one machine: a call, a fix, a
// dispatch; the command line beside the running server; a stop and a start.
func TestAServerIsStoppedAndComesBack(t *testing.T) {
	data := t.TempDir()
	s := serving(t, data)
	from := time.Now().Add(-time.Second)
	s.call("PUT", "/api/v1/units/E7", unitE7, http.StatusCreated)
	s.call("GET", "/feeds/osmand?id=E7&lat=39.7450&lon=-75.5466&speed=10&bearing=0", "", http.StatusOK)
	s.call("PUT", "/api/v1/incidents/I1", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-75.54,39.745]},
		"properties":{"type":"structure_fire","priority":"1","caller":{"name":"Zahra Canary-Amini","phone":"+98-21-5550199"}}}`, http.StatusCreated)
	s.call("POST", "/api/v1/incidents/I1/assign", `{"units":["E7"]}`, http.StatusOK)
	near := s.call("GET", "/api/v1/units/nearest?lon=-75.54&lat=39.745&k=1", "", http.StatusOK)
	if units := near["units"].([]any); len(units) != 1 || units[0].(map[string]any)["id"] != "E7" {
		t.Errorf("nearest: %v", near)
	}
	if caller := s.call("GET", "/api/v1/incidents/I1/caller?reason=call+back", "", http.StatusOK); caller["name"] != "Zahra Canary-Amini" {
		t.Errorf("the caller opened as %v", caller)
	}

	if status, out, log := cli("check", "--data", data); status != 0 || !strings.Contains(out, "whole") {
		t.Errorf("check beside a running server: %d\n%s%s", status, out, log)
	}
	to := time.Now().Add(time.Second)
	exportOf := func(format string) string {
		t.Helper()
		status, out, log := cli("export", "--data", data, "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano), "--format", format)
		if status != 0 {
			t.Errorf("export %s: %d\n%s", format, status, log)
		}
		return out
	}
	for format, want := range map[string]string{"frames": `"name":"incident.assign"`, "geojson": `"id":"E7"`, "csv": ",E7,-75.5466000,39.7450000,0,5.1,", "gpx": `<trkpt lat="39.7450000"`} {
		if out := exportOf(format); !strings.Contains(out, want) {
			t.Errorf("export %s does not hold %s:\n%s", format, want, out)
		}
	}
	for line := range strings.Lines(exportOf("frames")) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the export is no JSON: %s", line)
		}
	}
	if status, _, log := cli("serve", "--listen", "127.0.0.1:0", "--data", data); status != 1 || !strings.Contains(log, data) {
		t.Errorf("a second server on the folder: %d\n%s", status, log)
	}

	before := s.call("GET", "/api/v1/units/E7", "", http.StatusOK)
	began := time.Now()
	if status := s.stop(); status != 0 {
		t.Fatalf("stopped with %d: %s", status, s.log)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v, and 5 s are promised", took)
	}
	if strings.Contains(s.log.String(), "Canary") || strings.Contains(s.log.String(), "5550199") {
		t.Error("the caller stands in the log")
	}
	if err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("Canary")) || bytes.Contains(b, []byte("5550199")) {
			t.Errorf("the caller stands in clear in %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if status, out, log := cli("check", "--data", data); status != 0 || !strings.Contains(out, "whole") {
		t.Errorf("check of a stopped folder: %d\n%s%s", status, out, log)
	}

	s = serving(t, data)
	after := s.call("GET", "/api/v1/units/E7", "", http.StatusOK)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("before the stop %v\nafter        %v", before, after)
	}
	if caller := s.call("GET", "/api/v1/incidents/I1/caller?reason=again", "", http.StatusOK); caller["phone"] != "+98-21-5550199" {
		t.Errorf("the caller opened after the restart as %v", caller)
	}
	one, at := s.hash()
	two, again := s.hash()
	if at == again && one != two {
		t.Errorf("two screens at %v have %s and %s", at, one, two)
	}
}

// TestNobodyComesInUnknown: from the first start of an empty folder every call but the
// public ones needs a session or a token.
func TestNobodyComesInUnknown(t *testing.T) {
	data := t.TempDir()
	s := serving(t, data)
	revoked := tokenOf(t, data, "--role", "viewer")
	id := ""
	_, list, _ := cli("token", "list", "--data", data)
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "viewer" {
			id = f[0]
		}
	}
	ask := func(path, header string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, s.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for header, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + s.token: http.StatusOK, "Bearer " + revoked: http.StatusOK, "Bearer rasad_made-up": http.StatusUnauthorized} {
		if got := ask("/api/v1/units", header); got != want {
			t.Errorf("%q: %d, want %d", header, got, want)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/city", "/api/openapi.yaml"} {
		if got := ask(path, ""); got != http.StatusOK {
			t.Errorf("%s without a session: %d", path, got)
		}
	}
	status, fresh, log := cli("token", "rotate", id, "--data", data, "--overlap", "0s")
	if status != 0 {
		t.Fatal(log)
	}
	time.Sleep(300 * time.Millisecond) // what another process did is seen within a quarter of a second
	if got, before := ask("/api/v1/units", "Bearer "+strings.TrimSpace(fresh)), ask("/api/v1/units", "Bearer "+revoked); got != http.StatusOK || before != http.StatusUnauthorized {
		t.Errorf("after a rotation: %d, and the token before %d", got, before)
	}
	if status, _, log := cli("token", "revoke", id, "--data", data); status != 0 {
		t.Fatal(log)
	}
	time.Sleep(300 * time.Millisecond)
	if got := ask("/api/v1/units", "Bearer "+strings.TrimSpace(fresh)); got != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", got)
	}
	if strings.Contains(s.log.String(), s.token) || strings.Contains(s.log.String(), revoked) {
		t.Error("a token stands in the log")
	}
}

// TestTheFirstStartPrintsALink: once, and no more when there is an account.
func TestTheFirstStartPrintsALink(t *testing.T) {
	data := t.TempDir()
	s := serving(t, data)
	link := regexp.MustCompile(`setup +(http://[^/]+/setup)#([A-Za-z0-9_-]{43})\n`).FindStringSubmatch(s.out.String())
	if link == nil || !strings.HasPrefix(link[1], s.base) || strings.Contains(s.log.String(), link[2]) {
		t.Fatalf("the first start printed %q", s.out)
	}
	body, err := json.Marshal(map[string]string{"token": link[2], "name": "amini", "password": "a horse that nobody rides", "display_name": "Amini", "language": "fa"})
	if err != nil {
		t.Fatal(err)
	}
	s.token = "" // nobody is in yet
	req, err := http.NewRequest(http.MethodPost, s.base+"/api/v1/setup", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusCreated || len(res.Cookies()) == 0 {
		t.Fatalf("the setup answered %s", res.Status)
	}
	req, err = http.NewRequest(http.MethodGet, s.base+"/api/v1/units", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		req.AddCookie(c)
	}
	if res, err = http.DefaultClient.Do(req); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the first account reads: %v %v", res, err)
	}
	res.Body.Close()
	s.stop()
	if again := serving(t, data); strings.Contains(again.out.String(), "setup") {
		t.Errorf("a second start printed %q", again.out)
	}
}

// TestTheSimulationDrivesThroughTheDoor runs the simulator against a server
// without a city: crews enrol, move, and everything says that it is simulated.
func TestTheSimulationDrivesThroughTheDoor(t *testing.T) {
	data := t.TempDir()
	s := serving(t, data)
	if status, _, log := cli("simulate", "--server", s.base, "--units", "2"); status != 2 || !strings.Contains(log, "--token") {
		t.Errorf("a simulation of nobody: %d %s", status, log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, env{getenv: lookup(nil), out: io.Discard, err: s.log}, []string{"simulate", "--server", s.base, "--token", tokenOf(t, data, "--role", "dispatcher"), "--units", "20", "--hz", "5"})
	}()
	moved := false
	var first map[string]string
	for end := time.Now().Add(40 * time.Second); !moved && time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		now := map[string]string{}
		for _, f := range s.call("GET", "/api/v1/units", "", http.StatusOK)["features"].([]any) {
			u := f.(map[string]any)
			if u["properties"].(map[string]any)["simulated"] != true {
				t.Fatalf("%v does not say that it is simulated", u)
			}
			now[u["id"].(string)] = fmt.Sprint(u["geometry"])
		}
		if len(now) == 20 && first == nil {
			first = now
		}
		for id, at := range now {
			moved = moved || first != nil && first[id] != at
		}
	}
	if !moved {
		t.Errorf("no unit moved: %s", s.log)
	}
	cancel()
	if status := <-done; status != 0 {
		t.Errorf("simulate ended with %d", status)
	}
}
