//go:build soak

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rasad/fixtures/history"
	"rasad/geo"
)

// A tape is played as if it were live, is fresh by the clock of now, and goes on
// where it was after a restart.
func TestATapeIsPlayed(t *testing.T) {
	from := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	o := options(t, "us", history.Options{From: from, To: from.Add(2 * time.Hour), BadNight: from.Add(10 * time.Minute), Seed: 5})
	reel, data := t.TempDir(), t.TempDir()
	if _, err := recordHistory(t.Context(), o, reel, quiet()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RASAD_SOAK_TAPE", reel)
	t.Setenv("RASAD_SOAK_PLAY", "720")
	played := func() time.Time {
		var at geo.Millis
		if b, err := os.ReadFile(filepath.Join(data, "tape.json")); err == nil {
			if err := json.Unmarshal(b, &at); err != nil {
				t.Fatal(err)
			}
		}
		return time.UnixMilli(int64(at))
	}
	until := func(at time.Time) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); played().Before(at); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the tape was played up to %s only", played().UTC())
			}
		}
	}
	look := func() (incidents, fresh int) {
		journal, world := openHistory(t, data)
		defer journal.Close()
		now := world.View().Time()
		for f := range world.View().All(geo.Unit) {
			if !f.Props.Bool("simulated") {
				t.Errorf("%s does not say that it is simulated", f.Key)
			}
			if f.Fix.Time > now+1000 {
				t.Errorf("%s was seen in the future", f.Key)
			}
			if now-f.Fix.Time < 15_000 { // at 720 times, three hours: an idle machine has all within 1 s
				fresh++
			}
		}
		return world.View().Len(geo.Incident), fresh
	}
	first := serving(t, data)
	until(from.Add(25 * time.Minute))
	if status := first.stop(); status != 0 {
		t.Fatalf("it stopped with %d: %s", status, first.log.String())
	}
	mark := played()
	if n, fresh := look(); n < 250 || fresh < 50 {
		t.Errorf("%d incidents, %d units seen within 15 s, of 60", n, fresh)
	}
	second := serving(t, data)
	until(mark.Add(20 * time.Minute))
	if status := second.stop(); status != 0 {
		t.Fatalf("it stopped with %d: %s", status, second.log.String())
	}
	if n, fresh := look(); n < 250 || fresh < 50 {
		t.Errorf("after the restart: %d incidents, %d fresh units", n, fresh)
	}
}

// A moment that is held grows no older, and nothing in it changes.
func TestAMomentIsHeld(t *testing.T) {
	from := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	o := options(t, "ir", history.Options{From: from, To: from.Add(30 * time.Minute), BadNight: from.Add(10 * time.Minute), Seed: 5})
	reel, data := t.TempDir(), t.TempDir()
	if _, err := recordHistory(t.Context(), o, reel, quiet()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RASAD_SOAK_TAPE", reel)
	t.Setenv("RASAD_SOAK_PLAY", "0")
	t.Setenv("RASAD_SOAK_AT", from.Add(19*time.Minute).Format(time.RFC3339))
	r := serving(t, data)
	look := func() (ages map[string]time.Duration, n int) {
		ages = map[string]time.Duration{}
		list := r.call("GET", "/api/v1/features?kind=unit&limit=1000", "", 200)["features"].([]any)
		now := time.Now()
		for _, f := range list {
			f := f.(map[string]any)
			fix := f["properties"].(map[string]any)["fix"].(map[string]any)
			at, err := time.Parse(time.RFC3339, fix["time"].(string))
			if err != nil {
				t.Fatal(err)
			}
			ages[f["id"].(string)] = now.Sub(at)
		}
		return ages, len(list)
	}
	before, n := look()
	for end := time.Now().Add(time.Minute); n < 60 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		before, n = look()
	}
	time.Sleep(4 * time.Second)
	after, _ := look()
	if n != 60 {
		t.Fatalf("%d units, want 60", n)
	}
	for id, age := range before {
		if grown := after[id] - age; grown > 3*time.Second || age > 80*time.Second {
			t.Errorf("%s is %s old, and %s older after 4 s", id, age, grown)
		}
	}
}
