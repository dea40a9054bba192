package access

import (
	"fmt"
	"slices"
	"strings"

	"rasad/geo"
)

// Document writes the policy as Markdown: the table that decides, for people. It
// is POLICY.md of this package, and a page of the screens may show it.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Who may do and see what

Made from the table in table.go by ` + "`go generate ./server/access`" + `; a test compares. What is not here is refused.

**yes** · **own agency**, **own agencies, if any** (all, for who has none), **own shelters**, **own ids** (of a token), **own account**: only those ·
**+** a person must have proved who they are within the last minutes; programs and devices cannot · *fields*: only these are written.

Whoever signs in with a password that must be changed may change it and leave, and nothing else. The break-glass account has the
rights of supervisor and admin together; its use raises an alarm.

`)
	head := func(first string) {
		b.WriteString("| " + first + " |")
		for _, r := range AllRoles {
			b.WriteString(" " + string(r) + " |")
		}
		b.WriteString("\n|" + strings.Repeat(" --- |", len(AllRoles)+1) + "\n")
	}
	b.WriteString("## Acts\n\n")
	head("act")
	for _, i := range Actions {
		if kinded[i.Action] {
			continue
		}
		fmt.Fprintf(&b, "| `%s` %s |", i.Action, i.What)
		for _, r := range AllRoles {
			b.WriteString(" " + written(cell{r, i.Action, ""}) + " |")
		}
		b.WriteString("\n")
	}
	for _, i := range Actions {
		if !kinded[i.Action] {
			continue
		}
		fmt.Fprintf(&b, "\n## `%s`: %s\n\n", i.Action, i.What)
		head("kind")
		for _, k := range Kinds {
			row, any := "", false
			for _, r := range AllRoles {
				w := written(cell{r, i.Action, k})
				any = any || w != ""
				row += " " + w + " |"
			}
			if any {
				fmt.Fprintf(&b, "| %s |%s\n", k, row)
			}
		}
	}
	b.WriteString(`
## Fields

Open fields are seen by whoever sees the feature. Internal ones are seen where the table above says so. Personal ones are sealed: no door
shows them; ` + "`sealed.open`" + ` opens one, and is recorded. What is not named here is internal: a field that nobody has thought about stays inside.
A feature of a sensitive type does not exist for who may not see it.

