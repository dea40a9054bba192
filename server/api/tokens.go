package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Tokens of programs.

// rotateOverlap is how long the secret before a rotation works when nobody says.
const rotateOverlap = 24 * time.Hour

// quarantineLasts is how long a token is set aside by hand when nobody says.
const quarantineLasts = 24 * time.Hour

func tokenOf(i access.TokenInfo) Token {
	t := Token{Id: i.ID, Name: i.Name, Role: i.Role, Creates: i.Creates, Agencies: append([]string{}, i.Agencies...), Shelters: append([]string{}, i.Shelters...), Worlds: append([]string{}, i.Worlds...),
		Created: i.Created, Revoked: i.Revoked, Refused: i.Refused, Secrets: i.Secrets,
		Feed: given(i.Feed), PerSecond: given(i.PerSecond), Bytes: given(i.Bytes), Expires: givenTime(i.Expires), QuarantinedUntil: givenTime(i.Quarantined), Seen: givenTime(i.Seen)}
	if i.IDs != nil {
		ids := append([]string{}, i.IDs...)
		t.Ids = &ids
	}
	return t
}

func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func givenTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// tokenTag is the ETag of what may be changed of a token.
func tokenTag(i access.TokenInfo) string {
	return tagOf([]any{i.ID, i.TokenOptions, i.Revoked, i.Quarantined})
}

// answerToken answers a token as it is now; with a secret when it has a new one.
func (a *API) answerToken(c echo.Context, status int, id, secret string) error {
	i, err := a.Gate.Tokens.Get(id, time.Now())
	if err != nil {
		return err
	}
	c.Response().Header()["Etag"] = []string{tokenTag(i)}
	if secret == "" {
		return c.JSON(status, tokenOf(i))
	}
	return c.JSON(status, TokenMade{Token: secret, Info: tokenOf(i)})
}

// ListTokens answers the tokens of programs.
func (a *API) ListTokens(c echo.Context) error {
	all, err := a.Gate.Tokens.List(time.Now())
	if err != nil {
		return err
	}
	out := TokenList{Tokens: make([]Token, 0, len(all))}
	for _, i := range all {
		out.Tokens = append(out.Tokens, tokenOf(i))
	}
	return c.JSON(http.StatusOK, out)
}

// CreateToken issues a token.
func (a *API) CreateToken(c echo.Context) error {
	var form TokenInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	o := access.TokenOptions{Name: form.Name, Role: form.Role, Feed: form.Feed, Creates: form.Creates, Agencies: form.Agencies, Shelters: form.Shelters, Worlds: form.Worlds,
		PerSecond: form.PerSecond, Bytes: form.Bytes}
	if form.Ids != nil {
		o.IDs = access.Patterns(append([]string{}, *form.Ids...))
	}
	if form.Expires != nil {
		o.Expires = form.Expires.UTC()
	}
	secret, id, err := a.Gate.Tokens.Make(principal(c).Act(why), o)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/v1/tokens/"+id)
	return a.answerToken(c, http.StatusCreated, id, secret)
}

// PatchToken changes the limits of a token.
func (a *API) PatchToken(c echo.Context, id AccessId, p PatchTokenParams) error {
	var form TokenPatch
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	err = a.Gate.Tokens.Change(principal(c).Act(why), id, func(i access.TokenInfo) (access.TokenOptions, error) {
		o := i.TokenOptions
		if err := unchanged(p.IfMatch, tokenTag(i)); err != nil {
			return o, err
		}
		put(&o.Name, form.Name)
		put(&o.Feed, form.Feed)
		put(&o.Creates, form.Creates)
		put(&o.Agencies, form.Agencies)
		put(&o.Shelters, form.Shelters)
		put(&o.Worlds, form.Worlds)
		put(&o.PerSecond, form.PerSecond)
		put(&o.Bytes, form.Bytes)
		if form.Ids != nil {
			var ids []string // null: all
			if json.Unmarshal(form.Ids, &ids) != nil {
				return o, invalid("ids", "must be a list of strings, or null")
			}
			o.IDs = access.Patterns(ids)
		}
		if form.Expires != nil {
			o.Expires = time.Time{} // null: never
			if json.Unmarshal(form.Expires, &o.Expires) != nil {
				return o, invalid("expires", "must be a time as RFC 3339 has it, or null")
			}
			o.Expires = o.Expires.UTC()
		}
		return o, nil
	})
	if err != nil {
		return err
	}
	return a.answerToken(c, http.StatusOK, id, "")
}

func put[T any](at *T, v *T) {
	if v != nil {
		*at = *v
	}
}

// DeleteToken revokes a token.
func (a *API) DeleteToken(c echo.Context, id AccessId, p DeleteTokenParams) error {
	if err := a.Gate.Tokens.Revoke(principal(c).Act(text(p.Why)), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// RotateToken gives a token a new secret.
func (a *API) RotateToken(c echo.Context, id AccessId) error {
	var form RotateInput
	if err := readForm(c, &form, true); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	overlap := rotateOverlap
	if form.OverlapS != nil {
		if *form.OverlapS < 0 || *form.OverlapS > 30*86400 {
			return invalid("overlap_s", "must be from 0 to 2592000, which is 30 days")
		}
		overlap = time.Duration(*form.OverlapS) * time.Second
	}
	secret, err := a.Gate.Tokens.Rotate(principal(c).Act(why), id, overlap)
	if err != nil {
		return err
	}
	return a.answerToken(c, http.StatusOK, id, secret)
}

// QuarantineToken sets a token aside, or takes it back.
func (a *API) QuarantineToken(c echo.Context, id AccessId) error {
	var form QuarantineInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	lasts := quarantineLasts
	if form.Seconds != nil {
		if *form.Seconds < 60 || *form.Seconds > 365*86400 {
			return invalid("seconds", "must be from 60 to 31536000, which is a year")
		}
		lasts = time.Duration(*form.Seconds) * time.Second
	}
	act := principal(c).Act(why)
	if form.On {
		err = a.Gate.Tokens.Quarantine(act, id, act.At.Add(lasts))
	} else if err = a.may(c, access.TokenChange, access.Target{}); err == nil {
		err = a.Gate.Tokens.Release(act, id)
	}
	if err != nil {
		return err
	}
	return a.answerToken(c, http.StatusOK, id, "")
}
