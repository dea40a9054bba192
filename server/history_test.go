package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rasad/fixtures"
	"rasad/fixtures/history"
	"rasad/geo"
	"rasad/streams"
)

func options(t testing.TB, preset string, o history.Options) history.Options {
	t.Helper()
	var err error
	if o.Preset, err = fixtures.Load(preset); err != nil {
		t.Fatal(err)
	}
	if err := lay(&o, ""); err != nil {
		t.Fatal(err)
	}
	return o
}

// open opens a folder as the program would.
func openHistory(t testing.TB, dir string) (*streams.Journal, *geo.World) {
	t.Helper()
	j, w, r, err := streams.OpenJournal(t.Context(), streams.JournalOptions{Dir: dir, Log: quiet(), ScrubRate: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	if len(r.Damaged) > 0 || len(r.Repaired) > 0 || r.NewEpoch {
		t.Errorf("the folder is not whole: %+v", r)
	}
	return j, w
}

// The real rules accept every story, in every country, also the bad night; the same
// seed gives the same state; the folder opens whole and plays; and nothing in it can
// pass for true.
func TestHistories(t *testing.T) {
	from := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	for _, name := range fixtures.Names() {
		t.Run(name, func(t *testing.T) {
			night := from.Add(40 * time.Minute)
			o := options(t, name, history.Options{From: from, To: from.Add(3 * time.Hour), BadNight: night, Seed: 5, Every: 30 * time.Second})
			dirs := [2]string{t.TempDir(), t.TempDir()}
			var both [2]told
			for i, dir := range dirs {
				var err error
				if both[i], err = recordHistory(t.Context(), o, dir, quiet()); err != nil {
					t.Fatal(err)
				}
			}
			if both[0] != both[1] || both[0].hash == 0 {
				t.Errorf("one seed gave %+v and %+v", both[0], both[1])
			}
			if _, err := recordHistory(t.Context(), o, dirs[0], quiet()); err == nil || !strings.Contains(err.Error(), "holds a history") {
				t.Errorf("a second history into one folder: %v", err)
			}

			journal, world := openHistory(t, dirs[1])
			if world.View().Hash() != both[1].hash {
				t.Errorf("opened, it has the state %016x, want %016x", world.View().Hash(), both[1].hash)
			}
			for _, kind := range []geo.Kind{geo.Unit, geo.Incident} {
				n := 0
				for f := range world.View().All(kind) {
					if n++; !f.Props.Bool("simulated") {
						t.Errorf("%s does not say that it is simulated", f.Key)
					}
				}
				if n < 60 {
					t.Errorf("%d of kind %s", n, kind)
				}
			}
			// Ten minutes into the night, as a replay shows it.
			player, err := streams.NewPlayer(journal, geo.Millis(night.Add(10*time.Minute).UnixMilli()), 0)
			if err != nil {
				t.Fatal(err)
			}
			f, err := player.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in := 0
			kinds := map[geo.Kind]int{}
			for _, x := range f.Put {
				kinds[x.Kind]++
				if at, err := time.Parse(time.RFC3339, x.Props.Text("opened_at")); x.Kind == geo.Incident && err == nil && !at.Before(night) {
					in++
				}
			}
			if !f.Keyframe() || in < 300 {
				t.Errorf("%d incidents began within ten minutes, want 300", in)
			}
			for _, kind := range []geo.Kind{geo.Situation, geo.Response, geo.Figure, geo.Decision, geo.Layout, geo.Hazard, geo.Shelter, geo.Site, geo.Coverage, geo.Assignment} {
				if kinds[kind] == 0 {
					t.Errorf("the replay shows no %s", kind)
				}
			}
		})
	}
}

// What is over for a day is in the record and no longer in the world, or a month of
// incidents would stand on the map.
func TestAHistoryTidiesUp(t *testing.T) {
	from := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	o := options(t, "us", history.Options{From: from, To: from.Add(60 * time.Hour), Seed: 5, Every: 2 * time.Minute})
	dir := t.TempDir()
	told, err := recordHistory(t.Context(), o, dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	_, world := openHistory(t, dir)
	for f := range world.View().All(geo.Incident) {
		at, err := time.Parse(time.RFC3339, f.Props.Text("closed_at"))
		if err == nil && at.Before(o.To.Add(-25*time.Hour)) {
			t.Errorf("%s was over at %s", f.Key, at)
		}
	}
	if n := world.View().Len(geo.Incident); n < 20 || n > told.Incidents*2/3 {
		t.Errorf("%d of %d incidents are in the world", n, told.Incidents)
	}
}

// Over the roads of a city units keep to them. The city is the demo's, when it has
// been built.
func TestAHistoryOfACity(t *testing.T) {
	dir := filepath.Join("..", "build", "city")
	if _, err := os.Stat(filepath.Join(dir, "roads.bin")); err != nil {
		t.Logf("NOT CHECKED: ways over the roads, since there is no city in %s; make build/city/city.json", dir)
		return
	}
	preset, err := fixtures.Load("us")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	o := history.Options{Preset: preset, From: from, To: from.Add(20 * time.Minute), BadNight: from.Add(5 * time.Minute), Seed: 5, Units: 40}
	if err := lay(&o, dir); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	if _, err := recordHistory(t.Context(), o, data, quiet()); err != nil {
		t.Fatal(err)
	}
	_, world := openHistory(t, data)
	beside, named := 0, 0
	for f := range world.View().All(geo.Unit) {
		kind := preset.UnitKind(f.Props.Text("type"))
		on, _ := o.Ground.Snap(f.Fix.At)
		if preset.Profile(kind.Profile).Way == fixtures.WayRoad && geo.Distance(on, f.Fix.At) > 60 {
			beside++
		}
	}
	for f := range world.View().All(geo.Incident) {
		if f.Props.Text("name") != "" {
			named++
		}
	}
	if beside > 4 || named < 100 {
		t.Errorf("%d units are beside the roads, %d incidents have a street", beside, named)
	}
}

func TestHistoryCommand(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new")
	var out, bad bytes.Buffer
	e := env{getenv: func(string) string { return "" }, out: &out, err: &bad}
	if code := run(t.Context(), e, []string{"history", "--data", data, "--for", "3m", "--preset", "ir", "--bad-night", "90s", "--units", "20"}); code != 0 {
		t.Fatalf("got %d: %s", code, bad.String())
	}
	for _, want := range []string{"SIMULATED", "20 units", "frames a second", "state "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it says %q, without %q", out.String(), want)
		}
	}
	for name, args := range map[string][]string{
		"no folder":             {"--days", "1"},
		"no length":             {"--data", data},
		"two lengths":           {"--data", data, "--days", "1", "--for", "1h"},
		"a time that is none":   {"--data", data, "--for", "1h", "--from", "yesterday"},
		"a night that is none":  {"--data", data, "--for", "1h", "--bad-night", "tonight"},
		"a future":              {"--data", data, "--for", "1h", "--from", time.Now().Add(time.Hour).Format(time.RFC3339)},
		"no such preset":        {"--data", data, "--for", "1h", "--preset", "xx"},
		"an argument too many":  {"--data", data, "--for", "1h", "more"},
		"a length that is none": {"--data", data, "--days", "-1"},
	} {
		if code := run(t.Context(), env{getenv: e.getenv, out: io.Discard, err: io.Discard}, append([]string{"history"}, args...)); code != 2 {
			t.Errorf("%s: got %d, want 2", name, code)
		}
	}
}

// BenchmarkHistory records days; it says how many frames a second, and how large a day
// is.
func BenchmarkHistory(b *testing.B) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	o := options(b, "us", history.Options{From: from, To: from.Add(24 * time.Hour), Seed: 1})
	var frames uint64
	var size int64
	for b.Loop() {
		dir := b.TempDir()
		t, err := recordHistory(context.Background(), o, dir, quiet())
		if err != nil {
			b.Fatal(err)
		}
		frames += t.seq
		size = folderSize(dir)
	}
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(float64(size)/1e6, "MB/day")
}
