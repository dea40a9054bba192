package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"rasad/server/api"
)

// embedHTML is a page as the build of the screens makes it.
const embedHTML = `<!doctype html>
<html lang="en" dir="ltr" data-theme="auto">
  <head><meta charset="utf-8" /><title><!--rasad:title--></title><script type="module" crossorigin src="/assets/embed-1.js"></script></head>
  <body><figure id="picture"><!--rasad:picture--></figure><main id="list"><!--rasad:body--></main></body>
</html>
`

const evil = `</title></h3><script>alert(1)</script><img src=x onerror=alert(2)>&"'`

// publicTown is a snapshot with a flood, a fire, a shelter and what has no place.
func publicTown(seq int, more string) api.PublicPage {
	feature := func(id, kind, geometry, props string) string {
		return fmt.Sprintf(`{"type":"Feature","id":%q,"geometry":%s,"properties":{"kind":%q,"rev":3,"status":"open","updated_at":"2026-11-22T11:02:00Z",%s}}`, id, geometry, kind, props)
	}
	title := func(s string) string { return fmt.Sprintf(`"title":{"en":%q,"fa":%q,"zh":%q}`, s, s+" fa", s+" zh") }
	body := fmt.Sprintf(`{"type":"FeatureCollection","v":1,"epoch":"pe","seq":%d,"time":"2026-11-22T11:02:00Z"%s,"since":"/x","features":[%s]}`, seq, more, strings.Join([]string{
		feature("aflood", "hazard", `{"type":"Polygon","coordinates":[[[-75.56,39.72],[-75.53,39.72],[-75.53,39.74],[-75.56,39.74],[-75.56,39.72]]]}`, title("Flood")+`,"advice":{"en":"Go up"},"severity":"extreme","type":"flood","precision":"exact","valid_until":"2026-11-23T11:02:00Z"`),
		feature("bfire", "incident", `{"type":"Point","coordinates":[-75.55,39.745]}`, title(strings.ReplaceAll(evil, `"`, "''"))+`,"severity":"severe","type":"structure_fire","precision":"block","radius_m":280`),
		feature("cschool", "shelter", `{"type":"Point","coordinates":[-75.535,39.75]}`, title("Lincoln School")+`,"type":"school","precision":"exact","room":{"state":"open","from":51,"to":200,"counted_at":"2026-11-22T10:02:00Z"}`),
		feature("dthreat", "incident", "null", title("Threat")+`,"severity":"minor","type":"bomb_threat","precision":"hidden"`),
	}, ","))
	return api.PublicPage{Body: []byte(body), Gzip: zipped([]byte(body)), Tag: fmt.Sprint("pe-", seq)}
}

var testEmbed = sync.OnceValues(func() (*api.Embed, error) { return api.OpenEmbed(os.DirFS("../../frontend")) })

// newNews is a house whose embed is open.
func newNews(t testing.TB, change ...func(*api.Deps)) (*house, *square) {
	t.Helper()
	e, err := testEmbed()
	if err != nil {
		t.Fatal(err)
	}
	s := newSquare()
	s.page = publicTown(7, "")
	return newHouse(t, append([]func(*api.Deps){func(d *api.Deps) {
		d.Public, d.Embed = s, e
		d.Screens = pages(t, fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "embed.html": {Data: []byte(embedHTML)}, "assets/embed-1.js": {Data: []byte("export {}")}})
	}}, change...)...), s
}

func (s *square) say(p api.PublicPage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = p
}

// news asks as a browser does that was turned away and comes back.
func (h *house) news(path string, header http.Header) *httptest.ResponseRecorder {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if w := h.askPublic("GET", path, header); w.Code != 503 || time.Now().After(end) {
			return w
		}
	}
}

