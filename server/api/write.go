package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

// conditions are the headers and parameters that a write may carry.
type conditions struct {
	ifMatch, ifNoneMatch, key *string
	datum                     string
}

// create answers POST of a collection.
func (a *API) create(c echo.Context, kind geo.Kind, cond conditions) error {
	body, err := readBody(c, bodyBytesMax, "application/json", "application/geo+json")
	if err != nil {
		return err
	}
	in, err := a.input(kind, body, cond.datum)
	if err != nil {
		return err
	}
	return a.write(c, "feature.create", in, body, cond)
}

// put answers PUT of a feature.
func (a *API) put(c echo.Context, kind geo.Kind, id string, cond conditions) error {
	body, err := readBody(c, bodyBytesMax, "application/json", "application/geo+json")
	if err != nil {
		return err
	}
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	in, err := a.input(kind, body, cond.datum)
	if err != nil {
		return err
	}
	if in.Key != "" && in.Key != id {
		return invalid("id", "the body says %q and the address %q", clip(in.Key), id)
	}
	in.Key = id
	see := a.seerOf(principal(c))
	if in.IfMatch, err = see.wanted(a.World.View(), kind, id, cond.ifMatch); err != nil {
		return err
	}
	name := "feature.put"
	if cond.ifNoneMatch != nil {
		revs, any, err := parseTags("If-None-Match", *cond.ifNoneMatch)
		if err != nil {
			return err
		}
		if any {
			name = "feature.create" // refused by the rule when the key is taken meanwhile
		} else if f, err := see.lookup(a.World.View(), kind, id); err == nil && slices.Contains(revs, f.Rev) {
			return unmet(cond.ifNoneMatch, f)
		}
	}
	return a.write(c, name, in, body, cond)
}

// write proposes a create or put and answers the feature.
func (a *API) write(c echo.Context, name string, in geo.Input, body []byte, cond conditions) error {
	args, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write the arguments of %s: %w", name, err)
	}
	answer, err := a.propose(c, streams.Command{Name: name, Args: args}, body, cond.key, in.Sealed)
	if err != nil {
		return a.annotate(c, err, cond, in.Kind, in.Key)
	}
	return a.answerFeature(c, answer)
}

// patch answers PATCH of a feature, RFC 7396.
func (a *API) patch(c echo.Context, kind geo.Kind, id string, cond conditions) error {
	body, err := readBody(c, bodyBytesMax, "application/merge-patch+json", "application/json")
	if err != nil {
		return err
	}
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	see := a.seerOf(principal(c))
	args, sealed, err := a.patchArgs(see, kind, id, body, cond.datum)
	if err != nil {
		return err
	}
	if args["if_match"], err = see.wanted(a.World.View(), kind, id, cond.ifMatch); err != nil {
		return err
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("write the arguments of feature.patch: %w", err)
	}
	answer, err := a.propose(c, streams.Command{Name: "feature.patch", Args: raw}, body, cond.key, sealed)
	if err != nil {
		return a.annotate(c, err, cond, kind, id)
	}
	return a.answerFeature(c, answer)
}

// remove answers DELETE of a feature.
func (a *API) remove(c echo.Context, kind geo.Kind, id string, cond conditions) error {
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	rev, err := a.seerOf(principal(c)).wanted(a.World.View(), kind, id, cond.ifMatch)
	if err != nil {
		return err
	}
	args, err := json.Marshal(map[string]any{"key": id, "kind": kind, "if_match": rev})
	if err != nil {
		return fmt.Errorf("write the arguments of feature.delete: %w", err)
	}
	answer, err := a.propose(c, streams.Command{Name: "feature.delete", Args: args}, nil, cond.key, nil)
	if err != nil {
		return a.annotate(c, err, cond, kind, id)
	}
	setSeq(c.Response(), answer.Seq)
	return c.NoContent(http.StatusNoContent)
}

