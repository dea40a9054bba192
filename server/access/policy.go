package access

import (
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// Role is what a principal is in the installation. A principal has one.
type Role string

// The roles. A wall is a device, a feed a program that only moves units, the
// system is Rasad itself (rules that fall due, the monitor of feeds, coverage).
const (
	Anonymous     Role = "anonymous"
	Viewer        Role = "viewer"
	Dispatcher    Role = "dispatcher"
	Supervisor    Role = "supervisor"
	Commander     Role = "commander"
	AgencyOfficer Role = "agency_officer"
	ShelterKeeper Role = "shelter_keeper"
	FeedProgram   Role = "feed"
	Admin         Role = "admin"
	Wall          Role = "wall"
	System        Role = "system"
)

// AllRoles are the roles in the order of the policy's document.
var AllRoles = []Role{Anonymous, Viewer, Dispatcher, Supervisor, Commander, AgencyOfficer, ShelterKeeper, Admin, FeedProgram, Wall, System}

// PersonRoles are the roles that an account may have.
var PersonRoles = []Role{Viewer, Dispatcher, Supervisor, Commander, AgencyOfficer, ShelterKeeper, Admin}

// Principal is who asks, as the door found out. The zero Principal is nobody: it
// is refused everything; somebody unknown has the role [Anonymous].
type Principal struct {
	Name     string // for the record: "user:amini", "token:cad bridge", "device:3fd0…"
	Role     Role
	Account  string   // id; empty unless a person
	Session  string   // id of the session, not its secret; empty for tokens
	Token    string   // id; empty unless a program
	Device   string   // id; empty unless a wall
	Agencies []string // own ones; of a dispatcher, supervisor or admin none means all
	Shelters []string // keys of own shelters
	Worlds   []string // that it may enter; see [Principal.In]
	Feed     string   // of a token: the feed it is bound to; empty: any
	IDs      Patterns // of a token: the ids it may move; nil: all
	Creates  bool     // of a token: may create the units that it reports first
	// SteppedUp: the person has proved again, minutes ago, who they are.
	SteppedUp bool
	// BreakGlass gives a person the rights of supervisor and admin as well.
	BreakGlass bool
	// Limited: nothing but changing the own password and leaving.
	Limited bool
	From    string // network address
}

// Geo is the principal as acts name it.
func (p Principal) Geo() geo.Principal {
	return geo.Principal{Name: p.Name, Role: string(p.Role), From: p.From, Session: p.Session}
}

// Nobody is the principal of a call without a session or a token.
func Nobody(from string) Principal {
	return Principal{Name: "anonymous", Role: Anonymous, From: from}
}

// Action is something that a principal may do: a call, or a family of calls and
// commands that are allowed together.
type Action string

// The actions. What each is about, and which calls it covers, stands in
// [Actions].
const (
	HealthRead     Action = "health.read"
	ScreensRead    Action = "screens.read"
	ContractRead   Action = "contract.read"
	GroundRead     Action = "ground.read"
	PublicRead     Action = "public.read"
	PresetRead     Action = "preset.read"
	MetricsRead    Action = "metrics.read"
	FeatureRead    Action = "feature.read"
	CoverageRead   Action = "coverage.read"
	PlanAsk        Action = "plan.ask"
	StreamOpen     Action = "stream.open"
	ReplayOpen     Action = "replay.open"
	ExportRead     Action = "export.read"
	AuditRead      Action = "audit.read"
	PolicyRead     Action = "policy.read"
	SealedOpen     Action = "sealed.open"
	SealedErase    Action = "sealed.erase"
	FeatureCreate  Action = "feature.create"
	FeaturePut     Action = "feature.put"
	FeaturePatch   Action = "feature.patch"
	FeatureDelete  Action = "feature.delete"
	Dispatch       Action = "dispatch"
	UnitStatus     Action = "unit.status"
	AlarmAck       Action = "alarm.ack"
	AlarmRaise     Action = "alarm.raise"
	AlarmOver      Action = "alarm.over"
	FeedDeclare    Action = "feed.declare"
	SystemNote     Action = "system.note"
	FixReport      Action = "fix.report"
	Publish        Action = "publication.publish"
	Withdraw       Action = "publication.withdraw"
	LayoutSet      Action = "layout.set"
	Share          Action = "incident.share"
	WorldsRead     Action = "worlds.read"
	FactSet        Action = "fact.set"
	Decide         Action = "decision.settle"
	ResponseSet    Action = "response.set"
	SignInAct      Action = "session.begin"
	SignOut        Action = "session.end"
	StepUpAct      Action = "session.stepup"
	SetupAct       Action = "setup"
	SessionRead    Action = "session.read"
	SelfRead       Action = "self.read"
	SelfEdit       Action = "self.edit"
	ResetUse       Action = "reset.use"
	Preview        Action = "audience.preview"
	SelfChange     Action = "self.change"
	SessionRevoke  Action = "session.revoke"
	AccountRead    Action = "account.read"
	AccountChange  Action = "account.change"
	AccountDisable Action = "account.disable"
	TokenRead      Action = "token.read"
	TokenChange    Action = "token.change"
	TokenRevoke    Action = "token.revoke"
	DeviceEnrol    Action = "device.enrol"
	DeviceHealth   Action = "device.health"
	DeviceRead     Action = "device.read"
	DeviceApprove  Action = "device.approve"
	DeviceChange   Action = "device.change"
	DeviceRevoke   Action = "device.revoke"
)

// Publication is the kind in which it is recorded what is public, and what will be. The
// public itself reads another world.
const Publication geo.Kind = "publication"

// Kinds are the kinds that the policy knows. A kind that is not here is nobody's.
var Kinds = []geo.Kind{geo.Unit, geo.Incident, geo.Hazard, geo.Shelter, geo.Site, geo.Zone, geo.Call, geo.Assignment,
	geo.Alarm, geo.Feed, geo.Coverage, geo.Void, geo.Situation, geo.Response, geo.Figure, geo.Decision, geo.Layout, Publication}

// Class says how far a field may travel.
type Class uint8

// The classes. Every field of every kind has one, see [ClassOf].
const (
	Open     Class = iota + 1 // whoever sees the feature
	Internal                  // operations, and the agency whose feature it is
	Personal                  // sealed: never in what is read, opened one by one, and recorded
)

func (c Class) String() string { return [...]string{"", "open", "internal", "personal"}[c] }

// openFields are the fields that whoever sees the feature sees. What does not
// stand here, nor ends in _at where stamps do, is internal: a field that nobody
// has thought about stays inside.
var openFields = map[geo.Kind][]string{
	"":             {"id", "kind", "rev", "fix", PlaceField, "name", "type", "status", "simulated"},
	geo.Unit:       {"agency", "capabilities", "crew", "distress", "dispatchable", "assigned", "assignment"},
	geo.Incident:   {"priority", "alarm_level", "grade", "agencies", "assigned", "shared_from", "shared_key", "_at"},
	geo.Hazard:     {"impassable", "speed_factor", "valid_from", "valid_to", "active", "agency"},
	geo.Shelter:    {"capacity", "occupancy", "counted_at", "needs", "agency"},
	geo.Site:       {"agency"},
	geo.Zone:       {"agency", "valid_from", "valid_to"},
	geo.Call:       {"incident", "_at"},
	geo.Assignment: {"incident", "unit", "_at"},
	geo.Alarm: {"text", "subjects", "lasting", "raised_at", "acked_at", "over_at",
		"zone", "capability", "seconds", "names", "since", "count"},
	geo.Feed:      {"interval_s", "datum", "silent_since"},
	geo.Coverage:  {"units", "standards", "trend", "at"},
	geo.Void:      {"zone", "capability", "seconds", "since", "names", "alarmed"},
	geo.Situation: {"text", "lang", "author", "until", "next_briefing", "commander", "commander_phone", "at", "by"},
	geo.Response:  {"level", "since", "reason", "plan", "before", "at", "by"},
	geo.Figure:    {"label", "value", "unit", "as_of", "source", "confirmed", "definition", "before", "at", "by"},
	geo.Decision:  {"text", "due", "owner", "at", "by", "_at"},
	geo.Layout: {"title", "area", "panels", "layers", "text_scale", "language", "theme", "tour", "part", "visitor", "devices", "cameras",
		"dim", "at", "by"},
	Publication: {"shown", "public_id", "source_kind"},
}

// PlaceField stands for the geometry of a feature where fields are named.
const PlaceField = "place"

var personalFields = map[geo.Kind][]string{
	geo.Incident: {"caller", "patient", "medical"},
	geo.Call:     {"caller", "patient", "medical"},
}

// PersonalFields are the properties of a kind that never stand in a frame in
// clear. The slice is not to be changed.
func PersonalFields(kind geo.Kind) []string { return personalFields[kind] }

// ClassOf is the class of a property.
func ClassOf(kind geo.Kind, field string) Class {
	if slices.Contains(personalFields[kind], field) {
		return Personal
	}
	own := openFields[kind]
	if slices.Contains(openFields[""], field) || slices.Contains(own, field) || strings.HasSuffix(field, "_at") && slices.Contains(own, "_at") {
		return Open
	}
	return Internal
}

// Target is what an action is about.
type Target struct {
	Kind      geo.Kind
	Key       string
	Agencies  []string // whose it is, or whom it concerns
	Sensitive bool     // of a sensitive type, or marked so
	Assigned  []string // of an incident: the keys of its units

	Fields   []string // written; [PlaceField] is the geometry
	Agency   *string  // the agency that a write gives it; nil: it says none
	Audience string   // of a stream
	Account  string   // of acts on accounts and sessions
	Session  string
	Feed     string // of a report
}

// Why a decision is no, and yes. The codes are stable: screens translate them.
const (
	Allowed        = "allowed"
	SignInNeeded   = "sign-in"         // 401
	Denied         = "denied"          // 403: not this role
	NotOwn         = "not-own"         // 403: another agency's, shelter's, account's or unit
	FieldDenied    = "field-denied"    // 403: the role writes other fields of it
	StepUpNeeded   = "step-up"         // 403: prove again who you are
	PersonNeeded   = "person-needed"   // 403: dangerous, and a program or a device cannot step up
	Hidden         = "hidden"          // 404: that it exists is not for this principal
	AudienceDenied = "audience-denied" // 403, of a stream 4403
	PasswordChange = "password-change" // 403: the password must be changed first
	RateLimited    = "rate-limited"    // 429: a token sends more than it may
	TooLarge       = "too-large"       // 413: a message of a token is too long
)

// Decision is an answer of the policy.
type Decision struct {
	Allowed bool
	Code    string // stable, kebab-case
	Reason  string // English, for people
}

var yes = Decision{Allowed: true, Code: Allowed}

func no(code, format string, args ...any) Decision {
	return Decision{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// Scope says which of the targets a row covers.
type Scope uint8

// The scopes.
const (
	Every       Scope = iota // all
	OwnAgency                // those of an own agency
	TheirAgency              // those of an own agency, or all when the principal has none
	OwnShelter
	OwnIDs     // units that the token names
	OwnAccount // sessions and account of the principal
)

func (s Scope) String() string {
	return [...]string{"", "own agency", "own agencies, if any", "own shelters", "own ids", "own account"}[s]
}

// grant is a cell of the table.
type grant struct {
	scope  Scope
	fields []string // that a write may touch; nil: all
	stepUp bool
	// What of features is read beside open fields of those that are not sensitive:
	// internal fields, sensitive features, and both of those of an own agency.
	internal, sensitive, own bool
}

// Allow decides whether a principal may do something. It depends on its arguments
// alone. For reads of features [Reader] says more: which fields.
func Allow(p Principal, a Action, t Target) Decision {
	if p.Limited && !slices.Contains([]Action{HealthRead, ScreensRead, SessionRead, SelfRead, SelfChange, SignOut, StepUpAct}, a) {
		return no(PasswordChange, "the password must be changed before anything else")
	}
	best := allowAs(p, p.Role, a, t)
	if p.BreakGlass {
		for _, r := range []Role{Supervisor, Admin} {
			if d := allowAs(p, r, a, t); d.Allowed || rank(d) > rank(best) {
				best = d
			}
			if best.Allowed {
				break
			}
		}
	}
	return best
}

// rank orders refusals by how near they come to a yes, so that a person with the
// rights of several roles is told what to do rather than what they are not.
func rank(d Decision) int {
	return slices.Index([]string{SignInNeeded, Denied, Hidden, AudienceDenied, NotOwn, FieldDenied, PersonNeeded, StepUpNeeded}, d.Code)
}

func allowAs(p Principal, role Role, a Action, t Target) Decision {
	g, ok := table[cell{role, a, kindOf(a, t)}]
	if !ok {
		switch {
		case role == Anonymous:
			return no(SignInNeeded, "sign in, or give a token")
		case a == FeatureRead:
			return no(Hidden, "there is nothing here for the role %s", role)
		case t.Kind != "" && kinded[a]:
			return no(Denied, "%s of kind %s is not for the role %s", a, t.Kind, role)
		}
		return no(Denied, "%s is not for the role %s", a, role)
	}
	if a == StreamOpen || a == ReplayOpen {
		if !mayHear(p, role, t.Audience) {
			return no(AudienceDenied, "the audience %q is not for the role %s", t.Audience, role)
		}
		return yes
	}
	if !within(p, g.scope, t) {
		if a == FeatureRead {
			return no(Hidden, "this is not of an own agency or shelter")
		}
		return no(NotOwn, "this is not among what %s may change", p.Name)
	}
	if t.Sensitive && (a == FeatureRead || writes[a]) && !readsSensitive(p, role, t) {
		return no(Hidden, "there is nothing here for the role %s", role)
	}
	if (g.scope == OwnAgency || g.scope == TheirAgency && len(p.Agencies) > 0) && t.Agency != nil && !slices.Contains(p.Agencies, *t.Agency) {
		return no(NotOwn, "it cannot be given to the agency %.64q, which is not an own one", *t.Agency)
	}
	if g.fields != nil {
		for _, f := range t.Fields {
			if !slices.Contains(g.fields, f) {
				return no(FieldDenied, "the role %s may not write %.64q; it writes %s", role, f, strings.Join(g.fields, ", "))
			}
		}
	}
	if g.stepUp && !p.SteppedUp {
		if p.Account == "" {
			return no(PersonNeeded, "this needs a person who has just proved who they are; a program or a device cannot")
		}
		return no(StepUpNeeded, "prove again who you are, then try once more")
	}
	return yes
}

// kindOf is the kind that a cell is filed under: actions on features have one.
func kindOf(a Action, t Target) geo.Kind {
	if kinded[a] {
		return t.Kind
	}
	return ""
}

func readsSensitive(p Principal, role Role, t Target) bool {
	g := table[cell{role, FeatureRead, t.Kind}]
	return g.sensitive || g.own && owns(p, t)
}

// owns tells whether a target is of an own agency.
func owns(p Principal, t Target) bool {
	return slices.ContainsFunc(t.Agencies, func(a string) bool { return slices.Contains(p.Agencies, a) })
}

// within tells whether a target lies in a scope.
func within(p Principal, s Scope, t Target) bool {
	switch s {
	case Every:
		return true
	case OwnAgency:
		return owns(p, t)
	case TheirAgency: // what is nobody's may be changed by all
		return len(p.Agencies) == 0 || len(t.Agencies) == 0 || owns(p, t)
	case OwnShelter:
		return t.Kind == geo.Shelter && t.Key != "" && slices.Contains(p.Shelters, t.Key)
	case OwnIDs:
		return (p.Feed == "" || t.Feed == "" || p.Feed == t.Feed) && p.IDs.Match(t.Key)
	case OwnAccount: // a program has none
		return p.Session != "" && (t.Account == "" || t.Account == p.Account) && (t.Session == "" || t.Session == p.Session || t.Account != "")
	}
	return false
}

// CreatesUnit decides whether a feed's report may create the unit that it names.
func CreatesUnit(p Principal, key string) Decision {
	if !p.Creates {
		return no(Denied, "this token does not create units")
	}
	return Allow(p, FeatureCreate, Target{Kind: geo.Unit, Key: key})
}