func TestTheEmbedIsThereWithoutAScript(t *testing.T) {
	h, _ := newNews(t)
	for lang, want := range map[string][]string{
		"en": {`<html lang="en" dir="ltr" data-theme="auto"`, `data-zone="America/New_York"`, "<h2>What is known</h2>", "<h3>Flood</h3>", "Go up", `data-kind="hazard" data-severity="extreme" data-status="open"`,
			`Updated <time datetime="2026-11-22T06:02:00-05:00">22 November 06:02</time>`, "For 51 to 200 people", `<a href="tel:911">`, `media="(prefers-color-scheme: dark)"`},
		"fa": {`<html lang="fa" dir="rtl"`, "<h3>Flood fa</h3>", "۱ آذر ۰۶:۰۲", "برای ۵۱ تا ۲۰۰ نفر", `<p class="advice" lang="en" dir="auto">Go up</p>`},
		"zh": {`<html lang="zh" dir="ltr"`, "<h3>Flood zh</h3>", "11月22日 06:02", "可容纳51至200人"},
	} {
		w := h.news("/embed?lang="+lang, nil)
		body := w.Body.String()
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		for _, part := range append(want, `src="/assets/embed-1.js"`, `<p class="asof">`, `id="item-aflood"`, "/public/v1/picture.svg?") {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %q is not in the page", lang, part)
			}
		}
		if strings.Contains(body, "<!--rasad") || strings.Contains(body, "{time}") || strings.Contains(body, "{city}") {
			t.Errorf("%s: a place is not filled:\n%s", lang, body)
		}
		// The worst first.
		if a, b, c := strings.Index(body, "item-aflood"), strings.Index(body, "item-bfire"), strings.Index(body, "item-cschool"); a > b || b > c {
			t.Errorf("%s: the order is %d %d %d", lang, a, b, c)
		}
	}
	if b := h.news("/embed/builder?lang=en", nil); b.Code != 200 || !strings.Contains(b.Body.String(), `data-page="builder"`) || strings.Contains(b.Body.String(), "item-") {
		t.Errorf("the builder: %d %s", b.Code, b.Body)
	}
	if b := h.news("/embed/builder", nil); !strings.HasSuffix(b.Header().Get("Content-Security-Policy"), "frame-ancestors *; frame-src 'self'") {
		t.Errorf("the builder may not show what it makes: %s", b.Header().Get("Content-Security-Policy"))
	}
	if b := h.news("/embed/other", nil); b.Code != 404 {
		t.Errorf("what is not there: %d", b.Code)
	}
	if b := h.news("/embed.html", nil); b.Code != 404 {
		t.Errorf("the page with its places not filled: %d", b.Code)
	}
	if b := h.askPublic("POST", "/embed", nil); b.Code != 405 || b.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", b.Code, b.Header())
	}
}

func TestNothingOfATitleIsMarkup(t *testing.T) {
	h, s := newNews(t)
	p := publicTown(8, "")
	p.Body = bytes.ReplaceAll(p.Body, []byte(`"Flood"`), []byte(`"`+strings.ReplaceAll(strings.ReplaceAll(evil, `"`, `\"`), "/", `\/`)+`"`))
	p.Body = bytes.ReplaceAll(p.Body, []byte(`"aflood"`), []byte(`"a\"><script>x"`))
	s.say(p)
	q := "&approval=" + "%3Cscript%3Ealert(3)%3C/script%3E%22"
	for _, path := range []string{"/embed?lang=en" + q, "/embed/builder?lang=en" + q, "/public/v1/picture.svg?lang=en" + q} {
		body := h.news(path, nil).Body.String()
		for _, bad := range []string{"<script>", "<img src=x", "</title></h3>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %s", path, bad)
			}
		}
		if strings.Contains(path, ".svg") {
			wellFormed(t, path, []byte(body))
		}
	}
}

// wellFormed fails the test when a picture is no XML, or holds what a strict policy
// forbids or what asks for another file.
func wellFormed(t *testing.T, name string, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s is no XML: %v", name, err)
			return
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if slices.Contains([]string{"script", "style", "image", "foreignObject", "a", "animate", "set"}, e.Name.Local) {
			t.Errorf("%s holds <%s>", name, e.Name.Local)
		}
		for _, a := range e.Attr {
			if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") || strings.Contains(a.Value, "url(") {
				t.Errorf("%s holds %s=%q", name, a.Name.Local, a.Value)
			}
		}
	}
}

