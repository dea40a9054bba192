//go:build bench

package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/publish"
	"rasad/streams"
)

// town publishes shelters in a seeded world, by the rules.
func town(tb testing.TB, j *streams.Journal, w *geo.World, shelters int) {
	policy := publish.Policy{
		Ceilings: map[geo.Kind]map[string]publish.Ceiling{geo.Shelter: {"school": {Precision: publish.Exact, Named: true,
			Label: publish.Text{"en": "School (possible shelter)", "fa": "مدرسه (اسکان احتمالی)", "zh": "学校（可能的避难场所）"}}}},
		Rooms: map[string]string{"open": "open"}, Bands: []int{50, 100, 500, 1000},
	}
	set := publish.Rules(policy)[publish.SetName]
	r := rand.New(rand.NewPCG(5, 6))
	for i := 0; i < shelters; {
		now := geo.Millis(time.Now().UnixMilli())
		d := geo.NewDraft(w.View(), w.View().Seq()+1, now)
		for n := 0; n < 50 && i < shelters; n, i = n+1, i+1 {
			lng, lat := scatter(r)
			key := fmt.Sprintf("S%d", i)
			if _, err := d.Create(geo.Feature{Key: key, Kind: geo.Shelter, Fix: geo.Fix{At: geo.LngLat{Lng: int32(lng * e7), Lat: int32(lat * e7)}, Time: now},
				Props: geo.Props(fmt.Sprintf(`{"capacity":%d,"name":"School No. %d","occupancy":%d,"status":"open","type":"school"}`, 50+r.IntN(900), i, r.IntN(50)))}); err != nil {
				tb.Fatal(err)
			}
			args, err := json.Marshal(publish.Request{Source: key, Kind: geo.Shelter, ID: fmt.Sprintf("bench%023d", i)})
			if err != nil {
				tb.Fatal(err)
			}
			if _, err := set(d, geo.Principal{Name: "bench"}, args); err != nil {
				tb.Fatal(err)
			}
		}
		record(tb, j, w, d.Delta(), now)
	}
}

var (
	heyRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	heyP       = regexp.MustCompile(`(50|99)% in ([0-9.]+) secs`)
	heySlowest = regexp.MustCompile(`Slowest:\s+([0-9.]+) secs`)
	heyStatus  = regexp.MustCompile(`\[(\d+)\]\s+(\d+) responses`)
)

// TestSurge: 200 screens of operations watch 1,000 units at 1 Hz, without strangers and
// then with 2,000 requests a second of the public snapshot. The load generators, the
// screens and the server share the machine. hey of Debian asks at a fixed rate.
func TestSurge(t *testing.T) {
	const units, sockets, readers, shelters, span = 1000, 200, 10, 500, 15 * time.Second
	hey, err := exec.LookPath("hey")
	if err != nil {
		t.Fatalf("%v: apt-get install hey", err)
	}
	dir := t.TempDir()
	seed(t, dir, units, func(j *streams.Journal, w *geo.World) { town(t, j, w, shelters) })
	s := start(t, dir)
	var mu sync.Mutex
	var took []time.Duration
	var measuring atomic.Bool
	screens(t, s, sockets, readers, &measuring, func(_ []byte, f *streams.Frame, now geo.Millis) {
		mu.Lock()
		defer mu.Unlock()
		took = append(took, ages(f, now)...)
	})
	stop := make(chan struct{})
	_, _, wait := drive(t, s, units, time.Second, stop)
	defer wait()
	defer close(stop)
	time.Sleep(8 * time.Second) // units settle where the generator has them
	watch := func(during func()) (p50, p99 time.Duration, cores float64) {
		mu.Lock()
		took = nil
		mu.Unlock()
		cpu, began := s.cpu(t), time.Now()
		measuring.Store(true)
		during()
		measuring.Store(false)
		cores = (s.cpu(t) - cpu).Seconds() / time.Since(began).Seconds()
		mu.Lock()
		defer mu.Unlock()
		p50, p99, _, _ = quantiles(took)
		return p50, p99, cores
	}
	quiet50, quiet99, quiet := watch(func() { time.Sleep(span) })
	var out []byte
	loud50, loud99, loud := watch(func() {
		out, err = exec.Command(hey, "-z", span.String(), "-c", "50", "-q", "40", "-H", "Accept-Encoding: gzip", s.base+"/public/v1/snapshot.json").Output()
	})
	if err != nil {
		t.Fatalf("hey: %v", err)
	}
	text := string(out)
	found := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		t.Fatalf("hey says nothing of %s:\n%s", re, text)
		return ""
	}
	quantile := map[string]string{}
	for _, m := range heyP.FindAllStringSubmatch(text, -1) {
		quantile[m[1]] = m[2]
	}
	var statuses []string
	for _, m := range heyStatus.FindAllStringSubmatch(text, -1) {
		statuses = append(statuses, m[1]+": "+m[2])
	}
	p99, err := strconv.ParseFloat(quantile["99"], 64)
	if err != nil {
		t.Fatalf("hey gives no p99:\n%s", text)
	}
	say(t, "public snapshot, 2,000/s asked, 500 shelters, 200 screens", "%s/s p50 %s s p99 %.4f s max %s s; %s", found(heyRate), quantile["50"], p99, found(heySlowest), strings.Join(statuses, ", "))
	say(t, "feed to socket without and with the surge", "p50 %v and %v, p99 %v and %v; server CPU %.2f and %.2f cores", quiet50, loud50, quiet99, loud99, quiet, loud)
	if !strings.Contains(text, "[200]") {
		t.Error("nobody was answered")
	}
}
