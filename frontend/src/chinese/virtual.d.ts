declare module "virtual:chinese-slices" {
  /** A file of Noto Sans SC, its characters without those that `own` has; and small files with those the screens are written with. */
  const slices: readonly Readonly<{ file: string; range: string; own: readonly Readonly<{ url: string; range: string }>[] }>[];
  export default slices;
}

declare module "subset-font" {
  /** The font with the glyphs of `text` alone, and with its axes of variation between these values. */
  export default function subsetFont(
    font: Buffer,
    text: string,
    options: { targetFormat: "woff2"; variationAxes: Record<string, { min: number; max: number }> },
  ): Promise<Buffer>;
}
