package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"
)

// ErrDirHeld is a data folder that another server works in. Two servers on one
// folder would lose half of what each acknowledged.
var ErrDirHeld = errors.New("another server holds the data folder")

// errNoRecord is a sequence that a stream does not hold.
var errNoRecord = errors.New("no such record")

// lockDir takes the lock of a data folder until the file is closed.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(f.Name())
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s (process %s)", ErrDirHeld, dir, cmp.Or(strings.TrimSpace(string(pid)), "unknown"))
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	// The number is only a hint for a person; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// broker owns the connection to NATS, and the server itself when that is
// embedded. After a full disk NATS stays broken until it is started again, so
// nobody else keeps a connection: each use asks the broker.
type broker struct {
	url  string
	dir  string // of the embedded server's store
	log  *slog.Logger
	opts []nats.Option
	// loose: writes are not synced, see JournalOptions.Unsynced.
	loose bool

	mu  sync.RWMutex
	srv *server.Server
	nc  *nats.Conn
	js  jetstream.JetStream
}

const (
	natsStart  = 10 * time.Second // an embedded server with 1M messages opens in 0.6 s
	natsAnswer = 5 * time.Second  // one request of the JetStream API
)

// openBroker starts the embedded server in dir, or connects to url.
func openBroker(ctx context.Context, url, dir string, loose bool, log *slog.Logger, opts ...nats.Option) (*broker, error) {
	b := &broker{url: url, dir: dir, log: log, opts: opts, loose: loose}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// start is called with no server running.
func (b *broker) start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Nothing waits in a buffer of the client's: what is not on the wire is
	// not sent, and a frame is offered again by its owner.
	opts := append([]nats.Option{nats.Name("rasad journal"), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.Timeout(natsAnswer)}, b.opts...)
	url := b.url
	if url == "" {
		if err := b.startServer(); err != nil {
			return err
		}
		opts = append(opts, nats.InProcessServer(b.srv))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		b.stopLocked()
		return fmt.Errorf("connect to NATS: %w", err)
	}
	b.nc = nc
	if b.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(natsAnswer)); err == nil {
		err = b.awaitJetStream(ctx)
	}
	if err != nil {
		b.stopLocked()
		return fmt.Errorf("open JetStream: %w", err)
	}
	return nil
}

