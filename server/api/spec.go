package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"rasad/geo"
	"rasad/server/access"
)

//go:embed openapi.yaml
var openapiYAML []byte

// spec is the contract as the door checks requests against it.
type spec struct {
	json  []byte // the document as JSON
	calls map[string]*call
}

// call is one operation: "GET /api/v1/units/:id".
type call struct {
	action access.Action
	kind   geo.Kind // that the call is about; empty: several, or none
	later  bool     // what it is about is known only once it was read
	open   bool     // parameters that are not named are passed over
	params map[string]*param
}

type param struct {
	Ref      string `yaml:"$ref"`
	Name     string
	In       string
	Required bool
	Schema   schema
}

type schema struct {
	Type      string
	Format    string
	Enum      []string
	Minimum   *float64
	Maximum   *float64
	MaxLength int `yaml:"maxLength"`
	MinItems  int `yaml:"minItems"`
	MaxItems  int `yaml:"maxItems"`
	Items     *schema
}

type operation struct {
	ID         string `yaml:"operationId"`
	Parameters []param
	Open       bool `yaml:"x-open-query"`
}

// contract is what openapi.yaml says, read once: each world has a door of its own.
var contract = sync.OnceValues(func() (*spec, error) { return loadSpec(openapiYAML) })

// loadSpec reads openapi.yaml. It returns an error when a parameter refers to
// nothing, so a document that does not hold together never serves.
func loadSpec(doc []byte) (*spec, error) {
	var in struct {
		Paths      map[string]map[string]operation
		Components struct{ Parameters map[string]param }
	}
	if err := yaml.Unmarshal(doc, &in); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	var all any
	if err := yaml.Unmarshal(doc, &all); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	s := &spec{calls: map[string]*call{}}
	var err error
	if s.json, err = json.Marshal(all); err != nil {
		return nil, fmt.Errorf("write openapi.yaml as JSON: %w", err)
	}
	for path, methods := range in.Paths {
		for method, op := range methods {
			action, kind, _ := access.OperationAction(op.ID) // no action: nobody's, see [admit]
			c := &call{action: action, kind: kind, later: slices.Contains(decidedLater, action), open: op.Open, params: map[string]*param{}}
			for _, p := range op.Parameters {
				if p.Ref != "" {
					name := strings.TrimPrefix(p.Ref, "#/components/parameters/")
					q, ok := in.Components.Parameters[name]
					if !ok {
						return nil, fmt.Errorf("openapi.yaml: %s %s: there is no %s", method, path, p.Ref)
					}
					p = q
				}
				if p.In == "query" {
					c.params[p.Name] = &p
				}
			}
			s.calls[strings.ToUpper(method)+" "+echoPath(path)] = c
		}
	}
	return s, nil
}

// echoPath writes a path of the document as the router has it.
func echoPath(path string) string {
	// The router has no parameter with an ending.
	return strings.NewReplacer("{y}.pbf", ":tile", "{y}.png", ":tile", "{", ":", "}", "").Replace(path)
}

// check says what is wrong with the query of a call. Parameters that are empty
// count as absent and are taken out of q.
func (c *call) check(q url.Values) []FieldError {
	var errs []FieldError
	for name, values := range q {
		p, ok := c.params[name]
		switch {
		case !ok && (c.open || name == "world"):
			continue // each call belongs to a world; enter looks at it
		case !ok:
			errs = append(errs, FieldError{clip(name), "the call has no such parameter"})
			continue
		case len(values) > 1:
			errs = append(errs, FieldError{name, "given more than once"})
			continue
		case values[0] == "":
			delete(q, name)
			continue
		}
		if reason := p.Schema.check(values[0]); reason != "" {
			errs = append(errs, FieldError{name, reason})
		}
	}
	for name, p := range c.params {
		if p.Required && q.Get(name) == "" && !slices.ContainsFunc(errs, func(e FieldError) bool { return e.Field == name }) {
			errs = append(errs, FieldError{name, "must be given"})
		}
	}
	slices.SortFunc(errs, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

// check says why a value as it stands in a query is not of the schema; "" if it is.
func (s *schema) check(v string) string {
	switch s.Type {
	case "integer":
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || !s.holds(float64(n)) {
			return "must be a whole number" + s.span()
		}
	case "number":
		if x, err := strconv.ParseFloat(v, 64); err != nil || math.IsNaN(x) || math.IsInf(x, 0) || !s.holds(x) {
			return "must be a number" + s.span()
		}
	case "boolean":
		if v != "true" && v != "false" {
			return "must be true or false"
		}
	case "array":
		items := strings.Split(v, ",")
		switch n := len(items); {
		case s.MinItems == s.MaxItems && n != s.MinItems:
			return fmt.Sprintf("must be %d values separated by commas", s.MinItems)
		case n > s.MaxItems:
			return fmt.Sprintf("must be at most %d values separated by commas", s.MaxItems)
		}
		for i, item := range items {
			if item == "" {
				return fmt.Sprintf("value %d is empty", i+1)
			}
			if reason := s.Items.check(item); reason != "" {
				return fmt.Sprintf("value %d %s", i+1, reason)
			}
		}
	case "string":
		switch {
		case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
			return "must be one of " + strings.Join(s.Enum, ", ")
		case s.MaxLength > 0 && len(v) > s.MaxLength:
			return fmt.Sprintf("must be at most %d bytes", s.MaxLength)
		case s.Format == "date-time":
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return "must be a time as RFC 3339 has it, such as 2026-11-22T09:41:00Z"
			}
		}
	}
	return ""
}

func (s *schema) holds(x float64) bool {
	return (s.Minimum == nil || x >= *s.Minimum) && (s.Maximum == nil || x <= *s.Maximum)
}

func (s *schema) span() string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf(" from %v to %v", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf(", at least %v", *s.Minimum)
	}
	return ""
}

// clip keeps what a stranger wrote short enough to be told back.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
