package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/server/access"
	"rasad/server/api"
)

// browser is a browser of one person: it keeps cookies, and shows them to nobody else.
type browser struct {
	h       *house
	cookies map[string]*http.Cookie
}

func (h *house) browser() *browser { return &browser{h, map[string]*http.Cookie{}} }

func (b *browser) do(method, path, body string, headers ...string) answer {
	b.h.t.Helper()
	var jar []string
	for _, c := range b.cookies {
		jar = append(jar, c.Name+"="+c.Value)
	}
	a := b.h.do(method, path, body, append([]string{"Authorization", "", "Cookie", strings.Join(jar, "; "), "User-Agent", "Testfox/1"}, headers...)...)
	for _, line := range a.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.h.t.Fatalf("Set-Cookie %q: %v", line, err)
		}
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			b.h.t.Errorf("the cookie %s is not closed: %s", c.Name, line)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c
	}
	return a
}

func (b *browser) get(path string, headers ...string) answer {
	b.h.t.Helper()
	return b.do("GET", path, "", headers...)
}

// secret is that of the session.
func (b *browser) secret() string {
	if c := b.cookies[access.CookieLoopback]; c != nil {
		return c.Value
	}
	return ""
}

// code is the code of a problem.
func (a answer) code() string {
	s, _ := a.at("type").(string)
	return strings.TrimPrefix(s, "urn:rasad:problem:")
}

// refused wants a problem.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	if a.want(status); a.code() != code {
		a.t.Fatalf("got %s, want %s: %s", a.code(), code, a.body)
	}
	return a
}

const goodPassword, newPassword = "an otter swims at dusk", "seven herons stand in reeds"

// town is a house whose passwords cost little, with an admin who is signed in.
func town(t *testing.T, change ...func(*api.Deps)) (*house, *browser) {
	t.Helper()
	h := newHouse(t, change...)
	h.gate.Hasher = access.NewHasher(access.HashParams{MemoryKiB: 64, Passes: 1, Lanes: 1}, 2)
	h.person("boss", access.Admin)
	b := h.browser()
	b.signIn("boss")
	return h, b
}

