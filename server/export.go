package main

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// exporters write the past between two moments, each as its users know it:
//
//	frames   JSON lines, one frame each, as on the JSON stream, with the acts
//	geojson  the world as it stood at the end, one FeatureCollection
//	csv      every fix: time,id,lon,lat,heading_deg,speed_mps,accuracy_m
//	gpx      a track for each unit
var exporters = map[string]func(ctx context.Context, h streams.History, from, to geo.Millis, w io.Writer) error{
	"frames":  exportFrames,
	"geojson": exportGeoJSON,
	"csv":     exportCSV,
	"gpx":     exportGPX,
}

func export(ctx context.Context, e env, args []string) error {
	f := newFlags("export")
	data := f.String("data", "", "folder that keeps the record")
	from := f.String("from", "", "RFC 3339 time")
	to := f.String("to", "", "RFC 3339 time")
	format := f.String("format", "frames", "frames, geojson, csv or gpx")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	if *data == "" {
		return usagef("--data is missing: name the folder that keeps the record")
	}
	t1, err := time.Parse(time.RFC3339, *from)
	if err != nil {
		return usagef("--from %q: write an RFC 3339 time, such as 2026-11-22T09:00:00+03:30", *from)
	}
	t2, err := time.Parse(time.RFC3339, *to)
	if err != nil {
		return usagef("--to %q: write an RFC 3339 time, such as 2026-11-22T10:00:00+03:30", *to)
	}
	if t2.Before(t1) {
		return usagef("--to lies before --from")
	}
	write := exporters[*format]
	if write == nil {
		return usagef("--format %s: write frames, geojson, csv or gpx", *format)
	}
	if _, err := os.Stat(*data); err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	journal, _, _, err := streams.OpenJournal(ctx, streams.JournalOptions{Dir: *data, World: worldIn(*data), Log: e.logger(), ScrubRate: -1})
	if errors.Is(err, streams.ErrDirHeld) {
		q := url.Values{"from": {t1.Format(time.RFC3339)}, "to": {t2.Format(time.RFC3339)}, "format": {*format}}
		return askLocal(ctx, *data, "/export?"+q.Encode(), e.out)
	}
	if err != nil {
		return fmt.Errorf("open the record: %w", err)
	}
	defer journal.Close()
	return write(ctx, journal, geo.Millis(t1.UnixMilli()), geo.Millis(t2.UnixMilli()), e.out)
}

// past plays a stretch of history into a world and shows each frame in it, the
// keyframe it begins with first.
func past(ctx context.Context, h streams.History, from, to geo.Millis, show func(*geo.World, *streams.Frame) error) (*geo.World, error) {
	key, err := h.KeyframeAt(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("find the world at the start: %w", err)
	}
	w := geo.NewWorld()
	load := func(f *streams.Frame) {
		w.Load(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta, f.NextID, f.Changed, f.Tombs)
	}
	load(key)
	begun := false
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		v := w.View()
		return show(w, &streams.Frame{V: streams.FormatVersion, World: key.World, Epoch: key.Epoch, Seq: v.Seq(), Time: v.Time(), State: v.Hash(), Delta: v.Keyframe()})
	}
	for f, err := range h.Frames(ctx, key.Seq) {
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		if f.Time > to {
			break
		}
		if f.Time >= from {
			if err := begin(); err != nil {
				return nil, err
			}
		}
		if f.Keyframe() {
			load(f)
		} else {
			w.Apply(geo.Moment{Seq: f.Seq, Time: f.Time}, f.Delta)
		}
		if begun {
			if err := show(w, f); err != nil {
				return nil, err
			}
		}
	}
	return w, begin()
}

