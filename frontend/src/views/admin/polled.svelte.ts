import { onMount } from "svelte";
import type { Outcome } from "../../commands/http";
import { problemText } from "../../messages";
import { me } from "../../ui/me.svelte";

/** A list of the server that a page keeps current while somebody looks at it. */
export class Polled<B, T> {
  /** What was answered last; null until something was. */
  all = $state.raw<readonly T[] | null>(null);
  /** Why the last answer did not come, in words; empty when it did. */
  problem = $state("");
  /** When the last answer came, Unix ms. */
  now = $state(Date.now());

  readonly #ask: () => Promise<Outcome<B>>;
  readonly #of: (body: B) => readonly T[];

  /** Made while a component is: it asks now, and every `everyMs` while the page is seen. `of` finds the list in an answer. */
  constructor(ask: () => Promise<Outcome<B>>, of: (body: B) => readonly T[], everyMs: number) {
    this.#ask = ask;
    this.#of = of;
    onMount(() => {
      void this.load();
      const timer = setInterval(() => document.visibilityState === "visible" && void this.load(), everyMs);
      return () => clearInterval(timer);
    });
  }

  /** Puts one that has changed in the place of what it was. */
  put(changed: T, key: (one: T) => string): void {
    this.all = (this.all ?? []).map((one) => (key(one) === key(changed) ? changed : one));
  }

  /** Asks again. What was known stays when there is no answer. */
  async load(): Promise<void> {
    const answer = await me.secured(this.#ask);
    this.now = Date.now();
    if (answer.ok) {
      this.all = this.#of(answer.body);
      this.problem = "";
    } else this.problem = problemText(answer.problem);
  }
}
