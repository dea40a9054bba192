/** What can be said of a password without asking anybody. The server knows the ten thousand most common ones as well. */
export type Advice = Readonly<{
  /** Characters that are missing to the least length. */
  missing: number;
  /** It is made of few different characters, or of one piece again and again, or of keys in a row. */
  plain: boolean;
  /** It has a word of its owner in it. */
  own: boolean;
}>;

/** The least length, in characters after normalisation; as the server has it. */
export const passwordLeast = 12;

const walks = ["qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "`1234567890-=", "ضصثقفغعهخحجچ", "شسیبلاتنمکگ", "ظطزرذدپو", "۱۲۳۴۵۶۷۸۹۰", "abcdefghijklmnopqrstuvwxyz"];
const bothWays = walks.flatMap((walk) => [walk, [...walk].reverse().join("")]);

/** Judges a password with the words of its owner: names, the city. An empty one is only too short. */
export function advise(password: string, words: readonly string[]): Advice {
  const text = password.normalize("NFKC").toLowerCase();
  const letters = [...text];
  const missing = Math.max(0, passwordLeast - letters.length);
  if (letters.length === 0) return { missing, plain: false, own: false };
  const own = words
    .flatMap((word) => word.normalize("NFKC").toLowerCase().split(/[^\p{L}\p{N}]+/u))
    .some((word) => [...word].length >= 4 && text.includes(word));
  return { missing, plain: isPlain(letters), own };
}

function isPlain(letters: readonly string[]): boolean {
  if (letters.length < 5) return false;
  if (new Set(letters).size < 5) return true;
  // Said twice it is as strong as said once.
  for (let n = 1; n <= letters.length / 2; n++) {
    if (letters.every((letter, i) => i < n || letter === letters[i - n])) return true;
  }
  // Keys in a row count as one key.
  let steps = 1;
  for (let i = 1; i < letters.length; i++) {
    const pair = letters[i - 1]! + letters[i]!;
    if (!bothWays.some((walk) => walk.includes(pair)) && letters[i] !== letters[i - 1]) steps++;
  }
  return steps < 6;
}

/** Small letters and digits that nobody mistakes for each other, without vowels: no words come up. */
const alphabet = "23456789cdfghjkmpqrtvwxz";

/** A password that nobody has thought of: 20 characters of 24, in groups that can be read out. 91 bits. */
export function suggest(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = (bytes) => crypto.getRandomValues(bytes)): string {
  const out: string[] = [];
  while (out.length < 20) {
    for (const byte of random(new Uint8Array(32))) {
      // 240 is a multiple of 24: no character is likelier than another.
      if (byte < 240 && out.length < 20) out.push(alphabet[byte % alphabet.length]!);
    }
  }
  return [0, 5, 10, 15].map((from) => out.slice(from, from + 5).join("")).join("-");
}
