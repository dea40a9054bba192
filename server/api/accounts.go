package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Accounts of people, and their sessions.

// resetLives is how long a one-time link for a password works.
const resetLives = 24 * time.Hour

// account describes an account to others.
func (a *API) account(x access.Account) Account {
	p := x.Profile()
	out := Account{Id: p.ID, Name: p.Name, DisplayName: p.Display, Role: string(p.Role), Agencies: append([]string{}, p.Agencies...), Shelters: append([]string{}, p.Shelters...), Worlds: append([]string{}, p.Worlds...), Language: p.Language,
		Disabled: p.Disabled, BreakGlass: p.BreakGlass, MustChange: p.MustChange, TwoFactor: p.TwoFactor, HasPassword: p.Password, Created: p.Created}
	open := a.Gate.Sessions.List(time.Now(), func(s access.Session) bool { return s.Account == x.ID })
	n := len(open)
	out.Sessions = &n
	if n > 0 {
		out.LastSeen = &open[0].Seen // the one seen last is the first
	}
	return out
}

// tagged answers an account with its ETag.
func (a *API) tagged(c echo.Context, x access.Account) error {
	c.Response().Header()["Etag"] = []string{tagOf(x.Profile())}
	return c.JSON(http.StatusOK, a.account(x))
}

// ListAccounts answers the accounts that are asked for.
func (a *API) ListAccounts(c echo.Context, p ListAccountsParams) error {
	out := AccountList{Accounts: []Account{}}
	q := strings.ToLower(text(p.Q))
	for _, x := range a.Gate.Register.State().Accounts() {
		if p.Role != nil && *p.Role != string(x.Role) || p.Disabled != nil && *p.Disabled != x.Disabled ||
			!strings.Contains(x.Name, access.NormalName(q)) && !strings.Contains(strings.ToLower(x.Display), q) {
			continue
		}
		out.Accounts = append(out.Accounts, a.account(x))
	}
	return c.JSON(http.StatusOK, out)
}

// CreateAccount makes an account.
func (a *API) CreateAccount(c echo.Context) error {
	var form AccountInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	ctx, act := c.Request().Context(), principal(c).Act(why)
	in := access.NewAccount{Name: form.Name, Display: form.DisplayName, Role: access.Role(form.Role), Agencies: form.Agencies, Shelters: form.Shelters, Worlds: form.Worlds,
		Language: text(form.Language), BreakGlass: form.BreakGlass}
	if form.Password != nil {
		if in.Hash, err = a.Gate.NewPassword(ctx, *form.Password, form.Name, form.DisplayName); err != nil {
			return err
		}
		in.MustChange = true
	}
	if err := grantable(principal(c), form.Worlds); err != nil {
		return err
	}
	x, err := a.Gate.Register.Create(ctx, act, in)
	if err != nil {
		return err
	}
	out := AccountMade{Account: a.account(x)}
	if form.Password == nil {
		if out.Reset, err = a.resetLink(c, act, x.ID, false); err != nil {
			return err
		}
	}
	h := c.Response().Header()
	h["Etag"] = []string{tagOf(x.Profile())}
	h.Set("Location", "/api/v1/accounts/"+x.ID)
	return c.JSON(http.StatusCreated, out)
}

func (a *API) resetLink(c echo.Context, act access.Act, id string, factor bool) (*ResetLink, error) {
	token, ends, err := a.Gate.Register.IssueReset(c.Request().Context(), act, id, resetLives, factor)
	if err != nil {
		return nil, err
	}
	return &ResetLink{Path: "/reset#" + token, Token: token, Ends: ends}, nil
}

// GetAccountOf answers an account.
func (a *API) GetAccountOf(c echo.Context, id AccessId) error {
	x, ok := a.Gate.Register.State().Account(id)
	if !ok {
		return access.ErrNoAccount
	}
	return a.tagged(c, x)
}