func TestTheEmbedIsForCaches(t *testing.T) {
	h, s := newNews(t)
	for path, kind := range map[string]string{"/embed": "text/html; charset=utf-8", "/public/v1/picture.svg": "image/svg+xml"} {
		for query, vary := range map[string]string{"": "Accept-Encoding, Accept-Language", "?lang=zh": "Accept-Encoding", "?lang=xx": "Accept-Encoding, Accept-Language"} {
			w := h.news(path+query, nil)
			for name, want := range map[string]string{"Content-Type": kind, "Vary": vary, "Cache-Control": "public, max-age=2, stale-while-revalidate=10, stale-if-error=600",
				"Set-Cookie": "", "Rasad-Seq": "", "X-Content-Type-Options": "nosniff", "Content-Encoding": "", "Cross-Origin-Resource-Policy": "cross-origin"} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s%s: %s is %q, want %q", path, query, name, got, want)
				}
			}
			tag := w.Header().Get("Etag")
			if w.Code != 200 || tag == "" {
				t.Fatalf("%s%s: %d %v", path, query, w.Code, w.Header())
			}
			z := h.news(path+query, http.Header{"Accept-Encoding": {"gzip"}})
			r, err := gzip.NewReader(z.Body)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, w.Body.Bytes()) || z.Header().Get("Etag") == tag || z.Header().Get("Content-Encoding") != "gzip" {
				t.Errorf("%s%s: the gzipped answer is another one (%v)", path, query, err)
			}
			if x := h.news(path+query, http.Header{"If-None-Match": {tag}}); x.Code != 304 && !minuteTurned(x, tag) {
				t.Errorf("%s%s: as the caller has it: %d", path, query, x.Code)
			}
			if x := h.askPublic("HEAD", path+query, nil); x.Code != 200 || x.Body.Len() != 0 {
				t.Errorf("%s%s: HEAD: %d with %d bytes", path, query, x.Code, x.Body.Len())
			}
			// Who says who they are gets the same.
			x := h.news(path+query, http.Header{"Cookie": {"__Host-rasad=abc"}, "Authorization": {"Bearer x"}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Dest": {"iframe"}})
			if x.Code != 200 || x.Header().Get("Etag") != tag && !minuteTurned(x, tag) {
				t.Errorf("%s%s: with a cookie: %d", path, query, x.Code)
			}
		}
	}
	// What is withdrawn is gone at once, however well it was kept.
	before := h.news("/embed?lang=en", nil)
	pictured := h.news("/public/v1/picture.svg?lang=en", nil)
	if !strings.Contains(before.Body.String(), "Flood") || !strings.Contains(pictured.Body.String(), "Flood") {
		t.Fatal("what is public is not told")
	}
	s.say(api.PublicPage{Body: []byte(`{"time":"2026-11-22T11:03:00Z","features":[]}`), Tag: "pe-8"})
	for _, path := range []string{"/embed?lang=en", "/public/v1/picture.svg?lang=en"} {
		if after := h.news(path, http.Header{"If-None-Match": {before.Header().Get("Etag"), pictured.Header().Get("Etag")}}); after.Code != 200 || strings.Contains(after.Body.String(), "Flood") {
			t.Errorf("%s: what is withdrawn is still told: %d", path, after.Code)
		}
	}
	s.say(api.PublicPage{Body: []byte(`{"time":"1970-01-01T00:00:00Z","features":[]}`), Tag: "pe-9"})
	if b := h.news("/embed?lang=en", nil).Body.String(); strings.Contains(b, "Last change") || strings.Contains(b, "196") {
		t.Error("what was never changed has a last change")
	}
	if b := h.news("/embed?lang=en", nil).Body.String(); !strings.Contains(b, "That does not mean that there is no danger.") {
		t.Error("an empty list does not say what it does not say")
	}
}

