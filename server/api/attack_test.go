package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/server/access"
	"rasad/server/api"
)

// What somebody may try who has no right to come in, or a page that the person with a
// session happens to open. SECURITY.md says which requirement each stands for.

const victimPassword = "seven herons on the weir"

// victim is an account with a session in a browser; cookie is its header.
func (h *house) victim(t testing.TB, name string, role access.Role) (cookie string) {
	t.Helper()
	h.account(t, name, role)
	return h.comeIn(t, name)
}

// victimHash is made once: a hash takes as long as it should.
var victimHash = sync.OnceValues(func() (string, error) {
	return access.NewHasher(access.DefaultHashParams, 1).Hash(context.Background(), victimPassword)
})

func (h *house) account(t testing.TB, name string, role access.Role) access.Account {
	t.Helper()
	hash, err := victimHash()
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.gate.Register.Create(t.Context(), access.Act{By: "test", At: time.Now()}, access.NewAccount{Name: name, Role: role, Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (h *house) comeIn(t testing.TB, name string, headers ...string) (cookie string) {
	t.Helper()
	a := h.do("POST", "/api/v1/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, victimPassword), append([]string{"Authorization", ""}, headers...)...).want(200)
	return sessionCookie(t, a).String()[:strings.Index(sessionCookie(t, a).String(), ";")]
}

func sessionCookie(t testing.TB, a answer) *http.Cookie {
	t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == access.CookieLoopback || c.Name == access.CookieSecure {
			return c
		}
	}
	t.Fatalf("no session's cookie among %q", a.header.Values("Set-Cookie"))
	return nil
}

// raw sends bytes as they are and returns the answer; what net/http would not send is
// what an attacker sends.
func (h *house) raw(t testing.TB, request string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.80q: %v", request, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestCrossSiteWebSocketHijacking: a page elsewhere opens the stream; the browser adds
// the cookie by itself.
func TestCrossSiteWebSocketHijacking(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.Origins = []string{"https://console.example"} })
	cookie := h.victim(t, "zahra", access.Dispatcher)
	host := strings.TrimPrefix(h.url, "http://")
	_, port, _ := net.SplitHostPort(host)
	for origin, want := range map[string]bool{
		h.url: true, "https://console.example": true,
		"https://evil.example": false, "null": false, "": false, "http://127.0.0.1": false, "http://localhost:" + port: false, "http://" + host + ".evil.example": false,
		"http://evil.example#" + host: false, "http://" + host + "@evil.example": false, "http://console.example": false, "https://console.example.evil.example": false,
		"file://": false, "http://[::1]:" + port: false,
	} {
		header := http.Header{"Cookie": {cookie}}
		if origin != "" {
			header.Set("Origin", origin)
		}
		c, res, err := (&websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}}).Dial("ws"+strings.TrimPrefix(h.url, "http")+"/api/v1/stream", header)
		if (err == nil) != want {
			t.Errorf("origin %q: %v, want it open: %v", origin, err, want)
		}
		if err == nil {
			c.Close()
		} else if res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v", origin, res)
		}
	}
}

