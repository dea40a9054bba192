package dispatch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"rasad/geo"
)

const (
	shareI1 = `incident.share {"incident":"I1","worlds":["dover","newark","dover"],"reason":"at the border"}`
	take    = `share.take {"world":"dover","key":"F9","at":[-755400000,397400000],"props":{"name":"Barn fire","type":"structure_fire","priority":"1","status":"open","opened_at":"2023-11-14T22:00:00.000Z"}}`
	endF9   = `share.end {"world":"dover","key":"F9","reason":"over at home"}`
)

func TestAnIncidentIsSharedByName(t *testing.T) {
	k := newDesk(t, fire)
	k.must(shareI1)
	if got := k.get("I1").Props.Texts("shared_with"); !slices.Equal(got, []string{"dover", "newark"}) {
		t.Errorf("shared with %v", got)
	}
	rev := k.get("I1").Rev
	k.must(shareI1)
	if k.get("I1").Rev != rev {
		t.Error("sharing again with the same worlds changed the incident")
	}
	k.must(`incident.share {"incident":"I1","worlds":[]}`)
	if raw := k.get("I1").Props.Raw("shared_with"); raw != "" {
		t.Errorf("still shared with %s", raw)
	}
}

func TestAnImageFollowsItsHome(t *testing.T) {
	k := newDesk(t, engine7, medic3, take)
	key := ImageKey("dover", "F9")
	f := k.get(key)
	if f.Props.Text("name") != "Barn fire" || f.Props.Text("shared_from") != "dover" || f.Props.Text("shared_key") != "F9" || !f.Fix.Placed() {
		t.Fatalf("the image is %s at %v", f.Props, f.Fix)
	}
	k.must(`incident.assign {"incident":"` + key + `","units":["E7","M3"]}`)
	if got := k.get(key).Props.Text("status"); got != "open" {
		t.Errorf("our units moved the status of another world's incident to %s", got)
	}
	k.must(strings.NewReplacer(`"priority":"1"`, `"priority":"2"`, `"Barn fire"`, `"Two barns"`, `"status":"open"`, `"status":"controlled"`).Replace(take))
	f = k.get(key)
	if f.Props.Text("priority") != "2" || f.Props.Text("name") != "Two barns" || f.Props.Text("status") != "controlled" || len(f.Props.Texts("assigned")) != 2 {
		t.Errorf("the image is %s", f.Props)
	}
	rev := f.Rev
	k.must(strings.NewReplacer(`"priority":"1"`, `"priority":"2"`, `"Barn fire"`, `"Two barns"`, `"status":"open"`, `"status":"controlled"`).Replace(take))
	if k.get(key).Rev != rev {
		t.Error("the same image again is no news, and yet the incident changed")
	}
	k.must(`unit.status {"unit":"M3","status":"en_route"}`)
	k.must(`unit.status {"unit":"M3","status":"on_scene"}`)
	k.must(`unit.status {"unit":"M3","status":"transporting"}`)
	k.must(endF9)
	if got := k.get(key).Props; got.Text("status") != "closed" || got.Raw("assigned") != "" || got.Text("closed_at") == "" {
		t.Errorf("after the end the image is %s", got)
	}
	if got := k.get("E7").Props; got.Text("status") != "available" || got.Text("assigned") != "" {
		t.Errorf("after the end E7 is %s", got)
	}
	if got := k.get("M3").Props; got.Text("status") != "transporting" || got.Text("assigned") != "" {
		t.Errorf("after the end M3, with a patient, is %s", got)
	}
	k.must(endF9)
	k.must(take) // shared once more
	if got := k.get(key).Props; got.Text("status") != "open" || got.Text("closed_at") != "" {
		t.Errorf("shared again, the image is %s", got)
	}
	k.must(endF9)
	k.must(`feature.delete {"key":"` + key + `","kind":"incident"}`)
}

// What the preset of this world does not know does not keep the incident out.
func TestAnImageOfAnotherPreset(t *testing.T) {
	k := newDesk(t, `share.take {"world":"shiraz","key":"7","at":[-755400000,397400000],"props":{"name":"حریق","type":"bazaar_fire","priority":"سرخ","status":"اعزام","caller":{"name":"x"},"description":"a secret","assigned":["E7"]}}`)
	got := k.get("shiraz~7").Props
	if got.Text("name") != "حریق" || got.Raw("type") != "" || got.Raw("priority") != "" || got.Text("status") != "open" {
		t.Errorf("the image is %s", got)
	}
	for _, private := range []string{"caller", "description", "assigned"} {
		if got.Raw(private) != "" {
			t.Errorf("%s came along: %s", private, got)
		}
	}
}

func TestWhatIsSharedIsWrittenAtHome(t *testing.T) {
	key := ImageKey("dover", "F9")
	for name, c := range map[string]struct{ line, code string }{
		"shared on":    {`incident.share {"incident":"` + key + `","worlds":["newark"]}`, "shared-elsewhere"},
		"closed":       {`incident.close {"incident":"` + key + `"}`, "shared-elsewhere"},
		"a status":     {`incident.status {"incident":"` + key + `","status":"controlled"}`, "shared-elsewhere"},
		"deleted":      {`feature.delete {"key":"` + key + `","kind":"incident"}`, "shared-elsewhere"},
		"moved":        {`feature.patch {"key":"` + key + `","kind":"incident","at":[1,1]}`, "shared-elsewhere"},
		"renamed":      {`feature.patch {"key":"` + key + `","kind":"incident","props":{"name":"ours"}}`, "field-owned"},
		"made by hand": {`feature.create {"key":"I7","kind":"incident","props":{"shared_from":"dover"}}`, "invalid"},
		"made shared":  {`feature.put {"key":"I7","kind":"incident","props":{"shared_with":["dover"]}}`, "invalid"},
		"ours given":   {`feature.patch {"key":"I1","kind":"incident","props":{"shared_with":["dover"]}}`, "field-owned"},
		"not theirs":   {`share.end {"world":"newark","key":"F9"}`, "no-incident"},
		"a unit's key": {`share.take {"world":"E","key":"7","props":{}}`, "wrong-kind"},
		"no place":     {`share.take {"world":"dover","key":"F8","at":[9000000000,1],"props":{}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := newDesk(t, fire, take, `feature.create {"key":"E~7","kind":"unit","props":{"type":"engine"}}`)
			_, err := k.do(c.line)
			var no *geo.Refusal
			if !errors.As(err, &no) || c.code != "" && no.Code != c.code {
				t.Errorf("%s: %v, want %s", c.line, err, c.code)
			}
		})
	}
	k := newDesk(t, take)
	k.must(`feature.patch {"key":"` + key + `","kind":"incident","props":{"our_sector":"north"}}`) // what is ours
}
