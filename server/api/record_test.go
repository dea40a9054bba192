package api_test

import (
	"net/http"
	"testing"
	"time"

	"rasad/server/access"
)

// Who may play the past is told from when to when it goes; nobody else is.
func TestRecord(t *testing.T) {
	h := newHouse(t, remembering)
	h.incident("I1", "").want(201)
	roles := map[access.Role]bool{access.Dispatcher: true, access.Supervisor: true, access.Commander: true, access.Admin: true, access.Viewer: true, access.AgencyOfficer: true,
		access.ShelterKeeper: false, access.FeedProgram: false}
	for role, may := range roles {
		a := h.get("/api/v1/record", "Authorization", "Bearer "+h.as(role))
		if !may {
			if a.status != http.StatusForbidden {
				t.Errorf("%s: got %d %s, want 403", role, a.status, a.body)
			}
			continue
		}
		if a.status != http.StatusOK {
			t.Errorf("%s: got %d %s", role, a.status, a.body)
			continue
		}
		begin, end := h.api.History.Span()
		first, errFirst := time.Parse(time.RFC3339, a.at("first").(string))
		last, errLast := time.Parse(time.RFC3339, a.at("last").(string))
		if errFirst != nil || errLast != nil || first.UnixMilli() != int64(begin) || last.UnixMilli() > int64(end) || !last.After(first) {
			t.Errorf("%s: got %s, want from %d to at most %d", role, a.body, begin, end)
		}
	}
	if a := h.do("GET", "/api/v1/record", "", "Authorization", ""); a.status != http.StatusUnauthorized {
		t.Errorf("nobody: got %d %s, want 401", a.status, a.body)
	}
	h.get("/api/v1/record?world=mars").want(404)
}

func TestNoRecord(t *testing.T) {
	h := newHouse(t)
	if a := h.get("/api/v1/record").want(404); a.at("type") != "urn:rasad:problem:no-history" {
		t.Errorf("got %s, want no-history", a.body)
	}
}
