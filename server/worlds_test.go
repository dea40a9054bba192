package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// eventually asks until the answer is as it must be.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// status is what a call answers for the bearer of a token.
func (r *running) status(token, method, path, body string) int {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

const (
	barnFire = `{"type":"Feature","id":"F1","geometry":{"type":"Point","coordinates":[-75.52,39.16]},"properties":{"name":"Barn fire","type":"structure_fire","priority":"1","description":"behind the mill","caller":{"name":"Zahra Amini"}}}`
	engine5  = `{"type":"Feature","id":"E5","geometry":{"type":"Point","coordinates":[-75.5,39.2]},"properties":{"type":"engine"}}`
)

// Three cities in one installation: each has its own keys, record and people; a fire at
// the border is shared with one of them and not with the other.
func TestWorldsOfOneInstallation(t *testing.T) {
	data := t.TempDir()
	file := writeFile(t, "worlds:\n  dover: {title: Dover}\n  isfahan: {preset: ir, exercise: true}\n")
	home := tokenOf(t, data, "--role", "dispatcher")
	dover := tokenOf(t, data, "--role", "dispatcher", "--worlds", "dover")
	viewer := tokenOf(t, data, "--role", "viewer", "--worlds", "*")
	all := tokenOf(t, data, "--role", "supervisor", "--worlds", "*")
	r := serving(t, data, "--config", file)
	r.token = all

	var names []string
	for _, w := range r.call("GET", "/api/v1/worlds", "", 200)["worlds"].([]any) {
		names = append(names, w.(map[string]any)["name"].(string)+"="+w.(map[string]any)["preset"].(string))
	}
	if got := strings.Join(names, " "); got != "live=us dover=us isfahan=ir" {
		t.Errorf("the worlds are %s", got)
	}
	for path, want := range map[string][2]int{ // of the token of home, of dover
		"/api/v1/units":                                        {200, 404},
		"/api/v1/units?world=live":                             {200, 404},
		"/api/v1/units?world=dover":                            {404, 200},
		"/api/v1/units?world=isfahan":                          {404, 404},
		"/api/v1/units?world=nowhere":                          {404, 404},
		"/api/v1/preset?world=dover":                           {404, 200},
		"/api/v1/units/nearest?lon=-75.5&lat=39.1&world=dover": {404, 200},
	} {
		if a, b := r.status(home, "GET", path, ""), r.status(dover, "GET", path, ""); a != want[0] || b != want[1] {
			t.Errorf("%s: %d for home's, %d for dover's; want %v", path, a, b, want)
		}
	}

	// One key, two worlds.
	r.call("PUT", "/api/v1/incidents/F1", barnFire, 201)
	r.call("PUT", "/api/v1/units/E5", engine5, 201)
	r.call("PUT", "/api/v1/units/E5?world=dover", engine5, 201)

	// Who may share, and with whom.
	if got := r.status(home, "POST", "/api/v1/incidents/F1/share", `{"worlds":["dover"]}`); got != 403 {
		t.Errorf("a dispatcher shares an incident: %d", got)
	}
	r.call("POST", "/api/v1/incidents/F1/share", `{"worlds":["nowhere"]}`, 400)
	r.call("POST", "/api/v1/incidents/F1/share", `{"worlds":["live"]}`, 400)
	r.call("POST", "/api/v1/incidents/F1/share", `{"worlds":["dover"],"reason":"it burns at the border"}`, 200)
	image := func(world string) map[string]any {
		if r.status(all, "GET", "/api/v1/incidents/live~F1?world="+world, "") != 200 {
			return nil
		}
		return r.call("GET", "/api/v1/incidents/live~F1?world="+world, "", 200)["properties"].(map[string]any)
	}
	eventually(t, "dover has the image", func() bool { return image("dover") != nil })
	got := image("dover")
	if got["name"] != "Barn fire" || got["type"] != "structure_fire" || got["shared_from"] != "live" || got["caller"] != nil || got["description"] != nil {
		t.Errorf("dover sees %v", got)
	}
	if image("isfahan") != nil {
		t.Error("isfahan sees an incident that nobody shared with it")
	}
	if got := r.status(viewer, "GET", "/api/v1/incidents/live~F1?world=dover", ""); got != 200 {
		t.Errorf("a viewer of every world does not see the image: %d", got)
	}

	// Dover sends its own engine; home says what the fire is.
	r.call("POST", "/api/v1/incidents/live~F1/assign?world=dover", `{"units":["E5"]}`, 200)
	r.call("POST", "/api/v1/incidents/live~F1/close?world=dover", `{"next":{"E5":"available"}}`, 409)
	r.call("PATCH", "/api/v1/incidents/F1", `{"properties":{"priority":"2"}}`, 200)
	eventually(t, "dover hears of the priority", func() bool { return image("dover")["priority"] == "2" })
	if u := r.call("GET", "/api/v1/units/E5", "", 200)["properties"].(map[string]any); u["assigned"] != nil {
		t.Errorf("the engine of home is assigned: %v", u)
	}

	// The stream names its world.
	dial := websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}
	c, _, err := dial.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/api/v1/stream?world=dover", http.Header{"Authorization": {"Bearer " + dover}})
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ World, Epoch string }
	if err := c.ReadJSON(&f); err != nil || f.World != "dover" {
		t.Errorf("the first frame is of the world %q, %v", f.World, err)
	}
	c.Close()

	// An exercise says so in its first frame, and its public world too.
	for _, audience := range []string{"ops", "brief", "public"} {
		c, _, err := dial.Dial("ws"+strings.TrimPrefix(r.base, "http")+"/api/v1/stream?world=isfahan&audience="+audience, http.Header{"Authorization": {"Bearer " + all}})
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Exercise bool }
		if err := c.ReadJSON(&f); err != nil || !f.Exercise {
			t.Errorf("the first frame for %s does not say that it is an exercise: %v", audience, err)
		}
		c.Close()
	}
	if open := r.call("GET", "/public/v1/snapshot.json?world=isfahan", "", 200); open["exercise"] != true {
		t.Errorf("the public snapshot of an exercise is %v", open)
	}

	// What stops in between is made good at the next start.
	r.call("POST", "/api/v1/incidents/F1/share", `{"worlds":["dover","isfahan"]}`, 200)
	if status := r.stop(); status != 0 {
		t.Fatalf("exit status %d: %s", status, r.log)
	}
	r = serving(t, data, "--config", file)
	r.token = all
	eventually(t, "isfahan has the image", func() bool { return image("isfahan") != nil })
	if got := image("isfahan"); got["name"] != "Barn fire" {
		t.Errorf("isfahan sees %v", got)
	}

	// It ends.
	r.call("POST", "/api/v1/incidents/F1/close", "", 200)
	eventually(t, "both images are closed and the engine is free", func() bool {
		u := r.call("GET", "/api/v1/units/E5?world=dover", "", 200)["properties"].(map[string]any)
		return image("dover")["status"] == "closed" && image("isfahan")["closed_at"] != nil && u["assigned"] == nil && u["status"] == "available"
	})
	if status := r.stop(); status != 0 {
		t.Fatalf("exit status %d: %s", status, r.log)
	}
	// Each folder is one for the command line.
	for _, dir := range []string{data, filepath.Join(data, "worlds", "dover")} {
		status, out, log := cli("check", "--data", dir)
		if status != 0 || !strings.Contains(out, "whole") {
			t.Errorf("check %s: %d %s%s", dir, status, out, log)
		}
		if status, out, log = cli("audit", "verify", "--data", dir); status != 0 {
			t.Errorf("audit verify %s: %d %s%s", dir, status, out, log)
		}
	}
	if n := hits(t, filepath.Join(data, "worlds"), "Zahra Amini", "behind the mill"); n["Zahra Amini"]+n["behind the mill"] != 0 {
		t.Errorf("what is private at home lies in other worlds: %v", n)
	}
}

func TestABadWorldIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"worlds:\n  live: {}\n":                    "home world",
		"worlds:\n  Dover: {}\n":                   "small letters",
		"worlds:\n  dover: {preset: xx}\n":         "no preset xx",
		"worlds:\n  dover: {city: /none/such}\n":   "/none/such",
		"worlds:\n  dover: {journal: elsewhere}\n": "journal",
	} {
		status, _, log := cli("serve", "--data", t.TempDir(), "--config", writeFile(t, text))
		if status != 2 || !strings.Contains(log, want) {
			t.Errorf("%q: status %d, %s", text, status, log)
		}
	}
}