// TestEveryWriteOfTheContractRefusesForeignPages asks each call that changes something,
// with the cookie that a browser would add, in each way a page elsewhere can.
func TestEveryWriteOfTheContractRefusesForeignPages(t *testing.T) {
	h := newHouse(t)
	cookie := h.victim(t, "zahra", access.Admin)
	doc, _ := document()
	pages := map[string][]string{
		"a page elsewhere":            {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"a page of a neighbour":       {"Sec-Fetch-Site", "same-site", "Origin", "https://other.example"},
		"an old browser":              {"Origin", "https://evil.example"},
		"a page in a sandbox":         {"Origin", "null"},
		"a page on the same machine":  {"Origin", "http://127.0.0.1:1"},
		"metadata that contradicts":   {"Sec-Fetch-Site", "cross-site", "Origin", h.url},
		"a form":                      {"Sec-Fetch-Site", "cross-site", "Content-Type", "application/x-www-form-urlencoded"},
		"a form as text":              {"Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"},
		"a form with a file":          {"Origin", "https://evil.example", "Content-Type", "multipart/form-data; boundary=x"},
		"a method in another's guise": {"Sec-Fetch-Site", "cross-site", "X-HTTP-Method-Override", "GET"},
	}
	calls := 0
	for path, item := range doc.Paths.Map() {
		path = strings.NewReplacer("{id}", "E7", "{token}", "x", "{name}", "x", "{code}", "x", "{sid}", "x", "{z}", "0", "{x}", "0", "{y}", "0", "{file}", "x").Replace(path)
		for method := range item.Operations() {
			changes := method != "GET" || strings.HasPrefix(path, "/feeds/") || strings.HasSuffix(path, "/caller") || strings.Contains(path, "/personal/")
			if !changes {
				continue
			}
			calls++
			for page, headers := range pages {
				a := h.do(method, path, "{}", append([]string{"Cookie", cookie, "Authorization", ""}, headers...)...)
				if a.status != http.StatusForbidden || a.at("type") != "urn:rasad:problem:cross-origin" {
					t.Errorf("%s: %s %s: got %d %.100s", page, method, path, a.status, a.body)
				}
			}
		}
	}
	if calls < 30 {
		t.Errorf("only %d calls that change something were found", calls)
	}
	// An image on a foreign page cannot move a unit, open a caller, or end a session.
	for _, path := range []string{"/feeds/osmand?id=E7&lat=1&lon=1", "/api/v1/incidents/I1/caller?reason=x"} {
		h.do("GET", path, "", "Cookie", cookie, "Authorization", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "image").want(http.StatusForbidden)
	}
	h.get("/api/v1/session", "Cookie", cookie, "Authorization", "").want(200)
}

// TestForeignPagesReadNothing: no answer lets a page elsewhere read it, with or without
// credentials; the public world, without them, alone.
func TestForeignPagesReadNothing(t *testing.T) {
	h := newHouse(t)
	cookie := h.victim(t, "zahra", access.Admin)
	for _, path := range []string{"/api/v1/units", "/api/v1/session", "/api/v1/accounts", "/metrics", "/wall", "/api/openapi.json", "/public/v1/snapshot.json"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			a := h.do(method, path, "", "Cookie", cookie, "Authorization", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT")
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: credentials are allowed to %q", method, path, a.header.Get("Access-Control-Allow-Origin"))
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" && !strings.HasPrefix(path, "/public/") {
				t.Errorf("%s %s: %q may read it", method, path, a.header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
}

// TestASessionCannotBePlanted: what the browser brought before sign-in is worth nothing
// after it, whether it was made up or the attacker's own.
func TestASessionCannotBePlanted(t *testing.T) {
	h := newHouse(t)
	h.account(t, "zahra", access.Dispatcher)
	attackers := h.victim(t, "eve", access.Viewer)
	for name, planted := range map[string]string{"made up": access.CookieLoopback + "=" + strings.Repeat("A", 43), "the attacker's own": attackers} {
		got := h.comeIn(t, "zahra", "Cookie", planted)
		if got == planted {
			t.Fatalf("%s: the session goes on under the secret that was planted", name)
		}
		h.get("/api/v1/session", "Cookie", planted, "Authorization", "").want(http.StatusUnauthorized)
		if a := h.get("/api/v1/session", "Cookie", got, "Authorization", "").want(200); !strings.Contains(string(a.body), "zahra") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	// A session in the address is nobody's.
	_, secret, _ := strings.Cut(h.comeIn(t, "zahra"), "=")
	for _, path := range []string{"/api/v1/session?session=" + secret, "/api/v1/session?" + access.CookieLoopback + "=" + secret, "/api/v1/session;" + access.CookieLoopback + "=" + secret} {
		if a := h.get(path, "Authorization", ""); a.status == 200 {
			t.Errorf("%.40s…: came in", path)
		}
	}
}

// TestWhatIsOverOpensNothing replays secrets that were good.
func TestWhatIsOverOpensNothing(t *testing.T) {
	h := newHouse(t)
	a := h.account(t, "zahra", access.Dispatcher)
	over := map[string]string{}
	out := h.comeIn(t, "zahra")
	h.do("DELETE", "/api/v1/session", "", "Cookie", out, "Authorization", "").want(http.StatusNoContent)
	over["signed out"] = out
	up := h.comeIn(t, "zahra")
	risen := h.do("POST", "/api/v1/session/stepup", fmt.Sprintf(`{"password":%q}`, victimPassword), "Cookie", up, "Authorization", "").want(200)
	over["before the step-up"] = up
	if c := sessionCookie(t, risen); c.Name+"="+c.Value == up {
		t.Error("a step-up left the secret as it was")
	}
	revoked := h.comeIn(t, "zahra")
	h.gate.Sessions.Revoke(t.Context(), func(s access.Session) bool { return s.Account == a.ID })
	over["revoked"] = revoked
	role := access.Viewer
	changed := h.comeIn(t, "zahra")
	if _, err := h.gate.Register.Change(t.Context(), access.Act{By: "test", At: time.Now()}, a.ID, access.AccountChanges{Role: &role}); err != nil {
		t.Fatal(err)
	}
	over["of another role"] = changed
	for name, cookie := range over {
		if res := h.get("/api/v1/units", "Cookie", cookie, "Authorization", ""); res.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, res.status)
		}
		_, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.url, "http")+"/api/v1/stream", http.Header{"Cookie": {cookie}, "Origin": {h.url}})
		if err == nil {
			continue // opened to be told 4401, which stream tests look at
		}
		if res == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: a socket: %v %v", name, res, err)
		}
	}
	text, id, err := h.gate.Tokens.IssueWith(access.TokenOptions{Role: "viewer", Name: "cad"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.get("/api/v1/units", "Authorization", "Bearer "+text).want(200)
	if err := h.gate.Tokens.Revoke(access.Act{By: "test", At: time.Now()}, id); err != nil {
		t.Fatal(err)
	}
	h.get("/api/v1/units", "Authorization", "Bearer "+text).want(http.StatusUnauthorized)
}

// TestSignInTakesTheSameTime compares medians, not single runs: an argon2id that is left
// out is a factor of ten and more, noise of a busy machine is not.
func TestSignInTakesTheSameTime(t *testing.T) {
	n := 0
	h := newHouse(t, func(d *api.Deps) {
		d.LoopbackOnly = false
		d.Client = func(*http.Request) (bool, string) {
			n++
			return true, fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
		} // so that nobody has to wait
	})
	disabled := true
	const rounds = 7
	names := map[string][]string{}
	for i := range rounds {
		known := h.account(t, fmt.Sprint("known", i), access.Viewer)
		off := h.account(t, fmt.Sprint("off", i), access.Viewer)
		if _, err := h.gate.Register.Change(t.Context(), access.Act{By: "test", At: time.Now()}, off.ID, access.AccountChanges{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
		names["known"] = append(names["known"], known.Name)
		names["disabled"] = append(names["disabled"], off.Name)
		names["unknown"] = append(names["unknown"], fmt.Sprint("nobody", i))
	}
	took := map[string][]time.Duration{}
	for i := range rounds {
		for who := range names {
			runs := h.gate.Hasher.Runs()
			began := time.Now()
			h.do("POST", "/api/v1/session", fmt.Sprintf(`{"name":%q,"password":"not the password"}`, names[who][i]), "Authorization", "").want(http.StatusUnauthorized)
			took[who] = append(took[who], time.Since(began))
			if ran := h.gate.Hasher.Runs() - runs; ran != 1 {
				t.Errorf("%s: argon2id ran %d times, want 1", who, ran)
			}
		}
	}
	median := func(who string) time.Duration { slices.Sort(took[who]); return took[who][rounds/2] }
	known := median("known")
	for _, who := range []string{"unknown", "disabled"} {
		if m := median(who); m < known/3 || m > known*3 {
			t.Errorf("an account that is %s answers after %v, one that is known after %v", who, m, known)
		}
	}
}

// TestBodiesAreBoundedBeforeTheyAreRead: what is too large, compressed or without an
// end costs no memory and no goroutine.
func TestBodiesAreBoundedBeforeTheyAreRead(t *testing.T) {
	defer api.ShortenBodyWait(300 * time.Millisecond)()
	h := newHouse(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 64<<20)) // 64 MiB in 64 KiB; a Buffer takes all
	_ = z.Close()
	for name, tt := range map[string]struct {
		method, path, body string
		headers            []string
		want               int
	}{
		"a megabyte and a byte":     {"PUT", "/api/v1/units/E7", strings.Repeat(" ", 1<<20+1), nil, 413},
		"a long sign-in":            {"POST", "/api/v1/session", `{"name":"` + strings.Repeat("a", 64<<10) + `"}`, nil, 413},
		"a long message of a feed":  {"POST", "/feeds/osmand", strings.Repeat("a", 64<<10+1), []string{"Content-Type", "application/json"}, 413},
		"a bomb":                    {"PUT", "/api/v1/units/E7", bomb.String(), []string{"Content-Encoding", "gzip"}, 415},
		"a bomb in two layers":      {"PUT", "/api/v1/units/E7", bomb.String(), []string{"Content-Encoding", "gzip, gzip"}, 415},
		"a bomb that says deflate":  {"POST", "/feeds/owntracks", bomb.String()[:60<<10], []string{"Content-Encoding", "deflate"}, 415},
		"a bomb that says nothing":  {"PUT", "/api/v1/units/E7", bomb.String(), nil, 400},
		"another charset":           {"PUT", "/api/v1/units/E7", "{}", []string{"Content-Type", "application/json; charset=utf-7"}, 415},
		"an address of 20 kilobyte": {"GET", "/api/v1/units?bbox=" + strings.Repeat("1", 20<<10), "", nil, 400},
	} {
		if a := h.do(tt.method, tt.path, tt.body, tt.headers...); a.status != tt.want {
			t.Errorf("%s: got %d %.100s, want %d", name, a.status, a.body, tt.want)
		}
	}
	began := time.Now()
	res := h.raw(t, "POST /api/v1/session HTTP/1.1\r\nHost: "+strings.TrimPrefix(h.url, "http://")+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if res.StatusCode != http.StatusRequestTimeout || time.Since(began) > 30*time.Second {
		t.Errorf("a body that does not come: %s after %v", res.Status, time.Since(began))
	}
}

// TestPathTricks asks for paths that a proxy, a router and a disk may read differently.
func TestPathTricks(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, `"note":"canary-e7"`).want(201)
	host := strings.TrimPrefix(h.url, "http://")
	paths := []string{
		"/../../../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../etc/passwd", "/assets/..%5c..%5cetc%5cpasswd",
		"/city/..%2f..%2f..%2fetc%2fpasswd", "/city/%2e%2e", "/city/....//....//etc/passwd", "/tiles/0/0/..%2f..%2fsecret.pbf", "/city/basemap.pmtiles%00.txt", "/index.html%00",
		"//evil.example/%2e%2e", "//evil.example", "/\\evil.example", "/%5cevil.example", "/.keep", "/.git/config", "/keys", "/rasad.sock", "/accounts.jsonl",
		"/api/v1/../v1/units", "/api/v1//units", "//api/v1/units", "/API/v1/units", "/api/V1/units", "/api/v1/units/", "/api/v1/%75nits", "/api/v1/units%2f", "/api/v1/units%00",
		"/api/v1/units;x=y", "/api/v1/units%20", "/api/v1/./units", "/api/v1/public/../units", "/public/../api/v1/units", "/public/v1/..%2f..%2fapi/v1/units", "/assets/..%2fapi/v1/units",
		"/api/v1/units/nearest/", "/api/v1/units/nearest%3flon=1&lat=1", "/api/v1/units/..%2fincidents", "/healthz/../api/v1/units", "/wall/../api/v1/units", "/ca.pem/../api/v1/units",
		"http://" + host + "/api/v1/units", "http://evil.example/api/v1/units", "/api/v1/units#/healthz", "/%", "/%zz", "/api/v1/units/%ff%fe",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "CONNECT"} {
			res := h.raw(t, method+" "+path+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode < 400 || res.StatusCode >= 500 {
				t.Errorf("%s %s: %s to %q: %.80q", method, path, res.Status, res.Header.Get("Location"), b)
			}
			if bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte("root:")) {
				t.Errorf("%s %s: %.80q", method, path, b)
			}
		}
	}
}

// TestHeaderTricks: headers that two readers may read differently, or that say who one
// is without being asked.
func TestHeaderTricks(t *testing.T) {
	h := newHouse(t)
	cookie := h.victim(t, "zahra", access.Viewer)
	host := strings.TrimPrefix(h.url, "http://")
	ask := func(lines ...string) *http.Response {
		t.Helper()
		return h.raw(t, "GET /api/v1/units HTTP/1.1\r\n"+strings.Join(lines, "\r\n")+"\r\nConnection: close\r\n\r\n")
	}
	at := "Host: " + host
	if res := ask(at, "Cookie: "+cookie); res.StatusCode != 200 {
		t.Fatalf("the cookie itself: %s", res.Status)
	}
	for name, tt := range map[string]struct {
		lines []string
		want  []int
	}{
		"two cookies in a line":          {[]string{at, "Cookie: " + cookie + "; " + access.CookieLoopback + "=x"}, []int{400, 401}},
		"two cookies in two lines":       {[]string{at, "Cookie: " + cookie, "Cookie: " + access.CookieLoopback + "=x"}, []int{400, 401}},
		"the cookie of TLS without TLS":  {[]string{at, "Cookie: " + strings.Replace(cookie, access.CookieLoopback, access.CookieSecure, 1)}, []int{401}},
		"two tokens":                     {[]string{at, "Authorization: Bearer " + h.token, "Authorization: Bearer x"}, []int{400, 401}},
		"a token that is not good":       {[]string{at, "Cookie: " + cookie, "Authorization: Bearer x"}, []int{401}},
		"a password":                     {[]string{at, "Authorization: Basic emFocmE6eA=="}, []int{401}},
		"a proxy's word":                 {[]string{at, "X-Forwarded-For: 127.0.0.1", "X-Forwarded-User: zahra", "X-Remote-User: zahra", "X-Real-IP: 127.0.0.1"}, []int{401}},
		"TLS by a stranger's word":       {[]string{at, "X-Forwarded-Proto: https", "Cookie: " + strings.Replace(cookie, access.CookieLoopback, access.CookieSecure, 1)}, []int{401}},
		"the address of another":         {[]string{at, "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz"}, []int{401}},
		"a name that was bound anew":     {[]string{"Host: evil.example", "Cookie: " + cookie}, []int{403}},
		"a name that only looks like it": {[]string{"Host: localhost.evil.example", "Cookie: " + cookie}, []int{403}},
		"no host":                        {nil, []int{400}},
		"two hosts":                      {[]string{at, "Host: evil.example"}, []int{400}},
		"two lengths":                    {[]string{at, "Content-Length: 0", "Content-Length: 5"}, []int{400}},
		"a length and chunks":            {[]string{at, "Content-Length: 5", "Transfer-Encoding: chunked", "", "0", ""}, []int{400, 401}},
		"chunks that are not":            {[]string{at, "Transfer-Encoding: xchunked"}, []int{400, 501}},
		"a space before the colon":       {[]string{at, "Authorization : Bearer " + h.token}, []int{400}},
		"a line that goes on":            {[]string{at, "X-A: b", " Authorization: Bearer " + h.token}, []int{400, 401}},
		"a NUL":                          {[]string{at, "X-A: \x00"}, []int{400}},
	} {
		if res := ask(tt.lines...); !slices.Contains(tt.want, res.StatusCode) {
			t.Errorf("%s: %s, want one of %v", name, res.Status, tt.want)
		}
	}
	a := h.get("/nowhere%0d%0aSet-Cookie:%20a=b", "Authorization", "")
	if a.header.Get("Set-Cookie") != "" || a.status != 404 {
		t.Errorf("a header came in by the address: %d %v", a.status, a.header)
	}
}

// TestJSONFloods: bodies whose shape is the attack are refused, and the server goes on.
func TestJSONFloods(t *testing.T) {
	h := newHouse(t)
	keys := func(n int, key func(int) string) string {
		var b strings.Builder
		b.WriteString(`{"properties":{`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q:1", key(i))
		}
		b.WriteString("}}")
		return b.String()
	}
	for name, tt := range map[string]struct {
		body string
		want []int
	}{
		"50,000 names":           {keys(50_000, func(i int) string { return fmt.Sprint("k", i) }), []int{400, 413, 201}},
		"names that collide":     {keys(30_000, func(i int) string { return strings.Repeat("Aa", i%8) + strings.Repeat("BB", 7-i%8) + fmt.Sprint(i) }), []int{400, 413, 201}},
		"one name again":         {keys(50_000, func(int) string { return "k" }), []int{400}},
		"half a million deep":    {strings.Repeat(`{"a":`, 170_000), []int{400}},
		"arrays, as deep":        {`{"a":` + strings.Repeat("[", 900_000), []int{400}},
		"a number of a megabyte": {`{"properties":{"n":` + strings.Repeat("9", 1_000_000) + `}}`, []int{400}},
		"a tiny huge number":     {`{"properties":{"n":1e999999999}}`, []int{400}},
		"a string of escapes":    {`{"properties":{"name":"` + strings.Repeat(`\u0041`, 150_000) + `"}}`, []int{400, 413, 201}},
		"half a surrogate":       {`{"properties":{"name":"\ud800"}}`, []int{400, 201}},
		"NUL in a name":          {`{"properties":{"a\u0000b":1}}`, []int{400}},
		"__proto__":              {`{"__proto__":{"role":"admin"}}`, []int{400}},
	} {
		if a := h.do("PUT", "/api/v1/units/J1", tt.body); !slices.Contains(tt.want, a.status) {
			t.Errorf("%s: %d %.100s, want one of %v", name, a.status, a.body, tt.want)
		}
	}
	h.get("/healthz").want(200)
}

// TestSocketFloods: who floods a socket loses it, and nobody else notices.
func TestSocketFloods(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	open := func() *websocket.Conn {
		t.Helper()
		c, res, err := (&websocket.Dialer{Subprotocols: []string{"rasad.json.v1"}, EnableCompression: true}).Dial("ws"+strings.TrimPrefix(h.url, "http")+"/api/v1/stream", h.bearer())
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("compression was agreed on, %q: a bomb of a frame would be unpacked", got)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	floods := map[string]struct {
		flood func(c *websocket.Conn)
		want  []int
	}{
		"a message of two megabytes": {func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, make([]byte, 2<<20)) }, []int{1009}},
		"20,000 small messages": {func(c *websocket.Conn) {
			for range 20_000 {
				if c.WriteMessage(websocket.TextMessage, []byte(`{"clock":1}`)) != nil {
					return
				}
			}
		}, []int{1013, 1006}},
		"a message without an end": {func(c *websocket.Conn) {
			w, err := c.NextWriter(websocket.TextMessage)
			for i := 0; err == nil && i < 1000; i++ {
				_, err = w.Write(make([]byte, 64<<10))
			}
		}, []int{1009, 1006}},
		"bytes":            {func(c *websocket.Conn) { _ = c.WriteMessage(websocket.BinaryMessage, []byte{1, 2, 3}) }, []int{1007}},
		"nothing of sense": {func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, []byte("[[[[")) }, []int{1007}},
	}
	watcher := open()
	var wg sync.WaitGroup
	for name, tt := range floods {
		c := open()
		wg.Go(func() {
			go tt.flood(c)
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					if !websocket.IsCloseError(err, tt.want...) && !strings.Contains(err.Error(), "reset by peer") && !strings.Contains(err.Error(), "broken pipe") {
						t.Errorf("%s: %v, want one of %v", name, err, tt.want)
					}
					return
				}
			}
		})
	}
	for range 20 { // five heartbeats a second at most; each must come
		_ = watcher.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, _, err := watcher.ReadMessage(); err != nil {
			t.Fatalf("who does no harm lost the stream: %v", err)
		}
	}
	wg.Wait()
	h.get("/healthz").want(200)
}

