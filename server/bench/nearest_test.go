//go:build bench

package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestNearestHTTP asks our door with wrk and PostGIS with prepared statements for
// the five nearest, with and without a filter that one unit in a hundred passes,
// over the same points, in the same run, eight connections each.
func TestNearestHTTP(t *testing.T) {
	sizes := []int{10_000, 100_000, 1_000_000}
	for _, n := range sizes {
		dir := t.TempDir()
		w := seed(t, dir, n, nil)
		s := start(t, dir)
		for _, filter := range []string{"", "&capability=hazmat"} {
			script := filepath.Join(t.TempDir(), "nearest.lua")
			lua := fmt.Sprintf(`math.randomseed(os.time())
request = function() return wrk.format("GET", string.format("/api/v1/units/nearest?lon=%%.6f&lat=%%.6f&k=5&by=line%s", -75.80 + math.random()*0.40, 39.58 + math.random()*0.27)) end`, filter)
			if err := os.WriteFile(script, []byte(lua), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("wrk", "-t1", "-c8", "-d8s", "--latency", "-H", "Authorization: Bearer "+s.token, "-s", script, s.base).CombinedOutput()
			if err != nil {
				t.Fatalf("wrk: %v\n%s", err, out)
			}
			if strings.Contains(string(out), "Non-2xx") {
				t.Errorf("wrk saw refusals:\n%s", out)
			}
			say(t, fmt.Sprintf("nearest 5 of %d%s, HTTP", n, label(filter)), "%s/s, p99 %s",
				found(`Requests/sec:\s+(\S+)`, out), found(`99%\s+(\S+)`, out))
		}
		s.stop()
		if n > 100_000 {
			continue // loading a million rows says nothing new about the peer
		}
		db := postgres(t)
		ctx := context.Background()
		c, err := pgx.Connect(ctx, db)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, `create extension if not exists postgis; create table u (id text, hazmat bool, g geometry(Point, 4326))`); err != nil {
			t.Fatal(err)
		}
		var rows [][]any
		for f := range w.View().All("") {
			lng, lat := f.Fix.At.Degrees()
			rows = append(rows, []any{f.Key, strings.Contains(string(f.Props), "hazmat"), lng, lat})
		}
		if _, err := c.Exec(ctx, `create temp table raw (id text, hazmat bool, lng float8, lat float8)`); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CopyFrom(ctx, pgx.Identifier{"raw"}, []string{"id", "hazmat", "lng", "lat"}, pgx.CopyFromRows(rows)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, `insert into u select id, hazmat, st_setsrid(st_makepoint(lng, lat), 4326) from raw; create index on u using gist (g); create index on u using gist (g) where hazmat; analyze u`); err != nil {
			t.Fatal(err)
		}
		c.Close(ctx)
		for _, filter := range []string{"", "where hazmat"} {
			q := fmt.Sprintf(`select id, st_distancesphere(g, st_setsrid(st_makepoint($1, $2), 4326)) from u %s order by g <-> st_setsrid(st_makepoint($1, $2), 4326) limit 5`, filter)
			rate, p99 := ask(t, db, q)
			say(t, fmt.Sprintf("nearest 5 of %d%s, PostGIS <->", n, label(filter)), "%.0f/s, p99 %v", rate, p99)
		}
	}
}

func label(filter string) string {
	if filter == "" {
		return ""
	}
	return ", 1 % match"
}

func found(expr string, out []byte) string {
	if m := regexp.MustCompile(expr).FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return "?"
}

// ask keeps eight connections busy with a prepared statement for eight seconds.
func ask(t *testing.T, db, q string) (rate float64, p99 time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	const span = 8 * time.Second
	each(8, 8, func(w, _ int) {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, db)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close(ctx)
		if _, err := c.Prepare(ctx, "near", q); err != nil {
			t.Error(err)
			return
		}
		r := rand.New(rand.NewPCG(uint64(w), 9))
		var took []time.Duration
		for end := time.Now().Add(span); time.Now().Before(end); {
			began := time.Now()
			rows, err := c.Query(ctx, "near", -75.80+r.Float64()*.4, 39.58+r.Float64()*.27)
			if err != nil {
				t.Error(err)
				return
			}
			n := 0
			for rows.Next() {
				n++
			}
			if rows.Err() != nil || n != 5 {
				t.Errorf("%d rows, %v", n, rows.Err())
				return
			}
			took = append(took, time.Since(began))
		}
		mu.Lock()
		all = append(all, took...)
		mu.Unlock()
	})
	_, p99, _, _ = quantiles(all)
	return float64(len(all)) / span.Seconds(), p99
}

// postgres starts a cluster of its own, which goes with the test.
func postgres(t *testing.T) string {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		t.Fatal("no PostgreSQL: apt-get install postgresql postgis")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "rasad-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := func(name string, args ...string) *exec.Cmd {
		args = append([]string{filepath.Join(bin, name)}, args...)
		if os.Getuid() == 0 { // initdb refuses root
			args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
		}
		return exec.Command(args[0], args[1:]...)
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "-R", "postgres", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	if out, err := as("initdb", "-D", dir+"/data", "-U", "bench", "-A", "trust").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	if out, err := as("pg_ctl", "-D", dir+"/data", "-w", "-l", dir+"/log", "-o", "-k "+dir+" -c listen_addresses='' -c shared_buffers=512MB", "start").CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = as("pg_ctl", "-D", dir+"/data", "-m", "immediate", "stop").Run() })
	return "host=" + dir + " user=bench dbname=postgres sslmode=disable"
}
