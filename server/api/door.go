package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

const seqHeader = "Rasad-Seq"

// Header values that never change, shared so that an answer does not allocate them.
var (
	jsonType    = []string{"application/json"}
	geojsonType = []string{"application/geo+json"}
	problemType = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
	noCache     = []string{"no-cache"}
)

const principalKey = "principal"

// door is before every call of the router: who asks, for which world, and whether
// the query is what openapi.yaml says.
func (a *API) door(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r, w := c.Request(), c.Response()
		err := a.enter(c)
		if err == nil {
			err = a.safely(c, next)
		}
		if err != nil {
			c.Error(err)
		}
		if w.Status != http.StatusSwitchingProtocols {
			path := c.Path()
			if _, ok := a.spec.calls[r.Method+" "+path]; !ok {
				path = "other" // what strangers make up must not become labels
			}
			a.metrics.seconds.WithLabelValues(r.Method, path, strconv.Itoa(w.Status)).Observe(time.Since(start).Seconds())
		}
		return nil
	}
}

// safely calls the handler; a panic becomes an error.
func (a *API) safely(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler || c.Response().Committed {
				panic(http.ErrAbortHandler) // half an answer is out: cut the connection
			}
			a.metrics.panics.Inc()
			err = fmt.Errorf("panic: %v\n%s", v, stack())
		}
	}()
	return next(c)
}

func (a *API) enter(c echo.Context) error {
	r := c.Request()
	h := c.Response().Header()
	h[seqHeader] = []string{strconv.FormatUint(a.World.View().Seq(), 10)}
	h["Cache-Control"] = noStore
	h.Set("X-Content-Type-Options", "nosniff")
	call, ok := a.spec.calls[r.Method+" "+c.Path()]
	if !ok {
		return nil // the router answers 404 or 405
	}
	who, err := a.identify(r)
	if call.action != access.HealthRead {
		if err := a.paced(who); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := admit(who, call); err != nil {
		return err
	}
	c.Set(principalKey, who)
	if call.action == access.GroundRead && who.Role == access.Anonymous && !strings.HasPrefix(r.URL.Path, "/api/") {
		delete(h, seqHeader) // the public draws on the ground; how much operations do is not its business
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return problem(http.StatusBadRequest, "invalid", "the query of the address is malformed: "+err.Error())
	}
	q := c.QueryParams()
	if err := invalids(call.check(q)); err != nil {
		return err
	}
	if err := a.worldNamed(who, q.Get("world")); err != nil {
		return err
	}
	return nil
}

// seq says which state the answer speaks of.
func setSeq(w http.ResponseWriter, n uint64) {
	w.Header()[seqHeader] = []string{strconv.FormatUint(n, 10)}
}

func writeJSON(w http.ResponseWriter, status int, contentType []string, body []byte) error {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, err := w.Write(body)
	if err != nil {
		return nil // the caller went away: nobody is left to tell
	}
	return nil
}

// readBody reads at most limit bytes of the body, of one of the content types. A
// body without a type is taken for the first.
func readBody(c echo.Context, limit int64, types ...string) ([]byte, error) {
	r := c.Request()
	if ct := r.Header.Get("Content-Type"); ct != "" && len(types) > 0 {
		media, params, err := mime.ParseMediaType(ct)
		charset := strings.ToLower(params["charset"])
		if err != nil || !contains(types, media) || charset != "" && charset != "utf-8" {
			return nil, problem(http.StatusUnsupportedMediaType, "media-type",
				fmt.Sprintf("the content type must be %s in UTF-8, not %q", strings.Join(types, " or "), clip(ct)))
		}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, problem(http.StatusUnsupportedMediaType, "media-type", "the body must not be compressed")
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case err == nil:
		// It came in time; what follows may take longer.
		_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(time.Time{})
		return b, nil
	case errors.As(err, &over):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem(http.StatusRequestTimeout, "too-slow", fmt.Sprintf("the body did not come within the limit of %s", bodyWait))
	}
	return nil, problem(http.StatusBadRequest, "invalid", "the body ended early")
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// depthMax is how deep JSON of a request may nest; our own needs 8.
const depthMax = 64

// checkJSON says what is wrong with a body that must be one JSON object: not JSON,
// a name given twice, nested too deep, text that is not UTF-8 or holds a NUL,
// which the archive cannot keep.
func checkJSON(b []byte) error {
	if !utf8.Valid(b) {
		return jsonProblem("the body is not UTF-8", 0)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return syntaxProblem(err, d, len(b))
	}
	if t != json.Delim('{') {
		return jsonProblem("the body must be a JSON object", 0)
	}
	if err := checkObject(d, "", 1, len(b)); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return jsonProblem("something follows the JSON object", d.InputOffset())
	}
	return nil
}

func checkObject(d *json.Decoder, path string, depth, size int) error {
	if depth > depthMax {
		return jsonProblem(fmt.Sprintf("nested deeper than the limit of %d", depthMax), d.InputOffset())
	}
	seen := map[string]struct{}{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return syntaxProblem(err, d, size)
		}
		name, _ := t.(string) // an object's name is a string
		field := name
		if path != "" {
			field = path + "." + name
		}
		if _, twice := seen[name]; twice {
			return invalid(clip(field), "given twice")
		}
		seen[name] = struct{}{}
		if strings.ContainsRune(name, 0) {
			return invalid(clip(path), "a name holds a NUL character")
		}
		if err := checkValue(d, field, depth, size); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return syntaxProblem(err, d, size)
	}
	return nil
}

