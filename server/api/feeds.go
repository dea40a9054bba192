package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/geo"
	"rasad/server/access"
	"rasad/streams"
)

const refusedHeader = "Rasad-Refused"

var acceptedBody = []byte(`{"accepted":true}`)

// Osmand takes a fix in the OsmAnd form.
func (a *API) Osmand(c echo.Context, _ OsmandParams) error { return a.feed(c, "/feeds/osmand") }

// OsmandPost is the same by POST.
func (a *API) OsmandPost(c echo.Context, _ OsmandPostParams) error {
	return a.feed(c, "/feeds/osmand", "application/x-www-form-urlencoded", "application/json")
}

// OsmandByToken is the same where the token stands in the address.
func (a *API) OsmandByToken(c echo.Context, _ string, _ OsmandByTokenParams) error {
	return a.feed(c, "/feeds/osmand")
}

// OsmandPostByToken is the same by POST.
func (a *API) OsmandPostByToken(c echo.Context, _ string, _ OsmandPostByTokenParams) error {
	return a.feed(c, "/feeds/osmand", "application/x-www-form-urlencoded", "application/json")
}

// Owntracks takes a message in the OwnTracks form.
func (a *API) Owntracks(c echo.Context, _ OwntracksParams) error {
	return a.feed(c, "/feeds/owntracks", "application/json")
}

// feed reads a message of a feed and answers once its fixes are in a frame on
// disk, or refused.
func (a *API) feed(c echo.Context, path string, types ...string) error {
	f, ok := a.feeds[path]
	if !ok {
		return problem(http.StatusNotFound, "no-feed", "this server has no such feed")
	}
	received := time.Now()
	r := c.Request()
	if r.ContentLength == 0 || r.Method == http.MethodGet {
		types = nil // nothing whose type could be wrong
	}
	body, err := readBody(c, feedBytesMax, types...)
	if err != nil {
		return a.feedFailed(f, err)
	}
	reports, err := f.Parse(r, body, received)
	var unfit *Unfit
	switch {
	case errors.As(err, &unfit):
		a.metrics.feedMessages.WithLabelValues(f.Name, "unfit").Inc()
		return refuseFix(c, unfit.Reason)
	case err != nil:
		return a.feedFailed(f, malformed(err))
	case len(reports) == 0:
		return accept(c, f)
	case len(reports) > reportsMax:
		return a.feedFailed(f, problem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("a message holds more than the limit of %d fixes", reportsMax)))
	}
	who := principal(c)
	keys := make([]string, len(reports))
	for i := range reports {
		keys[i] = reports[i].Key
	}
	if err := decided(a.Gate.MayReport(who, f.Name, keys, len(body)+len(r.URL.RawQuery), a.about(a.World.View()))); err != nil {
		return a.feedFailed(f, err)
	}
	outcomes, err := a.report(r.Context(), f, reports, who)
	if err != nil {
		return a.feedFailed(f, err)
	}
	a.metrics.feedSeconds.Observe(time.Since(received).Seconds())
	var seq uint64
	for _, o := range outcomes {
		seq = max(seq, o.Seq)
	}
	setSeq(c.Response(), max(seq, a.World.View().Seq()))
	// Of several fixes the last decides: it is where the unit is now.
	if last := outcomes[len(outcomes)-1]; !last.Accepted {
		a.metrics.feedMessages.WithLabelValues(f.Name, "refused").Inc()
		return refuseFix(c, last.Reason)
	}
	a.metrics.feedMessages.WithLabelValues(f.Name, "accepted").Inc()
	return accept(c, f)
}

// malformed is the problem of an adapter's error, whose text begins with the field.
func malformed(err error) error {
	if p := asProblem(err); p != nil {
		return p
	}
	field, reason, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		field, reason = "message", err.Error()
	}
	return invalid(clip(field), "%s", reason)
}

