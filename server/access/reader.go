package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// Door is a way by which what is in the world gets out.
type Door string

// The doors. Through those of the public, of feeds and of tiles no feature ever goes: the
// public world is another one, of another type, and what is in it was decided before.
const (
	DoorREST   Door = "rest"
	DoorStream Door = "stream"
	DoorReplay Door = "replay"
	DoorExport Door = "export"
	DoorPublic Door = "public"
	DoorFeed   Door = "feed"
	DoorTile   Door = "tile"
)

// Doors are all doors.
var Doors = []Door{DoorREST, DoorStream, DoorReplay, DoorExport, DoorPublic, DoorFeed, DoorTile}

// Reader is what one principal sees through one door. It is a value, and what it
// says depends on the feature and on the policy only, as an audience must.
type Reader struct {
	p    Principal
	door Door
	open bool
}

// NewReader returns what p sees through a door.
func NewReader(p Principal, door Door) Reader {
	r := Reader{p: p, door: door}
	switch door {
	case DoorREST:
		r.open = true // each kind decides
	case DoorStream:
		r.open = Allow(p, StreamOpen, Target{Audience: AudienceOf(p)}).Allowed
	case DoorReplay:
		r.open = Allow(p, ReplayOpen, Target{Audience: AudienceOf(p)}).Allowed
	case DoorExport:
		r.open = Allow(p, ExportRead, Target{}).Allowed
	}
	return r
}

// sees returns whether the feature is seen at all, and its internal fields too.
func (r Reader) sees(t Target) (feature, internal bool) {
	if !r.open || !Allow(r.p, FeatureRead, t).Allowed {
		return false, false
	}
	for _, role := range r.p.roles() {
		g := table[cell{role, FeatureRead, t.Kind}]
		own := owns(r.p, t)
		if g.own && own || g.internal && (own || role == ShelterKeeper || len(r.p.Agencies) == 0 || len(t.Agencies) == 0) {
			return true, true
		}
	}
	return true, false
}

func (p Principal) roles() []Role {
	if p.BreakGlass {
		return []Role{p.Role, Supervisor, Admin}
	}
	return []Role{p.Role}
}

// Field tells whether a field of a feature is seen. A personal one never is: it
// is opened by [SealedOpen], one at a time.
func (r Reader) Field(t Target, field string) bool {
	feature, internal := r.sees(t)
	switch ClassOf(t.Kind, field) {
	case Open:
		return feature
	case Internal:
		return internal
	}
	return false
}

// Confined tells whether the reader sees less than others of the same role, being
// confined to agencies or shelters.
func (r Reader) Confined() bool { return len(r.p.Agencies)+len(r.p.Shelters) > 0 && !r.p.BreakGlass }

// Whole tells whether every field is seen but the personal ones.
func (r Reader) Whole(t Target) bool {
	_, internal := r.sees(t)
	return internal
}

// Everything tells whether every feature of a kind is seen as it is, so that nobody
// has to look at each.
func (r Reader) Everything(kind geo.Kind) bool {
	if !r.open || r.p.Limited || r.door == DoorPublic || r.door == DoorExport || len(r.p.Agencies) > 0 || len(personalFields[kind]) > 0 {
		return false
	}
	return slices.ContainsFunc(r.p.roles(), func(role Role) bool {
		g, ok := table[cell{role, FeatureRead, kind}]
		return ok && g.scope == Every && g.internal && g.sensitive
	})
}

// Nothing tells whether no feature of a kind is seen, whatever it is.
func (r Reader) Nothing(kind geo.Kind) bool {
	return !r.open || r.p.Limited || !slices.ContainsFunc(r.p.roles(), func(role Role) bool {
		_, ok := table[cell{role, FeatureRead, kind}]
		return ok
	})
}

// Show returns what is seen of a feature: itself, a poorer copy with the same ID,
// Key and Rev, or nil. Of a sealed field at most the box is seen, and not in
// exports.
func (r Reader) Show(f *geo.Feature, t Target) *geo.Feature {
	feature, internal := r.sees(t)
	if !feature {
		return nil
	}
	sealed := internal && r.door != DoorExport
	if internal && (sealed || len(f.Sealed) == 0) && len(personalFields[f.Kind]) == 0 {
		return f
	}
	props, cut := keepMembers(f.Props, func(name string) bool {
		c := ClassOf(f.Kind, name)
		return c == Open || c == Internal && internal
	})
	if !cut && (sealed || len(f.Sealed) == 0) && (internal || f.Extra == "") {
		return f
	}
	g := *f
	g.Props = props
	if !sealed {
		g.Sealed = nil
	}
	if !internal {
		g.Extra = "" // fields of a newer version: nobody here knows their class
	}
	return &g
}

// keepMembers leaves out the members of canonical props whose names are not wanted.
// It scans and does not parse: an audience looks at every unit that moves.
func keepMembers(p geo.Props, want func(name string) bool) (_ geo.Props, cut bool) {
	s := string(p)
	var b []byte
	for i := 1; i < len(s) && s[i] == '"'; {
		end := textEnd(s, i)
		name := s[i+1 : end-1]
		if strings.IndexByte(name, '\\') >= 0 {
			name = unescaped(s[i:end])
		}
		next := valueEnd(s, end+1)
		switch {
		case !want(name):
			if !cut {
				b, cut = append(b, strings.TrimSuffix(s[:i], ",")...), true
			}
		case cut:
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(b, s[i:next]...)
		}
		i = next + 1
	}
	switch {
	case !cut:
		return p, false
	case len(b) <= 1:
		return "", true
	}
	return geo.Props(append(b, '}')), true
}

