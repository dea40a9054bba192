import { pageWorld } from "../../commands/world";
import { openSession } from "../../world/session";
import type { World } from "../../world/world";

/** A moment of the record takes no longer than this to come. */
const patienceMs = 15_000;

/** Shows moments of the record, one after the other. */
export type Past = Readonly<{
  /** The world as it stood at a moment, Unix ms; null when the record does not answer. Valid until the next call. */
  at(moment: number): Promise<World | null>;
  close(): void;
}>;

/**
 * Opens the record of an audience, of the own one without a name. A moment before its beginning gives the beginning: `World.time` says which moment
 * was given. It stands still there: no more is fetched than what is looked at.
 */
export function openPast(audience?: "brief"): Past {
  let session: ReturnType<typeof openSession> | undefined;
  let closed = false;
  return {
    at(moment) {
      if (closed) return Promise.resolve(null);
      return new Promise((resolve) => {
        if (session) session.seek(moment, 0);
        else session = openSession({ world: pageWorld(), ...(audience ? { audience } : {}), at: new Date(moment).toISOString(), speed: 0 });
        const { world } = session;
        const done = (answer: World | null) => {
          stop();
          clearTimeout(timer);
          resolve(answer);
        };
        const stop = world.onFrame(({ keyframe }) => {
          // The hash of a keyframe is judged after its listeners have run.
          if (keyframe) queueMicrotask(() => done(world.synced ? world : null));
        });
        const timer = setTimeout(() => done(null), patienceMs);
      });
    },
    close() {
      closed = true;
      session?.close();
    },
  };
}
