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

// Screens are the files of the front end, in memory, compressed once: that takes a
// processor a second, so all worlds of a process share one.
type Screens struct {
	files map[string]*screenFile // by path, "/assets/main-3f9c.js"
}

type screenFile struct {
	contentType, tag string
	plain, gzipped   []byte // gzipped is nil when it saves nothing
	forever          bool   // the name changes with the content
}

// OpenScreens reads all files of the front end, index.html and its assets. A file that
// cannot be read is the only error.
func OpenScreens(fsys fs.FS) (*Screens, error) {
	s := &Screens{files: map[string]*screenFile{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f := &screenFile{plain: b, tag: contentTag(b), contentType: screenType(name), forever: strings.HasPrefix(name, "assets/")}
		if compressible(f.contentType) {
			if z, err := gzipped(b); err != nil {
				return err
			} else if len(z) < len(b)*9/10 {
				f.gzipped = z
			}
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

func compressible(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(media, "text/") || media == "image/svg+xml" || media == "application/json" ||
		media == "application/wasm" || media == "application/manifest+json"
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
	if f.gzipped != nil {
		h["Vary"] = []string{"Accept-Encoding"}
		if acceptsGzip(r) {
			body = f.gzipped
			h["Content-Encoding"] = []string{"gzip"}
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // the caller may be gone
	return true
}

func acceptsGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for rest := line; rest != ""; {
			var one string
			one, rest = cutComma(rest)
			name, q, _ := strings.Cut(one, ";")
			if name = strings.TrimSpace(name); (name == "gzip" || name == "*") && !noQuality(q) {
				return true
			}
		}
	}
	return false
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
