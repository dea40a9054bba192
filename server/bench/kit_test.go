//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/geo"
	"rasad/streams"
)

const e7 = 1e7

// city is where the units of the benchmarks are: half spread evenly, half in
// clusters, over 0.4 by 0.27 degrees.
func scatter(r *rand.Rand) (lng, lat float64) {
	const west, south, w, h = -75.80, 39.58, 0.40, 0.27
	if r.IntN(2) == 0 {
		return west + r.Float64()*w, south + r.Float64()*h
	}
	c := rand.New(rand.NewPCG(uint64(r.IntN(50)), 7))
	x, y := west+c.Float64()*w+r.NormFloat64()*w/60, south+c.Float64()*h+r.NormFloat64()*h/60
	return min(max(x, west), west+w), min(max(y, south), south+h)
}

// unit makes the i-th unit: every hundredth can do hazmat.
func unit(r *rand.Rand, id geo.ID, i int, rev uint64, now geo.Millis) *geo.Feature {
	lng, lat := scatter(r)
	capabilities := `["engine"]`
	if i%100 == 0 {
		capabilities = `["engine","hazmat"]`
	}
	return &geo.Feature{ID: id, Key: "U" + strconv.Itoa(i), Kind: geo.Unit, Rev: rev,
		Fix:   geo.Fix{At: geo.LngLat{Lng: int32(lng * e7), Lat: int32(lat * e7)}, Time: now, Heading: uint16(r.IntN(360)), Speed: uint16(r.IntN(200)), Accuracy: 5},
		Props: geo.Props(fmt.Sprintf(`{"agency":"fire","capabilities":%s,"crew":4,"dispatchable":true,"distress":false,"name":"Unit %d","status":"available","type":"engine"}`, capabilities, i))}
}

// seed writes a record with n units into dir, then lets more frames follow it, and
// returns the world at the end.
func seed(tb testing.TB, dir string, n int, more func(j *streams.Journal, w *geo.World)) *geo.World {
	tb.Helper()
	ctx := context.Background()
	j, w, _, err := streams.OpenJournal(ctx, streams.JournalOptions{Dir: dir, ScrubRate: -1})
	if err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	now := geo.Millis(time.Now().UnixMilli())
	for i := 0; i < n; {
		var d geo.Delta
		seq := w.View().Seq() + 1
		for ; i < n && len(d.Put) < 1500; i++ {
			d.Put = append(d.Put, unit(r, geo.ID(i+1), i, seq, now))
		}
		record(tb, j, w, d, now)
	}
	if err := j.Snapshot(ctx, w.View(), nil); err != nil {
		tb.Fatal(err)
	}
	if more != nil {
		more(j, w)
	}
	if err := j.Close(); err != nil {
		tb.Fatal(err)
	}
	return w
}

// record journals and applies one frame, as the sequencer would.
func record(tb testing.TB, j *streams.Journal, w *geo.World, d geo.Delta, now geo.Millis) {
	tb.Helper()
	v := w.View()
	hash := v.Hash()
	for _, f := range d.Put {
		if old, ok := v.ByID(f.ID); ok {
			hash -= geo.Mix(old.ID, old.Rev, old.Fix)
		}
		hash += geo.Mix(f.ID, f.Rev, f.Fix)
	}
	for _, m := range d.Move {
		if old, ok := v.ByID(m.ID); ok {
			hash += geo.Mix(old.ID, old.Rev, m.Fix) - geo.Mix(old.ID, old.Rev, old.Fix)
		}
	}
	f := &streams.Frame{V: streams.FormatVersion, World: "live", Epoch: j.Epoch(), Base: v.Seq(), Seq: v.Seq() + 1, Time: now, State: hash, Delta: d}
	if err := j.Append(context.Background(), f); err != nil {
		tb.Fatal(err)
	}
	w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, d)
}

// server is a rasad process.
type server struct {
	cmd   *exec.Cmd
	base  string // http://127.0.0.1:port
	token string // of a dispatcher
	dir   string
	log   *bytes.Buffer
	up    time.Duration // from the start of the process to the first answer
}

var address = regexp.MustCompile(`http://([^/\s]+)/wall`)

