package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// tlsConfig says where the certificate of the listener comes from: from files, from
// an ACME authority, or, when neither is named and the address is not loopback, from
// an authority of our own in the data folder.
type tlsConfig struct {
	Cert  string     `yaml:"cert"` // PEM, the leaf first
	Key   string     `yaml:"key"`
	ACME  acmeConfig `yaml:"acme"`
	Names []string   `yaml:"names"` // further names and addresses for the certificate of the local authority
	// HSTS tells browsers to come by TLS only for a year: "subdomains" (the default:
	// those below our name too), "host" or "off". Behind the local authority it is
	// off: whoever loses the data folder would lock every browser out of the new one.
	HSTS string `yaml:"hsts"`
	// Off: a trusted proxy in front speaks TLS for us.
	Off bool `yaml:"off"`
}

// acmeConfig is off while it has no names. The challenge is tls-alpn-01, on the port
// that is served, which the authority must reach as 443.
type acmeConfig struct {
	Names     []string `yaml:"names"`
	Email     string   `yaml:"email"`
	Directory string   `yaml:"directory"` // empty: Let's Encrypt
	Roots     string   `yaml:"roots"`     // PEM file of authorities to trust for the directory, beside the system's
}

// loopback tells whether only this machine reaches the address.
func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (c *config) checkTLS() error {
	t := c.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return usagef("tls: a certificate needs its key and the other way round: give both --tls-cert and --tls-key")
	case t.Cert != "" && len(t.ACME.Names) > 0:
		return usagef("tls: choose certificate files or ACME, not both")
	case t.Off && (t.Cert != "" || len(t.ACME.Names) > 0):
		return usagef("tls: off, and certificates as well; take one of them away")
	case t.Off && !loopback(c.Listen) && len(c.Proxies) == 0:
		return usagef("tls: off on %s lets passwords pass in clear; name the proxies in front that speak TLS (proxies: [10.0.0.0/8]), or leave TLS on", c.Listen)
	case len(t.ACME.Names) == 0 && (t.ACME.Email != "" || t.ACME.Directory != "" || t.ACME.Roots != ""):
		return usagef("tls: acme: names are missing: the host names that the certificate is for")
	case !slices.Contains([]string{"", "subdomains", "host", "off"}, t.HSTS):
		return usagef("tls: hsts: %q: choose subdomains, host or off", t.HSTS)
	}
	for _, n := range slices.Concat(t.ACME.Names, t.Names) {
		if n == "" || strings.ContainsAny(n, "/:* ") && net.ParseIP(n) == nil {
			return usagef("tls: %q is neither a host name nor an address", n)
		}
	}
	_, err := parseProxies(c.Proxies)
	return err
}

// keeper has the certificate that the listener shows, and renews it.
type keeper struct {
	log    *slog.Logger
	config *tls.Config
	hsts   string // value of the header; empty: none
	// Of the local authority; empty otherwise.
	ca          []byte // PEM
	fingerprint string // SHA-256 of the certificate, AA:BB:…

	current atomic.Pointer[tls.Certificate]
	mu      sync.Mutex
	renew   func(now time.Time) error // nil: the ACME manager does it
	every   time.Duration
}

// Lifetimes of what the local authority makes. Clocks of air-gapped rooms are off by
// hours, so all of it is valid from a day ago. Browsers take no leaf above 398 days.
const (
	caLives   = 10 * 365 * 24 * time.Hour
	leafLives = 365 * 24 * time.Hour
	clockOff  = 24 * time.Hour
)

