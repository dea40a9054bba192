package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NATSStore keeps sessions in a key-value bucket of a cluster, so that whoever is in
// stays in when another machine takes over. It is a [SessionStore].
//
// A cluster that is away or full costs nothing now: what could not be written waits in
// memory, the last word of each session, and is written when it can be. What waits is
// lost with the process.
type NATSStore struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	log *slog.Logger

	mu      sync.Mutex
	kv      jetstream.KeyValue // nil: the bucket was not reached yet
	waiting map[string][]byte  // by id; nil: the session is over
	away    time.Time          // when the cluster did not answer last
	due     chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
}

const (
	sessionsBucket = "RASAD_SESSIONS"
	// sessionsBytes bounds the bucket: [sessionsMax] sessions of half a kilobyte.
	sessionsBytes = 64 << 20
	storeAnswer   = 2 * time.Second // a person waits for it at sign-in
	storePause    = time.Second     // between attempts at a cluster that is away
	// sessionKept is how long a session that nobody ended is kept: a wall's year.
	sessionKept = 366 * 24 * time.Hour
)

// OpenNATSStore connects to a cluster. One that does not answer is no error: it is
// asked again, and until then sessions live in memory.
func OpenNATSStore(ctx context.Context, url string, log *slog.Logger, opts ...nats.Option) (*NATSStore, error) {
	opts = append([]nats.Option{nats.Name("rasad sessions"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.Timeout(storeAnswer)}, opts...)
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS for the sessions: %w", err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(storeAnswer))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream for the sessions: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &NATSStore{nc: nc, js: js, log: log, waiting: map[string][]byte{}, due: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	go s.run(run)
	return s, nil
}

// bucket returns the bucket; it makes it at the first time.
func (s *NATSStore) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	s.mu.Lock()
	kv := s.kv
	s.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	kv, err := s.js.KeyValue(ctx, sessionsBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: sessionsBucket, Description: "who is signed in", History: 1, TTL: sessionKept,
			MaxBytes: sessionsBytes, MaxValueSize: 16 << 10, Storage: jetstream.FileStorage})
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.kv = kv
	s.mu.Unlock()
	return kv, nil
}

// Load returns the sessions that are kept; none when the cluster is away, which signs
// people out and stops nothing.
func (s *NATSStore) Load(ctx context.Context) ([]Session, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*storeAnswer)
	defer cancel()
	kv, err := s.bucket(ctx)
	if err != nil {
		s.log.Error("the sessions cannot be read; everybody has to sign in again", "error", err)
		return nil, nil
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		s.log.Error("the sessions cannot be read; everybody has to sign in again", "error", err)
		return nil, nil
	}
	defer func() { _ = w.Stop() }()
	var out []Session
	for {
		select {
		case e := <-w.Updates():
			if e == nil { // all that was there
				return out, nil
			}
			var x Session
			if json.Unmarshal(e.Value(), &x) == nil && x.ID == e.Key() {
				out = append(out, x)
			}
		case <-ctx.Done():
			s.log.Error("only some of the sessions could be read", "sessions", len(out), "error", ctx.Err())
			return out, nil
		}
	}
}

// Put keeps a session as it is now. With an error it is written later.
func (s *NATSStore) Put(ctx context.Context, x Session) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return s.write(ctx, x.ID, b)
}

// Delete forgets a session. With an error it is forgotten later.
func (s *NATSStore) Delete(ctx context.Context, id string) error { return s.write(ctx, id, nil) }

func (s *NATSStore) write(ctx context.Context, id string, value []byte) error {
	s.mu.Lock()
	s.waiting[id] = value
	away := time.Since(s.away) < storePause
	s.mu.Unlock()
	if away { // nobody waits for a cluster that did not answer a moment ago
		s.wake()
		return fmt.Errorf("keep a session: %w", errAway)
	}
	if err := s.send(ctx, id); err != nil {
		s.wake()
		return fmt.Errorf("keep a session: %w", err)
	}
	return nil
}

var errAway = errors.New("NATS does not answer; it is written later")

func (s *NATSStore) wake() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}

// send writes what waits of a session, if anything does.
func (s *NATSStore) send(ctx context.Context, id string) error {
	s.mu.Lock()
	value, ok := s.waiting[id]
	s.mu.Unlock()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeAnswer)
	defer cancel()
	kv, err := s.bucket(ctx)
	if err == nil && value == nil {
		err = kv.Purge(ctx, id)
	} else if err == nil {
		_, err = kv.Put(ctx, id, value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.away, s.kv = time.Now(), nil // it may be another bucket by the time it is back
		return err
	}
	if now, still := s.waiting[id]; still && string(now) == string(value) && (now == nil) == (value == nil) {
		delete(s.waiting, id)
	}
	return nil
}

// run writes what waits, whenever the cluster can.
func (s *NATSStore) run(ctx context.Context) {
	defer close(s.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.due:
		}
		for s.left() > 0 {
			for _, id := range s.ids() {
				if s.send(ctx, id) != nil {
					break
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(storePause):
			}
		}
	}
}

func (s *NATSStore) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.waiting))
}

func (s *NATSStore) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// Close writes what waits, if the cluster answers at once, and ends the connection.
func (s *NATSStore) Close() error {
	s.stop()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), storeAnswer)
	defer cancel()
	var err error
	for _, id := range s.ids() {
		if err = s.send(ctx, id); err != nil {
			break
		}
	}
	s.nc.Close()
	return err
}
