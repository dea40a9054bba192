package access

import (
	"fmt"
	"slices"

	"rasad/geo"
)

//go:generate go test -run=^TestPolicyDocument$ . -update

type cell struct {
	role   Role
	action Action
	kind   geo.Kind // empty where the action has none
}

// table is the policy, made of rows. What is not in it is refused.
var table = map[cell]grant{}

// ActionInfo says what an action is.
type ActionInfo struct {
	Action Action
	What   string
	// Dangerous acts need a person who has stepped up.
	Dangerous bool
}

// Actions are all actions, in the order of the document.
var Actions = []ActionInfo{
	{HealthRead, "ask whether the server lives and is ready", false},
	{ScreensRead, "load the screens, the sign-in page among them", false},
	{ContractRead, "read the OpenAPI document", false},
	{GroundRead, "read the basemap, the roads and the places of the city: open data", false},
	{PublicRead, "read the public world", false},
	{PresetRead, "read types, levels and agencies of the city", false},
	{MetricsRead, "read the metrics", false},
	{FeatureRead, "read features, as far as their fields allow", false},
	{CoverageRead, "read the coverage and its tiles", false},
	{PlanAsk, "ask for routes, move-ups and what-ifs", false},
	{StreamOpen, "open the live stream of an audience", false},
	{ReplayOpen, "play the past of an audience", false},
	{ExportRead, "take the record away as a file", false},
	{AuditRead, "read who did what", false},
	{PolicyRead, "read this table", false},
	{Preview, "list the audiences, and see the world as one of them", false},
	{SealedOpen, "open a sealed personal field; leaves an act", false},
	{SealedErase, "destroy the key of a personal field, for ever", true},
	{FeatureCreate, "create a feature", false},
	{FeaturePut, "create or replace a feature", false},
	{FeaturePatch, "change fields of a feature", false},
	{FeatureDelete, "delete a feature", false},
	{Dispatch, "assign, release, close, set the status of an incident", false},
	{Share, "share an incident with other worlds of the installation, or end that", false},
	{WorldsRead, "list the worlds that one may enter", false},
	{UnitStatus, "set the status or the distress of a unit", false},
	{AlarmAck, "acknowledge an alarm", false},
	{AlarmRaise, "raise an alarm", false},
	{AlarmOver, "say that the cause of an alarm is over", false},
	{FeedDeclare, "declare a feed and its interval", false},
	{SystemNote, "note coverage, voids and silent feeds: the program's own", false},
	{FixReport, "report where a unit is", false},
	{Publish, "publish to the public", true},
	{Withdraw, "withdraw what is public", false},
	{LayoutSet, "choose what a wall shows", false},
	{FactSet, "write the situation line, figures and decisions", false},
	{Decide, "say yes or no to what waits for a decision", true},
	{ResponseSet, "set the response level", false},
	{SignInAct, "sign in", false},
	{SignOut, "sign out", false},
	{StepUpAct, "prove again who one is", false},
	{SetupAct, "make the first account, by the one-time link", false},
	{ResetUse, "set a new password by a one-time link", false},
	{SessionRead, "ask who one is", false},
	{SelfRead, "read the own account and its sessions", false},
	{SelfEdit, "change the own display name and language", false},
	{SelfChange, "change the own password and second factor", true},
	{SessionRevoke, "end sessions of others", false},
	{AccountRead, "list accounts", false},
	{AccountChange, "create an account, change its role, reset its password", true},
	{AccountDisable, "disable an account", false},
	{TokenRead, "list tokens", false},
	{TokenChange, "issue, rotate or release a token", true},
	{TokenRevoke, "revoke or quarantine a token", false},
	{DeviceEnrol, "ask for a code to show on a new wall", false},
	{DeviceHealth, "report the health of a wall, its own", false},
	{DeviceRead, "list walls and their health", false},
	{DeviceApprove, "approve a wall by its code", true},
	{DeviceChange, "rename a wall", false},
	{DeviceRevoke, "revoke a wall", false},
}

// kinded are the actions whose row names kinds.
var kinded = map[Action]bool{FeatureRead: true, FeatureCreate: true, FeaturePut: true, FeaturePatch: true, FeatureDelete: true,
	SealedOpen: true, SealedErase: true}

