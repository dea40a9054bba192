package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// The subprotocols of the stream.
const (
	protocolPB   = "rasad.pb.v1"
	protocolJSON = "rasad.json.v1"
)

const (
	socketsMaxDefault = 20_000
	playersMaxDefault = 32
	upwardBytesMax    = 4 << 10
	// A screen sends a clock message now and then and a command when a person
	// seeks; more than this is a fault or an attack.
	upwardBurst  = 40
	upwardPerSec = 10
	// A frame must reach the kernel in writeWait plus its length at a poor mobile
	// link's pace; a keyframe of megabytes would never get through otherwise.
	writeWait       = 10 * time.Second
	writeBytesASec  = 16 << 10
	pingEvery       = 25 * time.Second // shorter than what proxies and NAT tables forget after
	readWait        = 70 * time.Second // two lost pongs
	everyMax        = time.Hour
	restartSpread   = 2 * time.Second // 10,000 screens that come back in the same instant would be a second outage
	busyDelay       = 5 * time.Second
	handshakeWait   = 10 * time.Second
	farewellWait    = time.Second
	farewellBytes   = 1 << 20
	socketReadBytes = 128 // a message upward is some 30 bytes
	// What lies in the kernel's buffer cannot be merged any more: with the usual
	// megabytes a slow screen would show a world minutes old, frame by frame.
	socketSendBytes = 128 << 10
)

// sockets are the open connections of the stream.
type sockets struct {
	api      *API
	upgrader websocket.Upgrader
	prepared preparedFrames
	players  chan struct{}

	mu      sync.Mutex
	open    map[*socket]struct{}
	making  int // being upgraded
	closing bool
	max     int
	// Of strangers there are fewer, so that a surge leaves room for operations.
	strangers, strangersMax int

	wg      sync.WaitGroup
	guards  map[string]*guard
	turning chan struct{} // those who are being turned away
}

// guard closes the sockets of one session or token when that is over.
type guard struct {
	sockets map[*socket]struct{}
	alone   chan struct{} // closed when the last one is gone
}

func newSockets(a *API) *sockets {
	s := &sockets{api: a, open: map[*socket]struct{}{}, max: a.Limits.Sockets, guards: map[string]*guard{}, turning: make(chan struct{}, turningMax)}
	if s.max <= 0 {
		s.max = socketsMaxDefault
	}
	if s.strangersMax = a.Limits.Strangers; s.strangersMax <= 0 {
		s.strangersMax = (s.max + 1) / 2
	}
	players := a.Limits.Players
	if players <= 0 {
		players = playersMaxDefault
	}
	s.players = make(chan struct{}, players)
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: handshakeWait,
		ReadBufferSize:   socketReadBytes,
		// Frames are prepared, so a connection needs no write buffer of its own.
		WriteBufferPool: &sync.Pool{},
		WriteBufferSize: 512,
		Subprotocols:    []string{protocolPB, protocolJSON},
		CheckOrigin:     func(*http.Request) bool { return true }, // checked before, with a problem
	}
	return s
}

// begin is where a socket begins: what was asked for in the address.
type begin struct {
	who      access.Principal
	audience string
	past     access.Decision // whether it may replay
	resume   streams.Resume
	every    time.Duration
	replay   bool
	at       geo.Millis
	speed    float64
}

// Stream opens a socket.
func (a *API) Stream(c echo.Context, p StreamParams) error {
	b, err := a.parseBegin(p)
	if err != nil {
		return a.sockets.refuse("invalid", err)
	}
	r := c.Request()
	b.who = principal(c)
	denied := b.resolve(p)
	if !websocket.IsWebSocketUpgrade(r) {
		if denied != nil {
			return a.sockets.refuse("denied", denied)
		}
		return a.sockets.refuse("not-websocket", problem(http.StatusBadRequest, "not-websocket", "this call is a WebSocket; the request asks for no upgrade"))
	}
	if !a.originAllowed(r) {
		return a.sockets.refuse("origin", problem(http.StatusForbidden, "origin", "a page of this origin may not open the stream"))
	}
	if offered := websocket.Subprotocols(r); len(offered) > 0 && !slices.Contains(offered, protocolPB) && !slices.Contains(offered, protocolJSON) {
		return a.sockets.refuse("protocol", problem(http.StatusBadRequest, "subprotocol", "the subprotocols are "+protocolPB+" and "+protocolJSON))
	}
	if denied != nil {
		return a.sockets.turnAway(c, denied)
	}
	return a.sockets.accept(c, b)
}