// TestCookiesAreClosed looks at the flags, on TLS, on loopback, and where neither is.
func TestCookiesAreClosed(t *testing.T) {
	tls := false
	h := newHouse(t, func(d *api.Deps) {
		d.LoopbackOnly = false
		d.Client = func(r *http.Request) (bool, string) { return tls, "192.0.2.1" }
	})
	h.account(t, "zahra", access.Viewer)
	body := fmt.Sprintf(`{"name":"zahra","password":%q}`, victimPassword)
	for _, tls = range []bool{true, false} {
		a := h.do("POST", "/api/v1/session", body, "Authorization", "").want(200)
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure != tls || strings.HasPrefix(c.Name, "__Host-") != tls {
				t.Errorf("TLS %v: %s", tls, c)
			}
		}
		c := sessionCookie(t, a)
		bye := h.do("DELETE", "/api/v1/session", "", "Cookie", c.Name+"="+c.Value, "Authorization", "").want(http.StatusNoContent)
		if gone := sessionCookie(t, bye); gone.MaxAge >= 0 || gone.Value != "" || gone.Secure != tls {
			t.Errorf("TLS %v: the cookie is not taken: %s", tls, gone)
		}
	}
	a := h.do("POST", "/api/v1/session", body, "Authorization", "", "Host", "rasad.city.example").want(http.StatusForbidden)
	if a.at("type") != "urn:rasad:problem:tls-needed" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("a password over a plain wire: %s, cookies %q", a.body, a.header.Values("Set-Cookie"))
	}
}

