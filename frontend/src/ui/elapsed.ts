/** A time that should not be exceeded, and how far it has run. */
export type Standard = Readonly<{
  /** What is allowed. */
  seconds: number;
  /** What has passed of what is timed. */
  elapsedS: number;
  /** It is over, in time or not: it cannot become worse. */
  met: boolean;
  /** What is timed: a code of the preset. */
  measure: string;
}>;