// propose hands a command to the sequencer in the name of the caller. What was
// sealed for it and did not enter the record is erased again.
func (a *API) propose(c echo.Context, cmd streams.Command, body []byte, key *string, sealed []geo.Sealed) (streams.Answer, error) {
	answer, err := streams.Answer{}, error(nil)
	if key != nil {
		if err = checkIdempotencyKey(*key); err == nil {
			cmd.Key = *key
			r := c.Request()
			cmd.Digest = a.Sealer.Digest(slices.Concat([]byte(r.Method+" "+r.URL.Path+"\n"+principal(c).Name+"\n"), body))
		}
	}
	if err == nil {
		who := principal(c)
		if err = a.decide(who, &cmd); err == nil {
			cmd.By = who.Geo()
			answer, err = a.Sequencer.Propose(c.Request().Context(), cmd)
			err = a.seerOf(who).shown(err)
		}
	}
	if err != nil && !errors.Is(err, streams.ErrOutcomeUnknown) || answer.Replayed {
		for _, s := range sealed {
			if s.KeyID == "" {
				continue
			}
			if err := a.Sealer.Erase(s.KeyID); err != nil {
				a.Log.Warn("a key that seals nothing was not erased", "key", s.KeyID, "err", err)
			}
		}
	}
	return answer, err
}

func checkIdempotencyKey(key string) error {
	if len(key) == 0 || len(key) > 128 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return invalid("Idempotency-Key", "must be 1 to 128 visible ASCII characters")
	}
	return nil
}

// wanted is the revision that If-Match asks for; zero: none. Of several the one
// that is current counts. A "*" asks that there is something.
func (s seer) wanted(view *geo.View, kind geo.Kind, id string, ifMatch *string) (uint64, error) {
	if ifMatch == nil {
		return 0, nil
	}
	revs, any, err := parseTags("If-Match", *ifMatch)
	if err != nil {
		return 0, err
	}
	f, err := s.lookup(view, kind, id)
	switch {
	case any && err != nil, err != nil && len(revs) > 0:
		return 0, unmet(ifMatch, nil)
	case any:
		return 0, nil
	case slices.Contains(revs, f.Rev):
		return f.Rev, nil
	case revs[0] == 0: // "0" never was a revision, and zero means "not asked" to the rule
		return 0, unmet(ifMatch, f)
	}
	return revs[0], nil
}

// unmet is a 412 with both values: what the caller saw, and what is.
func unmet(yours *string, current *geo.Feature) *Problem {
	p := problem(http.StatusPreconditionFailed, "stale", "there is no such feature to match")
	p.Yours = clip(*yours)
	if current != nil {
		p.Detail = fmt.Sprintf("the feature is at revision %d", current.Rev)
		p.Current, _ = geo.ToGeoJSON(current)
	}
	return p
}

// annotate adds to a rule's no what only the door knows: the header that failed.
func (a *API) annotate(c echo.Context, err error, cond conditions, kind geo.Kind, id string) error {
	var refusal *geo.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	if cond.ifNoneMatch != nil && refusal.Class == geo.Conflict && refusal.Code == "key-taken" {
		f, err := a.seerOf(principal(c)).lookup(a.World.View(), kind, id)
		if err != nil {
			return refusal // a feature of another kind: a conflict after all
		}
		return unmet(cond.ifNoneMatch, f)
	}
	p := refused(refusal)
	if p != nil && refusal.Class == geo.Stale && cond.ifMatch != nil {
		p.Yours = clip(*cond.ifMatch)
	}
	if p == nil {
		return err
	}
	return p
}

