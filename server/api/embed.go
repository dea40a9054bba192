package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/picture"
)

// The embed: the page that news sites show in a frame, and its first picture. The server
// makes both, so that they are there without a script, and hands them out like the
// snapshot: through the same gate, for caches, to nobody in particular. They are made
// from the snapshot alone.

const (
	embedPath   = "/embed"
	builderPath = "/embed/builder"
	picturePath = "/public/v1/picture.svg"
	embedFile   = "/embed.html" // in the screens, with places to fill
)

// What is kept of each world. A page of 500 shelters has some 250 KB with its gzip, a
// picture 80 KB, a ground 60 KB.
const (
	embedPagesMax   = 32 << 20 // bytes
	embedGroundsMax = 16 << 20
	// embedWait is how long a request waits for its turn to have something made. Caches
	// ask again, and what most of them ask for is kept.
	embedWait = 2 * time.Second
	// Pages and pictures say the minute they were made in: they are made anew with it.
	embedMinute = time.Minute
)

// Header values of the embed.
var (
	htmlType = []string{"text/html; charset=utf-8"}
	svgType  = []string{"image/svg+xml"}
	// A page whose address names no language depends on that of the browser.
	varyLanguage = []string{"Accept-Encoding, Accept-Language"}
)

// Embed is what pages and pictures of the embed are made of, the same for all worlds.
type Embed struct {
	words    map[string]map[string]string // by language and key
	palettes map[string]picture.Palette   // by theme
}

// embedWords are the messages that the server needs. The script of the page has more.
var embedWords = []string{"title", "as_of", "changed", "list", "none", "none_help", "kind_incident", "kind_hazard", "kind_shelter", "kind_site",
	"severity_extreme", "severity_severe", "severity_moderate", "severity_minor", "over", "where_area", "where_point", "where_within", "where_hidden",
	"room_open", "room_full", "room_closed", "holds_between", "holds_up_to", "holds_from", "counted", "uncounted", "until", "updated",
	"distance_m", "distance_km", "months", "moment", "picture", "numbers", "exercise", "exercise_help", "simulated", "simulated_help", "approval", "reload",
	"busy", "builder"}

// OpenEmbed reads messages/embed/{fa,zh,en}.json and src/tokens.css. The error names
// what is missing.
func OpenEmbed(fsys fs.FS) (*Embed, error) {
	e := &Embed{words: map[string]map[string]string{}}
	for _, lang := range embedLanguages {
		name := "messages/embed/" + lang + ".json"
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read the words of the embed: %w", err)
		}
		var words map[string]string
		if err := json.Unmarshal(b, &words); err != nil {
			return nil, fmt.Errorf("read the words of the embed: %s: %w", name, err)
		}
		for _, key := range embedWords {
			if words["embed_"+key] == "" {
				return nil, fmt.Errorf("read the words of the embed: %s lacks embed_%s", name, key)
			}
		}
		e.words[lang] = words
	}
	css, err := fs.ReadFile(fsys, "src/tokens.css")
	if err != nil {
		return nil, fmt.Errorf("read the colours of the embed: %w", err)
	}
	if e.palettes, err = picture.Palettes(css); err != nil {
		return nil, err
	}
	return e, nil
}

// embedShop makes the pages and pictures of a world and keeps them.
type embedShop struct {
	*Embed
	api      *API
	html     string // of the page, with places to fill; empty: the binary has none
	zone     *time.Location
	home     string // language of the installation
	making   *semaphore.Weighted
	once     singleflight.Group
	townMu   sync.Mutex
	town     atomic.Pointer[town]
	pages    *lru[embedKey, *madePage]
	grounds  *lru[groundKey, *picture.Ground]
	numbers  []fixtures.EmergencyNumber
	approval string
}

// embedKey names what is made.
type embedKey struct {
	what   string // page, builder or picture
	preset embedPreset
}

type groundKey struct {
	area embedArea
	w, h int
}

// madePage is a page and what it was made of.
type madePage struct {
	PublicPage
	town   string // tag of the snapshot
	minute int64
}

