package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
	"rasad/streams"
)

// tape is a history of a few frames.
type tape []*streams.Frame

func (t tape) KeyframeAt(context.Context, geo.Millis) (*streams.Frame, error) {
	if len(t) == 0 {
		return nil, streams.ErrNoHistory
	}
	return t[0], nil
}

func (t tape) Frames(_ context.Context, after uint64) iter.Seq2[*streams.Frame, error] {
	return func(yield func(*streams.Frame, error) bool) {
		for _, f := range t {
			if f.Seq > after && !yield(f, nil) {
				return
			}
		}
	}
}

func (t tape) Span() (first, last geo.Millis) { return t[0].Time, t[len(t)-1].Time }

const aDay = geo.Millis(24 * 60 * 60 * 1000)

func TestWhatIsKeptTooLongIsFound(t *testing.T) {
	noon := geo.Millis(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	incident := func(key string, closed geo.Millis, keys ...string) *geo.Feature {
		f := &geo.Feature{ID: geo.ID(len(key)), Key: key, Kind: geo.Incident, Props: `{"status":"open"}`}
		if closed > 0 {
			f.Props = geo.Props(fmt.Sprintf(`{"closed_at":%q}`, time.UnixMilli(int64(closed)).UTC().Format("2006-01-02T15:04:05.000Z07:00")))
		}
		for _, k := range keys {
			f.Sealed = append(f.Sealed, geo.Sealed{Name: "caller", KeyID: k, Box: []byte("box")})
		}
		return f
	}
	at := func(seq uint64, day geo.Millis, drop []geo.ID, put ...*geo.Feature) *streams.Frame {
		return &streams.Frame{Seq: seq, Time: noon + day*aDay, Delta: geo.Delta{Drop: drop, Put: put}}
	}
	history := tape{
		at(1, 0, nil, incident("I", noon, "a")),               // closed at once
		at(2, 1, nil, incident("II", 0, "b")),                 // goes on for ever
		at(3, 2, nil, incident("III", noon+2*aDay, "c")),      // closed, and open again
		at(4, 3, nil, incident("III", 0, "c")),                //
		at(5, 4, nil, incident("IIII", 0, "d", "e")),          // two keys, and deleted
		at(6, 5, []geo.ID{4}),                                 //
		at(7, 6, nil, incident("IIIII", noon+6*aDay)),         // nothing personal
		at(8, 7, nil, incident("IIIIII", noon+7*aDay, "f")),   // closed on day 7
		at(9, 8, nil, incident("IIIIII", noon+8*aDay, "f2")),  // closed again, under another key
		at(10, 9, nil, incident("IIIIIII", noon-9*aDay, "g")), // closed before it was written
	}
	keep := map[string]time.Duration{"caller": 10 * 24 * time.Hour}
	for day, want := range map[geo.Millis][]string{
		9: {"IIIIIII"}, 10: {"I", "IIIIIII"}, 15: {"I", "IIII", "IIIIIII"}, 17: {"I", "IIII", "IIIIIII"},
		18: {"I", "IIII", "IIIIII", "IIIIIII"}, 10_000: {"I", "IIII", "IIIIII", "IIIIIII"},
	} {
		found, err := tooLong(t.Context(), history, keep, noon+day*aDay)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range found {
			got = append(got, o.key)
			if o.key == "IIII" && len(o.boxes) != 2 || o.key == "IIIIII" && len(o.boxes) != 2 {
				t.Errorf("day %d: %s has %d boxes, want all that it ever had", day, o.key, len(o.boxes))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("day %d: %v, want %v", day, got, want)
		}
	}
	if found, err := tooLong(t.Context(), history, map[string]time.Duration{"medical": time.Hour}, noon+10_000*aDay); err != nil || len(found) > 0 {
		t.Errorf("another field: %v %v", found, err)
	}
	if found, err := tooLong(t.Context(), tape{}, keep, noon); err != nil || len(found) > 0 {
		t.Errorf("no history: %v %v", found, err)
	}
}

func TestHowLongIsData(t *testing.T) {
	for _, name := range fixtures.Names() {
		p, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keepings(p, map[string]duration{"caller": duration(time.Hour), "patient": 0})
		if err != nil {
			t.Fatal(err)
		}
		if _, forEver := got["patient"]; forEver || got["caller"] != time.Hour || got["medical"] != 90*24*time.Hour {
			t.Errorf("%s: %v", name, got)
		}
		if _, err := keepings(p, map[string]duration{"status": duration(time.Hour)}); err == nil || !strings.Contains(err.Error(), "caller") {
			t.Errorf("%s: a field that is not personal: %v", name, err)
		}
	}
}

// TestACallerIsForgottenInTime runs the writer, the record and the keys; only the day
// is another.
func TestACallerIsForgottenInTime(t *testing.T) {
	c := defaults()
	c.Listen, c.Data = "127.0.0.1:0", t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := start(ctx, c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: inProcess{s.api}}
	call := func(method, path, body string, want int) string {
		t.Helper()
		r, err := http.NewRequestWithContext(api.WithPrincipal(ctx, access.Principal{Name: "user:zahra", Role: access.Supervisor}), method, "http://localhost"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := new(strings.Builder)
		_, _ = fmt.Fprint(b, res.Status)
		if res.StatusCode != want {
			t.Fatalf("%s %s: %s, want %d", method, path, res.Status, want)
		}
		return b.String()
	}
	for _, id := range []string{"I1", "I2"} {
		call("PUT", "/api/v1/incidents/"+id, `{"geometry":{"type":"Point","coordinates":[-75.5,39.7]},"properties":{"type":"structure_fire","caller":{"name":"Zahra","phone":"5550199"}}}`, 201)
	}
	call("POST", "/api/v1/incidents/I1/close", `{"reason":"over"}`, 200)
	keep := map[string]time.Duration{"caller": 90 * 24 * time.Hour}
	now := geo.Millis(time.Now().UnixMilli())
	if n, err := s.retain(ctx, keep, now+89*aDay); err != nil || n != 0 {
		t.Errorf("after 89 days %d fields were erased, %v", n, err)
	}
	call("GET", "/api/v1/incidents/I1/caller?reason=back", "", 200)
	if n, err := s.retain(ctx, keep, now+91*aDay); err != nil || n != 1 {
		t.Errorf("after 91 days %d fields were erased, %v; want that of the closed one", n, err)
	}
	call("GET", "/api/v1/incidents/I1/caller?reason=back", "", 410)
	call("GET", "/api/v1/incidents/I2/caller?reason=back", "", 200)
	if n, err := s.retain(ctx, keep, now+92*aDay); err != nil || n != 0 {
		t.Errorf("the next day %d fields were erased again, %v", n, err)
	}
	acts := 0
	key, err := s.journal.KeyframeAt(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for f, err := range s.journal.Frames(ctx, key.Seq) {
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range f.Acts {
			if a.Name == eraseName && a.By.Name == "system" && a.Why == "kept for 90 days after the end" && slices.Equal(a.Subjects, []string{"I1"}) {
				acts++
			}
		}
	}
	if acts != 1 {
		t.Errorf("%d acts say that it was erased, want 1", acts)
	}
}