// minuteTurned tells whether an answer is another one only because a minute began since.
func minuteTurned(w *httptest.ResponseRecorder, tag string) bool {
	return w.Code == 200 && w.Header().Get("Etag") != tag && time.Now().Second() < 5
}

func TestTheLanguageOfTheEmbed(t *testing.T) {
	h, _ := newNews(t)
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "en"}, {"?lang=fa", "zh", "fa"}, {"?lang=FA", "", "fa"}, {"?lang=xx", "fa-IR,fa;q=0.9", "fa"}, {"", "zh-Hant-TW", "zh"}, {"", "de, fa;q=0.5, zh;q=0.7", "zh"},
		{"", "de", "en"}, {"", ";;;,,,", "en"}, {"", strings.Repeat("fa,", 5000), "en"}, {"?lang=zh&lang=fa", "", "zh"},
	} {
		w := h.news("/embed"+c.query, http.Header{"Accept-Language": {c.accept}})
		if !strings.Contains(w.Body.String(), `<html lang="`+c.want+`"`) {
			t.Errorf("%s of a browser that wants %.40q: want %s, got %.80s", c.query, c.accept, c.want, w.Body)
		}
	}
}

func TestABadPresetIsNoError(t *testing.T) {
	h, _ := newNews(t, func(d *api.Deps) { d.Approval = "GS(2026)1234" })
	whole := h.news("/embed?lang=en", nil).Body.String()
	for _, q := range []string{"area=1,2,3", "area=x", "area=NaN,NaN,NaN,NaN", "area=Inf,0,1,1", "area=-75.5,39.7,-75.5,39.7", "area=-180,-80,180,80", "area=1e99,2,3,4", "layers=", "layers=units,crews", "theme=pink", "size=huge", "text=9", "text=NaN",
		"text=1.7", "list=yes", "approval=" + strings.Repeat("x", 41), "approval=%00%01", "approval=%ff", "%zz=1", "w=1&h=99999", "a=" + strings.Repeat("b", 3000), ";", "lang=en"} {
		full := "/embed?lang=en&" + q
		if len(q) > 2048 {
			full = "/embed?" + q // a browser of no language
		}
		w := h.news(full, nil)
		if w.Code != 200 || w.Body.String() != whole && time.Now().Second() >= 5 {
			t.Errorf("%.60s: %d, and the page is another one", q, w.Code)
		}
		if w := h.news("/public/v1/picture.svg?"+q, nil); w.Code != 200 {
			t.Errorf("picture %.60s: %d", q, w.Code)
		}
	}
	for q, want := range map[string][]string{
		"layers=shelters":                          {"item-cschool", "!item-aflood", "layers=shelters"},
		"layers=shelters,hazards,nothing":          {"item-cschool", "item-aflood", "!item-bfire"},
		"area=-75.552,39.742,-75.548,39.748":       {"item-bfire", "item-dthreat", "!item-cschool", "!item-aflood", `data-bbox="-75.552,39.742,-75.548,39.748"`, "area=-75.552%2C39.742%2C-75.548%2C39.748"},
		"area=-75.548,39.748,-75.552,39.742":       {`data-bbox="-75.552,39.742,-75.548,39.748"`},
		"theme=night&size=compact&text=1.3&list=0": {`data-theme="night"`, `data-size="compact"`, `data-text="1.3"`, `data-list="0"`, "theme=night", "!prefers-color-scheme", `width="480" height="300"`},
		"approval=GS(2026)%20%E7%AC%AC9%E5%8F%B7":  {"Map approval number GS(2026) 第9号", "!GS(2026)1234"},
		"": {"Map approval number GS(2026)1234"},
	} {
		body := h.news("/embed?lang=en&"+q, nil).Body.String()
		for _, part := range want {
			part, not := strings.CutPrefix(part, "!")
			if strings.Contains(body, part) == not {
				t.Errorf("%s: %q: want it there: %v", q, part, !not)
			}
		}
	}
}

