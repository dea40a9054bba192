package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// everywhere is a config that needs TLS.
func everywhere(t *testing.T) config {
	c := defaults()
	c.Listen, c.Data = "0.0.0.0:0", t.TempDir()
	c.TLS.Names = []string{"ops.city.example", "203.0.113.9"}
	return c
}

func mustTLS(t *testing.T, c config) *keeper {
	t.Helper()
	k, err := openTLS(c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// shaking serves by the keeper's config until the test ends, and returns the address.
func shaking(t *testing.T, k *keeper) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{TLSConfig: k.config, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})}
	go func() { _ = srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

// shake is a handshake by a name, trusting the authority only.
func shake(t *testing.T, addr, name string, ca []byte, more ...func(*tls.Config)) (*tls.ConnectionState, error) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the authority is no certificate")
	}
	c := &tls.Config{RootCAs: roots, ServerName: name, NextProtos: []string{"h2", "http/1.1"}}
	for _, f := range more {
		f(c)
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	s := conn.ConnectionState()
	return &s, nil
}

func TestLoopbackStaysPlainAndOthersGetALocalAuthority(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "localhost:0": false, "0.0.0.0:0": true, ":0": true, "192.0.2.1:0": true, "[::]:0": true} {
		c := defaults()
		c.Listen, c.Data = listen, t.TempDir()
		if err := c.check(); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
		k := mustTLS(t, c)
		if (k != nil) != want {
			t.Errorf("%s: TLS %v, want %v", listen, k != nil, want)
		}
		if k != nil && (k.fingerprint == "" || len(k.ca) == 0 || k.hsts != "") {
			t.Errorf("%s: authority %q, fingerprint %q, HSTS %q: want the first two and never the third", listen, k.ca, k.fingerprint, k.hsts)
		}
	}
}

// TestTheLocalAuthorityIsTrustedForItsNamesOnly makes real handshakes.
func TestTheLocalAuthorityIsTrustedForItsNamesOnly(t *testing.T) {
	c := everywhere(t)
	k := mustTLS(t, c)
	addr := shaking(t, k)
	for name, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "ops.city.example": true, "203.0.113.9": true, "bank.example": false, "203.0.113.10": false} {
		s, err := shake(t, addr, name, k.ca)
		if (err == nil) != want {
			t.Errorf("by the name %s: %v, want a handshake: %v", name, err, want)
		}
		if err == nil && (s.Version != tls.VersionTLS13 || s.NegotiatedProtocol != "h2") {
			t.Errorf("%s: version %x, protocol %q", name, s.Version, s.NegotiatedProtocol)
		}
	}
	for _, old := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := shake(t, addr, "localhost", k.ca, func(c *tls.Config) { c.MinVersion, c.MaxVersion = old, old }); err == nil {
			t.Errorf("a handshake of version %x", old)
		}
	}
	if _, err := shake(t, addr, "localhost", k.ca, func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	}); err == nil {
		t.Error("a handshake by a CBC suite")
	}
	if s, err := shake(t, addr, "localhost", k.ca, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err != nil || s.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2 is still needed by old tablets: %v", err)
	}
	if _, err := shake(t, addr, "localhost", selfSigned(t)); err == nil {
		t.Error("another authority vouches for the server")
	}
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	a := &authority{dir: t.TempDir(), log: quiet()}
	if err := a.make(nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	return a.pem
}

