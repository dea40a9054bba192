import type { Problem } from "../commands/http";
import { settings } from "./settings.svelte";

/** Seconds that a refusal asks to wait, at least one. */
export function waitOf(problem: Problem): number {
  return Math.max(1, Math.ceil(problem.retryAfterS ?? 0));
}

/** Counts seconds down to zero, reactive. */
export class Countdown {
  left = $state(0);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Begins again with so many seconds. */
  start(seconds: number): void {
    clearInterval(this.#timer);
    const end = performance.now() + seconds * 1000;
    const count = () => {
      this.left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      if (this.left === 0) clearInterval(this.#timer);
    };
    this.#timer = setInterval(count, 250);
    count();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.left = 0;
  }

  /** What is left, as people say it. */
  get text(): string {
    return settings.format.age(this.left);
  }
}