func TestAnExerciseIsMarkedOnTheEmbed(t *testing.T) {
	h, s := newNews(t)
	for seq, c := range []struct {
		marks     string
		want, not string
	}{{"", "", "EXERCISE"}, {`,"exercise":true`, "EXERCISE", "SIMULATED"}, {`,"simulated":true`, "SIMULATED", "EXERCISE"}} {
		s.say(publicTown(20+seq, c.marks))
		for _, path := range []string{"/embed?lang=en", "/public/v1/picture.svg?lang=en"} {
			if body := h.news(path, nil).Body.String(); !strings.Contains(body, c.want) || strings.Contains(body, c.not) {
				t.Errorf("%s of a world with %q: want %q and no %q", path, c.marks, c.want, c.not)
			}
		}
	}
}

func TestTheEmbedOfAnotherWorld(t *testing.T) {
	home, _ := newNews(t)
	north, s := newNews(t, func(d *api.Deps) { d.Name, d.Title = "north", "North <City>" })
	s.say(api.PublicPage{Body: []byte(`{"time":"2026-11-22T11:03:00Z","exercise":true,"features":[]}`), Tag: "pn-1"})
	door := api.NewWorlds(home.api, map[string]*api.API{"north": north.api})
	for path, want := range map[string]string{
		"/embed?lang=en&world=north": "North &lt;City&gt;: what you need to know", "/embed?lang=en&world=south": "item-aflood", "/embed?lang=en": "item-aflood",
		"/public/v1/picture.svg?lang=en&world=north": "EXERCISE",
	} {
		w := httptest.NewRecorder()
		door.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d without %q", path, w.Code, want)
		}
		if linked := regexp.MustCompile(`world=north`).MatchString(w.Body.String()); linked != (path == "/embed?lang=en&world=north") {
			t.Errorf("%s: the picture is of the other world", path)
		}
	}
}

func TestWhoIsTurnedAwayFromTheEmbedComesBack(t *testing.T) {
	h, _ := newNews(t, func(d *api.Deps) { d.Limits.PublicRate = 1 })
	h.askPublic("GET", "/embed?lang=fa", nil) // the one of this second
	w := h.askPublic("GET", "/embed?lang=fa", nil)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Refresh") != w.Header().Get("Retry-After") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(w.Body.String(), `<html lang="fa" dir="rtl">`) || w.Header().Get("Rasad-Seq") != "" {
		t.Errorf("a reader is shown %s", w.Body)
	}
	if w := h.askPublic("GET", "/public/v1/picture.svg", nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the picture: %d %v", w.Code, w.Header())
	}
}