// TestTheLocalAuthorityCannotVouchForOthers: a thief of the key cannot stand in for a
// bank on the tablets that trust the authority.
func TestTheLocalAuthorityCannotVouchForOthers(t *testing.T) {
	a, err := openAuthority(filepath.Join(t.TempDir(), "tls"), []string{"ops.city.example"}, time.Now(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	for name, want := range map[string]bool{"ops.city.example": true, "www.ops.city.example": true, "10.1.2.3": true, "tablet.local": true,
		"bank.example": false, "city.example": false, "8.8.8.8": false} {
		leaf, _, err := a.issue([]string{name}, time.Now()) // as a thief would, without asking permitted
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != want {
			t.Errorf("a certificate for %s: %v, want it good: %v", name, err, want)
		}
	}
	under, _, err := a.issue([]string{"tablet.local"}, time.Now())
	if err != nil || under.IsCA {
		t.Errorf("a leaf that signs others: %v", err)
	}
	if !a.cert.MaxPathLenZero || a.cert.MaxPathLen != 0 {
		t.Error("the authority may have authorities below it")
	}
}

func TestTheAuthorityStaysAndTheLeafIsRenewed(t *testing.T) {
	c := everywhere(t)
	k := mustTLS(t, c)
	first := k.current.Load().Leaf
	if lives := first.NotAfter.Sub(first.NotBefore); lives > 398*24*time.Hour {
		t.Errorf("the leaf lives %v; browsers take 398 days", lives)
	}
	again := mustTLS(t, c)
	if again.fingerprint != k.fingerprint || !again.current.Load().Leaf.Equal(first) {
		t.Error("a restart made another authority or leaf")
	}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{230 * 24 * time.Hour, false}, {250 * 24 * time.Hour, true}} {
		if err := again.renew(now.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		if renewed := !again.current.Load().Leaf.Equal(first); renewed != step.want {
			t.Errorf("after %v renewed: %v, want %v", step.after, renewed, step.want)
		}
	}
	if _, err := shake(t, shaking(t, again), "ops.city.example", k.ca, func(c *tls.Config) { c.Time = func() time.Time { return now.Add(251 * 24 * time.Hour) } }); err != nil {
		t.Errorf("who trusts the authority does not take the renewed leaf: %v", err)
	}
	for name, mode := range map[string]os.FileMode{"ca.key": 0o600, "server.key": 0o600} {
		if info, err := os.Stat(filepath.Join(c.Data, "tls", name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}

	// A name that the authority was not made for is left out, and the rest still works.
	c.TLS.Names = append(c.TLS.Names, "elsewhere.example")
	other := mustTLS(t, c)
	if slices.Contains(other.current.Load().Leaf.DNSNames, "elsewhere.example") || other.fingerprint != k.fingerprint {
		t.Error("the authority signed what it may not, or was made anew")
	}
	if _, err := shake(t, shaking(t, other), "ops.city.example", k.ca); err != nil {
		t.Error(err)
	}
	// A private name is in.
	c.TLS.Names = []string{"new-name.local"}
	if _, err := shake(t, shaking(t, mustTLS(t, c)), "new-name.local", k.ca); err != nil {
		t.Error(err)
	}
	// A leaf that is spoiled is made anew; an authority that is spoiled is not.
	for _, spoiled := range []struct {
		name string
		want bool
	}{{"server.pem", true}, {"ca.pem", false}} {
		if err := os.WriteFile(filepath.Join(c.Data, "tls", spoiled.name), []byte("spoiled"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openTLS(c, quiet()); (err == nil) != spoiled.want {
			t.Errorf("%s spoiled: %v, want a start: %v", spoiled.name, err, spoiled.want)
		}
	}
}

func TestCertificateFilesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	a, err := openAuthority(filepath.Join(dir, "ca"), []string{"city.example"}, time.Now(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	c := defaults()
	c.Data, c.TLS.Cert, c.TLS.Key = dir, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := openTLS(c, quiet()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files that are not there: %v", err)
	}
	put := func(n int) *x509.Certificate {
		t.Helper()
		leaf, key, err := a.issue([]string{"city.example"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := writePair(c.TLS.Cert, c.TLS.Key, pemOf("CERTIFICATE", leaf.Raw), key); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(n) * time.Second) // a disk may know seconds only
		for _, f := range []string{c.TLS.Cert, c.TLS.Key} {
			if err := os.Chtimes(f, at, at); err != nil {
				t.Fatal(err)
			}
		}
		return leaf
	}
	put(0)
	k := mustTLS(t, c)
	if k == nil || k.hsts != "max-age=31536000; includeSubDomains" {
		t.Fatalf("certificates on loopback are used, with HSTS: %+v", k)
	}
	addr := shaking(t, k)
	shown := func() *x509.Certificate {
		t.Helper()
		s, err := shake(t, addr, "city.example", a.pem)
		if err != nil {
			t.Fatal(err)
		}
		return s.PeerCertificates[0]
	}
	second := put(1)
	if shown().Equal(second) {
		t.Error("nobody has looked yet, and the new one is shown")
	}
	if err := k.renew(time.Now()); err != nil || !shown().Equal(second) {
		t.Errorf("the new certificate is not shown: %v", err)
	}
	// Half a change: the key is of another certificate. The old one stays.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(c.TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := writePair(filepath.Join(dir, "x"), c.TLS.Key, nil, key); err != nil {
		t.Fatal(err)
	}
	if err := k.renew(time.Now()); err == nil || !shown().Equal(second) {
		t.Errorf("half a change: %v", err)
	}
	if err := os.WriteFile(c.TLS.Key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.renew(time.Now()); err != nil || !shown().Equal(second) {
		t.Errorf("mended: %v", err)
	}
}

// TestACMEAsksForItsNamesOnly: a directory of this test hears whether anybody asks.
func TestACMEAsksForItsNamesOnly(t *testing.T) {
	asked := make(chan string, 10)
	directory := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.Path:
		default:
		}
		http.Error(w, "not for you", http.StatusForbidden) // of which nobody tries again
	}))
	defer directory.Close()
	c := defaults()
	c.Listen, c.Data = "0.0.0.0:0", t.TempDir()
	roots := filepath.Join(c.Data, "roots.pem")
	if err := os.WriteFile(roots, pemOf("CERTIFICATE", directory.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	c.TLS.ACME = acmeConfig{Names: []string{"city.example"}, Directory: directory.URL + "/dir", Roots: roots}
	k := mustTLS(t, c)
	if !slices.Contains(k.config.NextProtos, "acme-tls/1") || !slices.Contains(k.config.NextProtos, "h2") || k.ca != nil {
		t.Errorf("protocols %q, a local authority: %v", k.config.NextProtos, k.ca != nil)
	}
	hello := func(name string) error {
		_, err := k.config.GetCertificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{"h2"}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
			SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}})
		return err
	}
	if err := hello("stranger.example"); err == nil || len(asked) != 0 {
		t.Errorf("a stranger's name: %v, and the directory was asked %d times", err, len(asked))
	}
	if err := hello("city.example"); err == nil || len(asked) == 0 {
		t.Errorf("our name: %v, and the directory was asked %d times", err, len(asked))
	}
}

func TestForwardedHeadersOfStrangersAreNothing(t *testing.T) {
	p, err := parseProxies([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		peer   string
		header http.Header
		secure bool
		from   string
	}{
		"nobody in between":                   {"198.51.100.1:5", nil, false, "198.51.100.1"},
		"a stranger says who they are":        {"198.51.100.1:5", http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"https"}}, false, "198.51.100.1"},
		"a proxy":                             {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"198.51.100.2"}, "X-Forwarded-Proto": {"https"}}, true, "198.51.100.2"},
		"a client that lies to a proxy":       {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"127.0.0.1, 10.9.9.9, 198.51.100.2"}, "X-Forwarded-Proto": {"https"}}, true, "198.51.100.2"},
		"two lines of the header":             {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"127.0.0.1", "198.51.100.2, 10.2.2.2"}, "X-Forwarded-Proto": {"https"}}, true, "198.51.100.2"},
		"two proxies":                         {"192.0.2.7:5", http.Header{"X-Forwarded-For": {"198.51.100.2, 10.2.2.2"}, "X-Forwarded-Proto": {"https"}}, true, "198.51.100.2"},
		"only proxies":                        {"192.0.2.7:5", http.Header{"X-Forwarded-For": {"10.3.3.3, 10.2.2.2"}, "X-Forwarded-Proto": {"https"}}, true, "10.3.3.3"},
		"rubbish stops the walk":              {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"198.51.100.2, rubbish, 10.2.2.2"}}, false, "10.2.2.2"},
		"with a port":                         {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"198.51.100.2:4444"}}, false, "198.51.100.2"},
		"IPv6":                                {"[2001:db8::1]:5", http.Header{"X-Forwarded-For": {"[2001:db9::5]"}, "X-Forwarded-Proto": {"HTTPS"}}, true, "2001:db9::5"},
		"IPv4 in IPv6":                        {"[::ffff:10.1.1.1]:5", http.Header{"X-Forwarded-For": {"::ffff:198.51.100.2"}, "X-Forwarded-Proto": {"https"}}, true, "198.51.100.2"},
		"a proxy without headers":             {"10.1.1.1:5", nil, false, "10.1.1.1"},
		"one leg of two in clear":             {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"198.51.100.2"}, "X-Forwarded-Proto": {"http, https"}}, false, "198.51.100.2"},
		"the header twice, the first by them": {"10.1.1.1:5", http.Header{"X-Forwarded-For": {"198.51.100.2"}, "X-Forwarded-Proto": {"https", "http"}}, false, "198.51.100.2"},
		"no network at all":                   {"pipe", http.Header{"X-Forwarded-For": {"198.51.100.2"}}, false, "pipe"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			for k, v := range tt.header {
				r.Header[k] = v
			}
			secure, from := p.client(r)
			if secure != tt.secure || from != tt.from {
				t.Errorf("got secure %v from %q, want %v from %q", secure, from, tt.secure, tt.from)
			}
		})
	}
	r := httptest.NewRequest("GET", "https://city.example/", nil)
	if secure, _ := p.client(r); !secure {
		t.Error("TLS of our own is not seen")
	}
}

