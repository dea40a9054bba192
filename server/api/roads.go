package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// noRoads is the answer of a server that has no city, so no roads and no demand.
func noRoads() *Problem {
	return problem(http.StatusConflict, "no-city",
		"this server runs without a city, so it has neither roads nor demand; start it with --city, or ask by=line where the call has it")
}

// GetRoute answers the way of a unit, with the closures of this moment.
func (a *API) GetRoute(echo.Context, GetRouteParams) error { return noRoads() }

// GetCoverage answers which share of the city is reached in time.
func (a *API) GetCoverage(echo.Context, GetCoverageParams) error { return noRoads() }

// WhatIf answers what covering the city would lose or gain.
func (a *API) WhatIf(echo.Context, WhatIfParams) error { return noRoads() }

// MoveUps answers which unit should move to which post.
func (a *API) MoveUps(echo.Context, MoveUpsParams) error { return noRoads() }

// coverageTile answers a picture of the holes.
func (a *API) coverageTile(echo.Context) error { return noRoads() }
