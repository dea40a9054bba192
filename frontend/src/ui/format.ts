import type { Language } from "../preset";

export type { Language };

/** In the order to offer them. */
export const languages: readonly Language[] = ["fa", "zh", "en"];

/** Languages that are written from right to left. */
export const rightToLeft: ReadonlySet<Language> = new Set<Language>(["fa"]);

/** Intl's name of each language, with its own calendar and digits. English times are read by 24 hours everywhere. */
const locales: Readonly<Record<Language, string>> = {
  fa: "fa-IR-u-ca-persian-nu-arabext",
  zh: "zh-CN-u-ca-gregory-nu-latn",
  en: "en-GB-u-ca-gregory-nu-latn",
};

/** Of units of measure: "4 min" is American, "4 mins" British, and Persian short forms lack their space. */
const measures: Readonly<Record<Language, { locale: string; display: "short" | "long" }>> = {
  fa: { locale: "fa-IR-u-nu-arabext", display: "long" },
  zh: { locale: "zh-CN", display: "short" },
  en: { locale: "en-US", display: "short" },
};

/** Shown where there is no value: never a zero that somebody could believe. */
export const unknown = "–";

/** Writes numbers, distances, times and dates as one language and one city have them. */
export type Format = Readonly<{
  language: Language;
  timeZone: string;
  /** A whole number, or one with at most `digits` decimals. */
  number(value: number, digits?: number): string;
  /** A count that stays short: 12,345 as it is, from a hundred thousand on "123K". */
  count(value: number): string;
  /** With one decimal, always: figures below each other are compared. */
  tenths(value: number): string;
  percent(share: number): string;
  /** A share to a tenth of a percent, where tenths decide: "87.3 %". */
  share(share: number): string;
  /** Metres, as exact as a person can use: "350 m", "1.2 km", "12 km". */
  distance(metres: number): string;
  /** Metres a second, as kilometres an hour. */
  speed(mps: number): string;
  /** Seconds as the largest whole unit: "8 sec", "4 min", "2 hr", "3 days". */
  age(seconds: number): string;
  /** Seconds as a stopwatch: "04:12", "1:04:12". */
  elapsed(seconds: number): string;
  /** "14:32:05" in the city's zone. */
  clock(ms: number): string;
  /** "14:32" in the city's zone. */
  time(ms: number): string;
  /** "Sunday, 22 November 2026", "یکشنبه ۱ آذر ۱۴۰۵", "2026年11月22日 星期日". */
  date(ms: number): string;
  /** Time, with the day before it unless it is the day of `now`. */
  moment(ms: number, now: number): string;
  /** "UTC+03:30": the offset of the city at that moment. */
  offset(ms: number): string;
  /** Latitude and longitude, to be shown from left to right in every language. */
  place(at: readonly [lng: number, lat: number]): string;
  /** Names in a row: "A, B and C". */
  list(items: readonly string[]): string;
}>;

const made = new Map<string, Format>();

/** The format of a language and an IANA time zone. Always the same object for the same two. */
export function formatOf(language: Language, timeZone: string): Format {
  const name = `${language} ${timeZone}`;
  let format = made.get(name);
  if (!format) made.set(name, (format = create(language, timeZone)));
  return format;
}

