package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// views are the addresses of the screens; each is index.html, which looks at the
// address itself. What stands under /admin/ is one of its pages.
var views = []string{"/", "/wall", "/console", "/signin", "/setup", "/reset", "/account", "/admin", "/brief", "/layouts", "/gallery"}

// Screens are the files of the front end, in memory, as plain and as compressed as the
// build made them; all worlds of a process share one.
type Screens struct {
	files map[string]*screenFile // by path, "/assets/main-3f9c.js"
}

type screenFile struct {
	contentType, tag string
	plain            []byte
	coded            []coded // the smallest first; none where it saves nothing
	forever          bool    // the name changes with the content
}

// coded is a file as it goes over the wire to those who take that coding.
type coded struct {
	coding string
	body   []byte
}

// codings are those of the build, by what they end the name of a file with, the
// smallest first (IANA's names, RFC 9110 §8.4.1 and RFC 7932).
var codings = []struct{ ending, coding string }{{".br", "br"}, {".gz", "gzip"}}

// OpenScreens reads all files of the front end, index.html and its assets. A file that
// cannot be read is the only error.
func OpenScreens(fsys fs.FS) (*Screens, error) {
	s := &Screens{files: map[string]*screenFile{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		if isCoded(name) {
			return nil // it goes with the file that it is another form of
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f := &screenFile{plain: b, tag: contentTag(b), contentType: screenType(name), forever: strings.HasPrefix(name, "assets/")}
		for _, c := range codings {
			z, err := fs.ReadFile(fsys, name+c.ending)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return err
			}
			f.coded = append(f.coded, coded{c.coding, z})
		}
		s.files["/"+name] = f
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the screens: %w", err)
	}
	return s, nil
}

// screenType does not ask the machine's own table, which differs from one to the next.
func screenType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".png":
		return "image/png"
	case ".wasm":
		return "application/wasm"
	case ".pbf":
		return "application/x-protobuf"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func isCoded(name string) bool {
	return slices.ContainsFunc(codings, func(c struct{ ending, coding string }) bool { return strings.HasSuffix(name, c.ending) })
}

// serveScreen answers when the path is one of a screen.
func (a *API) serveScreen(w http.ResponseWriter, r *http.Request) bool {
	name := r.URL.Path
	view := slices.Contains(views, name) || strings.HasPrefix(name, "/admin/")
	if view {
		name = "/index.html"
	}
	if name == embedFile {
		return false // it has places to fill: see embed.go
	}
	f, ok := a.screens.files[name]
	h := w.Header()
	if !ok {
		if !view {
			return false
		}
		a.writeProblem(w, problem(http.StatusNotFound, "no-screens", "the screens are not in this binary; make build builds them"))
		return true
	}
	h["Content-Type"] = []string{f.contentType}
	h["Etag"] = []string{f.tag}
	h["Cache-Control"] = noCache
	if f.forever {
		h["Cache-Control"] = []string{"public, max-age=31536000, immutable"}
	}
	if !embedded(r.URL.Path) {
		h["Content-Security-Policy"] = a.screenPolicy
	}
	if tagIn(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	body := f.plain
	if len(f.coded) > 0 {
		h["Vary"] = []string{"Accept-Encoding"}
	}
	for _, c := range f.coded {
		if accepts(r, c.coding) {
			body = c.body
			h["Content-Encoding"] = []string{c.coding}
			break
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // the caller may be gone
	return true
}

// accepts tells whether the caller takes a coding: what is said of it by name comes
// before what "*" says of the rest (RFC 9110 §12.5.3).
func accepts(r *http.Request, coding string) bool {
	rest := false
	for _, line := range r.Header["Accept-Encoding"] {
		for line != "" {
			var one string
			one, line = cutComma(line)
			name, q, _ := strings.Cut(one, ";")
			switch strings.TrimSpace(name) {
			case coding:
				return !noQuality(q)
			case "*":
				rest = !noQuality(q)
			}
		}
	}
	return rest
}

// noQuality tells whether a quality value says "not this one": q=0, q=0.0 …
func noQuality(q string) bool {
	v, ok := strings.CutPrefix(strings.TrimSpace(q), "q=")
	return ok && strings.Trim(v, "0.") == ""
}

func gzipped(b []byte) ([]byte, error) {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
