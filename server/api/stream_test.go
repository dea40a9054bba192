package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/geo"
	"rasad/server/api"
	"rasad/streams"
)

// screen is a client of the stream that keeps a world.
type screen struct {
	t      testing.TB
	conn   *websocket.Conn
	world  *geo.World       // of the binary protocol
	frames []*streams.Frame // seen, heartbeats too
}

func (h *house) dial(query string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: 5 * time.Second}
	if header == nil {
		header = http.Header{}
	}
	switch _, given := header["Authorization"]; { // "-": none
	case !given:
		header.Set("Authorization", "Bearer "+h.token)
	case header.Get("Authorization") == "-":
		header = header.Clone()
		header.Del("Authorization")
	}
	return d.Dial("ws"+strings.TrimPrefix(h.url, "http")+"/api/v1/stream"+query, header)
}

func (h *house) screen(query string, protocols ...string) *screen {
	h.t.Helper()
	conn, resp, err := h.dial(query, nil, protocols...)
	if err != nil {
		body := ""
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			body = string(b)
		}
		h.t.Fatalf("open the stream: %v %s", err, body)
	}
	h.t.Cleanup(func() { conn.Close() })
	return &screen{t: h.t, conn: conn, world: geo.NewWorld()}
}

// next reads one frame of the binary protocol and applies it.
func (s *screen) next() *streams.Frame {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	kind, b, err := s.conn.ReadMessage()
	if err != nil {
		s.t.Fatalf("read the stream: %v", err)
	}
	if kind != websocket.BinaryMessage {
		s.t.Fatalf("got a message of type %d, want binary", kind)
	}
	f, err := streams.ParseFrame(b)
	if err != nil {
		s.t.Fatalf("parse a frame: %v", err)
	}
	s.frames = append(s.frames, f)
	switch {
	case f.Keyframe():
		s.world.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, 0, nil, nil)
	case f.Live > 0 || f.Seq <= s.world.View().Seq():
	case f.Base > s.world.View().Seq():
		s.t.Fatalf("got a frame from %d to %d at %d: one is missing", f.Base, f.Seq, s.world.View().Seq())
	default:
		s.world.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
	}
	if f.Live == 0 && f.Seq == s.world.View().Seq() && f.State != s.world.View().Hash() {
		s.t.Fatalf("at %d the screen's hash is %x and the server's %x", f.Seq, s.world.View().Hash(), f.State)
	}
	return f
}

// until reads until the screen stands at a sequence.
func (s *screen) until(seq uint64) {
	s.t.Helper()
	for s.world.View().Seq() < seq {
		s.next()
	}
}

// text reads one frame of the JSON protocol.
func (s *screen) text() map[string]any {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	kind, b, err := s.conn.ReadMessage()
	if err != nil {
		s.t.Fatalf("read the stream: %v", err)
	}
	if kind != websocket.TextMessage {
		s.t.Fatalf("got a message of type %d, want text", kind)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		s.t.Fatalf("got %s: %v", b, err)
	}
	return m
}

func (s *screen) say(format string, args ...any) {
	s.t.Helper()
	if err := s.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		s.t.Fatal(err)
	}
}

// closed reads until the server closes, and returns code and reason.
func (s *screen) closed() (int, string) {
	s.t.Helper()
	for {
		s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, _, err := s.conn.ReadMessage(); err != nil {
			if c, ok := err.(*websocket.CloseError); ok {
				return c.Code, c.Text
			}
			s.t.Fatalf("read the stream: %v, want it closed", err)
		}
	}
}

const pb, jsn = "rasad.pb.v1", "rasad.json.v1"

func TestStreamBinary(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	s := h.screen("", pb)
	first := s.next()
	if !first.Keyframe() || first.Status == nil || first.Status.Mode != "live" || first.Epoch != epoch || len(first.Put) != 1 {
		t.Fatalf("got %+v, want a keyframe with one unit", first)
	}
	a := h.get("/feeds/osmand?id=E7&lon=2&lat=2").want(200)
	s.until(a.seq())
	if f, _ := s.world.View().Get("E7"); f.Fix.At.Lng != 20000000 {
		t.Errorf("the screen has E7 at %v", f.Fix.At)
	}
	w := h.incident("I1", "").want(201)
	s.until(w.seq())
	if s.world.View().Hash() != h.world.View().Hash() {
		t.Error("the hashes differ")
	}
	for range 3 { // a heartbeat at least every second, with a tick that goes on
		start := time.Now()
		f := s.next()
		if time.Since(start) > 10*time.Second { // a second, on a machine that has time
			t.Errorf("nothing for %v, want a heartbeat every second", time.Since(start))
		}
		if !f.Heartbeat() || f.Status == nil || time.Since(time.UnixMilli(int64(f.Status.Tick))) > 10*time.Second {
			t.Errorf("got %+v, want a heartbeat with a fresh tick", f)
		}
	}
}