func newEmbedShop(a *API) (*embedShop, error) {
	e := &embedShop{Embed: a.Embed, api: a, making: semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2))),
		pages: newLRU[embedKey, *madePage](embedPagesMax), grounds: newLRU[groundKey, *picture.Ground](embedGroundsMax),
		numbers: a.Preset.EmergencyNumbers, approval: cleanApproval(a.Approval), home: embedLanguages[0]}
	if l := a.Preset.Languages; len(l) > 0 && slices.Contains(embedLanguages, l[0]) {
		e.home = l[0]
	}
	name := a.Preset.TimeZone
	if a.City != nil && a.City.Manifest().TimeZone != "" {
		name = a.City.Manifest().TimeZone
	}
	var err error
	if e.zone, err = time.LoadLocation(name); err != nil {
		return nil, fmt.Errorf("the time zone of the embed: %w", err)
	}
	if f := a.screens.files[embedFile]; f != nil {
		e.html = string(f.plain)
		for _, place := range []string{"<html", titlePlace, picturePlace, bodyPlace} {
			if strings.Count(e.html, place) != 1 {
				return nil, fmt.Errorf("the page of the embed must hold %s once", place)
			}
		}
	}
	return e, nil
}

// serveEmbed answers a page of the embed; false when the path is none of it.
func (a *API) serveEmbed(w http.ResponseWriter, r *http.Request) bool {
	what, h := "page", w.Header()
	switch r.URL.Path {
	case embedPath, embedPath + "/":
	case builderPath:
		what = "builder"
		h["Content-Security-Policy"] = a.builderPolicy
	default:
		return false
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h["Allow"] = []string{"GET, HEAD"}
		a.publicProblem(w, "embed", problem(http.StatusMethodNotAllowed, "method-not-allowed", "the embed is only read"))
		return true
	case a.Public == nil || a.shop == nil:
		a.publicProblem(w, "embed", problem(http.StatusNotFound, "no-public-world", "this server has no public world"))
		return true
	case a.shop.html == "":
		a.publicProblem(w, "embed", problem(http.StatusNotFound, "no-screens", "the screens are not in this binary; make build builds them"))
		return true
	}
	preset := embedPresetOf(r, a.shop.home, a.shop.approval)
	if !a.strangers.enter() {
		a.shop.busy(w, r, preset.lang)
		return true
	}
	defer a.strangers.inside.Add(-1)
	p, err := a.shop.page(r.Context(), embedKey{what, preset.ofPage()}, time.Now())
	if err != nil {
		a.shop.lost(w, r, preset.lang, err)
		return true
	}
	vary := varyEncoding
	if !preset.said {
		vary = varyLanguage
	}
	a.writeBytes(w, r, "embed", p, cacheSnapshot, htmlType, vary)
	return true
}

// servePicture answers the first picture of the embed. The caller went through the gate.
func (a *API) servePicture(w http.ResponseWriter, r *http.Request) {
	if a.shop == nil {
		a.publicProblem(w, "picture", problem(http.StatusNotFound, "no-such-call", "this server draws no pictures"))
		return
	}
	preset := embedPresetOf(r, a.shop.home, a.shop.approval)
	vary := varyEncoding
	if !preset.said {
		vary = varyLanguage
	}
	p, err := a.shop.page(r.Context(), embedKey{"picture", preset.ofPicture()}, time.Now())
	if err != nil {
		a.shop.note(err)
		w.Header().Set("Retry-After", strconv.Itoa(int(publicRetryAfter.Seconds())))
		w.Header()["Cache-Control"] = noStore
		a.writePublicProblem(w, problem(http.StatusServiceUnavailable, "busy", "the picture is not drawn yet; come back later"))
		return
	}
	a.writeBytes(w, r, "picture", p, cacheSnapshot, svgType, vary)
}

// page returns what a key names as it is now. The error is that it could not be made in
// time, or at all.
func (e *embedShop) page(ctx context.Context, key embedKey, now time.Time) (PublicPage, error) {
	tag, minute := e.api.Public.Snapshot().Tag, now.Unix()/int64(embedMinute.Seconds())
	if m, ok := e.pages.get(key); ok && m.town == tag && m.minute == minute {
		return m.PublicPage, nil
	}
	// Who asks for the same at once waits for one making.
	name := fmt.Sprintf("%s %d %+v", tag, minute, key)
	done := e.once.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), embedWait)
		defer cancel()
		if err := e.making.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("make a page of the embed: %w", err)
		}
		defer e.making.Release(1)
		m, err := e.make(key, now)
		if err != nil {
			return nil, fmt.Errorf("make a page of the embed: %w", err)
		}
		e.pages.put(key, m, int64(len(m.Body)+len(m.Gzip)+len(m.Tag)+512))
		return m, nil
	})
	select {
	case <-ctx.Done():
		return PublicPage{}, ctx.Err()
	case res := <-done:
		if res.Err != nil {
			return PublicPage{}, res.Err
		}
		return res.Val.(*madePage).PublicPage, nil
	}
}

