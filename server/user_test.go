package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	bossPassword  = "an otter swims at dusk"
	otherPassword = "seven herons stand in reeds"
)

// person is somebody at a browser.
type person struct {
	t    *testing.T
	base string
	*http.Client
}

func (r *running) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &person{r.t, r.base, &http.Client{Jar: jar}}
}

func (p *person) call(method, path string, body any, want int) map[string]any {
	p.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequest(method, p.base+path, bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := p.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	out, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, out, want)
	}
	var m map[string]any
	if len(out) > 0 && json.Unmarshal(out, &m) != nil {
		p.t.Fatalf("%s %s: %s", method, path, out)
	}
	return m
}

func tokenIn(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Path != "/reset" || u.Fragment == "" {
		t.Fatalf("%q is no link: %v", link, err)
	}
	return u.Fragment
}

// TestPeopleFromTheCommandLine is an installation that is set up without a browser,
// runs, and loses its admin's phone.
func TestPeopleFromTheCommandLine(t *testing.T) {
	data := t.TempDir()
	must := func(args ...string) string {
		t.Helper()
		status, out, log := cli(append(args, "--data", data)...)
		if status != 0 {
			t.Fatalf("%v: %d %s%s", args, status, out, log)
		}
		return out
	}
	link := must("user", "add", "boss", "--role", "admin", "--display", "The boss") // before the first start
	if out := must("user", "list"); !strings.Contains(out, "boss") || !strings.Contains(out, "no password yet") {
		t.Errorf("list: %s", out)
	}
	s := serving(t, data)
	if strings.Contains(s.out.String(), "/setup#") {
		t.Error("a folder with an account prints a setup link")
	}
	boss := s.person()
	boss.call("POST", "/api/v1/reset", map[string]any{"token": tokenIn(t, link), "password": bossPassword}, 200)
	boss.call("POST", "/api/v1/session", map[string]any{"name": "boss", "password": bossPassword}, 200)

	// Beside the running server.
	link = must("user", "add", "amini", "--role", "agency_officer", "--agencies", "fire,ems", "--why", "new in the crew")
	if !strings.HasPrefix(link, s.base+"/reset#") {
		t.Errorf("the link of a running server is %q", link)
	}
	amini := s.person()
	amini.call("POST", "/api/v1/reset", map[string]any{"token": tokenIn(t, link), "password": otherPassword}, 200)
	amini.call("POST", "/api/v1/session", map[string]any{"name": "amini", "password": otherPassword}, 200)
	must("user", "role", "amini", "--role", "dispatcher", "--agencies", "")
	amini.call("GET", "/api/v1/session", nil, 401) // with another role one comes in anew
	amini.call("POST", "/api/v1/session", map[string]any{"name": "amini", "password": otherPassword}, 200)
	must("user", "disable", "amini", "--why", "left")
	amini.call("GET", "/api/v1/session", nil, 401)
	must("user", "enable", "amini")
	must("user", "break-glass", "amini")
	if out := must("user", "list", "--json"); !strings.Contains(out, `"break_glass":true`) || strings.Count(out, "\n") != 2 {
		t.Errorf("list: %s", out)
	}
	must("user", "break-glass", "amini", "--off")

	// A wall is approved by its code and revoked by its name.
	wall := s.person()
	asked := wall.call("POST", "/api/v1/devices/enrolments", nil, 201)
	must("wall", "approve", "Ops room", "--code", asked["code"].(string))
	if who := wall.call("POST", "/api/v1/devices/claim", map[string]any{"claim": asked["claim"]}, 200); who["kind"] != "wall" {
		t.Errorf("the wall is %v", who)
	}
	if out := must("device", "list"); !strings.Contains(out, "Ops room") || !strings.Contains(out, "stands") {
		t.Errorf("walls: %s", out)
	}
	must("wall", "revoke", "Ops room")
	wall.call("GET", "/api/v1/session", nil, 401)

	for _, bad := range [][]string{{"user", "add", "boss", "--role", "viewer"}, {"user", "add", "x", "--role", "viewer"}, {"user", "add", "keeper", "--role", "shelter_keeper"},
		{"user", "role", "nobody", "--role", "viewer"}, {"user", "disable", "boss"}, {"user", "reset", "nobody"}, {"device", "revoke", "Ops room"}, {"device", "approve", "x", "--code", "2222-2222"}} {
		if status, out, log := cli(append(bad, "--data", data)...); status != 1 || log == "" {
			t.Errorf("%v: %d %s%s", bad, status, out, log)
		}
	}
	for _, bad := range [][]string{{"user", "add"}, {"user", "add", "x"}, {"user", "list", "x"}, {"device", "approve", "x"}, {"user", "reset", "boss", "--force"}} {
		if status, _, log := cli(append(bad, "--data", data)...); status != 2 {
			t.Errorf("%v: %d %s", bad, status, log)
		}
	}
	if status, _, _ := cli("user", "list"); status != 2 {
		t.Errorf("without a folder: %d", status)
	}

	// All of it stands in the record, with before and after, and nothing that opens.
	var acts string
	for _, want := range []string{`"account.create"`, `"account.reset.use"`, `"account.change"`, `"account.disable"`, `"device.approve"`, `"device.revoke"`, `"gate.signed_in"`, `"token.issue"`} {
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			page := boss.call("GET", "/api/v1/acts?limit=200", nil, 200)
			b, _ := json.Marshal(page)
			if acts = string(b); strings.Contains(acts, `"name":`+want) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not among the acts: %s", want, acts)
			}
		}
	}
	found := boss.call("GET", "/api/v1/acts?name=account.disable", nil, 200)["acts"].([]any)
	if len(found) != 1 {
		t.Fatalf("disabled: %v", found)
	}
	act := found[0].(map[string]any)
	args, _ := json.Marshal(act["args"])
	if act["why"] != "left" || !strings.HasPrefix(act["by"].(string), "local:") || !strings.Contains(string(args), `"after":{"disabled":true}`) || !strings.Contains(string(args), `"before":{"disabled":false}`) {
		t.Errorf("the act: %v %s", act, args)
	}
	setBy := boss.call("GET", "/api/v1/acts?name=gate.signed_in&who=user:boss", nil, 200)["acts"].([]any)
	if len(setBy) != 1 || setBy[0].(map[string]any)["session"] == nil {
		t.Errorf("signing in: %v", setBy)
	}
	for _, secret := range []string{"argon2", tokenIn(t, link), bossPassword, otherPassword, "box"} {
		if strings.Contains(acts, secret) || strings.Contains(s.log.String(), secret) && secret != "box" {
			t.Errorf("%q stands in the acts or the log", secret)
		}
	}
	// Stopped: the register itself is asked, and what was done is told at the next start.
	if status := s.stop(); status != 0 {
		t.Fatalf("the server stopped with %d\n%s", status, s.log)
	}
	link = must("user", "reset", "boss", "--factor", "--why", "the phone is lost")
	if !strings.HasPrefix(link, "/reset#") {
		t.Errorf("the link without a server is %q", link)
	}
	must("audit", "verify")
	s = serving(t, data)
	boss = s.person()
	boss.call("POST", "/api/v1/session", map[string]any{"name": "boss", "password": bossPassword}, 200)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		told := boss.call("GET", "/api/v1/acts?q=phone+is+lost", nil, 200)["acts"].([]any)
		if len(told) == 1 {
			break
		}
		if time.Now().After(end) || len(told) > 1 {
			t.Fatalf("what was done while no server ran: %v", told)
		}
	}
	if n := len(boss.call("GET", "/api/v1/acts?name=account.disable", nil, 200)["acts"].([]any)); n != 1 {
		t.Errorf("after a restart one act is told %d times", n)
	}
	if status := s.stop(); status != 0 {
		t.Fatalf("the server stopped with %d\n%s", status, s.log)
	}
	must("audit", "verify")
}

// TestAnOrderOfASocketThatIsDead: a server that was killed leaves its socket behind.
func TestAnOrderOfASocketThatIsDead(t *testing.T) {
	data := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(data, socketName)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if status, out, log := cli("user", "add", "boss", "--role", "admin", "--data", data); status != 0 || !strings.HasPrefix(out, "/reset#") {
		t.Errorf("%d %s%s", status, out, log)
	}
}
