import { describe, expect, test } from "vitest";
import { formatOf, unknown, type Language } from "./format";

const noon = Date.parse("2026-11-22T09:41:05Z");
const tehran = "Asia/Tehran";
const of = (language: Language) => formatOf(language, tehran);
/** Without the marks that only set the direction, and with plain spaces. */
const bare = (text: string) => text.replace(/[\u200e\u200f\u2066-\u2069]/g, "").replace(/[\u00a0\u202f]/g, " ");

describe("numbers", () => {
  test.each<[string, Language, number, number, string]>([
    ["English groups by comma", "en", 1234, 0, "1,234"],
    ["Persian has its own digits and separators", "fa", 1234.5, 1, "۱٬۲۳۴٫۵"],
    ["Chinese uses Latin digits", "zh", 1234, 0, "1,234"],
    ["what is not known is no zero", "en", NaN, 0, unknown],
  ])("%s", (_, language, value, digits, want) => expect(of(language).number(value, digits)).toBe(want));
});

describe("distances are as exact as a person can use", () => {
  test.each<[number, string, string, string]>([
    [0, "0 m", "۰ متر", "0米"],
    [47.4, "47 m", "۴۷ متر", "47米"],
    [354, "350 m", "۳۵۰ متر", "350米"],
    [994, "990 m", "۹۹۰ متر", "990米"],
    [996, "1 km", "۱ کیلومتر", "1公里"],
    [1249, "1.2 km", "۱٫۲ کیلومتر", "1.2公里"],
    [9940, "9.9 km", "۹٫۹ کیلومتر", "9.9公里"],
    [12_345, "12 km", "۱۲ کیلومتر", "12公里"],
    [NaN, unknown, unknown, unknown],
  ])("%d m", (metres, en, fa, zh) => {
    expect(bare(of("en").distance(metres))).toBe(en);
    expect(bare(of("fa").distance(metres))).toBe(fa);
    expect(bare(of("zh").distance(metres))).toBe(zh);
  });
});

describe("ages name the largest whole unit", () => {
  test.each<[number, string, string, string]>([
    [-3, "0 sec", "۰ ثانیه", "0秒"],
    [8.9, "8 sec", "۸ ثانیه", "8秒"],
    [119, "119 sec", "۱۱۹ ثانیه", "119秒"],
    [120, "2 min", "۲ دقیقه", "2分钟"],
    [7199, "119 min", "۱۱۹ دقیقه", "119分钟"],
    [7200, "2 hr", "۲ ساعت", "2小时"],
    [172_800, "2 days", "۲ روز", "2天"],
    [Infinity, unknown, unknown, unknown],
  ])("%d s", (seconds, en, fa, zh) => {
    expect(bare(of("en").age(seconds))).toBe(en);
    expect(bare(of("fa").age(seconds))).toBe(fa);
    expect(bare(of("zh").age(seconds))).toBe(zh);
  });
});

describe("elapsed times are stopwatches", () => {
  test.each<[number, string, string]>([
    [0, "00:00", "۰۰:۰۰"],
    [252, "04:12", "۰۴:۱۲"],
    [3599.9, "59:59", "۵۹:۵۹"],
    [3852, "1:04:12", "۱:۰۴:۱۲"],
    [90_061, "25:01:01", "۲۵:۰۱:۰۱"],
    [NaN, unknown, unknown],
  ])("%d s", (seconds, en, fa) => {
    expect(of("en").elapsed(seconds)).toBe(en);
    expect(of("fa").elapsed(seconds)).toBe(fa);
  });
});

describe("the city's clock", () => {
  test.each<[string, string, number, string, string]>([
    ["Tehran is +03:30 in winter", tehran, noon, "13:11:05", "UTC+03:30"],
    ["Tehran has had no summer time since 2022", tehran, Date.parse("2026-07-01T12:00:00Z"), "15:30:00", "UTC+03:30"],
    ["Tehran had summer time before", tehran, Date.parse("2021-07-01T12:00:00Z"), "16:30:00", "UTC+04:30"],
    ["midnight is 00 and not 24", tehran, Date.parse("2026-11-21T20:30:00Z"), "00:00:00", "UTC+03:30"],
    ["Wilmington in winter", "America/New_York", noon, "04:41:05", "UTC-05:00"],
    ["Shanghai", "Asia/Shanghai", noon, "17:41:05", "UTC+08:00"],
    ["Greenwich", "UTC", noon, "09:41:05", "UTC+00:00"],
  ])("%s", (_, zone, at, clock, offset) => {
    expect(formatOf("en", zone).clock(at)).toBe(clock);
    expect(formatOf("en", zone).offset(at)).toBe(offset);
  });

  test("Persian digits", () => {
    expect(of("fa").clock(noon)).toBe("۱۳:۱۱:۰۵");
    expect(of("fa").time(noon)).toBe("۱۳:۱۱");
  });
});

describe("dates", () => {
  test.each<[string, Language, number, string]>([
    ["English", "en", noon, "Sunday, 22 November 2026"],
    ["Chinese", "zh", noon, "2026年11月22日 星期日"],
    ["Jalali, in the order that is read", "fa", noon, "یکشنبه ۱ آذر ۱۴۰۵"],
    ["the first day of a Jalali year", "fa", Date.parse("2026-03-21T08:00:00Z"), "شنبه ۱ فروردین ۱۴۰۵"],
    ["the last day of a Jalali leap year", "fa", Date.parse("2025-03-20T08:00:00Z"), "پنجشنبه ۳۰ اسفند ۱۴۰۳"],
    ["the day begins at the city's midnight", "fa", Date.parse("2026-11-22T20:31:00Z"), "دوشنبه ۲ آذر ۱۴۰۵"],
    ["unknown", "en", NaN, unknown],
  ])("%s", (_, language, at, want) => expect(bare(of(language).date(at))).toBe(want));

  test("a moment of another day names it", () => {
    const yesterday = noon - 86_400_000;
    expect(of("en").moment(noon - 60_000, noon)).toBe("13:10");
    expect(bare(of("en").moment(yesterday, noon))).toBe("21 November 13:11");
    expect(bare(of("fa").moment(yesterday, noon))).toBe("۳۰ آبان ۱۳:۱۱");
    expect(bare(of("zh").moment(yesterday, noon))).toBe("11月21日 13:11");
  });
});

test("names in a row", () => {
  expect(of("en").list(["E1", "E2", "E3"])).toBe("E1, E2 and E3");
  expect(of("zh").list(["E1", "E2"])).toBe("E1和E2");
});
