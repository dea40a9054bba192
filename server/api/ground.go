package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/geo/city"
)

// tileAge is how long a screen may keep a tile without asking: the ground changes
// when a city is built anew, and ETags settle it then.
var tileAge = []string{"public, max-age=3600"}

// GetCity answers name, place and time of the city. The time zone is the one that
// every screen shows, never a browser's.
func (a *API) GetCity(c echo.Context, _ GetCityParams) error {
	out := City{Basemap: a.City != nil, Roads: a.Reach != nil, TimeZone: a.Preset.TimeZone}
	if a.City != nil {
		m := a.City.Manifest()
		out.Name = m.Name
		names := map[string]string{"fa": m.NameFA, "zh": m.NameZH, "en": m.NameEN}
		maps.DeleteFunc(names, func(_, name string) bool { return name == "" })
		if len(names) > 0 {
			out.Names = &names
		}
		bbox, centre := m.BBox[:], m.Centre[:]
		out.Bbox, out.Centre = &bbox, &centre
		if m.TimeZone != "" {
			out.TimeZone = m.TimeZone
		}
		if m.Credit != "" {
			out.Attribution = &m.Credit
		}
	}
	zone, err := time.LoadLocation(out.TimeZone)
	if err != nil {
		return fmt.Errorf("the time zone of the city: %w", err)
	}
	out.Now = time.Now().In(zone).Truncate(time.Millisecond)
	_, out.UtcOffsetS = out.Now.Zone()
	return c.JSON(http.StatusOK, out)
}

// tile answers a vector tile as it lies in the file, compressed.
func (a *API) tile(c echo.Context) error {
	z, x, y, err := tileAddress(c.Param("z"), c.Param("x"), c.Param("tile"), ".pbf", "tiles are /tiles/{z}/{x}/{y}.pbf")
	if err != nil {
		return err
	}
	if a.City == nil {
		return noCity()
	}
	body, ok, err := a.City.Tile(z, x, y)
	if err != nil {
		return fmt.Errorf("read tile %d/%d/%d: %w", z, x, y, err)
	}
	h := c.Response().Header()
	h["Cache-Control"] = tileAge
	if !ok {
		return c.NoContent(http.StatusNoContent)
	}
	tag := contentTag(body)
	h["Etag"] = []string{tag}
	h["Vary"] = []string{"Accept-Encoding"}
	if tagIn(c.Request().Header.Get("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	if !accepts(c.Request(), "gzip") {
		if body, err = gunzip(body); err != nil {
			return fmt.Errorf("unpack tile %d/%d/%d: %w", z, x, y, err)
		}
	} else {
		h["Content-Encoding"] = []string{"gzip"}
	}
	return writeJSON(c.Response(), http.StatusOK, []string{"application/vnd.mapbox-vector-tile"}, body)
}

// tileAddress reads the address of a tile whose name has an ending; should says how
// it should look.
func tileAddress(z, x, y, ending, should string) (uint8, uint32, uint32, error) {
	y, ok := strings.CutSuffix(y, ending)
	if !ok {
		return 0, 0, 0, problem(http.StatusNotFound, "no-such-call", should)
	}
	var errs []FieldError
	number := func(field, s string, most uint64) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil || n > most || s != strconv.FormatUint(n, 10) {
			errs = append(errs, FieldError{field, fmt.Sprintf("must be a whole number from 0 to %d", most)})
		}
		return uint32(n)
	}
	zoom := number("z", z, 22)
	if len(errs) > 0 {
		return 0, 0, 0, invalids(errs)
	}
	last := uint64(1)<<zoom - 1
	col, row := number("x", x, last), number("y", y, last)
	return uint8(zoom), col, row, invalids(errs)
}

func noCity() error {
	return problem(http.StatusNotFound, "no-city", "this server runs without a city, on a plain ground; start it with --city")
}

// cityFile answers a file of the city, in ranges when they are asked for.
func (a *API) cityFile(c echo.Context) error {
	if a.City == nil {
		return noCity()
	}
	w, h := c.Response(), c.Response().Header()
	h["Cache-Control"] = noCache
	var path, contentType string
	name := c.Param("file")
	switch name {
	case city.FileManifest:
		h["Content-Type"], h["Etag"] = jsonType, []string{a.city.tag}
		return serveRanges(w, c.Request(), time.Time{}, bytes.NewReader(a.city.body))
	case city.FileBasemap:
		path, contentType = a.City.BasemapPath(), "application/vnd.pmtiles"
	case city.FileSites:
		path, contentType = a.City.SitesPath(), "application/geo+json"
	case city.FilePlaces:
		if a.places.body != nil && c.Request().Header.Get("Range") == "" {
			return writeCached(c, a.places)
		}
		path, contentType = a.City.PlacesPath(), "application/json"
	case city.FileRoads:
		path, contentType = a.City.RoadsPath(), "application/octet-stream"
	case city.FileMask:
		path, contentType = a.City.MaskPath(), "application/geo+json"
	default:
		return problem(http.StatusNotFound, "no-such-file", "the city has no such file to show")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a file of the city: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at a file of the city: %w", err)
	}
	tag := fmt.Sprintf("%x-%x", fi.Size(), fi.ModTime().UnixNano())
	if info, ok := a.City.Manifest().Files[name]; ok {
		tag = info.SHA256
	}
	h["Content-Type"], h["Etag"] = []string{contentType}, []string{strconv.Quote(tag)}
	return serveRanges(w, c.Request(), fi.ModTime(), f)
}

// serveRanges is http.ServeContent, whose refusals become problems.
func serveRanges(w http.ResponseWriter, r *http.Request, changed time.Time, content io.ReadSeeker) error {
	p := &problemWriter{ResponseWriter: w}
	http.ServeContent(p, r, "", changed, content)
	switch p.status {
	case 0:
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		return problem(p.status, "range", "the file has no such range")
	case http.StatusPreconditionFailed:
		return problem(p.status, "stale", "the file is another by now")
	}
	return fmt.Errorf("serve a file of the city: status %d", p.status)
}

// problemWriter holds back an answer that is an error.
type problemWriter struct {
	http.ResponseWriter
	status int // of the error; 0: none
}

func (p *problemWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		p.status = status
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *problemWriter) Write(b []byte) (int, error) {
	if p.status != 0 {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:12])
}
