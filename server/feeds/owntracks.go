package feeds

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// OwnTracks reads the location messages that the OwnTracks apps post by HTTP
// (vel in km/h). See https://owntracks.org/booklet/tech/json/.
//
// The apps name the device in several places. The unit's key is the first of
// these that names a unit: the header X-Limit-D (or the query's d), the last part
// of topic, tid. When none does, the first given is reported, and refused as
// unknown.
type OwnTracks struct {
	Name  string
	Datum geo.Datum
	Known func(key string) bool
}

// Parse reads one message. Messages of other types than "location" are [*Unfit].
func (o OwnTracks) Parse(r *http.Request, body []byte, received time.Time) ([]streams.Report, error) {
	var in struct {
		Type  *text    `json:"_type"`
		Lat   *float64 `json:"lat"`
		Lon   *float64 `json:"lon"`
		Tst   *float64 `json:"tst"`
		Vel   *float64 `json:"vel"`
		Cog   *float64 `json:"cog"`
		Acc   *float64 `json:"acc"`
		Topic text     `json:"topic"`
		Tid   text     `json:"tid"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, jsonField(err)
	}
	switch {
	case in.Type == nil:
		return nil, wrong("_type", "is missing")
	case *in.Type != "location":
		return nil, &Unfit{"not_a_location"}
	case in.Lat == nil:
		return nil, wrong("lat", "is missing")
	case in.Lon == nil:
		return nil, wrong("lon", "is missing")
	}
	x := reading{lat: *in.Lat, lng: *in.Lon, headingDeg: or(in.Cog), accuracyMetre: or(in.Acc), speedMps: math.NaN()}
	if in.Vel != nil {
		x.speedMps = *in.Vel * kmh
	}
	if in.Tst != nil {
		var err error
		if x.time, err = unix("tst", *in.Tst); err != nil {
			return nil, err
		}
	}
	for _, key := range []string{r.Header.Get("X-Limit-D"), r.URL.Query().Get("d"), string(in.Topic[strings.LastIndexByte(string(in.Topic), '/')+1:]), string(in.Tid)} {
		if key != "" && (x.key == "" || !o.Known(x.key)) && (x.key == "" || o.Known(key)) {
			x.key = key
		}
	}
	if x.key == "" {
		return nil, wrong("tid", "is missing, and so are topic and the header X-Limit-D")
	}
	report, err := x.report(o.Name, o.Datum, received)
	if err != nil {
		return nil, err
	}
	return []streams.Report{report}, nil
}
