/** What can be told of a browser from how it calls itself: names that are the same in every language. */
export type Browser = Readonly<{ name: string; system: string }>;

const names: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bMicroMessenger\//, "WeChat"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bHeadlessChrome\/|\bChrome\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/\bOpenHarmony\b|\bHarmonyOS\b/, "HarmonyOS"],
  [/\bAndroid\b/, "Android"],
  [/\biPad\b/, "iPadOS"],
  [/\biPhone\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** Names the browser and the system of a `User-Agent`; "" for what it does not say. */
export function browserOf(agent: string): Browser {
  const find = (table: readonly (readonly [RegExp, string])[]) => table.find(([pattern]) => pattern.test(agent))?.[1] ?? "";
  return { name: find(names), system: find(systems) };
}

/** Both in a row; what calls itself something else is shown by its own first word. */
export function browserText(agent: string): string {
  const { name, system } = browserOf(agent);
  return [name, system].filter(Boolean).join(" · ") || (agent.split(/[\s/]/)[0] ?? "");
}