// stranger tells whether nobody knows who asks.
func (b *begin) stranger() bool { return b.who.Role == access.Anonymous }

// resolve finds out what the caller gets to hear; the error is a problem. Nobody hears
// the public world without asking for it: a screen whose session is over would take it
// for the city.
func (b *begin) resolve(p StreamParams) error {
	asked := ""
	if p.Audience != nil {
		asked = string(*p.Audience)
	}
	var d access.Decision
	if b.who.Role == access.Anonymous && asked != access.AudiencePublic {
		d = access.Decision{Code: access.SignInNeeded, Reason: "sign in, or give a token"}
	} else {
		_, b.past = access.ResolveAudience(b.who, asked, true)
		b.audience, d = access.ResolveAudience(b.who, asked, false)
		if d.Allowed && b.replay {
			d = b.past
		}
		if !d.Allowed && b.who.Role == access.Anonymous {
			d.Code = access.SignInNeeded
		}
	}
	return decided(d)
}

// Close codes of our own.
const (
	closeSignIn  = 4401
	closeDenied  = 4403
	sessionMax   = 64              // sockets of one session
	turningMax   = 256             // who are told why at once; more get a status and no reason
	touchEvery   = 1 * time.Minute // a socket is a sign of life of its session
	overWithin   = 800 * time.Millisecond
	reasonsBytes = 120 // a close frame holds 123
)

func endingOf(err error) ending {
	p := asProblem(err)
	if p.Status == http.StatusUnauthorized {
		return ending{closeSignIn, clipTo(p.Detail, reasonsBytes), "4401"}
	}
	return ending{closeDenied, clipTo(p.Detail, reasonsBytes), "4403"}
}