| kind | open | personal |
| --- | --- | --- |
`)
	fmt.Fprintf(&b, "| every | %s | |\n", fieldList(openFields[""]))
	for _, k := range Kinds {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", k, fieldList(openFields[k]), fieldList(personalFields[k]))
	}
	b.WriteString("\n## Doors and audiences\n\nBy feeds and tiles no feature goes out. Exports hold no sealed field, not even as a marker. A stream or a replay shows the audience:\n\n| role | audience |\n| --- | --- |\n")
	for _, r := range AllRoles {
		p := Principal{Role: r, Agencies: nil}
		name := AudienceOf(p)
		switch r {
		case Dispatcher, Supervisor, Commander, Admin:
			name += " (`ops:fire,police` when confined to agencies); brief, public"
		case AgencyOfficer:
			name = "`agency:fire`; public"
		case ShelterKeeper:
			name = "`shelter:S1,S2`; public"
		case Viewer, Wall:
			name += "; public"
		case FeedProgram, System:
			name = "none"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", r, name)
	}
	return b.String()
}

func written(c cell) string {
	g, ok := table[c]
	if !ok {
		return ""
	}
	parts := []string{}
	if s := g.scope.String(); s != "" {
		parts = append(parts, s)
	} else {
		parts = append(parts, "yes")
	}
	if g.stepUp {
		parts[0] += " +"
	}
	if g.fields != nil {
		parts = append(parts, "*"+strings.Join(g.fields, " ")+"*")
	}
	if c.action == FeatureRead && c.kind != Publication {
		var reads []string
		if g.internal {
			reads = append(reads, "internal")
		}
		if g.sensitive {
			reads = append(reads, "sensitive")
		}
		if g.own {
			reads = append(reads, "of own agency internal, sensitive")
		}
		if len(reads) == 0 {
			reads = append(reads, "open only")
		}
		parts = append(parts, strings.Join(reads, ", "))
	}
	return strings.Join(parts, "; ")
}

func fieldList(names []string) string {
	out := slices.Clone(names)
	for i, n := range out {
		if n == "_at" {
			n = "…_at"
		}
		out[i] = "`" + n + "`"
	}
	return strings.Join(out, " ")
}

// Row is a cell of the table that is not empty, as a screen shows it.
type Row struct {
	Action    Action   `json:"action"`
	Kind      geo.Kind `json:"kind,omitempty"`
	Role      Role     `json:"role"`
	Scope     string   `json:"scope,omitempty"` // empty: every target
	Fields    []string `json:"fields,omitempty"`
	Dangerous bool     `json:"dangerous,omitempty"` // needs a step-up
	Internal  bool     `json:"internal,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"`
	Own       bool     `json:"own,omitempty"` // both, of those of an own agency
}

// Rows are the whole table, in the order of [Actions], [Kinds] and [AllRoles].
func Rows() []Row {
	var out []Row
	for _, i := range Actions {
		for _, k := range append([]geo.Kind{""}, Kinds...) {
			for _, r := range AllRoles {
				if g, ok := table[cell{r, i.Action, k}]; ok {
					out = append(out, Row{i.Action, k, r, g.scope.String(), g.fields, g.stepUp, g.internal, g.sensitive, g.own})
				}
			}
		}
	}
	return out
}

// May returns the actions that p may do to something, perhaps not to everything, and
// those of them that need a second proof, both in the order of [Actions]. Screens show
// by it what they offer; [Allow] decides.
func May(p Principal) (may, dangerous []Action) {
	may, dangerous = []Action{}, []Action{}
	for _, i := range Actions {
		if p.Limited && Allow(p, i.Action, Target{}).Code == PasswordChange {
			continue
		}
		some := slices.ContainsFunc(p.roles(), func(r Role) bool {
			return slices.ContainsFunc(append([]geo.Kind{""}, Kinds...), func(k geo.Kind) bool {
				g, ok := table[cell{r, i.Action, k}]
				return ok && (g.scope != OwnAccount || p.Session != "") && (!g.stepUp || p.Account != "")
			})
		})
		if !some {
			continue
		}
		may = append(may, i.Action)
		if i.Dangerous {
			dangerous = append(dangerous, i.Action)
		}
	}
	return may, dangerous
}

// Kinded tells whether the rows of an action name kinds.
func Kinded(a Action) bool { return kinded[a] }

// Fields are the classes of the fields of a kind, "" for those of every kind. What is
// in neither list is internal; "_at" stands for all stamps.
type Fields struct {
	Kind     geo.Kind `json:"kind"`
	Open     []string `json:"open"`
	Personal []string `json:"personal"`
}

// AllFields are the classes of the fields of all kinds.
func AllFields() []Fields {
	var out []Fields
	for _, k := range append([]geo.Kind{""}, Kinds...) {
		out = append(out, Fields{k, slices.Concat([]string{}, openFields[k]), slices.Concat([]string{}, personalFields[k])})
	}
	return out
}

// Sight is what an audience sees of a kind.
type Sight struct {
	Kind geo.Kind
	// Internal and Sensitive: internal fields, and features of sensitive types, of its
	// own ones at least. OwnOnly: nothing of others is seen at all.
	Internal, Sensitive, OwnOnly bool
}

// SightOf returns what an audience sees, by kind; kinds that it does not see are left
// out. It returns [ErrAudience], wrapped.
func SightOf(audience string) ([]Sight, error) {
	r, err := AudienceReader(audience, DoorREST)
	if err != nil {
		return nil, err
	}
	var out []Sight
	for _, k := range Kinds {
		own, other := Target{Kind: k, Agencies: r.p.Agencies}, Target{Kind: k, Agencies: []string{"?"}}
		if len(r.p.Shelters) > 0 {
			own.Key = r.p.Shelters[0]
		}
		seen, internal := r.sees(own)
		if !seen {
			continue
		}
		all, _ := r.sees(other)
		own.Sensitive = true
		sensitive, _ := r.sees(own)
		out = append(out, Sight{k, internal, sensitive, !all})
	}
	return out, nil
}
