package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// typePrefix begins the stable type of every problem.
const typePrefix = "urn:rasad:problem:"

// Error is the detail, so that a *Problem can go through code that returns errors.
func (p *Problem) Error() string { return p.Detail }

func (p *Problem) code() string { return strings.TrimPrefix(p.Type, typePrefix) }

// problem makes a problem of a stable kebab-case code; its title is the code in words.
func problem(status int, code, detail string, errs ...FieldError) *Problem {
	title := strings.ReplaceAll(code, "-", " ")
	return &Problem{Type: typePrefix + code, Title: strings.ToUpper(title[:1]) + title[1:], Status: status, Detail: detail, Errors: errs}
}

// invalid is input that is wrong in one field.
func invalid(field, format string, args ...any) *Problem {
	reason := fmt.Sprintf(format, args...)
	return problem(http.StatusBadRequest, "invalid", field+": "+reason, FieldError{field, reason})
}

// invalids is input that is wrong in some fields; nil when in none.
func invalids(errs []FieldError) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return invalid(errs[0].Field, "%s", errs[0].Reason)
	}
	return problem(http.StatusBadRequest, "invalid", fmt.Sprintf("%d fields are wrong, the first: %s: %s", len(errs), errs[0].Field, errs[0].Reason), errs...)
}

func tooLarge(limit int64) *Problem {
	return problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body is larger than the limit of %d bytes", limit))
}

// refusalStatus is the HTTP status of each class of a rule's no.
var refusalStatus = map[geo.RefusalClass]int{
	geo.Invalid:  http.StatusBadRequest,
	geo.Missing:  http.StatusNotFound,
	geo.Conflict: http.StatusConflict,
	geo.Stale:    http.StatusPreconditionFailed,
	geo.Reused:   http.StatusUnprocessableEntity,
	geo.Denied:   http.StatusForbidden,
}

