package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"rasad/geo"
	"rasad/server/access"
	"rasad/server/api"
)

// crowd puts n units into the world before anything else looks at it, half of them in
// clusters, one in a hundred with the capability hazmat.
func crowd(n int) func(*api.Deps) {
	return func(d *api.Deps) { populate(d.World, n) }
}

func populate(w *geo.World, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	now := geo.Millis(time.Now().UnixMilli())
	put := make([]*geo.Feature, n)
	for i := range put {
		lon, lat := -76+r.Float64(), 39+r.Float64()
		if i%2 == 0 {
			lon, lat = -75.55+r.NormFloat64()/50, 39.74+r.NormFloat64()/50
		}
		at, _ := geo.At(lon, lat)
		props := `{"agency":"fire","capabilities":["engine"],"dispatchable":true,"name":"Engine","status":"available","type":"engine"}`
		if i%100 == 0 {
			props = `{"agency":"fire","capabilities":["engine","hazmat"],"dispatchable":true,"name":"Engine","status":"available","type":"engine"}`
		}
		put[i] = &geo.Feature{ID: geo.ID(i + 1), Key: fmt.Sprintf("E%d", i), Kind: geo.Unit, Rev: 1, Props: geo.Props(props),
			Fix: geo.Fix{At: at, Time: now + 3600_000, Heading: 90, Speed: 100, Accuracy: 5}}
	}
	w.Load(geo.Moment{Seq: 1, Time: now}, geo.Delta{Put: put}, geo.ID(n+1), nil, nil)
}

// nobody is a response that goes nowhere.
type nobody struct{ h http.Header }

func (n nobody) Header() http.Header         { return n.h }
func (n nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n nobody) WriteHeader(int)             {}

func BenchmarkNearest(b *testing.B) {
	h := newHouse(b, crowd(100_000))
	for name, query := range map[string]string{
		"any": "lon=-75.55&lat=39.74&k=5&dispatchable=true", "one in a hundred": "lon=-75.55&lat=39.74&k=5&capability=hazmat",
	} {
		b.Run(name, func(b *testing.B) {
			r := &http.Request{Method: "GET", Host: "localhost", Header: h.bearer(), URL: &url.URL{Path: "/api/v1/units/nearest", RawQuery: query}}
			w := nobody{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.api.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}

// Operations see every unit as it is; for the others each is looked at.
func BenchmarkFeatures(b *testing.B) {
	h := newHouse(b, crowd(10_000))
	for _, role := range []access.Role{access.Supervisor, access.Viewer, access.AgencyOfficer} {
		r := httptest.NewRequest("GET", "http://localhost/api/v1/features?limit=1000", nil)
		r.Header.Set("Authorization", "Bearer "+h.as(role))
		b.Run(string(role), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.api.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*1000), "µs/feature")
		})
	}
}

func BenchmarkFix(b *testing.B) {
	h := newHouse(b)
	for i := range 100 {
		h.unit(fmt.Sprintf("E%d", i), -75.5, 39.7, "").want(201)
	}
	b.ReportAllocs()
	var i int
	for b.Loop() {
		i++
		r := httptest.NewRequest("GET", fmt.Sprintf("http://localhost/feeds/osmand?id=E%d&lon=-75.5%04d&lat=39.7", i%100, i%10000), nil)
		r.Header = h.bearer()
		h.api.ServeHTTP(httptest.NewRecorder(), r)
	}
}
