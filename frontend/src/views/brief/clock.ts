/** Moments of a city's day as people write them: "14:30". The browser's own time zone is never asked. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds that the clock of the zone is ahead of UTC at a moment. */
function offsetMs(ms: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(part["year"]!, part["month"]! - 1, part["day"]!, part["hour"]!, part["minute"]!, part["second"]!);
  return local - Math.floor(ms / 1000) * 1000;
}

const dayMs = 24 * 3600_000;

/** "14:30" in the zone at a moment, for a field of a form. */
export function written(ms: number, timeZone: string): string {
  if (!Number.isFinite(ms)) return "";
  return new Date(ms + offsetMs(ms, timeZone)).toISOString().slice(11, 16);
}

/**
 * The moment that a written time of the day means: the next one to come, or the last one that was. "" when nothing is
 * written, RFC 3339 otherwise.
 */
export function meant(clock: string, now: number, timeZone: string, which: "next" | "last"): string {
  const match = /^(\d{1,2}):(\d{2})$/.exec(clock);
  if (!match) return "";
  const offset = offsetMs(now, timeZone);
  const midnight = Math.floor((now + offset) / dayMs) * dayMs;
  const wall = midnight + (Number(match[1]) * 60 + Number(match[2])) * 60_000;
  // The clocks may change between now and then: the offset is that of the moment itself.
  let at = wall - offsetMs(wall - offset, timeZone);
  if (which === "next" && at <= now) at += dayMs;
  if (which === "last" && at > now) at -= dayMs;
  return new Date(at).toISOString();
}
