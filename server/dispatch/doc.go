// Package dispatch holds the rules of dispatching: who may be sent where, what
// a status may become, and which fields a person may not write by hand.
//
// Rules are pure functions on a [geo.Draft]: no clock but [geo.Draft.Now], no
// I/O, and no code of a country. What differs from one city to the next comes in
// as a [Policy]. The package's law: whatever is refused changes nothing, and
// whatever is accepted keeps the invariants
//
//	unit.assigned = I  ⇔  I.assigned holds the unit  ⇔  exactly one open assignment of the two
//	unit.dispatchable  =  status is dispatchable ∧ not assigned ∧ not in distress ∧ crew ≠ 0
//
// # Commands
//
// Arguments are one JSON object; members that a command does not know are
// refused. Keys are callers' own keys. Every command leaves at least one
// [geo.Act] whose subjects are the keys it is about.
//
// The answer is the GeoJSON Feature that was changed, as [geo.ToGeoJSON] writes
// it, rev included; a feature that was created has the foreign member
// "created":true beside "type" (the door answers 201). A delete answers null.
//
// Generic writes are for the kinds unit, incident, hazard, shelter and site:
//
//	feature.create  {"key"?, "kind", "at", "shape", "props", "sealed"}
//	feature.put     {"key", "kind", "at", "shape", "props", "sealed", "if_match"}
//	feature.patch   {"key", "kind", "at"?, "shape"?, "props"?, "sealed"?, "if_match"}
//	feature.delete  {"key", "kind", "if_match"}
//
//	key       "E7"; create without one makes one ("incident-41")
//	kind      "unit" …: a key that names another kind is refused (wrong-kind)
//	at        [lng, lat] in 1e-7 degree, integers; null or absent: no place.
//	          With a shape it is a point inside the shape, and may be left to the rule.
//	shape     geo.Shape as encoding/json writes it:
//	          {"type":4,"points":[[lng,lat],…],"ends":[5]}; null: none
//	props     an object. patch: an RFC 7396 merge patch (null removes a member).
//	          Members kind, rev, fix and id are the server's and are passed over, so
//	          that what was read can be written back.
//	          A body for create and put may be a [geo.Input]; a patch may not, because
//	          geo.Props drops nulls.
//	sealed    geo.Sealed as encoding/json writes it: [{"name","key_id","box":base64}].
//	          put replaces all. patch replaces those named; an entry without key_id removes one.
//	          A name that is sealed is taken out of props, and a sealed field that comes
//	          back in props as {"sealed":true} is kept as it was.
//	if_match  the rev that the caller saw; 0: not asked. Another rev is refused as
//	          Stale with the current feature. On put of a missing key it is Missing.
//
// put creates what is missing. A null place in put clears the place of every kind
// but a unit, whose last known place stays; patch with "at":null clears any. A
// place that differs from the current one counts as a fix of that moment
// ([geo.FixManual], accuracy, heading and speed unknown); the same place again
// leaves the fix alone, so a stale unit is not made fresh by a round trip.
//
// Members that rules own are set freely when a feature is created (and checked:
// a unit created with "assigned" is assigned, an incident created with
// "assigned" gets those units). Later, a generic write may repeat their value or
// leave them out (put keeps them), and is refused when it changes them
// (field-owned, the detail names the call):
//
//	unit      status, distress, assigned, assignment; dispatchable is always computed
//	incident  status, assigned, opened_at, closed_at, and a stamp for each other status: "on_scene_at"
//	hazard    active is always computed from valid_from and valid_to
//
// Known members and their types (unknown ones are kept as they are):
//
//	unit      name ≤200, type (a unit kind), agency, status, capabilities [codes], crew ≥0, distress
//	incident  name ≤200, type, priority (code; a number is read as its code), alarm_level, grade,
//	          status, description ≤10000, opened_at, closed_at
//	hazard    name, type, impassable, speed_factor (above 0, up to 1), valid_from, valid_to
//	shelter   name, type (a shelter kind; "kind" is the feature's), status, capacity ≥0, occupancy ≥0, counted_at, needs [strings]
//	site      name, type (a site kind)
//
// Dispatching:
//
//	incident.assign   {"incident", "units":[…], "take"?, "reason"?}      answers the incident
//	incident.release  {"incident", "units"?:[…], "next"?:{unit:status}, "reason"?}   answers the incident
//	incident.close    {"incident", "next"?:{unit:status}, "reason"?}     answers the incident
//	incident.status   {"incident", "status", "reason"?}                  answers the incident
//	unit.status       {"unit", "status"?, "distress"?, "reason"?}        answers the unit
//
// assign is all or nothing. A unit that works elsewhere needs "take":true and a
// reason, and leaves the other incident; one that carries a patient or is in
// distress is not taken at all. Assigning a unit to the incident it is on
// already changes nothing. release without units releases all; a released unit
// takes its next status, or the initial one. close needs a next status for each
// unit still assigned. Next statuses are those of a unit that is not busy. A
// unit that carries a patient is released by its own status only.
//
// An incident's status follows its units as the policy says, and such a status is
// the opening one again when the last unit has left. incident.status sets it by hand ("under
// control"); from a final status it goes on only with a reason, and to a final
// one only by incident.close.
//
// unit.status follows the status machine of the unit's agency. Each busy status
// is stamped on the open assignment the first time ("en_route_at"); a status
// that is not busy ends the assignment ("cleared_at"). The status that assign
// gives is not to be had without an incident. The same status again changes
// nothing. distress true raises the lasting alarm "alarm:distress:UNIT".
//
// An assignment is a feature of kind assignment with the props incident, unit,
// assigned_at, by, a stamp for each status, cleared_at once it is over. The unit
// names the open one in "assignment". They go when their incident is deleted.
//
// Alarms (kind alarm; props type, text, subjects[], lasting, raised_at, raised_by,
// acked_at, acked_by, over_at):
//
//	alarm.raise  {"key"?, "type", "text"?, "subjects"?:[…], "lasting"?}  answers the alarm
//	alarm.ack    {"alarm", "reason"?}                                   answers the alarm
//	alarm.over   {"alarm", "reason"?}                                   answers the alarm
//
// A lasting alarm goes when it is both acknowledged and over, another when it is
// acknowledged; its answer is then the last it was. Raising one that stands
// changes nothing, unless it was over: then it stands again, unacknowledged.
//
// A hazard begins and ends by itself: valid_from and valid_to are its due, and
// a frame records that active changed (acts hazard.began and hazard.expired), so
// that a closure of roads ends on time, in replay too. A hazard of a type gets
// the type's impassable, or else its speed_factor, when its creator says nothing.
//
// Coverage and voids follow the units and the roads. The program tells what it
// measured, the rules keep it; no generic write changes them:
//
//	coverage.note  {"units", "standards":[{"capability","seconds","share","basis","void_zones"}]}   answers the coverage
//	void.open      {"zone", "capability", "seconds", "names"?}   answers the void
//	void.close     {"zone", "capability"}                       answers the void, which is gone
//
// The coverage is one feature (kind and key "coverage"); its trend is the share of
// the first standard over a day, [[Unix seconds, share], …]: a point a minute for
// half an hour, one in five minutes for three hours, then one in forty minutes. A
// void (kind void, key "void:CAPABILITY:ZONE"; props zone, capability, seconds,
// since, names, alarmed) is due after the time that the policy says, and is then
// the lasting alarm "alarm:void:CAPABILITY:ZONE" of type void, which says zone,
// capability, seconds, names and since. Whether it was told stands in the void, so
// a restart tells nobody twice. When more than three have lasted, one alarm of type
// void_surge ("alarm:void_surge"; count, and the voids as subjects) stands for
// all; it is over when three or fewer are left, which are not told again.
//
// Feeds (kind feed, key "feed:NAME"; props name, interval_s, datum, silent_since):
//
//	feed.declare  {"feed", "name"?, "interval_s", "datum"?}   answers the feed
//	feed.silent   {"feed", "since"}  RFC 3339                 answers the feed
//	feed.back     {"feed"}                                    answers the feed
//
// Facts are what people say of the city as a whole. Each is a feature without a
// place; a set writes it whole, stamps it "at" and "by", and answers it; to take one
// away answers null. if_match is as above, moments are RFC 3339.
//
//	situation.set   {"text", "lang", "author"?, "until"?, "next_briefing"?, "commander"?, "commander_phone"?, "if_match"?}   key "situation"
//	response.set    {"level", "reason", "since"?, "plan"?, "if_match"?}                    key "response"
//	figure.set      {"name", "value", "source", "confirmed", "as_of"?, "label"?, "unit"?, "definition"?, "if_match"?}
//	decision.set    {"name", "text", "due"?, "owner"?, "status"?, "if_match"?}
//	layout.set      {"name", "area", "panels", "layers", "language", "title"?, "text_scale"?, "theme"?, "tour"?,
//	                 "part"?, "visitor"?, "devices"?, "cameras"?, "dim"?, "if_match"?}
//	layout.show     {"device", "layout"}              answers the layout; without a layout null
//	situation.clear, response.clear                   {"reason"?, "if_match"?}
//	figure.remove, decision.remove, layout.remove     {"name", "reason"?, "if_match"?}
//
// The key of a named one is its kind, '-' and the name: "figure-injured". A figure
// whose name the city has words for takes label, unit and definition from there, and
// is a whole number; any other says its label. "confirmed" is confirmed, reported or
// estimated. A figure and a response level keep the value before in "before". A
// response level keeps "since" while it stays the same. The status of a decision is
// open, done or dropped; the latter two are stamped "settled_at". A display is on one
// layout: putting it on one takes it off the others.
//
// # Refusals
//
// Class and code are stable; the detail is for people.
//
//	Invalid   bad-args, bad-key, invalid (errors names each field), too-large (by the sequencer)
//	Missing   no-unit, no-incident, no-hazard, no-shelter, no-site, no-alarm, no-feed, no-void,
//	          no-situation, no-response, no-figure, no-decision, no-layout
//	Conflict  key-taken, wrong-kind, rule-owned, field-owned, unit-busy, reason-needed, unit-carrying,
//	          unit-distress, unit-not-dispatchable, unit-not-assigned, unit-assigned,
//	          unit-needs-incident, incident-closed, incident-has-units, next-needed,
//	          status-not-allowed, use-close, incident-full, too-many
//	Stale     stale (current is the feature as it is)
package dispatch