func TestStreamJSON(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	for _, protocols := range [][]string{{jsn}, nil} {
		s := h.screen("?audience=ops&world=live&every=50ms", protocols...)
		if got := s.conn.Subprotocol(); len(protocols) > 0 && got != jsn {
			t.Errorf("got subprotocol %q", got)
		}
		k := s.text()
		if k["base"] != 0.0 || k["mode"] != "live" || k["epoch"] != epoch || k["recording"] != true || k["put"].([]any)[0].(map[string]any)["id"] != "E7" {
			t.Errorf("got keyframe %v", k)
		}
		a := h.get("/feeds/osmand?id=E7&lon=" + strconv.FormatFloat(2+time.Since(time.Unix(1.7e9, 0)).Seconds()/1e9, 'f', 7, 64) + "&lat=2").want(200)
		for {
			f := s.text()
			if f["seq"].(float64) < float64(a.seq()) {
				continue // what came before it
			}
			moves, _ := f["move"].([]any)
			if len(moves) != 1 {
				t.Fatalf("got %v, want one move", f)
			}
			if m := moves[0].([]any); m[0] != "E7" || m[2] != 2.0 || m[3] != 90.0 || m[4] != 10.0 || m[6] != 5.0 {
				t.Errorf("got move %v of %v", m, f)
			}
			break
		}
	}
}

func TestStreamResumes(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	s := h.screen("", pb)
	s.next()
	s.conn.Close()
	missed := h.unit("E8", 2, 2, "").want(201)
	h.get("/feeds/osmand?id=E7&lon=2&lat=2").want(200)

	back := h.screen(fmt.Sprintf("?from=%s:%d", epoch, s.world.View().Seq()), pb)
	back.world = s.world
	if f := back.next(); f.Keyframe() || f.Base > missed.seq() {
		t.Errorf("got a frame of base %d, want only what was missed", f.Base)
	}
	back.until(h.world.View().Seq())

	for name, from := range map[string]string{
		"another epoch": "older:1", "the future": epoch + ":99999", "an overlay": fmt.Sprintf("%s:%d:3", epoch, h.world.View().Seq()), "nothing": epoch + ":0",
	} {
		if f := h.screen("?from="+from, pb).next(); !f.Keyframe() {
			t.Errorf("from %s: got base %d, want a keyframe", name, f.Base)
		}
	}
	// From below, by message.
	back.say(`{"from":""}`)
	for !back.next().Keyframe() {
	}
	back.say(`{"live":true}`)
	for !back.next().Keyframe() {
	}
	back.say(`{"every":"200ms"}`)
	a := h.unit("E9", 3, 3, "").want(201)
	back.until(a.seq())
}

func TestStreamEchoesTheClock(t *testing.T) {
	h := newHouse(t)
	s, other := h.screen("", pb), h.screen("", pb)
	s.next()
	other.next()
	start := time.Now()
	s.say(`{"clock":4294967295,"unknown":[1]}`)
	for {
		f := s.next()
		if f.Status != nil && f.Status.Echo == 4294967295 {
			if d := time.UnixMilli(int64(f.Status.Clock)).Sub(start).Abs(); d > time.Second {
				t.Errorf("got a clock %v off", d)
			}
			if !f.Heartbeat() || f.Seq != s.world.View().Seq() {
				t.Errorf("got %+v, want a heartbeat", f)
			}
			break
		}
	}
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("answered after %v, want at once", d)
	}
	for range 3 {
		if f := other.next(); f.Status != nil && f.Status.Echo != 0 {
			t.Error("the echo went to another screen")
		}
	}
}

// A screen that comes back may ask for the clock before it hears anything, and hear of a change before
// it hears how the server is: there is nothing to answer it with yet.
func TestStreamEchoesTheClockOfWhoComesBack(t *testing.T) {
	h := newHouse(t)
	h.unit("E7", 1, 1, "").want(201)
	bare := 0
	for i := range 20 {
		s := h.screen("", pb)
		s.next()
		s.conn.Close()
		back := h.screen(fmt.Sprintf("?from=%s:%d", epoch, s.world.View().Seq()), pb)
		back.world = s.world
		back.say(`{"clock":7}`)
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		h.unit("E"+strconv.Itoa(100+i), 2, 2, "").want(201)
		first := back.next()
		if first.Status == nil {
			bare++
		}
		for f := first; f.Status == nil || f.Status.Echo != 7; f = back.next() {
		}
		back.conn.Close()
	}
	if bare == 0 {
		t.Error("no screen heard of a change first")
	}
}

// broken panics when its status is asked for, once it is armed.
type broken struct {
	api.Sequencer
	armed atomic.Bool
}

