package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// mustNotImport is the direction of the house: package, what it must not
// import, and why. A prefix ending in "/..." means the package and all below it.
// The second key is matched the same way.
var mustNotImport = map[string]map[string]string{
	"rasad/geo": {
		"rasad/...":     "geo stands at the bottom and knows nobody",
		"net/...":       "geo is pure: no network",
		"context":       "geo never waits",
		"os/...":        "geo reads no files (geo/city does, at build time)",
		"log/...":       "geo has nothing to log: it returns",
		"sync/errgroup": "geo starts nothing that outlives a call",
	},
	"rasad/geo/roads": {
		"rasad/streams": "what is where does not know what changed when",
		"rasad/server":  "arrows point down",
		"net/...":       "roads are read from a file, never fetched",
	},
	"rasad/geo/coverage": {
		"rasad/streams":  "what is where does not know what changed when",
		"rasad/server":   "arrows point down",
		"rasad/fixtures": "standards are data of the city: they are handed in",
		"rasad/geo/city": "the city writes the demand; coverage reads it",
		"context":        "coverage never waits",
		"time":           "coverage reads no clock: what it says depends on units and closures alone",
		"net/...":        "its file is read from a disk, never fetched",
		"log/...":        "coverage has nothing to log: it returns",
	},
	"rasad/geo/city": {
		"rasad/streams": "a city is built before there is a server",
		"rasad/server":  "arrows point down",
		"net/...":       "a city is built from files: air-gapped",
	},
	"rasad/geo/picture": {
		"rasad/streams":  "a picture is of what is where, handed in",
		"rasad/server":   "arrows point down",
		"rasad/fixtures": "words and colours are handed in",
		"rasad/geo/city": "tiles are handed in",
		"context":        "a picture never waits",
		"time":           "a picture reads no clock: the same input is the same bytes",
		"net/...":        "a picture names no other file",
		"os/...":         "a picture reads no file",
		"log/...":        "a picture has nothing to log: it returns",
	},
	"rasad/streams": {
		"rasad/server/...":                 "the record does not know who asks",
		"rasad/fixtures":                   "types and levels are data of the city, not of the record",
		"rasad/geo/city":                   "the map's ground is not in the record",
		"net/http":                         "sockets are the door's business",
		"github.com/labstack/echo/v4/...":  "sockets are the door's business",
		"github.com/gorilla/websocket/...": "sockets are the door's business",
	},
	"rasad/server/dispatch": {
		"rasad/streams":    "a rule sees a draft, not how it is recorded",
		"rasad/server/...": "rooms of the server do not look into each other",
		"rasad/fixtures":   "policy is handed in, so that a test can write its own",
		"rasad/geo/city":   "a rule sees a draft and nothing else",
		"context":          "a rule never waits",
		"net":              "a rule does no I/O",
		"net/http/...":     "a rule does no I/O",
		"os/...":           "a rule does no I/O",
		"log/...":          "a rule answers, it does not log",
	},
	"rasad/server/reach": {
		"rasad/server/...": "rooms of the server do not look into each other; commands are handed in",
		"rasad/geo/city":   "roads and demand are handed in",
		"net/...":          "it follows frames and asks nobody",
		"os/...":           "it follows frames and reads no file",
	},
	"rasad/server/publish": {
		"rasad/server/...": "rooms of the server do not look into each other; the policy and the commands are handed in",
		"rasad/fixtures":   "policy is handed in, so that a test can write its own",
		"rasad/geo/city":   "what is public is decided from the record alone",
		"net/...":          "it makes bytes; the door hands them out",
		"os/...":           "it follows frames and reads no file",
	},
	"rasad/server/feeds": {
		"rasad/server/...": "rooms of the server do not look into each other",
	},
	"rasad/server/api": {
		"rasad/server/dispatch": "the door names commands; it does not hold the rules",
		"rasad/server/feeds":    "adapters are handed in",
	},
	"rasad/fixtures/history": {
		"rasad/server/...": "it tells what happens; who decides and records it is handed in",
		"rasad/streams":    "it tells what happens; who decides and records it is handed in",
	},
	"rasad/fixtures": {
		"rasad/server/...": "data knows nobody",
		"rasad/streams":    "data knows nobody",
	},
}

func matches(pattern, path string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == root || strings.HasPrefix(path, root+"/")
	}
	return path == pattern
}

func TestImportsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc", "rasad/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath, Doc string
			Imports         []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		seen[p.ImportPath] = true
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, imported := range p.Imports {
			for pattern, why := range mustNotImport[p.ImportPath] {
				if matches(pattern, imported) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imported, why)
				}
			}
		}
	}
	for p := range mustNotImport {
		if !seen[p] {
			t.Errorf("the table speaks of %s, which does not exist", p)
		}
	}
}
