package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Coming in, proving again, and leaving. What is checked is checked by package
// access; here it is read, and the secret goes into the cookie.

// formBytesMax is the longest body of a call about people, tokens and walls: several of
// them are anybody's to send.
const formBytesMax = 64 << 10

// readForm reads the body of such a call into v.
func readForm(c echo.Context, v any, mayBeEmpty bool) error {
	body, err := readBody(c, formBytesMax, "application/json")
	if err != nil {
		return err
	}
	if mayBeEmpty && len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return parseObject(body, v)
}

// entering reads what a browser brings that wants a session. A session is given over
// TLS only, or to a browser on this very machine.
func (a *API) entering(c echo.Context) (in access.SignIn, secure bool, err error) {
	r := c.Request()
	secure, from := a.client(r)
	if !secure && !access.MayGoBare(r) {
		return in, false, problem(http.StatusForbidden, "tls-needed", "a session needs TLS: open the page by https, or on the machine that runs the server by http://localhost")
	}
	old, err := access.ReadCookie(r, secure)
	if err != nil {
		return in, false, problem(http.StatusBadRequest, "cookies", err.Error())
	}
	return access.SignIn{From: from, Agent: r.UserAgent(), Old: old, Browser: access.ReadBrowser(r, secure)}, secure, nil
}

// entered gives the browser its session, and says who it is.
func (a *API) entered(c echo.Context, secure bool, e access.Entry, status int) error {
	w := c.Response()
	access.SetCookie(w, secure, e.Secret, access.LifetimeOf(e.Session.Role, e.Session.BreakGlass).Absolute)
	if e.Browser != "" {
		access.SetBrowser(w, secure, e.Browser)
	}
	_, from := a.client(c.Request())
	p, err := a.Gate.Identify(c.Request().Context(), access.Credentials{Session: e.Secret, From: from})
	if err != nil {
		return a.nobody(c) // it ended while this was written
	}
	return c.JSON(status, a.who(p))
}

// nobody says that there is no session any more.
func (a *API) nobody(c echo.Context) error {
	secure, _ := a.client(c.Request())
	access.ClearCookie(c.Response(), secure)
	return signIn(access.ErrNoSession)
}

// who describes a principal to itself.
func (a *API) who(p access.Principal) Who {
	may, dangerous := access.May(p)
	w := Who{Name: p.Name, Role: string(p.Role), Audience: access.AudienceOf(p), Session: p.Session, MustChange: p.Limited,
		May: texts(may), Dangerous: texts(dangerous)}
	switch {
	case p.Account != "":
		w.Kind = "person"
		if x, ok := a.Gate.Register.State().Account(p.Account); ok {
			own := a.ownAccount(x)
			w.Account = &own
		}
	case p.Device != "":
		w.Kind = "wall"
		if d, ok := a.Gate.Register.State().Device(p.Device); ok {
			w.Device = &DeviceName{Id: d.ID, Name: d.Name}
		}
	default:
		w.Kind = "token"
	}
	if s, ok := a.sessionOf(p); ok {
		ends := s.Ends()
		w.Expires = &ends
		if p.SteppedUp {
			w.SteppedUpUntil = &s.SteppedUp
		}
	}
	return w
}

func (a *API) sessionOf(p access.Principal) (access.Session, bool) {
	found := a.Gate.Sessions.List(time.Now(), func(s access.Session) bool { return p.Session != "" && s.ID == p.Session })
	if len(found) == 0 {
		return access.Session{}, false
	}
	return found[0], true
}

func texts[S ~string](in []S) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

// Setup makes the first account by the one-time link, and signs it in.
func (a *API) Setup(c echo.Context) error {
	var form SetupInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	in.Password = form.Password
	who := access.NewAccount{Name: form.Name, Display: form.DisplayName, Language: text(form.Language)}
	e, err := a.Gate.Setup(c.Request().Context(), form.Token, who, in)
	if err != nil {
		return err
	}
	return a.entered(c, secure, e, http.StatusCreated)
}

// GetSession says who asks.
func (a *API) GetSession(c echo.Context) error {
	return c.JSON(http.StatusOK, a.who(principal(c)))
}

// SignIn begins a session.
func (a *API) SignIn(c echo.Context) error {
	var form SignInInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	in.Name, in.Password, in.Code = form.Name, form.Password, form.Code
	e, err := a.Gate.SignIn(c.Request().Context(), in)
	if err != nil {
		return err
	}
	return a.entered(c, secure, e, http.StatusOK)
}

// SignOut ends the session of the cookie.
func (a *API) SignOut(c echo.Context) error {
	a.Gate.SignOut(c.Request().Context(), principal(c))
	secure, _ := a.client(c.Request())
	access.ClearCookie(c.Response(), secure)
	return c.NoContent(http.StatusNoContent)
}