func (e *embedShop) make(key embedKey, now time.Time) (*madePage, error) {
	t, err := e.world()
	if err != nil {
		return nil, err
	}
	minute := now.Unix() / int64(embedMinute.Seconds())
	at := time.Unix(minute*int64(embedMinute.Seconds()), 0)
	var body []byte
	if key.what == "picture" {
		body, err = e.draw(t, &key.preset, at)
	} else {
		body, err = e.write(t, &key.preset, at, key.what == "builder")
	}
	if err != nil {
		return nil, err
	}
	z, err := pack(body)
	if err != nil {
		return nil, err
	}
	return &madePage{PublicPage{Body: body, Gzip: z, Tag: sum(body)}, t.tag, minute}, nil
}

// packers keep compressors: each has most of a megabyte of tables. What lives for a
// minute is not packed as tightly as what is packed once.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func pack(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(&out)
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// lines are the things in words as items of the list, made once for all presets of a
// language.
func (t *town) lines(say tongue) (map[*thing]template.HTML, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if made, ok := t.said[say.lang]; ok {
		return made, nil
	}
	made := make(map[*thing]template.HTML, len(t.things))
	var b strings.Builder
	for i := range t.things {
		x := &t.things[i]
		b.Reset()
		if err := embedTemplates.ExecuteTemplate(&b, "item", say.say(x)); err != nil {
			return nil, err
		}
		made[x] = template.HTML(b.String()) // the template has escaped it
	}
	if t.said == nil {
		t.said = map[string]map[*thing]template.HTML{}
	}
	t.said[say.lang] = made
	return made, nil
}

// world is the public world as its snapshot is now, read once.
func (e *embedShop) world() (*town, error) {
	p := e.api.Public.Snapshot()
	if t := e.town.Load(); t != nil && t.tag == p.Tag {
		return t, nil
	}
	e.townMu.Lock()
	defer e.townMu.Unlock()
	p = e.api.Public.Snapshot()
	if t := e.town.Load(); t != nil && t.tag == p.Tag {
		return t, nil
	}
	t, err := townOf(p)
	if err != nil {
		return nil, err
	}
	e.town.Store(t)
	return t, nil
}

func (e *embedShop) tongue(lang string) tongue {
	return tongue{lang: lang, zone: e.zone, words: e.words[lang]}
}

// cityName is what people of a language call the place.
func (e *embedShop) cityName(lang string) string {
	if c := e.api.City; c != nil && e.api.Title == "" {
		m := c.Manifest()
		if name := map[string]string{"fa": m.NameFA, "zh": m.NameZH, "en": m.NameEN}[lang]; name != "" {
			return name
		}
	}
	return e.api.title()
}

// worldName is the name of the world as an address must say it; empty: the home world.
func (e *embedShop) worldName() string {
	if e.api.neighbours[0] == e.api {
		return ""
	}
	return e.api.Name
}

// The places of the page that the server fills.
const (
	titlePlace   = "<!--rasad:title-->"
	picturePlace = "<!--rasad:picture-->"
	bodyPlace    = "<!--rasad:body-->"
)

// pageData is what the templates are given. They escape it.
type pageData struct {
	Lang, Dir, Theme, Size, Text, List, Page string
	City, Zone, BBox, Cover                  string
	Credit, Approval, World, Preset          string

	Words    map[string]string
	Title    string
	Marks    []mark
	AsOf     dated
	Changed  dated
	Items    []template.HTML
	Numbers  []number
	Stand    string // of the approval
	Pictures []pictureLink
	Alt      string
	W, H     int
}

type mark struct{ Name, Help string }

type number struct{ Number, Label string }

type pictureLink struct{ Media, Src string }