func TestAnEmbedThatCannotBeMadeIsNoPanic(t *testing.T) {
	h, s := newNews(t)
	s.say(api.PublicPage{Body: []byte(`{"features":[{"id":"a","geometry":{"type":"Blob"}}]}`), Tag: "pe-9"})
	for _, path := range []string{"/embed", "/public/v1/picture.svg"} {
		if w := h.askPublic("GET", path, nil); w.Code != 503 || strings.Contains(w.Body.String(), "Blob") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if !strings.Contains(h.logs.String(), "the embed cannot be made") {
		t.Error("nobody is told why")
	}
	bare := newHouse(t)
	for path, want := range map[string]int{"/embed": 404, "/public/v1/picture.svg": 404} {
		if w := bare.askPublic("GET", path, nil); w.Code != want {
			t.Errorf("%s without an embed: %d", path, w.Code)
		}
	}
}

func TestThePagesOfTheEmbedAreBounded(t *testing.T) {
	h, _ := newNews(t)
	for i := range 600 {
		if w := h.news(fmt.Sprintf("/public/v1/picture.svg?w=%d&h=%d&theme=night", 200+i, 300+i), nil); w.Code != 200 {
			t.Fatalf("picture %d: %d", i, w.Code)
		}
	}
	if pages, bytes := h.api.Kept(); pages > 600 || bytes > 32<<20 || pages == 0 {
		t.Errorf("%d pages of %d bytes are kept", pages, bytes)
	}
}

// The picture of a city is small and well formed in every language and theme, and shows
// its ground.
func TestThePictureOfACity(t *testing.T) {
	c := hamlet(t)
	h, s := newNews(t, func(d *api.Deps) { d.City = c })
	s.say(api.PublicPage{Body: []byte(`{"time":"2026-11-22T11:02:00Z","features":[{"id":"a","geometry":{"type":"Point","coordinates":[20.02,10.02]},"properties":{"kind":"site","status":"open","type":"hospital","title":{"en":"Hospital"}}}]}`), Tag: "pe-1"})
	for _, lang := range []string{"fa", "zh", "en"} {
		for _, theme := range []string{"day", "night"} {
			for _, q := range []string{"", "&w=1600&h=1600", "&area=20.01,10.01,20.03,10.03", "&area=20.02,10.02,20.021,10.021", "&area=15,5,25,15", "&area=100,50,101,51"} {
				w := h.news("/public/v1/picture.svg?lang="+lang+"&theme="+theme+q, nil)
				if w.Code != 200 || w.Body.Len() > 60<<10 {
					t.Errorf("%s %s %s: %d with %d bytes", lang, theme, q, w.Code, w.Body.Len())
				}
				wellFormed(t, lang+theme+q, w.Body.Bytes())
				body := w.Body.String()
				if !strings.Contains(body, "© OpenStreetMap contributors") {
					t.Errorf("%s %s %s: nobody is credited", lang, theme, q)
				}
				page := h.news("/embed?lang="+lang+q, nil).Body.String()
				if want := ` data-cover="20,10,20.04,10.04" data-credit="© OpenStreetMap contributors"`; !strings.Contains(page, want) || !strings.Contains(page, `data-city="`+map[string]string{"fa": "دهکده", "zh": "Hamlet", "en": "Hamlet"}[lang]+`" data-zone="Asia/Tehran" data-preset="us" data-bbox="`) {
					t.Errorf("%s %s: the page is %.500s", lang, q, page)
				}
				if q == "" && (!strings.Contains(body, map[string]string{"day": "#f1d9a4", "night": "#4c5a6f"}[theme]) || !strings.Contains(body, ">Hospital</text>")) {
					t.Errorf("%s %s: there is no primary road, or no hospital", lang, theme)
				}
			}
		}
	}
}

func BenchmarkEmbed(b *testing.B) {
	h, s := newNews(b, func(d *api.Deps) { d.Limits.PublicRate = 1 << 30 })
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf(`{"type":"Feature","id":"s%d","geometry":{"type":"Point","coordinates":[%v,%v]},"properties":{"kind":"shelter","status":"open","type":"school","title":{"en":"School %d","fa":"مدرسه %d","zh":"学校 %d"},"updated_at":"2026-11-22T11:02:00Z","room":{"state":"open","from":51,"to":200,"counted_at":"2026-11-22T10:02:00Z"}}}`,
			i, -75.6+float64(i%25)*0.008, 39.6+float64(i/25)*0.01, i, i, i))
	}
	body := []byte(`{"time":"2026-11-22T11:02:00Z","features":[` + strings.Join(many, ",") + `]}`)
	s.say(api.PublicPage{Body: body, Gzip: zipped(body), Tag: "pe-1"})
	for _, path := range []string{"/embed?lang=fa", "/public/v1/picture.svg?lang=fa"} {
		r := httptest.NewRequest("GET", "http://localhost"+path, nil)
		r.Header = http.Header{"Accept-Encoding": {"gzip"}}
		b.Run("same "+path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.api.ServeHTTP(nobodyReads{http.Header{}}, r)
			}
		})
		b.Run("another preset "+path, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				r := httptest.NewRequest("GET", fmt.Sprintf("http://localhost%s&approval=%d", path, i), nil)
				r.Header = http.Header{"Accept-Encoding": {"gzip"}}
				h.api.ServeHTTP(nobodyReads{http.Header{}}, r)
			}
		})
		b.Run("new "+path, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				s.say(api.PublicPage{Body: body, Tag: fmt.Sprint("pe-", i)})
				h.api.ServeHTTP(nobodyReads{http.Header{}}, r)
			}
		})
	}
}