// asProblem is the only place that knows both an error of the house and a status.
// It returns nil for what is our own fault.
func asProblem(err error) *Problem {
	var (
		p       *Problem
		refusal *geo.Refusal
		geojson *geo.GeoJSONError
		body    *http.MaxBytesError
		he      *echo.HTTPError
		wait    *access.WaitError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return refused(refusal)
	case errors.As(err, &geojson):
		p := invalid(geojson.Field, "%s", geojson.Reason)
		p.Type, p.Title = typePrefix+"geojson-"+geojson.Code, "Invalid GeoJSON"
		return p
	case errors.As(err, &body):
		return tooLarge(body.Limit)
	case errors.Is(err, geo.ErrKey):
		return invalid("id", "%s", geo.ErrKey)
	case errors.Is(err, geo.ErrProps):
		return invalid("properties", "%s", strings.TrimPrefix(err.Error(), "properties "))
	case errors.As(err, &wait):
		return problem(http.StatusTooManyRequests, "wait", wait.Error())
	case errors.Is(err, access.ErrBusy):
		return problem(http.StatusServiceUnavailable, "busy", err.Error())
	case errors.Is(err, streams.ErrNoHistory):
		return problem(http.StatusNotFound, "no-history", "nothing of that time is kept")
	case errors.Is(err, streams.ErrNotRecording):
		return problem(http.StatusServiceUnavailable, "not-recording", "NOT RECORDING: the journal cannot be written, nothing was changed; try again")
	case errors.Is(err, streams.ErrClock):
		return problem(http.StatusServiceUnavailable, "clock", streams.ErrClock.Error())
	case errors.Is(err, streams.ErrStopping):
		return problem(http.StatusServiceUnavailable, "stopping", "the server is stopping, nothing was changed; try again")
	case errors.Is(err, streams.ErrPenLost):
		return problem(http.StatusServiceUnavailable, "pen-lost", "another server writes this history; ask that one")
	case errors.Is(err, streams.ErrBusy):
		return problem(http.StatusServiceUnavailable, "busy", "too much is waiting to be recorded, nothing was changed; try again")
	case errors.Is(err, streams.ErrOutcomeUnknown):
		return problem(http.StatusGatewayTimeout, "outcome-unknown", "it is not known yet whether this was recorded; ask again with the same Idempotency-Key")
	case errors.Is(err, streams.ErrUnknownUnit):
		return problem(http.StatusNotFound, "no-unit", "there is no such unit")
	case errors.Is(err, streams.ErrFrameTooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too-large", "this is larger than one frame of the journal can hold")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusServiceUnavailable, "gave-up", "the caller went away before there was an answer")
	case errors.As(err, &he):
		return fromEcho(he)
	}
	return accessProblem(err)
}

func refused(r *geo.Refusal) *Problem {
	status, ok := refusalStatus[r.Class]
	if !ok {
		return nil
	}
	p := problem(status, r.Code, r.Detail)
	for _, e := range r.Errors {
		p.Errors = append(p.Errors, FieldError{doorField(e.Field), e.Reason})
	}
	if r.Current != nil {
		p.Current, _ = geo.ToGeoJSON(r.Current)
	}
	return p
}

// doorField names a field of a command's arguments as the caller wrote it; rules
// name the others as the door does.
func doorField(field string) string {
	if field == "key" {
		return "id"
	}
	return field
}

// fromEcho puts what the router or the generated binding says into our words.
func fromEcho(he *echo.HTTPError) *Problem {
	switch he.Code {
	case http.StatusNotFound:
		return problem(he.Code, "no-such-call", "there is no such call; see /api/openapi.yaml")
	case http.StatusMethodNotAllowed:
		return problem(he.Code, "method-not-allowed", "the call does not know this method; Allow names those it knows")
	case http.StatusBadRequest: // of the generated code: "Invalid format for parameter If-Match: …", "Expected one value for If-Match, got 2"
		msg := fmt.Sprint(he.Message)
		for _, before := range []string{"Invalid format for parameter ", "Expected one value for ", "Query argument "} {
			if rest, ok := strings.CutPrefix(msg, before); ok {
				return invalid(strings.TrimRight(strings.Fields(rest)[0], ":,"), "%s", msg)
			}
		}
		return problem(he.Code, "invalid", msg)
	case http.StatusInternalServerError:
		return nil
	}
	return problem(he.Code, strings.ToLower(strings.ReplaceAll(http.StatusText(he.Code), " ", "-")), fmt.Sprint(he.Message))
}

// fail is the one error handler: it answers with a problem.
func (a *API) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	retryAfter(c.Response().Header(), err)
	a.writeProblem(c.Response(), a.explain(err, c.Request()))
}

// explain finds the problem of an error, and writes a log line for our own faults.
func (a *API) explain(err error, r *http.Request) *Problem {
	p := asProblem(err)
	if p == nil {
		// The path and not the query or the body: they may hold what is private.
		a.Log.Error("a call failed", "method", r.Method, "path", pathOf(r), "err", err)
		p = problem(http.StatusInternalServerError, "internal", "the server made a mistake; it is in the log")
	}
	return p
}

func (a *API) writeProblem(w http.ResponseWriter, p *Problem) {
	b, err := json.Marshal(p)
	if err != nil { // current is not JSON: impossible, and no reason to fail twice
		p.Current = nil
		b, _ = json.Marshal(p)
	}
	a.metrics.problems.WithLabelValues(p.code()).Inc()
	h := w.Header()
	if h.Get(seqHeader) == "" {
		h[seqHeader] = []string{strconv.FormatUint(a.World.View().Seq(), 10)}
	}
	for _, name := range []string{"ETag", "Location", "Content-Length", "Last-Modified"} {
		h.Del(name)
	}
	if (p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests) && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "2")
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	h["Content-Type"] = problemType
	h["Cache-Control"] = noStore
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

// survive turns a panic into a problem: one bad request must not take the others
// with it.
func (a *API) survive(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	a.Log.Error("a call panicked", "method", r.Method, "path", pathOf(r), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	a.metrics.panics.Inc()
	a.writeProblem(w, problem(http.StatusInternalServerError, "internal", "the server made a mistake; it is in the log"))
}
