/** What a city decides for itself, as `GET /api/v1/preset` gives it: every word, colour and shape of a code comes from here. */

/** The languages of the screens. */
export type Language = "fa" | "zh" | "en";
/** A text in all of them. */
export type Label = Readonly<Record<Language, string>>;
/** Which ground the screen has. */
export type Theme = "night" | "day";
/** A meaning in two colours, `#rrggbb`. */
export type Colors = Readonly<Record<Theme, string>>;

type Coded = Readonly<{ code: string; label: Label }>;

/** One value of a scale. Compare ranks, never codes; higher is worse. */
export type ScaleValue = Coded & Readonly<{ rank: number; color: Colors; shape: string }>;
/** An ordering of how bad something is, or how much is done about it. */
export type Scale = Coded & Readonly<{ version: string; values: readonly ScaleValue[] }>;
/** What a unit is doing. */
export type Status = Coded &
  Readonly<{
    token: string;
    shape: string;
    order: number;
    dispatchable: boolean;
    busy: boolean;
    /** The one status of a unit that is new or released. */
    initial?: boolean;
    /** The one status that being assigned gives. */
    on_assign?: boolean;
    /** A patient is aboard: not freed by closing an incident, nor taken to another. */
    carrying?: boolean;
  }>;
/** A mark that stands over any status: distress. */
export type Flag = Coded & Readonly<{ token: string; shape: string }>;
/** A kind of unit. */
export type UnitKind = Coded &
  Readonly<{
    agency: string;
    shape: string;
    icon: string;
    capabilities: readonly string[];
    crew: number;
    stale_after_s: number;
  }>;
/** A kind of incident. */
export type IncidentType = Coded &
  Readonly<{
    category: string;
    icon: string;
    priority: string;
    sensitive: boolean;
    agencies: readonly string[];
    capabilities: readonly string[];
    /** The time within which help should come, where one is set. */
    standard?: Readonly<{ seconds: number; measure: string; share: number }>;
  }>;
/** How far an incident is. */
export type IncidentStatus = Coded & Readonly<{ order: number; initial?: boolean; final?: boolean }>;
/** A kind of hazard area. */
export type HazardType = Coded &
  Readonly<{
    category: string;
    icon: string;
    impassable: boolean;
    sensitive: boolean;
    /** The share of the speed that is left on roads in it; absent: all of it. */
    speed_factor?: number;
    /** Drawn as a line along or across a street; absent: as an area. */
    draw?: "line";
  }>;
/** A kind of shelter. */
export type ShelterKind = Coded & Readonly<{ icon: string; shape: string; overnight: boolean }>;
/** Whether a shelter takes people. */
export type ShelterStatus = Coded & Readonly<{ token: string; shape: string; admits: boolean }>;
/** A kind of fixed place. */
export type SiteKind = Coded & Readonly<{ icon: string; sensitive: boolean }>;
/** An organisation. */
export type Agency = Coded & Readonly<{ short: Label; icon: string; }>;

/** A number that the city has words for: dead, evacuated, without power. */
export type FigureKind = Coded & Readonly<{ unit: Label; definition: Label }>;

/** A number that the public calls. */
export type EmergencyNumber = Readonly<{ number: string; label: Label; agency: string }>;

/** What share of a city should be reached, by whom and how soon. */
export type CoverageStandards = Readonly<{
  standards: readonly Readonly<{ capability: string; seconds: number; label?: Label }>[];
  void_after_s: number;
  void_below: number;
  posts: readonly string[];
}>;

/** The whole preset. */
export type Preset = Readonly<{
  code: string;
  version: string;
  label: Label;
  country: string;
  time_zone: string;
  week_start: string;
  calendar: string;
  languages: readonly Language[];
  stale_after_s: number;
  scales: readonly Scale[];
  agencies: readonly Agency[];
  unit_kinds: readonly UnitKind[];
  capabilities: readonly Coded[];
  statuses: readonly Status[];
  transitions: readonly Readonly<{ from: string; to: readonly string[]; agencies?: readonly string[] }>[];
  flags: readonly Flag[];
  incident_types: readonly IncidentType[];
  incident_statuses: readonly IncidentStatus[];
  hazard_types: readonly HazardType[];
  shelter_kinds: readonly ShelterKind[];
  shelter_statuses: readonly ShelterStatus[];
  site_kinds: readonly SiteKind[];
  emergency_numbers?: readonly EmergencyNumber[];
  /** In the order to show them; absent on a server of before figures. */
  figures?: readonly FigureKind[];
  /** Absent on a server of before roads. */
  coverage?: CoverageStandards;
}>;

/** The row of that code. */
export function byCode<T extends Readonly<{ code: string }>>(rows: readonly T[], code: string): T | undefined {
  return rows.find((row) => row.code === code);
}

/** The value of a scale, as `scaleValue(preset, "priority", "1")`. */
export function scaleValue(preset: Preset, scale: string, code: string): ScaleValue | undefined {
  return byCode(byCode(preset.scales, scale)?.values ?? [], code);
}
