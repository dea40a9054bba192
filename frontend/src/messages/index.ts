import { m } from "../paraglide/messages.js";
import type { Problem } from "../commands/http";

/** Every text that a person reads on a screen, by name, in the language of the settings. */
export { m };

type Message = (inputs: Readonly<Record<string, string>>) => string;

const byName = m as unknown as Readonly<Record<string, Message | undefined>>;

/** The message of a name that is made from a code, as `state_` + word; null when there is none. */
export function message(name: string, inputs: Readonly<Record<string, string>> = {}): string | null {
  return byName[name.replaceAll("-", "_")]?.(inputs) ?? null;
}

/** Says why a call was refused: translated by its code; a code that this version does not know, in the server's words. */
export function problemText(problem: Problem): string {
  const fields = problem.errors.map((e) => `${e.field} ${e.reason}`).join("; ") || problem.detail;
  return message(`problem_${problem.code}`, { fields }) ?? (problem.detail || problem.code);
}
