/** A file chosen by the user, and its path within the chosen folder. */
export interface Found {
  file: File;
  path: string;
  /** Reads the file again if the browser can, because a file changed on disk becomes unreadable. */
  reopen?: () => Promise<File>;
}

/** A folder or file that can be read again after a reload (File System Access). */
export type Handle = FileSystemFileHandle | FileSystemDirectoryHandle;

interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<Handle | null>;
}

/** The user's choice: handles if the browser supports them, otherwise the files themselves. */
export interface Chosen {
  handles: Handle[];
  files: Found[];
}

const SYSTEM_FILES = new Set(["dicomdir", "thumbs.db", "desktop.ini"]);

/** Whether it is a file that operating systems create beside the real ones. */
export function isSystemFile(path: string): boolean {
  const parts = path.toLowerCase().split("/");
  const name = parts.at(-1) ?? "";
  return name.startsWith(".") || SYSTEM_FILES.has(name) || parts.includes("__macosx");
}

interface PickerWindow extends Window {
  showDirectoryPicker?(options: { id: string }): Promise<FileSystemDirectoryHandle>;
}

/** Whether the browser lets the user choose a folder in a way that survives a reload. */
export function mayPickFolder(): boolean {
  return "showDirectoryPicker" in window;
}

/** The folder that the user chooses, or null if they cancel. */
export async function pickFolder(): Promise<Chosen | null> {
  try {
    const folder = await (window as PickerWindow).showDirectoryPicker!({ id: "chestline" });
    return { handles: [folder], files: [] };
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
    return null;
  }
}

/** The dropped files and folders. */
export async function droppedIn(transfer: DataTransfer): Promise<Chosen> {
  // Both must be read immediately: after the event the transfer is empty.
  const items: DroppedItem[] = [...transfer.items].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const asked = items.map((item) => item.getAsFileSystemHandle?.() ?? Promise.resolve(null));
  const handles = await Promise.all(asked.map((each) => each.catch(() => null)));
  if (handles.length && handles.every((handle) => handle !== null)) return { handles, files: [] };
  return { handles: [], files: (await Promise.all(entries.map(walk))).flat() };
}

/** Every file below the handles; calls `onFound` with the number found so far. */
export async function filesBelow(handles: Handle[], onFound: (count: number) => void): Promise<Found[]> {
  const found: Found[] = [];
  const visit = async (handle: Handle, path: string): Promise<void> => {
    if (handle.kind === "directory") {
      for await (const child of (handle as FileSystemDirectoryHandle).values())
        await visit(child, `${path}/${child.name}`);
      return;
    }
    const reopen = (): Promise<File> => (handle as FileSystemFileHandle).getFile();
    found.push({ path, reopen, file: await reopen() });
    onFound(found.length);
  };
  for (const handle of handles) await visit(handle, handle.name);
  return found;
}

async function walk(entry: FileSystemEntry): Promise<Found[]> {
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const found: Found[] = [];
  const reader = entry.createReader();
  for (;;) {
    // A directory reader returns at most a hundred entries per call.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const each of some) found.push(...(await walk(each)));
  }
}