// clipTo cuts text to n bytes of whole characters.
func clipTo(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// turnAway tells a browser why it may not listen. A page sees the code of a socket that
// was opened and closed again, and nothing of an upgrade that was refused.
func (s *sockets) turnAway(c echo.Context, denied error) error {
	s.api.metrics.socketsRefused.WithLabelValues("denied").Inc()
	select {
	case s.turning <- struct{}{}:
	default:
		return denied
	}
	conn, err := s.upgrade(c)
	if err != nil {
		<-s.turning
		return err
	}
	go func() {
		defer func() { <-s.turning }()
		farewell(conn, endingOf(denied))
		_ = conn.Close()
	}()
	return nil
}

// upgrade makes a WebSocket of a request.
func (s *sockets) upgrade(c echo.Context) (*websocket.Conn, error) {
	var handshake error
	up := s.upgrader
	up.Error = func(_ http.ResponseWriter, _ *http.Request, _ int, reason error) { handshake = reason }
	conn, err := up.Upgrade(c.Response().Writer, c.Request(), nil)
	switch {
	case handshake != nil:
		return nil, s.refuse("handshake", problem(http.StatusBadRequest, "not-websocket", handshake.Error()))
	case err != nil:
		return nil, s.refuse("handshake", err)
	}
	c.Response().Status = http.StatusSwitchingProtocols
	c.Response().Committed = true
	return conn, nil
}

// watch closes the socket when what its caller came in by is over. It is called before
// the first frame is written.
func (s *sockets) watch(k *socket) {
	who, id := k.who, guardOf(k.who)
	if id == "" {
		return // nobody, or a part of this program
	}
	k.guarded = id
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guards[id]
	if g == nil {
		g = &guard{sockets: map[*socket]struct{}{}, alone: make(chan struct{})}
		s.guards[id] = g
		go s.stand(id, g, who)
	}
	g.sockets[k] = struct{}{}
}

// guardOf names what somebody came in by; empty: by nothing.
func guardOf(who access.Principal) string {
	if who.Session == "" && who.Token == "" {
		return ""
	}
	return who.Session + "/" + who.Token
}

// stand waits for the end of a session or token.
func (s *sockets) stand(id string, g *guard, who access.Principal) {
	over, stop := s.api.Gate.Watch(who)
	defer stop()
	touch := time.NewTicker(touchEvery)
	defer touch.Stop()
	for {
		select {
		case <-g.alone:
			return
		case <-touch.C:
			if who.Session != "" {
				s.api.Gate.Sessions.Touch(context.Background(), time.Now(), who.Session)
			}
		case <-over:
			s.mu.Lock()
			if s.guards[id] == g {
				delete(s.guards, id)
			}
			for k := range g.sockets {
				k.conclude(ending{closeSignIn, "the session is over", "4401"})
				// One that does not read cannot be told, and must not be fed either.
				time.AfterFunc(overWithin, func() { _ = k.conn.Close() })
			}
			s.mu.Unlock()
			return
		}
	}
}

// unwatch lets go of a socket that has ended; the caller holds mu.
func (s *sockets) unwatch(k *socket) {
	g := s.guards[k.guarded]
	if g == nil {
		return
	}
	delete(g.sockets, k)
	if len(g.sockets) == 0 {
		delete(s.guards, k.guarded)
		close(g.alone)
	}
}

func (s *sockets) refuse(reason string, err error) error {
	s.api.metrics.socketsRefused.WithLabelValues(reason).Inc()
	return err
}

// originAllowed tells whether a browser may open the stream from the page that asks.
// A program sends no Origin.
func (a *API) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		// Browsers always say it. Who brings a cookie without it is no page of ours.
		return len(r.Cookies()) == 0 || r.Header.Get("Authorization") != ""
	}
	if slices.Contains(a.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func (a *API) parseBegin(p StreamParams) (begin, error) {
	b := begin{speed: 1}
	var err error
	if p.From != nil {
		if b.resume, err = streams.ParseResume(*p.From); err != nil {
			return b, invalid("from", "must be EPOCH:SEQ or EPOCH:SEQ:LIVE")
		}
	}
	if p.Every != nil {
		if b.every, err = parseEvery(*p.Every); err != nil {
			return b, err
		}
	}
	if p.Speed != nil {
		b.speed = *p.Speed
	}
	switch {
	case p.At != nil && p.From != nil:
		return b, invalid("at", "a replay begins with a keyframe: leave from out")
	case p.At == nil && p.Speed != nil:
		return b, invalid("speed", "is of a replay: give at as well")
	case p.At != nil:
		b.replay = true
		b.at, err = a.replayable(*p.At)
	}
	return b, err
}

// replayable checks the moment of a replay.
func (a *API) replayable(at time.Time) (geo.Millis, error) {
	if a.History == nil {
		return 0, invalid("at", "this server keeps no history")
	}
	if at.Year() < 1971 {
		return 0, invalid("at", "is before any record")
	}
	if at.After(time.Now()) {
		return 0, invalid("at", "lies in the future")
	}
	return geo.Millis(at.UnixMilli()), nil
}

// parseEvery reads a duration such as 200ms, 1s or 5s.
func parseEvery(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > everyMax {
		return 0, invalid("every", "must be a time such as 50ms, 200ms, 1s or 5s")
	}
	return d, nil
}

// accept upgrades the connection and starts its two goroutines.
func (s *sockets) accept(c echo.Context, b begin) error {
	s.mu.Lock()
	switch {
	case s.closing:
		s.mu.Unlock()
		return s.refuse("stopping", streams.ErrStopping)
	case len(s.open)+s.making >= s.max, b.stranger() && s.strangers >= s.strangersMax:
		s.mu.Unlock()
		return s.refuse("busy", problem(http.StatusServiceUnavailable, "busy", fmt.Sprintf("the limit of %d open streams is reached; come back later", s.max)))
	}
	if g := s.guards[guardOf(b.who)]; g != nil && b.who.Session != "" && len(g.sockets) >= sessionMax {
		s.mu.Unlock()
		return s.refuse("busy", problem(http.StatusTooManyRequests, access.RateLimited, fmt.Sprintf("the limit of %d open streams of one session is reached", sessionMax)))
	}
	s.making++
	if b.stranger() {
		s.strangers++
	}
	s.wg.Add(1) // while close cannot be waiting yet
	s.mu.Unlock()

	conn, err := s.upgrade(c)
	if err != nil {
		s.mu.Lock()
		s.making--
		if b.stranger() {
			s.strangers--
		}
		s.mu.Unlock()
		s.wg.Done()
		return err
	}
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketSendBytes) // a wish; the stream works without
	}
	k := &socket{s: s, conn: conn, who: b.who, audience: b.audience, past: b.past, protocol: protocolPB, every: b.every, cut: func() {}}
	if conn.Subprotocol() != protocolPB {
		k.protocol = protocolJSON
	}
	k.next = k.live(b.resume)
	if b.replay {
		k.next = k.replay(b.at, b.speed)
	}
	s.mu.Lock()
	s.making--
	s.open[k] = struct{}{}
	if s.closing { // since the check above
		k.conclude(restart())
	}
	s.mu.Unlock()
	s.watch(k)
	s.api.metrics.sockets.WithLabelValues(k.protocol).Inc()
	// The handler returns, so that the buffers of the request go.
	go k.read()
	go k.write()
	return nil
}

