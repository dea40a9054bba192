package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/streams"
)

// Facts: what people say of the city as a whole, and what its walls show. Each is a
// feature; the rules of server/dispatch check what is written field by field.

// PutSituation writes the situation line.
func (a *API) PutSituation(c echo.Context, p PutSituationParams) error {
	return a.say(c, "situation.set", geo.Situation, "", new(SituationInput), p.IfMatch, p.IdempotencyKey)
}

// DeleteSituation takes the situation line away.
func (a *API) DeleteSituation(c echo.Context, p DeleteSituationParams) error {
	return a.unsay(c, "situation.clear", geo.Situation, "", p.Reason, p.IfMatch, p.IdempotencyKey)
}

// PutResponse sets the response level.
func (a *API) PutResponse(c echo.Context, p PutResponseParams) error {
	return a.say(c, "response.set", geo.Response, "", new(ResponseInput), p.IfMatch, p.IdempotencyKey)
}

// DeleteResponse takes the response level away.
func (a *API) DeleteResponse(c echo.Context, p DeleteResponseParams) error {
	return a.unsay(c, "response.clear", geo.Response, "", p.Reason, p.IfMatch, p.IdempotencyKey)
}

// PutFigure reports a figure.
func (a *API) PutFigure(c echo.Context, id Id, p PutFigureParams) error {
	return a.say(c, "figure.set", geo.Figure, id, new(FigureInput), p.IfMatch, p.IdempotencyKey)
}

// DeleteFigure takes a figure away.
func (a *API) DeleteFigure(c echo.Context, id Id, p DeleteFigureParams) error {
	return a.unsay(c, "figure.remove", geo.Figure, id, p.Reason, p.IfMatch, p.IdempotencyKey)
}

// PutDecision writes a decision.
func (a *API) PutDecision(c echo.Context, id Id, p PutDecisionParams) error {
	return a.say(c, "decision.set", geo.Decision, id, new(DecisionInput), p.IfMatch, p.IdempotencyKey)
}

// DeleteDecision takes a decision away.
func (a *API) DeleteDecision(c echo.Context, id Id, p DeleteDecisionParams) error {
	return a.unsay(c, "decision.remove", geo.Decision, id, p.Reason, p.IfMatch, p.IdempotencyKey)
}

// PutLayout writes a layout of a wall.
func (a *API) PutLayout(c echo.Context, id Id, p PutLayoutParams) error {
	return a.say(c, "layout.set", geo.Layout, id, new(LayoutInput), p.IfMatch, p.IdempotencyKey)
}

// DeleteLayout takes a layout away.
func (a *API) DeleteLayout(c echo.Context, id Id, p DeleteLayoutParams) error {
	return a.unsay(c, "layout.remove", geo.Layout, id, p.Reason, p.IfMatch, p.IdempotencyKey)
}

// PutDisplay puts a layout on a display.
func (a *API) PutDisplay(c echo.Context, id Id, p PutDisplayParams) error {
	if err := geo.CheckKey(id); err != nil {
		return err
	}
	var in DisplayInput
	body, err := readObject(c, &in, false)
	if err != nil {
		return err
	}
	if in.Layout == "" {
		return invalid("layout", "must be given")
	}
	args, err := json.Marshal(map[string]string{"device": id, "layout": in.Layout})
	if err != nil {
		return fmt.Errorf("write the arguments of layout.show: %w", err)
	}
	answer, err := a.propose(c, streams.Command{Name: "layout.show", Args: args}, body, p.IdempotencyKey, nil)
	if err != nil {
		return err
	}
	return a.answerFeature(c, answer)
}

// factKey is the key of a fact: one without a name is alone of its kind.
func factKey(kind geo.Kind, name string) string {
	if name == "" {
		return string(kind)
	}
	return string(kind) + "-" + name
}

// say hands the body of a fact to its rule. Reading it into its type refuses members
// of other types by their name, as everywhere.
func (a *API) say(c echo.Context, command string, kind geo.Kind, name string, in any, ifMatch, key *string) error {
	body, err := readObject(c, in, false)
	if err != nil {
		return err
	}
	args := map[string]any{}
	if err := json.Unmarshal(body, &args); err != nil {
		return problem(http.StatusBadRequest, "invalid-json", "the body must be a JSON object")
	}
	if name != "" {
		args["name"] = name
	}
	answer, err := a.fact(c, command, kind, name, args, body, ifMatch, key)
	if err != nil {
		return err
	}
	return a.answerFeature(c, answer)
}

// unsay takes a fact away.
func (a *API) unsay(c echo.Context, command string, kind geo.Kind, name string, reason, ifMatch, key *string) error {
	args := map[string]any{}
	if name != "" {
		args["name"] = name
	}
	set(args, "reason", reason)
	answer, err := a.fact(c, command, kind, name, args, nil, ifMatch, key)
	if err != nil {
		return err
	}
	setSeq(c.Response(), answer.Seq)
	return c.NoContent(http.StatusNoContent)
}

// fact proposes a command about a fact under the condition of If-Match.
func (a *API) fact(c echo.Context, command string, kind geo.Kind, name string, args map[string]any, body []byte, ifMatch, key *string) (streams.Answer, error) {
	id := factKey(kind, name)
	if err := geo.CheckKey(id); err != nil {
		return streams.Answer{}, err
	}
	rev, err := a.seerOf(principal(c)).wanted(a.World.View(), kind, id, ifMatch)
	if err != nil {
		return streams.Answer{}, err
	}
	args["if_match"] = rev
	raw, err := json.Marshal(args)
	if err != nil {
		return streams.Answer{}, fmt.Errorf("write the arguments of %s: %w", command, err)
	}
	answer, err := a.propose(c, streams.Command{Name: command, Args: raw}, body, key, nil)
	if err != nil {
		return streams.Answer{}, a.annotate(c, err, conditions{ifMatch: ifMatch}, kind, id)
	}
	return answer, nil
}
