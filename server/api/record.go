package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
	"rasad/streams"
)

// GetRecord answers from when to when the past can be played.
func (a *API) GetRecord(c echo.Context, _ GetRecordParams) error {
	if err := a.may(c, access.ReplayOpen, access.Target{Audience: access.AudienceOf(principal(c))}); err != nil {
		return err
	}
	if a.History == nil {
		return streams.ErrNoHistory
	}
	first, last := a.History.Span()
	setSeq(c.Response(), a.World.View().Seq())
	return c.JSON(http.StatusOK, Record{First: stampOf(first), Last: stampOf(last)})
}
