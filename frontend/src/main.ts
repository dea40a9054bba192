import "./tokens.css";
import { sessionOver } from "./stream/protocol";
import { me, signInAddress } from "./ui/me.svelte";

/** What a view module offers: it draws itself into `target` and stays. */
export type View = Readonly<{ mount(target: HTMLElement): void }>;

/** Each view is a chunk of its own: a wall never downloads the console. */
const views = import.meta.glob<View>("./views/*/mount.ts");

/** Paths by the view that draws them; every other path is the start page. */
const paths: Readonly<Record<string, string>> = {
  console: "console",
  wall: "wall",
  account: "account",
  admin: "admin",
  signin: "signin",
  setup: "setup",
  reset: "setup",
  gallery: "gallery",
  layouts: "layouts",
  brief: "brief",
};
/** These are for who has no session yet, or show nothing of the city, or ask by themselves because they come up without a server. */
const anybodys: readonly string[] = ["signin", "setup", "gallery", "brief"];

function viewOf(path: string): string {
  const name = path.split("/")[1] ?? "";
  return paths[name] ?? "start";
}

async function draw(name: string): Promise<void> {
  const target = document.getElementById("app");
  if (!target) throw new Error("index.html has no #app");
  const load = views[`./views/${name}/mount.ts`];
  if (!load) throw new Error(`no view ${name}`);
  (await load()).mount(target);
}

/**
 * A session that ends closes its stream, at once, or while the screen could not hear it. Then the person signs in again, and a
 * wall shows a code again. A server that is away says nothing about sessions: the screen waits for it.
 */
function watch(name: string): void {
  const ask = async (): Promise<void> => {
    const answer = await me.load();
    if (answer.ok || answer.problem.status !== 401) return;
    if (name === "wall") location.reload();
    else location.assign(signInAddress());
  };
  addEventListener(sessionOver, () => void ask());
  setInterval(() => {
    if (document.documentElement.dataset["state"] === "NOT_LIVE") void ask();
  }, 5000);
}

async function begin(): Promise<void> {
  const name = viewOf(location.pathname);
  if (anybodys.includes(name)) return draw(name);
  const answer = await me.load();
  if (!answer.ok && answer.problem.status === 401) {
    if (name === "wall") return draw("enrol");
    return location.replace(signInAddress());
  }
  if (me.who?.must_change && name !== "account") return location.replace("/account");
  await draw(name);
  if (name === "wall" || name === "console") watch(name);
  if (me.who?.kind === "wall") (await import("./views/enrol/health")).reportHealth();
}

await begin();
