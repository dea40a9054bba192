package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/server/access"
)

// usageError is a mistake in how the program was called: exit status 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// config is everything that `rasad serve` can be told. Each field has a flag, an
// environment variable and a place in the config file; a flag wins over the
// environment, that over the file, and the file over the default.
type config struct {
	Listen  string    `yaml:"listen"`
	Data    string    `yaml:"data"`
	City    string    `yaml:"city"`
	Preset  string    `yaml:"preset"`
	Demo    bool      `yaml:"demo"`
	NATS    string    `yaml:"nats"`
	Origins []string  `yaml:"origins"`
	Frames  []string  `yaml:"frames"`  // whose pages may show the embed; none named: everybody's
	Cameras []string  `yaml:"cameras"` // whose pictures of streets the screens may show; none named: nobody's
	Proxies []string  `yaml:"proxies"` // addresses and networks whose X-Forwarded headers are believed
	TLS     tlsConfig `yaml:"tls"`
	// Retention says how long a personal field is kept, where the preset is not followed.
	Retention map[string]duration   `yaml:"retention"`
	OIDC      oidcConfig            `yaml:"oidc"`
	Public    publicConfig          `yaml:"public"`
	Feeds     map[string]feedConfig `yaml:"feeds"`
	// Worlds are those of this installation beside the home world.
	Worlds  map[string]worldConfig `yaml:"worlds"`
	Journal journalConfig          `yaml:"journal"`

	world, title string // of the one that is opened
	exercise     bool
}

// feedConfig is what a city declares about a feed.
type feedConfig struct {
	Interval duration  `yaml:"interval"` // how often it speaks; 0: it may be silent
	Datum    geo.Datum `yaml:"datum"`
}

// publicConfig says how the public comes in.
type publicConfig struct {
	// Host is a name of this server that answers the public and nobody else; empty: there
	// is none, and the public world is under the others.
	Host string `yaml:"host"`
	// Approval is the number under which an authority approved the map (审图号), which the
	// embed shows; empty: there is none.
	Approval string `yaml:"approval"`
}

// journalConfig bounds the record on disk.
type journalConfig struct {
	KeepFor  duration `yaml:"keep_for"`  // 0: for ever
	BytesMax int64    `yaml:"bytes_max"` // 0: what the disk has
}

// duration is a time.Duration that YAML writes as 10s or 36h.
type duration time.Duration

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("line %d: %q is not a duration; write 10s, 5m or 36h", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

func defaults() config {
	return config{Listen: "127.0.0.1:8080", Preset: "us", world: access.Home, Feeds: map[string]feedConfig{}}
}

// feedNames are the feeds that this version has adapters for.
var feedNames = []string{"osmand", "owntracks"}

// parseConfig reads a config file over c. Errors name the line.
func parseConfig(name string, r io.Reader, c *config) error {
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return usagef("%s: %s", name, strings.TrimPrefix(strings.ReplaceAll(err.Error(), "main.config", "the config"), "yaml: "))
	}
	return nil
}

// check looks at the whole and says what to mend.
func (c *config) check() error {
	if c.Data == "" {
		return usagef("--data is missing: name the folder that keeps the record, such as --data build/data")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return usagef("--listen %s: %v; write HOST:PORT, such as 127.0.0.1:8080", c.Listen, err)
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if !slices.Contains(fixtures.Names(), c.Preset) {
		return usagef("--preset %s: there is none of that name; choose one of %s", c.Preset, strings.Join(fixtures.Names(), ", "))
	}
	if c.NATS != "" {
		if u, err := url.Parse(c.NATS); err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return usagef("--nats %s: write nats://host:4222", c.NATS)
		}
	}
	if err := checkCity("--city", c.City); err != nil {
		return err
	}
	for name, w := range c.Worlds {
		if !access.CheckWorld(name) || name == access.Home {
			return usagef("worlds: %q: %v, and %s is the home world", name, access.ErrWorlds, access.Home)
		}
		if w.Preset != "" && !slices.Contains(fixtures.Names(), w.Preset) {
			return usagef("worlds: %s: there is no preset %s; choose one of %s", name, w.Preset, strings.Join(fixtures.Names(), ", "))
		}
		if err := checkCity("worlds: "+name+": city", w.City); err != nil {
			return err
		}
	}
	for what, list := range map[string][]string{"origins": c.Origins, "frames": c.Frames, "cameras": c.Cameras} {
		for _, o := range list {
			if u, err := url.Parse(o); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || o != u.Scheme+"://"+u.Host || strings.ContainsAny(o, "'\"; ,") {
				return usagef("%s: %q: write scheme and host only, such as https://news.example", what, o)
			}
		}
	}
	if h := c.Public.Host; h != "" && (strings.ContainsAny(h, "/: \t") || net.ParseIP(h) != nil || h != strings.ToLower(h)) {
		return usagef("public: host: %q: write a name only, in lower case, such as map.city.example", h)
	}
	for name, f := range c.Feeds {
		if !slices.Contains(feedNames, name) {
			return usagef("feeds: there is no feed %q; this version has %s", name, strings.Join(feedNames, ", "))
		}
		if f.Interval > 0 && time.Duration(f.Interval) < time.Second {
			return usagef("feeds: %s: an interval below one second would call every pause a silence; write 1s or more", name)
		}
		datum, err := geo.ParseDatum(string(f.Datum))
		if err != nil {
			return usagef("feeds: %s: %v", name, err)
		}
		f.Datum = datum
		c.Feeds[name] = f
	}
	return nil
}

