package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// ErrCommand is a command that the policy does not know, or whose arguments it
// cannot read. Such a command is nobody's.
var ErrCommand = errors.New("the policy does not know this command")

// Request is a command as the policy sees it.
type Request struct {
	Action Action
	// Kind is that of the feature that is written, when the command says one.
	Kind   geo.Kind
	Keys   []string // of the features that it is about
	Fields []string // that it writes, sorted; [PlaceField] is the geometry
	Agency *string  // that it gives the feature; nil: it says none
	// all: the command is about all units of the incident too.
	all bool
}

// serverFields are members that the rules pass over in what is written.
var serverFields = []string{"id", "kind", "rev", "fix"}

// commandActions are the commands of the rules, and of the door.
var commandActions = map[string]Action{
	"feature.create": FeatureCreate, "feature.put": FeaturePut, "feature.patch": FeaturePatch, "feature.delete": FeatureDelete,
	"incident.assign": Dispatch, "incident.release": Dispatch, "incident.close": Dispatch, "incident.status": Dispatch, "incident.share": Share,
	"share.take": SystemNote, "share.end": SystemNote,
	"unit.status": UnitStatus, "alarm.raise": AlarmRaise, "alarm.ack": AlarmAck, "alarm.over": AlarmOver,
	"feed.declare": FeedDeclare, "feed.silent": SystemNote, "feed.back": SystemNote,
	"coverage.note": SystemNote, "void.open": SystemNote, "void.close": SystemNote,
	"sealed.open": SealedOpen, "sealed.erase": SealedErase,
	"situation.set": FactSet, "situation.clear": FactSet, "figure.set": FactSet, "figure.remove": FactSet,
	"decision.set": FactSet, "decision.remove": FactSet, "response.set": ResponseSet, "response.clear": ResponseSet,
	"layout.set": LayoutSet, "layout.show": LayoutSet, "layout.remove": LayoutSet,
	"publish.set": Publish, "publish.withdraw": Withdraw, "publish.follow": SystemNote,
}

// CommandAction reads a command for the policy: which action it is, and about
// what. It returns [ErrCommand], wrapped.
func CommandAction(name string, args json.RawMessage) (Request, error) {
	a, ok := commandActions[name]
	if !ok {
		return Request{}, fmt.Errorf("%.64q: %w", name, ErrCommand)
	}
	r := Request{Action: a}
	var in struct {
		Key      string                     `json:"key"`
		Kind     geo.Kind                   `json:"kind"`
		At       json.RawMessage            `json:"at"`
		Shape    json.RawMessage            `json:"shape"`
		Props    map[string]json.RawMessage `json:"props"`
		Sealed   []geo.Sealed               `json:"sealed"`
		Incident string                     `json:"incident"`
		Source   string                     `json:"source"`
		Unit     string                     `json:"unit"`
		Units    json.RawMessage            `json:"units"`
	}
	switch a {
	case FactSet:
		// A decision that is settled is an order in somebody's name; one that is written
		// down is not. What cannot be read is refused by the rule.
		var decision struct {
			Status string `json:"status"`
		}
		if name == "decision.set" && json.Unmarshal(args, &decision) == nil && decision.Status != "" && decision.Status != "open" {
			r.Action = Decide
		}
		return r, nil
	case AlarmRaise, AlarmAck, AlarmOver, FeedDeclare, SystemNote, ResponseSet, LayoutSet:
		return r, nil // decided by the role alone
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return Request{}, fmt.Errorf("the arguments of %s: %w: %w", name, ErrCommand, err)
	}
	switch a {
	case Dispatch:
		r.Keys = []string{in.Incident}
		var units []string
		if len(in.Units) > 0 {
			if err := json.Unmarshal(in.Units, &units); err != nil {
				return Request{}, fmt.Errorf("the units of %s: %w: %w", name, ErrCommand, err)
			}
		}
		r.Keys = append(r.Keys, units...)
		r.all = name == "incident.close" || name == "incident.release" && len(units) == 0
	case Share:
		r.Keys = []string{in.Incident}
	case UnitStatus:
		r.Keys = []string{in.Unit}
	case SealedOpen, SealedErase:
		r.Keys = []string{in.Key}
	case Publish, Withdraw:
		r.Kind, r.Keys = in.Kind, []string{in.Source}
	default:
		r.Kind = in.Kind
		if in.Key != "" {
			r.Keys = []string{in.Key}
		}
		r.fields(in.Props, in.Sealed)
		given := func(raw json.RawMessage) bool {
			return len(raw) > 0 && (a == FeaturePatch || string(raw) != "null")
		}
		if given(in.At) || given(in.Shape) {
			r.Fields = append(r.Fields, PlaceField)
		}
		slices.Sort(r.Fields)
		r.Fields = slices.Compact(r.Fields)
	}
	return r, nil
}

