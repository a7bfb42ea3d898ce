import type { Disk } from './env.ts';

/** Null where it is not there. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array | null> {
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path, 'read');
  try {
    return await file.read(0, await file.size());
  } finally {
    await file.close();
  }
}

/** Replaces a file, whole: written beside, flushed, renamed into place. Resolves when it is durable, its name too. */
export async function replaceWhole(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf('/'));
  const temporary = `${path}.new`;
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.writeDurably(0, [bytes]);
  } finally {
    await file.close();
  }
  await disk.syncDirectory(directory);
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
}