// close tells every socket to come back, spread over restartSpread, and waits for
// them. When ctx ends, it cuts those that do not take the word.
func (s *sockets) close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for k := range s.open {
		k.conclude(restart())
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	n := len(s.open)
	for k := range s.open {
		_ = k.conn.Close()
	}
	s.mu.Unlock()
	<-done
	return fmt.Errorf("close the sockets: %d did not take the word: %w", n, ctx.Err())
}

// ending is why a socket ends: a close code with a reason, or no code for a
// connection that is broken.
type ending struct {
	code   int
	reason string
	label  string // of the metric
}

// inSeconds is a delay as the reason of a close frame tells it.
func inSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) }

func restart() ending {
	return ending{websocket.CloseServiceRestart, inSeconds(rand.N(restartSpread)), "1012"}
}

func busy() ending {
	return ending{websocket.CloseTryAgainLater, inSeconds(busyDelay + rand.N(busyDelay)), "1013"}
}

// socket is one open connection. Two goroutines serve it: one reads, one writes.
type socket struct {
	s        *sockets
	conn     *websocket.Conn
	who      access.Principal
	audience string
	past     access.Decision // whether it may replay
	guarded  string          // of the guard
	protocol string
	ended    atomic.Pointer[ending]

	mu     sync.Mutex
	next   starter            // the source to go over to; nil: stay
	cut    context.CancelFunc // ends the wait for the source before
	every  time.Duration
	sub    *streams.Subscription // while live
	player *streams.Player       // while replaying

	writing sync.Mutex // one writer at a time, as gorilla wants it
	last    standing
	echo    uint32 // asked and not yet answered; 0: nothing was asked
	pinged  time.Time
}

// starter makes a source. It may take long, so it runs where frames are written.
type starter func(context.Context) (src streams.Source, release func(), err error)

// errBusy is a limit that is reached.
var errBusy = errors.New("too many at once")

// live starts at the hub.
func (k *socket) live(from streams.Resume) starter {
	return func(context.Context) (streams.Source, func(), error) {
		hub, release, err := k.s.api.hubOf(k.audience)
		if err != nil {
			return nil, nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		sub := hub.Subscribe(from, k.every)
		k.sub, k.player = sub, nil
		return sub, func() { sub.Close(); release() }, nil
	}
}

// replay starts a player.
func (k *socket) replay(at geo.Millis, speed float64) starter {
	return func(ctx context.Context) (streams.Source, func(), error) {
		select {
		case k.s.players <- struct{}{}:
		default:
			return nil, nil, errBusy
		}
		free := func() { <-k.s.players }
		p, err := streams.NewPlayer(k.s.api.History, at, speed)
		if err != nil {
			free()
			return nil, nil, fmt.Errorf("replay from %s: %w", time.UnixMilli(int64(at)).UTC().Format(time.RFC3339), err)
		}
		seen, err := k.s.api.Audiences.projection(k.audience, access.DoorReplay)
		if err != nil {
			free()
			return nil, nil, err
		}
		p.Show(seen, streams.Status{Build: k.s.api.Build, Recording: true, Simulated: simulated(k.s.api.World.View())})
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sub, k.player = nil, p
		return p, free, nil
	}
}

// simulated tells whether the world holds simulated units.
func simulated(v *geo.View) bool {
	for f := range v.All(geo.Unit) {
		if f.Props.Bool("simulated") {
			return true
		}
	}
	return false
}

// turn makes the writer go over to another source.
func (k *socket) turn(next starter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = next
	k.cut()
}

// conclude ends the socket; the first reason counts.
func (k *socket) conclude(e ending) {
	if k.ended.CompareAndSwap(nil, &e) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.cut()
	}
}