func (r *Request) fields(props map[string]json.RawMessage, sealed []geo.Sealed) {
	for name, raw := range props {
		if slices.Contains(serverFields, name) {
			continue
		}
		r.Fields = append(r.Fields, name)
		if name == "agency" {
			var s string
			_ = json.Unmarshal(raw, &s) // null or no string: the agency of nobody
			r.Agency = &s
		}
	}
	for _, s := range sealed {
		r.Fields = append(r.Fields, s.Name)
	}
}

// Decide says whether p may give the command. The function about describes a
// feature by its key, and says false when there is none.
func (r Request) Decide(p Principal, about func(key string) (Target, bool)) Decision {
	if len(r.Keys) == 0 {
		t := Target{Kind: r.Kind, Fields: r.Fields, Agency: r.Agency}
		if r.Agency != nil {
			t.Agencies = []string{*r.Agency}
		}
		return Allow(p, r.Action, t)
	}
	keys := r.Keys
	for i := 0; i < len(keys); i++ {
		t, ok := about(keys[i])
		if !ok {
			t = Target{Kind: r.Kind, Key: keys[i]} // the rule says that it is missing
			if r.Agency != nil {
				t.Agencies = []string{*r.Agency} // or it is created
			}
		}
		if i == 0 {
			t.Fields, t.Agency = r.Fields, r.Agency
			if r.Action == Dispatch {
				if r.all {
					keys = append(slices.Clone(keys), t.Assigned...)
				}
				t.Agencies = nil // own units may go to any incident
			}
		}
		if r.Action == SealedOpen || r.Action == SealedErase {
			if !ok {
				t.Kind = geo.Incident
			}
		}
		if d := Allow(p, r.Action, t); !d.Allowed {
			return d
		}
	}
	return yes
}

