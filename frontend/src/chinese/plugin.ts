import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import subsetFont from "subset-font";
import type { Plugin } from "vite";

const name = "virtual:chinese-slices";

/** Radicals, signs and characters begin here. */
const firstChinese = 0x2e80;

/** Weights that the screens use: what lies beyond would be carried for nothing. */
const weights = { min: 400, max: 800 };

/** Words that browsers put into dates, times and counts: no catalogue has them. */
const dates = "年月日时分秒周星期一二三四五六日天上下中午晚凌晨早今明昨前后个小时刻分钟万亿点第季度以内公里米";

/** What names of places elsewhere are written with in Chinese: the syllables of transcriptions, and what places are called. */
const names =
  "阿埃艾爱安昂奥澳巴班邦堡鲍北贝本比边宾滨波伯博卜布查昌楚茨慈达大戴丹道德登邓狄迪底蒂丁东杜敦顿多俄厄恩尔法凡范方菲费芬丰佛夫弗福富甘冈高戈哥格葛根贡古瓜关圭" +
  "哈海汉汗豪赫黑亨洪侯胡华惠霍基吉季加贾嘉简江杰捷金津京久卡凯坎康考柯科可克肯孔库夸昆拉来莱兰郎朗劳勒雷黎里理利丽莉立连廉列林琳留柳龙隆卢鲁路伦罗洛吕马玛迈麦曼" +
  "芒毛茂梅门蒙孟米密明缪摩莫默姆穆拿纳娜乃奈南内能尼年涅宁牛纽努女诺欧帕派潘庞佩彭蓬皮平珀普奇齐恰钱乔切琴青琼丘屈让热仁日荣儒若撒萨塞赛三桑瑟森沙莎山珊尚绍舍申" +
  "圣胜施石什士世舒朔斯司丝松苏素索塔太泰坦唐陶特腾提田铁通图土托瓦万旺威韦维温文翁沃乌武西希锡夏香萧谢欣辛兴休许雪逊雅亚延扬杨耶叶伊依宜易因英永尤于约泽扎詹张珍" +
  "朱卓兹宗佐夕赖歇纪念王后红白绿蓝金银春夏秋冬冷热橡枫榆桃松新旧上下中老小州市县区镇乡村庄街道路桥河湖江海湾岛港角山谷岭泉溪池洲国家州际公园机场车站学院医博物馆书教堂";

/**
 * Makes `virtual:chinese-slices`: the hundred files of Noto Sans SC by characters, and beside each small ones with those of its
 * characters that the screens themselves are written with: first what every screen shares (the common catalogue and the
 * presets), then what some have of their own, then what names of places elsewhere are written with. A console needs twenty
 * slices of sixty kilobytes for its own words, of which it draws seven hundred characters; with the small ones, other names are
 * all that still asks for a whole slice. Latin letters, of which the slices have some, are those of Inter everywhere.
 */
export function chineseSlices(): Plugin {
  let building = false;
  return {
    name: "rasad-chinese-slices",
    configResolved: ({ command }) => void (building = command === "build"),
    resolveId: (id) => (id === name ? `\0${name}` : null),
    async load(id) {
      if (id !== `\0${name}`) return null;
      const font = dirname(createRequire(import.meta.url).resolve("@fontsource-variable/noto-sans-sc/unicode.json"));
      const ranges = Object.entries(JSON.parse(readFileSync(join(font, "unicode.json"), "utf8")) as Record<string, string>);
      const groups = building ? ownCharacters() : [];
      const slices: string[] = [];
      for (const [slice, range] of ranges) {
        const number = /^\[(\d+)\]$/.exec(slice)?.[1];
        if (!number) continue; // Latin and the like come from Inter
        const file = `noto-sans-sc-${number}-wght-normal.woff2`;
        const source = readFileSync(join(font, "files", file));
        const all = codePoints(range).filter((point) => point >= firstChinese);
        const own: string[] = [];
        for (const group of groups) {
          const points = all.filter((point) => group.has(point));
          if (points.length === 0) continue;
          const small = await subsetFont(source, String.fromCodePoint(...points), { targetFormat: "woff2", variationAxes: { wght: weights } });
          const ref = this.emitFile({ type: "asset", name: `noto-sans-sc-${number}-own.woff2`, source: small });
          own.push(`{ url: import.meta.ROLLUP_FILE_URL_${ref}, range: ${JSON.stringify(unicodeRange(points))} }`);
        }
        const rest = all.filter((point) => !groups.some((group) => group.has(point)));
        slices.push(`{ file: ${JSON.stringify(file)}, range: ${JSON.stringify(unicodeRange(rest))}, own: [${own.join(", ")}] }`);
      }
      return `export default [\n${slices.join(",\n")}\n];`;
    },
  };
}

/** What the screens are written with, by code points: what all share, what some have besides, and names. No two have the same. */
function ownCharacters(): readonly ReadonlySet<number>[] {
  const read = (folder: string, wanted: RegExp) =>
    readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => wanted.test(file))
      .map((file) => readFileSync(join(import.meta.dirname, folder, file), "utf8"))
      .join("");
  const groups = [
    read("../../messages", /^zh\.json$/) + read("../../../fixtures/presets", /\.yaml$/) + dates,
    read("../../messages", /[\\/]zh\.json$/),
    names,
  ];
  const taken = new Set<number>();
  return groups.map((text) => {
    const points = new Set(Array.from(text, (character) => character.codePointAt(0)!).filter((point) => !taken.has(point)));
    for (const point of points) taken.add(point);
    return points;
  });
}

/** The code points of a CSS `unicode-range`, ascending. */
export function codePoints(range: string): number[] {
  return range
    .split(",")
    .flatMap((part) => {
      const [first = NaN, last = first] = part.trim().slice(2).split("-").map((hex) => parseInt(hex, 16));
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    })
    .sort((a, b) => a - b);
}

/** The CSS `unicode-range` of ascending code points. */
export function unicodeRange(points: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const point of points) {
    const last = parts.at(-1);
    if (last && point <= last[1] + 1) last[1] = point;
    else parts.push([point, point]);
  }
  const hex = (point: number) => point.toString(16).toUpperCase();
  return parts.map(([first, last]) => (first === last ? `U+${hex(first)}` : `U+${hex(first)}-${hex(last)}`)).join(",");
}