var embedTemplates = template.Must(template.New("").Funcs(template.FuncMap{"dated": func(class string, d dated) map[string]any { return map[string]any{"Class": class, "D": d} }}).Parse(`
{{define "html"}}<html lang="{{.Lang}}" dir="{{.Dir}}" data-theme="{{.Theme}}" data-size="{{.Size}}" data-text="{{.Text}}" data-list="{{.List}}" data-page="{{.Page}}" data-city="{{.City}}" data-zone="{{.Zone}}" data-preset="{{.Preset}}"
{{- if .BBox}} data-bbox="{{.BBox}}"{{end}}{{if .Cover}} data-cover="{{.Cover}}"{{end}}
{{- if .Credit}} data-credit="{{.Credit}}"{{end}}{{if .Approval}} data-approval="{{.Approval}}"{{end}}{{if .World}} data-world="{{.World}}"{{end}}>{{end}}

{{define "title"}}{{.Title}}{{end}}

{{define "dated"}}{{if .D.Before}}<p class="{{.Class}}">{{.D.Before}}{{if .D.At}}<time datetime="{{.D.At}}">{{.D.Moment}}</time>{{end}}{{.D.After}}</p>{{end}}{{end}}

{{define "moment"}}{{.Before}}<time datetime="{{.At}}">{{.Moment}}</time>{{.After}}{{end}}

{{define "picture"}}<picture>{{$d := .}}{{range .Pictures}}{{if .Media}}<source media="{{.Media}}" srcset="{{.Src}}">{{else}}<img src="{{.Src}}" alt="{{$d.Alt}}" width="{{$d.W}}" height="{{$d.H}}" decoding="async">{{end}}{{end}}</picture>{{end}}

{{define "builder"}}<h1>{{.Words.embed_builder}}</h1>{{end}}

{{define "body"}}<h1>{{.Title}}</h1>
{{range .Marks}}<p class="marks" role="note"><strong>{{.Name}}</strong> <span>{{.Help}}</span></p>
{{end}}<p class="asof">{{template "moment" .AsOf}} {{if .Changed.At}}<span class="changed">{{template "moment" .Changed}}</span>{{end}} <a class="reload" href="">{{.Words.embed_reload}}</a></p>
<h2>{{.Words.embed_list}}</h2>
{{if .Items}}<ol class="items">
{{range .Items}}{{.}}{{end}}</ol>{{else}}<p class="none">{{.Words.embed_none}} <span class="none-help">{{.Words.embed_none_help}}</span></p>{{end}}
{{if .Numbers}}<section class="numbers"><h2>{{.Words.embed_numbers}}</h2><ul>{{range .Numbers}}<li><a href="tel:{{.Number}}"><span dir="ltr">{{.Number}}</span> <span>{{.Label}}</span></a></li>{{end}}</ul></section>
{{end}}{{with .Stand}}<p class="approval">{{.}}</p>
{{end}}{{with .Credit}}<p class="credit" dir="ltr">{{.}}</p>{{end}}{{end}}

{{define "item"}}<li id="item-{{.ID}}" data-kind="{{.KindCode}}"{{with .SeverityCode}} data-severity="{{.}}"{{end}} data-status="{{.StatusCode}}"><h3{{with .TitleLang}} lang="{{.}}" dir="auto"{{end}}>{{.Title}}</h3>
<p class="kind">{{.Kind}}{{with .Severity}} · <strong>{{.}}</strong>{{end}}{{with .Over}} · {{.}}{{end}}</p>
{{- with .Advice}}<p class="advice"{{with $.AdviceLang}} lang="{{.}}" dir="auto"{{end}}>{{.}}</p>{{end}}<p class="where">{{.Where}}</p>
{{- with .Room}}<p class="room">{{.}}</p>{{end}}{{with .Holds}}<p class="holds">{{.}}</p>{{end}}
{{- template "dated" (dated "counted" .Counted)}}{{template "dated" (dated "until" .Until)}}{{template "dated" (dated "updated" .Updated)}}</li>
{{end}}

{{define "busy"}}<!doctype html><html lang="{{.Lang}}" dir="{{.Dir}}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>{{.Title}}</title><p role="status">{{.Title}}</p></html>
{{end}}`))

func directionOf(lang string) string {
	if lang == "fa" {
		return "rtl"
	}
	return "ltr"
}