// write takes frames from the source and writes them, until the socket ends. It
// owns the connection and closes it.
func (k *socket) write() {
	release := func() {}
	defer func() {
		release()
		k.finish()
	}()
	defer k.survive()
	var src streams.Source
	var ctx context.Context
	for {
		k.mu.Lock()
		if k.ended.Load() != nil { // asked under mu: from here on conclude cuts what is begun here
			k.mu.Unlock()
			return
		}
		start := k.next
		if start != nil {
			k.next = nil
			k.cut()
			ctx, k.cut = context.WithCancel(context.Background())
		}
		k.mu.Unlock()
		if start != nil {
			release()
			release = func() {}
			next, free, err := start(ctx)
			if err != nil {
				k.conclude(k.reasonOf(err))
				return
			}
			src, release = next, free
		}
		f, err := src.Next(ctx)
		switch {
		case err == nil:
			if err := k.send(f); err != nil {
				k.conclude(broken(err))
			}
		case ctx.Err() != nil: // the socket ends, or another source is wanted
		default:
			k.conclude(k.reasonOf(err))
		}
	}
}

// reasonOf says how a socket ends whose source failed.
func (k *socket) reasonOf(err error) ending {
	switch {
	case errors.Is(err, errBusy):
		return busy()
	case errors.Is(err, errNoAudience), errors.Is(err, access.ErrAudience):
		return ending{closeDenied, clipTo(err.Error(), reasonsBytes), "4403"}
	case errors.Is(err, streams.ErrStopping), errors.Is(err, context.Canceled):
		return restart()
	case errors.Is(err, streams.ErrReplay):
		return ending{websocket.CloseInternalServerErr, streams.ErrReplay.Error(), "1011"}
	case errors.Is(err, streams.ErrNoHistory):
		return ending{websocket.CloseInternalServerErr, "nothing of that time is kept", "1011"}
	}
	k.s.api.Log.Error("a stream cannot go on", "protocol", k.protocol, "err", err)
	return ending{websocket.CloseInternalServerErr, "the server could not go on", "1011"}
}

// broken says how a socket ends that cannot be written to.
func broken(err error) ending {
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return ending{label: "slow"}
	}
	return ending{label: "gone"}
}

// survive ends a socket whose goroutine panicked: one screen must not take the others
// with it.
func (k *socket) survive() {
	v := recover()
	if v == nil {
		return
	}
	k.s.api.Log.Error("a stream panicked", "protocol", k.protocol, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	k.s.api.metrics.panics.Inc()
	k.conclude(ending{websocket.CloseInternalServerErr, "the server could not go on", "1011"})
}

// finish says goodbye and lets go.
func (k *socket) finish() {
	k.conclude(ending{label: "gone"})
	e := k.ended.Load()
	if e.code != 0 {
		farewell(k.conn, *e)
	}
	_ = k.conn.Close()
	m := k.s.api.metrics
	m.socketsClosed.WithLabelValues(e.label).Inc()
	m.sockets.WithLabelValues(k.protocol).Dec()
	k.s.mu.Lock()
	delete(k.s.open, k)
	if k.who.Role == access.Anonymous {
		k.s.strangers--
	}
	k.s.unwatch(k)
	k.s.mu.Unlock()
	k.s.wg.Done()
}

// farewell sends the close frame and waits a moment for the other side's. To close
// while something of the other side is still unread would reset the connection, and
// the code would never arrive.
func farewell(conn *websocket.Conn, e ending) {
	until := time.Now().Add(farewellWait)
	if conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(e.code, e.reason), until) != nil {
		return
	}
	raw := conn.NetConn()
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	cut := time.AfterFunc(farewellWait, func() { _ = conn.Close() })
	defer cut.Stop()
	_, _ = io.CopyN(io.Discard, raw, farewellBytes)
}