// openTLS returns the keeper that the config asks for; nil: the listener speaks plain
// HTTP, on loopback or behind a proxy.
func openTLS(c config, log *slog.Logger) (*keeper, error) {
	k := &keeper{log: log, config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// For TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has no others.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}}
	k.hsts = hstsOf(c.TLS.HSTS)
	k.config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current.Load(), nil }
	switch {
	case c.TLS.Off:
		return nil, nil
	case c.TLS.Cert != "":
		files := &certFiles{cert: c.TLS.Cert, key: c.TLS.Key}
		k.every, k.renew = 5*time.Second, func(time.Time) error { return files.load(k) }
	case len(c.TLS.ACME.Names) > 0:
		return k, k.acme(c)
	case loopback(c.Listen):
		return nil, nil
	default:
		k.hsts = ""
		dir := filepath.Join(c.Data, "tls")
		a, err := openAuthority(dir, wantedNames(c), time.Now(), log)
		if err != nil {
			return nil, fmt.Errorf("open the local certificate authority in %s: %w", dir, err)
		}
		k.ca, k.fingerprint = a.pem, fingerprint(a.cert.Raw)
		k.every, k.renew = time.Hour, func(now time.Time) error { return a.keep(k, wantedNames(c), now) }
	}
	if err := k.renew(time.Now()); err != nil {
		return nil, fmt.Errorf("open the certificate of the server: %w", err)
	}
	return k, nil
}

// base is the address of the server as a browser on another machine may write it.
func (s *server) base() string {
	scheme, at := "http://", s.address
	if s.tls != nil {
		scheme = "https://"
	}
	if host, port, err := net.SplitHostPort(at); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			if name, err := os.Hostname(); err == nil && name != "" {
				at = net.JoinHostPort(name, port)
			}
		}
	}
	return scheme + at
}

// hsts and authority are what the door says of TLS; empty on plain HTTP. Behind a proxy
// that speaks TLS for us the header is ours to give as well.
func (s *server) hsts() string {
	switch {
	case s.tls != nil:
		return s.tls.hsts
	case len(s.proxies) > 0:
		return hstsOf(s.config.TLS.HSTS)
	}
	return ""
}

func (s *server) authority() []byte {
	if s.tls == nil {
		return nil
	}
	return s.tls.ca
}

// hstsOf is the header that a setting stands for.
func hstsOf(setting string) string {
	switch setting {
	case "host":
		return "max-age=31536000"
	case "off":
		return ""
	}
	return "max-age=31536000; includeSubDomains"
}

// serveWeb answers on the listener until web is shut down.
func (s *server) serveWeb(web *http.Server) error {
	if s.tls == nil {
		return web.Serve(s.listener)
	}
	web.TLSConfig = s.tls.config
	return web.ServeTLS(s.listener, "", "")
}

// run renews until ctx ends. What cannot be renewed stays as it was.
func (k *keeper) run(ctx context.Context) {
	if k.renew == nil {
		return
	}
	t := time.NewTicker(k.every)
	defer t.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			err := k.renew(now)
			if err != nil && err.Error() != said {
				k.log.Error("the certificate stays as it was", "error", err)
			}
			said = ""
			if err != nil {
				said = err.Error()
			}
		}
	}
}

func (k *keeper) show(c *tls.Certificate) {
	k.current.Store(c)
	k.log.Info("certificate", "for", c.Leaf.DNSNames, "addresses", c.Leaf.IPAddresses, "issuer", c.Leaf.Issuer.CommonName, "until", c.Leaf.NotAfter)
	if left := time.Until(c.Leaf.NotAfter); left < 14*24*time.Hour && k.ca == nil {
		k.log.Warn("the certificate ends soon", "until", c.Leaf.NotAfter)
	}
}

// certFiles are a certificate and its key as files, read again when they change.
type certFiles struct {
	cert, key string
	seen      string
}

func (f *certFiles) load(k *keeper) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := ""
	for _, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		seen += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	if seen == f.seen {
		return nil
	}
	c, err := tls.LoadX509KeyPair(f.cert, f.key) // also says no while one of the two is new and the other is not
	if err != nil {
		return fmt.Errorf("read %s and %s: %w", f.cert, f.key, err)
	}
	f.seen = seen
	k.show(&c)
	return nil
}

// acme lets an authority give out the certificates. They and the account lie in the
// data folder.
func (k *keeper) acme(c config) error {
	client := &acme.Client{DirectoryURL: cmp.Or(c.TLS.ACME.Directory, autocert.DefaultACMEDirectory), UserAgent: "rasad/" + build}
	if c.TLS.ACME.Roots != "" {
		b, err := os.ReadFile(c.TLS.ACME.Roots)
		if err != nil {
			return fmt.Errorf("read the authorities of the ACME directory: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(b) {
			return fmt.Errorf("%s holds no certificate", c.TLS.ACME.Roots)
		}
		client.HTTPClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	}
	m := &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, "tls", "acme")),
		HostPolicy: autocert.HostWhitelist(c.TLS.ACME.Names...), Email: c.TLS.ACME.Email, Client: client}
	k.config.NextProtos = append(k.config.NextProtos, acme.ALPNProto)
	k.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := m.GetCertificate(hello)
		if err == nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
			k.current.Store(cert)
		}
		return cert, err
	}
	return nil
}