// write makes a page.
func (e *embedShop) write(t *town, p *embedPreset, at time.Time, builder bool) ([]byte, error) {
	say := e.tongue(p.lang)
	d := pageData{Lang: p.lang, Dir: directionOf(p.lang), Theme: p.theme, Size: p.size, Text: strconv.FormatFloat(float64(p.text)/10, 'f', -1, 64), List: "1", Page: "embed",
		City: e.cityName(p.lang), Zone: e.zone.String(), Approval: p.approval, World: e.worldName(), Preset: e.api.Preset.Code,
		Words: say.words, AsOf: say.dated("embed_as_of", at), W: p.w, H: p.h}
	if !p.list {
		d.List = "0"
	}
	if builder {
		d.Page = "builder"
	}
	if t.changed.Unix() > 0 { // a world in which nothing was ever recorded is of 1970
		d.Changed = say.dated("embed_changed", t.changed)
	}
	d.Title = say.text("embed_title", "city", d.City)
	d.place(e, p)
	if p.approval != "" {
		d.Stand = say.text("embed_approval", "number", p.approval)
	}
	d.Marks = marksOf(t, say)
	lines, err := t.lines(say)
	if err != nil {
		return nil, err
	}
	for _, x := range t.list(p) {
		d.Items = append(d.Items, lines[x])
	}
	for _, n := range e.numbers {
		d.Numbers = append(d.Numbers, number{n.Number, n.Label.In(p.lang)})
	}
	d.Alt = say.text("embed_picture", "city", d.City, "time", say.moment(at))
	if p.theme == "auto" {
		d.Pictures = append(d.Pictures, pictureLink{"(prefers-color-scheme: dark)", p.picture(picture.Night, d.World, e.approval)})
	}
	theme := p.theme
	if theme == "auto" {
		theme = picture.Day
	}
	d.Pictures = append(d.Pictures, pictureLink{"", p.picture(theme, d.World, e.approval)})

	var failed error
	fill := func(name string) string {
		var b strings.Builder
		if err := embedTemplates.ExecuteTemplate(&b, name, &d); err != nil && failed == nil {
			failed = err
		}
		return b.String()
	}
	body, first := "body", fill("picture")
	if builder {
		body, first = "builder", ""
	}
	from := strings.Index(e.html, "<html")
	to := from + strings.IndexByte(e.html[from:], '>') + 1
	// One pass: nothing that was filled in is looked at again.
	page := e.html[:from] + fill("html") + strings.NewReplacer(titlePlace, fill("title"), picturePlace, first, bodyPlace, fill(body)).Replace(e.html[to:])
	return []byte(page), failed
}

// place says where the page looks, and what the map covers.
func (d *pageData) place(e *embedShop, p *embedPreset) {
	if c := e.api.City; c != nil {
		m := c.Manifest()
		var box []string
		for _, v := range m.BBox {
			box = append(box, strconv.FormatFloat(v, 'f', -1, 64))
		}
		d.Credit, d.Cover = m.Credit, strings.Join(box, ",")
		d.BBox = d.Cover
	}
	if p.area != (embedArea{}) {
		d.BBox = p.area.String()
	}
}

func marksOf(t *town, say tongue) (out []mark) {
	if t.exercise {
		out = append(out, mark{say.text("embed_exercise"), say.text("embed_exercise_help")})
	}
	if t.simulated {
		out = append(out, mark{say.text("embed_simulated"), say.text("embed_simulated_help")})
	}
	return out
}

// draw makes a picture.
func (e *embedShop) draw(t *town, p *embedPreset, at time.Time) ([]byte, error) {
	g, err := e.ground(t, p)
	if err != nil {
		return nil, err
	}
	say := e.tongue(p.lang)
	w := picture.Words{Language: p.lang, RTL: directionOf(p.lang) == "rtl", AsOf: say.text("embed_as_of", "time", say.moment(at)),
		Title: say.text("embed_picture", "city", e.cityName(p.lang), "time", say.moment(at)), Distance: say.distance, Number: say.number}
	if t.exercise {
		w.Banners = append(w.Banners, picture.Banner{Text: say.text("embed_exercise"), Exercise: true})
	}
	if t.simulated {
		w.Banners = append(w.Banners, picture.Banner{Text: say.text("embed_simulated")})
	}
	if c := e.api.City; c != nil {
		w.Credit = c.Manifest().Credit
	}
	if p.approval != "" {
		w.Approval = say.text("embed_approval", "number", p.approval)
	}
	var marks []picture.Mark
	for _, x := range t.list(p) {
		if x.placed {
			marks = append(marks, markOf(x, p.lang))
		}
	}
	return picture.Draw(g, e.palettes[p.theme], marks, w), nil
}

