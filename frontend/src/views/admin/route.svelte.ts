/** The pages of /admin, in the order of the menu. */
export const sections = ["people", "programs", "walls", "audiences", "policy", "acts"] as const;
/** One of them. */
export type Section = (typeof sections)[number];

/** What a page needs at least of the policy. */
export const needs: Readonly<Record<Section, string>> = {
  people: "account.read",
  programs: "token.read",
  walls: "device.read",
  audiences: "audience.preview",
  policy: "policy.read",
  acts: "audit.read",
};

/** Where one is under /admin: `/admin/people/ID`. Reactive; the address follows, and Back works. */
class Route {
  section = $state<Section | "">("");
  /** What is open in it: an id, or `new`. */
  item = $state("");
  /** What is searched for, where the page keeps it in the address. */
  search = $state("");

  constructor() {
    this.read();
    addEventListener("popstate", () => this.read());
  }

  read(): void {
    const [, , section = "", item = ""] = location.pathname.split("/");
    this.section = sections.find((s) => s === section) ?? "";
    try {
      this.item = decodeURIComponent(item);
    } catch {
      this.item = "";
    }
    this.search = location.search;
  }

  /** Goes to a page of /admin. */
  go(address: string): void {
    if (address === location.pathname + location.search) return;
    history.pushState(null, "", address);
    this.read();
  }

  /** The same page with another question in the address, without a step for Back. */
  ask(search: string): void {
    history.replaceState(null, "", location.pathname + search);
    this.search = search;
  }
}

/** The one route of this page. */
export const route = new Route();

/** The address of a page, or of something on it. */
export function addressOf(section: Section, item = ""): string {
  return `/admin/${section}${item ? `/${encodeURIComponent(item)}` : ""}`;
}
