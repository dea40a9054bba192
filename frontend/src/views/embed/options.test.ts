import { expect, test } from "vitest";
import { addressOf, kindsOf, plain, readOptions, readPage, type Options } from "./options";

test("an address says what it was made of", () => {
  const all: Options = { lang: "fa", area: [51.2, 35.5, 51.6, 35.8], layers: ["hazards", "shelters"], theme: "night", size: "tall", text: 1.4, list: false, approval: "GS（2026）1234号", world: "drill" };
  const address = addressOf(all);
  expect(address).toContain("area=51.2,35.5,51.6,35.8");
  expect(readOptions(new URL(address, "http://x").search)).toEqual(all);
  expect(addressOf(plain)).toBe("/embed");
  expect(readOptions("")).toEqual(plain);
  expect(addressOf({ ...plain, area: [51.123456, 35, 52, 36.10004] })).toBe("/embed?area=51.1235,35,52,36.1");
});

test.each([
  ["?lang=xx&theme=pink&size=huge&text=9&layers=units&area=1,2", plain],
  ["?area=5,6,4.00004,5", { ...plain, area: [4, 5, 5, 6] }],
  ["?area=5,5,5.0004,6", plain],
  ["?area=5,5,16,6", plain],
  ["?area=5,,6,6", plain],
  ["?area=NaN,0,1,1&text=abc", plain],
  ["?area=-181,0,1,1", plain],
  [`?approval=${"x".repeat(41)}`, plain],
  ["?layers=units,shelters", { ...plain, layers: ["shelters"] }],
  ["?text=1.6&list=1", { ...plain, text: 1.6 }],
] as const)("what is not understood of %s is left out", (search, want) => {
  expect(readOptions(search)).toEqual(want);
});

test("layers are kinds", () => {
  expect([...kindsOf(["sites", "hazards"])]).toEqual(["hazard", "site"]);
});

test("the opening tag says what the installation is, and may say nothing", () => {
  expect(readPage({ lang: "fa", dataset: { zone: "Asia/Tehran", bbox: "51,35,52,36", cover: "50,34,53,37", city: "تهران", approval: "GS" } })).toEqual({ language: "fa", zone: "Asia/Tehran", city: "تهران", box: [51, 35, 52, 36], cover: [50, 34, 53, 37], credit: "© OpenStreetMap contributors", approval: "GS", ground: true, world: "" });
  expect(readPage({ lang: "", dataset: {} })).toMatchObject({ language: "en", zone: "UTC", box: null, cover: null, ground: false });
});
