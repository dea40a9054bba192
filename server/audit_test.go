package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/streams"
)

// secrets of a caller, and one string that is none: whoever finds nothing must
// show that it looks.
var (
	secrets  = []string{"Zahra Canary-Amini", "Canary-Amini", "+98-21-5550199", "5550199", "diabetic, hides a canary", "Parvin Canary-Karimi", "+98-21-5550177"}
	noSecret = "smoke seen by a canary watcher"
)

// hits counts how often each text stands in each file of a folder, in clear, as
// JSON escapes it, and in base64.
func hits(t *testing.T, dir string, texts ...string) map[string]int {
	t.Helper()
	out := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if n := countIn(b, texts...); n > 0 {
			out[name] = n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func countIn(b []byte, texts ...string) (n int) {
	for _, s := range texts {
		n += bytes.Count(b, []byte(s))
		if asJSON, err := json.Marshal(s); err == nil && string(asJSON) != `"`+s+`"` {
			n += bytes.Count(b, asJSON[1:len(asJSON)-1])
		}
		for shift := range 3 { // base64 of the middle, wherever it stands
			if len(s) > shift+6 {
				n += bytes.Count(b, []byte(base64Middle(s[shift:])))
			}
		}
	}
	return n
}

// TestACallerIsErased is check 0: an incident is recorded with its caller, changed,
// kept in keyframes, exported and replayed; then its keys are destroyed. The caller
// is in clear nowhere before and nowhere after, nobody can open it any more, and the
// record verifies.
func TestACallerIsErased(t *testing.T) {
	data := t.TempDir()
	s := serving(t, data)
	from := time.Now().Add(-time.Second)
	put := func(caller string) string {
		return `{"type":"Feature","geometry":{"type":"Point","coordinates":[-75.54,39.745]},"properties":{"type":"structure_fire","priority":"1",
			"description":"` + noSecret + `","caller":` + caller + `}}`
	}
	s.call("PUT", "/api/v1/incidents/I1", put(`{"name":"Zahra Canary-Amini","phone":"+98-21-5550199","notes":"diabetic, hides a canary"}`), http.StatusCreated)
	s.call("PUT", "/api/v1/incidents/I2", put(`{"name":"somebody else","phone":"1"}`), http.StatusCreated)
	if got := s.call("GET", "/api/v1/incidents/I1/caller?reason=call+back", "", http.StatusOK); got["notes"] != "diabetic, hides a canary" {
		t.Fatalf("the caller opened as %v", got)
	}
	// The caller is corrected: the first box stays in the past, under a key of its own.
	s.call("PATCH", "/api/v1/incidents/I1", `{"properties":{"caller":{"name":"Parvin Canary-Karimi","phone":"+98-21-5550177"}}}`, http.StatusOK)
	logs := s.log.String()
	if status := s.stop(); status != 0 { // writes a keyframe
		t.Fatalf("the server stopped with %d\n%s", status, s.log)
	}
	s = serving(t, data)
	to := time.Now().Add(time.Second)

	look := func(when string) {
		t.Helper()
		if got := hits(t, data, secrets...); len(got) > 0 {
			t.Errorf("%s: the caller stands in clear in %v", when, got)
		}
		if got := hits(t, data, noSecret); len(got) < 2 { // a block and a keyframe
			t.Errorf("%s: the description was found in %v: the search does not search", when, got)
		}
		out := map[string]string{"log": logs + s.log.String(), "metrics": s.get("/metrics"), "replay": s.replay(from), "list": s.get("/api/v1/incidents")}
		for _, format := range []string{"frames", "geojson", "csv", "gpx"} {
			status, text, log := cli("export", "--data", data, "--from", from.Format(time.RFC3339Nano), "--to", to.Format(time.RFC3339Nano), "--format", format)
			if status != 0 {
				t.Errorf("%s: export %s: %s", when, format, log)
			}
			out["export "+format] = text
		}
		for _, kind := range [][]string{{"audit", "list", "--data", data}, {"audit", "list", "--data", data, "--json"}, {"audit", "verify", "--data", data}} {
			status, text, log := cli(kind...)
			if status != 0 {
				t.Errorf("%s: %v: %d %s%s", when, kind, status, text, log)
			}
			out[strings.Join(kind, " ")] = text
		}
		for where, text := range out {
			if n := countIn([]byte(text), secrets...); n > 0 {
				t.Errorf("%s: the caller stands %d times in clear in the %s", when, n, where)
			}
		}
		for _, where := range []string{"replay", "export frames", "export geojson", "list", "audit list --data " + data} {
			if !strings.Contains(out[where], "I1") {
				t.Errorf("%s: I1 is not in the %s: the search does not search", when, where)
			}
		}
	}
	look("before")
	keys := keysOf(t, data)
	sealed := boxes(t, data, "I1")
	if len(sealed) != 2 {
		t.Fatalf("%d boxes of I1 are in the record, want 2", len(sealed))
	}

	if status, _, log := cli("audit", "erase", "--data", data, "--incident", "I1"); status != 2 {
		t.Errorf("erased without saying why: %d %s", status, log)
	}
	if status, out, log := cli("audit", "erase", "--data", data, "--incident", "I9", "--why", "a mistake"); status != 1 || !strings.Contains(log, "never had a sealed caller") {
		t.Errorf("erase what is not there: %d %s%s", status, out, log)
	}
	status, out, log := cli("audit", "erase", "--data", data, "--incident", "I1", "--why", "asked by the caller")
	if status != 0 || !strings.Contains(out, "2 keys destroyed") {
		t.Fatalf("erase: %d %s%s", status, out, log)
	}
	if status, out, log := cli("audit", "erase", "--data", data, "--incident", "I1", "--why", "once more"); status != 0 {
		t.Errorf("erasing again: %d %s%s", status, out, log)
	}

	look("after")
	if got := s.call("GET", "/api/v1/incidents/I1/caller", "", http.StatusGone); !strings.HasSuffix(got["type"].(string), ":erased") {
		t.Errorf("an erased caller: %v", got)
	}
	s.call("GET", "/api/v1/incidents/I2/caller", "", http.StatusOK)
	// What is not in the world any more is still in the past.
	s.call("DELETE", "/api/v1/incidents/I2", "", http.StatusNoContent)
	for id := range boxes(t, data, "I2") {
		sealed[id] = true
	}
	if status, out, log := cli("audit", "erase", "--data", data, "--incident", "I2", "--why", "kept long enough"); status != 0 || !strings.Contains(out, "1 keys destroyed") {
		t.Errorf("erase the caller of a deleted incident: %d %s%s", status, out, log)
	}
	if status := s.stop(); status != 0 {
		t.Fatalf("the server stopped with %d\n%s", status, s.log)
	}
	// The keys themselves are in no file any more.
	gone := 0
	for id, key := range keys {
		n := len(hits(t, data, string(key)))
		if sealed[id] != (n == 0) {
			t.Errorf("key %s: in %d files; of I1: %v", id, n, sealed[id])
		}
		if n == 0 {
			gone++
		}
	}
	if gone != 3 {
		t.Errorf("%d keys are gone, want 3", gone)
	}
	if status, _, log := cli("audit", "erase", "--data", data, "--incident", "I1", "--why", "no server"); status != 1 || !strings.Contains(log, "socket") && !strings.Contains(log, "no server runs") {
		t.Errorf("erase without a server: %d %s", status, log)
	}
	status, out, log = cli("audit", "verify", "--data", data)
	if status != 0 || !strings.Contains(out, "whole:") {
		t.Errorf("verify of the stopped folder: %d\n%s%s", status, out, log)
	}
	t.Log(out)
	_, out, _ = cli("audit", "list", "--data", data, "--feature", "I1")
	for _, want := range []string{"sealed.erase  local:", "why: asked by the caller", "sealed.open", "why: call back", `caller: {"sealed":true} → {"sealed":true}`, `description: null → "` + noSecret} {
		if !strings.Contains(out, want) {
			t.Errorf("the audit does not say %q:\n%s", want, out)
		}
	}
}

// keysOf reads the keys of sealed fields out of the key file, as FORMAT.md has it.
func keysOf(t *testing.T, data string) map[string][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for ; len(b) >= 128; b = b[128:] {
		if b[48] == 1 {
			out[rawURL(b[:16])] = bytes.Clone(b[16:48])
		}
	}
	return out
}

// boxes are the ids of the keys that ever sealed a caller of the incident.
func boxes(t *testing.T, data, key string) map[string]bool {
	t.Helper()
	r, err := streams.NewRecord(os.DirFS(data), "")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := r.SealedKeys(t.Context(), key, "caller")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, id := range ids {
		out[id] = true
	}
	return out
}

func (r *running) get(path string) string {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.base+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = r.bearer()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return string(b)
}

// replay returns what a screen gets of the past in a second.
func (r *running) replay(from time.Time) string {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}
	q := url.Values{"at": {from.UTC().Format(time.RFC3339)}, "speed": {"60"}}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/api/v1/stream?"+q.Encode(), r.bearer())
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	var out strings.Builder
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return out.String()
		}
		out.Write(b)
	}
}