// answerFeature answers with the feature that a rule answered: 201 when it created
// it.
func (a *API) answerFeature(c echo.Context, answer streams.Answer) error {
	var f struct {
		Type       string          `json:"type"`
		ID         string          `json:"id"`
		Geometry   json.RawMessage `json:"geometry"`
		Properties json.RawMessage `json:"properties"`
		Created    bool            `json:"created"`
	}
	if err := json.Unmarshal(answer.Body, &f); err != nil {
		return fmt.Errorf("read the answer of a rule: %w", err)
	}
	var props struct {
		Kind geo.Kind `json:"kind"`
		Rev  uint64   `json:"rev"`
	}
	if err := json.Unmarshal(f.Properties, &props); err != nil {
		return fmt.Errorf("read the properties in the answer of a rule: %w", err)
	}
	seen, place, err := a.seerOf(principal(c)).answered(f.ID, f.Properties)
	if err != nil {
		return err
	}
	if !place {
		f.Geometry = json.RawMessage("null")
	}
	w := c.Response()
	setSeq(w, answer.Seq)
	w.Header()["Etag"] = []string{etag(props.Rev)}
	status, body := http.StatusOK, []byte(answer.Body)
	if f.Created {
		status = http.StatusCreated
		w.Header().Set("Location", "/api/v1/"+string(props.Kind)+"s/"+f.ID)
	}
	if f.Created || len(seen) != len(f.Properties) || !place {
		b := append(make([]byte, 0, len(answer.Body)), `{"type":"Feature","id":"`...)
		b = append(b, f.ID...)
		b = append(append(b, `","geometry":`...), f.Geometry...)
		body = append(append(append(b, `,"properties":`...), seen...), '}')
	}
	return writeJSON(w, status, geojsonType, body)
}

// document is the body of a feature as it comes in.
type document struct {
	Type       *string         `json:"type"`
	ID         *string         `json:"id"`
	BBox       json.RawMessage `json:"bbox"` // RFC 7946 allows it; ours is computed
	Geometry   json.RawMessage `json:"geometry"`
	Properties json.RawMessage `json:"properties"`
	Datum      *string         `json:"datum"`
}

func readDocument(body []byte) (document, error) {
	var doc document
	if err := checkJSON(body); err != nil {
		return doc, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		var p *Problem
		if errors.As(decodeProblem(err), &p) && len(p.Errors) == 1 && strings.HasPrefix(p.Errors[0].Reason, "the call has no") {
			return doc, invalid(p.Errors[0].Field, "is no member of a feature; its own members stand under properties")
		}
		return doc, decodeProblem(err)
	}
	if doc.Type != nil && *doc.Type != "Feature" {
		return doc, invalid("type", "must be Feature")
	}
	if doc.Geometry == nil && doc.Properties == nil {
		return doc, problem(http.StatusBadRequest, "invalid", "a feature has geometry or properties; this has neither",
			FieldError{"geometry", "neither it nor properties is there"})
	}
	if doc.ID != nil {
		if err := geo.CheckKey(*doc.ID); err != nil {
			return doc, err
		}
	}
	return doc, nil
}

// input makes the arguments of a create or put from a body.
func (a *API) input(kind geo.Kind, body []byte, datum string) (geo.Input, error) {
	in := geo.Input{Kind: kind}
	doc, err := readDocument(body)
	if err != nil {
		return in, err
	}
	if doc.ID != nil {
		in.Key = *doc.ID
	}
	props, err := members(doc.Properties)
	if err != nil {
		return in, err
	}
	if err := settleKind(kind, props); err != nil {
		return in, err
	}
	place, err := a.place(doc.Geometry, props, doc.Datum, datum)
	if err != nil {
		return in, err
	}
	if place.Placed {
		in.At, in.Shape = &place.At, place.Shape
	}
	if in.Props, in.Sealed, err = a.seal(kind, props, false); err != nil {
		return in, err
	}
	return in, nil
}

