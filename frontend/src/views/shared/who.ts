import { m } from "../../messages";
import { isolate } from "./words";

/** Who did something, as a reader knows them: "user:amini" is amini. Whoever is simulated is said to be. */
export function whoDid(by: string): string {
  if (by === "system") return m.who_system();
  const [, kind, name = by] = /^(user|token|device|simulated):(.+)$/.exec(by) ?? [];
  return kind === "simulated" ? m.who_simulated({ name: isolate(name) }) : name;
}
