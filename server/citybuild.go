package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rasad/geo"
	"rasad/geo/city"
)

// overlays collects --overlay FILE or --overlay FILE,datum=gcj02, many times.
type overlays []city.Overlay

func (o *overlays) String() string { return "" }

func (o *overlays) Set(s string) error {
	path, datum, _ := strings.Cut(s, ",datum=")
	d, err := geo.ParseDatum(datum)
	if err != nil {
		return err
	}
	*o = append(*o, city.Overlay{Path: path, Datum: d})
	return nil
}

// bbox is W,S,E,N in degrees.
type bbox struct{ box *[4]float64 }

func (b *bbox) String() string { return "" }

func (b *bbox) Set(s string) error {
	parts := strings.Split(s, ",")
	if len(parts) != 4 {
		return fmt.Errorf("%q: write W,S,E,N in degrees, such as -75.80,39.58,-75.40,39.85", s)
	}
	var v [4]float64
	for i, p := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil {
			return fmt.Errorf("%q is not a number of degrees", p)
		}
		v[i] = x
	}
	if _, err := geo.At(v[0], v[1]); err != nil {
		return err
	}
	if _, err := geo.At(v[2], v[3]); err != nil {
		return err
	}
	if v[0] >= v[2] || v[1] >= v[3] {
		return fmt.Errorf("%q: west must be less than east and south less than north", s)
	}
	b.box = &v
	return nil
}

func cityBuild(ctx context.Context, e env, args []string) error {
	f := newFlags("city build")
	var o city.Options
	var over overlays
	var box bbox
	f.StringVar(&o.Out, "out", "", "folder to write")
	f.Var(&box, "bbox", "W,S,E,N in degrees; default: the whole extract")
	f.Var(&over, "overlay", "GeoJSON or CSV with what OpenStreetMap lacks; FILE,datum=gcj02 when it is not WGS 84")
	f.StringVar(&o.Name, "name", "", "name of the city")
	f.StringVar(&o.TimeZone, "time-zone", "", "IANA name of its time zone, such as Asia/Tehran")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want("the extract (IN.osm.pbf)"); err != nil {
		return err
	}
	if o.Out == "" {
		return usagef("--out is missing: name the folder to write")
	}
	if o.TimeZone != "" {
		if _, err := time.LoadLocation(o.TimeZone); err != nil {
			return usagef("--time-zone %s: %v", o.TimeZone, err)
		}
	}
	o.In, o.BBox, o.Overlays = f.args[0], box.box, over
	log := e.logger()
	o.Log = log
	if e.tty {
		o.Log = slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	if _, err := city.Build(ctx, o); err != nil {
		return fmt.Errorf("build the city from %s: %w", o.In, err)
	}
	text, err := os.ReadFile(filepath.Join(o.Out, "report.txt"))
	if err != nil {
		return err
	}
	_, err = e.out.Write(text)
	return err
}