func (b *broken) Status() streams.SequencerStatus {
	if b.armed.Load() {
		panic("a mistake of ours")
	}
	return b.Sequencer.Status()
}

func TestAStreamThatPanicsEndsAlone(t *testing.T) {
	var b broken
	h := newHouse(t, func(d *api.Deps) { d.Sequencer = &b })
	other, s := h.screen("", jsn), h.screen("", pb)
	other.text()
	s.next()
	b.armed.Store(true)
	s.say(`{"clock":1}`)
	if code, _ := s.closed(); code != websocket.CloseInternalServerErr {
		t.Errorf("got code %d, want %d", code, websocket.CloseInternalServerErr)
	}
	b.armed.Store(false)
	for range 2 {
		other.text()
	}
	if got := h.get("/metrics").want(200).body; !strings.Contains(string(got), "rasad_http_panics_total 1") {
		t.Errorf("the mistake is not counted")
	}
}

func TestStreamClosesWithACode(t *testing.T) {
	h := newHouse(t)
	tests := map[string]struct {
		send func(c *websocket.Conn) error
		want int
	}{
		"not JSON":               {text(`hello`), 1007},
		"a list":                 {text(`[1]`), 1007},
		"null":                   {text(`null`), 1007},
		"two objects":            {text(`{} {}`), 1007},
		"a place that is none":   {text(`{"from":"here"}`), 1007},
		"a rate that is none":    {text(`{"every":"soon"}`), 1007},
		"a time that is none":    {text(`{"seek":"yesterday"}`), 1007},
		"the future":             {text(`{"seek":"2999-01-01T00:00:00Z"}`), 1007},
		"a speed of live":        {text(`{"speed":4}`), 1007},
		"a speed beyond limits":  {text(`{"seek":"2026-01-01T00:00:00Z","speed":1e9}`), 1007},
		"an area":                {text(`{"area":"north"}`), 1007},
		"a clock of zero":        {text(`{"clock":0}`), 1007},
		"a clock of a string":    {text(`{"clock":"a"}`), 1007},
		"a clock that is broken": {text(`{"clock":1.5}`), 1007},
		"a clock that is large":  {text(`{"clock":4294967296}`), 1007},
		"a binary message":       {func(c *websocket.Conn) error { return c.WriteMessage(websocket.BinaryMessage, []byte("{}")) }, 1007},
		"a message too large":    {text(`{"from":"` + strings.Repeat("x", 5000) + `"}`), 1009},
		"a flood": {func(c *websocket.Conn) error {
			for range 41 { // one more than may come at once
				if err := c.WriteMessage(websocket.TextMessage, []byte(`{"clock":1}`)); err != nil {
					return err
				}
			}
			return nil
		}, 1013},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.t = t
			s := h.screen("", pb)
			s.next()
			if err := tt.send(s.conn); err != nil {
				t.Fatal(err)
			}
			code, reason := s.closed()
			if code != tt.want {
				t.Errorf("got %d %q, want %d", code, reason, tt.want)
			}
			if delay, err := strconv.ParseFloat(reason, 64); code == 1013 && (err != nil || delay <= 0) {
				t.Errorf("got reason %q, want the delay in seconds", reason)
			}
		})
	}
}

func text(s string) func(*websocket.Conn) error {
	return func(c *websocket.Conn) error { return c.WriteMessage(websocket.TextMessage, []byte(s)) }
}

func TestStreamChecksWhoAsks(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.Origins = []string{"http://localhost:5173"} })
	tests := map[string]struct {
		origin    string
		protocols []string
		want      int
	}{
		"a program":                {"", []string{pb}, 101},
		"our own page":             {h.url, []string{pb}, 101},
		"a page that is allowed":   {"http://localhost:5173", []string{pb}, 101},
		"a foreign page":           {"http://evil.example", []string{pb}, 403},
		"a page of another port":   {"http://127.0.0.1:1", []string{pb}, 403},
		"a page of no origin":      {"null", []string{pb}, 403},
		"an unknown subprotocol":   {"", []string{"rasad.pb.v9"}, 400},
		"one known and one not":    {"", []string{"rasad.pb.v9", jsn}, 101},
		"an origin that is broken": {"::", []string{pb}, 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", tt.origin)
			}
			conn, resp, err := h.dial("", header, tt.protocols...)
			if conn != nil {
				conn.Close()
			}
			if resp == nil || resp.StatusCode != tt.want {
				t.Errorf("got %v %v, want %d", resp, err, tt.want)
			}
		})
	}
}

func TestStreamLimit(t *testing.T) {
	h := newHouse(t, func(d *api.Deps) { d.Limits.Sockets = 2 })
	one, _ := h.screen("", pb), h.screen("", pb)
	_, resp, err := h.dial("", nil, pb)
	if err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("got %v %v, want 503 with a delay", resp, err)
	}
	one.conn.Close()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, _, err := h.dial("", nil, pb); err == nil {
			c.Close()
			return
		}
	}
	t.Error("the place of one who left was not given again")
}

