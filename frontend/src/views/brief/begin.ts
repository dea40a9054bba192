import { getCity, getPreset } from "../../commands/commands";
import { forgetKept, kept } from "../../kept";
import type { Preset } from "../../preset";
import { me } from "../../ui/me.svelte";
import { settings } from "../../ui/settings.svelte";
import { Brief } from "./brief.svelte";
import { keepsakeVersion, unflatten, type Keepsake } from "./keepsake";

/** Who waits longer than this for a server is shown what was kept. */
const patienceMs = 1500;

/** How a brief begins. */
export type Beginning = Readonly<{
  /** There is something to show: what was kept at first, perhaps, and then what the server says. */
  show(brief: Brief): void;
  /** Nobody is signed in. Nothing is kept any more. */
  nobody(): void;
  /** A password that somebody else gave has to be changed first. */
  mustChange(): void;
  /** The server does not answer, and nothing was kept. */
  waiting(): void;
}>;

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/**
 * Asks the server who this is and what the city is made of. When it is slow or away, shows what was kept of the session
 * until it answers. What was kept of another session is destroyed, and so is everything once nobody is signed in.
 */
export async function begin(signal: AbortSignal, on: Beginning): Promise<void> {
  const make = (preset: Preset, city: Keepsake["city"], keepsake: Keepsake | null): Brief => {
    settings.timeZone = city.time_zone;
    const first = preset.languages[0];
    if (first) settings.offerLanguage(first);
    return new Brief(preset, city, keepsake && unflatten(keepsake.world), keepsake?.hour ?? null);
  };

  const asked = Promise.all([me.load(signal), getPreset<Preset>(signal), getCity(signal)]);
  const remembered = kept<Keepsake>();
  const early = await Promise.race([asked, pause(patienceMs, signal)]);
  const unsigned = (answer: Awaited<typeof asked>[0]) => !answer.ok && answer.problem.status === 401;
  let shown: Brief | null = null;

  if (!early || !early[0].ok) {
    if (early && unsigned(early[0])) {
      await forgetKept();
      return on.nobody();
    }
    const past = await remembered;
    signal.throwIfAborted();
    if (past?.value.version === keepsakeVersion) {
      shown = make(past.value.preset, past.value.city, past.value);
      on.show(shown);
    } else {
      on.waiting();
    }
  }

  let answers = early ?? (await asked);
  for (let wait = 500; ; wait = Math.min(5000, wait * 1.5)) {
    signal.throwIfAborted();
    const [who, preset, city] = answers;
    if (unsigned(who)) {
      shown?.close();
      await forgetKept();
      return on.nobody();
    }
    if (who.ok && who.body.must_change) return on.mustChange();
    if (who.ok && preset.ok && city.ok) {
      const past = await remembered;
      const another = past !== null && past.bond.session !== who.body.session;
      if (another) await forgetKept();
      // What is shown goes on by itself, unless it is somebody else's, or the city speaks in other words now.
      const same = shown && !another && past && JSON.stringify(past.value.preset) === JSON.stringify(preset.body);
      if (same) return;
      shown?.close();
      return on.show(make(preset.body, city.body, null));
    }
    if (!shown) on.waiting();
    await pause(wait, signal);
    answers = await Promise.all([me.load(signal), getPreset<Preset>(signal), getCity(signal)]);
  }
}