func start(tb testing.TB, dir string, args ...string) *server {
	tb.Helper()
	token, err := exec.Command("../../bin/rasad", "token", "--data", dir, "--role", "dispatcher", "--name", "bench").Output()
	if err != nil {
		tb.Fatalf("make a token: %v; make build first", err)
	}
	began := time.Now()
	s := &server{dir: dir, token: strings.TrimSpace(string(token)), log: &bytes.Buffer{}}
	s.cmd = exec.Command("../../bin/rasad", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", dir}, args...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("%v; make build first", err)
	}
	tb.Cleanup(s.stop)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if m := address.FindStringSubmatch(line); m != nil {
			s.base = "http://" + m[1]
			break
		}
		if err != nil {
			tb.Fatalf("the server did not start: %s", s.log)
		}
	}
	go io.Copy(io.Discard, lines)
	for {
		req, err := http.NewRequest(http.MethodGet, s.base+"/api/v1/units/nearest?lon=-75.55&lat=39.74&k=1&by=line", nil)
		if err != nil {
			tb.Fatal(err)
		}
		req.Header = s.bearer()
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				s.up = time.Since(began)
				return s
			}
		}
		if time.Since(began) > time.Minute {
			tb.Fatalf("the server does not answer: %s", s.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) stop() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Signal(os.Interrupt)
		s.cmd.Wait()
	}
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// memory returns the resident size of the process now and at its peak, in bytes.
func (s *server) memory(tb testing.TB) (now, peak int64) {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			now = kb << 10
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			peak = kb << 10
		}
	}
	return now, peak
}

// cpu returns the processor time that the process has used.
func (s *server) cpu(tb testing.TB) time.Duration {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// bearer are the headers of who asks.
func (s *server) bearer() http.Header { return http.Header{"Authorization": {"Bearer " + s.token}} }

func (s *server) host() string { return strings.TrimPrefix(s.base, "http://") }

var dialer = websocket.Dialer{Subprotocols: []string{"rasad.pb.v1"}, ReadBufferSize: 1024, WriteBufferSize: 256, HandshakeTimeout: 2 * time.Minute,
	NetDialContext: (&net.Dialer{Timeout: 2 * time.Minute}).DialContext}

func (s *server) dial(query string) (*websocket.Conn, error) {
	c, res, err := dialer.Dial("ws://"+s.host()+"/api/v1/stream"+query, s.bearer())
	if err != nil && res != nil {
		return nil, fmt.Errorf("%w (%s)", err, res.Status)
	}
	return c, err
}

// poster sends fixes over one connection with as little work as possible, so that
// the generator leaves the machine to the server.
type poster struct {
	c    net.Conn
	r    *bufio.Reader
	b    []byte
	head string
}

func (s *server) poster(tb testing.TB) *poster {
	tb.Helper()
	c, err := net.Dial("tcp", s.host())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return &poster{c: c, r: bufio.NewReaderSize(c, 2048), head: " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + s.token + "\r\n\r\n"}
}

var (
	contentLength = []byte("Content-Length: ")
	refused       = []byte("Rasad-Refused: ")
)

// get sends one GET and returns the status.
func (p *poster) get(path string) (status int, refusal string, err error) {
	p.b = append(p.b[:0], "GET "...)
	p.b = append(p.b, path...)
	p.b = append(p.b, p.head...)
	if _, err := p.c.Write(p.b); err != nil {
		return 0, "", err
	}
	length := 0
	for first := true; ; first = false {
		line, err := p.r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 {
				return 0, "", fmt.Errorf("answer %q", line)
			}
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			_, err := p.r.Discard(length)
			return status, refusal, err
		case bytes.HasPrefix(line, contentLength):
			length, _ = strconv.Atoi(string(line[len(contentLength):]))
		case bytes.HasPrefix(line, refused):
			refusal = string(line[len(refused):])
		}
	}
}

// quantiles sorts and returns p50, p99, p99.9 and the maximum.
func quantiles(d []time.Duration) (p50, p99, p999, most time.Duration) {
	if len(d) == 0 {
		return
	}
	slices.Sort(d)
	at := func(q float64) time.Duration { return d[min(len(d)-1, int(q*float64(len(d))))] }
	return at(.5), at(.99), at(.999), d[len(d)-1]
}

// say prints one figure in a form that a table can be made of.
func say(tb testing.TB, what, format string, args ...any) {
	tb.Helper()
	fmt.Printf("FIGURE %-58s %s\n", what, fmt.Sprintf(format, args...))
}

func size(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	err := filepath.Walk(dir, func(_ string, fi os.FileInfo, err error) error {
		if err == nil && !fi.IsDir() {
			n += fi.Size()
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// each runs f for 0..n-1 with the given number of goroutines.
func each(workers, n int, f func(worker, i int)) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(w, i)
			}
		})
	}
	wg.Wait()
}