// patchArgs makes the arguments of feature.patch from a body.
func (a *API) patchArgs(see seer, kind geo.Kind, id string, body []byte, datum string) (map[string]any, []geo.Sealed, error) {
	doc, err := readDocument(body)
	if err != nil {
		return nil, nil, err
	}
	if doc.ID != nil && *doc.ID != id {
		return nil, nil, invalid("id", "the body says %q and the address %q; a key cannot change", clip(*doc.ID), id)
	}
	if string(doc.Properties) == "null" {
		return nil, nil, invalid("properties", "cannot be removed; name those that shall go, with null")
	}
	args := map[string]any{"key": id, "kind": kind}
	props, err := members(doc.Properties)
	if err != nil {
		return nil, nil, err
	}
	if err := settleKind(kind, props); err != nil {
		return nil, nil, err
	}
	if doc.Geometry != nil {
		if doc.Geometry, err = a.mergeGeometry(see, kind, id, doc.Geometry); err != nil {
			return nil, nil, err
		}
		place, err := a.place(doc.Geometry, props, doc.Datum, datum)
		if err != nil {
			return nil, nil, err
		}
		args["at"], args["shape"] = nil, place.Shape
		if place.Placed {
			args["at"] = place.At
		}
	}
	patch, sealed, err := a.seal(kind, props, true)
	if err != nil {
		return nil, nil, err
	}
	if len(sealed) > 0 {
		args["sealed"] = sealed
	}
	if doc.Properties != nil || len(props) > 0 {
		args["props"] = json.RawMessage(patch)
	}
	return args, sealed, nil
}

// mergeGeometry lets a patch name coordinates alone, as RFC 7396 has it: the type
// is then that of the geometry that is there.
func (a *API) mergeGeometry(see seer, kind geo.Kind, id string, patch json.RawMessage) (json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	if string(patch) == "null" || json.Unmarshal(patch, &m) != nil || m["type"] != nil || m["coordinates"] == nil {
		return patch, nil // whole, or for the parser to refuse
	}
	f, err := see.lookup(a.World.View(), kind, id)
	if err != nil {
		return nil, err
	}
	name := "Point"
	if f.Shape != nil {
		name = f.Shape.Type.String()
	}
	m["type"] = json.RawMessage(strconv.Quote(name))
	return json.Marshal(m)
}

func members(props json.RawMessage) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	if props == nil || string(props) == "null" {
		return m, nil
	}
	if err := json.Unmarshal(props, &m); err != nil {
		return nil, invalid("properties", "must be an object")
	}
	return m, nil
}

// settleKind takes the member kind out. It is the server's; one that says
// otherwise is a contradiction, except that a shelter or site may call its type
// so, since people do.
func settleKind(kind geo.Kind, props map[string]json.RawMessage) error {
	raw, ok := props["kind"]
	if !ok {
		return nil
	}
	delete(props, "kind")
	var said string
	switch err := json.Unmarshal(raw, &said); {
	case err != nil:
		return invalid("properties.kind", "must be a string")
	case said == string(kind), string(raw) == "null":
		return nil
	case (kind == geo.Shelter || kind == geo.Site) && props["type"] == nil && !slices.Contains(onMap, geo.Kind(said)):
		props["type"] = raw
		return nil
	}
	return invalid("properties.kind", "says %q, but the address is one of %ss", clip(said), kind)
}

// place reads a geometry and converts it to WGS 84; the original is kept in props.
func (a *API) place(geometry json.RawMessage, props map[string]json.RawMessage, inBody *string, inQuery string) (geo.Geometry, error) {
	datum, err := whichDatum(props, inBody, inQuery)
	if err != nil {
		return geo.Geometry{}, err
	}
	if geometry == nil || string(geometry) == "null" {
		return geo.Geometry{}, nil
	}
	feature := slices.Concat([]byte(`{"type":"Feature","geometry":`), geometry, []byte(`}`))
	g, _, _, err := geo.ParseGeoJSON(feature)
	if err != nil || datum == geo.WGS84 {
		return g, err
	}
	var failed error
	convert := func(p geo.LngLat) geo.LngLat {
		q, err := geo.At(datum.ToWGS84(p.Degrees()))
		if err != nil {
			failed = invalid("geometry", "leaves the globe when it is converted from %s", datum)
		}
		return q
	}
	original := map[string]any{"datum": datum, "geometry": geometry}
	if g.Shape == nil {
		lon, lat := g.At.Degrees()
		original = map[string]any{"datum": datum, "lon": lon, "lat": lat}
		g.At = convert(g.At)
	} else {
		shape := *g.Shape
		shape.Points = make([]geo.LngLat, len(g.Shape.Points))
		for i, p := range g.Shape.Points {
			shape.Points[i] = convert(p)
		}
		g.Shape, g.At = &shape, convert(g.At)
	}
	if failed != nil {
		return g, failed
	}
	raw, err := json.Marshal(original)
	if err != nil {
		return g, fmt.Errorf("keep the original of a place: %w", err)
	}
	props["original"] = raw
	return g, nil
}

