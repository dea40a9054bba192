import { isButton, isWriting } from "../console/actions";
import type { Replay } from "./replay.svelte";

/** So far an arrow goes, ms. */
export const stepMs = 10_000;

/** What a key does to a replay; the same on every screen and every layout of keys. */
const meanings: Readonly<Record<string, (replay: Replay) => void>> = {
  Space: (replay) => replay.play(!replay.playing),
  BracketLeft: (replay) => replay.jump(false),
  BracketRight: (replay) => replay.jump(true),
  ArrowLeft: (replay) => replay.step(-stepMs),
  ArrowRight: (replay) => replay.step(stepMs),
  Comma: (replay) => replay.faster(false),
  Period: (replay) => replay.faster(true),
};

/** Does what a key means for a replay; false: it means nothing, or the focus has a use of its own for it. */
export function replayKey(event: KeyboardEvent, replay: Replay): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return false;
  const run = meanings[event.code];
  if (!run) return false;
  if (event.code === "Space" && isButton(event.target)) return false;
  const { target } = event;
  const takesArrows = target instanceof HTMLElement && target.closest("canvas,[role='listbox'],[role='radiogroup'],input") !== null;
  if (event.code.startsWith("Arrow") && takesArrows) return false;
  run(replay);
  return true;
}