// unescaped reads a string of JSON that is canonical by construction. It stands alone so
// that only what is escaped costs memory.
func unescaped(text string) (out string) {
	_ = json.Unmarshal([]byte(text), &out)
	return out
}

// textEnd is the index after the string that begins at i.
func textEnd(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(s))
}

// valueEnd is the index of the comma or brace after the value that begins at i.
func valueEnd(s string, i int) int {
	for depth := 0; i < len(s); {
		switch s[i] {
		case '"':
			i = textEnd(s, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return len(s)
}

// Audiences of a stream.
const (
	AudienceOps    = "ops"
	AudienceBrief  = "brief"
	AudiencePublic = "public"
)

// AudienceOf names the audience that sees exactly what p sees: ops, brief, public,
// and ops:fire,police, agency:fire or shelter:S1,S2 of those who are confined. It
// is empty for a principal that sees no stream.
func AudienceOf(p Principal) string {
	list := func(name string, of []string) string {
		of = slices.Compact(slices.Sorted(slices.Values(of)))
		if len(of) == 0 {
			return name
		}
		return name + ":" + strings.Join(of, ",")
	}
	switch {
	case p.Limited:
		return ""
	case p.BreakGlass:
		return AudienceOps
	}
	switch p.Role {
	case Dispatcher, Supervisor, Commander, Admin:
		return list(AudienceOps, p.Agencies)
	case Viewer, Wall:
		return AudienceBrief
	case AgencyOfficer:
		return list("agency", p.Agencies)
	case ShelterKeeper:
		return list("shelter", p.Shelters)
	case Anonymous:
		return AudiencePublic
	}
	return ""
}

// ResolveAudience returns the audience that p gets when it asks for one by name:
// the own one for "", and for "ops", "agency" or "shelter" of those whose own one
// begins so. The decision is of [StreamOpen], or [ReplayOpen] in replay.
func ResolveAudience(p Principal, asked string, replay bool) (string, Decision) {
	own := AudienceOf(p)
	if group, _, _ := strings.Cut(own, ":"); asked == "" || asked == group {
		asked = own
	}
	a := StreamOpen
	if replay {
		a = ReplayOpen
	}
	return asked, Allow(p, a, Target{Audience: asked})
}

// mayHear tells whether an audience shows no more than the principal may see.
func mayHear(p Principal, role Role, audience string) bool {
	if audience == "" {
		return false
	}
	own := AudienceOf(p)
	return audience == own || audience == AudiencePublic ||
		audience == AudienceBrief && slices.Contains(ops, role)
}

// ErrAudience is the name of no audience.
var ErrAudience = errors.New("there is no such audience")

// AudienceReader returns what everybody of an audience sees. It returns
// [ErrAudience], wrapped, for a name that [AudienceOf] never gives.
func AudienceReader(audience string, door Door) (Reader, error) {
	group, rest, confined := strings.Cut(audience, ":")
	var of []string
	if confined {
		of = strings.Split(rest, ",")
		if slices.Contains(of, "") {
			return Reader{}, fmt.Errorf("audience %.64q: %w", audience, ErrAudience)
		}
	}
	p := Principal{Name: "audience:" + audience}
	switch {
	case group == AudienceOps:
		p.Role, p.Agencies = Dispatcher, of
		if door == DoorExport {
			p.Role = Supervisor
		}
	case group == "agency":
		p.Role, p.Agencies = AgencyOfficer, of
	case group == "shelter":
		p.Role, p.Shelters = ShelterKeeper, of
	case audience == AudienceBrief:
		p.Role = Viewer
	case audience == AudiencePublic:
		p.Role = Anonymous
	}
	if p.Role == "" || AudienceOf(p) != audience {
		return Reader{}, fmt.Errorf("audience %.64q: %w", audience, ErrAudience)
	}
	return NewReader(p, door), nil
}

// Facts are what the city's data says about its types: which are sensitive, and
// which agencies an incident of a type concerns.
type Facts struct {
	Sensitive map[geo.Kind][]string // codes of types
	Agencies  map[string][]string   // by type of incident
}

// Target describes a feature for the policy. It depends on the feature and the
// facts only.
func (c Facts) Target(f *geo.Feature) Target {
	t := Target{Kind: f.Kind, Key: f.Key}
	kind := f.Props.Text("type")
	t.Sensitive = f.Props.Bool("sensitive") || slices.Contains(c.Sensitive[f.Kind], kind)
	if a := f.Props.Text("agency"); a != "" {
		t.Agencies = append(t.Agencies, a)
	}
	if f.Kind == geo.Incident {
		t.Agencies = append(append(t.Agencies, c.Agencies[kind]...), f.Props.Texts("agencies")...)
		t.Assigned = f.Props.Texts("assigned")
	}
	return t
}
