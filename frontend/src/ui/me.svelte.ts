import { endProvider, getWho, signOut, type Who } from "../commands/access";
import type { Outcome, Problem } from "../commands/http";
import { forgetKept } from "../kept";
import { settings } from "./settings.svelte";
import { languages } from "./format";

/** The code of a refusal that a fresh proof of the person takes away. */
const stepUpCode = "step-up";
/** The code of a refusal that says: nobody is signed in. */
const nobodyCode = "sign-in";

/** Who uses this page, reactive; and the one question "is it really you?" that any call may bring up. */
class Me {
  who = $state.raw<Who | null>(null);
  /** A call waits for the person to prove who they are. */
  asking = $state(false);

  #answers: ((proved: boolean) => void)[] = [];

  /** Asks the server who this is. Nobody: null. When no server answers, what was known stays. */
  async load(signal?: AbortSignal): Promise<Outcome<Who>> {
    const answer = await getWho(signal);
    if (answer.ok) this.who = answer.body;
    else if (answer.problem.status === 401) this.who = null;
    return answer;
  }

  /** Whether the policy lets this person do that; a call may still be refused, for what it is about. */
  may(action: string): boolean {
    return this.who?.may.includes(action) === true;
  }

  /**
   * Makes a call. When it is refused until the person proves again who they are, asks for that and makes it once more;
   * when the session is over, goes to the sign-in page and comes back.
   */
  async secured<T>(call: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const first = await call();
    if (first.ok) return first;
    if (first.problem.status === 401 && first.problem.code === nobodyCode) {
      location.assign(signInAddress());
      return first;
    }
    if (first.problem.code !== stepUpCode) return first;
    return (await this.prove()) ? call() : first;
  }

  /** Asks for the proof; false when the person would rather not. */
  prove(): Promise<boolean> {
    this.asking = true;
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  /** The dialog's answer. */
  proved(yes: boolean): void {
    this.asking = false;
    const waiting = this.#answers;
    this.#answers = [];
    for (const answer of waiting) answer(yes);
  }

  /** Ends the session and goes to the sign-in page. */
  async leave(): Promise<void> {
    // Who came in by a provider is signed in there as well.
    const elsewhere = this.who?.account?.has_password === false;
    const [end] = await Promise.all([elsewhere ? endProvider() : signOut(), forgetKept()]);
    this.who = null;
    location.assign((end.ok && end.body?.address) || "/signin");
  }
}

/** The one person of this page. */
export const me = new Me();

/** Whether somebody gave up a proof: nothing went wrong, so nothing is said. */
export function isStepUp(problem: Problem): boolean {
  return problem.code === stepUpCode;
}

/** The sign-in page that comes back here. */
export function signInAddress(here: Pick<Location, "pathname" | "search"> = location): string {
  const next = here.pathname + here.search;
  return next === "/" ? "/signin" : `/signin?next=${encodeURIComponent(next)}`;
}

/** Where to go after signing in: a path of this origin, or the start page for anything else. */
export function nextAddress(search: string, origin: string = location.origin): string {
  const next = new URLSearchParams(search).get("next") ?? "/";
  // "//host" and "/\host" are addresses of other machines.
  if (!/^\/(?![/\\])/.test(next)) return "/";
  const url = new URL(next, origin);
  if (url.origin !== origin || url.pathname === "/signin" || url.pathname === "/setup") return "/";
  return url.pathname + url.search + url.hash;
}

/** A person's own language applies where this browser has not chosen one. */
export function adoptLanguage(language: string): void {
  const known = languages.find((l) => l === language);
  if (known) settings.offerLanguage(known);
}
