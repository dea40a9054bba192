package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func lookup(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rasad.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	file := writeFile(t, "listen: 127.0.0.1:1\ndata: from-file\npreset: ir\nfeeds:\n  osmand: {interval: 10s, datum: gcj02}\njournal: {keep_for: 720h}\n")
	c, err := loadConfig([]string{"--config", file, "--data", "from-flag"}, lookup(map[string]string{"RASAD_DATA": "from-env", "RASAD_LISTEN": "127.0.0.1:2"}))
	if err != nil {
		t.Fatal(err)
	}
	want := config{Listen: "127.0.0.1:2", Data: "from-flag", Preset: "ir", world: "live",
		Feeds:   map[string]feedConfig{"osmand": {duration(10 * time.Second), "gcj02"}},
		Journal: journalConfig{KeepFor: duration(720 * time.Hour)}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestConfigNamesTheMistakeAndTheMend(t *testing.T) {
	tests := map[string]struct {
		args []string
		file string
		want []string
	}{
		"no data folder":        {nil, "", []string{"--data is missing"}},
		"an unknown flag":       {[]string{"--dota", "x"}, "", []string{"dota"}},
		"an argument too many":  {[]string{"--data", "x", "y"}, "", []string{`"y"`}},
		"a bad address":         {[]string{"--data", "x", "--listen", "8080"}, "", []string{"--listen 8080", "HOST:PORT"}},
		"half a certificate":    {[]string{"--data", "x", "--tls-cert", "a.pem"}, "", []string{"--tls-cert", "--tls-key"}},
		"two certificates":      {[]string{"--data", "x", "--tls-cert", "a", "--tls-key", "b"}, "tls: {acme: {names: [a.example]}}\n", []string{"files or ACME"}},
		"ACME for nobody":       {[]string{"--data", "x"}, "tls: {acme: {email: a@b.example}}\n", []string{"names"}},
		"TLS off on the street": {[]string{"--data", "x", "--listen", ":8080"}, "tls: {off: true}\n", []string{"in clear", "proxies"}},
		"HSTS for ever":         {[]string{"--data", "x"}, "tls: {hsts: forever}\n", []string{"forever", "subdomains"}},
		"a name with a path":    {[]string{"--data", "x"}, "tls: {names: [https://a]}\n", []string{"https://a"}},
		"a proxy that is not":   {[]string{"--data", "x"}, "proxies: [nginx]\n", []string{"nginx", "10.0.0.0/8"}},
		"everybody a proxy":     {[]string{"--data", "x"}, "proxies: [0.0.0.0/0]\n", []string{"everybody"}},
		"a frame with a path":   {[]string{"--data", "x"}, "frames: [https://a.example/b]\n", []string{"frames", "https://a.example/b"}},
		"a camera with a path":  {[]string{"--data", "x"}, "cameras: [https://cameras.example/1]\n", []string{"cameras", "https://cameras.example/1"}},
		"a camera that injects": {[]string{"--data", "x"}, "cameras: [\"https://cameras.example;script-src\"]\n", []string{"cameras"}},
		"a camera of all":       {[]string{"--data", "x"}, "cameras: [\"*\"]\n", []string{"cameras"}},
		"a frame that injects":  {[]string{"--data", "x"}, "frames: [\"https://a.example;script-src\"]\n", []string{"frames"}},
		"an unknown preset":     {[]string{"--data", "x", "--preset", "xx"}, "", []string{"--preset xx", "ir"}},
		"a city that is not":    {[]string{"--data", "x", "--city", "nowhere"}, "", []string{"--city nowhere", "rasad city build"}},
		"a bad NATS address":    {[]string{"--data", "x", "--nats", "localhost"}, "", []string{"--nats localhost", "nats://"}},
		"a config that is not":  {[]string{"--data", "x", "--config", "nowhere.yaml"}, "", []string{"nowhere.yaml"}},
		"an unknown field":      {[]string{"--data", "x"}, "listen: 127.0.0.1:1\nlisten_to: y\n", []string{"line 2", "listen_to"}},
		"a bad duration":        {[]string{"--data", "x"}, "feeds:\n  osmand: {interval: soon}\n", []string{"line 2", "soon", "10s"}},
		"an unknown feed":       {[]string{"--data", "x"}, "feeds:\n  osmond: {interval: 10s}\n", []string{"osmond", "osmand"}},
		"an unknown datum":      {[]string{"--data", "x"}, "feeds:\n  osmand: {datum: mars}\n", []string{"mars"}},
		"too short an interval": {[]string{"--data", "x"}, "feeds:\n  osmand: {interval: 10ms}\n", []string{"1s"}},
		"an origin with a path": {[]string{"--data", "x"}, "origins: [https://a.example/b]\n", []string{"https://a.example/b"}},
		"what is not YAML":      {[]string{"--data", "x"}, "listen: [\n", []string{"line"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			args := tt.args
			if tt.file != "" {
				args = append(args, "--config", writeFile(t, tt.file))
			}
			_, err := loadConfig(args, lookup(nil))
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a usage error", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestExitStatusAndOutput(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]struct {
		args     []string
		status   int
		out, err string
	}{
		"version":                     {[]string{"version"}, 0, "rasad unversioned", ""},
		"help":                        {[]string{"help"}, 0, "rasad city build", ""},
		"nothing":                     {nil, 2, "rasad serve", ""},
		"no such command":             {[]string{"sreve"}, 2, "", "sreve"},
		"a token, and only the token": {[]string{"token", "--data", dir, "--role", "feed", "--name", "radio"}, 0, "rasad_", ""},
		"a token for nobody":          {[]string{"token", "--data", dir, "--role", "feed"}, 2, "", "--name"},
		"a token for no role":         {[]string{"token", "--data", dir, "--role", "king", "--name", "x"}, 2, "", "dispatcher"},
		"a city without an extract":   {[]string{"city", "build", "--out", dir}, 2, "", "IN.osm.pbf"},
		"a city from nothing":         {[]string{"city", "build", filepath.Join(dir, "no.osm.pbf"), "--out", filepath.Join(dir, "city")}, 1, "", "no.osm.pbf"},
		"a city with half a box":      {[]string{"city", "build", "x.osm.pbf", "--out", dir, "--bbox", "1,2"}, 2, "", "W,S,E,N"},
		"simulate nowhere":            {[]string{"simulate"}, 2, "", "--server"},
		"simulate a million":          {[]string{"simulate", "--server", "http://127.0.0.1:1", "--units", "1000000"}, 2, "", "--units"},
		"export without a time":       {[]string{"export", "--data", dir, "--from", "noon"}, 2, "", "--from"},
		"export from nothing":         {[]string{"export", "--data", filepath.Join(dir, "none"), "--from", "2026-11-22T09:00:00Z", "--to", "2026-11-22T09:00:00Z"}, 1, "", "none"},
		"check nothing":               {[]string{"check", "--data", filepath.Join(dir, "none")}, 1, "", "none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, log bytes.Buffer
			got := run(context.Background(), env{getenv: lookup(nil), out: &out, err: &log}, tt.args)
			if got != tt.status || !strings.Contains(out.String(), tt.out) || !strings.Contains(log.String(), tt.err) {
				t.Errorf("status %d\nout %s\nerr %s\nwant %d, %q, %q", got, out.String(), log.String(), tt.status, tt.out, tt.err)
			}
			if name == "a token, and only the token" && strings.Count(out.String(), "\n") != 1 {
				t.Errorf("more than the token: %q", out.String())
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\ndata: x\nfeeds:\n  osmand: {interval: 10s, datum: gcj02}\norigins: [https://a.example]\n")
	f.Add("feeds: {osmand: &a {interval: 1h}, owntracks: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaults()
		if err := parseConfig("fuzz.yaml", strings.NewReader(text), &c); err != nil {
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Fatalf("not a usage error: %v", err)
			}
			return
		}
		c.City = "" // the only thing that looks at the disk
		_ = c.check()
	})
}
