import { access, constants, open } from 'node:fs';
import { mkdir, open as openHandle, readdir, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { AlopexError } from '../../errors.ts';
import { diskError, syncError } from '../disk_error.ts';
import type { Disk, DiskEntry } from '../env.ts';
import { Turn } from '../turn.ts';
import { realClock } from './clock.ts';
import { lockDirectory } from './directory_lock.ts';
import { DiskCalls, RealFile } from './disk_file.ts';
import { Flusher } from './flush.ts';

const openDescriptor = promisify(open);
const openFlags = { read: 'r', write: 'r+', create: 'wx+' } as const;
/** The data are their owner's alone, as PostgreSQL's. */
const fileMode = 0o600;
const directoryMode = 0o700;

export function realDisk(): Disk {
  const turn = new Turn(realClock);
  const calls = new DiskCalls(turn, new Flusher(turn));
  return {
    open: async (path, mode) => {
      const action = mode === 'create' ? 'create file' : 'open file';
      const fd = await attempt(action, path, () => openDescriptor(path, openFlags[mode], fileMode));
      return new RealFile(path, fd, calls);
    },
    list: (directory) => attempt('read directory', directory, () => list(directory)),
    exists: (path) => attempt('stat file', path, () => exists(path)),
    makeDirectory: (path) => attempt('create directory', path, () => makeDirectory(path)),
    remove: (path) => attempt('remove file', path, () => remove(path)),
    rename: (source, target) => attempt(`rename to "${target}" file`, source, () => rename(source, target)),
    syncDirectory,
    lock: lockDirectory,
    freeBytes: (path) =>
      attempt('stat file system of', path, async () => {
        const { bavail, bsize } = await statfs(path);
        return bavail * bsize;
      }),
  };
}

async function attempt<Output>(action: string, path: string, operation: () => Promise<Output>) {
  try {
    return await operation();
  } catch (error) {
    throw diskError(action, path, error);
  }
}

async function list(directory: string): Promise<readonly DiskEntry[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .map((entry): DiskEntry => ({ name: entry.name, kind: entry.isDirectory() ? 'directory' : 'file' }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

function exists(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    access(path, constants.F_OK, (error) => {
      if (error === null) resolve(true);
      else if (error.code === 'ENOENT' || error.code === 'ENOTDIR') resolve(false);
      else reject(error);
    });
  });
}

/**
 * Parents too, each made durable in its own parent. By hand: Node's recursive mkdir never ends where a parent exists and
 * takes no directories (ENOENT, as /proc), and calls a file in the way EEXIST.
 */
async function makeDirectory(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeDirectory(parent);
  try {
    await mkdir(path, { mode: directoryMode });
  } catch (error) {
    // Somebody else made it meanwhile.
    if (await isDirectory(path)) return;
    throw error;
  }
  await syncDirectory(parent);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  throw new AlopexError('io_error', `could not create directory "${path}": it exists and is not a directory`);
}

async function remove(path: string): Promise<void> {
  if ((await stat(path)).isDirectory()) await rmdir(path);
  else await unlink(path);
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory; NTFS journals what happens in it.
  if (process.platform === 'win32') return;
  try {
    await using handle = await openHandle(path, 'r');
    await handle.sync();
  } catch (error) {
    throw syncError(path, error);
  }
}