// authority is our own: a certificate that signs ours and nothing else.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	log  *slog.Logger
}

// privateRanges are addresses that no public site has.
var privateRanges = []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10"}

// privateDomains are names that no public site has.
var privateDomains = []string{"localhost", "local", "lan", "internal", "home.arpa", "test"}

// openAuthority reads the authority of a folder, or makes it. It is good for the names
// wanted now and for private names and addresses, and for nothing else: whoever
// installs it on a tablet does not let it vouch for the rest of the web.
func openAuthority(dir string, names []string, now time.Time, log *slog.Logger) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &authority{dir: dir, log: log}
	cert, key, err := readPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, a.make(names, now)
	case err != nil:
		return nil, err
	}
	a.cert, a.key, a.pem = cert, key, pemOf("CERTIFICATE", cert.Raw)
	if left := cert.NotAfter.Sub(now); left < 365*24*time.Hour {
		log.Warn("the local certificate authority ends; stop the server, remove ca.pem and ca.key, and install the new one on every device", "until", cert.NotAfter, "folder", dir)
	}
	return a, nil
}

func (a *authority) make(names []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // for people who see it in a list; it may be empty
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"Rasad"}, CommonName: strings.TrimSpace("Rasad local authority " + host)},
		NotBefore: now.Add(-clockOff), NotAfter: now.Add(caLives),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: slices.Clone(privateDomains),
	}
	for _, r := range privateRanges {
		_, n, err := net.ParseCIDR(r)
		if err != nil {
			return err
		}
		t.PermittedIPRanges = append(t.PermittedIPRanges, n)
	}
	for _, n := range names {
		ip := net.ParseIP(n)
		switch {
		case ip == nil:
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, n)
		case ip.To4() != nil:
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(32, 32)})
		default:
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)})
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key, a.pem = key, pemOf("CERTIFICATE", der)
	return writePair(filepath.Join(a.dir, "ca.pem"), filepath.Join(a.dir, "ca.key"), a.pem, key)
}

// keep shows a leaf for the names: the one of the folder while it is good, else a new
// one. A third of its life is left when it is renewed.
func (a *authority) keep(k *keeper, names []string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	certFile, keyFile := filepath.Join(a.dir, "server.pem"), filepath.Join(a.dir, "server.key")
	names = a.permitted(names)
	good := func(c *x509.Certificate) bool {
		return c.CheckSignatureFrom(a.cert) == nil && !now.Before(c.NotBefore) && now.Before(c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore)*2/3)) &&
			!slices.ContainsFunc(names, func(n string) bool { return c.VerifyHostname(n) != nil })
	}
	if shown := k.current.Load(); shown != nil && good(shown.Leaf) {
		return nil
	}
	cert, key, err := readPair(certFile, keyFile)
	if err != nil || !good(cert) {
		// What cannot be read is made anew: nobody trusts the leaf itself.
		if cert, key, err = a.issue(names, now); err != nil {
			return err
		}
		if err := writePair(certFile, keyFile, pemOf("CERTIFICATE", cert.Raw), key); err != nil {
			a.log.Warn("the certificate is not kept; the next start makes another", "error", err)
		}
	}
	k.show(&tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert})
	return nil
}

// permitted leaves out what the authority may not sign.
func (a *authority) permitted(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		in := false
		if ip := net.ParseIP(n); ip != nil {
			in = slices.ContainsFunc(a.cert.PermittedIPRanges, func(r *net.IPNet) bool { return r.Contains(ip) })
		} else {
			in = slices.ContainsFunc(a.cert.PermittedDNSDomains, func(d string) bool {
				return strings.EqualFold(n, d) || strings.HasSuffix(strings.ToLower(n), "."+strings.ToLower(d))
			})
		}
		if !in {
			a.log.Warn("the local authority was made before this name was known and may not sign it; it is left out of the certificate",
				"name", n, "mend", "remove ca.pem and ca.key in "+a.dir+" and install the new authority on every device")
		}
		return !in
	})
}

