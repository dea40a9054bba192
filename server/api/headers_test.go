package api_test

import (
	"net/http"
	"strings"
	"testing"

	"rasad/server/api"
)

const year = "max-age=31536000"

// TestEveryKindOfAnswerIsDressed looks at answers of each handler and each way to fail.
func TestEveryKindOfAnswerIsDressed(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) {
		d.CA, d.HSTS, d.LoopbackOnly = []byte("-----BEGIN CERTIFICATE-----\n"), year, false
		d.Client = func(r *http.Request) (bool, string) { return r.Header.Get("X-Secure") != "", "192.0.2.1" }
	})
	h.unit("E7", -75.54, 39.74, "")
	tests := map[string]struct {
		method, path, body string
		header             []string
		status             int
		page               bool
		cached             string // a part of Cache-Control when it is not no-store
	}{
		"a page":                     {path: "/wall", status: 200, page: true, cached: "no-cache"},
		"a page that did not change": {path: "/", header: []string{"If-None-Match", "*"}, status: 304, page: true, cached: "no-cache"},
		"a script":                   {path: "/assets/main-3f9c.js", status: 200, page: true, cached: "immutable"},
		"the head of a page":         {method: "HEAD", path: "/console", status: 200, page: true, cached: "no-cache"},
		"the authority":              {path: "/ca.pem", status: 200},
		"features":                   {path: "/api/v1/units", status: 200},
		"one feature":                {path: "/api/v1/units/E7", status: 200, cached: "no-cache"},
		"the nearest":                {path: "/api/v1/units/nearest?lon=-75.5&lat=39.7", status: 200},
		"alive":                      {path: "/healthz", status: 200},
		"metrics":                    {path: "/metrics", status: 200},
		"the contract":               {path: "/api/openapi.json", status: 200},
		"a feed":                     {path: "/feeds/osmand?id=E7&lat=39.7&lon=-75.5", status: 200},
		"not there":                  {path: "/api/v1/units/E8", status: 404},
		"no such page":               {path: "/nowhere", status: 404},
		"no such way":                {method: "PURGE", path: "/api/v1/units", status: 405},
		"not so":                     {path: "/api/v1/units?limit=x", status: 400},
		"not JSON":                   {method: "PUT", path: "/api/v1/units/E9", body: "{", status: 400},
		"not of this type":           {method: "PUT", path: "/api/v1/units/E9", body: "{}", header: []string{"Content-Type", "text/plain"}, status: 415},
		"of another page":            {method: "PUT", path: "/api/v1/units/E9", body: "{}", header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		"a stranger":                 {path: "/api/v1/units", header: []string{"Authorization", "Bearer rasad_made-up"}, status: 401},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			method := tt.method
			if method == "" {
				method = "GET"
			}
			a := h.do(method, tt.path, tt.body, tt.header...).want(tt.status)
			for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": ""} {
				if got := a.header.Get(k); got != want || len(a.header.Values(k)) > 1 {
					t.Errorf("%s: %q, want %q once", k, a.header.Values(k), want)
				}
			}
			policy := a.header.Values("Content-Security-Policy")
			if len(policy) != 1 || !strings.HasPrefix(policy[0], "default-src 'none'; ") || strings.Contains(policy[0], "unsafe") ||
				!strings.HasSuffix(policy[0], "frame-ancestors 'none'") || strings.Contains(policy[0], "script-src") != tt.page {
				t.Errorf("Content-Security-Policy: %q", policy)
			}
			if p := a.header.Get("Permissions-Policy"); !strings.Contains(p, "geolocation=()") || !strings.Contains(p, "camera=()") {
				t.Errorf("Permissions-Policy: %q", p)
			}
			if got := a.header.Get("Cache-Control"); tt.cached == "" && got != "no-store" || !strings.Contains(got, tt.cached) {
				t.Errorf("Cache-Control: %q, want %q", got, tt.cached)
			}
			over := h.do(method, tt.path, tt.body, append(tt.header, "X-Secure", "1")...)
			if got := over.header.Get("Strict-Transport-Security"); got != year {
				t.Errorf("over TLS Strict-Transport-Security is %q", got)
			}
		})
	}
}

func TestTheEmbedAloneMayBeFramed(t *testing.T) {
	for want, frames := range map[string][]string{"*": nil, "'self' https://news.example https://other.example": {"https://news.example", "https://other.example"}} {
		h := newHouse(t, func(d *api.Deps) { d.Frames = frames })
		for path, framed := range map[string]bool{"/embed": true, "/embed/list.en.html": true, "/public/v1/snapshot.json": true, "/embedded": false, "/wall": false, "/publicity": false, "/api/v1/units": false} {
			a := h.get(path)
			policy := a.header.Get("Content-Security-Policy")
			if got := strings.HasSuffix(policy, "frame-ancestors "+want); got != framed || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: %q, want it framed: %v", path, policy, framed)
			}
			if got := a.header.Get("Cross-Origin-Resource-Policy") == "cross-origin"; got != framed {
				t.Errorf("%s: CORP %q", path, a.header.Get("Cross-Origin-Resource-Policy"))
			}
			if got := strings.Contains(a.header.Get("Permissions-Policy"), "geolocation=(self)"); got != framed {
				t.Errorf("%s: %q", path, a.header.Get("Permissions-Policy"))
			}
		}
	}
}

func TestCamerasAreShownFromTheirOriginsAlone(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/wall", "/assets/main-3f9c.js"} {
		if policy := h.get(path).header.Get("Content-Security-Policy"); strings.Contains(policy, "media-src") || strings.Contains(policy, "http") {
			t.Errorf("%s: %q, want nothing from elsewhere where no camera is named", path, policy)
		}
	}
	h = newHouse(t, func(d *api.Deps) { d.Cameras = []string{"https://cameras.example", "http://10.0.0.7:8080"} })
	policy := h.get("/wall").header.Get("Content-Security-Policy")
	for _, want := range []string{
		"; img-src 'self' data: blob: https://cameras.example http://10.0.0.7:8080;", "; media-src blob: https://cameras.example http://10.0.0.7:8080;",
		"; connect-src 'self' https://cameras.example http://10.0.0.7:8080;", "; script-src 'self';", "; worker-src 'self';",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("%q is not in %q", want, policy)
		}
	}
	for _, path := range []string{"/embed", "/public/v1/snapshot.json", "/api/v1/units", "/healthz"} {
		if policy := h.get(path).header.Get("Content-Security-Policy"); strings.Contains(policy, "cameras.example") {
			t.Errorf("%s: %q, want it for the screens of the city alone", path, policy)
		}
	}
}

func TestWithoutALocalAuthorityThereIsNoneToFetch(t *testing.T) {
	newHouse(t).get("/ca.pem").want(http.StatusNotFound)
	h := newHouse(t, func(d *api.Deps) { d.CA = []byte("the certificate") })
	if a := h.get("/ca.pem").want(200); string(a.body) != "the certificate" || a.header.Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("got %q of type %q", a.body, a.header.Get("Content-Type"))
	}
	h.do("POST", "/ca.pem", "").want(http.StatusNotFound)
}