// send writes a frame. Those who get the same frame get the same bytes.
func (k *socket) send(f *streams.Frame) error {
	pm, size, err := k.s.prepared.of(f).message(k)
	if err != nil {
		return err
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := k.put(pm, size); err != nil {
		return err
	}
	k.note(f)
	return k.answer()
}

// put writes a prepared message; the caller holds writing.
func (k *socket) put(pm *websocket.PreparedMessage, size int) error {
	start := time.Now()
	if err := k.conn.SetWriteDeadline(start.Add(writeWait + time.Duration(size)*time.Second/writeBytesASec)); err != nil {
		return err
	}
	if err := k.conn.WritePreparedMessage(pm); err != nil {
		return err
	}
	m := k.s.api.metrics
	m.writeSeconds.Observe(time.Since(start).Seconds())
	m.frames.WithLabelValues(k.protocol).Inc()
	m.frameBytes.WithLabelValues(k.protocol).Add(float64(size))
	if k.pinged.IsZero() {
		k.pinged = start
	}
	if start.Sub(k.pinged) >= pingEvery { // heartbeats bring us here every second
		k.pinged = start
		return k.conn.WriteControl(websocket.PingMessage, nil, start.Add(writeWait))
	}
	return nil
}

// standing is what a heartbeat of one socket has to say: where its screen stands.
type standing struct {
	world, epoch string
	seq, state   uint64
	time         geo.Millis
	status       *streams.Status // nil: no frame had one yet
}

// note keeps where the screen stands after a frame.
func (k *socket) note(f *streams.Frame) {
	at := &k.last
	at.world, at.epoch = cmp.Or(f.World, at.world), cmp.Or(f.Epoch, at.epoch)
	at.seq, at.time = f.Seq, f.Time
	if f.Live == 0 { // an overlay has no state
		at.state = f.State
	}
	if f.Status != nil {
		at.status = f.Status
	}
}

// answerClock answers {"clock":n} at once, so that the screen can halve the way there
// and back.
func (k *socket) answerClock(n uint32) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.echo = n
	return k.answer()
}

// answer writes a heartbeat of this socket alone, if its clock was asked for and it has
// heard how the server is: the first frame after a resume may be of a change alone. The
// caller holds writing.
func (k *socket) answer() error {
	if k.echo == 0 || k.last.status == nil {
		return nil
	}
	at, st := k.last, *k.last.status
	if st.Mode == streams.ModeLive {
		now := k.s.api.Sequencer.Status()
		st.Tick, st.Recording = now.Tick, now.Recording
	}
	st.Clock, st.Echo = geo.Millis(time.Now().UnixMilli()), k.echo
	k.echo = 0
	one := preparedFrame{frame: &streams.Frame{V: streams.FormatVersion, World: at.world, Epoch: at.epoch,
		Base: at.seq, Seq: at.seq, Time: at.time, State: at.state, Status: &st}}
	pm, size, err := one.message(k)
	if err != nil {
		return err
	}
	return k.put(pm, size)
}

// upward is a message of a screen. Unknown members are ignored, so that a newer
// screen can ask an older server.
type upward struct {
	From  *string      `json:"from"`
	Every *string      `json:"every"`
	Seek  *string      `json:"seek"`
	Speed *float64     `json:"speed"`
	Live  *bool        `json:"live"`
	Area  *string      `json:"area"`
	Clock *json.Number `json:"clock"`
}

// read obeys what the screen sends, until the connection ends.
func (k *socket) read() {
	defer k.survive()
	conn := k.conn
	conn.SetReadLimit(upwardBytesMax)
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(readWait)) }
	_ = alive("")
	conn.SetPongHandler(alive)
	tokens, filled := float64(upwardBurst), time.Now()
	for {
		kind, b, err := conn.ReadMessage()
		if err != nil {
			k.conclude(readEnding(err))
			return
		}
		_ = alive("")
		now := time.Now()
		tokens = min(upwardBurst, tokens+now.Sub(filled).Seconds()*upwardPerSec) - 1
		filled = now
		if tokens < 0 {
			k.conclude(busy())
			return
		}
		if kind != websocket.TextMessage {
			k.conclude(ending{websocket.CloseInvalidFramePayloadData, "messages upward are text", "1007"})
			return
		}
		if err := k.obey(b); err != nil {
			k.conclude(ending{websocket.CloseInvalidFramePayloadData, clipTo(err.Error(), reasonsBytes), "1007"})
			return
		}
	}
}

// readEnding says how a socket ends that cannot be read from.
func readEnding(err error) ending {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return ending{websocket.CloseMessageTooBig, fmt.Sprintf("a message upward is at most %d bytes", upwardBytesMax), "1009"}
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return ending{label: "client"} // gorilla has answered the close frame
	}
	return ending{label: "gone"}
}

