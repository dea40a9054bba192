package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// The own account.

// ownAccount describes an account to its owner.
func (a *API) ownAccount(x access.Account) Account {
	out := a.account(x)
	if x.Factor != nil {
		left := a.Gate.RecoveryLeft(access.Principal{Account: x.ID})
		out.RecoveryCodes = &left
	}
	return out
}

// GetAccount answers the own account.
func (a *API) GetAccount(c echo.Context) error {
	x, ok := a.Gate.Register.State().Account(principal(c).Account)
	if !ok {
		return a.nobody(c)
	}
	c.Response().Header()["Etag"] = []string{tagOf(x.Profile())}
	return c.JSON(http.StatusOK, a.ownAccount(x))
}

// PatchOwnAccount changes the own display name and language.
func (a *API) PatchOwnAccount(c echo.Context) error {
	var form OwnAccountPatch
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	p := principal(c)
	x, err := a.Gate.Register.Change(c.Request().Context(), p.Act(""), p.Account, access.AccountChanges{Display: form.DisplayName, Language: form.Language})
	if err != nil {
		return err
	}
	c.Response().Header()["Etag"] = []string{tagOf(x.Profile())}
	return c.JSON(http.StatusOK, a.ownAccount(x))
}

// PutPassword changes the own password.
func (a *API) PutPassword(c echo.Context) error {
	var form PasswordInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	in.Password = form.Old
	return a.rise(c, secure, func() (access.Entry, error) {
		return a.Gate.ChangePassword(c.Request().Context(), principal(c), form.New, in)
	})
}

// factorIssuer is what an authenticator app calls us.
const factorIssuer = "Rasad"

// BeginTotp makes a second factor that waits for its first code.
func (a *API) BeginTotp(c echo.Context) error {
	p := principal(c)
	f, codes, ends, err := a.Gate.BeginFactor(p)
	if err != nil {
		return a.nobody(c)
	}
	x, _ := a.Gate.Register.State().Account(p.Account)
	return c.JSON(http.StatusOK, TotpBegin{Secret: f.Text(), Uri: f.URI(factorIssuer, x.Name), RecoveryCodes: codes, Ends: ends})
}

// ConfirmTotp takes the first code of the second factor.
func (a *API) ConfirmTotp(c echo.Context) error {
	var form TotpCode
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	in.Code = form.Code
	return a.rise(c, secure, func() (access.Entry, error) {
		return a.Gate.ConfirmFactor(c.Request().Context(), principal(c), in)
	})
}

// DeleteTotp takes the own second factor away.
func (a *API) DeleteTotp(c echo.Context) error {
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	return a.rise(c, secure, func() (access.Entry, error) {
		return a.Gate.RemoveFactor(c.Request().Context(), principal(c), in)
	})
}

// ListOwnSessions answers where one is signed in.
func (a *API) ListOwnSessions(c echo.Context) error {
	return a.listSessions(c, principal(c).Account)
}

// DeleteOwnSession ends an own session.
func (a *API) DeleteOwnSession(c echo.Context, id AccessId) error {
	p := principal(c)
	if p.Account == "" || a.Gate.EndSessions(c.Request().Context(), p, p.Account, "", id, "") == 0 {
		return access.ErrNoSession
	}
	if id == p.Session {
		secure, _ := a.client(c.Request())
		access.ClearCookie(c.Response(), secure)
	}
	return c.NoContent(http.StatusNoContent)
}
