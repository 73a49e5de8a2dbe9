/** A file that a person chose, and its path in the folder that it came from. */
export interface Found {
  file: File;
  path: string;
}

const SYSTEM_FILES = new Set(["dicomdir", "thumbs.db", "desktop.ini"]);

/** Whether it is one of the files that systems leave beside the real ones. */
export function isSystemFile(path: string): boolean {
  const parts = path.toLowerCase().split("/");
  const name = parts.at(-1) ?? "";
  return name.startsWith(".") || SYSTEM_FILES.has(name) || parts.includes("__macosx");
}

/** Every file in what was dropped, folders walked through. */
export async function filesOf(transfer: DataTransfer): Promise<Found[]> {
  // The entries have to be asked for at once: after the event the transfer is empty.
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  return (await Promise.all(entries.map(walk))).flat();
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
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const each of some) found.push(...(await walk(each)));
  }
}