// TestAuditOfAFolder is the command line on a whole and on a harmed record.
func TestAuditOfAFolder(t *testing.T) {
	data := t.TempDir()
	if status, _, log := cli("audit", "verify", "--data", data); status != 1 || !strings.Contains(log, "keeps no record") {
		t.Errorf("an empty folder: %d %s", status, log)
	}
	if status, _, log := cli("audit", "key", "--data", data); status != 1 || !strings.Contains(log, "has no key yet") {
		t.Errorf("no key: %d %s", status, log)
	}
	s := serving(t, data)
	s.call("PUT", "/api/v1/units/E7", unitE7, http.StatusCreated)
	s.call("PUT", "/api/v1/incidents/I1", `{"type":"Feature","geometry":{"type":"Point","coordinates":[-75.54,39.745]},"properties":{"type":"structure_fire","priority":"1"}}`, http.StatusCreated)
	s.call("POST", "/api/v1/incidents/I1/assign", `{"units":["E7"]}`, http.StatusOK)
	status, key, log := cli("audit", "key", "--data", data)
	if status != 0 || !strings.HasPrefix(key, "ed25519:") {
		t.Fatalf("key: %d %s%s", status, key, log)
	}
	key = strings.TrimSpace(key)
	if status, out, log := cli("audit", "verify", "--data", data, "--key", key); status != 0 || !strings.Contains(out, "whole:") || !strings.Contains(out, "the key given") {
		t.Errorf("beside a running server: %d\n%s%s", status, out, log)
	}
	s.stop()
	heads := filepath.Join(data, "audit/live.heads")
	copied := filepath.Join(t.TempDir(), "heads")
	b, err := os.ReadFile(heads)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, log := cli("audit", "verify", "--data", data, "--key", key, "--heads", copied); status != 0 {
		t.Errorf("with the copy: %d\n%s%s", status, out, log)
	}

	status, out, log := cli("audit", "list", "--data", data, "--act", "*.assign")
	for _, want := range []string{"assign", "E7", `status: "available" → `, `assigned: null → ["E7"]`} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("list: %d, want %q in\n%s%s", status, want, out, log)
		}
	}
	if n := strings.Count(out, "frame "); n != 1 {
		t.Errorf("%d acts are listed, want the one assignment:\n%s", n, out)
	}
	_, out, _ = cli("audit", "list", "--data", data, "--feature", "E7", "--json")
	for line := range strings.Lines(out) {
		var x auditEntry
		if err := json.Unmarshal([]byte(line), &x); err != nil || x.Act == "" || x.At == "" || x.Seq == 0 || x.By == "" {
			t.Errorf("%v of %s", err, line)
		}
	}
	if strings.Count(out, "\n") < 2 {
		t.Errorf("the acts of E7 are %s", out)
	}
	if _, out, _ := cli("audit", "list", "--data", data, "--who", "nobody at all"); out != "" {
		t.Errorf("acts of nobody: %s", out)
	}
	if _, out, _ := cli("audit", "list", "--data", data, "--to", "2001-01-01T00:00:00Z"); out != "" {
		t.Errorf("acts of the past: %s", out)
	}
	for _, args := range [][]string{{"--from", "noon"}, {"--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"}, {"--act", "[x"}} {
		if status, _, log := cli(append([]string{"audit", "list", "--data", data}, args...)...); status != 2 {
			t.Errorf("%v: %d %s", args, status, log)
		}
	}
	if status, _, _ := cli("audit", "verify", "--data", data, "--key", "ed25519:x"); status != 2 {
		t.Errorf("a bad key: %d", status)
	}

	// One byte of one frame; a newest head that only the copy knows.
	block, err := filepath.Glob(filepath.Join(data, "nats/jetstream/$G/streams/RASAD_live_*/msgs/*.blk"))
	if err != nil || len(block) != 1 {
		t.Fatal(block, err)
	}
	raw, err := os.ReadFile(block[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("structure_fire"))
	raw[at] ^= 1
	if err := os.WriteFile(block[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, _ = cli("audit", "verify", "--data", data, "--key", key)
	if status != 1 || !strings.Contains(out, "found: frame-missing: frame") || !strings.Contains(out, "NOT WHOLE") {
		t.Errorf("a flipped bit: %d\n%s", status, out)
	}
	raw[at] ^= 1
	if err := os.WriteFile(block[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(heads, b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1], 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, _ = cli("audit", "verify", "--data", data, "--heads", copied, "--json")
	var report streams.AuditReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != 1 || report.Whole() {
		t.Errorf("a head is missing: %d %v\n%s", status, err, out)
	}
}

func rawURL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// base64Middle is what base64 makes of s, without what depends on its neighbours.
func base64Middle(s string) string {
	return base64.RawStdEncoding.EncodeToString([]byte(s[:len(s)/3*3]))
}