func (h *house) person(name string, role access.Role, more ...func(*access.NewAccount)) access.Account {
	h.t.Helper()
	hash, err := h.gate.NewPassword(h.t.Context(), goodPassword)
	if err != nil {
		h.t.Fatal(err)
	}
	in := access.NewAccount{Name: name, Display: "The " + name, Role: role, Hash: hash}
	switch role {
	case access.AgencyOfficer:
		in.Agencies = []string{"fire"}
	case access.ShelterKeeper:
		in.Shelters = []string{"S1"}
	}
	for _, f := range more {
		f(&in)
	}
	a, err := h.gate.Register.Create(h.t.Context(), access.Act{By: "test", At: time.Now()}, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func form(pairs ...any) string {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func (b *browser) signIn(name string) answer {
	b.h.t.Helper()
	return b.do("POST", "/api/v1/session", form("name", name, "password", goodPassword)).want(200)
}

// settled takes the second proof back, as ten minutes do.
func (b *browser) settled() {
	b.h.t.Helper()
	id := b.get("/api/v1/session").want(200).at("session").(string)
	text, _, err := b.h.gate.Sessions.Rotate(b.h.t.Context(), time.Now(), id, func(s *access.Session) { s.SteppedUp = time.Time{} })
	if err != nil {
		b.h.t.Fatal(err)
	}
	b.cookies[access.CookieLoopback].Value = text
}

func TestSetup(t *testing.T) {
	h := newHouse(t)
	h.gate.Hasher = access.NewHasher(access.HashParams{MemoryKiB: 64, Passes: 1, Lanes: 1}, 2)
	token, err := h.gate.Register.IssueSetup(t.Context(), access.Act{By: "system", At: time.Now()}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	b.get("/api/v1/session").refused(401, "sign-in")
	good := func(token string) string {
		return form("token", token, "name", " Amini ", "password", goodPassword, "display_name", "زهرا امینی", "language", "fa")
	}
	runs := h.gate.Hasher.Runs()
	b.do("POST", "/api/v1/setup", good("x")).refused(403, "setup")
	b.do("POST", "/api/v1/setup", good("")).refused(403, "setup")
	if h.gate.Hasher.Runs() != runs {
		t.Error("a wrong link cost a hash")
	}
	b.do("POST", "/api/v1/setup", form("token", token, "name", "amini", "password", "password1234")).refused(400, "password-common")
	b.do("POST", "/api/v1/setup", form("token", token, "name", "a", "password", goodPassword)).refused(400, "account-name")
	b.do("POST", "/api/v1/setup", form("token", token, "name", "amini", "password", goodPassword, "language", "<script>")).refused(400, "language")
	b.do("POST", "/api/v1/setup", good(token), "Sec-Fetch-Site", "cross-site").refused(403, "cross-origin")
	if len(b.cookies) != 0 {
		t.Errorf("a refusal brought the cookies %v", b.cookies)
	}
	who := b.do("POST", "/api/v1/setup", good(token)).want(201)
	if who.at("kind") != "person" || who.at("role") != "admin" || who.at("account", "name") != "amini" || who.at("account", "language") != "fa" || who.at("audience") != "ops" ||
		who.at("stepped_up_until") == nil || who.at("must_change") != false {
		t.Errorf("the first account: %s", who.body)
	}
	if c := b.cookies[access.CookieLoopback]; c == nil || c.Secure || c.MaxAge <= 0 {
		t.Errorf("the cookie of the session: %v", c)
	}
	if again := b.get("/api/v1/session").want(200); string(again.body) == "" || again.at("account", "id") != who.at("account", "id") {
		t.Errorf("who afterwards: %s", again.body)
	}
	h.browser().do("POST", "/api/v1/setup", good(token)).refused(403, "setup")
}

func TestASessionNeedsTLS(t *testing.T) {
	h, _ := town(t, func(d *api.Deps) {
		d.LoopbackOnly = false
		d.Client = func(r *http.Request) (bool, string) { return r.Header.Get("X-Test-TLS") != "", "203.0.113.7" }
	})
	body := form("name", "boss", "password", goodPassword)
	for _, path := range []string{"/api/v1/session", "/api/v1/devices/enrolments"} {
		h.do("POST", path, body, "Authorization", "", "Host", "rasad.example").refused(403, "tls-needed")
	}
	a := h.do("POST", "/api/v1/session", body, "Authorization", "", "Host", "rasad.example", "X-Test-TLS", "1").want(200)
	c, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	if err != nil || c.Name != access.CookieSecure || !c.Secure {
		t.Errorf("the cookie behind TLS: %v %v", c, err)
	}
	if a.at("session") == nil {
		t.Errorf("who: %s", a.body)
	}
	secure := access.CookieSecure + "=" + c.Value
	h.do("GET", "/api/v1/session", "", "Authorization", "", "Host", "rasad.example", "X-Test-TLS", "1", "Cookie", secure).want(200)
	// The same secret over a plain wire, or under the other name, opens nothing.
	h.do("GET", "/api/v1/session", "", "Authorization", "", "Host", "rasad.example", "Cookie", secure).refused(401, "sign-in")
	h.do("GET", "/api/v1/session", "", "Authorization", "", "Host", "rasad.example", "X-Test-TLS", "1", "Cookie", access.CookieLoopback+"="+c.Value).refused(401, "sign-in")
	h.do("GET", "/api/v1/session", "", "Authorization", "", "Host", "rasad.example", "X-Test-TLS", "1", "Cookie", secure+"; "+secure).want(401)
}

func TestSignInTellsNothing(t *testing.T) {
	h, _ := town(t)
	gone := h.person("gone", access.Dispatcher)
	h.person("linked", access.Dispatcher, func(in *access.NewAccount) { in.Hash = "" })
	off := true
	if _, err := h.gate.Register.Change(t.Context(), access.Act{At: time.Now()}, gone.ID, access.AccountChanges{Disabled: &off}); err != nil {
		t.Fatal(err)
	}
	var first []byte
	for _, try := range [][2]string{{"boss", "wrong password here"}, {"nobody", goodPassword}, {"gone", goodPassword}, {"linked", goodPassword}, {"linked", ""},
		{"", ""}, {"Boss\x01", goodPassword}, {strings.Repeat("ا", 500), goodPassword}, {"boss", strings.Repeat("x", 900)}} {
		runs := h.gate.Hasher.Runs()
		a := h.browser().do("POST", "/api/v1/session", form("name", try[0], "password", try[1])).refused(401, "credentials")
		if first == nil {
			first = a.body
		}
		if string(a.body) != string(first) || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%.20q: the answer differs: %s %v", try[0], a.body, a.header)
		}
		if n := h.gate.Hasher.Runs() - runs; n != 1 {
			t.Errorf("%.20q: %d hashes were made, want 1", try[0], n)
		}
	}
	if strings.Contains(h.logs.String(), goodPassword) || strings.Contains(h.logs.String(), "wrong password") {
		t.Error("a password stands in the log")
	}
}

func TestFixationReplayAndLeaving(t *testing.T) {
	h, _ := town(t)
	h.person("amini", access.Dispatcher)
	// A stranger plants a session of their own, and a made-up one.
	h.person("mallory", access.Viewer)
	mallory := h.browser()
	mallory.signIn("mallory")
	planted := mallory.secret()
	for _, old := range []string{planted, strings.Repeat("A", 43)} {
		b := h.browser()
		b.cookies[access.CookieLoopback] = &http.Cookie{Name: access.CookieLoopback, Value: old}
		b.signIn("amini")
		if b.secret() == old || b.secret() == "" {
			t.Errorf("the session that was planted is used")
		}
	}
	if mallory.get("/api/v1/session").want(401); mallory.secret() == "" {
		t.Error("the test lost its cookie")
	}
	b := h.browser()
	b.signIn("amini")
	before := b.secret()
	b.settled()
	b.do("POST", "/api/v1/session/stepup", form("password", "not this one")).refused(401, "credentials")
	if a := b.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200); a.at("stepped_up_until") == nil {
		t.Errorf("stepped up: %s", a.body)
	}
	if b.secret() == before {
		t.Error("a rise of rights kept the secret")
	}
	after := b.secret()
	old := h.browser()
	old.cookies[access.CookieLoopback] = &http.Cookie{Name: access.CookieLoopback, Value: before}
	old.get("/api/v1/session").want(401)
	b.do("DELETE", "/api/v1/session", "", "Sec-Fetch-Site", "cross-site").refused(403, "cross-origin")
	b.do("DELETE", "/api/v1/session", "").want(204)
	if b.secret() != "" {
		t.Error("the cookie stays after leaving")
	}
	old.cookies[access.CookieLoopback].Value = after
	old.get("/api/v1/session").want(401)
	old.get("/api/v1/units").want(401)
	// A token signs nobody in or out, and steps nowhere up.
	h.do("DELETE", "/api/v1/session", "").want(403)
	h.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(403)
	if a := h.get("/api/v1/session").want(200); a.at("kind") != "token" || a.at("role") != "supervisor" || slices.Contains(a.at("may").([]any), any("account.change")) {
		t.Errorf("a token: %s", a.body)
	}
}

func TestGuessingCostsTime(t *testing.T) {
	h, _ := town(t)
	h.person("amini", access.Dispatcher)
	wrong := form("name", "amini", "password", "not the right one")
	status := []int{}
	for range 5 {
		a := h.browser().do("POST", "/api/v1/session", wrong)
		if status = append(status, a.status); a.status == 429 {
			if a.refused(429, "wait"); a.header.Get("Retry-After") == "" || a.header.Get("Retry-After") == "0" {
				t.Errorf("no Retry-After: %v", a.header)
			}
		}
	}
	if !slices.Equal(status[:2], []int{401, 401}) || status[4] != 429 {
		t.Errorf("five wrong passwords: %v", status)
	}
	runs := h.gate.Hasher.Runs()
	h.browser().do("POST", "/api/v1/session", form("name", "amini", "password", goodPassword)).refused(429, "wait")
	if h.gate.Hasher.Runs() != runs {
		t.Error("a refusal to look cost a hash")
	}
	h.browser().do("POST", "/api/v1/session", form("name", "boss", "password", goodPassword)).want(200) // nobody else waits
}

func TestBadForms(t *testing.T) {
	h, b := town(t)
	big := `{"name":"boss","password":"` + strings.Repeat("x", 70<<10) + `"}`
	for path, method := range map[string]string{"/api/v1/session": "POST", "/api/v1/setup": "POST", "/api/v1/reset": "POST", "/api/v1/devices/claim": "POST"} {
		anon := h.browser()
		anon.do(method, path, big).refused(413, "too-large")
		anon.do(method, path, "").refused(400, "invalid-json")
		anon.do(method, path, "[]").refused(400, "invalid-json")
		anon.do(method, path, `{"name":1}`).want(400)
		anon.do(method, path, `{"more":true}`).refused(400, "invalid")
		anon.do(method, path, `{"password":"a","password":"b"}`).refused(400, "invalid")
		anon.do(method, path, `{}`, "Content-Type", "text/plain").refused(415, "media-type")
		anon.do(method, path, `{}`, "Content-Encoding", "gzip").refused(415, "media-type")
	}
	for _, path := range []string{"/api/v1/accounts", "/api/v1/tokens"} {
		b.do("POST", path, big).refused(413, "too-large")
		b.do("POST", path, `{}`).want(400)
		b.do("POST", path, form("name", "x y", "role", "wall")).want(400)
		b.do("POST", path, form("name", "good", "role", "admin", "why", strings.Repeat("é", 501))).refused(400, "invalid")
	}
}

func TestSecondFactor(t *testing.T) {
	h, _ := town(t)
	h.person("amini", access.Dispatcher)
	b, other := h.browser(), h.browser()
	b.signIn("amini")
	other.signIn("amini")
	b.do("PUT", "/api/v1/account/totp", form("code", "123456")).refused(409, "no-factor")
	b.settled()
	b.do("POST", "/api/v1/account/totp", "").refused(403, "step-up")
	b.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	begun := b.do("POST", "/api/v1/account/totp", "").want(200)
	secret, codes := begun.at("secret").(string), begun.at("recovery_codes").([]any)
	if uri, err := url.Parse(begun.at("uri").(string)); err != nil || uri.Scheme != "otpauth" || uri.Query().Get("secret") != secret || len(codes) != 10 {
		t.Fatalf("begun: %s", begun.body)
	}
	h.browser().signIn("amini") // it does not count yet
	other.do("PUT", "/api/v1/account/totp", form("code", totp(secret, 0))).refused(409, "no-factor")
	b.do("PUT", "/api/v1/account/totp", form("code", "000000")).refused(401, "code-wrong")
	before := b.secret()
	who := b.do("PUT", "/api/v1/account/totp", form("code", totp(secret, 0))).want(200)
	if who.at("account", "two_factor") != true || who.at("account", "recovery_codes") != 10.0 || b.secret() == before {
		t.Errorf("confirmed: %s", who.body)
	}
	other.get("/api/v1/session").want(401)
	in := func(code string) answer {
		return h.browser().do("POST", "/api/v1/session", form("name", "amini", "password", goodPassword, "code", code))
	}
	in("").refused(401, "code-needed")
	in(totp(secret, 0)).refused(401, "code-wrong") // the one that confirmed
	next := totp(secret, 1)                        // a phone half a minute ahead
	in(next).want(200)
	in(next).refused(401, "code-wrong") // replayed
	in(strings.ToUpper(codes[3].(string))).want(200)
	in(codes[3].(string)).refused(401, "code-wrong")
	if a := b.get("/api/v1/account").want(200); a.at("recovery_codes") != 9.0 {
		t.Errorf("after one recovery code: %s", a.body)
	}
	for _, secrets := range []string{secret, codes[0].(string)} {
		if strings.Contains(h.logs.String(), secrets) {
			t.Error("a secret of the second factor stands in the log")
		}
	}
	b.do("DELETE", "/api/v1/account/totp", "").want(200)
	h.browser().signIn("amini")
}

// totp is the code of an authenticator app that is so many periods ahead.
func totp(secret string, ahead int64) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+ahead)
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

func TestOwnAccount(t *testing.T) {
	h, _ := town(t)
	h.person("amini", access.Dispatcher)
	tablet, desk := h.browser(), h.browser()
	tablet.signIn("amini")
	desk.signIn("amini")
	if a := desk.do("PATCH", "/api/v1/account", form("display_name", "Zahra", "language", "zh")).want(200); a.at("display_name") != "Zahra" || a.at("language") != "zh" || a.at("role") != "dispatcher" {
		t.Errorf("changed: %s", a.body)
	}
	desk.do("PATCH", "/api/v1/account", form("role", "admin")).refused(400, "invalid")
	desk.do("PATCH", "/api/v1/account", form("display_name", "a\x07b")).refused(400, "display-name")
	list := desk.get("/api/v1/account/sessions").want(200)
	rows := list.at("sessions").([]any)
	if len(rows) != 2 || list.at("sessions", 0, "agent") != "Testfox/1" || list.at("sessions", 0, "from") != "127.0.0.1" {
		t.Fatalf("sessions: %s", list.body)
	}
	lost := ""
	for _, r := range rows {
		if r := r.(map[string]any); r["current"] == false {
			lost = r["id"].(string)
		}
	}
	over, stop := h.gate.Sessions.Watch(lost)
	defer stop()
	desk.do("DELETE", "/api/v1/account/sessions/nothing", "").refused(404, "no-session")
	desk.settled() // a lost tablet needs no second proof
	desk.do("DELETE", "/api/v1/account/sessions/"+lost, "").want(204)
	select {
	case <-over:
	default:
		t.Error("the sockets of the session are not told")
	}
	tablet.get("/api/v1/account").want(401)
	boss := h.browser()
	boss.signIn("boss")
	own := boss.get("/api/v1/account/sessions").want(200).at("sessions", 0, "id").(string)
	desk.do("DELETE", "/api/v1/account/sessions/"+own, "").refused(404, "no-session") // another's
	boss.get("/api/v1/account").want(200)

	change := func(old, new string) answer {
		return desk.do("PUT", "/api/v1/account/password", form("old", old, "new", new))
	}
	change(goodPassword, newPassword).refused(403, "step-up")
	desk.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	change("not the right one", newPassword).refused(401, "credentials")
	change(goodPassword, goodPassword).refused(400, "password-same")
	change(goodPassword, "short").refused(400, "password-short")
	change(goodPassword, "aminiamini12").refused(400, "password-common")
	before := desk.secret()
	change(goodPassword, newPassword).want(200)
	if desk.secret() == before {
		t.Error("a new password kept the session's secret")
	}
	desk.get("/api/v1/account").want(200)
	h.browser().do("POST", "/api/v1/session", form("name", "amini", "password", goodPassword)).refused(401, "credentials")
}

func TestAccountsOfPeople(t *testing.T) {
	h, boss := town(t)
	made := boss.do("POST", "/api/v1/accounts", form("name", "Karimi", "role", "dispatcher", "agencies", []string{"fire"}, "why", "new in the crew")).want(201)
	id := made.at("account", "id").(string)
	if made.at("account", "has_password") != false || made.at("reset", "path") != "/reset#"+made.at("reset", "token").(string) || made.header.Get("Location") != "/api/v1/accounts/"+id {
		t.Fatalf("made: %s %v", made.body, made.header)
	}
	boss.do("POST", "/api/v1/accounts", form("name", "KARIMI ", "role", "viewer")).refused(409, "name-taken")
	boss.do("POST", "/api/v1/accounts", form("name", "officer", "role", "agency_officer")).refused(400, "scope")
	boss.do("POST", "/api/v1/accounts", form("name", "nobody", "role", "feed")).refused(400, "role")
	boss.do("POST", "/api/v1/accounts", form("name", "weak", "role", "viewer", "password", "123456789012")).refused(400, "password-common")

	// The link works once, and the newest one only.
	anon := h.browser()
	use := func(token, password string) answer {
		return anon.do("POST", "/api/v1/reset", form("token", token, "password", password))
	}
	first := made.at("reset", "token").(string)
	second := boss.do("POST", "/api/v1/accounts/"+id+"/reset", "").want(200).at("token").(string)
	for _, bad := range []string{"", "x", first, id + ".", id + "." + strings.Repeat("A", 43), "other." + second} {
		use(bad, newPassword).refused(403, "reset")
	}
	use(second, "short").refused(400, "password-short")
	if a := use(second, newPassword).want(200); a.at("name") != "karimi" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("used: %s", a.body)
	}
	use(second, newPassword).refused(403, "reset")
	karimi := h.browser()
	if who := karimi.do("POST", "/api/v1/session", form("name", "karimi", "password", newPassword)).want(200); who.at("audience") != "ops:fire" || who.at("must_change") != false {
		t.Errorf("signed in: %s", who.body)
	}
	karimi.get("/api/v1/accounts").refused(403, "denied")

	// Two admins at once.
	seen := boss.get("/api/v1/accounts/" + id).want(200).header.Get("ETag")
	boss.do("PATCH", "/api/v1/accounts/"+id, form("display_name", "Parvin"), "If-Match", seen).want(200)
	if a := boss.do("PATCH", "/api/v1/accounts/"+id, form("role", "admin"), "If-Match", seen).refused(412, "stale"); a.at("yours") != seen {
		t.Errorf("stale: %s", a.body)
	}
	if a := boss.get("/api/v1/accounts/" + id).want(200); a.at("role") != "dispatcher" || a.at("sessions") != 1.0 || a.at("last_seen") == nil {
		t.Errorf("after it: %s", a.body)
	}
	if a := boss.get("/api/v1/accounts?q=parv&role=dispatcher&disabled=false").want(200); len(a.at("accounts").([]any)) != 1 {
		t.Errorf("searched: %s", a.body)
	}
	boss.get("/api/v1/accounts?sort=name").refused(400, "invalid")

	// What gives a right needs a second proof, what takes one away does not.
	boss.settled()
	for _, dangerous := range [][3]string{
		{"PATCH", "/api/v1/accounts/" + id, form("role", "supervisor")}, {"PATCH", "/api/v1/accounts/" + id, form("disabled", false)},
		{"PATCH", "/api/v1/accounts/" + id, form("disabled", true, "role", "admin")}, {"POST", "/api/v1/accounts/" + id + "/reset", "{}"},
		{"POST", "/api/v1/accounts", form("name", "another", "role", "viewer")},
	} {
		boss.do(dangerous[0], dangerous[1], dangerous[2]).refused(403, "step-up")
	}
	if a := boss.get("/api/v1/accounts/" + id + "/sessions").want(200); len(a.at("sessions").([]any)) != 1 {
		t.Errorf("sessions: %s", a.body)
	}
	boss.do("PATCH", "/api/v1/accounts/"+id, form("disabled", true, "why", "left")).want(200)
	karimi.get("/api/v1/session").want(401)
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	me := boss.get("/api/v1/account").want(200).at("id").(string)
	boss.do("PATCH", "/api/v1/accounts/"+me, form("role", "viewer")).refused(409, "last-admin")
	boss.do("PATCH", "/api/v1/accounts/"+me, form("disabled", true)).refused(409, "last-admin")
	boss.do("PATCH", "/api/v1/accounts/none", form("role", "viewer")).refused(404, "no-account")
	boss.get("/api/v1/accounts/none").refused(404, "no-account")
	boss.do("POST", "/api/v1/accounts/none/reset", "").refused(404, "no-account")

	// Ending sessions of others.
	boss.do("PATCH", "/api/v1/accounts/"+id, form("disabled", false)).want(200)
	one, two := h.browser(), h.browser()
	for _, b := range []*browser{one, two} {
		b.do("POST", "/api/v1/session", form("name", "karimi", "password", newPassword)).want(200)
	}
	sid := one.get("/api/v1/session").want(200).at("session").(string)
	boss.do("DELETE", "/api/v1/accounts/"+me+"/sessions/"+sid, "").refused(404, "no-session")
	boss.do("DELETE", "/api/v1/accounts/"+id+"/sessions/"+sid+"?why=lost", "").want(204)
	one.get("/api/v1/session").want(401)
	two.get("/api/v1/session").want(200)
	boss.do("DELETE", "/api/v1/accounts/"+id+"/sessions", "").want(204)
	two.get("/api/v1/session").want(401)

	// A lost phone: the link takes the second factor away, and the sessions with it.
	f, _ := access.NewFactor()
	if _, err := h.gate.Register.SetFactor(t.Context(), access.Act{At: time.Now()}, id, &f, 0); err != nil {
		t.Fatal(err)
	}
	boss.do("POST", "/api/v1/accounts/"+id+"/reset", form("why", "forgot the password")).want(200)
	if a := boss.get("/api/v1/accounts/" + id).want(200); a.at("two_factor") != true {
		t.Errorf("a link took the second factor away: %s", a.body)
	}
	boss.do("POST", "/api/v1/accounts/"+id+"/reset", form("factor", true)).want(200)
	if a := boss.get("/api/v1/accounts/" + id).want(200); a.at("two_factor") != false {
		t.Errorf("the second factor stays: %s", a.body)
	}
}