// ground is the ground of a preset. Without a city and an area it is what is around the
// things that are public.
func (e *embedShop) ground(t *town, p *embedPreset) (*picture.Ground, error) {
	key := groundKey{p.area, p.w, p.h}
	if g, ok := e.grounds.get(key); ok {
		return g, nil
	}
	c := e.api.City
	var covered geo.Box
	if c != nil {
		b := c.Manifest().BBox
		lo, err1 := geo.At(b[0], b[1])
		hi, err2 := geo.At(b[2], b[3])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("the box of the city: %v", b)
		}
		covered = geo.Box{Min: lo, Max: hi}
	}
	box := p.area.box()
	switch {
	case p.area != (embedArea{}):
	case c != nil:
		box = covered
	default:
		box = t.box()
	}
	f := picture.FrameOf(box, p.w, p.h)
	if c == nil {
		return picture.GroundOf(nil, box, f) // it costs nothing, and moves with what is shown
	}
	g, err := picture.GroundOf(c, covered, f)
	if err != nil {
		return nil, err
	}
	e.grounds.put(key, g, g.Weight()+1024)
	return g, nil
}

// box is around everything that has a place.
func (t *town) box() (b geo.Box) {
	first := true
	for _, x := range t.things {
		switch {
		case !x.placed:
		case first:
			b, first = x.box, false
		default:
			b.Min = geo.LngLat{Lng: min(b.Min.Lng, x.box.Min.Lng), Lat: min(b.Min.Lat, x.box.Min.Lat)}
			b.Max = geo.LngLat{Lng: max(b.Max.Lng, x.box.Max.Lng), Lat: max(b.Max.Lat, x.box.Max.Lat)}
		}
	}
	return b
}

func markOf(x *thing, lang string) picture.Mark {
	m := picture.Mark{At: x.at, RadiusM: int(x.RadiusM), Area: x.shape}
	m.Title, _ = x.title(lang)
	switch x.Kind {
	case geo.Hazard:
		m.Sign = picture.Danger
	case geo.Incident:
		m.Sign = picture.Event
	case geo.Shelter:
		m.Sign, m.Tone = picture.Refuge, picture.Shut
		if x.Room != nil {
			switch x.Room.State {
			case "open":
				m.Tone = picture.Room
			case "full":
				m.Tone = picture.Full
			}
		}
	default:
		m.Sign = picture.Facility
	}
	switch {
	case x.Status == "over":
		m.Tone = picture.Past
	case m.Tone == picture.Plain && severityRank(x.Severity) < 2:
		m.Tone = picture.Grave
	}
	return m
}

// busy answers who is turned away with a page that comes back by itself, for a reader
// in a frame can do nothing with a problem as JSON.
func (e *embedShop) busy(w http.ResponseWriter, r *http.Request, lang string) {
	var b bytes.Buffer
	d := pageData{Lang: lang, Dir: directionOf(lang), Title: e.words[lang]["embed_busy"]}
	_ = embedTemplates.ExecuteTemplate(&b, "busy", &d) // into memory, of texts of ours
	h := w.Header()
	h["Cache-Control"], h["Content-Type"] = noStore, htmlType
	wait := strconv.Itoa(int(publicRetryAfter.Seconds()) + int(time.Now().UnixNano()%10)) // not all at once
	h.Set("Retry-After", wait)
	h.Set("Refresh", wait)
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the caller may be gone
	}
}

// lost answers what could not be made.
func (e *embedShop) lost(w http.ResponseWriter, r *http.Request, lang string, err error) {
	e.note(err)
	e.busy(w, r, lang)
}

func (e *embedShop) note(err error) {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		e.api.Log.Error("the embed cannot be made", "err", err)
	}
	e.api.strangers.shed.Inc()
}
