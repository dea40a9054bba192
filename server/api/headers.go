package api

import (
	"net/http"
	"strings"
)

// What browsers are told about every answer, whoever makes it. A handler may say more,
// or otherwise where it knows better: caching, above all.

// Header values that do not depend on the request, shared so that an answer does not
// allocate them.
var (
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	sameOrigin  = []string{"same-origin"}
	crossOrigin = []string{"cross-origin"}
	dataPolicy  = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	// The position of a visitor is asked for by the embed alone, and stays in the browser.
	noDevices    = []string{"camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), midi=(), display-capture=(), fullscreen=(self), screen-wake-lock=(self)"}
	embedDevices = []string{"camera=(), microphone=(), geolocation=(self), payment=(), usb=(), serial=(), bluetooth=(), midi=(), display-capture=(), fullscreen=(self)"}
)

// pagePolicy lets a page run what is served here and nothing else: no inline script or
// style, no eval, no plug-in, no base, no form that goes elsewhere. The map makes
// images of what it has fetched, which are data: and blob: ones. What follows it says
// who may show the page in a frame.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "

// screenPolicyOf lets the screens of the city show the pictures of cameras that stand
// at the origins, and play their videos: an <img>, a <video>, and what hls.js fetches
// and hands to a video as a blob. None named: there are no pictures from elsewhere.
func screenPolicyOf(cameras []string) []string {
	policy := pagePolicy
	if len(cameras) > 0 {
		from := " " + strings.Join(cameras, " ")
		policy = strings.Replace(policy, "blob:;", "blob:"+from+"; media-src blob:"+from+";", 1)
		policy = strings.Replace(policy, "connect-src 'self'", "connect-src 'self'"+from, 1)
	}
	return []string{policy + "'none'"}
}

// embedPolicyOf lets the origins show the embed, and our own builder; none named:
// everybody.
func embedPolicyOf(frames []string) []string {
	who := "*"
	if len(frames) > 0 {
		who = "'self' " + strings.Join(frames, " ")
	}
	return []string{pagePolicy + who}
}

// builderPolicyOf lets the page that makes embeds show one as well.
func builderPolicyOf(frames []string) []string {
	return []string{embedPolicyOf(frames)[0] + "; frame-src 'self'"}
}

// embedded tells whether a path is of what news sites show in a frame or fetch: the
// embed and the public world.
func embedded(path string) bool {
	return path == "/embed" || strings.HasPrefix(path, "/embed/") || strings.HasPrefix(path, "/public/")
}

// dress puts on the answer what holds for all of them.
func (a *API) dress(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	h["Cache-Control"] = noStore
	if embedded(r.URL.Path) {
		h["Content-Security-Policy"] = a.embedPolicy
		h["Cross-Origin-Resource-Policy"] = crossOrigin
		h["Permissions-Policy"] = embedDevices
	} else {
		h["Content-Security-Policy"] = dataPolicy
		h["Cross-Origin-Resource-Policy"] = sameOrigin
		h["Permissions-Policy"] = noDevices
	}
	if a.hsts != nil {
		if secure, _ := a.client(r); secure {
			h["Strict-Transport-Security"] = a.hsts
		}
	}
}

// serveCA gives out the certificate of the local authority, if there is one: what a
// device must trust before it can come by TLS without a warning. Whoever installs it
// compares its fingerprint with the one that the server printed.
func (a *API) serveCA(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/ca.pem" || len(a.CA) == 0 {
		return false
	}
	h := w.Header()
	h.Set("Content-Disposition", `attachment; filename="rasad-ca.pem"`)
	_ = writeJSON(w, http.StatusOK, []string{"application/x-x509-ca-cert"}, a.CA) // the caller may be gone
	return true
}
