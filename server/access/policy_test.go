package access

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rasad/geo"
	"rasad/server/dispatch"
)

var update = flag.Bool("update", false, "write POLICY.md")

func TestPolicyDocument(t *testing.T) {
	if *update {
		if err := os.WriteFile("POLICY.md", []byte(Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("POLICY.md")
	if err != nil || string(b) != Document() {
		t.Errorf("POLICY.md is not what the table says (%v); run go generate ./server/access", err)
	}
}

func TestEveryCallOfTheContractHasAnAction(t *testing.T) {
	b, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, calls := range doc.Paths {
		for method, node := range calls {
			var call struct {
				OperationID string `yaml:"operationId"`
			}
			if node.Kind != yaml.MappingNode || node.Decode(&call) != nil || call.OperationID == "" {
				continue
			}
			n++
			a, kind, ok := OperationAction(call.OperationID)
			if !ok || !slices.ContainsFunc(Actions, func(i ActionInfo) bool { return i.Action == a }) {
				t.Errorf("%s %s (%s) has no action: name it in operations, in request.go", method, path, call.OperationID)
			}
			for word, want := range map[string]geo.Kind{"/units": geo.Unit, "/incidents": geo.Incident, "/hazards": geo.Hazard, "/shelters": geo.Shelter, "/sites": geo.Site} {
				if strings.HasPrefix(path, "/api/v1"+word) && kind != want {
					t.Errorf("%s %s is about %q, want %q", method, path, kind, want)
				}
			}
			if method != "get" && (a == FeatureRead || a == HealthRead) {
				t.Errorf("%s %s writes and has the action %s", method, path, a)
			}
		}
	}
	if n < 40 {
		t.Fatalf("%d calls were found in the contract", n)
	}
	for op := range operations {
		if !strings.Contains(string(b), "operationId: "+op+"\n") {
			t.Errorf("the policy knows a call %s that the contract does not have", op)
		}
	}
	if _, _, ok := OperationAction("getCaller"); ok {
		t.Error("a call that nobody has thought about has an action")
	}
}

func TestEveryCommandHasAnAction(t *testing.T) {
	for name := range dispatch.Rules(dispatch.Policy{}) {
		if _, ok := commandActions[name]; !ok {
			t.Errorf("the rule %s has no action", name)
		}
	}
}

// manual is the policy as it was written by hand, before the table and without it:
// a line for each action (and kind), a column for each role.
//
//	. never   y always   o own ones only   + only with a second proof
//	a anonymous  v viewer  d dispatcher  s supervisor  c commander  g agency officer
//	k shelter keeper  m admin  f feed  w wall  y system
const manual = `
                                a v d s c g k m f w y
health.read                     y y y y y y y y y y .
screens.read                    y y y y y y y y y y .
contract.read                   y y y y y y y y y y .
ground.read                     y y y y y y y y y y .
public.read                     y y y y y y y y . y .
preset.read                     . y y y y y y y y y .
metrics.read                    . y . y . . . y . . .
coverage.read                   . y y y y y . y . y .
plan.ask                        . . y y y y . y . . .
export.read                     . . . y y . . y . . .
audit.read                      . . . y . . . y . . .
policy.read                     . y y y y y y y . . .
audience.preview                . . . y . . . y . . .
dispatch                        . . y y . . . y . . .
incident.share                  . . . y y . . y . . .
worlds.read                     . y y y y y y y . y .
unit.status                     . . y y . o . y . . .
alarm.ack                       . . y y y . . y . . y
alarm.raise                     . . y y . y . y . . y
alarm.over                      . . . y . . . y . . y
feed.declare                    . . . . . . . y . . y
system.note                     . . . . . . . . . . y
fix.report                      . . y y . . . y o . .
publication.publish             . . . + + . . . . . .
publication.withdraw            . . y y y . . . . . .
layout.set                      . . y y y . . y . . .
fact.set                        . . . y y . . . . . .
decision.settle                 . . . + + . . . . . .
response.set                    . . . y y . . . . . .
session.begin                   y y y y y y y y . . .
session.end                     . o o o o o o o . o .
session.stepup                  . o o o o o o o . . .
setup                           y . . . . . . . . . .
reset.use                       y y y y y y y y . . .
session.read                    . y y y y y y y y y .
self.read                       . o o o o o o o . . .
self.edit                       . o o o o o o o . . .
self.change                     . + + + + + + + . . .
session.revoke                  . . . y . . . y . . .
account.read                    . . . . . . . y . . .
account.change                  . . . . . . . + . . .
account.disable                 . . . . . . . y . . .
token.read                      . . . . . . . y . . .
token.change                    . . . . . . . + . . .
token.revoke                    . . . . . . . y . . .
device.enrol                    y . . . . . . . . y .
device.health                   . . . . . . . . . y .
device.read                     . . . y . . . y . . .
device.approve                  . . . + . . . + . . .
device.change                   . . . y . . . y . . .
device.revoke                   . . . y . . . y . . .
sealed.open incident            . . y y . . . . . . .
sealed.open call                . . y y . . . . . . .
sealed.erase incident           . . . + . . . + . . .
sealed.erase call               . . . + . . . + . . .
feature.read unit               . y y y y y . y . y .
feature.read incident           . y y y y o . y . y .
feature.read hazard             . y y y y y . y . y .
feature.read shelter            . y y y y y o y . y .
feature.read site               . y y y y y . y . y .
feature.read zone               . y y y y y . y . y .
feature.read call               . . y y y . . y . . .
feature.read assignment         . y y y y y . y . y .
feature.read alarm              . y y y y y . y . y .
feature.read feed               . y y y y y . y . y .
feature.read coverage           . y y y y y . y . y .
feature.read void               . y y y y y . y . y .
feature.read situation          . y y y y y . y . y .
feature.read response           . y y y y y . y . y .
feature.read figure             . y y y y y . y . y .
feature.read decision           . y y y y y . y . y .
feature.read layout             . y y y y y . y . y .
feature.read publication        . y y y y y y y . y .
feature.create unit             . . y y . o . y o . .
feature.create incident         . . y y . . . y . . .
feature.create hazard           . . y y . . . y . . .
feature.create shelter          . . y y . . . y . . .
feature.create site             . . y y . . . y . . .
feature.put unit                . . y y . . . y . . .
feature.put incident            . . y y . . . y . . .
feature.put hazard              . . y y . . . y . . .
feature.put shelter             . . y y . . . y . . .
feature.put site                . . y y . . . y . . .
feature.patch unit              . . y y . o . y . . .
feature.patch incident          . . y y y . . y . . .
feature.patch hazard            . . y y . . . y . . .
feature.patch shelter           . . y y . . o y . . .
feature.patch site              . . y y . . . y . . .
feature.delete unit             . . . y . . . y . . .
feature.delete incident         . . . y . . . y . . .
feature.delete hazard           . . y y . . . y . . .
feature.delete shelter          . . . y . . . y . . .
feature.delete site             . . . y . . . y . . .
`

var manualRoles = []Role{Anonymous, Viewer, Dispatcher, Supervisor, Commander, AgencyOfficer, ShelterKeeper, Admin, FeedProgram, Wall, System}

// someone of each role, with something of their own.
func someone(r Role) Principal {
	p := Principal{Name: "test:" + string(r), Role: r, From: "192.0.2.7"}
	switch {
	case slices.Contains(PersonRoles, r):
		p.Account, p.Session = "acc", "ses"
	case r == Wall:
		p.Device, p.Session = "dev", "ses"
	case r == FeedProgram:
		p.Token, p.Feed, p.IDs, p.Creates = "tok", "osmand", Patterns{"E*"}, true
	}
	switch r {
	case AgencyOfficer:
		p.Agencies = []string{"fire"}
	case ShelterKeeper:
		p.Shelters = []string{"S1"}
	}
	return p
}

// mine and theirs are targets of a kind: one of someone's own, one of others.
func mine(k geo.Kind) Target {
	key := "E7"
	if k == geo.Shelter {
		key = "S1"
	}
	return Target{Kind: k, Key: key, Agencies: []string{"fire"}, Account: "acc", Session: "ses", Feed: "osmand"}
}

func theirs(k geo.Kind) Target {
	key := "M7"
	if k == geo.Shelter {
		key = "S2"
	}
	return Target{Kind: k, Key: key, Agencies: []string{"ems"}, Account: "other", Session: "another", Feed: "owntracks"}
}

func TestTheTableIsAsTheManualSays(t *testing.T) {
	said := map[Action]bool{StreamOpen: true, ReplayOpen: true} // by audience, below
	cells := map[cell]bool{}
	cases := 0
	for _, line := range strings.Split(strings.TrimSpace(manual), "\n")[1:] {
		f := strings.Fields(line)
		a, kind := Action(f[0]), geo.Kind("")
		marks := f[1:]
		if len(f) == 2+len(manualRoles) {
			kind, marks = geo.Kind(f[1]), f[2:]
		}
		if len(marks) != len(manualRoles) {
			t.Fatalf("the line %q has %d marks", line, len(marks))
		}
		said[a] = true
		for i, r := range manualRoles {
			cells[cell{r, a, kind}] = true
			p := someone(r)
			stepped := p
			stepped.SteppedUp = true
			own := mine(kind)
			own.Account = p.Account // a wall's session has none
			got := [3]bool{Allow(p, a, own).Allowed, Allow(p, a, theirs(kind)).Allowed, Allow(stepped, a, own).Allowed}
			cases += 3
			var want [3]bool
			switch marks[i] {
			case "y":
				want = [3]bool{true, true, true}
			case "o":
				want = [3]bool{true, false, true}
			case "+":
				want = [3]bool{false, false, true}
			}
			if got != want {
				t.Errorf("%s %s by %s: own %v, others' %v, own with a second proof %v; the manual says %s", a, kind, r, got[0], got[1], got[2], marks[i])
			}
		}
	}
	for _, i := range Actions {
		if !said[i.Action] {
			t.Errorf("the manual does not speak of %s", i.Action)
		}
	}
	for c := range table {
		if !cells[c] && c.action != StreamOpen && c.action != ReplayOpen {
			t.Errorf("the table allows %v, of which the manual does not speak", c)
		}
	}
	t.Logf("%d cases", cases)
}

// manualReads is what may be read, as the manual says it in words.
func manualReads(p Principal, door Door, tg Target, class string, owned, nobodys bool) bool {
	in := func(roles ...Role) bool {
		return slices.Contains(roles, p.Role) || p.BreakGlass && slices.Contains(roles, Admin)
	}
	operations := in(Dispatcher, Supervisor, Commander, Admin)
	switch {
	case class == "personal", door == DoorFeed, door == DoorTile, p.Role == FeedProgram, p.Role == System:
		return false
	case door == DoorPublic, p.Role == Anonymous: // the public world is another one
		return false
	case door == DoorExport && !in(Supervisor, Commander, Admin):
		return false
	case door == DoorReplay && in(Anonymous, ShelterKeeper, Wall) && !p.BreakGlass:
		return false
	case tg.Kind == Publication:
		if tg.Sensitive && !operations && !(in(AgencyOfficer) && owned) {
			return false
		}
		return class == "open" || operations && (len(p.Agencies) == 0 || owned || nobodys) || in(AgencyOfficer) && owned
	case operations:
		return class == "open" || len(p.Agencies) == 0 || owned || nobodys
	case tg.Kind == geo.Call:
		return false
	case in(Viewer, Wall):
		return class == "open" && !tg.Sensitive
	case in(AgencyOfficer):
		if tg.Kind == geo.Incident || tg.Sensitive || class != "open" {
			return owned
		}
		return true
	case in(ShelterKeeper):
		return tg.Kind == geo.Shelter && tg.Key == "S1"
	}
	return false
}

// manualClass is the class of the fields that matter, said once more.
var manualClass = map[string]map[geo.Kind][]string{
	"personal": {geo.Incident: {"caller", "patient", "medical"}, geo.Call: {"caller", "patient", "medical"}},
	"open": {
		geo.Unit:       {"name", "type", "status", "agency", "capabilities", "crew", "distress", "dispatchable", "assigned", "assignment", "fix", "place", "simulated"},
		geo.Incident:   {"name", "type", "status", "priority", "alarm_level", "grade", "opened_at", "closed_at", "en_route_at", "assigned", "place"},
		geo.Hazard:     {"name", "type", "impassable", "speed_factor", "valid_from", "valid_to", "active", "place"},
		geo.Shelter:    {"name", "type", "status", "capacity", "occupancy", "counted_at", "needs", "place"},
		geo.Site:       {"name", "type", "place"},
		geo.Zone:       {"name", "type", "place"},
		geo.Call:       {"incident", "received_at"},
		geo.Assignment: {"incident", "unit", "assigned_at", "on_scene_at", "cleared_at"},
		geo.Alarm:      {"type", "text", "subjects", "lasting", "raised_at", "acked_at", "over_at"},
		geo.Feed:       {"name", "interval_s", "datum", "silent_since"},
		geo.Coverage:   {"units", "standards", "trend"},
		geo.Void:       {"zone", "capability", "seconds", "since", "names", "alarmed"},
		Publication:    {"type", "status", "shown", "public_id", "place"},
	},
	"internal": {
		geo.Unit: {"agency_notes", "phone", "crew_names", "unheard_of", "caller"}, geo.Incident: {"description", "notes", "by", "unheard_of"},
		geo.Hazard: {"notes", "unheard_of", "reported_at"}, geo.Shelter: {"keeper_phone", "unheard_of"}, geo.Site: {"plan", "contents", "unheard_of"},
		geo.Zone: {"notes"}, geo.Call: {"number", "text", "unheard_of"}, geo.Assignment: {"by", "reason"}, geo.Alarm: {"raised_by", "acked_by", "unheard_of"},
		geo.Feed: {"password", "url"}, geo.Coverage: {"unheard_of"}, geo.Void: {"unheard_of"}, Publication: {"source", "ask", "next", "told", "why", "unheard_of"},
	},
}

// readers are someone of each role, some of them confined or of the break-glass
// account.
func readers() []Principal {
	var out []Principal
	for _, r := range AllRoles {
		out = append(out, someone(r))
	}
	for _, r := range []Role{Dispatcher, Supervisor, Commander, Admin} {
		p := someone(r)
		p.Agencies = []string{"fire"}
		out = append(out, p)
	}
	glass := someone(Viewer)
	glass.BreakGlass = true
	return append(out, glass)
}

// TestWhoReadsWhat goes through every role × kind × field × door × ownership ×
// sensitivity.
func TestWhoReadsWhat(t *testing.T) {
	cases, allowed := 0, 0
	for _, p := range readers() {
		for _, door := range Doors {
			reader := NewReader(p, door)
			for _, kind := range Kinds {
				for class, kinds := range manualClass {
					for _, field := range kinds[kind] {
						for of := range 3 {
							tg := [3]Target{mine(kind), theirs(kind), {Kind: kind, Key: "X1"}}[of]
							for _, tg.Sensitive = range []bool{false, true} {
								cases++
								want := manualReads(p, door, tg, class, of == 0, of == 2)
								if got := reader.Field(tg, field); got != want {
									t.Fatalf("%s (agencies %v, break-glass %v) reads %s of %s %+v through %s: got %v, the manual says %v",
										p.Role, p.Agencies, p.BreakGlass, field, kind, tg, door, got, want)
								}
								if want {
									allowed++
								}
							}
						}
					}
				}
			}
		}
	}
	if cases < 5000 || allowed < 500 {
		t.Errorf("%d cases, %d of them allowed: want 5000 and 500", cases, allowed)
	}
	t.Logf("%d cases, %d allowed", cases, allowed)
}

// TestNever are the rows that matter, said so that no table can agree by mistake.
func TestNever(t *testing.T) {
	for _, p := range readers() {
		p.SteppedUp = true
		for _, tg := range []Target{mine(geo.Incident), theirs(geo.Call), {Kind: geo.Incident, Sensitive: true}} {
			if d := Allow(p, SealedOpen, tg); d.Allowed && p.Role != Dispatcher && p.Role != Supervisor && !p.BreakGlass {
				t.Errorf("%s sees callers", p.Role)
			}
		}
		if d := Allow(p, Publish, Target{}); d.Allowed && p.Role != Supervisor && p.Role != Commander && !p.BreakGlass {
			t.Errorf("%s publishes", p.Role)
		}
		tokened := p
		tokened.Account, tokened.Session, tokened.Token, tokened.SteppedUp, tokened.BreakGlass = "", "", "tok", false, false
		for _, i := range Actions {
			a := i.Action
			for _, k := range append([]geo.Kind{""}, Kinds...) {
				for _, tg := range []Target{mine(k), theirs(k)} {
					d := Allow(p, a, tg)
					if d.Allowed != (d.Code == Allowed) || !d.Allowed && (d.Code == "" || d.Reason == "") {
						t.Errorf("%s %s: decision %+v", p.Role, a, d)
					}
					if slices.Contains([]Action{SelfRead, SignOut, StepUpAct}, a) && Allow(tokened, a, Target{}).Allowed {
						t.Errorf("a program of the role %s has a %s", p.Role, a)
					}
					if i.Dangerous && Allow(tokened, a, tg).Allowed {
						t.Errorf("a program of the role %s does the dangerous %s", p.Role, a)
					}
					if !d.Allowed {
						continue
					}
					switch p.Role {
					case Wall:
						if !strings.HasSuffix(string(a), ".read") && a != DeviceHealth && a != DeviceEnrol && a != SignOut && a != StreamOpen {
							t.Errorf("a wall does %s", a)
						}
					case FeedProgram:
						if !slices.Contains([]Action{HealthRead, ScreensRead, ContractRead, GroundRead, PresetRead, SessionRead}, a) && (tg.Key != "E7" || a != FixReport && a != FeatureCreate) {
							t.Errorf("a feed does %s to %+v", a, tg)
						}
					case Viewer:
						if writes[a] && !p.BreakGlass {
							t.Errorf("a viewer does %s", a)
						}
					}
				}
			}
		}
	}
	for _, i := range Actions {
		if d := Allow(Principal{}, i.Action, Target{}); d.Allowed {
			t.Errorf("nobody does %s", i.Action)
		}
		limited := someone(Admin)
		limited.Limited, limited.SteppedUp, limited.BreakGlass = true, true, true
		may := []Action{HealthRead, ScreensRead, SessionRead, SelfRead, SelfChange, SignOut, StepUpAct}
		if d := Allow(limited, i.Action, mine("")); d.Allowed && !slices.Contains(may, i.Action) || !d.Allowed && d.Code != PasswordChange {
			t.Errorf("who must change the password: %s %+v", i.Action, d)
		}
	}
	for _, door := range Doors {
		limited := someone(Dispatcher)
		limited.Limited = true
		if NewReader(limited, door).Show(&geo.Feature{Kind: geo.Unit, Key: "E7"}, mine(geo.Unit)) != nil {
			t.Errorf("who must change the password reads through %s", door)
		}
	}
	if Allow(someone(Supervisor), FeatureRead, Target{Kind: "something_new"}).Allowed {
		t.Error("a kind that the policy does not know is read")
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	program := someone(Admin)
	program.Account, program.Token = "", "tok"
	glass := someone(Viewer)
	glass.BreakGlass = true
	police := "police"
	tests := map[string]struct {
		who    Principal
		action Action
		target Target
		want   string
	}{
		"nobody must sign in":                           {Nobody(""), FeatureRead, mine(geo.Unit), SignInNeeded},
		"a viewer is denied":                            {someone(Viewer), FeaturePatch, mine(geo.Unit), Denied},
		"an admin proves again":                         {someone(Admin), AccountChange, Target{}, StepUpNeeded},
		"a program cannot":                              {program, AccountChange, Target{}, PersonNeeded},
		"break-glass proves again":                      {glass, Publish, Target{}, StepUpNeeded},
		"an officer's other agency":                     {someone(AgencyOfficer), FeaturePatch, theirs(geo.Unit), NotOwn},
		"an officer gives a unit away":                  {someone(AgencyOfficer), FeaturePatch, func() Target { g := mine(geo.Unit); g.Agency = &police; return g }(), NotOwn},
		"an officer writes another field":               {someone(AgencyOfficer), FeaturePatch, func() Target { g := mine(geo.Unit); g.Fields = []string{"name", "status"}; return g }(), FieldDenied},
		"a keeper moves the shelter":                    {someone(ShelterKeeper), FeaturePatch, func() Target { g := mine(geo.Shelter); g.Fields = []string{PlaceField}; return g }(), FieldDenied},
		"a keeper counts":                               {someone(ShelterKeeper), FeaturePatch, func() Target { g := mine(geo.Shelter); g.Fields = []string{"counted_at", "occupancy"}; return g }(), Allowed},
		"a commander raises the grade":                  {someone(Commander), FeaturePatch, func() Target { g := mine(geo.Incident); g.Fields = []string{"grade"}; return g }(), Allowed},
		"a commander renames":                           {someone(Commander), FeaturePatch, func() Target { g := mine(geo.Incident); g.Fields = []string{"name"}; return g }(), FieldDenied},
		"a sensitive incident does not exist":           {someone(Viewer), FeatureRead, Target{Kind: geo.Incident, Sensitive: true}, Hidden},
		"an incident of others does not exist":          {someone(AgencyOfficer), FeatureRead, theirs(geo.Incident), Hidden},
		"a call does not exist":                         {someone(Wall), FeatureRead, mine(geo.Call), Hidden},
		"who does not see it does not write it":         {someone(FeedProgram), FeatureCreate, Target{Kind: geo.Unit, Key: "E7", Sensitive: true}, Hidden},
		"a feed's other feed":                           {someone(FeedProgram), FixReport, Target{Key: "E7", Feed: "owntracks"}, NotOwn},
		"a feed's unit":                                 {someone(FeedProgram), FixReport, Target{Key: "E7", Feed: "osmand"}, Allowed},
		"a feed's other unit":                           {someone(FeedProgram), FixReport, Target{Key: "M1", Feed: "osmand"}, NotOwn},
		"the session of another":                        {someone(Dispatcher), SignOut, Target{Session: "x"}, NotOwn},
		"another's password, even with a second proof":  {func() Principal { p := someone(Supervisor); p.SteppedUp = true; return p }(), SelfChange, Target{Account: "other"}, NotOwn},
		"a dispatcher asks for the audience of another": {someone(Dispatcher), StreamOpen, Target{Audience: "agency:fire"}, AudienceDenied},
	}
	for name, tt := range tests {
		if got := Allow(tt.who, tt.action, tt.target); got.Code != tt.want {
			t.Errorf("%s: got %+v, want %s", name, got, tt.want)
		}
	}
}

func TestAudiences(t *testing.T) {
	confined := someone(Dispatcher)
	confined.Agencies = []string{"police", "fire", "police"}
	officer := someone(AgencyOfficer)
	tests := map[string]struct {
		who    Principal
		asked  string
		replay bool
		want   string // empty: refused
	}{
		"a dispatcher sees ops":                  {someone(Dispatcher), "", false, "ops"},
		"and the brief":                          {someone(Dispatcher), "brief", false, "brief"},
		"and the public world":                   {someone(Dispatcher), "public", false, "public"},
		"a confined one asks for ops":            {confined, "ops", false, "ops:fire,police"},
		"or by its name":                         {confined, "ops:fire,police", false, "ops:fire,police"},
		"not for another":                        {confined, "ops:ems", false, ""},
		"nor for all":                            {someone(Viewer), "ops", false, ""},
		"a viewer":                               {someone(Viewer), "", false, "brief"},
		"a wall":                                 {someone(Wall), "", false, "brief"},
		"a wall plays no past":                   {someone(Wall), "", true, ""},
		"a viewer plays it":                      {someone(Viewer), "brief", true, "brief"},
		"an officer":                             {officer, "agency", false, "agency:fire"},
		"an officer sees no brief":               {officer, "brief", false, ""},
		"a keeper":                               {someone(ShelterKeeper), "", false, "shelter:S1"},
		"a keeper plays no past":                 {someone(ShelterKeeper), "", true, ""},
		"nobody":                                 {Nobody(""), "", false, "public"},
		"nobody asks for ops":                    {Nobody(""), "ops", false, ""},
		"nobody plays the past":                  {Nobody(""), "public", true, ""},
		"a feed":                                 {someone(FeedProgram), "", false, ""},
		"a feed asks for the public world":       {someone(FeedProgram), "public", false, ""},
		"an audience that is not":                {someone(Supervisor), "everything", false, ""},
		"a name that only begins like one's own": {confined, "ops:fire,police,ems", false, ""},
	}
	for name, tt := range tests {
		got, d := ResolveAudience(tt.who, tt.asked, tt.replay)
		if d.Allowed != (tt.want != "") || d.Allowed && got != tt.want {
			t.Errorf("%s: got %q %+v, want %q", name, got, d, tt.want)
		}
	}
	for _, name := range []string{"", "ops:", "ops:b,a", "ops:a,a", "agency:", "brief:x", "public:x", "feed", "shelter:", "x:y", ":"} {
		if _, err := AudienceReader(name, DoorStream); err == nil {
			t.Errorf("there is an audience %q", name)
		}
	}
}

var testFacts = Facts{Sensitive: map[geo.Kind][]string{geo.Incident: {"assault"}, geo.Shelter: {"safe_house"}},
	Agencies: map[string][]string{"fire": {"fire", "ems"}, "assault": {"police"}}}

func randomFeature(r *rand.Rand) *geo.Feature {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	kind := append(slices.Clone(Kinds), "something_new")[r.IntN(len(Kinds)+1)]
	m := map[string]any{"name": "n", "type": pick("fire", "assault", "safe_house", "x"), "opened_at": "2026-11-22T00:00:00Z"}
	for _, f := range []string{"agency", "agencies", "description", "caller", "patient", "capacity", "unheard_of", "raised_by", "sensitive", "assigned"} {
		if r.IntN(2) == 0 {
			continue
		}
		switch f {
		case "agency":
			m[f] = pick("fire", "ems", "police")
		case "agencies", "assigned":
			m[f] = []string{pick("fire", "ems", "police")}
		case "sensitive":
			m[f] = r.IntN(4) == 0
		default:
			m[f] = "SECRET-" + f
		}
	}
	f := &geo.Feature{ID: geo.ID(1 + r.IntN(6)), Key: pick("E7", "M7", "S1", "S2"), Kind: kind, Rev: r.Uint64N(9), Props: geo.Props("").With(m)}
	if r.IntN(3) == 0 {
		f.Sealed = []geo.Sealed{{Name: "caller", KeyID: "k", Box: []byte("box")}}
	}
	if r.IntN(3) == 0 {
		f.Extra = "newer"
	}
	return f
}

// What Show leaves is what Field allows, for every reader, door and feature; and
// the audience of a principal sees just that.
func TestShowLeavesWhatFieldAllows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		f := randomFeature(r)
		tg := testFacts.Target(f)
		before := *f
		for _, p := range readers() {
			for _, door := range Doors {
				reader := NewReader(p, door)
				g := reader.Show(f, tg)
				sees := reader.Field(tg, "name")
				if (g != nil) != sees {
					t.Fatalf("%s through %s of %s %s: shown %v, but the name may be seen: %v", p.Role, door, f.Kind, f.Props, g != nil, sees)
				}
				if a := AudienceOf(p); a != "" && (door == DoorStream || door == DoorReplay && p.Role != Wall) {
					of, err := AudienceReader(a, door)
					if err != nil {
						t.Fatal(err)
					}
					if h := of.Show(f, tg); !reflect.DeepEqual(g, h) {
						t.Fatalf("%s sees %+v and its audience %s sees %+v", p.Role, g, a, h)
					}
				}
				if g == nil {
					continue
				}
				if g.ID != f.ID || g.Key != f.Key || g.Rev != f.Rev || g.Kind != f.Kind {
					t.Fatalf("%s through %s became another feature", p.Role, door)
				}
				shown := g.Props.Map()
				for name := range f.Props.Map() {
					if _, ok := shown[name]; ok != reader.Field(tg, name) {
						t.Fatalf("%s through %s: %s of %s is shown: %v, allowed: %v", p.Role, door, name, f.Kind, ok, !ok)
					}
				}
				if inside := reader.Field(tg, "unheard_of"); !inside && (len(g.Sealed) > 0 || g.Extra != "") || door == DoorExport && len(g.Sealed) > 0 {
					t.Fatalf("%s through %s sees sealed or unknown fields of %+v", p.Role, door, f)
				}
			}
		}
		if !reflect.DeepEqual(before, *f) {
			t.Fatal("showing changed the feature")
		}
	}
}

// P(a.Merge(b)) = P(a).Merge(P(b)), the law of audiences, for deltas of puts and
// drops: a projection that hides is a drop.
func TestReadersKeepTheLaw(t *testing.T) {
	project := func(see Reader, d geo.Delta) geo.Delta {
		out := geo.Delta{Drop: slices.Clone(d.Drop)}
		for _, f := range d.Put {
			if g := see.Show(f, testFacts.Target(f)); g != nil {
				out.Put = append(out.Put, g)
			} else {
				out.Drop = append(out.Drop, f.ID)
			}
		}
		return out
	}
	world := func(ds ...geo.Delta) map[geo.ID]string {
		m := map[geo.ID]string{}
		for _, d := range ds {
			for _, id := range d.Drop {
				delete(m, id)
			}
			for _, f := range d.Put {
				m[f.ID] = fmt.Sprintf("%+v", *f)
			}
		}
		return m
	}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		random := func() geo.Delta {
			var d geo.Delta
			seen := map[geo.ID]bool{}
			for range r.IntN(5) {
				f := randomFeature(r)
				if seen[f.ID] {
					continue
				}
				seen[f.ID] = true
				if r.IntN(3) == 0 {
					d.Drop = append(d.Drop, f.ID)
				} else {
					d.Put = append(d.Put, f)
				}
			}
			slices.Sort(d.Drop)
			slices.SortFunc(d.Put, func(a, b *geo.Feature) int { return int(a.ID) - int(b.ID) })
			return d
		}
		a, b := random(), random()
		p := readers()[r.IntN(len(readers()))]
		see := NewReader(p, DoorStream)
		if got, want := world(project(see, a.Merge(b))), world(project(see, a), project(see, b)); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, %s: merging changed what is seen:\n%v\n%v", seed, p.Role, got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	world := map[string]Target{
		"E7": mine(geo.Unit), "M7": theirs(geo.Unit), "S1": mine(geo.Shelter), "S2": theirs(geo.Shelter),
		"I1": {Kind: geo.Incident, Key: "I1", Agencies: []string{"fire"}, Assigned: []string{"E7"}},
		"I2": {Kind: geo.Incident, Key: "I2", Agencies: []string{"ems"}, Assigned: []string{"E7", "M7"}},
		"I3": {Kind: geo.Incident, Key: "I3", Sensitive: true},
	}
	about := func(key string) (Target, bool) { t, ok := world[key]; return t, ok }
	confined := someone(Dispatcher)
	confined.Agencies = []string{"fire"}
	tests := map[string]struct {
		who        Principal
		name, args string
		want       string
	}{
		"assign own to own":                {confined, "incident.assign", `{"incident":"I1","units":["E7"]}`, Allowed},
		"assign own to others'":            {confined, "incident.assign", `{"incident":"I2","units":["E7"]}`, Allowed},
		"assign others'":                   {confined, "incident.assign", `{"incident":"I1","units":["E7","M7"]}`, NotOwn},
		"release all, some others'":        {confined, "incident.release", `{"incident":"I2"}`, NotOwn},
		"release own":                      {confined, "incident.release", `{"incident":"I2","units":["E7"]}`, Allowed},
		"close with others' units":         {confined, "incident.close", `{"incident":"I2"}`, NotOwn},
		"close own":                        {confined, "incident.close", `{"incident":"I1"}`, Allowed},
		"an unconfined one may all":        {someone(Dispatcher), "incident.close", `{"incident":"I2"}`, Allowed},
		"a unit that is not is the rule's": {confined, "incident.assign", `{"incident":"I1","units":["Z9"]}`, Allowed},
		"a commander does not assign":      {someone(Commander), "incident.assign", `{"incident":"I1","units":["E7"]}`, Denied},
		"an officer's unit":                {someone(AgencyOfficer), "unit.status", `{"unit":"E7","status":"available"}`, Allowed},
		"not another's":                    {someone(AgencyOfficer), "unit.status", `{"unit":"M7","status":"available"}`, NotOwn},
		"not one that is not":              {someone(AgencyOfficer), "unit.status", `{"unit":"Z9","status":"available"}`, NotOwn},
		"a keeper counts":                  {someone(ShelterKeeper), "feature.patch", `{"key":"S1","kind":"shelter","props":{"occupancy":12,"kind":"shelter","rev":7}}`, Allowed},
		"not another's shelter":            {someone(ShelterKeeper), "feature.patch", `{"key":"S2","kind":"shelter","props":{"occupancy":12}}`, NotOwn},
		"nor the place":                    {someone(ShelterKeeper), "feature.patch", `{"key":"S1","kind":"shelter","props":{"occupancy":12},"at":null}`, FieldDenied},
		"nor a sealed field":               {someone(ShelterKeeper), "feature.patch", `{"key":"S1","kind":"shelter","sealed":[{"name":"caller","key_id":""}]}`, FieldDenied},
		"nor by put":                       {someone(ShelterKeeper), "feature.put", `{"key":"S1","kind":"shelter","props":{"occupancy":12}}`, Denied},
		"nor something else called so":     {someone(ShelterKeeper), "feature.patch", `{"key":"I1","kind":"shelter","props":{"occupancy":12}}`, Denied},
		"an officer's new unit":            {someone(AgencyOfficer), "feature.create", `{"kind":"unit","at":null,"shape":null,"props":{"agency":"fire","name":"E9"}}`, Allowed},
		"with a key":                       {someone(AgencyOfficer), "feature.create", `{"key":"E9","kind":"unit","props":{"agency":"fire","name":"E9"}}`, Allowed},
		"of another agency":                {someone(AgencyOfficer), "feature.create", `{"key":"E9","kind":"unit","props":{"agency":"ems"}}`, NotOwn},
		"of none":                          {someone(AgencyOfficer), "feature.create", `{"key":"E9","kind":"unit","props":{}}`, NotOwn},
		"an officer gives a unit away":     {someone(AgencyOfficer), "feature.patch", `{"key":"E7","kind":"unit","props":{"agency":"ems"}}`, NotOwn},
		"or leaves it to nobody":           {someone(AgencyOfficer), "feature.patch", `{"key":"E7","kind":"unit","props":{"agency":null}}`, NotOwn},
		"a confined one puts others'":      {confined, "feature.put", `{"key":"M7","kind":"unit","props":{"agency":"fire"}}`, NotOwn},
		"a feed's first fix":               {someone(FeedProgram), "feature.create", `{"key":"E9","kind":"unit","props":{"name":"E9","crew":2}}`, Allowed},
		"a feed's other id":                {someone(FeedProgram), "feature.create", `{"key":"M9","kind":"unit","props":{}}`, NotOwn},
		"a feed's incident":                {someone(FeedProgram), "feature.create", `{"key":"E9","kind":"incident","props":{}}`, Denied},
		"a feed opens a caller":            {someone(FeedProgram), "sealed.open", `{"key":"I1","name":"caller"}`, Denied},
		"a dispatcher opens it":            {someone(Dispatcher), "sealed.open", `{"key":"I1","name":"caller"}`, Allowed},
		"an admin does not":                {someone(Admin), "sealed.open", `{"key":"I1","name":"caller"}`, Denied},
		"a viewer patches what is hidden":  {someone(Viewer), "feature.patch", `{"key":"I3","kind":"incident","props":{"name":"x"}}`, Denied},
		"a decision is written down":       {someone(Commander), "decision.set", `{"name":"d1","text":"x","status":"open"}`, Allowed},
		"yes is said by who proves it":     {someone(Commander), "decision.set", `{"name":"d1","text":"x","status":"done"}`, StepUpNeeded},
		"and so is no":                     {someone(Supervisor), "decision.set", `{"name":"d1","text":"x","status":"dropped"}`, StepUpNeeded},
		"a dispatcher says neither":        {someone(Dispatcher), "decision.set", `{"name":"d1","text":"x","status":"done"}`, Denied},
		"nobody notes coverage":            {someone(Admin), "coverage.note", `{}`, Denied},
		"the system does":                  {someone(System), "coverage.note", `{}`, Allowed},
	}
	for name, tt := range tests {
		r, err := CommandAction(tt.name, json.RawMessage(tt.args))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.Decide(tt.who, about); got.Code != tt.want {
			t.Errorf("%s: got %+v, want %s", name, got, tt.want)
		}
	}
	for _, bad := range []struct{ name, args string }{{"rm -rf", `{}`}, {"", ``}, {"feature.put", `[]`}, {"feature.put", `{"props":7}`}, {"incident.assign", `{"units":"E7"}`}, {"unit.status", ``}} {
		if _, err := CommandAction(bad.name, json.RawMessage(bad.args)); err == nil {
			t.Errorf("%s %s was read", bad.name, bad.args)
		}
	}
}

// Leaving members out by scanning gives what parsing gives.
func FuzzKeepMembers(f *testing.F) {
	f.Add(`{"a":1,"b":{"a":[1,"}",{"x":"\"]"}]},"c":"\\"}`, "b")
	f.Add(`{"<a>":1,"\u2028":[],"é":{},"":null,"b\"c":2}`, "<a>é")
	f.Add(`{}`, "")
	f.Fuzz(func(t *testing.T, text, unwanted string) {
		p, err := geo.ParseProps([]byte(text))
		if err != nil {
			return
		}
		want := func(name string) bool { return !strings.Contains(unwanted, name) }
		got, cut := keepMembers(p, want)
		m := p.Map()
		n := len(m)
		for name := range m {
			if !want(name) {
				delete(m, name)
			}
		}
		slow, err := geo.MakeProps(m)
		if err != nil {
			t.Fatal(err)
		}
		if got != slow || cut != (len(m) != n) {
			t.Fatalf("%s without %q: got %s (%v), want %s", p, unwanted, got, cut, slow)
		}
	})
}

func FuzzCommandAction(f *testing.F) {
	for name := range commandActions {
		f.Add(name, []byte(`{"key":"E7","kind":"unit","props":{"agency":"ems","name":null},"at":[1,2],"sealed":[{"name":"caller"}],"incident":"I","units":["E7"]}`))
	}
	f.Fuzz(func(t *testing.T, name string, args []byte) {
		r, err := CommandAction(name, args)
		if err != nil {
			return
		}
		for _, p := range readers() {
			d := r.Decide(p, func(key string) (Target, bool) { return theirs(geo.Unit), len(key)%2 == 0 })
			if d.Allowed && (p.Role == Viewer && !p.BreakGlass || p.Role == Wall || p.Role == Anonymous) {
				t.Fatalf("%s gives the command %s %s", p.Role, name, args)
			}
		}
	})
}

func FuzzPatterns(f *testing.F) {
	f.Add("E*", "E7")
	f.Add("*-12*", "ambulance-12b")
	f.Add("a*a*a", "aa")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if CheckPatterns(Patterns{pattern}) != nil {
			return
		}
		slow := regexp.MustCompile("(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		if got, want := (Patterns{pattern}).Match(key), slow.MatchString(key); got != want {
			t.Errorf("%q matches %q: got %v, want %v", pattern, key, got, want)
		}
	})
}

func TestPatternsEqualRegularExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := func(letters string, most int) string {
		b := make([]byte, r.IntN(most))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	for range 20_000 {
		pattern, key := text("ab*", 7), text("ab", 9)
		if CheckPatterns(Patterns{pattern}) != nil {
			continue
		}
		slow := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$")
		if got, want := (Patterns{pattern}).Match(key), slow.MatchString(key); got != want {
			t.Fatalf("%q matches %q: got %v, want %v", pattern, key, got, want)
		}
	}
	if !Patterns(nil).Match("E7") || (Patterns{}).Match("E7") {
		t.Error("no patterns match everything, an empty list nothing")
	}
}

func BenchmarkAllow(b *testing.B) {
	p, tg := someone(FeedProgram), Target{Kind: geo.Unit, Key: "E7", Feed: "osmand"}
	b.ReportAllocs()
	for b.Loop() {
		if !Allow(p, FixReport, tg).Allowed {
			b.Fatal("refused")
		}
	}
}

func BenchmarkShow(b *testing.B) {
	f := &geo.Feature{ID: 1, Key: "E7", Kind: geo.Unit, Props: geo.Props("").With(map[string]any{"name": "Engine 7", "agency": "fire", "status": "available", "agency_notes": "x"})}
	tg := testFacts.Target(f)
	for _, who := range []Role{Dispatcher, Viewer} {
		b.Run(string(who), func(b *testing.B) {
			see := NewReader(someone(who), DoorStream)
			b.ReportAllocs()
			for b.Loop() {
				if see.Show(f, tg) == nil {
					b.Fatal("hidden")
				}
			}
		})
	}
}
