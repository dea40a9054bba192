package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rasad/streams"
)

// Healthz tells that the process answers.
func (a *API) Healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, Health{Alive: true, Build: a.Build})
}

// Readyz tells that the world is restored and that a write goes through now.
func (a *API) Readyz(c echo.Context) error {
	if st := a.Sequencer.Status(); !st.Recording {
		return streams.ErrNotRecording
	}
	if a.Ready != nil {
		if err := a.Ready(c.Request().Context()); err != nil {
			if asProblem(err) == nil {
				a.Log.Error("not ready", "err", err)
				return problem(http.StatusServiceUnavailable, "not-ready", "a write did not go through")
			}
			return err
		}
	}
	seq := a.World.View().Seq()
	setSeq(c.Response(), seq)
	return c.JSON(http.StatusOK, Ready{Ready: true, Epoch: a.Epoch, Seq: int64(seq)})
}

// Metrics answers the figures for Prometheus.
func (a *API) Metrics(c echo.Context) error {
	if a.Gather == nil {
		return problem(http.StatusNotFound, "no-metrics", "this server gathers no figures")
	}
	promhttp.HandlerFor(a.Gather, promhttp.HandlerOpts{}).ServeHTTP(c.Response(), c.Request())
	return nil
}

// OpenapiYaml answers the contract.
func (a *API) OpenapiYaml(c echo.Context) error {
	return writeJSON(c.Response(), http.StatusOK, []string{"application/yaml; charset=utf-8"}, openapiYAML)
}

// OpenapiJson answers the contract as JSON.
func (a *API) OpenapiJson(c echo.Context) error {
	return writeJSON(c.Response(), http.StatusOK, jsonType, a.spec.json)
}

// cached is a body that does not change while the server runs.
type cached struct {
	body, gzipped []byte
	tag           string
}

func cacheJSON(v any) (cached, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return cached{}, err
	}
	return cacheBody(b)
}

// cacheBody compresses a body once: a tablet on mobile data waits for every byte.
func cacheBody(b []byte) (cached, error) {
	z, err := gzipped(b)
	return cached{b, z, contentTag(b)}, err
}

// writeCached answers such a body, or that the caller has it.
func writeCached(c echo.Context, d cached) error {
	h := c.Response().Header()
	h["Cache-Control"], h["Etag"], h["Vary"] = noCache, []string{d.tag}, []string{"Accept-Encoding"}
	if tagIn(c.Request().Header.Get("If-None-Match"), d.tag) {
		return c.NoContent(http.StatusNotModified)
	}
	body := d.body
	if accepts(c.Request(), "gzip") {
		h["Content-Encoding"] = []string{"gzip"}
		body = d.gzipped
	}
	return writeJSON(c.Response(), http.StatusOK, jsonType, body)
}

// GetPreset answers the codes, labels, scales and colours.
func (a *API) GetPreset(c echo.Context, _ GetPresetParams) error { return writeCached(c, a.preset) }

func contentTag(b []byte) string { return strconv.Quote(sum(b)) }
