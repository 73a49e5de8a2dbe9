import type { Handle } from "./dropped";

/** State that survives a reload: the chosen folders of a batch, and whether sending was paused. */
export interface Remembered {
  batch: string;
  handles: Handle[];
  isPaused: boolean;
  at: number;
}

interface AskableHandle extends FileSystemHandle {
  queryPermission?(options: { mode: "read" }): Promise<PermissionState>;
  requestPermission?(options: { mode: "read" }): Promise<PermissionState>;
}

const STORE = "batches";
const KEPT_FOR = 30 * 24 * 3600 * 1000; // milliseconds

/** The stored state of a batch; undefined if there is none or the browser stores nothing. */
export async function recall(batch: string): Promise<Remembered | undefined> {
  return run("readonly", (store) => store.get(batch));
}

/** Store the state of a batch, and delete that of abandoned ones. */
export async function remember(kept: Remembered): Promise<void> {
  const all = (await run<Remembered[]>("readonly", (store) => store.getAll())) ?? [];
  for (const { batch, at } of all) if (at < Date.now() - KEPT_FOR) await forget(batch);
  await run("readwrite", (store) => store.put(kept));
}

/** Forget a batch. */
export async function forget(batch: string): Promise<void> {
  await run("readwrite", (store) => store.delete(batch));
}

/** Whether all handles may be read; with `ask`, after a click, the browser asks the user. */
export async function mayRead(handles: Handle[], ask: boolean): Promise<boolean> {
  for (const handle of handles as AskableHandle[]) {
    let state = (await handle.queryPermission?.({ mode: "read" })) ?? "granted";
    if (state === "prompt" && ask) state = (await handle.requestPermission?.({ mode: "read" })) ?? "denied";
    if (state !== "granted") return false;
  }
  return true;
}

async function run<Result>(
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore) => IDBRequest,
): Promise<Result | undefined> {
  try {
    const database = await settled<IDBDatabase>(opened());
    try {
      return await settled<Result>(ask(database.transaction(STORE, mode).objectStore(STORE)));
    } finally {
      database.close();
    }
  } catch {
    return undefined; // a private window: the folder has to be chosen again
  }
}

function opened(): IDBOpenDBRequest {
  const request = indexedDB.open("chestline-uploads", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "batch" });
  return request;
}

function settled<Result>(request: IDBRequest): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