func TestAPasswordThatAnAdminGave(t *testing.T) {
	h, boss := town(t)
	boss.do("POST", "/api/v1/accounts", form("name", "karimi", "role", "dispatcher", "password", goodPassword)).want(201)
	b := h.browser()
	if who := b.signIn("karimi"); who.at("must_change") != true || slices.Contains(who.at("may").([]any), any("feature.read")) || who.at("audience") != "" {
		t.Errorf("before it is changed: %s", who.body)
	}
	b.get("/api/v1/units").refused(403, "password-change")
	b.do("PATCH", "/api/v1/account", form("language", "fa")).refused(403, "password-change")
	b.do("PUT", "/api/v1/account/password", form("old", goodPassword, "new", newPassword)).want(200)
	b.get("/api/v1/units").want(200)
}

func TestTokensOfPrograms(t *testing.T) {
	h, boss := town(t)
	made := boss.do("POST", "/api/v1/tokens", form("name", "cad", "role", "dispatcher", "agencies", []string{"fire"})).want(201)
	id, secret := made.at("info", "id").(string), made.at("token").(string)
	as := func(secret string) answer {
		return h.do("GET", "/api/v1/units", "", "Authorization", "Bearer "+secret)
	}
	as(secret).want(200)
	list := boss.get("/api/v1/tokens").want(200)
	if strings.Contains(string(list.body), secret) {
		t.Error("the list tells the secret")
	}
	for _, bad := range []string{form("name", "", "role", "feed"), form("name", "x", "role", "wall"), form("name", "x", "role", "feed", "ids", []string{"a b"}),
		form("name", "x", "role", "feed", "per_second", 1_000_000), form("name", "x", "role", "agency_officer", "agencies", []string{"No Such"})} {
		boss.do("POST", "/api/v1/tokens", bad).want(400)
	}
	none := boss.do("POST", "/api/v1/tokens", form("name", "none", "role", "feed", "ids", []string{})).want(201)
	if ids, ok := none.at("info", "ids").([]any); !ok || len(ids) != 0 {
		t.Errorf("a token that moves nothing: %s", none.body)
	}

	// Limits, changed by two at once.
	seen := made.header.Get("ETag")
	if a := boss.do("PATCH", "/api/v1/tokens/"+id, form("per_second", 5, "ids", []string{"E*"}, "expires", "2099-01-01T00:00:00Z"), "If-Match", seen).want(200); a.at("per_second") != 5.0 ||
		a.at("ids", 0) != "E*" || a.at("expires") != "2099-01-01T00:00:00Z" || a.at("role") != "dispatcher" {
		t.Errorf("changed: %s", a.body)
	}
	boss.do("PATCH", "/api/v1/tokens/"+id, form("per_second", 6), "If-Match", seen).refused(412, "stale")
	if a := boss.do("PATCH", "/api/v1/tokens/"+id, form("ids", nil, "expires", nil)).want(200); a.at("ids") != nil || a.at("expires") != nil || a.at("per_second") != 5.0 {
		t.Errorf("changed back: %s", a.body)
	}
	boss.do("PATCH", "/api/v1/tokens/"+id, form("ids", 3)).want(400)
	boss.do("PATCH", "/api/v1/tokens/"+id, form("expires", "soon")).want(400)
	boss.do("PATCH", "/api/v1/tokens/none", form("name", "x")).refused(404, "no-token")

	// Rotation without a gap.
	rotated := boss.do("POST", "/api/v1/tokens/"+id+"/rotate", form("overlap_s", 3600)).want(200)
	next := rotated.at("token").(string)
	if rotated.at("info", "secrets") != 2.0 || next == secret {
		t.Errorf("rotated: %s", rotated.body)
	}
	as(secret).want(200)
	as(next).want(200)
	last := boss.do("POST", "/api/v1/tokens/"+id+"/rotate", form("overlap_s", 0)).want(200).at("token").(string)
	as(secret).want(401)
	as(next).want(401)
	as(last).want(200)
	boss.do("POST", "/api/v1/tokens/"+id+"/rotate", form("overlap_s", -1)).want(400)

	// Aside and back, for ever and not.
	if a := boss.do("POST", "/api/v1/tokens/"+id+"/quarantine", form("on", true, "seconds", 3600, "why", "sends nonsense")).want(200); a.at("quarantined_until") == nil {
		t.Errorf("aside: %s", a.body)
	}
	as(last).want(401)
	boss.settled()
	boss.do("POST", "/api/v1/tokens/"+id+"/quarantine", form("on", false)).refused(403, "step-up")
	boss.do("POST", "/api/v1/tokens", form("name", "x", "role", "feed")).refused(403, "step-up")
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	boss.do("POST", "/api/v1/tokens/"+id+"/quarantine", form("on", false)).want(200)
	as(last).want(200)
	boss.do("POST", "/api/v1/tokens/"+id+"/quarantine", form("on", true, "seconds", 1)).want(400)
	boss.settled()
	boss.do("DELETE", "/api/v1/tokens/"+id+"?why=lost", "").want(204)
	as(last).want(401)
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	boss.do("POST", "/api/v1/tokens/"+id+"/rotate", "").refused(409, "token-revoked")
	boss.do("PATCH", "/api/v1/tokens/"+id, form("name", "x")).refused(409, "token-revoked")
	boss.do("DELETE", "/api/v1/tokens/none", "").refused(404, "no-token")
	// A program never does what needs a person, whatever its role.
	admin := h.as(access.Admin)
	h.do("POST", "/api/v1/tokens", form("name", "x", "role", "admin"), "Authorization", "Bearer "+admin).refused(403, "person-needed")
	h.do("POST", "/api/v1/accounts", form("name", "xx", "role", "admin"), "Authorization", "Bearer "+admin).refused(403, "person-needed")
}

