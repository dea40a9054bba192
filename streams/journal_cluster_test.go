//go:build faults

package streams

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"rasad/geo"
)

// cluster starts three NATS servers that replicate.
func cluster(t *testing.T) (servers []*server.Server, urls string) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		_ = l.Close()
	}
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	for i := range 3 {
		srv, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "rasad", Host: "127.0.0.1", Port: ports[i]},
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		if !srv.ReadyForConnections(10 * time.Second) {
			t.Fatal("a server of the cluster does not start")
		}
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		servers = append(servers, srv)
		if urls != "" {
			urls += ","
		}
		urls += srv.ClientURL()
	}
	return servers, urls
}

// One of three servers stops, the one that leads the stream: frames wait, none
// is lost or doubled, and another node takes over with the same world.
func TestClusterLosesItsLeader(t *testing.T) {
	servers, urls := cluster(t)
	o := testOptions(t.TempDir())
	o.URL, o.Replicas = urls, 3
	j, w := openWhenElected(t, o)
	s := newScribe(j, w, 40)
	s.write(t, 50)
	s.snapshot(t)
	s.write(t, 10)

	_, js, err := j.b.conn()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(context.Background(), j.stream)
	if err != nil {
		t.Fatal(err)
	}
	leader := stream.CachedInfo().Cluster.Leader
	for _, srv := range servers {
		if srv.Name() == leader {
			srv.Shutdown()
		}
	}
	start := time.Now()
	f := s.frame()
	retry(t, j, f, 30*time.Second)
	t.Logf("recorded again %v after the leader stopped", time.Since(start).Round(time.Millisecond))
	s.apply(f)
	s.write(t, 20)
	sameFrames(t, j, s)

	other := testOptions(t.TempDir())
	other.URL, other.Replicas = urls, 3
	j2, w2, r := mustOpen(t, other)
	if r.NewEpoch || len(r.Damaged) > 0 || w2.View().Hash() != w.View().Hash() {
		t.Errorf("the other node: %+v", *r)
	}
	newScribe(j2, w2, 41).write(t, 5)
	if err := j.Append(context.Background(), s.frame()); !errors.Is(err, ErrPenLost) {
		t.Errorf("the first node: got %v, want %v", err, ErrPenLost)
	}
}

// openWhenElected opens a journal as soon as the cluster has its leaders.
func openWhenElected(t *testing.T, o JournalOptions) (*Journal, *geo.World) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		j, w, _, err := OpenJournal(context.Background(), o)
		if err == nil {
			t.Cleanup(func() { _ = j.Close() })
			return j, w
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