// awaitJetStream waits for an answer of the JetStream API: a cluster that has
// just come up has no leader yet.
func (b *broker) awaitJetStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, natsStart)
	defer cancel()
	for {
		_, err := b.js.AccountInfo(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (b *broker) startServer() error {
	size, _, err := diskSpace(b.dir)
	if err != nil {
		return err
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:         "rasad",
		DontListen:         true,
		NoSigs:             true,
		NoLog:              true,
		JetStream:          true,
		StoreDir:           b.dir,
		SyncAlways:         !b.loose, // without it a power cut lost 91 % of what was acknowledged
		JetStreamMaxMemory: 64 << 20,
		// The journal itself stops before the disk is full; NATS must not
		// stop before the journal does.
		JetStreamMaxStore: size,
	})
	if err != nil {
		return fmt.Errorf("make the embedded NATS server: %w", err)
	}
	srv.SetLoggerV2(natsLog{b.log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(natsStart) {
		srv.Shutdown()
		srv.WaitForShutdown()
		return errors.New("the embedded NATS server does not start")
	}
	b.srv = srv
	return nil
}

func (b *broker) stopLocked() {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.srv != nil {
		b.srv.Shutdown()
		b.srv.WaitForShutdown()
	}
	b.nc, b.js, b.srv = nil, nil, nil
}

// restart stops and starts the embedded server, or makes a new connection to
// an external one. Requests that are under way fail.
func (b *broker) restart(ctx context.Context) error {
	b.mu.Lock()
	b.stopLocked()
	b.mu.Unlock()
	return b.start(ctx)
}

func (b *broker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopLocked()
}

// conn returns the connection of the moment. It must not be kept.
func (b *broker) conn() (*nats.Conn, jetstream.JetStream, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.js == nil {
		return nil, nil, fmt.Errorf("%w: NATS is not running", ErrNotRecording)
	}
	return b.nc, b.js, nil
}

// api asks one question of the JetStream API and decodes the answer into out.
func (b *broker) api(ctx context.Context, subject string, ask, out any) error {
	nc, _, err := b.conn()
	if err != nil {
		return err
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, natsAnswer)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, "$JS.API."+subject, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, out)
}

// stored is one message of a stream.
type stored struct {
	seq  uint64
	data []byte
	id   string // its Nats-Msg-Id
}

// get reads one message from the leader of the stream, never from a replica
// that may be behind. It returns errNoRecord when the stream does not hold it.
func (b *broker) get(ctx context.Context, stream string, seq uint64) (stored, error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq  uint64 `json:"seq"`
			Hdrs []byte `json:"hdrs"`
			Data []byte `json:"data"`
		} `json:"message"`
	}
	if err := b.api(ctx, "STREAM.MSG.GET."+stream, map[string]uint64{"seq": seq}, &answer); err != nil {
		return stored{}, fmt.Errorf("read frame %d: %w", seq, err)
	}
	if e := answer.Error; e != nil {
		if e.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return stored{}, errNoRecord
		}
		return stored{}, fmt.Errorf("read frame %d: %w", seq, e)
	}
	out := stored{seq: answer.Message.Seq, data: answer.Message.Data}
	if h, err := nats.DecodeHeadersMsg(answer.Message.Hdrs); err == nil {
		out.id = h.Get(nats.MsgIdHdr)
	}
	return out, nil
}

const (
	readBatch = 4096
	readBytes = 8 << 20
)

// read returns up to n messages from seq on, in order. NATS steps over what it
// cannot read, so the caller checks the sequences. A short answer means the end
// or damage. Replicas may answer, and may be behind.
func (b *broker) read(ctx context.Context, stream string, seq uint64, n int) ([]stored, error) {
	nc, _, err := b.conn()
	if err != nil {
		return nil, err
	}
	ask, err := json.Marshal(map[string]any{"seq": seq, "batch": min(n, readBatch), "max_bytes": readBytes})
	if err != nil {
		return nil, err
	}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("read frames from %d: %w", seq, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, ask); err != nil {
		return nil, fmt.Errorf("read frames from %d: %w", seq, err)
	}
	ctx, cancel := context.WithTimeout(ctx, natsAnswer)
	defer cancel()
	var out []stored
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return out, fmt.Errorf("read frames from %d: %w", seq, err)
		}
		switch m.Header.Get("Status") {
		case "":
		case "204", "404":
			return out, nil
		default:
			return out, fmt.Errorf("read frames from %d: NATS answers %s %s", seq, m.Header.Get("Status"), m.Header.Get("Description"))
		}
		at, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return out, fmt.Errorf("read frames from %d: a message without its sequence", seq)
		}
		out = append(out, stored{at, m.Data, m.Header.Get(nats.MsgIdHdr)})
	}
}

// diskSpace returns the size of the disk that dir lies on and what is free for
// us, in bytes.
func diskSpace(dir string) (size, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}

// syncDisk waits until everything written to the disk that dir lies on is
// durable: NATS does not sync every folder that it makes.
func syncDisk(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// natsLog passes on what the embedded server complains about.
type natsLog struct{ log *slog.Logger }

func (l natsLog) line(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "nats: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
}

func (l natsLog) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }
func (l natsLog) Warnf(format string, v ...any)   { l.line(slog.LevelWarn, format, v) }
func (l natsLog) Errorf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l natsLog) Fatalf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l natsLog) Debugf(format string, v ...any)  {}
func (l natsLog) Tracef(format string, v ...any)  {}
