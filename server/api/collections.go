package api

import (
	"github.com/labstack/echo/v4"

	"rasad/geo"
)

// The calls of openapi.yaml for each kind of feature: each names its kind and
// hands over to the one function that does it.

// ListUnits answers a page of units.
func (a *API) ListUnits(c echo.Context, p ListUnitsParams) error {
	return a.page(c, []geo.Kind{geo.Unit}, p.Bbox, p.Limit, p.Cursor)
}

// CreateUnit creates a unit.
func (a *API) CreateUnit(c echo.Context, p CreateUnitParams) error {
	return a.create(c, geo.Unit, conditions{key: p.IdempotencyKey, datum: text(p.Datum)})
}

// GetUnit answers a unit.
func (a *API) GetUnit(c echo.Context, id Id, p GetUnitParams) error {
	return a.get(c, geo.Unit, id, p.IfNoneMatch)
}

// PutUnit creates or replaces a unit.
func (a *API) PutUnit(c echo.Context, id Id, p PutUnitParams) error {
	return a.put(c, geo.Unit, id, conditions{p.IfMatch, p.IfNoneMatch, p.IdempotencyKey, text(p.Datum)})
}

// PatchUnit changes parts of a unit.
func (a *API) PatchUnit(c echo.Context, id Id, p PatchUnitParams) error {
	return a.patch(c, geo.Unit, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey, datum: text(p.Datum)})
}

// DeleteUnit removes a unit.
func (a *API) DeleteUnit(c echo.Context, id Id, p DeleteUnitParams) error {
	return a.remove(c, geo.Unit, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey})
}

// ListIncidents answers a page of incidents.
func (a *API) ListIncidents(c echo.Context, p ListIncidentsParams) error {
	return a.page(c, []geo.Kind{geo.Incident}, p.Bbox, p.Limit, p.Cursor)
}

// CreateIncident creates an incident.
func (a *API) CreateIncident(c echo.Context, p CreateIncidentParams) error {
	return a.create(c, geo.Incident, conditions{key: p.IdempotencyKey, datum: text(p.Datum)})
}

// GetIncident answers an incident.
func (a *API) GetIncident(c echo.Context, id Id, p GetIncidentParams) error {
	return a.get(c, geo.Incident, id, p.IfNoneMatch)
}

// PutIncident creates or replaces an incident.
func (a *API) PutIncident(c echo.Context, id Id, p PutIncidentParams) error {
	return a.put(c, geo.Incident, id, conditions{p.IfMatch, p.IfNoneMatch, p.IdempotencyKey, text(p.Datum)})
}

// PatchIncident changes parts of an incident.
func (a *API) PatchIncident(c echo.Context, id Id, p PatchIncidentParams) error {
	return a.patch(c, geo.Incident, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey, datum: text(p.Datum)})
}

// DeleteIncident removes an incident.
func (a *API) DeleteIncident(c echo.Context, id Id, p DeleteIncidentParams) error {
	return a.remove(c, geo.Incident, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey})
}

// ListHazards answers a page of hazards.
func (a *API) ListHazards(c echo.Context, p ListHazardsParams) error {
	return a.page(c, []geo.Kind{geo.Hazard}, p.Bbox, p.Limit, p.Cursor)
}

// CreateHazard creates a hazard.
func (a *API) CreateHazard(c echo.Context, p CreateHazardParams) error {
	return a.create(c, geo.Hazard, conditions{key: p.IdempotencyKey, datum: text(p.Datum)})
}

// GetHazard answers a hazard.
func (a *API) GetHazard(c echo.Context, id Id, p GetHazardParams) error {
	return a.get(c, geo.Hazard, id, p.IfNoneMatch)
}

// PutHazard creates or replaces a hazard.
func (a *API) PutHazard(c echo.Context, id Id, p PutHazardParams) error {
	return a.put(c, geo.Hazard, id, conditions{p.IfMatch, p.IfNoneMatch, p.IdempotencyKey, text(p.Datum)})
}

// PatchHazard changes parts of a hazard.
func (a *API) PatchHazard(c echo.Context, id Id, p PatchHazardParams) error {
	return a.patch(c, geo.Hazard, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey, datum: text(p.Datum)})
}

// DeleteHazard removes a hazard.
func (a *API) DeleteHazard(c echo.Context, id Id, p DeleteHazardParams) error {
	return a.remove(c, geo.Hazard, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey})
}

// ListShelters answers a page of shelters.
func (a *API) ListShelters(c echo.Context, p ListSheltersParams) error {
	return a.page(c, []geo.Kind{geo.Shelter}, p.Bbox, p.Limit, p.Cursor)
}

// CreateShelter creates a shelter.
func (a *API) CreateShelter(c echo.Context, p CreateShelterParams) error {
	return a.create(c, geo.Shelter, conditions{key: p.IdempotencyKey, datum: text(p.Datum)})
}

// GetShelter answers a shelter.
func (a *API) GetShelter(c echo.Context, id Id, p GetShelterParams) error {
	return a.get(c, geo.Shelter, id, p.IfNoneMatch)
}

// PutShelter creates or replaces a shelter.
func (a *API) PutShelter(c echo.Context, id Id, p PutShelterParams) error {
	return a.put(c, geo.Shelter, id, conditions{p.IfMatch, p.IfNoneMatch, p.IdempotencyKey, text(p.Datum)})
}

// PatchShelter changes parts of a shelter.
func (a *API) PatchShelter(c echo.Context, id Id, p PatchShelterParams) error {
	return a.patch(c, geo.Shelter, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey, datum: text(p.Datum)})
}

// DeleteShelter removes a shelter.
func (a *API) DeleteShelter(c echo.Context, id Id, p DeleteShelterParams) error {
	return a.remove(c, geo.Shelter, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey})
}

// ListSites answers a page of sites.
func (a *API) ListSites(c echo.Context, p ListSitesParams) error {
	return a.page(c, []geo.Kind{geo.Site}, p.Bbox, p.Limit, p.Cursor)
}

// CreateSite creates a site.
func (a *API) CreateSite(c echo.Context, p CreateSiteParams) error {
	return a.create(c, geo.Site, conditions{key: p.IdempotencyKey, datum: text(p.Datum)})
}

// GetSite answers a site.
func (a *API) GetSite(c echo.Context, id Id, p GetSiteParams) error {
	return a.get(c, geo.Site, id, p.IfNoneMatch)
}

// PutSite creates or replaces a site.
func (a *API) PutSite(c echo.Context, id Id, p PutSiteParams) error {
	return a.put(c, geo.Site, id, conditions{p.IfMatch, p.IfNoneMatch, p.IdempotencyKey, text(p.Datum)})
}

// PatchSite changes parts of a site.
func (a *API) PatchSite(c echo.Context, id Id, p PatchSiteParams) error {
	return a.patch(c, geo.Site, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey, datum: text(p.Datum)})
}

// DeleteSite removes a site.
func (a *API) DeleteSite(c echo.Context, id Id, p DeleteSiteParams) error {
	return a.remove(c, geo.Site, id, conditions{ifMatch: p.IfMatch, key: p.IdempotencyKey})
}

// text is a parameter that may be absent.
func text[S ~string](p *S) string {
	if p == nil {
		return ""
	}
	return string(*p)
}