func TestRestartTellsEverySocket(t *testing.T) {
	h := newHouse(t)
	var screens []*screen
	for range 20 {
		s := h.screen("", pb)
		s.next()
		screens = append(screens, s)
	}
	var wg sync.WaitGroup
	for _, s := range screens {
		wg.Go(func() {
			code, reason := s.closed()
			if delay, err := strconv.ParseFloat(reason, 64); code != 1012 || err != nil || delay < 0 || delay > 2 {
				t.Errorf("got %d %q, want 1012 and a delay within two seconds", code, reason)
			}
		})
	}
	if err := h.api.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	_, resp, err := h.dial("", nil, pb)
	if err == nil || resp.StatusCode != 503 {
		t.Errorf("got %v, want new sockets refused", resp)
	}
}

// One who does not read costs the others nothing, and is let go.
func TestSlowReaderCostsNobody(t *testing.T) {
	h := newHouse(t)
	big := `"x":"` + strings.Repeat("x", 60_000) + `"`
	h.unit("E7", 1, 1, big).want(201)
	slow := h.screen("", pb)
	quick := h.screen("", pb)
	quick.next()
	var last uint64
	for i := range 20 { // 1.2 MB that slow does not take; it would be let go after some 14 s
		a := h.unit("E7", 1, 1, big+`,"n":`+strconv.Itoa(i)).want(200)
		last = a.seq()
		start := time.Now()
		quick.until(last)
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("frame %d reached a quick screen after %v", last, d)
		}
	}
	// When it reads again it gets to the present in few frames, not in 200.
	slow.until(last)
	if n := len(slow.frames); n > 15 {
		t.Errorf("got %d frames of 20 after the nap, want them merged", n)
	}
}

func TestReplay(t *testing.T) {
	past := &memory{}
	h := newHouse(t, func(d *api.Deps) { d.History, d.Limits.Players = past, 2 })
	stamp := func(m geo.Millis) string {
		return time.UnixMilli(int64(m)).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	h.unit("E7", 1, 1, "").want(201)
	var hashes []uint64
	var times []geo.Millis
	for i := range 5 {
		time.Sleep(60 * time.Millisecond)
		h.get(fmt.Sprintf("/feeds/osmand?id=E7&lon=1.%03d&lat=1", i+1)).want(200)
		hashes, times = append(hashes, h.world.View().Hash()), append(times, h.world.View().Time())
	}
	s := h.screen("?at="+stamp(times[1])+"&speed=0", pb)
	f := s.next()
	if !f.Keyframe() || f.Status.Mode != "replay" || f.Status.Speed != 0 || f.State != hashes[1] {
		t.Fatalf("got %+v %+v, want the world as it was after the second fix", f, f.Status)
	}
	s.say(`{"seek":%q}`, stamp(times[3]))
	for f = s.next(); !f.Keyframe(); f = s.next() {
	}
	if f.State != hashes[3] {
		t.Errorf("got hash %x after the seek, want %x", f.State, hashes[3])
	}
	s.say(`{"clock":7}`)
	for f = s.next(); f.Status == nil || f.Status.Echo != 7; f = s.next() {
	}
	if f.Status.Mode != "replay" {
		t.Errorf("got %+v, want the echo of a replay", f.Status)
	}
	s.say(`{"seek":%q,"speed":1000}`, stamp(times[0]))
	for s.world.View().Hash() != hashes[4] {
		s.next()
	}
	s.say(`{"every":"1s"}`)
	s.say(`{"live":true}`)
	for f = s.next(); !f.Keyframe() || f.Status.Mode != "live"; f = s.next() {
	}
	// And from live into the past.
	s.say(`{"seek":%q}`, stamp(times[2]))
	for f = s.next(); !f.Keyframe() || f.Status.Mode != "replay"; f = s.next() {
	}
	if f.Status.Speed != 1 {
		t.Errorf("got speed %v, want 1 when none is said", f.Status.Speed)
	}

	text := h.screen("?at="+stamp(times[1])+"&speed=4", jsn).text()
	if text["mode"] != "replay" || text["speed"] != 4.0 || text["base"] != 0.0 {
		t.Errorf("got %v", text)
	}
	if code, _ := h.screen("?at="+stamp(times[1]), pb).closed(); code != 1013 {
		t.Errorf("got %d for a third replay, want 1013", code)
	}
	past.mu.Lock()
	past.lost = true
	past.mu.Unlock()
	s.say(`{"seek":%q}`, stamp(times[0]))
	if code, reason := s.closed(); code != 1011 || reason == "" {
		t.Errorf("got %d %q from a history that is lost, want 1011", code, reason)
	}
}