// operations are the calls of openapi.yaml whose names do not say what they are.
var operations = map[string]struct {
	action Action
	kind   geo.Kind
}{
	"listFeatures": {FeatureRead, ""}, "nearestUnits": {FeatureRead, geo.Unit}, "listAlarms": {FeatureRead, geo.Alarm},
	"setUnitStatus": {UnitStatus, geo.Unit}, "assignIncident": {Dispatch, geo.Incident}, "releaseIncident": {Dispatch, geo.Incident},
	"closeIncident": {Dispatch, geo.Incident}, "shareIncident": {Share, geo.Incident}, "listWorlds": {WorldsRead, ""}, "setIncidentStatus": {Dispatch, geo.Incident}, "openCaller": {SealedOpen, geo.Incident}, "openPersonal": {SealedOpen, geo.Incident}, "erasePersonal": {SealedErase, geo.Incident},
	"getRoute": {PlanAsk, ""}, "whatIf": {PlanAsk, ""}, "moveUps": {PlanAsk, ""}, "getCoverage": {CoverageRead, ""}, "coverageTile": {CoverageRead, ""},
	"ackAlarm": {AlarmAck, ""}, "getPreset": {PresetRead, ""}, "getCity": {GroundRead, ""}, "stream": {StreamOpen, ""}, "getRecord": {ReplayOpen, ""},
	"putSituation": {FactSet, geo.Situation}, "deleteSituation": {FactSet, geo.Situation}, "putResponse": {ResponseSet, geo.Response},
	"deleteResponse": {ResponseSet, geo.Response}, "putFigure": {FactSet, geo.Figure}, "deleteFigure": {FactSet, geo.Figure},
	"putDecision": {FactSet, geo.Decision}, "deleteDecision": {FactSet, geo.Decision}, "putLayout": {LayoutSet, geo.Layout},
	"deleteLayout": {LayoutSet, geo.Layout}, "putDisplay": {LayoutSet, geo.Layout},
	"osmand": {FixReport, ""}, "osmandPost": {FixReport, ""}, "owntracks": {FixReport, ""},
	"osmandByToken": {FixReport, ""}, "osmandPostByToken": {FixReport, ""},
	"tile": {GroundRead, ""}, "cityFile": {GroundRead, ""}, "healthz": {HealthRead, ""}, "readyz": {HealthRead, ""},
	"metrics": {MetricsRead, ""}, "openapiYaml": {ContractRead, ""}, "openapiJson": {ContractRead, ""},

	"setup": {SetupAct, ""}, "getSession": {SessionRead, ""}, "signIn": {SignInAct, ""}, "signOut": {SignOut, ""}, "stepUp": {StepUpAct, ""},
	"getOidc": {ScreensRead, ""}, "startOidc": {ScreensRead, ""}, "finishOidc": {ScreensRead, ""}, "endOidc": {SignOut, ""},
	"useReset": {ResetUse, ""}, "getAccount": {SelfRead, ""}, "patchOwnAccount": {SelfEdit, ""}, "putPassword": {SelfChange, ""},
	"beginTotp": {SelfChange, ""}, "confirmTotp": {SelfChange, ""}, "deleteTotp": {SelfChange, ""},
	"listOwnSessions": {SelfRead, ""}, "deleteOwnSession": {SignOut, ""},
	"listAccounts": {AccountRead, ""}, "getAccountOf": {AccountRead, ""}, "createAccount": {AccountChange, ""}, "resetAccount": {AccountChange, ""},
	"patchAccount": {AccountDisable, ""}, // the call asks for more when it does more
	"listSessions": {SessionRevoke, ""}, "deleteSessions": {SessionRevoke, ""}, "deleteSession": {SessionRevoke, ""},
	"listTokens": {TokenRead, ""}, "createToken": {TokenChange, ""}, "patchToken": {TokenChange, ""}, "rotateToken": {TokenChange, ""},
	"deleteToken": {TokenRevoke, ""}, "quarantineToken": {TokenRevoke, ""}, // to take it back is TokenChange
	"listDevices": {DeviceRead, ""}, "beginEnrolment": {DeviceEnrol, ""}, "claimDevice": {DeviceEnrol, ""}, "getEnrolment": {DeviceRead, ""},
	"approveDevice": {DeviceApprove, ""}, "putHealth": {DeviceHealth, ""}, "patchDevice": {DeviceChange, ""}, "deleteDevice": {DeviceRevoke, ""},
	"getPolicy": {PolicyRead, ""}, "listAudiences": {Preview, ""}, "listActs": {AuditRead, ""}, "eraseCaller": {SealedErase, geo.Incident},

	"publicSnapshot": {PublicRead, ""}, "publicSince": {PublicRead, ""}, "publicPicture": {PublicRead, ""},
	"publishIncident": {Publish, geo.Incident}, "publishHazard": {Publish, geo.Hazard}, "publishShelter": {Publish, geo.Shelter}, "publishSite": {Publish, geo.Site},
	"withdrawIncident": {Withdraw, geo.Incident}, "withdrawHazard": {Withdraw, geo.Hazard},
	"withdrawShelter": {Withdraw, geo.Shelter}, "withdrawSite": {Withdraw, geo.Site},
	"getIncidentPublication": {Withdraw, geo.Incident}, "getHazardPublication": {Withdraw, geo.Hazard}, // who may take back may look
	"getShelterPublication": {Withdraw, geo.Shelter}, "getSitePublication": {Withdraw, geo.Site},
}

// OperationAction returns the action of a call by its operationId in openapi.yaml,
// and the kind that it is about; false for a call that the policy does not know,
// which the door must refuse.
func OperationAction(operation string) (Action, geo.Kind, bool) {
	if o, ok := operations[operation]; ok {
		return o.action, o.kind, true
	}
	for verb, a := range map[string]Action{"list": FeatureRead, "get": FeatureRead, "create": FeatureCreate, "put": FeaturePut, "patch": FeaturePatch, "delete": FeatureDelete} {
		noun, ok := strings.CutPrefix(operation, verb)
		if !ok {
			continue
		}
		if verb == "list" {
			noun = strings.TrimSuffix(noun, "s")
		}
		kind := geo.Kind(strings.ToLower(noun))
		if kind.Indexed() {
			return a, kind, true
		}
	}
	return "", "", false
}
