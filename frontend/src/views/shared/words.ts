import { m, message } from "../../messages";
import { settings } from "../../ui/settings.svelte";
import { list, number, text, type Feature } from "../../world/feature";
import type { Act } from "./acts";
import type { Live } from "./live.svelte";
import { nameBy } from "./reach";

/** Keeps a name from turning the text around it: Latin street names stand in Persian sentences. */
export function isolate(name: string): string {
  return `\u2068${name}\u2069`;
}

/** What a person calls an incident: its name, else its type. Keys that a machine made are said last. */
export function incidentName(incident: Feature, live: Live): string {
  const type = text(incident, "type");
  return text(incident, "name") || settings.label(live.codes.incidentType(type), type) || incident.key;
}

/** Where an incident is: its name or address, else the street and quarter that it is near to; "" when nobody knows. */
export function whereIs(incident: Feature, live: Live): string {
  const name = text(incident, "name");
  if (name) return name;
  const at = live.world.fix(incident)?.at;
  if (!at) return "";
  const { street, quarter } = live.places.near(at, settings.language);
  if (street && quarter) return m.place_near_in({ street: isolate(street), quarter: isolate(quarter) });
  return street || quarter ? m.place_near({ place: isolate(street || quarter) }) : "";
}

/** The same by its key, which may be of an incident that is gone. */
export function nameOfIncident(key: string, live: Live): string {
  const incident = live.world.get(key);
  return incident ? incidentName(incident, live) : key;
}

/** What a person calls a hazard: its name, else its type. */
export function hazardName(hazard: Feature, live: Live): string {
  const type = text(hazard, "type");
  return text(hazard, "name") || settings.label(live.codes.hazardType(type), type) || hazard.key;
}

/** One line of the log. */
export function actText(act: Act, live: Live): string {
  const { codes } = live;
  const incident = act.incident ? isolate(nameOfIncident(act.incident, live)) : "";
  const unit = isolate(act.subject);
  const status = settings.label(codes.status(act.code), act.code);
  switch (act.what) {
    case "incident_opened":
      return m.act_incident_opened({ incident });
    case "incident_closed":
      return m.act_incident_closed({ incident });
    case "incident_status":
      return m.act_incident_status({ incident, status: settings.label(codes.incidentStatus(act.code), act.code) });
    case "incident_priority":
      return m.act_incident_priority({ incident, priority: settings.label(codes.priority(act.code), act.code) });
    case "assigned":
      return m.act_assigned({ unit, incident });
    case "released":
      return m.act_released({ unit, incident });
    case "unit_status":
      return incident ? m.act_unit_status_at({ unit, status, incident }) : m.act_unit_status({ unit, status });
    case "distress":
      return m.act_distress({ unit });
    case "distress_over":
      return m.act_distress_over({ unit });
    case "hazard_opened":
      return m.act_hazard_opened({ hazard: settings.label(codes.hazardType(act.code), act.code) });
    case "hazard_over":
      return m.act_hazard_over({ hazard: settings.label(codes.hazardType(act.code), act.code) });
    case "alarm": {
      const alarm = live.world.get(act.subject);
      return m.act_alarm({ alarm: alarm ? alarmText(alarm, live) : (message(`alarm_kind_${act.code}`) ?? act.code) });
    }
    default:
      return act.what satisfies never;
  }
}

/** What an alarm says. Types that this version does not know are said in the words of whoever raised it. */
export function alarmText(alarm: Feature, live: Live): string {
  const type = text(alarm, "type");
  const [subject] = list(alarm, "subjects");
  if (type === "void") return voidText(alarm, live);
  if (type === "void_surge") return m.alarm_void_surge({ count: settings.format.number(number(alarm, "count")) });
  const name = subject ? isolate(live.name(subject)) : text(alarm, "text") || alarm.key.split(":").at(-1) || "";
  return message(`alarm_${type}`, { name, type }) ?? (text(alarm, "text") || type || alarm.key);
}

/** "No advanced life support can reach Riverside in time." The zone and the capability stand on the alarm, else on its subject. */
function voidText(alarm: Feature, live: Live): string {
  const [subject = ""] = list(alarm, "subjects");
  const about = live.world.get(subject);
  const from = (name: string) => alarm.props[name] ?? about?.props[name];
  const code = from("capability");
  const zone = from("zone");
  const capability = typeof code === "string" ? code : "";
  const name = nameBy(from("names"), settings.language) || (typeof zone === "string" ? zone : "") || subject;
  if (capability === "") return m.alarm_void_any({ zone: isolate(name) });
  return m.alarm_void({ zone: isolate(name), capability: isolate(settings.label(live.codes.capability(capability), capability)) });
}
