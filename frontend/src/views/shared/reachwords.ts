import type { NearUnit, Standard } from "../../commands/reach";
import { m, message } from "../../messages";
import type { Codes } from "../../ui/codes";
import { settings } from "../../ui/settings.svelte";

/** Seconds of a way in minutes and seconds: "6 min 40 s"; from an hour on in hours and minutes. */
export function etaText(seconds: number): string {
  const { format } = settings;
  if (!Number.isFinite(seconds)) return format.number(seconds);
  const s = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60)];
  if (hours > 0) return m.eta_hours({ hours: format.number(hours), minutes: format.number(minutes % 60) });
  return minutes > 0 ? m.eta_minutes({ minutes: format.number(minutes), seconds: format.number(s % 60) }) : m.eta_seconds({ seconds: format.number(s) });
}

/** A standard's time, in whole minutes where it has them: "8 min". */
export function withinText(seconds: number): string {
  return seconds >= 60 && seconds % 60 === 0 ? m.eta_whole_minutes({ minutes: settings.format.number(seconds / 60) }) : etaText(seconds);
}

/** What a standard is called: its own label, else the capability that it speaks of. */
export function standardName({ capability, seconds }: Standard, codes: Codes): string {
  const row = codes.preset.coverage?.standards.find((s) => s.capability === capability && s.seconds === seconds);
  if (row?.label) return row.label[settings.language];
  return settings.label(codes.capability(capability), capability) || m.nearest_any();
}

/** Reasons that the basis, the filters and the order say already. */
const silent = new Set(["nearest_by_road", "nearest", "dispatchable", "air", "water", "no_road"]);

/** Why a unit stands where it stands, in words; what changes a decision first. The server gives codes. */
export function reasonsOf(unit: NearUnit, codes: Codes): readonly Readonly<{ text: string; warns: boolean }>[] {
  return unit.reasons
    .filter((reason) => !silent.has(reason) && !reason.startsWith("capability:"))
    .map((reason) => {
      const [what = "", code = ""] = reason.split(":");
      const warns = code === "";
      if (what === "status") return { text: settings.label(codes.status(code), code), warns };
      if (what === "agency") return { text: settings.label(codes.agency(code), code), warns };
      if (what === "type") return { text: settings.label(codes.unitKind(code), code), warns };
      return { text: message(`reason_${what}`) ?? reason, warns };
    })
    .sort((a, b) => Number(b.warns) - Number(a.warns));
}

/** Where the demand comes from, in the reader's language; a source that this version does not know in its own words. */
export function sourceText(source: string): string {
  return source === "" ? "" : (message(`source_${source.replace(/[^a-z]+/gi, "_").toLowerCase()}`) ?? source);
}