function create(language: Language, timeZone: string): Format {
  const locale = locales[language];
  const numbers = [0, 1, 2].map((digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }));
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
  const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const shares = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const plain = new Intl.NumberFormat(locale, { useGrouping: false });
  const two = new Intl.NumberFormat(locale, { useGrouping: false, minimumIntegerDigits: 2 });
  const degrees = new Intl.NumberFormat(locale, { minimumFractionDigits: 5, maximumFractionDigits: 5 });
  const names = new Intl.ListFormat(locale, { type: "conjunction" });
  const time = { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  const times = new Intl.DateTimeFormat(locale, time);
  const clocks = new Intl.DateTimeFormat(locale, { ...time, second: "2-digit" });
  const days = new Intl.DateTimeFormat(locale, { timeZone, weekday: "long", year: "numeric", month: "long", day: "numeric" });
  const shortDays = new Intl.DateTimeFormat(locale, { timeZone, month: "long", day: "numeric" });
  const offsets = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  const measured = new Map<string, Intl.NumberFormat>();

  function measure(unit: string, value: number, digits = 0): string {
    const name = unit + digits;
    let format = measured.get(name);
    if (!format) {
      const { locale: units, display } = measures[language];
      format = new Intl.NumberFormat(units, { style: "unit", unit, unitDisplay: display, maximumFractionDigits: digits });
      measured.set(name, format);
    }
    return format.format(value);
  }

  const whole = (ms: number, write: (ms: number) => string) => (Number.isFinite(ms) ? write(ms) : unknown);
  const number = (value: number, digits = 0) => whole(value, (v) => (numbers[digits] ?? numbers[2]!).format(v));

  return {
    language,
    timeZone,
    number,
    count: (value) => whole(value, (v) => (Math.abs(v) < 100_000 ? numbers[0]! : compact).format(v)),
    tenths: (value) => whole(value, (v) => tenth.format(v)),
    percent: (share) => whole(share, (v) => percents.format(v)),
    share: (share) => whole(share, (v) => shares.format(v)),
    distance: (metres) =>
      whole(metres, (m) => {
        if (m < 995) return measure("meter", m < 100 ? Math.round(m) : Math.round(m / 10) * 10);
        return measure("kilometer", m / 1000, m < 9950 ? 1 : 0);
      }),
    speed: (mps) => whole(mps, (v) => measure("kilometer-per-hour", Math.round(v * 3.6))),
    age: (seconds) =>
      whole(seconds, (s) => {
        const n = Math.max(0, Math.floor(s));
        if (n < 120) return measure("second", n);
        if (n < 120 * 60) return measure("minute", Math.floor(n / 60));
        if (n < 48 * 3600) return measure("hour", Math.floor(n / 3600));
        return measure("day", Math.floor(n / 86_400));
      }),
    elapsed: (seconds) =>
      whole(seconds, (s) => {
        const n = Math.max(0, Math.floor(s));
        const minutes = Math.floor(n / 60);
        const rest = two.format(n % 60);
        if (minutes < 60) return `${two.format(minutes)}:${rest}`;
        return `${plain.format(Math.floor(minutes / 60))}:${two.format(minutes % 60)}:${rest}`;
      }),
    clock: (ms) => whole(ms, (v) => clocks.format(v)),
    time: (ms) => whole(ms, (v) => times.format(v)),
    date: (ms) => whole(ms, (v) => dateOf(language, days.formatToParts(v))),
    moment: (ms, now) =>
      whole(ms, (v) => {
        const today = !Number.isFinite(now) || shortDays.format(v) === shortDays.format(now);
        return today ? times.format(v) : `${dateOf(language, shortDays.formatToParts(v))} ${times.format(v)}`;
      }),
    offset: (ms) =>
      whole(ms, (v) => {
        const name = offsets.formatToParts(v).find((part) => part.type === "timeZoneName")?.value ?? "";
        return name === "GMT" ? "UTC+00:00" : name.replace("GMT", "UTC");
      }),
    place: ([lng, lat]) => `${degrees.format(lat)}, ${degrees.format(lng)}`,
    list: (items) => names.format(items),
  };
}

/** Puts the parts of a date in the order that its readers expect: Intl's own fa-IR order is wrong. */
function dateOf(language: Language, parts: readonly Intl.DateTimeFormatPart[]): string {
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((p) => p.type === type)?.value ?? "";
  const [weekday, day, month, year] = [part("weekday"), part("day"), part("month"), part("year")];
  switch (language) {
    case "fa":
      return [weekday, day, month, year].filter(Boolean).join(" ");
    case "zh": {
      const head = parts.filter((p) => p.type !== "weekday" && p.value !== " ").map((p) => p.value);
      return head.join("").trim() + (weekday ? ` ${weekday}` : "");
    }
    case "en":
      return (weekday ? `${weekday}, ` : "") + [day, month, year].filter(Boolean).join(" ");
    default:
      return language satisfies never;
  }
}
