package api_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"rasad/geo"
)

// A parked socket is called back for whatever needs a goroutine, and messages stay
// whole: while its kernel buffer is full it is pinged and asked for the clock, and
// its frames still follow each other to the server's hash.
func TestParkedSocketsComeAndGo(t *testing.T) {
	h := newHouse(t)
	filler := strings.Repeat("x", 60_000)
	h.unit("E7", 1, 1, "").want(201)
	d := websocket.Dialer{Subprotocols: []string{pb}, NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(32 << 10)
		}
		return c, err
	}}
	conn, _, err := d.Dial("ws"+strings.TrimPrefix(h.url, "http")+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &screen{t: t, conn: conn, world: geo.NewWorld()}
	s.next()
	for round := range 4 {
		last := uint64(0)
		for i := range 10 { // more than fits on the way
			last = h.unit("E7", 1, 1, fmt.Sprintf(`"note":%q,"n":%d`, filler, round*10+i)).want(200).seq()
		}
		if err := s.conn.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		ponged := false
		s.conn.SetPongHandler(func(string) error { ponged = true; return nil })
		s.say(`{"clock":%d}`, round+1)
		echoed := false
		for deadline := time.Now().Add(10 * time.Second); !(echoed && ponged && s.world.View().Seq() >= last); {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: echo %v, pong %v, at %d of %d", round, echoed, ponged, s.world.View().Seq(), last)
			}
			f := s.next()
			echoed = echoed || f.Status != nil && f.Status.Echo == uint32(round+1)
		}
	}
}
