package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rasad/server/access"
)

// Walls: from the code on their screen to their revocation.

// wallOnline is how fresh the health of a wall is that counts as online: three of its
// reports.
const wallOnline = 30 * time.Second

func (a *API) device(d access.Device) Device {
	out := Device{Id: d.ID, Name: d.Name, Approved: d.Approved, By: d.By, From: d.From, Revoked: d.Revoked}
	now := time.Now()
	if h, ok := a.Gate.Enrolments.HealthOf(d.ID); ok {
		out.Health = &WallHealth{At: h.At, Build: h.Build, Fps: h.FPS, MemoryMb: h.MemoryMB, Seq: int64(h.Seq), FrameAgeS: h.FrameAgeS,
			ContextLosses: h.ContextLosses, Width: h.Width, Height: h.Height, UptimeS: h.UptimeS}
		out.Online = !d.Revoked && now.Sub(h.At) < wallOnline
	}
	if open := a.Gate.Sessions.List(now, func(s access.Session) bool { return s.Device == d.ID }); len(open) > 0 {
		out.Seen = &open[0].Seen
	}
	return out
}

func (a *API) answerDevice(c echo.Context, status int, d access.Device) error {
	c.Response().Header()["Etag"] = []string{tagOf(d)}
	return c.JSON(status, a.device(d))
}

// ListDevices answers the walls and their health.
func (a *API) ListDevices(c echo.Context) error {
	out := DeviceList{Devices: []Device{}}
	for _, d := range a.Gate.Register.State().Devices() {
		out.Devices = append(out.Devices, a.device(d))
	}
	return c.JSON(http.StatusOK, out)
}

// BeginEnrolment makes a code for a new wall to show.
func (a *API) BeginEnrolment(c echo.Context) error {
	in, _, err := a.entering(c)
	if err != nil {
		return err
	}
	code, claim, ends, err := a.Gate.Enrolments.Begin(time.Now(), in.From, in.Agent)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, Enrolment{Code: code, Claim: claim, Ends: ends})
}

// GetEnrolment shows an approver which wall has a code.
func (a *API) GetEnrolment(c echo.Context, code EnrolmentCode) error {
	w, err := a.Gate.Enrolments.Look(time.Now(), principal(c).Name, code)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, PendingWall{Code: w.Code, From: w.From, Agent: w.Agent, Ends: w.Ends})
}

// ApproveDevice makes a wall of what shows a code.
func (a *API) ApproveDevice(c echo.Context, code EnrolmentCode) error {
	var form DeviceInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	d, err := a.Gate.Enrolments.Approve(c.Request().Context(), a.Gate.Register, principal(c).Act(why), code, form.Name, a.Name)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", "/api/v1/devices/"+d.ID)
	return a.answerDevice(c, http.StatusCreated, d)
}

// ClaimDevice gives an approved wall its session.
func (a *API) ClaimDevice(c echo.Context) error {
	var form ClaimInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	in, secure, err := a.entering(c)
	if err != nil {
		return err
	}
	e, err := a.Gate.Enrol(c.Request().Context(), form.Claim, in.From, in.Agent)
	if errors.Is(err, access.ErrNotApproved) {
		return c.NoContent(http.StatusAccepted)
	}
	if err != nil {
		return err
	}
	return a.entered(c, secure, e, http.StatusOK)
}

// PutHealth notes how a wall is.
func (a *API) PutHealth(c echo.Context) error {
	var form HealthInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	if form.Seq < 0 {
		return invalid("seq", "must not be negative")
	}
	h := access.Health{Build: form.Build, FPS: form.Fps, MemoryMB: form.MemoryMb, Seq: uint64(form.Seq), FrameAgeS: form.FrameAgeS,
		ContextLosses: form.ContextLosses, Width: form.Width, Height: form.Height, UptimeS: form.UptimeS}
	p := principal(c)
	now := time.Now()
	if err := a.Gate.Enrolments.NoteHealth(now, p.Device, h); err != nil {
		return err
	}
	a.Gate.Sessions.Touch(c.Request().Context(), now, p.Session)
	return c.NoContent(http.StatusNoContent)
}

// PatchDevice renames a wall.
func (a *API) PatchDevice(c echo.Context, id AccessId, p PatchDeviceParams) error {
	var form DeviceInput
	if err := readForm(c, &form, false); err != nil {
		return err
	}
	why, err := because(form.Why)
	if err != nil {
		return err
	}
	d, err := a.Gate.Register.RenameDevice(c.Request().Context(), principal(c).Act(why), id, form.Name,
		func(d access.Device) error { return unchanged(p.IfMatch, tagOf(d)) })
	if err != nil {
		return err
	}
	return a.answerDevice(c, http.StatusOK, d)
}

// DeleteDevice revokes a wall.
func (a *API) DeleteDevice(c echo.Context, id AccessId, p DeleteDeviceParams) error {
	if err := a.Gate.Register.RevokeDevice(c.Request().Context(), principal(c).Act(text(p.Why)), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