func TestTheHostOfATrustedProxyCounts(t *testing.T) {
	p, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		peer string
		host []string
		want string
	}{
		"of a proxy":        {"10.1.1.1:5", []string{"city.example"}, "city.example"},
		"of a stranger":     {"198.51.100.1:5", []string{"city.example"}, "inside:8080"},
		"twice":             {"10.1.1.1:5", []string{"city.example", "evil.example"}, "inside:8080"},
		"two in one":        {"10.1.1.1:5", []string{"city.example, evil.example"}, "inside:8080"},
		"with a path":       {"10.1.1.1:5", []string{"city.example/x"}, "inside:8080"},
		"with a line break": {"10.1.1.1:5", []string{"city.example\r\nX: y"}, "inside:8080"},
		"none":              {"10.1.1.1:5", nil, "inside:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Host = tt.peer, "inside:8080"
			if tt.host != nil {
				r.Header["X-Forwarded-Host"] = tt.host
			}
			got := ""
			p.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Host })).ServeHTTP(httptest.NewRecorder(), r)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTheWalkOverHopsFindsTheRightMostStranger holds the walk against the
// naive reading of all hops.
func TestTheWalkOverHopsFindsTheRightMostStranger(t *testing.T) {
	p := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	pool := []string{"10.0.0.1", "10.2.0.1", "198.51.100.1", "203.0.113.1"}
	for n := range 4 * 4 * 4 * 4 {
		var hops []string
		for x := n; len(hops) < 4; x /= 4 {
			hops = append(hops, pool[x%4])
		}
		want := hops[0]
		for _, h := range hops { // the last stranger
			if !strings.HasPrefix(h, "10.") {
				want = h
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.9.9.9:1"
		r.Header.Set("X-Forwarded-For", strings.Join(hops, ", "))
		if _, got := p.client(r); got != want {
			t.Fatalf("of %v: got %s, want %s", hops, got, want)
		}
	}
}

func TestAnAuthorityThatEndsIsToldInTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if _, err := openAuthority(dir, nil, time.Now(), quiet()); err != nil {
		t.Fatal(err)
	}
	var said buffer
	a, err := openAuthority(dir, nil, time.Now().Add(9*365*24*time.Hour+48*time.Hour), slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil || !strings.Contains(said.String(), "ends") {
		t.Errorf("%v; it said %q", err, said.String())
	}
	leaf, _, err := a.issue([]string{"localhost"}, a.cert.NotAfter.Add(-24*time.Hour))
	if err != nil || leaf.NotAfter.After(a.cert.NotAfter) {
		t.Errorf("a leaf outlives its authority: %v", err)
	}
	if got := (pkix.Name{}).String(); got == a.cert.Subject.String() {
		t.Error("the authority has no name to find it by in a list")
	}
}
