package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// street is `rasad serve` on every address of the machine, as a room without a
// certificate starts it.
type street struct {
	out, log    *buffer
	port        string
	fingerprint string
	stop        func() int
}

func onTheStreet(t *testing.T) *street {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &street{out: &buffer{}, log: &buffer{}}
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, env{getenv: lookup(nil), out: s.out, err: s.log}, []string{"serve", "--listen", "0.0.0.0:0", "--data", t.TempDir()})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-status })
	t.Cleanup(func() { s.stop() })
	said := regexp.MustCompile(`console  https://[^/]*:(\d+)/console\n  devices  trust https://[^/]*/ca\.pem, SHA-256 ([0-9A-F:]+)\n`)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if m := said.FindStringSubmatch(s.out.String()); m != nil {
			s.port, s.fingerprint = m[1], m[2]
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not say where it is: %s%s", s.out, s.log)
		}
	}
}

// TestARoomWithoutACertificate: a device fetches the authority, compares the
// fingerprint, and from then on speaks TLS that it can check.
func TestARoomWithoutACertificate(t *testing.T) {
	s := onTheStreet(t)
	at := "127.0.0.1:" + s.port
	blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // as the first visit is
	res, err := blind.Get("https://" + at + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(res.Body)
	res.Body.Close()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate: %s %q", res.Status, text)
	}
	if got := strings.ToUpper(fmt.Sprintf("% x", sha256.Sum256(block.Bytes))); strings.ReplaceAll(got, " ", ":") != s.fingerprint {
		t.Errorf("the fingerprint is %s, and %s was printed", got, s.fingerprint)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	checked := &tls.Config{RootCAs: roots}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: checked, ForceAttemptHTTP2: true}}
	for path, want := range map[string]int{"/healthz": 200, "/api/v1/units": 401, "/api/v1/session": 401} {
		res, err := client.Get("https://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || res.Proto != "HTTP/2.0" || res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: %s by %s, HSTS %q", path, res.Status, res.Proto, res.Header.Get("Strict-Transport-Security"))
		}
	}
	// The setup link is one of TLS, and the session that it makes is in a __Host- cookie.
	link := regexp.MustCompile(`setup +(https://\S+)/setup#(\S+)`).FindStringSubmatch(s.out.String())
	if link == nil {
		t.Fatalf("no setup link by https: %s", s.out)
	}
	body := fmt.Sprintf(`{"token":%q,"name":"root","password":"an otter swims at dusk"}`, link[2])
	res, err = client.Post("https://"+at+"/api/v1/setup", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cookies := res.Cookies()
	if res.StatusCode != http.StatusCreated || len(cookies) == 0 {
		t.Fatalf("setup: %s", res.Status)
	}
	for _, c := range cookies {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(c.Name, "__Host-") {
			t.Errorf("a cookie that is not closed: %s", c)
		}
	}
	jar := ""
	for _, c := range cookies {
		jar += c.Name + "=" + c.Value + "; "
	}
	d := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}, Subprotocols: []string{"rasad.json.v1"}}
	for origin, want := range map[string]bool{"https://" + at: true, "https://evil.example": false} {
		c, _, err := d.Dial("wss://"+at+"/api/v1/stream", http.Header{"Cookie": {strings.TrimSuffix(jar, "; ")}, "Origin": {origin}})
		if (err == nil) != want {
			t.Errorf("a socket from %s: %v", origin, err)
		}
		if err == nil {
			c.Close()
		}
	}
	// Whoever forgets the s is told so, and gets nothing.
	plain, err := http.Get("http://" + at + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %s", plain.Status)
	}
	// A forwarded header of a stranger changes nothing: no proxy is named.
	r, _ := http.NewRequest("GET", "https://"+at+"/api/v1/session", nil)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	res, err = client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("with forwarded headers: %s", res.Status)
	}
	if status := s.stop(); status != 0 {
		t.Errorf("stopped with %d: %s", status, s.log)
	}
	if strings.Contains(s.log.String(), link[2]) || strings.Contains(s.log.String(), "otter") {
		t.Error("a secret stands in the log")
	}
}

// TestSlowAndEndlessHeaders holds connections open and says little (slowloris), and too
// much.
func TestSlowAndEndlessHeaders(t *testing.T) {
	t.Parallel()
	s := serving(t, t.TempDir())
	u, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var wg sync.WaitGroup
	began := time.Now()
	for range 200 {
		c := dial()
		wg.Go(func() {
			_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: "+u.Host+"\r\n")
			go func() {
				for { // a header each second, for ever
					if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("a connection that says little: %v after %v", err, time.Since(began))
			}
		})
	}
	s.call("GET", "/healthz", "", 200) // others are served meanwhile
	big := dial()
	_, _ = io.WriteString(big, "GET /healthz HTTP/1.1\r\nHost: "+u.Host+"\r\nX-A: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(big), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of header: %v %v", res, err)
	}
	wg.Wait()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("connections that say little were held for %v", took)
	}
	s.call("GET", "/healthz", "", 200)
}