// obey does what one message asks. An error is one of the message.
func (k *socket) obey(b []byte) error {
	var m upward
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&m); err != nil || !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return errors.New("not a JSON object of the stream")
	}
	if d.More() {
		return errors.New("one JSON object a message")
	}
	count := func(what string) { k.s.api.metrics.upward.WithLabelValues(what).Inc() }
	if m.Area != nil && *m.Area != "" {
		return errors.New("area: there is no such area")
	}
	if m.Every != nil {
		count("every")
		d, err := parseEvery(*m.Every)
		if err != nil {
			return err
		}
		k.mu.Lock()
		if k.every = d; k.sub != nil {
			k.sub.SetEvery(d)
		}
		k.mu.Unlock()
	}
	switch {
	case m.From != nil:
		count("from")
		from, err := streams.ParseResume(*m.From)
		if err != nil {
			return err
		}
		k.mu.Lock()
		sub := k.sub
		k.mu.Unlock()
		if sub != nil {
			sub.Resume(from)
		} else {
			k.turn(k.live(from))
		}
	case m.Live != nil && *m.Live:
		count("live")
		k.turn(k.live(streams.Resume{}))
	case m.Seek != nil || m.Speed != nil:
		count("seek")
		if err := k.seek(m.Seek, m.Speed); err != nil {
			return err
		}
	}
	if m.Clock != nil {
		count("clock")
		n, err := strconv.ParseUint(m.Clock.String(), 10, 32)
		if err != nil || n == 0 {
			return errors.New("clock: must be a whole number from 1 to 4294967295")
		}
		if err := k.answerClock(uint32(n)); err != nil {
			k.conclude(broken(err))
		}
	}
	return nil
}

// seek moves the player, or begins a replay.
func (k *socket) seek(at *string, speed *float64) error {
	if speed != nil && !(*speed >= 0 && *speed <= streams.SpeedMax) {
		return streams.ErrSpeed
	}
	var to geo.Millis
	if at != nil {
		t, err := time.Parse(time.RFC3339, *at)
		if err != nil {
			return errors.New("seek: must be a time as RFC 3339 has it")
		}
		if to, err = k.s.api.replayable(t); err != nil {
			return err
		}
	}
	k.mu.Lock()
	player := k.player
	k.mu.Unlock()
	if player == nil {
		if !k.past.Allowed {
			k.conclude(endingOf(decided(k.past)))
			return nil
		}
		if at == nil {
			return errors.New("speed: is of a replay, and this is live")
		}
		rate := 1.0
		if speed != nil {
			rate = *speed
		}
		k.turn(k.replay(to, rate))
		return nil
	}
	if speed != nil {
		if err := player.SetSpeed(*speed); err != nil {
			return err
		}
	}
	if at != nil {
		player.Seek(to)
	}
	return nil
}

// preparedFrames remembers the messages of the last frames, so that 10,000 sockets
// share one encoding.
type preparedFrames struct {
	slots [256]atomic.Pointer[preparedFrame]
	swept atomic.Int64
}

// preparedFrame is a frame as it goes to sockets, encoded once for each protocol.
type preparedFrame struct {
	frame *streams.Frame
	pb    encoded
	text  encoded
}

type encoded struct {
	once sync.Once
	pm   *websocket.PreparedMessage
	size int
	err  error
}

// of returns the messages of a frame.
func (p *preparedFrames) of(f *streams.Frame) *preparedFrame {
	p.sweep()
	slot := &p.slots[uintptr(unsafe.Pointer(f))>>7%uintptr(len(p.slots))]
	for {
		have := slot.Load()
		if have != nil && have.frame == f {
			return have
		}
		mine := &preparedFrame{frame: f}
		if slot.CompareAndSwap(have, mine) {
			return mine
		}
	}
}

// sweep empties the slots every two seconds: a keyframe of a large world is
// megabytes, and whoever shares it asks within moments.
func (p *preparedFrames) sweep() {
	now := time.Now().Unix() / 2
	if was := p.swept.Load(); was == now || !p.swept.CompareAndSwap(was, now) {
		return
	}
	for i := range p.slots {
		p.slots[i].Store(nil)
	}
}

// message encodes the frame for the protocol of a socket, once.
func (p *preparedFrame) message(k *socket) (*websocket.PreparedMessage, int, error) {
	e, kind := &p.pb, websocket.BinaryMessage
	if k.protocol == protocolJSON {
		e, kind = &p.text, websocket.TextMessage
	}
	e.once.Do(func() {
		k.s.api.metrics.encodes.WithLabelValues(k.protocol).Inc()
		var b []byte
		if kind == websocket.TextMessage {
			b = p.frame.JSON(nil)
		} else {
			b = p.frame.Wire()
		}
		e.size = len(b)
		e.pm, e.err = websocket.NewPreparedMessage(kind, b)
	})
	return e.pm, e.size, e.err
}
