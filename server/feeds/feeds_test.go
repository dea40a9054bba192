package feeds

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"rasad/geo"
	"rasad/streams"
)

var received = time.Date(2026, 11, 22, 9, 41, 0, 0, time.UTC)

func get(query string) (*http.Request, []byte) {
	return httptest.NewRequest(http.MethodGet, "/feeds/osmand?"+query, nil), nil
}

func post(media, body string) (*http.Request, []byte) {
	r := httptest.NewRequest(http.MethodPost, "/feeds/osmand", nil)
	r.Header.Set("Content-Type", media)
	return r, []byte(body)
}

func fix(lng, lat float64, t int64, heading, speed, accuracy uint16) geo.Fix {
	at, err := geo.At(lng, lat)
	if err != nil {
		panic(err)
	}
	return geo.Fix{At: at, Time: geo.Millis(t), Heading: heading, Speed: speed, Accuracy: accuracy}
}

const (
	noHeading = geo.HeadingUnknown
	noSpeed   = geo.SpeedUnknown
)

func TestOsmAnd(t *testing.T) {
	type in struct {
		r    *http.Request
		body []byte
	}
	from := func(r *http.Request, body []byte) in { return in{r, body} }
	tests := map[string]struct {
		in   in
		key  string
		want geo.Fix
	}{
		"the least a phone can say": {
			from(get("id=E7&lat=39.7447&lon=-75.5466")), "E7",
			fix(-75.5466, 39.7447, 0, noHeading, noSpeed, 0)},
		"speed is in knots": {
			from(get("id=E7&lat=60&lon=30&timestamp=1377177267&speed=10&bearing=359.6&altitude=3&accuracy=7.2&batt=88")), "E7",
			fix(30, 60, 1377177267000, 0, 51, 8)},
		"milliseconds are told from seconds": {
			from(get("id=E7&lat=60&lon=30&timestamp=1442068686579")), "E7",
			fix(30, 60, 1442068686579, noHeading, noSpeed, 0)},
		"ISO 8601 with a zone": {
			from(get("id=E7&lat=60&lon=30&timestamp=2016-01-27T18%3A55%3A47Z")), "E7",
			fix(30, 60, 1453920947000, noHeading, noSpeed, 0)},
		"ISO 8601 without a zone is UTC": {
			from(get("id=E7&lat=60&lon=30&timestamp=2014-06-04+09%3A10%3A11")), "E7",
			fix(30, 60, 1401873011000, noHeading, noSpeed, 0)},
		"minus one means the device does not know": {
			from(get("id=E7&lat=60&lon=30&speed=-1&bearing=-1&accuracy=-1")), "E7",
			fix(30, 60, 0, noHeading, noSpeed, 0)},
		"both coordinates in one parameter, latitude first": {
			from(get("id=E7&location=60.0,30.0")), "E7",
			fix(30, 60, 0, noHeading, noSpeed, 0)},
		"a form": {
			from(post("application/x-www-form-urlencoded", "id=E7&lat=60&lon=30")), "E7",
			fix(30, 60, 0, noHeading, noSpeed, 0)},
		"flat JSON with numbers": {
			from(post("application/json", `{"id":"E7","lat":60,"lon":"30","speed":10,"x":{"y":1}}`)), "E7",
			fix(30, 60, 0, noHeading, 51, 0)},
		"the JSON of newer clients, in metres per second": {
			from(post("application/json", `{"location":{"timestamp":"2026-11-22T09:40:59.500Z","coords":{"latitude":60,"longitude":30,"accuracy":5,"speed":10,"heading":90,"altitude":1},"battery":{"level":0.5}},"device_id":"E7"}`)), "E7",
			fix(30, 60, 1795340459500, 90, 100, 5)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := OsmAnd{Name: "osmand", Datum: geo.WGS84}.Parse(tt.in.r, tt.in.body, received)
			want := []streams.Report{{Key: tt.key, Fix: tt.want, Received: geo.Millis(received.UnixMilli()), Feed: "osmand"}}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestOsmAndRefusesByField(t *testing.T) {
	tests := map[string]string{ // query: field
		"lat=60&lon=30":                                     "id",
		"id=E7&lon=30":                                      "lat",
		"id=E7&lat=60":                                      "lon",
		"id=E7&lat=sixty&lon=30":                            "lat",
		"id=E7&lat=NaN&lon=30":                              "lat",
		"id=E7&lat=Inf&lon=30":                              "lat",
		"id=E7&lat=0x10&lon=30":                             "lat",
		"id=E7&lat=1e999&lon=30":                            "lat",
		"id=E7&lat=90.1&lon=30":                             "lat",
		"id=E7&lat=60&lon=180.5":                            "lon",
		"id=E7&lat=60&lon=30&timestamp=yesterday":           "timestamp",
		"id=E7&lat=60&lon=30&timestamp=-5":                  "timestamp",
		"id=E7&lat=60&lon=30&timestamp=NaN":                 "timestamp",
		"id=E7&lat=60&lon=30&speed=fast":                    "speed",
		"id=E7&lat=60&lon=30&batt=full":                     "batt",
		"id=..&lat=60&lon=30":                               "id",
		"id=E%2F7&lat=60&lon=30":                            "id",
		"id=" + strings.Repeat("x", 129) + "&lat=60&lon=30": "id",
		"id=E7&location=60":                                 "location",
	}
	for query, field := range tests {
		r, body := get(query)
		_, err := OsmAnd{Datum: geo.WGS84}.Parse(r, body, received)
		var wrong *geo.Refusal
		if !errors.As(err, &wrong) || wrong.Errors[0].Field != field {
			t.Errorf("%.60s: got %v, want the field %s named", query, err, field)
		}
	}
	r, body := get("id=E7&cell=257,02,16,2224")
	var unfit *Unfit
	if _, err := (OsmAnd{}).Parse(r, body, received); !errors.As(err, &unfit) {
		t.Errorf("cell towers only: got %v, want Unfit", err)
	}
}

func TestOwnTracks(t *testing.T) {
	known := func(keys ...string) func(string) bool {
		return func(k string) bool {
			for _, x := range keys {
				if x == k {
					return true
				}
			}
			return false
		}
	}
	tests := map[string]struct {
		body, limitD string
		known        []string
		key          string
		want         geo.Fix
	}{
		"everything": {
			`{"_type":"location","cog":271,"lon":2.29513,"acc":5,"vel":61,"vac":21,"lat":48.85833,"tst":1497349316,"alt":167,"tid":"JJ","t":"u","batt":67}`, "", []string{"JJ"}, "JJ",
			fix(2.29513, 48.85833, 1497349316000, 271, 169, 5)},
		"the device's name wins over tid": {
			`{"_type":"location","lon":2,"lat":48,"tid":"JJ"}`, "E7", []string{"E7", "JJ"}, "E7", fix(2, 48, 0, noHeading, noSpeed, 0)},
		"the one that is a unit wins": {
			`{"_type":"location","lon":2,"lat":48,"tid":"JJ","topic":"owntracks/amini/phone"}`, "pixel", []string{"JJ"}, "JJ", fix(2, 48, 0, noHeading, noSpeed, 0)},
		"none is a unit: the first is named": {
			`{"_type":"location","lon":2,"lat":48,"tid":"JJ","topic":"owntracks/amini/phone"}`, "", nil, "phone", fix(2, 48, 0, noHeading, noSpeed, 0)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, body := post("application/json", tt.body)
			r.Header.Set("X-Limit-D", tt.limitD)
			got, err := OwnTracks{Name: "owntracks", Datum: geo.WGS84, Known: known(tt.known...)}.Parse(r, body, received)
			want := []streams.Report{{Key: tt.key, Fix: tt.want, Received: geo.Millis(received.UnixMilli()), Feed: "owntracks"}}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
	for body, field := range map[string]string{
		`{"lat":1,"lon":2,"tid":"JJ"}`:                                "_type",
		`{"_type":"location","lon":2,"tid":"JJ"}`:                     "lat",
		`{"_type":"location","lat":2,"tid":"JJ"}`:                     "lon",
		`{"_type":"location","lat":2,"lon":2}`:                        "tid",
		`{"_type":"location","lat":"2","lon":2,"tid":"JJ"}`:           "lat",
		`{"_type":"location","lat":2,"lon":2,"tid":"JJ","tst":-1}`:    "tst",
		`{"_type":"location","lat":2,"lon":2,"tid":"JJ","tst":1e300}`: "tst",
		`[]`:    "body",
		`{`:     "body",
		"\xff{": "body",
	} {
		r, b := post("application/json", body)
		_, err := OwnTracks{Datum: geo.WGS84, Known: known("JJ")}.Parse(r, b, received)
		var wrong *geo.Refusal
		if !errors.As(err, &wrong) || wrong.Errors[0].Field != field {
			t.Errorf("%s: got %v, want the field %s named", body, err, field)
		}
	}
	for _, body := range []string{`{"_type":"lwt","tst":1}`, `{"_type":"encrypted","data":"x"}`, `{"_type":"transition"}`} {
		r, b := post("application/json", body)
		var unfit *Unfit
		if _, err := (OwnTracks{Known: known()}).Parse(r, b, received); !errors.As(err, &unfit) {
			t.Errorf("%s: got %v, want Unfit", body, err)
		}
	}
}

func TestDatumIsConvertedAtTheDoor(t *testing.T) {
	r, body := get("id=E7&lat=39.908823&lon=116.397470") // Tian'anmen as a GCJ-02 phone sees it
	got, err := OsmAnd{Datum: geo.GCJ02}.Parse(r, body, received)
	if err != nil {
		t.Fatal(err)
	}
	lng, lat := got[0].Fix.At.Degrees()
	if lng > 116.3920 || lng < 116.3905 || lat > 39.9080 || lat < 39.9070 {
		t.Errorf("got %v, %v, want about 116.3912, 39.9074", lng, lat)
	}
}

// TestRealMessages reads the payloads of Traccar's decoder tests, which lie
// beside the project.
func TestRealMessages(t *testing.T) {
	f, err := os.Open("../../../shared/data/traccar/osmand-query.txt")
	if err != nil {
		t.Log("SKIPPED real OsmAnd messages: ../shared/data is not there; the table tests above still ran")
		return
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		_, query, _ := strings.Cut(sc.Text(), "?")
		r, body := get(query)
		_, err := OsmAnd{Datum: geo.WGS84}.Parse(r, body, received)
		var unfit *Unfit
		var wrong *geo.Refusal
		noID := !strings.Contains(query, "id=")
		if noID != errors.As(err, &wrong) || err != nil && !noID && !errors.As(err, &unfit) {
			t.Errorf("%s: %v", query, err)
		}
	}
	own, err := os.ReadFile("../../../shared/data/owntracks/traccar-test-payloads.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		r, b := post("application/json", line)
		if _, err := (OwnTracks{Datum: geo.WGS84, Known: func(string) bool { return true }}).Parse(r, b, received); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzOsmAnd(f *testing.F) {
	f.Add("id=E7&lat=39.7447&lon=-75.5466&timestamp=1377177267&speed=10&bearing=1", "", false)
	f.Add("", `{"location":{"timestamp":1,"coords":{"latitude":60,"longitude":30}},"device_id":7}`, true)
	f.Add("id=1&location=60,30", `id=E7&lat=1`, true)
	f.Fuzz(func(t *testing.T, query, body string, isPost bool) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
		r.URL = httptest.NewRequest(http.MethodGet, "/", nil).URL
		r.URL.RawQuery = query
		if isPost {
			r.Method = http.MethodPost
		}
		holds(t, func() ([]streams.Report, error) {
			return OsmAnd{Name: "osmand", Datum: geo.GCJ02}.Parse(r, []byte(body), received)
		})
	})
}

func FuzzOwnTracks(f *testing.F) {
	f.Add(`{"_type":"location","lat":2,"lon":2,"tid":"JJ","tst":1497349316,"topic":"a/b/c"}`, "E7")
	f.Fuzz(func(t *testing.T, body, limitD string) {
		r, b := post("application/json", body)
		r.Header["X-Limit-D"] = []string{limitD}
		holds(t, func() ([]streams.Report, error) {
			return OwnTracks{Name: "owntracks", Datum: geo.BD09, Known: func(k string) bool { return k == "JJ" }}.Parse(r, b, received)
		})
	})
}

// holds checks what every adapter promises: a report that may enter the world,
// or an error that the door knows.
func holds(t *testing.T, parse func() ([]streams.Report, error)) {
	t.Helper()
	reports, err := parse()
	var wrong *geo.Refusal
	var unfit *Unfit
	if err != nil && !errors.As(err, &wrong) && !errors.As(err, &unfit) {
		t.Fatalf("an error the door does not know: %v", err)
	}
	for _, r := range reports {
		x := r.Fix
		if geo.CheckKey(r.Key) != nil || x.At.Lng < -geo.LngMax || x.At.Lng > geo.LngMax || x.At.Lat < -geo.LatMax || x.At.Lat > geo.LatMax ||
			x.Heading > 359 && x.Heading != geo.HeadingUnknown || x.Time < 0 {
			t.Fatalf("a report that may not enter the world: %+v", r)
		}
	}
}
