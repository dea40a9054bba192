/**
 * What this browser keeps of a signed-in person's screen for when no server answers. It is sealed by a key that cannot be
 * taken out of the browser, bound to one session and its end, and gone with it: whoever signs out, or finds the session
 * over, calls `forgetKept`.
 */

/** Whose it is, and until when it may be shown. */
export type Bond = Readonly<{ /** Id of the session. */ session: string; /** Unix ms, by this machine's clock. */ until: number }>;

type Box = Bond & Readonly<{ iv: Uint8Array<ArrayBuffer>; box: ArrayBuffer }>;

const database = "rasad-kept";
const store = "kept";

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser keeps nothing"));
  });
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => Promise<T>): Promise<T> {
  const opening = indexedDB.open(database, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(store);
  const db = await asked(opening);
  // Somebody who forgets it must not have to wait for us.
  db.onversionchange = () => db.close();
  try {
    return await act(db.transaction(store, mode).objectStore(store));
  } finally {
    db.close();
  }
}

/** Keeps a value (JSON) in place of the one before. Returns false where the browser cannot: plain http, or no storage. */
export async function keep(bond: Bond, value: unknown): Promise<boolean> {
  try {
    let key = (await within("readonly", (s) => asked(s.get("key")))) as CryptoKey | undefined;
    const fresh = key === undefined;
    key ??= await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const box = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(value)));
    const kept: Box = { session: bond.session, until: bond.until, iv, box };
    await within("readwrite", async (s) => {
      if (fresh) s.put(key, "key");
      await asked(s.put(kept, "box"));
    });
    return true;
  } catch {
    return false;
  }
}

/** What is kept, and whose it is; null when nothing is, or its session is over by now. */
export async function kept<T>(now = Date.now()): Promise<Readonly<{ bond: Bond; value: T }> | null> {
  try {
    const [key, box] = await within("readonly", (s) => Promise.all([asked(s.get("key")), asked(s.get("box"))]) as Promise<[CryptoKey?, Box?]>);
    if (!key || !box) return null;
    if (!(box.until > now)) {
      await forgetKept();
      return null;
    }
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: box.iv }, key, box.box);
    return { bond: { session: box.session, until: box.until }, value: JSON.parse(new TextDecoder().decode(plain)) as T };
  } catch {
    return null;
  }
}

/** Destroys the key and all that it sealed. */
export async function forgetKept(): Promise<void> {
  try {
    await asked(indexedDB.deleteDatabase(database));
  } catch {
    // there is none
  }
}
