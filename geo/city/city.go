package city

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The files of a city.
const (
	FileManifest   = "city.json"
	FileBasemap    = "basemap.pmtiles"
	FileSites      = "sites.geojson"
	FilePlaces     = "places.json"
	FileRoads      = "roads.bin"
	FileMask       = "mask.geojson"
	FileDemand     = "demand.bin"
	FileReport     = "report.txt"
	FileReportJSON = "report.json"
)

// Attribution must be visible wherever the map is.
const Attribution = "© OpenStreetMap contributors"

// FormatVersion is the version of the folder as a whole: of the manifest, the tile layers, the sites and
// the places. It changes when a reader of the old one would go wrong.
const FormatVersion = 1

// FileInfo is how a file of a city must be.
type FileInfo struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest is city.json.
type Manifest struct {
	Format   int                 `json:"format"`
	Name     string              `json:"name"`
	NameFA   string              `json:"name_fa,omitempty"`
	NameZH   string              `json:"name_zh,omitempty"`
	NameEN   string              `json:"name_en,omitempty"`
	BBox     [4]float64          `json:"bbox"`   // W,S,E,N
	Centre   [2]float64          `json:"centre"` // lon, lat
	Zoom     float64             `json:"zoom"`   // to begin with
	TimeZone string              `json:"time_zone,omitempty"`
	Credit   string              `json:"attribution"`
	Licence  string              `json:"licence"`
	Source   Source              `json:"source"`
	Overlays []Source            `json:"overlays,omitempty"`
	Covered  float64             `json:"covered_share"` // of the bbox; the rest is in the mask
	Counts   map[string]int      `json:"counts"`
	Formats  map[string]string   `json:"formats"`
	Files    map[string]FileInfo `json:"files"`
	BuiltAt  time.Time           `json:"built_at"`
}

// Source is a file that a city was made of.
type Source struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// City is a built city, open for reading. It may be used by many goroutines.
type City struct {
	dir      string
	manifest Manifest
	tiles    *archive
	file     io.Closer
}

// Open opens a city that [Build] wrote. It refuses a folder whose files are not those of its
// manifest (a build that was cut off while it replaced an older one) or whose format is newer.
func Open(dir string) (*City, error) {
	b, err := os.ReadFile(filepath.Join(dir, FileManifest))
	if err != nil {
		return nil, fmt.Errorf("open city: %w", err)
	}
	c := &City{dir: dir}
	if err := json.Unmarshal(b, &c.manifest); err != nil {
		return nil, fmt.Errorf("open city %s: %s: %w", dir, FileManifest, err)
	}
	if c.manifest.Format != FormatVersion {
		return nil, fmt.Errorf("open city %s: format %d, this program reads %d: build the city again", dir, c.manifest.Format, FormatVersion)
	}
	for _, name := range []string{FileBasemap, FileSites, FilePlaces, FileRoads, FileMask, FileDemand} {
		want, ok := c.manifest.Files[name]
		if !ok && name == FileDemand {
			continue // built before there was demand: its map is as good as ever
		}
		st, err := os.Stat(filepath.Join(dir, name))
		switch {
		case err != nil:
			return nil, fmt.Errorf("open city %s: %w", dir, err)
		case !ok || st.Size() != want.Bytes:
			return nil, fmt.Errorf("open city %s: %s has %d bytes, want %d: the build was cut off, build the city again", dir, name, st.Size(), want.Bytes)
		}
	}
	a, f, err := openArchiveFile(c.BasemapPath())
	if err != nil {
		return nil, fmt.Errorf("open city %s: %s: %w", dir, FileBasemap, err)
	}
	c.tiles, c.file = a, f
	return c, nil
}

// Close closes the files. Tiles must not be read after it.
func (c *City) Close() error { return c.file.Close() }

// Manifest says what the city is and where it came from.
func (c *City) Manifest() Manifest { return c.manifest }

// Tile gives a vector tile, gzipped, ok when the city has one there. The error is of the disk or
// of a damaged file.
func (c *City) Tile(z uint8, x, y uint32) (body []byte, ok bool, err error) {
	return c.tiles.tile(z, x, y)
}

// TileZooms gives the lowest and the highest zoom of the basemap.
func (c *City) TileZooms() (lowest, highest uint8) { return c.tiles.head.minZoom, c.tiles.head.maxZoom }

// TileMetadata gives the metadata of the basemap: vector_layers, attribution and the like.
func (c *City) TileMetadata() (map[string]any, error) { return c.tiles.metadata() }

// BasemapPath is where the PMTiles file lies, for range reads.
func (c *City) BasemapPath() string { return filepath.Join(c.dir, FileBasemap) }

// SitesPath is where the sites and shelters lie, as GeoJSON.
func (c *City) SitesPath() string { return filepath.Join(c.dir, FileSites) }

// PlacesPath is where the places and streets for the search lie, as JSON.
func (c *City) PlacesPath() string { return filepath.Join(c.dir, FilePlaces) }

// RoadsPath is where the road graph lies, for roads.Load.
func (c *City) RoadsPath() string { return filepath.Join(c.dir, FileRoads) }

// DemandPath is the file that says where people are, for coverage.LoadDemand. A city that an older program built
// has none.
func (c *City) DemandPath() string { return filepath.Join(c.dir, FileDemand) }

// MaskPath is where the ground that is not covered lies, as GeoJSON.
func (c *City) MaskPath() string { return filepath.Join(c.dir, FileMask) }

// Verify reads every file and compares it with the manifest's checksums; it names each that differs.
func (c *City) Verify() error {
	var bad []error
	for name, want := range c.manifest.Files {
		got, err := fileInfo(filepath.Join(c.dir, name))
		if err == nil && got != want {
			err = fmt.Errorf("%s is not as it was built", name)
		}
		bad = append(bad, err)
	}
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("verify city %s: %w", c.dir, err)
	}
	return nil
}

func fileInfo(path string) (FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return FileInfo{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return FileInfo{n, hex.EncodeToString(sum.Sum(nil))}, err
}
