/** A file that a person chose, and its path in the folder that it came from. */
export interface Found {
  file: File;
  path: string;
  /** Reads the file anew, where the browser can: what was changed on the disk reads no more. */
  reopen?: () => Promise<File>;
}

/** A folder or file that can be read again after a reload (File System Access). */
export type Handle = FileSystemFileHandle | FileSystemDirectoryHandle;

interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<Handle | null>;
}

/** What was chosen: handles where the browser gives them, else the files themselves. */
export interface Chosen {
  handles: Handle[];
  files: Found[];
}

const SYSTEM_FILES = new Set(["dicomdir", "thumbs.db", "desktop.ini"]);

/** Whether it is one of the files that systems leave beside the real ones. */
export function isSystemFile(path: string): boolean {
  const parts = path.toLowerCase().split("/");
  const name = parts.at(-1) ?? "";
  return name.startsWith(".") || SYSTEM_FILES.has(name) || parts.includes("__macosx");
}

/** What was dropped. */
export async function droppedIn(transfer: DataTransfer): Promise<Chosen> {
  // Both have to be asked for at once: after the event the transfer is empty.
  const items: DroppedItem[] = [...transfer.items].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const asked = items.map((item) => item.getAsFileSystemHandle?.() ?? Promise.resolve(null));
  const handles = await Promise.all(asked.map((each) => each.catch(() => null)));
  if (handles.length && handles.every((handle) => handle !== null)) return { handles, files: [] };
  return { handles: [], files: (await Promise.all(entries.map(walk))).flat() };
}

/** Every file below the handles; `onFound` is told how many there are so far. */
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
    // A reader hands out at most a hundred entries a call.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const each of some) found.push(...(await walk(each)));
  }
}
