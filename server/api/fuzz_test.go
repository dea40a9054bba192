package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// paper is a sealer that only pretends.
type paper struct{}

func (paper) Seal(name string, _ []byte) (geo.Sealed, error) {
	return geo.Sealed{Name: name, KeyID: "k"}, nil
}
func (paper) Open(geo.Sealed) ([]byte, error) { return nil, streams.ErrErased }
func (paper) Erase(string) error              { return nil }
func (paper) Digest(b []byte) []byte          { return b }

func FuzzQuery(f *testing.F) {
	s, err := loadSpec(openapiYAML)
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{"kind=unit,incident&bbox=1,2,3,4&limit=5", "bbox=179,-1,-179,1&cursor=AAAAAAAAAAA", "limit=%zz", "kind=&kind=", "a=b;c=d"} {
		f.Add(q)
	}
	c := s.calls["GET /api/v1/features"]
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		if errs := c.check(q); len(errs) > 0 {
			for _, e := range errs {
				if e.Reason == "" || !utf8.ValidString(e.Field) {
					t.Errorf("%q: got %+v", raw, e)
				}
			}
			return
		}
		// What the document lets through binds and runs.
		e := echo.New()
		w := httptest.NewRecorder()
		ctx := e.NewContext(&http.Request{Method: "GET", URL: &url.URL{RawQuery: q.Encode()}, Header: http.Header{}}, w)
		a := &API{Deps: Deps{World: geo.NewWorld()}}
		wrapper := ServerInterfaceWrapper{Handler: a}
		if err := wrapper.ListFeatures(ctx); err != nil && asProblem(err) == nil {
			t.Errorf("%q: got %v, want an answer or a problem", raw, err)
		}
	})
}

func FuzzNearestQuery(f *testing.F) {
	for _, q := range []string{"lon=1&lat=2", "lon=1&lat=2&k=5&capability=als,bls&status=%22", "lon=NaN&lat=&k=0", "&&=&lon", "lon=1&lat=2&agency=%ff"} {
		f.Add(q)
	}
	a := &API{}
	f.Fuzz(func(t *testing.T, raw string) {
		q, errs, _ := parseNearest(raw)
		if len(errs) > 0 {
			return
		}
		if q.K < 1 || q.K > geo.NearestMax || q.At.Lng > geo.LngMax || q.At.Lat > geo.LatMax || len(q.Capability) > 16 {
			t.Errorf("%q: got %+v", raw, q)
		}
		b := a.appendNear(nil, &geo.Near{Feature: &geo.Feature{Key: "E7"}}, true, q.reasons)
		if !json.Valid(b) {
			t.Errorf("%q: got %s, which is not JSON", raw, b)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("AAAAAAAAAAA", uint32(7))
	f.Add("", uint32(0))
	f.Fuzz(func(t *testing.T, cursor string, id uint32) {
		l := list{kinds: onMap, cursor: cursor}
		if _, err := l.after(); err != nil && asProblem(err) == nil {
			t.Errorf("%q: got %v", cursor, err)
		}
		l.cursor = l.cursorAfter(geo.ID(id))
		if got, err := l.after(); err != nil || got != geo.ID(id) {
			t.Errorf("got %d %v, want %d", got, err, id)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, b := range []string{
		`{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"name":"E7","caller":{"name":"a"}},"datum":"gcj02"}`,
		`{"properties":{"a":null,"kind":"unit","datum":"bd09","caller":null}}`, `{"geometry":{"coordinates":[1,2]}}`, `{"geometry":null}`, `[]`, `{"a":{"b":[{}]}}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(b))
	}
	a := &API{Deps: Deps{World: geo.NewWorld(), Sealer: paper{}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkJSON(body) == nil && !json.Valid(body) {
			t.Errorf("%q is not JSON and passed", body)
		}
		for _, kind := range onMap {
			in, err := a.input(kind, body, "")
			if err != nil {
				if asProblem(err) == nil {
					t.Errorf("%q: got %v, want a problem", body, err)
				}
			} else if args, err := json.Marshal(in); err != nil || strings.Contains(string(in.Props), `"caller":{"name"`) && kind == geo.Incident {
				t.Errorf("%q: got %s %v", body, args, err)
			}
			args, _, err := a.patchArgs(a.seerOf(access.Principal{Role: access.Supervisor}), kind, "E7", body, "")
			if err != nil {
				if asProblem(err) == nil {
					t.Errorf("%q: got %v, want a problem", body, err)
				}
			} else if _, err := json.Marshal(args); err != nil {
				t.Errorf("%q: got %v", body, err)
			}
		}
	})
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{`"1"`, `W/"2", "3"`, "*", `"`, `,,`, `"a","b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		revs, any, err := parseTags("If-Match", s)
		if err == nil && !any && len(revs) == 0 {
			t.Errorf("%q: got neither a revision nor an error", s)
		}
		tagIn(s, `"1"`)
	})
}
