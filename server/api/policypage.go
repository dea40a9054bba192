package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// The policy as a page, and the audiences.

// policyTable is the table that decides, from the same data as POLICY.md.
func policyTable() PolicyTable {
	t := PolicyTable{Roles: texts(access.AllRoles), Kinds: texts(access.Kinds)}
	for _, i := range access.Actions {
		t.Actions = append(t.Actions, PolicyAction{Action: string(i.Action), What: i.What, Dangerous: i.Dangerous, Kinded: access.Kinded(i.Action)})
	}
	for _, r := range access.Rows() {
		row := PolicyRow{Action: string(r.Action), Role: string(r.Role), Kind: given(string(r.Kind)), Scope: given(r.Scope),
			Dangerous: given(r.Dangerous), Internal: given(r.Internal), Sensitive: given(r.Sensitive), Own: given(r.Own)}
		if r.Fields != nil {
			row.Fields = &r.Fields
		}
		t.Rows = append(t.Rows, row)
	}
	for _, f := range access.AllFields() {
		t.Fields = append(t.Fields, PolicyFields{Kind: string(f.Kind), Open: append([]string{}, f.Open...), Personal: append([]string{}, f.Personal...)})
	}
	for _, r := range access.AllRoles {
		t.Audiences = append(t.Audiences, RoleAudience{Role: string(r), Audience: access.AudienceOf(access.Principal{Role: r})})
	}
	return t
}

// GetPolicy answers the table that decides.
func (a *API) GetPolicy(c echo.Context, p GetPolicyParams) error {
	table := policyTable()
	tag := tagOf(table)
	h := c.Response().Header()
	h["Cache-Control"], h["Etag"] = noCache, []string{tag}
	if p.IfNoneMatch != nil && tagIn(*p.IfNoneMatch, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSON(http.StatusOK, table)
}

// ListAudiences answers the audiences of this installation: those of everybody, and
// those of the accounts that are confined.
func (a *API) ListAudiences(c echo.Context) error {
	people := map[string]int{access.AudienceOps: 0, access.AudienceBrief: 0, access.AudiencePublic: 0}
	roles := map[string][]string{}
	of := func(name string, r access.Role) {
		if !slices.Contains(roles[name], string(r)) {
			roles[name] = append(roles[name], string(r))
		}
	}
	for _, r := range access.AllRoles {
		name := access.AudienceOf(access.Principal{Role: r})
		if _, ok := people[name]; ok {
			of(name, r)
		}
	}
	for _, x := range a.Gate.Register.State().Accounts() {
		name := access.AudienceOf(access.Principal{Role: x.Role, Agencies: x.Agencies, Shelters: x.Shelters, BreakGlass: x.BreakGlass})
		if x.Disabled || name == "" {
			continue
		}
		people[name]++
		of(name, x.Role)
	}
	out := AudienceList{Audiences: []Audience{}}
	names := []string{access.AudienceOps, access.AudienceBrief, access.AudiencePublic}
	var confined []string
	for name := range people {
		if !slices.Contains(names, name) {
			confined = append(confined, name)
		}
	}
	slices.Sort(confined)
	for _, name := range append(names, confined...) {
		sight, err := access.SightOf(name)
		if err != nil {
			return err
		}
		x := Audience{Name: name, Roles: roles[name], People: people[name], Kinds: []AudienceKind{}}
		for _, s := range sight {
			x.Kinds = append(x.Kinds, AudienceKind{Kind: string(s.Kind), Internal: s.Internal, Sensitive: s.Sensitive, OwnOnly: s.OwnOnly})
		}
		out.Audiences = append(out.Audiences, x)
	}
	return c.JSON(http.StatusOK, out)
}

// preview is what an audience sees, for one who may look.
func (a *API) preview(c echo.Context, audience string) (seer, error) {
	if err := a.may(c, access.Preview, access.Target{Audience: audience}); err != nil {
		return seer{}, err
	}
	r, err := access.AudienceReader(audience, access.DoorREST)
	if err != nil {
		return seer{}, invalid("as", "names no audience; GET /api/v1/audiences lists them")
	}
	// Nobody sees more through another's eyes than with their own.
	if d := access.Allow(principal(c), access.StreamOpen, access.Target{Audience: audience}); !d.Allowed && len(principal(c).Agencies) > 0 {
		return seer{}, decided(d)
	}
	return seer{r, &a.facts}, nil
}