func checkValue(d *json.Decoder, path string, depth, size int) error {
	t, err := d.Token()
	if err != nil {
		return syntaxProblem(err, d, size)
	}
	switch t := t.(type) {
	case string:
		if strings.ContainsRune(t, 0) {
			return invalid(clip(path), "holds a NUL character")
		}
	case json.Number:
		if _, err := t.Float64(); err != nil {
			return invalid(clip(path), "the number is out of range")
		}
	case json.Delim:
		if t == '{' {
			return checkObject(d, path, depth+1, size)
		}
		if depth >= depthMax {
			return jsonProblem(fmt.Sprintf("nested deeper than the limit of %d", depthMax), d.InputOffset())
		}
		for i := 0; d.More(); i++ {
			if err := checkValue(d, path+"["+strconv.Itoa(i)+"]", depth+1, size); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return syntaxProblem(err, d, size)
		}
	}
	return nil
}

func jsonProblem(detail string, offset int64) *Problem {
	p := problem(http.StatusBadRequest, "invalid-json", detail)
	p.Offset = offset
	return p
}

func syntaxProblem(err error, d *json.Decoder, size int) *Problem {
	var syntax *json.SyntaxError
	switch {
	case size == 0:
		return jsonProblem("the body is empty; a JSON object is wanted", 0)
	case errors.As(err, &syntax):
		return jsonProblem(fmt.Sprintf("not JSON at byte %d: %s", syntax.Offset, syntax.Error()), syntax.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return jsonProblem(fmt.Sprintf("the JSON ends early, at byte %d", size), int64(size))
	default:
		return jsonProblem("not JSON: "+err.Error(), d.InputOffset())
	}
}

// readObject reads a body that is a JSON object into v, whose members are all
// that is known. An empty body is the empty object when it may be.
func readObject(c echo.Context, v any, mayBeEmpty bool) (body []byte, err error) {
	body, err = readBody(c, bodyBytesMax, "application/json")
	if err != nil {
		return nil, err
	}
	if mayBeEmpty && len(bytes.TrimSpace(body)) == 0 {
		return body, nil
	}
	return body, parseObject(body, v)
}

// parseObject reads a JSON object into v.
func parseObject(body []byte, v any) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeProblem(err)
	}
	return nil
}

// decodeProblem names the field that encoding/json complains about.
func decodeProblem(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return invalid(wrong.Field, "must be %s, not a JSON %s", jsonKind(wrong.Type.Kind().String()), wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if s, err := strconv.Unquote(name); err == nil {
			name = s
		}
		return invalid(clip(name), "the call has no such member")
	}
	return problem(http.StatusBadRequest, "invalid-json", err.Error())
}

func jsonKind(goKind string) string {
	switch goKind {
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	case "slice":
		return "an array"
	case "map", "struct":
		return "an object"
	default:
		return "a number"
	}
}
