import type { Device } from "../../commands/access";
import { m } from "../../messages";

/** Frames a second below which movement is no longer smooth. */
const fewFps = 10;
/** Seconds after which a picture counts as old. */
const oldFrameS = 10;

/** How a wall is, in one word. */
export function wallState({ revoked, online, health }: Device): Readonly<{ tone: "good" | "warn" | "bad" | "off"; text: string }> {
  if (revoked) return { tone: "off", text: m.walls_revoked() };
  if (!online) return { tone: "bad", text: m.walls_silent() };
  if (health && health.frame_age_s > oldFrameS) return { tone: "bad", text: m.walls_old() };
  if (health && health.fps < fewFps) return { tone: "warn", text: m.walls_slow() };
  return { tone: "good", text: m.walls_well() };
}

/** A code as it is shown, from what is typed: letters are raised, anything else is left out, four and four. */
export function codeOf(typed: string): string {
  const text = typed.normalize("NFKC").toUpperCase().replace(/\p{Nd}/gu, digit).replace(/[^A-Z0-9]/g, "").slice(0, 8);
  return text.length > 4 ? `${text.slice(0, 4)}-${text.slice(4)}` : text;
}

/** The Latin digit of a digit of any script that has its ten in a row: Persian, Arabic. */
function digit(sign: string): string {
  const code = sign.codePointAt(0)!;
  let zero = code;
  while (zero > 0 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && code - zero < 9) zero--;
  return String(code - zero);
}
