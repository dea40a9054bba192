package api

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Coming in by a provider of identities. The browser opens these calls as pages, so
// what goes wrong is told by the page to sign in, by a code.

// GetOidc says how the provider is called.
func (a *API) GetOidc(c echo.Context) error {
	name := ""
	if a.OIDC != nil {
		name = a.OIDCName
	}
	return c.JSON(http.StatusOK, map[string]string{"name": name})
}

// StartOidc sends the browser to the provider.
func (a *API) StartOidc(c echo.Context, params StartOidcParams) error {
	if a.OIDC == nil {
		return turnedAway(c, "no-oidc")
	}
	_, secure, err := a.entering(c)
	if err != nil {
		return turnedAway(c, oidcCode(err))
	}
	to, stepUp := "/", params.Stepup != nil && *params.Stepup
	if params.To != nil {
		to = *params.To
	}
	address, kept, err := a.OIDC.Start(principal(c), to, stepUp)
	if err != nil {
		return turnedAway(c, oidcCode(err))
	}
	access.SetFlow(c.Response(), secure, kept)
	return c.Redirect(http.StatusSeeOther, address)
}

// FinishOidc takes the provider's answer.
func (a *API) FinishOidc(c echo.Context) error {
	if a.OIDC == nil {
		return turnedAway(c, "no-oidc")
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return turnedAway(c, oidcCode(err))
	}
	w := c.Response()
	kept := access.TakeFlow(w, c.Request(), secure)
	e, to, err := a.OIDC.Finish(c.Request().Context(), c.QueryParams(), kept, in)
	if err != nil {
		return turnedAway(c, oidcCode(err))
	}
	access.SetCookie(w, secure, e.Secret, access.LifetimeOf(e.Session.Role, e.Session.BreakGlass).Absolute)
	return c.Redirect(http.StatusSeeOther, to)
}

// EndOidc ends the session here.
func (a *API) EndOidc(c echo.Context) error {
	a.Gate.SignOut(c.Request().Context(), principal(c))
	secure, _ := a.client(c.Request())
	access.ClearCookie(c.Response(), secure)
	address := ""
	if a.OIDC != nil {
		address = a.OIDC.Goodbye()
	}
	return c.JSON(http.StatusOK, map[string]string{"address": address})
}

// turnedAway sends the browser to the page to sign in, which tells the person why.
func turnedAway(c echo.Context, code string) error {
	return c.Redirect(http.StatusSeeOther, "/signin?problem="+url.QueryEscape(code))
}

var oidcCodes = []struct {
	err  error
	code string
}{
	{access.ErrOIDCAway, "oidc-away"}, {access.ErrOIDCFlow, "oidc-flow"}, {access.ErrOIDCDenied, "oidc-denied"}, {access.ErrOIDCToken, "oidc-token"},
	{access.ErrOIDCRole, "oidc-role"}, {access.ErrScope, "oidc-role"}, {access.ErrLastAdmin, "last-admin"}, {access.ErrOIDCName, "oidc-name"},
	{access.ErrAccountName, "oidc-name"}, {access.ErrOIDCSetup, "oidc-setup"}, {access.ErrSignIn, "credentials"}, {access.ErrNoSession, "oidc-flow"},
	{access.ErrBusy, "busy"}, {access.ErrUnrecorded, "not-recording"},
}

func oidcCode(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.code()
	}
	for _, k := range oidcCodes {
		if errors.Is(err, k.err) {
			return k.code
		}
	}
	return "oidc-away"
}