// TestErrorsTellNothingOfTheInside: no path, no type of ours, no stack.
func TestErrorsTellNothingOfTheInside(t *testing.T) {
	h := newHouse(t)
	for _, tt := range [][3]string{{"GET", "/feeds/osmand?id=panic", ""}, {"PUT", "/api/v1/units/E7", `{"geometry":{"type":"Point","coordinates":"x"}}`}, {"GET", "/api/v1/units?cursor=%00", ""},
		{"POST", "/api/v1/session", `{"name":5}`}, {"GET", "/nowhere", ""}} {
		a := h.do(tt[0], tt[1], tt[2])
		for _, inside := range []string{"goroutine", ".go:", "panic", "rasad/server", "/root", "/home", "0x", "runtime."} {
			if a.status < 400 || bytes.Contains(a.body, []byte(inside)) {
				t.Errorf("%s %s: %d tells of %q: %s", tt[0], tt[1], a.status, inside, a.body)
			}
		}
		if a.header.Get("Server") != "" || a.header.Get("X-Powered-By") != "" {
			t.Errorf("%s tells what it runs on: %v", tt[1], a.header)
		}
	}
}

// TestNothingIsAnsweredByGuessing sends methods that other servers obey.
func TestNothingIsAnsweredByGuessing(t *testing.T) {
	h := newHouse(t)
	for _, method := range []string{"TRACE", "TRACK", "DEBUG", "PROPFIND", "MOVE", "OPTIONS", "get"} {
		r := httptest.NewRequest("GET", h.url+"/api/v1/units", nil)
		r.RequestURI, r.Method = "", method
		r.Header.Set("X-Canary", "reflected")
		a := h.send(r)
		if a.status < 400 && method != "OPTIONS" || bytes.Contains(a.body, []byte("reflected")) {
			t.Errorf("%s: %d %.80s", method, a.status, a.body)
		}
	}
}
