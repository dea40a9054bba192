package api

import (
	"cmp"
	"encoding/binary"
	"os"
	"sync"
	"syscall"
	"time"
)

// sweeper writes to the sockets that keep up, one after the other, without ever
// waiting for one. A goroutine for each would be woken for each frame and would
// hold a stack; at ten thousand screens that is most of the cost.
//
// What the kernel does not take of a message goes back to the socket's own
// goroutine, which writes the rest and then parks the socket again.
type sweeper struct {
	s     *sockets
	rings chan struct{} // a socket was parked, or it is over
	out   rawWrite

	mu    sync.Mutex
	fresh []*socket // parked since the sweeper last looked
	over  bool
}

// sweepLatest bounds the sleep of a sweeper.
const sweepLatest = time.Second

func newSweeper(s *sockets) *sweeper {
	w := &sweeper{s: s, rings: make(chan struct{}, 1)}
	w.out.call = w.out.write
	s.sweeping.Go(w.run)
	return w
}

func (w *sweeper) ring() {
	select {
	case w.rings <- struct{}{}:
	default:
	}
}

func (w *sweeper) stop() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.ring()
}

func (w *sweeper) run() {
	news, stop := w.s.api.Hub.Bell()
	defer stop()
	timer := time.NewTimer(sweepLatest)
	defer timer.Stop()
	var list []*socket
	for {
		all := true
		select {
		case <-news:
		case <-timer.C:
		case <-w.rings:
			all = false // thousands may come one by one
		}
		w.mu.Lock()
		from := len(list)
		list = append(list, w.fresh...)
		w.fresh = nil
		over := w.over
		w.mu.Unlock()
		if over {
			return
		}
		if all {
			from = 0
		}
		list = append(list[:from], w.sweep(list[from:])...)
		next := time.Now().Add(sweepLatest)
		for _, k := range list {
			if k.ask.Before(next) {
				next = k.ask
			}
		}
		timer.Reset(time.Until(next))
	}
}

// sweep writes what is due to each of the sockets and returns those that are still
// parked.
func (w *sweeper) sweep(list []*socket) []*socket {
	now := time.Now()
	var sent [2]struct{ frames, bytes int } // binary, text
	kept := list[:0]
	for _, k := range list {
		n := &sent[0]
		if k.protocol == protocolJSON {
			n = &sent[1]
		}
		stays := true
		for stays {
			size := 0
			if size, stays = w.serve(k, now); size == 0 {
				break
			}
			n.frames++
			n.bytes += size
		}
		if stays {
			kept = append(kept, k)
		}
	}
	clear(list[len(kept):])
	m := w.s.api.metrics
	for i, protocol := range []string{protocolPB, protocolJSON} {
		if sent[i].frames > 0 {
			m.frames.WithLabelValues(protocol).Add(float64(sent[i].frames))
			m.frameBytes.WithLabelValues(protocol).Add(float64(sent[i].bytes))
		}
	}
	m.sweepSeconds.Observe(time.Since(now).Seconds())
	return kept
}

// serve writes one frame to a socket, if one is due, and returns its size and
// whether the socket stays parked.
func (w *sweeper) serve(k *socket, now time.Time) (size int, stays bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.parked {
		k.swept = false
		return 0, false
	}
	if !k.writing.TryLock() { // an answer to a clock or a ping is on its way
		k.ask = now.Add(5 * time.Millisecond)
		return 0, true
	}
	f, until, err := k.sub.Poll(now)
	if err != nil {
		k.writing.Unlock()
		k.swept = false
		k.fetch() // Next will say the same
		return 0, false
	}
	if f == nil {
		k.writing.Unlock()
		k.ask = until
		return 0, true
	}
	e := k.s.prepared.of(f).message(k)
	message := e.bytes
	if k.pingDue(now) {
		message = append(message[:len(message):len(message)], pingMessage...)
	}
	k.note(f)
	n, err := w.out.to(k.raw, message)
	if err == nil && n == len(message) {
		k.writing.Unlock()
		return e.size, true
	}
	k.parked, k.swept = false, false
	go k.rest(message[n:], e.size, err)
	return e.size, false
}

// park gives the socket to its sweeper. It is false for one that needs its own
// goroutine: a replay, TLS, or when there is something to do.
func (k *socket) park() bool {
	if k.raw == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sub == nil || k.next != nil || k.ended.Load() != nil {
		return false
	}
	k.parked = true
	if k.swept {
		return true // it has not looked since the socket left
	}
	k.swept = true
	w := k.sweeper
	w.mu.Lock()
	w.fresh = append(w.fresh, k)
	w.mu.Unlock()
	w.ring()
	return true
}

// rest writes what is left of a message and goes on as the socket's goroutine. It
// holds writing from the start: nothing may come between the parts of a message.
func (k *socket) rest(b []byte, size int, err error) {
	now := time.Now()
	conn := k.conn.NetConn()
	if err == nil {
		if err = conn.SetWriteDeadline(patience(now, size)); err == nil {
			_, err = conn.Write(b)
		}
		err = cmp.Or(err, conn.SetWriteDeadline(time.Time{}))
	}
	k.writing.Unlock()
	if err != nil {
		k.conclude(broken(err))
	}
	k.write()
}

// rawWrite writes to a connection as much as the kernel takes at once.
type rawWrite struct {
	call func(fd uintptr) bool // write, made once
	b    []byte
	n    int
	err  error
}

// to returns how much was taken; that nothing was is no error.
func (w *rawWrite) to(raw syscall.RawConn, b []byte) (int, error) {
	w.b, w.n, w.err = b, 0, nil
	err := raw.Write(w.call)
	w.b = nil
	if err != nil {
		return w.n, err
	}
	return w.n, w.err
}

func (w *rawWrite) write(fd uintptr) bool {
	for w.n < len(w.b) {
		n, err := syscall.Write(int(fd), w.b[w.n:])
		switch err {
		case nil:
			w.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			w.err = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}

// pingMessage is an empty ping of a server, RFC 6455 5.5.2.
var pingMessage = []byte{0x89, 0}

// whole is a message of a server in one unmasked frame, RFC 6455 5.2. The kind is
// the opcode.
func whole(kind int, b []byte) []byte {
	out := make([]byte, 0, len(b)+10)
	out = append(out, 0x80|byte(kind))
	switch n := len(b); {
	case n < 126:
		out = append(out, byte(n))
	case n <= 0xFFFF:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	return append(out, b...)
}
