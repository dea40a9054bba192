/** Things that keep a wall well for a month that nobody touches it. */

/** Moves everything a few pixels round, so that no edge is burnt into a display: one place for each minute in turn. */
export function pixelShift(now: number): readonly [x: number, y: number] {
  const turns = [[0, 0], [2, 0], [2, 2], [0, 2], [-2, 2], [-2, 0], [-2, -2], [0, -2], [2, -2]] as const;
  return Number.isFinite(now) ? turns[Math.floor(now / 60_000) % turns.length]! : turns[0];
}

/** Calm for so long is a quiet minute. */
const quietMs = 60_000;
/** An upgrade waits no longer than this for one. */
const patienceMs = 15 * 60_000;

/**
 * Whether a wall may load itself again for a new version now: nothing waits to be acknowledged and nothing has happened
 * for a minute. In a night without a quiet minute it does so after a quarter of an hour.
 */
export function mayReload(now: number, outdatedSince: number, lastOpened: number, waiting: number): boolean {
  if (now - outdatedSince > patienceMs) return true;
  return waiting === 0 && now - Math.max(lastOpened, outdatedSince) > quietMs;
}

/** The minute of the city's day, 0 to 1439. */
export function minuteOfDay(now: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).formatToParts(now);
  const part = (type: string) => Number(parts.find((p) => p.type === type)?.value ?? 0);
  return part("hour") * 60 + part("minute");
}

/** By day from seven to seven: what "auto" means where nobody measures the light in the room. */
export function themeAt(minute: number): "night" | "day" {
  return minute >= 7 * 60 && minute < 19 * 60 ? "day" : "night";
}
