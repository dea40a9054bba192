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

// Kept is how much of the embed is kept: pages and pictures, and their bytes.
func (a *API) Kept() (pages int, bytes int64) {
	l := a.shop.pages
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byKey), l.weight
}