// StepUp proves again who a person is.
func (a *API) StepUp(c echo.Context) error {
	var form StepUpInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	in.Password, in.Code = form.Password, form.Code
	return a.rise(c, secure, func() (access.Entry, error) { return a.Gate.StepUp(c.Request().Context(), principal(c), in) })
}

// rise answers an act after which the session has a new secret.
func (a *API) rise(c echo.Context, secure bool, do func() (access.Entry, error)) error {
	e, err := do()
	if errors.Is(err, access.ErrNoSession) {
		return a.nobody(c)
	}
	if err != nil {
		return err
	}
	return a.entered(c, secure, e, http.StatusOK)
}

// UseReset sets a password by a one-time link.
func (a *API) UseReset(c echo.Context) error {
	var form ResetUse
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	_, from := a.client(c.Request())
	x, err := a.Gate.UseReset(c.Request().Context(), form.Token, form.Password, from)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ResetDone{Name: x.Name})
}

// accessProblem is what the caller is told of an error of package access; nil for what
// is our own fault.
func accessProblem(err error) *Problem {
	for _, k := range accessProblems {
		if !errors.Is(err, k.err) {
			continue
		}
		p := problem(k.status, k.code, k.err.Error())
		if k.field != "" {
			p.Errors = []FieldError{{k.field, k.err.Error()}}
		}
		return p
	}
	return nil
}

var accessProblems = []struct {
	err    error
	status int
	code   string
	field  string
}{
	{access.ErrSignIn, http.StatusUnauthorized, "credentials", ""},
	{access.ErrCodeNeeded, http.StatusUnauthorized, "code-needed", ""},
	{access.ErrCodeWrong, http.StatusUnauthorized, "code-wrong", ""},
	{access.ErrNoFactor, http.StatusConflict, "no-factor", ""},
	{access.ErrSetup, http.StatusForbidden, "setup", ""},
	{access.ErrReset, http.StatusForbidden, "reset", ""},
	{access.ErrPasswordShort, http.StatusBadRequest, "password-short", "password"},
	{access.ErrPasswordLong, http.StatusBadRequest, "password-long", "password"},
	{access.ErrPasswordText, http.StatusBadRequest, "password-text", "password"},
	{access.ErrPasswordCommon, http.StatusBadRequest, "password-common", "password"},
	{access.ErrPasswordSame, http.StatusBadRequest, "password-same", "password"},
	{access.ErrAccountName, http.StatusBadRequest, "account-name", "name"},
	{access.ErrDisplay, http.StatusBadRequest, "display-name", "display_name"},
	{access.ErrLanguage, http.StatusBadRequest, "language", "language"},
	{access.ErrPersonRole, http.StatusBadRequest, "role", "role"},
	{access.ErrScope, http.StatusBadRequest, "scope", "agencies"},
	{access.ErrWorlds, http.StatusBadRequest, "worlds", "worlds"},
	{access.ErrNameTaken, http.StatusConflict, "name-taken", "name"},
	{access.ErrLastAdmin, http.StatusConflict, "last-admin", ""},
	{access.ErrNoAccount, http.StatusNotFound, "no-account", ""},
	{access.ErrNoSession, http.StatusNotFound, "no-session", ""},
	{access.ErrRole, http.StatusBadRequest, "role", "role"},
	{access.ErrName, http.StatusBadRequest, "token-name", "name"},
	{access.ErrPattern, http.StatusBadRequest, "pattern", "ids"},
	{access.ErrLimits, http.StatusBadRequest, "token-limits", "per_second"},
	{access.ErrNoToken, http.StatusNotFound, "no-token", ""},
	{access.ErrTokenOver, http.StatusConflict, "token-revoked", ""},
	{access.ErrCode, http.StatusNotFound, "no-code", ""},
	{access.ErrEnrolTooMany, http.StatusTooManyRequests, "wait", ""},
	{access.ErrCodeTooMany, http.StatusTooManyRequests, "wait", ""},
	{access.ErrDeviceName, http.StatusBadRequest, "device-name", "name"},
	{access.ErrNoDevice, http.StatusNotFound, "no-device", ""},
	{access.ErrHealth, http.StatusBadRequest, "invalid", "fps"},
	{access.ErrUnrecorded, http.StatusServiceUnavailable, "not-recording", ""},
}

// tagOf is the ETag of something as it is.
func tagOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("api: a tag of what is not JSON: " + err.Error()) // its types are all ours
	}
	return contentTag(b)
}

// unchanged holds an If-Match against what is; nil when it names it, or there is none.
func unchanged(ifMatch *string, tag string) error {
	if ifMatch == nil || tagIn(*ifMatch, tag) {
		return nil
	}
	p := problem(http.StatusPreconditionFailed, "stale", "it is not as you saw it; ask for it again")
	p.Yours = clip(*ifMatch)
	return p
}

// because is a reason as it may stand in the record.
func because(why string) (string, error) {
	if len([]rune(why)) > 500 {
		return "", invalid("why", "must be at most 500 characters")
	}
	return why, nil
}
