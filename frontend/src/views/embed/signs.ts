/** The signs of the list and of the map, which are the same: how bad something is shows in the shape and the marks, not in the colour alone. */
import { shapePath } from "../../shapes";
import type { PublicFeature } from "./public";

/** A sign: a shape of `shapes.ts`, what stands in it as an SVG path in a box of 24 by 24, and a token of `tokens.css` for its colour. */
export type Sign = Readonly<{
  /** Says all of it: `hazard-severe`, `shelter-full`. */
  name: string;
  shape: string;
  marks: string;
  token: string;
  /** Only its outline is coloured: nothing to act on. */
  hollow: boolean;
}>;

/** Up to three exclamation marks, side by side. */
const bang = (n: number) =>
  Array.from({ length: n }, (_, i) => {
    const x = 12 + (i - (n - 1) / 2) * 3.9;
    const w = n > 2 ? 1.1 : 1.3;
    // In a diamond there is less room beside the middle.
    const top = n > 2 && i !== 1 ? 8 : 6.4;
    return `M${x - w} ${top}H${x + w}L${x + w * 0.7} 13H${x - w * 0.7}ZM${x - w} 14.6H${x + w}V16.8H${x - w}Z`;
  }).join("");

const severityMarks = { extreme: bang(3), severe: bang(2), moderate: bang(1), minor: "M10.7 7H13.3V9.4H10.7ZM10.7 10.8H13.3V17.2H10.7Z", unknown: "M10.6 10.6H13.4V13.4H10.6Z" } as const;
const severityTokens = { extreme: "act-now", severe: "act-now", moderate: "attention", minor: "text-muted", unknown: "text-muted" } as const;
const roomMarks = { open: "M7.6 14.2 10.8 17.4 16.8 11 15.2 9.4 10.8 14 9.2 12.6Z", full: "M7.4 12.4H16.6V15.2H7.4Z", closed: "M8.6 9.6 12 13 15.4 9.6 17 11.2 13.6 14.6 17 18 15.4 19.6 12 16.2 8.6 19.6 7 18 10.4 14.6 7 11.2Z" } as const;

/** The sign of a feature. */
export function signOf({ properties: { kind, severity = "unknown", status, room } }: PublicFeature): Sign {
  const over = status === "over";
  switch (kind) {
    case "shelter": {
      const state = room?.state ?? "closed";
      return { name: `shelter-${state}`, shape: "house", marks: roomMarks[state] ?? roomMarks.closed, token: `shelter-${state}`, hollow: state !== "open" };
    }
    case "site":
      return { name: "site", shape: "rounded_square", marks: severityMarks.unknown, token: "site", hollow: true };
    default: {
      const known = severity in severityMarks ? severity : "unknown";
      return {
        name: `${kind}-${known}${over ? "-over" : ""}`,
        shape: kind === "hazard" ? "diamond" : "circle",
        marks: severityMarks[known],
        token: over ? "text-muted" : severityTokens[known],
        hollow: over || known === "minor" || known === "unknown",
      };
    }
  }
}

const svg = "http://www.w3.org/2000/svg";

/** A sign as a picture in the page. What it says stands beside it in words. */
export function drawSign(sign: Sign): SVGElement {
  const picture = document.createElementNS(svg, "svg");
  picture.setAttribute("viewBox", "-1 -1 26 26");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", `sign${sign.hollow ? " hollow" : ""}`);
  picture.style.color = `var(--${sign.token})`;
  for (const [d, part] of [
    [shapePath(sign.shape), "shape"],
    [sign.marks, "marks"],
  ] as const) {
    const path = document.createElementNS(svg, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", part);
    picture.append(path);
  }
  return picture;
}