func (a *API) feedFailed(f *Feed, err error) error {
	outcome := "failed"
	if p := asProblem(err); p != nil && p.Status < http.StatusInternalServerError {
		switch p.Status {
		case http.StatusNotFound:
			outcome = "unknown"
		case http.StatusForbidden, http.StatusTooManyRequests:
			outcome = "denied"
		default:
			outcome = "malformed"
		}
	}
	a.metrics.feedMessages.WithLabelValues(f.Name, outcome).Inc()
	return err
}

func accept(c echo.Context, f *Feed) error {
	if f.Reply != nil {
		return writeJSON(c.Response(), http.StatusOK, jsonType, f.Reply)
	}
	return writeJSON(c.Response(), http.StatusOK, jsonType, acceptedBody)
}

func refuseFix(c echo.Context, reason string) error {
	c.Response().Header().Set(refusedHeader, reason)
	b := appendString([]byte(`{"accepted":false,"reason":`), reason)
	return writeJSON(c.Response(), http.StatusOK, jsonType, append(b, '}'))
}

// report hands fixes to the sequencer and waits until they are recorded.
func (a *API) report(ctx context.Context, f *Feed, reports []streams.Report, who access.Principal) ([]streams.Outcome, error) {
	if len(reports) > 1 {
		for _, r := range reports {
			switch g, ok := a.World.View().Get(r.Key); {
			case ok && g.Kind == geo.Unit:
			case ok || !a.creates(who, r.Key):
				return nil, streams.ErrUnknownUnit
			default:
				if err := a.createUnit(ctx, f, r.Key, who); err != nil {
					return nil, err
				}
			}
		}
		t, err := a.Sequencer.ReportMany(ctx, reports)
		if err != nil {
			return nil, err
		}
		return t.Wait(ctx)
	}
	t, err := a.Sequencer.Report(ctx, reports[0])
	if errors.Is(err, streams.ErrUnknownUnit) && a.creates(who, reports[0].Key) {
		if err := a.createUnit(ctx, f, reports[0].Key, who); err != nil {
			return nil, err
		}
		t, err = a.Sequencer.Report(ctx, reports[0])
	}
	if err != nil {
		return nil, err
	}
	o, err := t.Wait(ctx)
	return []streams.Outcome{o}, err
}

// creates tells whether a report may create the unit that it names.
func (a *API) creates(who access.Principal, key string) bool {
	return a.CreateUnknown || access.CreatesUnit(who, key).Allowed
}

// createUnit makes a unit of a key that a feed brought. The letters it begins with say
// of which kind it is, as call signs of the preset do; one that fits none has no
// type, which a person can set.
func (a *API) createUnit(ctx context.Context, f *Feed, key string, who access.Principal) error {
	props := map[string]any{"name": key}
	letters := strings.TrimRight(key, "0123456789")
	for _, k := range a.Preset.UnitKinds {
		if letters != "" && k.Callsign.Prefix == strings.TrimRight(letters, "-_") {
			props["type"], props["agency"], props["capabilities"], props["crew"] = k.Code, k.Agency, k.Capabilities, k.Crew
			props["name"] = strings.ReplaceAll(k.Callsign.Name, "{n}", strings.TrimPrefix(key, letters))
		}
	}
	args, err := json.Marshal(map[string]any{"key": key, "kind": geo.Unit, "props": props})
	if err != nil {
		return fmt.Errorf("write the arguments of feature.create: %w", err)
	}
	_, err = a.Sequencer.Propose(ctx, streams.Command{Name: "feature.create", Args: args, By: who.Geo(), Why: "first fix by the feed " + f.Name})
	var refusal *geo.Refusal
	if errors.As(err, &refusal) && refusal.Code == "key-taken" {
		if g, ok := a.World.View().Get(key); ok && g.Kind == geo.Unit {
			return nil // another message was first
		}
		return streams.ErrUnknownUnit // the key names something that has no fixes
	}
	return err
}