func checkCity(what, dir string) error {
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "city.json")); err != nil {
		return usagef("%s %s: %v; make one with: rasad city build EXTRACT.osm.pbf --out %s", what, dir, err, dir)
	}
	return nil
}

// flags is a flag set whose every flag can also come from the environment, and
// which lets flags stand after arguments.
type flags struct {
	*flag.FlagSet
	args []string
}

func newFlags(name string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	return f
}

// envName is the variable of a flag: RASAD_LISTEN for --listen.
func envName(name string) string {
	return "RASAD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parse reads the environment, then args. It returns a usageError.
func (f *flags) parse(args []string, env func(string) string) error {
	var bad error
	f.VisitAll(func(fl *flag.Flag) {
		if v := env(envName(fl.Name)); v != "" && bad == nil {
			if err := f.Set(fl.Name, v); err != nil {
				bad = usagef("%s=%s: %v", envName(fl.Name), v, err)
			}
		}
	})
	if bad != nil {
		return bad
	}
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usagef("rasad %s: %v", f.Name(), err)
		}
		if f.NArg() == 0 {
			return nil
		}
		f.args = append(f.args, f.Arg(0))
		args = f.Args()[1:]
	}
}

// want checks the number of arguments.
func (f *flags) want(names ...string) error {
	if len(f.args) > len(names) {
		return usagef("rasad %s: %q is one too many", f.Name(), f.args[len(names)])
	}
	if len(f.args) < len(names) {
		return usagef("rasad %s: %s is missing", f.Name(), names[len(f.args)])
	}
	return nil
}

// loadConfig reads the flags of serve.
func loadConfig(args []string, env func(string) string) (config, error) {
	c := defaults()
	read := func(c *config, fileName *string) *flags {
		f := newFlags("serve")
		f.StringVar(&c.Listen, "listen", c.Listen, "address to listen on")
		f.StringVar(&c.Data, "data", c.Data, "folder that keeps the record")
		f.StringVar(&c.City, "city", c.City, "folder that `rasad city build` made")
		f.StringVar(&c.Preset, "preset", c.Preset, "ir, cn or us")
		f.BoolVar(&c.Demo, "demo", c.Demo, "start 200 simulated units")
		f.StringVar(&c.TLS.Cert, "tls-cert", c.TLS.Cert, "certificate of the server (PEM); read again when it changes")
		f.StringVar(&c.TLS.Key, "tls-key", c.TLS.Key, "its key (PEM)")
		f.StringVar(&c.NATS, "nats", c.NATS, "an external NATS with JetStream")
		f.StringVar(&c.Public.Host, "public-host", c.Public.Host, "name that answers the public and nobody else")
		f.StringVar(&c.Public.Approval, "public-approval", c.Public.Approval, "number under which the map was approved (审图号), shown by the embed")
		f.StringVar(fileName, "config", *fileName, "config file (YAML)")
		return f
	}
	// Twice: the first reading finds the file, the second lays flags and
	// environment over it.
	var fileName string
	scratch := c
	if err := read(&scratch, &fileName).parse(args, env); err != nil {
		return c, err
	}
	if fileName != "" {
		file, err := os.Open(fileName)
		if err != nil {
			return c, usagef("--config: %v", err)
		}
		defer file.Close()
		if err := parseConfig(fileName, file, &c); err != nil {
			return c, err
		}
	}
	f := read(&c, &fileName)
	if err := f.parse(args, env); err != nil {
		return c, err
	}
	if err := f.want(); err != nil {
		return c, err
	}
	return c, c.check()
}