func (a *authority) issue(names []string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ends := now.Add(leafLives)
	if ends.After(a.cert.NotAfter) {
		ends = a.cert.NotAfter
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"Rasad"}, CommonName: "Rasad"},
		NotBefore: now.Add(-clockOff), NotAfter: ends, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// wantedNames are the names and addresses by which this server may be called: those of
// the config, the one it listens on, the machine's name, and its addresses.
func wantedNames(c config) []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, c.TLS.Names...)
	host, _, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		names = append(names, host)
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		names = append(names, h)
		if !strings.Contains(h, ".") {
			names = append(names, h+".local") // as mDNS calls it
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				names = append(names, n.IP.String())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand does not fail
	b[0] &= 0x7f        // positive
	return new(big.Int).SetBytes(b)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// fingerprint is how browsers and phones show a certificate.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	h := strings.ToUpper(hex.EncodeToString(sum[:]))
	var parts []string
	for i := 0; i < len(h); i += 2 {
		parts = append(parts, h[i:i+2])
	}
	return strings.Join(parts, ":")
}

// readPair reads a certificate of ours and its key.
func readPair(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s is not a key that Rasad makes", keyFile)
	}
	return pair.Leaf, key, nil
}

// writePair writes the key first: a certificate without its key is of no use.
func writePair(certFile, keyFile string, cert []byte, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := replaceFile(keyFile, pemOf("PRIVATE KEY", der), 0o600); err != nil {
		return err
	}
	return replaceFile(certFile, cert, 0o644)
}

// replaceFile writes a file so that a crash leaves the old one or the new one.
func replaceFile(name string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(b).WriteTo(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}

// proxies are the addresses whose X-Forwarded headers are believed. Those of others
// are what a stranger wrote.
type proxies []netip.Prefix

func parseProxies(list []string) (proxies, error) {
	var out proxies
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, e := netip.ParseAddr(s)
			if e != nil {
				return nil, usagef("proxies: %q is neither an address nor a network; write 10.0.0.5 or 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Bits() == 0 {
			return nil, usagef("proxies: %s is everybody, so that everybody could say who they are", s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func (p proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a.Unmap().WithZone("")) })
}

// behind tells whether a request came through a trusted proxy, and the address of
// whoever is at the other end of the connection.
func (p proxies) behind(r *http.Request) (from string, ok bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, false // in process, or a socket: no proxy
	}
	return ap.Addr().Unmap().String(), p.trusts(ap.Addr())
}

// client tells whether the browser's connection is TLS, and from which address it
// comes: the right-most of those in X-Forwarded-For that is none of our proxies, for
// what stands left of it the client may have written itself.
func (p proxies) client(r *http.Request) (secure bool, from string) {
	from, ok := p.behind(r)
	if !ok {
		return r.TLS != nil, from
	}
	protos := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
	secure = !slices.ContainsFunc(protos, func(s string) bool { return !strings.EqualFold(strings.TrimSpace(s), "https") })
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(hop), "[]"))
		if err != nil {
			if ap, e := netip.ParseAddrPort(strings.TrimSpace(hop)); e == nil { // some write the port as well
				a, err = ap.Addr(), nil
			}
		}
		if err != nil {
			return secure, from // what comes before it is nobody's word
		}
		from = a.Unmap().WithZone("").String()
		if !p.trusts(a) {
			return secure, from
		}
	}
	return secure, from
}

// handler gives requests that came through a trusted proxy the host that the browser
// asked for: origins are compared with it.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := r.Header.Values("X-Forwarded-Host"); len(host) == 1 && plainHost(host[0]) {
			if _, ok := p.behind(r); ok {
				with := *r
				with.Host = host[0]
				r = &with
			}
		}
		next.ServeHTTP(w, r)
	})
}

// plainHost tells whether text is a host as a browser writes it, and one only.
func plainHost(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:[]", r))
	})
}
