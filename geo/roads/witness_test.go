//go:build witness

package roads_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rasad/geo/city"
	"rasad/geo/roads"
)

// An independent witness: pgRouting on the same turn-expanded graph gives the same times, and beside them stands how
// long it takes. It needs PostgreSQL with pgRouting (Debian: postgresql-15-pgrouting).
//
//	go test -tags witness -run Witness -v -timeout 20m ./geo/roads
func TestWitnessPGRouting(t *testing.T) {
	g := build(t, city.Options{In: extract(t, "delaware-latest.osm.pbf"), BBox: &wilmington})
	r := rand.New(rand.NewPCG(1, 40))
	changes := roads.SomeChanges(r, g)
	free, err := roads.NewRouter(g, roads.TestProfiles())
	if err != nil {
		t.Fatal(err)
	}
	router := free.With(changes[:len(changes)/20])
	const law = roads.ProfileID(1) // bans, gates and one-ways all count

	ctx := context.Background()
	c, err := pgx.Connect(ctx, postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, `create extension pgrouting cascade; create table arcs (id bigint, source bigint, target bigint, cost float8, reverse_cost float8)`); err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	for i, a := range roads.Arcs(router, law) {
		rows = append(rows, []any{int64(i), int64(a.From), int64(a.To), float64(a.Millis), -1.0})
	}
	if _, err := c.CopyFrom(ctx, pgx.Identifier{"arcs"}, []string{"id", "source", "target", "cost", "reverse_cost"}, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, `analyze arcs`); err != nil {
		t.Fatal(err)
	}

	// From the heads of fifty edges to the head of one.
	const many = 50
	head := func(e roads.EdgeID) roads.Stop { return roads.Stop{On: []roads.OnEdge{{Edge: e, Along: 1}}} }
	compared, connected := 0, 0
	var theirs, ours []time.Duration
	for range 20 {
		to := roads.EdgeID(r.IntN(g.EdgeCount()))
		var from []roads.EdgeID
		for len(from) < many {
			e := roads.EdgeID(r.IntN(g.EdgeCount()))
			// Who stands on a closed road does not leave it; an arc out of it is there all the same.
			if _, open := router.Time(law, head(e), head(e)); open && e != to && !slices.Contains(from, e) {
				from = append(from, e)
			}
		}
		var starts, ends []int64
		var stops []roads.Stop
		for _, e := range from {
			starts, stops = append(starts, int64(e)), append(stops, head(e))
		}
		for _, s := range roads.States(router, to) {
			ends = append(ends, int64(s))
		}
		want := map[int64]roads.Cost{}
		began := time.Now()
		answer, err := c.Query(ctx, `select start_vid, agg_cost from pgr_dijkstraCost('select id, source, target, cost, reverse_cost from arcs', $1::bigint[], $2::bigint[], true)`, starts, ends)
		if err != nil {
			t.Fatal(err)
		}
		for answer.Next() {
			var start int64
			var cost float64
			if err := answer.Scan(&start, &cost); err != nil {
				t.Fatal(err)
			}
			if old, ok := want[start]; !ok || roads.Cost(cost) < old {
				want[start] = roads.Cost(cost)
			}
		}
		if err := answer.Err(); err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, time.Since(began))

		got := make([]roads.Cost, many)
		began = time.Now()
		router.ToOne(law, head(to), stops, got)
		ours = append(ours, time.Since(began))
		for i, e := range from {
			w, ok := want[int64(e)]
			if !ok {
				w = roads.Unreached
			} else {
				connected++
			}
			if compared++; got[i] != w {
				t.Errorf("from %d to %d: got %d ms, pgRouting %d", e, to, got[i], w)
			}
		}
	}
	if connected < compared/3 {
		t.Errorf("only %d of %d were connected", connected, compared)
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	t.Logf("%d times compared, %d of them of a way that there is, on %d arcs", compared, connected, len(rows))
	sayWitness(t, "50 to one on Wilmington, pgr_dijkstraCost", theirs)
	sayWitness(t, "50 to one on Wilmington, Rasad", ours)

	// And one to many, the question that a search answers best.
	stop := head(0)
	for e := range roads.EdgeID(g.EdgeCount()) {
		if _, open := router.Time(law, head(e), head(e)); open && !g.Island(e) {
			stop = head(e)
			break
		}
	}
	var ends []int64
	for len(ends) < 5000 {
		ends = append(ends, int64(r.IntN(g.EdgeCount())))
	}
	theirs, ours = nil, nil
	for range 5 {
		began := time.Now()
		if _, err := c.Exec(ctx, `select start_vid, end_vid, agg_cost from pgr_dijkstraCost('select id, source, target, cost, reverse_cost from arcs', $1::bigint, $2::bigint[], true)`,
			int64(stop.On[0].Edge), ends); err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, time.Since(began))
		began = time.Now()
		reached := 0
		router.Within(law, stop, roads.Unreached-1, func(roads.EdgeID, roads.Cost, roads.Cost) { reached++ })
		ours = append(ours, time.Since(began))
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	sayWitness(t, "one to 5,000 on Wilmington, pgr_dijkstraCost", theirs)
	sayWitness(t, "one to all 84,000 on Wilmington, Rasad", ours)
}

func sayWitness(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	t.Logf("FIGURE %-58s median %.2f ms", what, float64(took[len(took)/2].Microseconds())/1000)
}

// postgres starts a cluster of its own, which goes with the test.
func postgres(t *testing.T) string {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		t.Fatal("no PostgreSQL: apt-get install postgresql-15-pgrouting")
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
	if out, err := as("pg_ctl", "-D", dir+"/data", "-w", "-l", dir+"/log", "-o", "-k "+dir+" -c listen_addresses=''", "start").CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = as("pg_ctl", "-D", dir+"/data", "-m", "immediate", "stop").Run() })
	return "host=" + dir + " user=bench dbname=postgres sslmode=disable"
}
