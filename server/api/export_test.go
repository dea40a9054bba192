package api

import (
	"time"

	"github.com/labstack/echo/v4"
)

// Routes lists the calls, to be held against openapi.yaml.
func (a *API) Routes() []*echo.Route { return a.echo.Routes() }

// ShortenBodyWait sets how long a body may take, and returns what puts it back.
func ShortenBodyWait(d time.Duration) (restore func()) {
	was := bodyWait
	bodyWait = d
	return func() { bodyWait = was }
}
