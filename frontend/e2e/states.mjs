// What screens are looked at in: cities made by `rasad history`, held at one moment. Each is made in a few seconds, is the same
// everywhere (seed, begin and length stand here), and is served by a build with the tag soak, see server/soak_tape.go.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib.mjs';

const tapes = {
  /** Evening in Tehran, noon in Wilmington, midnight in Chengdu. */
  night: { from: '2026-11-20T16:00:00Z', for: '45m', seed: '7', units: '160', every: '5s', 'bad-night': '2026-11-20T16:20:00Z' },
  /** The same night in a city of 2,500 units. */
  crowd: { from: '2026-11-20T16:00:00Z', for: '45m', seed: '7', units: '2500', every: '10s', 'bad-night': '2026-11-20T16:20:00Z' },
  month: { from: '2026-10-20T00:00:00Z', days: '30', seed: '1', units: '60', every: '10s', 'bad-night': '2026-11-09T19:00:00Z' },
};

/** The states: when on the tape, and what else. `speed` 0 holds the moment. */
export const states = {
  /** Nothing has happened yet: no tape. */
  empty: {},
  /** An ordinary quarter of an hour. */
  quiet: { at: '2026-11-20T16:19:00Z', speed: 0 },
  /** The bad night, nine minutes after it began: 300 incidents in ten minutes. */
  busy: { at: '2026-11-20T16:29:00Z', speed: 0 },
  /** The same with 2,500 units, which must read as a city and not as confetti. */
  crowd: { tape: 'crowd', at: '2026-11-20T16:29:00Z', speed: 0 },
  /** The same, moving: for motion, trends and the ticker. */
  moving: { at: '2026-11-20T16:27:00Z', speed: 1 },
  /** The same, marked as an exercise. */
  exercise: { at: '2026-11-20T16:29:00Z', speed: 0, exercise: true },
  /** A month in an hour, for soaks; it takes minutes to make, once. */
  month: { tape: 'month', at: '2026-10-20T00:00:10Z', speed: 720 },
};

/** Makes what a state needs and returns the program, arguments and environment to serve it with. A tape is held by one server at a time. */
export function stateOf(name, { preset = 'us', city = join(root, 'build/city') } = {}) {
  const state = states[name];
  const args = ['--preset', preset, ...(city ? ['--city', city] : [])];
  if (state.at === undefined) return { bin: 'bin/rasad', args, env: {} };
  execFileSync('go', ['build', '-trimpath', '-tags', 'soak', '-o', 'bin/rasad-soak', './server'], { cwd: root, stdio: 'inherit', env: { ...process.env, CGO_ENABLED: '0' } });
  const told = [...Object.entries(tapes[state.tape ?? 'night']).flatMap(([flag, value]) => [`--${flag}`, value]), ...args];
  const dir = join(root, 'build/states', createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 12));
  if (!existsSync(dir)) {
    mkdirSync(join(root, 'build/states'), { recursive: true });
    rmSync(`${dir}.new`, { recursive: true, force: true });
    execFileSync(join(root, 'bin/rasad-soak'), ['history', '--data', `${dir}.new`, ...told], { stdio: 'inherit' });
    renameSync(`${dir}.new`, dir); // whole, or not there
  }
  const env = { RASAD_SOAK_TAPE: dir, RASAD_SOAK_AT: state.at, RASAD_SOAK_PLAY: String(state.speed), ...(state.exercise ? { RASAD_SOAK_EXERCISE: '1' } : {}) };
  return { bin: 'bin/rasad-soak', args, env };
}
