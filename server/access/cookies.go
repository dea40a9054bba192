package access

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// The names of the session's cookie. Over TLS it is a __Host- one, which browsers
// take only from this very host, Secure and for every path, so that no neighbour
// domain and no plain connection can set it. Browsers take such a cookie over TLS
// only, and some (Safari) also refuse it from http://localhost; there, and only
// there, a cookie of another name is used. A server behind TLS never reads that one.
const (
	CookieSecure   = "__Host-rasad"
	CookieLoopback = "rasad-loopback"
)

// browserSuffix makes the name of the cookie by which a browser is known in which
// somebody signed in. It opens nothing: the limiter trusts who brings it to type
// badly.
const browserSuffix = "-browser"

const browserLives = 90 * 24 * time.Hour

// ErrCookies is a request that brings the cookie twice: somebody has put one
// beside ours.
var ErrCookies = errors.New("the session's cookie came more than once")

func cookieName(secure bool) string {
	if secure {
		return CookieSecure
	}
	return CookieLoopback
}

// SetCookie gives the browser its session. secure says whether the browser's
// connection is TLS, to us or to a trusted proxy in front of us.
func SetCookie(w http.ResponseWriter, secure bool, secret string, lives time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure), Value: secret, Path: "/", MaxAge: int(lives / time.Second),
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// ClearCookie takes the session from the browser.
func ClearCookie(w http.ResponseWriter, secure bool) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure), Path: "/", MaxAge: -1, Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// ReadCookie returns the secret of the session that a request brings; "" when it
// brings none, or one that could not be ours. It returns [ErrCookies].
func ReadCookie(r *http.Request, secure bool) (string, error) {
	found := r.CookiesNamed(cookieName(secure))
	switch {
	case len(found) > 1:
		return "", ErrCookies
	case len(found) == 0 || !parseSecret(found[0].Value):
		return "", nil
	}
	return found[0].Value, nil
}

// SetBrowser makes the browser known by the value of [Entry.Browser].
func SetBrowser(w http.ResponseWriter, secure bool, value string) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure) + browserSuffix, Value: value, Path: "/", MaxAge: int(browserLives / time.Second),
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// ReadBrowser returns by what the browser is known; "" when by nothing.
func ReadBrowser(r *http.Request, secure bool) string {
	found := r.CookiesNamed(cookieName(secure) + browserSuffix)
	if len(found) != 1 || !parseSecret(found[0].Value) {
		return ""
	}
	return found[0].Value
}

// MayGoBare tells whether a request may do without TLS: it came over the loopback
// interface and was asked of a loopback name.
func MayGoBare(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip := net.ParseIP(host)
	if ip == nil || !ip.IsLoopback() {
		return false
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = strings.Trim(r.Host, "[]")
	}
	return loopbackName(name)
}

func loopbackName(name string) bool {
	at := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || at != nil && at.IsLoopback()
}

// Credentials are what a request brings to prove who asks.
type Credentials struct {
	Session string // secret of a cookie
	Token   string // of a program
	From    string // address of the client
	Agent   string
}

// ErrCredentials is a request whose Authorization header is not a bearer token.
var ErrCredentials = errors.New("the Authorization header must be: Bearer TOKEN")

// CredentialsOf reads what a request brings. A token in the Authorization header
// counts before a cookie, which a browser sends by itself. It returns [ErrCookies]
// and [ErrCredentials]. from is the client's address, which only the door knows:
// it knows the trusted proxies.
func CredentialsOf(r *http.Request, secure bool, from string) (Credentials, error) {
	c := Credentials{From: from, Agent: clip(r.UserAgent(), 200)}
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		scheme, token, ok := strings.Cut(given[0], " ")
		if len(given) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") || !plausibleToken(token) {
			return c, ErrCredentials
		}
		c.Token = token
		return c, nil
	}
	var err error
	c.Session, err = ReadCookie(r, secure)
	return c, err
}
