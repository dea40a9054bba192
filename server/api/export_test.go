package api

import "github.com/labstack/echo/v4"

// Routes lists the calls, to be held against openapi.yaml.
func (a *API) Routes() []*echo.Route { return a.echo.Routes() }
