import type { Token } from "../../commands/access";

/** The limits of a token as they are typed. */
export type LimitsForm = {
  feed: string;
  which: "some" | "all";
  /** One pattern a line, or with spaces or commas between. */
  ids: string;
  creates: boolean;
  /** Null or absent: the usual. */
  perSecond: number | null | undefined;
  /** A day, as `<input type=date>` has it; "" never. */
  expires: string;
};

/** What the door takes of them. */
export type Limits = Readonly<{ feed: string; ids: string[] | null; creates: boolean; per_second: number; expires: string | null }>;

/** A form for a new token: nothing but what is said. */
export const emptyLimits = (): LimitsForm => ({ feed: "", which: "some", ids: "", creates: false, perSecond: null, expires: "" });

/** A form that says what a token has. */
export function formOf(token: Token): LimitsForm {
  return {
    feed: token.feed ?? "",
    which: token.ids ? "some" : "all",
    ids: (token.ids ?? []).join("\n"),
    creates: token.creates,
    perSecond: token.per_second ?? null,
    expires: token.expires ? localDay(new Date(token.expires)) : "",
  };
}

/** Reads the form. A day counts to its end, by this browser's clock. */
export function limitsOf(form: LimitsForm): Limits {
  const day = /^(\d+)-(\d+)-(\d+)$/.exec(form.expires);
  return {
    feed: form.feed.trim(),
    ids: form.which === "all" ? null : form.ids.split(/[\s,،，]+/).filter(Boolean),
    creates: form.creates,
    per_second: form.perSecond ?? 0,
    expires: day ? new Date(Number(day[1]), Number(day[2]) - 1, Number(day[3]), 23, 59, 59).toISOString() : null,
  };
}

function localDay(at: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