func TestWalls(t *testing.T) {
	h, boss := town(t)
	h.unit("E7", -75.5, 39.7, `"type":"engine","note":"internal"`).want(201)
	wall := h.browser()
	asked := wall.do("POST", "/api/v1/devices/enrolments", "").want(201)
	code, claim := asked.at("code").(string), asked.at("claim").(string)
	claimed := func() answer { return wall.do("POST", "/api/v1/devices/claim", form("claim", claim)) }
	claimed().want(202)
	wall.do("GET", "/api/v1/devices/enrolments/"+code, "").want(401)
	if a := boss.get("/api/v1/devices/enrolments/" + strings.ToLower(strings.ReplaceAll(code, "-", " "))[:0] + strings.ToLower(code)).want(200); a.at("code") != code || a.at("agent") != "Testfox/1" {
		t.Errorf("looked at: %s", a.body)
	}
	boss.get("/api/v1/devices/enrolments/2222-2222").refused(404, "no-code")
	boss.settled()
	approve := func(name string) answer {
		return boss.do("POST", "/api/v1/devices/enrolments/"+code+"/approve", form("name", name))
	}
	approve("Ops room").refused(403, "step-up")
	boss.do("POST", "/api/v1/session/stepup", form("password", goodPassword)).want(200)
	approve(" ").refused(400, "device-name")
	made := approve("Ops room").want(201)
	id := made.at("id").(string)
	approve("Ops room").refused(404, "no-code") // a code makes one wall
	if who := claimed().want(200); who.at("kind") != "wall" || who.at("device", "name") != "Ops room" || who.at("audience") != "brief" || who.at("expires") == nil {
		t.Errorf("claimed: %s", who.body)
	}
	claimed().refused(404, "no-code") // a claim opens once
	if a := wall.get("/api/v1/units/E7").want(200); strings.Contains(string(a.body), "internal") {
		t.Errorf("a wall sees internal fields: %s", a.body)
	}
	for path, method := range map[string]string{"/api/v1/units/E7": "DELETE", "/api/v1/accounts": "GET", "/api/v1/account": "GET", "/api/v1/acts": "GET", "/api/v1/session": "POST"} {
		body := ""
		if method == "POST" {
			body = form("name", "boss", "password", goodPassword)
		}
		if a := wall.do(method, path, body); a.status != 403 {
			t.Errorf("a wall does %s %s: %d", method, path, a.status)
		}
	}
	wall.do("PUT", "/api/v1/devices/self/health", form("build", "v1", "fps", 59.5, "seq", 12, "width", 3840, "height", 2160)).want(204)
	wall.do("PUT", "/api/v1/devices/self/health", form("build", "v1", "fps", -1)).refused(400, "invalid")
	boss.do("PUT", "/api/v1/devices/self/health", form("build", "v1")).refused(403, "denied")
	if a := boss.get("/api/v1/devices").want(200); a.at("devices", 0, "online") != true || a.at("devices", 0, "health", "fps") != 59.5 || a.at("devices", 0, "seen") == nil {
		t.Errorf("listed: %s", a.body)
	}
	tag := made.header.Get("ETag")
	if a := boss.do("PATCH", "/api/v1/devices/"+id, form("name", "Hall"), "If-Match", tag).want(200); a.at("name") != "Hall" {
		t.Errorf("renamed: %s", a.body)
	}
	boss.do("PATCH", "/api/v1/devices/"+id, form("name", "Yard"), "If-Match", tag).refused(412, "stale")
	boss.do("PATCH", "/api/v1/devices/none", form("name", "Yard")).refused(404, "no-device")
	sid := wall.get("/api/v1/session").want(200).at("session").(string)
	over, stop := h.gate.Sessions.Watch(sid)
	defer stop()
	boss.settled()
	boss.do("DELETE", "/api/v1/devices/"+id, "").want(204)
	select {
	case <-over:
	default:
		t.Error("the wall's socket is not told")
	}
	wall.get("/api/v1/units/E7").want(401)
	boss.do("DELETE", "/api/v1/devices/none", "").refused(404, "no-device")
	boss.do("PATCH", "/api/v1/devices/"+id, form("name", "Yard")).refused(404, "no-device")
	// Nobody fills the list of codes, and nobody tries them all.
	for range 20 {
		if a := h.browser().do("POST", "/api/v1/devices/enrolments", ""); a.status != 201 {
			a.refused(429, "wait")
			break
		}
	}
	status := 0
	for range 12 {
		status = boss.get("/api/v1/devices/enrolments/2222-2222").status
	}
	if status != 429 {
		t.Errorf("a dozen wrong codes end in %d", status)
	}
}