func exportFrames(ctx context.Context, h streams.History, from, to geo.Millis, w io.Writer) error {
	out := bufio.NewWriter(w)
	_, err := past(ctx, h, from, to, func(world *geo.World, f *streams.Frame) error {
		line := f.JSON(world.View().KeyOf)
		if len(f.Acts) > 0 { // history beside the state: one more member before the closing brace
			acts, err := json.Marshal(actsJSON(f.Acts))
			if err != nil {
				return err
			}
			line = append(append(append(line[:len(line)-1:len(line)-1], `,"acts":`...), acts...), '}')
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
		return out.WriteByte('\n')
	})
	return errors.Join(err, out.Flush())
}

type actJSON struct {
	At       string          `json:"at"`
	Name     string          `json:"name"`
	By       string          `json:"by"`
	Role     string          `json:"role,omitempty"`
	From     string          `json:"from,omitempty"`
	Why      string          `json:"why,omitempty"`
	Subjects []string        `json:"subjects,omitempty"`
	Args     json.RawMessage `json:"args,omitempty"`
}

func actsJSON(acts []geo.Act) []actJSON {
	out := make([]actJSON, len(acts))
	for i, a := range acts {
		out[i] = actJSON{At: stamp(a.At), Name: a.Name, By: a.By.Name, Role: a.By.Role, From: a.By.From, Why: a.Why, Subjects: a.Subjects}
		if json.Valid(a.Args) {
			out[i].Args = a.Args
		}
	}
	return out
}

func stamp(t geo.Millis) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z")
}

func exportGeoJSON(ctx context.Context, h streams.History, from, to geo.Millis, w io.Writer) error {
	world, err := past(ctx, h, to, to, func(*geo.World, *streams.Frame) error { return nil })
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `{"type":"FeatureCollection","rasad":{"seq":%d,"time":%q},"features":[`, world.View().Seq(), stamp(to))
	comma := ""
	for f := range world.View().All("") {
		b, err := geo.ToGeoJSON(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n%s", comma, b)
		comma = ","
	}
	fmt.Fprintln(out, "]}")
	return out.Flush()
}

// fixes calls use for every fix of a unit in the stretch, in order of recording.
func fixes(ctx context.Context, h streams.History, from, to geo.Millis, use func(u *geo.Feature, x geo.Fix) error) error {
	_, err := past(ctx, h, from, to, func(world *geo.World, f *streams.Frame) error {
		for _, u := range f.Put {
			if u.Kind == geo.Unit && u.Fix.Placed() && (f.Keyframe() || u.Fix.Time >= from) {
				if err := use(u, u.Fix); err != nil {
					return err
				}
			}
		}
		for _, m := range f.Move {
			if u, ok := world.View().ByID(m.ID); ok && u.Kind == geo.Unit {
				if err := use(u, m.Fix); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

func exportCSV(ctx context.Context, h streams.History, from, to geo.Millis, w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "time,id,lon,lat,heading_deg,speed_mps,accuracy_m")
	err := fixes(ctx, h, from, to, func(u *geo.Feature, x geo.Fix) error {
		lng, lat := x.At.Degrees()
		heading, speed, accuracy := "", "", ""
		if x.Heading != geo.HeadingUnknown {
			heading = strconv.Itoa(int(x.Heading))
		}
		if x.Speed != geo.SpeedUnknown {
			speed = strconv.FormatFloat(float64(x.Speed)/10, 'f', 1, 64)
		}
		if x.Accuracy != 0 {
			accuracy = strconv.Itoa(int(x.Accuracy))
		}
		_, err := fmt.Fprintf(out, "%s,%s,%.7f,%.7f,%s,%s,%s\n", stamp(x.Time), u.Key, lng, lat, heading, speed, accuracy)
		return err
	})
	return errors.Join(err, out.Flush())
}

func exportGPX(ctx context.Context, h streams.History, from, to geo.Millis, w io.Writer) error {
	tracks := map[string][]geo.Fix{}
	if err := fixes(ctx, h, from, to, func(u *geo.Feature, x geo.Fix) error {
		tracks[u.Key] = append(tracks[u.Key], x)
		return nil
	}); err != nil {
		return err
	}
	keys := make([]string, 0, len(tracks))
	for k := range tracks {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, `<?xml version="1.0" encoding="UTF-8"?>`)
	fmt.Fprintln(out, `<gpx version="1.1" creator="Rasad" xmlns="http://www.topografix.com/GPX/1/1">`)
	for _, k := range keys {
		fmt.Fprint(out, "<trk><name>")
		if err := xml.EscapeText(out, []byte(k)); err != nil {
			return err
		}
		fmt.Fprint(out, "</name><trkseg>\n")
		for _, x := range tracks[k] {
			lng, lat := x.At.Degrees()
			fmt.Fprintf(out, `<trkpt lat="%.7f" lon="%.7f"><time>%s</time></trkpt>`+"\n", lat, lng, stamp(x.Time))
		}
		fmt.Fprint(out, "</trkseg></trk>\n")
	}
	fmt.Fprintln(out, "</gpx>")
	return out.Flush()
}
