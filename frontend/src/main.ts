import "./tokens.css";

/** What a view module offers: it draws itself into `target` and stays. */
export type View = Readonly<{ mount(target: HTMLElement): void }>;

/** Each view is a chunk of its own: a wall never downloads the console. */
const views = import.meta.glob<View>("./views/*/mount.ts");

/** `/console` and `/wall` name a view; every other path is the start page. */
function viewOf(path: string): string {
  const name = path.replace(/^\/+|\/+$/g, "");
  return `./views/${name in { console: 1, wall: 1 } ? name : "start"}/mount.ts`;
}

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no #app");
const load = views[viewOf(location.pathname)];
if (!load) throw new Error(`no view for ${location.pathname}`);
(await load()).mount(target);
