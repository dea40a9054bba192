package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/roads"
	"rasad/server/reach"
)

// door is a server as the simulation sees it: the public calls and nothing else.
type door struct {
	base   string
	token  string // of the program; empty inside the server, which says itself who asks
	client *http.Client
	router *roads.Router // of a simulation inside the server, which has it already
}

// problem is an answer that is not a success.
type problem struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Type, p.Detail) }

// call sends body as JSON when it is not nil and decodes the answer into out
// when that is not nil. It returns a [*problem] for an answer over 299.
func (d *door) call(ctx context.Context, method, path string, body, out any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, r)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if method == http.MethodPatch {
			req.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	res, err := d.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode > 299 {
		p := &problem{Status: res.StatusCode}
		_ = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(p) // an answer that is no problem keeps its status
		p.Status = res.StatusCode
		return p
	}
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func (d *door) do(req *http.Request) (*http.Response, error) {
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	return d.client.Do(req)
}

// file fetches a file of the city, nil when the server has none.
func (d *door) file(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := d.do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return io.ReadAll(res.Body)
	case http.StatusNotFound:
		return nil, nil
	}
	return nil, fmt.Errorf("get %s: %s", path, res.Status)
}

// ground is what a simulation drives on.
type ground struct {
	router *roads.Router // nil: a plain ground
	kind   func(unitType string) reach.Kind
	preset *fixtures.Preset
	center geo.LngLat
}

// ground fetches what the simulation drives on.
func (d *door) ground(ctx context.Context) (*ground, error) {
	var preset struct{ Code string }
	if err := d.call(ctx, http.MethodGet, "/api/v1/preset", nil, &preset); err != nil {
		return nil, fmt.Errorf("ask for the preset: %w", err)
	}
	p, err := fixtures.Load(preset.Code)
	if err != nil {
		return nil, err
	}
	g := &ground{preset: p, router: d.router}
	var info struct {
		Centre []float64
		Roads  bool
	}
	if err := d.call(ctx, http.MethodGet, "/api/v1/city", nil, &info); err != nil {
		return nil, fmt.Errorf("ask for the city: %w", err)
	}
	if len(info.Centre) == 2 {
		if g.center, err = geo.At(info.Centre[0], info.Centre[1]); err != nil {
			return nil, fmt.Errorf("the city's centre: %w", err)
		}
	}
	if g.router == nil && info.Roads {
		if g.router, err = d.roads(ctx, p); err != nil {
			return nil, err
		}
	}
	g.kind = reach.Kinds(p, g.router)
	return g, nil
}

// roads fetches the roads of the city.
func (d *door) roads(ctx context.Context, p *fixtures.Preset) (*roads.Router, error) {
	b, err := d.file(ctx, "/city/roads.bin")
	if err != nil || b == nil {
		return nil, err
	}
	tmp, err := os.CreateTemp("", "rasad-roads-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(b); err != nil {
		return nil, err
	}
	graph, err := roads.Load(tmp.Name())
	if err != nil {
		return nil, err
	}
	return roads.NewRouter(graph, reach.Profiles(p))
}

func simulate(ctx context.Context, e env, args []string) error {
	f := newFlags("simulate")
	server := f.String("server", "", "address of the server, such as http://127.0.0.1:8080")
	token := f.String("token", "", "of a dispatcher, by `rasad token`")
	units := f.Int("units", 200, "how many units")
	hz := f.Float64("hz", 1, "fixes of each unit in a second")
	seed := f.Uint64("seed", 1, "the same seed drives the same day")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	u, err := url.Parse(*server)
	switch {
	case *server == "":
		return usagef("--server is missing, such as --server http://127.0.0.1:8080")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usagef("--server %s: write http://HOST:PORT", *server)
	case *units < 1 || *units > 100_000:
		return usagef("--units %d: between 1 and 100,000", *units)
	case *hz <= 0 || *hz > 20:
		return usagef("--hz %v: more than 0 and at most 20", *hz)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = reportersMax
	d := &door{base: strings.TrimSuffix(*server, "/"), token: *token, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	s, err := newSimulation(ctx, d, *units, *hz, *seed, e.logger())
	var p *problem
	if errors.As(err, &p) && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden) {
		return usagef("--token: the server says %q; crews need the token of a dispatcher: rasad token --data DIR --role dispatcher --name simulator", p.Detail)
	}
	if err != nil {
		return fmt.Errorf("simulate on %s: %w", *server, err)
	}
	s.log.Info("simulating", "units", *units, "hz", *hz, "seed", *seed)
	return s.run(ctx)
}

// inProcess lets the simulation inside serve use the same calls without a socket.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr, r.RequestURI, r.Host = "127.0.0.1:0", r.URL.RequestURI(), "localhost"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &answer{header: http.Header{}}
	t.handler.ServeHTTP(w, r)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(w.body.Len())}, nil
}

type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answer) Header() http.Header { return w.header }
func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}
func (w *answer) Write(b []byte) (int, error) { w.WriteHeader(http.StatusOK); return w.body.Write(b) }

// report is the call by which a phone in the vehicle would report a fix now.
func (s *simulation) report(v *vehicle) string {
	lng, lat := s.blur(v).Degrees()
	q := url.Values{
		"id": {v.key}, "lat": {strconv.FormatFloat(lat, 'f', 7, 64)}, "lon": {strconv.FormatFloat(lng, 'f', 7, 64)},
		"timestamp": {strconv.FormatInt(time.Now().UnixMilli(), 10)},
		"speed":     {strconv.FormatFloat(v.speed*3600/1852, 'f', 2, 64)},
		"bearing":   {strconv.Itoa(v.heading)}, "accuracy": {strconv.Itoa(v.accuracy)},
	}
	return "/feeds/osmand?" + q.Encode()
}

// trouble logs what the server refused, but not more than a line a second.
func (s *simulation) trouble(doing string, err error) {
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusConflict {
		return // somebody else was quicker; that is a day like any other
	}
	now := time.Now().Unix()
	if s.lastTrouble.Swap(now) != now {
		s.log.Warn("the server refused", "what", doing, slog.Any("error", err))
	}
}