// writes are the actions that change a feature: who does not see a sensitive one
// does not change it either, and is not told that it is there.
var writes = map[Action]bool{FeatureCreate: true, FeaturePut: true, FeaturePatch: true, FeatureDelete: true, Dispatch: true,
	UnitStatus: true, Share: true, SealedOpen: true, SealedErase: true}

// Groups of roles that the rows speak of.
var (
	everyone = []Role{Anonymous, Viewer, Dispatcher, Supervisor, Commander, AgencyOfficer, ShelterKeeper, Admin, FeedProgram, Wall}
	persons  = PersonRoles
	ops      = []Role{Dispatcher, Supervisor, Commander, Admin}
	desk     = []Role{Dispatcher, Supervisor, Admin}
)

func roles(groups ...any) []Role {
	var out []Role
	for _, g := range groups {
		switch g := g.(type) {
		case Role:
			out = append(out, g)
		case []Role:
			out = append(out, g...)
		}
	}
	return out
}

// may adds a row. A cell that is filled twice is a mistake of ours.
func may(who []Role, a Action, g grant, kinds ...geo.Kind) {
	if kinded[a] != (len(kinds) > 0) {
		panic(fmt.Sprintf("access: the row of %s must name kinds exactly if the action has them", a))
	}
	if len(kinds) == 0 {
		kinds = []geo.Kind{""}
	}
	for _, r := range who {
		for _, k := range kinds {
			c := cell{r, a, k}
			if _, twice := table[c]; twice {
				panic(fmt.Sprintf("access: %s %s %s stands in the policy twice", r, a, k))
			}
			g.stepUp = slices.ContainsFunc(Actions, func(i ActionInfo) bool { return i.Action == a && i.Dangerous })
			table[c] = g
		}
	}
}

