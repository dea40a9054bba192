package streams

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"rasad/geo"
)

func TestFrameAsJSON(t *testing.T) {
	const at = geo.Millis(1_795_340_460_120)
	keys := map[geo.ID]string{7: "E7", 9: "E9", 8: "یگان\"8"}
	keyOf := func(id geo.ID) (string, bool) { k, ok := keys[id]; return k, ok }
	e7 := &geo.Feature{ID: 7, Key: "E7", Kind: geo.Unit, Rev: 1040, Props: `{"name":"Engine 7"}`,
		Fix: geo.Fix{At: geo.LngLat{Lng: -755_466_000, Lat: 397_447_000}, Time: at, Heading: 182, Speed: 114, Accuracy: 8}}
	tests := map[string]struct {
		frame Frame
		want  string
	}{
		"a frame of changes has no header": {
			Frame{World: "live", Base: 1040, Seq: 1041, Time: at, State: 0x9f3c, Delta: geo.Delta{Drop: []geo.ID{9, 1000}, Move: []geo.Move{
				{ID: 7, Fix: geo.Fix{At: geo.LngLat{Lng: -755_466_000, Lat: 397_447_001}, Time: at - 320, Heading: 182, Speed: 114, Accuracy: 8}},
				{ID: 8, Fix: geo.Fix{At: geo.LngLat{Lng: 5, Lat: -1_0000000}, Time: 1, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown, Flags: 4}},
				{ID: 1000, Fix: e7.Fix},
			}}},
			`{"base":1040,"seq":1041,"live":0,"time":"2026-11-22T09:41:00.120Z","tick":"2026-11-22T09:41:00.120Z","hash":"0000000000009f3c","drop":["E9"],"put":[],` +
				`"move":[["E7",-75.5466,39.7447001,182,11.4,"2026-11-22T09:40:59.800Z",8,0],["یگان\"8",0.0000005,-1,null,null,"1970-01-01T00:00:00.001Z",0,4]]}`,
		},
		"a keyframe says where it is from": {
			Frame{World: "live", Epoch: "k3v9", Seq: 1041, Time: at, State: 1<<63 | 10, Delta: geo.Delta{Put: []*geo.Feature{e7}},
				Status: &Status{Mode: ModeLive, Recording: true, Build: "1.0", Tick: at - 2, Audience: "ops", Clock: at + 11}},
			`{"v":1,"world":"live","audience":"ops","mode":"live","exercise":false,"recording":true,"build":"1.0","epoch":"k3v9","simulated":false,"clock":"2026-11-22T09:41:00.131Z",` +
				`"base":0,"seq":1041,"live":0,"time":"2026-11-22T09:41:00.120Z","tick":"2026-11-22T09:41:00.118Z","hash":"800000000000000a","drop":[],"put":[` + jsonFeatureText(t, e7) + `],"move":[]}`,
		},
		"a replay has a speed, an answer its echo": {
			Frame{World: "live", Epoch: "k", Base: 5, Seq: 5, Time: at, Status: &Status{Mode: ModeReplay, Exercise: true, Speed: 0.5, Echo: 7, Simulated: true, Tick: at, Clock: at}},
			`{"v":1,"world":"live","audience":"","mode":"replay","exercise":true,"recording":false,"build":"","epoch":"k","simulated":true,"clock":"2026-11-22T09:41:00.120Z","echo":7,"speed":0.5,` +
				`"base":5,"seq":5,"live":0,"time":"2026-11-22T09:41:00.120Z","tick":"2026-11-22T09:41:00.120Z","hash":"0000000000000000","drop":[],"put":[],"move":[]}`,
		},
		"an overlay has no hash": {
			Frame{Base: 5, Seq: 5, Live: 3, Time: at},
			`{"base":5,"seq":5,"live":3,"time":"2026-11-22T09:41:00.120Z","tick":"2026-11-22T09:41:00.120Z","drop":[],"put":[],"move":[]}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := string(tt.frame.JSON(keyOf))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("it is no JSON")
			}
		})
	}
}

func jsonFeatureText(t *testing.T, f *geo.Feature) string {
	t.Helper()
	b, err := geo.ToGeoJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJSONIsAlwaysText(t *testing.T) {
	keyOf := func(id geo.ID) (string, bool) { return fmt.Sprintf("k\xff%d", id), true }
	for seed := range uint64(500) {
		f := anyFrame(rand.New(rand.NewPCG(seed, 0)))
		for _, p := range f.Put {
			p.Props, p.Shape = geo.Props("{\"a\":\"\xff\"}"), nil
		}
		b := f.JSON(keyOf)
		var v map[string]any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if strings.Contains(string(b), "\xff") {
			t.Fatalf("seed %d: a byte that is no text", seed)
		}
		if got := len(v["move"].([]any)); got != len(f.Move) {
			t.Fatalf("seed %d: got %d moves, want %d", seed, got, len(f.Move))
		}
		if got := len(v["put"].([]any)); got != len(f.Put) {
			t.Fatalf("seed %d: got %d puts, want %d", seed, got, len(f.Put))
		}
	}
}

func TestJSONNumbersAndTimesAreExact(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 10_000_000, -10_000_000, 1_800_000_000, -1_800_000_000, 123_456_789, -755_466_000, 9_999_999} {
		var got float64
		if err := json.Unmarshal(jsonDegrees(nil, v), &got); err != nil {
			t.Fatal(err)
		}
		if want := float64(v) / 1e7; got != want {
			t.Errorf("%d is written as %s", v, jsonDegrees(nil, v))
		}
	}
	r := rand.New(rand.NewPCG(1, 0))
	var times jsonTimes
	for range 1000 {
		at := geo.Millis(r.Int64N(250_000_000_000_000)) >> r.UintN(40)
		if r.IntN(8) == 0 {
			at = -at >> 4
		}
		got, want := string(times.append(nil, at)), `"`+time.UnixMilli(int64(at)).UTC().Format("2006-01-02T15:04:05.000Z")+`"`
		if got != want {
			t.Fatalf("%d: got %s, want %s", at, got, want)
		}
	}
	if got := string(times.append(nil, 1<<60)); got != "null" {
		t.Errorf("a moment in year 36 million is %s, want null", got)
	}
}

// What goes to screens holds nothing that only the journal may hold.
func TestWireLeavesOutTheJournal(t *testing.T) {
	for seed := range uint64(500) {
		f := anyFrame(rand.New(rand.NewPCG(seed, 0)))
		got, err := ParseFrame(f.Wire())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want := *f
		want.Term, want.Prev, want.NextID, want.Acts, want.Changed, want.Tombs, want.Extra = 0, [32]byte{}, 0, nil, nil, nil, ""
		if want.Status == nil {
			want.World, want.Epoch = "", ""
		}
		if !reflect.DeepEqual(got, &want) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, got, &want)
		}
	}
}

func BenchmarkJSONMoves(b *testing.B) {
	const n = 50_000
	f := &Frame{Base: 1, Seq: 2, Time: 1_795_340_460_123, Delta: geo.Delta{Move: cityMoves(rand.New(rand.NewPCG(1, 0)), n, n, 1_795_340_460_123)}}
	keys := make([]string, n+1)
	for i := range keys {
		keys[i] = fmt.Sprintf("unit-%d", i)
	}
	keyOf := func(id geo.ID) (string, bool) { return keys[id], true }
	var size int
	for b.Loop() {
		size = len(f.JSON(keyOf))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/move")
	b.ReportMetric(float64(size)/n, "B/move")
}
