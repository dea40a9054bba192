import {
  byCode,
  type Agency,
  type HazardType,
  type IncidentStatus,
  type IncidentType,
  type Label,
  type Language,
  type Preset,
  type ScaleValue,
  type ShelterKind,
  type ShelterStatus,
  type Status,
  type Theme,
  type UnitKind,
} from "../preset";

type Coded = Readonly<{ code: string; label: Label }>;

/** Looks codes up in a preset. A code that the preset does not know is shown as it is: it was recorded, so it is true. */
export class Codes {
  readonly preset: Preset;
  /** Statuses of units in the order of their life. */
  readonly statuses: readonly Status[];
  readonly #tables = new Map<readonly Coded[], Map<string, Coded>>();

  constructor(preset: Preset) {
    this.preset = preset;
    this.statuses = [...preset.statuses].sort((a, b) => a.order - b.order);
  }

  status = (code: string): Status | undefined => this.#find(this.preset.statuses, code);
  unitKind = (code: string): UnitKind | undefined => this.#find(this.preset.unit_kinds, code);
  agency = (code: string): Agency | undefined => this.#find(this.preset.agencies, code);
  capability = (code: string): Coded | undefined => this.#find(this.preset.capabilities, code);
  incidentType = (code: string): IncidentType | undefined => this.#find(this.preset.incident_types, code);
  incidentStatus = (code: string): IncidentStatus | undefined => this.#find(this.preset.incident_statuses, code);
  hazardType = (code: string): HazardType | undefined => this.#find(this.preset.hazard_types, code);
  shelterKind = (code: string): ShelterKind | undefined => this.#find(this.preset.shelter_kinds, code);
  shelterStatus = (code: string): ShelterStatus | undefined => this.#find(this.preset.shelter_statuses, code);

  /** The values of a scale, the worst first. */
  scale(code: string): readonly ScaleValue[] {
    return [...(byCode(this.preset.scales, code)?.values ?? [])].sort((a, b) => b.rank - a.rank);
  }

  /** The priority of that code. */
  priority(code: string): ScaleValue | undefined {
    return byCode(byCode(this.preset.scales, "priority")?.values ?? [], code);
  }

  /** How bad a priority is, higher being worse; one that is unknown counts as worse than none at all. */
  priorityRank(code: string): number {
    return this.priority(code)?.rank ?? (code ? 0 : -1);
  }

  /** Whether an incident in that status is over. */
  isFinal(status: string): boolean {
    return this.incidentStatus(status)?.final === true;
  }

  /** The status of a unit that is released with no other word. */
  get initialStatus(): string {
    return this.preset.statuses.find((s) => s.initial)?.code ?? this.statuses[0]?.code ?? "";
  }

  /** Statuses that a unit may take when its incident is closed or it is released: those without work. */
  get restingStatuses(): readonly Status[] {
    return this.statuses.filter((s) => !s.busy);
  }

  /** Statuses that a unit of the agency may take after `from`, the agency's own row before the general one. */
  next(agency: string, from: string): readonly Status[] {
    const rows = this.preset.transitions.filter((t) => t.from === from);
    const row = rows.find((t) => t.agencies?.includes(agency)) ?? rows.find((t) => !t.agencies?.length);
    if (!row) return [];
    return this.statuses.filter((s) => row.to.includes(s.code));
  }

  /** Seconds after which a fix of such a unit is stale. */
  staleAfterS(unitKind: string): number {
    return this.unitKind(unitKind)?.stale_after_s ?? this.preset.stale_after_s;
  }

  /** The colour of a priority on a ground. */
  priorityColor(code: string, theme: Theme): string | undefined {
    return this.priority(code)?.color[theme];
  }

  #find<T extends Coded>(rows: readonly T[], code: string): T | undefined {
    let table = this.#tables.get(rows);
    if (!table) this.#tables.set(rows, (table = new Map(rows.map((row) => [row.code, row]))));
    return table.get(code) as T | undefined;
  }
}

/** The label of a row in a language, and the code itself where there is no row. */
export function labelOf(row: Readonly<{ label: Label }> | undefined, code: string, language: Language): string {
  return row?.label[language] ?? code;
}