func init() {
	all := grant{}
	may(everyone, HealthRead, all)
	may(everyone, ScreensRead, all)
	may(everyone, ContractRead, all)
	may(everyone, GroundRead, all)
	may(roles(Anonymous, persons, Wall), PublicRead, all)
	may(roles(persons, Wall, FeedProgram), PresetRead, all)
	may(roles(Viewer, Supervisor, Admin), MetricsRead, all)
	may(roles(ops, Viewer, AgencyOfficer, Wall), CoverageRead, all)
	may(roles(ops, AgencyOfficer), PlanAsk, all)
	may(roles(Anonymous, persons, Wall), StreamOpen, all)
	may(roles(ops, Viewer, AgencyOfficer), ReplayOpen, all)
	may(roles(Supervisor, Commander, Admin), ExportRead, all)
	may(roles(Supervisor, Admin), AuditRead, all)
	may(persons, PolicyRead, all)
	may(roles(Supervisor, Admin), Preview, all)

	// What is read. Operations see everything but what is sealed; internal fields of
	// another agency only while the reader is not confined to some.
	onMap := []geo.Kind{geo.Unit, geo.Incident, geo.Hazard, geo.Shelter, geo.Site, geo.Zone, geo.Assignment, geo.Alarm, geo.Feed, geo.Coverage, geo.Void,
		geo.Situation, geo.Response, geo.Figure, geo.Decision, geo.Layout}
	may(ops, FeatureRead, grant{internal: true, sensitive: true}, append(slices.Clone(onMap), geo.Call, Publication)...)
	may(roles(Viewer, Wall), FeatureRead, grant{}, append(slices.Clone(onMap), Publication)...)
	may(roles(AgencyOfficer), FeatureRead, grant{scope: OwnAgency, own: true}, geo.Incident)
	may(roles(AgencyOfficer), FeatureRead, grant{own: true}, append(slices.DeleteFunc(slices.Clone(onMap), func(k geo.Kind) bool { return k == geo.Incident }), Publication)...)
	may(roles(ShelterKeeper), FeatureRead, grant{scope: OwnShelter, internal: true, sensitive: true}, geo.Shelter)
	may(roles(ShelterKeeper), FeatureRead, grant{}, Publication)

	// What is personal. Those who work with callers, and nobody else: not who leads,
	// not who runs the machines.
	may(roles(Dispatcher, Supervisor), SealedOpen, all, geo.Incident, geo.Call)
	may(roles(Supervisor, Admin), SealedErase, all, geo.Incident, geo.Call)

	// What is written.
	theirs := grant{scope: TheirAgency}
	for _, a := range []Action{FeatureCreate, FeaturePut, FeaturePatch} {
		may(desk, a, theirs, geo.Unit)
		may(desk, a, all, geo.Incident, geo.Hazard, geo.Shelter, geo.Site)
	}
	may(roles(Supervisor, Admin), FeatureDelete, theirs, geo.Unit)
	may(roles(Supervisor, Admin), FeatureDelete, all, geo.Incident, geo.Shelter, geo.Site)
	may(desk, FeatureDelete, all, geo.Hazard)
	may(roles(Commander), FeaturePatch, grant{fields: []string{"priority", "alarm_level", "grade"}}, geo.Incident)
	officers := []string{"name", "type", "agency", "capabilities", "crew", PlaceField, "agency_notes"}
	may(roles(AgencyOfficer), FeatureCreate, grant{scope: OwnAgency, fields: officers}, geo.Unit)
	may(roles(AgencyOfficer), FeaturePatch, grant{scope: OwnAgency, fields: officers}, geo.Unit)
	may(roles(ShelterKeeper), FeaturePatch, grant{scope: OwnShelter, fields: []string{"status", "occupancy", "counted_at", "needs"}}, geo.Shelter)
	may(roles(FeedProgram), FeatureCreate, grant{scope: OwnIDs, fields: []string{"name", "type", "agency", "capabilities", "crew"}}, geo.Unit)

	may(desk, Dispatch, theirs)
	may(roles(Supervisor, Commander, Admin), Share, theirs)
	may(roles(persons, Wall), WorldsRead, all)
	may(desk, UnitStatus, theirs)
	may(roles(AgencyOfficer), UnitStatus, grant{scope: OwnAgency})
	may(roles(ops, System), AlarmAck, all)
	may(roles(desk, AgencyOfficer, System), AlarmRaise, all)
	may(roles(Supervisor, Admin, System), AlarmOver, all)
	may(roles(Admin, System), FeedDeclare, all)
	may(roles(System), SystemNote, all)
	may(roles(FeedProgram), FixReport, grant{scope: OwnIDs})
	may(desk, FixReport, theirs)

	may(roles(Supervisor, Commander), Publish, all)
	may(roles(Dispatcher, Supervisor, Commander), Withdraw, all)
	may(ops, LayoutSet, all)
	may(roles(Supervisor, Commander), FactSet, all)
	may(roles(Supervisor, Commander), Decide, all)
	may(roles(Supervisor, Commander), ResponseSet, all)

	// Accounts, sessions, tokens and walls. What takes a right away needs no second
	// proof: a lost tablet must be dead at once.
	mine := grant{scope: OwnAccount}
	may(roles(Anonymous, persons), SignInAct, all)
	may(roles(persons, Wall), SignOut, mine)
	may(persons, StepUpAct, mine)
	may(roles(Anonymous), SetupAct, all)
	may(roles(Anonymous, persons), ResetUse, all)
	may(roles(persons, Wall, FeedProgram), SessionRead, all)
	may(roles(persons), SelfRead, mine)
	may(persons, SelfEdit, mine)
	may(persons, SelfChange, mine)
	may(roles(Supervisor, Admin), SessionRevoke, all)
	may(roles(Admin), AccountRead, all)
	may(roles(Admin), AccountChange, all)
	may(roles(Admin), AccountDisable, all)
	may(roles(Admin), TokenRead, all)
	may(roles(Admin), TokenChange, all)
	may(roles(Admin), TokenRevoke, all)
	may(roles(Anonymous, Wall), DeviceEnrol, all)
	may(roles(Wall), DeviceHealth, all)
	may(roles(Supervisor, Admin), DeviceRead, all)
	may(roles(Supervisor, Admin), DeviceApprove, all)
	may(roles(Supervisor, Admin), DeviceChange, all)
	may(roles(Supervisor, Admin), DeviceRevoke, all)
}