// whichDatum finds the datum of a body: in the query, beside the geometry, or
// among the properties. Two that differ are a contradiction.
func whichDatum(props map[string]json.RawMessage, inBody *string, inQuery string) (geo.Datum, error) {
	said := map[string]string{"datum (query)": inQuery}
	if inBody != nil {
		said["datum"] = *inBody
	}
	if raw, ok := props["datum"]; ok {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", invalid("properties.datum", "must be one of wgs84, gcj02, bd09, cgcs2000")
		}
		said["properties.datum"] = s
		delete(props, "datum")
	}
	out, from := geo.Datum(""), ""
	for _, field := range []string{"datum (query)", "datum", "properties.datum"} {
		name := said[field]
		if name == "" {
			continue
		}
		d, err := geo.ParseDatum(name)
		if err != nil {
			return "", invalid(field, "must be one of wgs84, gcj02, bd09, cgcs2000")
		}
		if from != "" && d != out {
			return "", invalid(field, "says %s, but %s says %s", d, from, out)
		}
		out, from = d, field
	}
	if from == "" {
		return geo.WGS84, nil
	}
	return out, nil
}

// seal takes personal members out of props and encrypts each under a key of its own.
// In a patch a member that is null is erased, otherwise there is nothing to erase.
func (a *API) seal(kind geo.Kind, props map[string]json.RawMessage, patch bool) (geo.Props, []geo.Sealed, error) {
	var sealed []geo.Sealed
	for _, name := range access.PersonalFields(kind) {
		raw, ok := props[name]
		if !ok {
			continue
		}
		var back struct {
			Sealed *bool `json:"sealed"`
		}
		switch {
		case string(raw) == "null":
			delete(props, name)
			if patch {
				sealed = append(sealed, geo.Sealed{Name: name})
			}
			continue
		case json.Unmarshal(raw, &back) == nil && back.Sealed != nil:
			continue // as it was read: the rule keeps what it has
		}
		plain, err := checkPersonal(name, raw)
		if err != nil {
			return "", nil, err
		}
		delete(props, name)
		s, err := a.Sealer.Seal(name, plain)
		if err != nil {
			return "", nil, fmt.Errorf("seal %s: %w", name, err)
		}
		sealed = append(sealed, s)
	}
	if patch {
		raw, err := json.Marshal(props)
		return geo.Props(raw), sealed, err
	}
	out, err := geo.MakeProps(props)
	return out, sealed, err
}

// personalMax is the longest personal field, in bytes of JSON.
const personalMax = 8 << 10

// checkPersonal reads a personal field. Its errors never tell the value.
func checkPersonal(name string, raw json.RawMessage) ([]byte, error) {
	switch {
	case len(raw) > personalMax:
		return nil, invalid("properties."+name, "must be at most %d bytes", personalMax)
	case name == "caller":
		return checkCaller(raw)
	case raw[0] != '{' && raw[0] != '"':
		return nil, invalid("properties."+name, "must be a string or an object")
	}
	return raw, nil
}

// checkCaller reads a caller: an object whose name and phone are short strings.
// Its errors never tell the value.
func checkCaller(raw json.RawMessage) ([]byte, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, invalid("properties.caller", "must be an object with name and phone")
	}
	for name, most := range map[string]int{"name": 200, "phone": 64} {
		v, ok := m[name]
		if !ok || string(v) == "null" {
			continue
		}
		var s string
		if json.Unmarshal(v, &s) != nil || len(s) > 4*most || len([]rune(s)) > most {
			return nil, invalid("properties.caller."+name, "must be a string of at most %d characters", most)
		}
	}
	return json.Marshal(m)
}
