import type { DatabaseSync } from 'node:sqlite';
import { AlopexError } from '../../errors.ts';
import { diskError } from '../disk_error.ts';
import type { DirectoryLock } from '../env.ts';

const fileName = 'LOCK';
const sqliteBusy = 5;

/**
 * Holds a directory by an exclusive SQLite transaction on its file LOCK. Node has no flock; SQLite has one on
 * every system, which the kernel frees with the process, however it ends, and which also keeps a second holder
 * in the same process out. Nobody else may open LOCK: closing it would drop the lock (POSIX).
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const { DatabaseSync } = await import('node:sqlite');
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(`${directory}/${fileName}`);
    // Nothing is ever written: no journal file beside it.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    throw lockError(directory, error);
  }
  const held = database;
  return {
    release: async () => {
      if (held.isOpen) held.close();
    },
  };
}

function lockError(directory: string, error: unknown): AlopexError {
  if ((error as { errcode?: number }).errcode !== sqliteBusy) {
    return diskError('lock directory', directory, error);
  }
  return new AlopexError('lock_file_exists', `directory "${directory}" is already open`, {
    detail: `Another process, or another Database in this one, holds "${directory}/${fileName}".`,
    hint: 'Close that one first, or connect to it as a server. The lock is freed when its process ends.',
  });
}
