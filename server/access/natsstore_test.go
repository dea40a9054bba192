package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// cluster is a NATS server with JetStream in a folder, on a port of its own.
func cluster(t *testing.T, dir string, port int, more ...func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true}
	for _, f := range more {
		f(o)
	}
	srv, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	return srv
}

func openStore(t *testing.T, url string) *NATSStore {
	t.Helper()
	s, err := OpenNATSStore(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSessionsOutliveTheMachine(t *testing.T) {
	srv := cluster(t, t.TempDir(), -1)
	ctx := t.Context()
	one := openStore(t, srv.ClientURL())
	ours, err := NewSessions(ctx, one, slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text, s := ours.Begin(ctx, now, Session{Account: "a", Role: Dispatcher, From: "192.0.2.1"}, "")
	gone, _ := ours.Begin(ctx, now, Session{Account: "b", Role: Dispatcher}, "")
	rotated, _ := ours.Begin(ctx, now, Session{Account: "c", Role: Dispatcher}, "")
	ours.Revoke(ctx, func(x Session) bool { return x.Account == "b" })
	var id string
	for _, x := range ours.List(now, func(x Session) bool { return x.Account == "c" }) {
		id = x.ID
	}
	after, _, err := ours.Rotate(ctx, now, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one.left() != 0 {
		t.Errorf("%d changes wait", one.left())
	}

	other, err := NewSessions(ctx, openStore(t, srv.ClientURL()), slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if x, err := other.Find(ctx, now, text); err != nil || x.ID != s.ID || x.Role != Dispatcher || x.From != "192.0.2.1" {
		t.Errorf("on the other machine: %+v, %v", x, err)
	}
	if _, err := other.Find(ctx, now, after); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	for what, secret := range map[string]string{"one that ended": gone, "the secret before": rotated} {
		if _, err := other.Find(ctx, now, secret); !errors.Is(err, ErrNoSession) {
			t.Errorf("%s came back: %v", what, err)
		}
	}
}

func TestSessionsGoOnWithoutTheCluster(t *testing.T) {
	dir := t.TempDir()
	srv := cluster(t, dir, -1)
	ctx := t.Context()
	store := openStore(t, srv.ClientURL())
	ours, err := NewSessions(ctx, store, slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	ended, _ := ours.Begin(ctx, time.Now(), Session{Account: "ended", Role: Dispatcher}, "")
	url := srv.ClientURL()
	var port int
	if _, err := fmt.Sscanf(url, "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	srv.Shutdown()
	srv.WaitForShutdown()

	began := time.Now()
	var secrets []string
	for i := range 50 {
		text, _ := ours.Begin(ctx, time.Now(), Session{Account: fmt.Sprint("a", i), Role: Dispatcher}, "")
		secrets = append(secrets, text)
	}
	if n := ours.Revoke(ctx, func(x Session) bool { return x.Account == "ended" }); n != 1 {
		t.Errorf("%d ended", n)
	}
	if took := time.Since(began); took > 3*storeAnswer {
		t.Errorf("51 people waited %v for a cluster that is away", took)
	}
	for _, text := range secrets {
		if _, err := ours.Find(ctx, time.Now(), text); err != nil {
			t.Fatalf("without the cluster: %v", err)
		}
	}
	if _, err := ours.Find(ctx, time.Now(), ended); !errors.Is(err, ErrNoSession) {
		t.Errorf("who was ended: %v", err)
	}

	cluster(t, dir, port) // it comes back, with what it had
	for end := time.Now().Add(20 * time.Second); store.left() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d changes still wait", store.left())
		}
	}
	other, err := NewSessions(ctx, openStore(t, url), slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range secrets {
		if _, err := other.Find(ctx, time.Now(), text); err != nil {
			t.Fatalf("what was begun while it was away is not on the other machine: %v", err)
		}
	}
	if _, err := other.Find(ctx, time.Now(), ended); !errors.Is(err, ErrNoSession) {
		t.Errorf("what was ended while it was away came back: %v", err)
	}
}

func TestAFullStoreSignsNobodyOut(t *testing.T) {
	srv := cluster(t, t.TempDir(), -1)
	store := openStore(t, srv.ClientURL())
	ctx := t.Context()
	kv, err := store.bucket(ctx)
	if err != nil {
		t.Fatal(err)
	}
	st, err := kv.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	info, err := js.StreamInfo("KV_" + st.Bucket())
	if err != nil {
		t.Fatal(err)
	}
	c := info.Config
	c.MaxBytes = 1000 // full after a session or two
	if _, err := js.UpdateStream(&c); err != nil {
		t.Fatal(err)
	}
	ours, err := NewSessions(ctx, store, slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 20 {
		text, _ := ours.Begin(ctx, time.Now(), Session{Account: fmt.Sprint("a", i), Role: Dispatcher}, "")
		if _, err := ours.Find(ctx, time.Now(), text); err != nil {
			t.Fatalf("with a full store: %v", err)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("20 people waited %v for a full store", took)
	}
	if store.left() == 0 {
		t.Error("the store was not full: the test shows nothing")
	}
	c.MaxBytes = sessionsBytes
	if _, err := js.UpdateStream(&c); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); store.left() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d changes still wait for the room that is there", store.left())
		}
	}
}

func TestAClusterThatIsNotThereStopsNothing(t *testing.T) {
	store := openStore(t, "nats://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	s, err := NewSessions(ctx, store, slog.New(slog.DiscardHandler), func(Session) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	text, _ := s.Begin(ctx, time.Now(), Session{Account: "a", Role: Dispatcher}, "")
	if _, err := s.Find(t.Context(), time.Now(), text); err != nil {
		t.Error(err)
	}
}
