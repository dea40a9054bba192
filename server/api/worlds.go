package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Worlds is the door of an installation that holds several worlds: each call goes to
// the one that its ?world= names, the home world when it names none. A name that
// nobody has goes home too, where it is answered as any call with a wrong name.
type Worlds struct {
	home   *API
	others map[string]*API
}

// NewWorlds makes the door of a home world and others, by name.
func NewWorlds(home *API, others map[string]*API) *Worlds {
	all := []*API{home}
	for _, a := range others {
		all = append(all, a)
	}
	slices.SortFunc(all[1:], func(a, b *API) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range all {
		a.neighbours = all
	}
	return &Worlds{home, others}
}

// ServeHTTP passes a request to its world.
func (w *Worlds) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.of(r).ServeHTTP(rw, r)
}

func (w *Worlds) of(r *http.Request) *API {
	if len(w.others) == 0 || !strings.Contains(r.URL.RawQuery, "world") {
		return w.home
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return w.home // it says what is wrong
	}
	if a := w.others[q.Get("world")]; a != nil {
		return a
	}
	return w.home
}

// worldNamed refuses a call that names another world, or comes from somebody who may not
// enter this one: they cannot tell the two apart.
func (a *API) worldNamed(who access.Principal, name string) error {
	if name == "" {
		name = access.Home
	}
	if name != a.Name || !who.In(a.Name) {
		return problem(http.StatusNotFound, "no-world", fmt.Sprintf("there is no world %q for you", clip(name)), FieldError{"world", "GET /api/v1/worlds lists those that you may enter"})
	}
	return nil
}

// ListWorlds answers the worlds that the caller may enter, the home world first.
func (a *API) ListWorlds(c echo.Context) error {
	who := principal(c)
	out := WorldList{Worlds: []WorldInfo{}}
	for _, n := range a.neighbours {
		if !who.In(n.Name) {
			continue
		}
		w := WorldInfo{Name: n.Name, Title: n.title(), Preset: n.Preset.Code}
		if n.City != nil {
			w.City = given(n.City.Manifest().Name)
		}
		out.Worlds = append(out.Worlds, w)
	}
	return c.JSON(http.StatusOK, out)
}

// title is what people call the world.
func (a *API) title() string {
	switch {
	case a.Title != "":
		return a.Title
	case a.City != nil && a.City.Manifest().Name != "":
		return a.City.Manifest().Name
	}
	return a.Name
}

// ShareIncident says which other worlds of the installation hear of an incident.
func (a *API) ShareIncident(c echo.Context, id Id, p ShareIncidentParams) error {
	var in ShareInput
	return a.ask(c, "incident.share", "incident", id, &in, false, p.IdempotencyKey, func(args map[string]any) error {
		for i, w := range in.Worlds {
			field := fmt.Sprintf("worlds[%d]", i)
			switch {
			case w == a.Name:
				return invalid(field, "is the incident's own world")
			case !slices.ContainsFunc(a.neighbours, func(n *API) bool { return n.Name == w }):
				return invalid(field, "is no world of this installation")
			}
		}
		args["worlds"] = in.Worlds
		set(args, "reason", in.Reason)
		return nil
	})
}