// PatchAccount changes an account.
func (a *API) PatchAccount(c echo.Context, id AccessId, p PatchAccountParams) error {
	var form AccountPatch
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	if form.Disabled == nil || !*form.Disabled || form.DisplayName != nil || form.Role != nil || form.Agencies != nil || form.Shelters != nil || form.Worlds != nil ||
		form.Language != nil || form.BreakGlass != nil {
		// To take a right away is easier than to give one.
		if err := a.may(c, access.AccountChange, access.Target{Account: id}); err != nil {
			return err
		}
	}
	changes := access.AccountChanges{
		If:      func(x access.Account) error { return unchanged(p.IfMatch, tagOf(x.Profile())) },
		Display: form.DisplayName, Role: (*access.Role)(form.Role), Agencies: form.Agencies, Shelters: form.Shelters, Worlds: form.Worlds, Language: form.Language,
		Disabled: form.Disabled, BreakGlass: form.BreakGlass,
	}
	if form.Worlds != nil {
		if err := grantable(principal(c), *form.Worlds); err != nil {
			return err
		}
	}
	x, err := a.Gate.Register.Change(c.Request().Context(), principal(c).Act(why), id, changes)
	if err != nil {
		return err
	}
	return a.tagged(c, x)
}

// ResetAccount makes a one-time link for a new password.
func (a *API) ResetAccount(c echo.Context, id AccessId) error {
	var form ResetInput
	if err := readForm(c, &form, true); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	link, err := a.resetLink(c, principal(c).Act(why), id, form.Factor)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, link)
}

// listSessions answers the sessions of an account.
func (a *API) listSessions(c echo.Context, account string) error {
	now, own := time.Now(), principal(c).Session
	out := SessionList{Sessions: []SessionInfo{}}
	for _, s := range a.Gate.Sessions.List(now, func(s access.Session) bool { return account != "" && s.Account == account }) {
		out.Sessions = append(out.Sessions, SessionInfo{Id: s.ID, Current: s.ID == own, Created: s.Created, Seen: s.Seen, Expires: s.Ends(), From: s.From,
			Agent: s.Agent, Role: string(s.Role), SteppedUp: now.Before(s.SteppedUp)})
	}
	return c.JSON(http.StatusOK, out)
}

// ListSessions answers where somebody is signed in.
func (a *API) ListSessions(c echo.Context, id AccessId) error {
	if _, ok := a.Gate.Register.State().Account(id); !ok {
		return access.ErrNoAccount
	}
	return a.listSessions(c, id)
}

// DeleteSessions ends all sessions of somebody.
func (a *API) DeleteSessions(c echo.Context, id AccessId, p DeleteSessionsParams) error {
	if _, ok := a.Gate.Register.State().Account(id); !ok {
		return access.ErrNoAccount
	}
	a.Gate.EndSessions(c.Request().Context(), principal(c), id, "", "", text(p.Why))
	return c.NoContent(http.StatusNoContent)
}

// DeleteSession ends a session of somebody.
func (a *API) DeleteSession(c echo.Context, id AccessId, sid SessionId, p DeleteSessionParams) error {
	if _, ok := a.Gate.Register.State().Account(id); !ok {
		return access.ErrNoAccount
	}
	if sid == "" || a.Gate.EndSessions(c.Request().Context(), principal(c), id, "", sid, text(p.Why)) == 0 {
		return access.ErrNoSession
	}
	return c.NoContent(http.StatusNoContent)
}

// grantable refuses worlds that the caller may not enter: nobody gives what they do not
// have.
func grantable(p access.Principal, worlds []string) error {
	for i, w := range worlds {
		if w == access.EveryWorld && !slices.Contains(p.Worlds, w) && !p.BreakGlass || w != access.EveryWorld && !p.In(w) {
			return problem(http.StatusForbidden, access.NotOwn, fmt.Sprintf("the world %.32q is not one that you may enter", w), FieldError{fmt.Sprintf("worlds[%d]", i), "is not one of yours"})
		}
	}
	return nil
}
