package geo

import "encoding/json"

// Rule decides one named command on a draft: it changes the draft and returns
// the answer for the caller (marshalled as JSON), or refuses with a [*Refusal].
// Rules are pure: no clock but [Draft.Now], no I/O.
type Rule func(d *Draft, by Principal, args json.RawMessage) (answer any, err error)

// RefusalClass says what sort of no a refusal is.
type RefusalClass uint8

// The classes, with the HTTP status the door gives them.
const (
	Invalid  RefusalClass = iota + 1 // 400: the input is wrong; Errors names the fields
	Missing                          // 404: no such feature
	Conflict                         // 409: the world does not allow it
	Stale                            // 412: the feature is not at the revision the caller saw; Current is
	Reused                           // 422: the idempotency key came with another body
	Denied                           // 403: not this principal
)

// Refusal is a rule's no. Code is stable and kebab-case, screens translate it;
// Detail is an English sentence that a person can act on.
type Refusal struct {
	Class   RefusalClass
	Code    string
	Detail  string
	Errors  []FieldError
	Current *Feature
}

// FieldError names one wrong field of the input and why it is wrong.
type FieldError struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func (r *Refusal) Error() string { return r.Detail }
