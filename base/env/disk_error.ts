import { AlopexError, type Condition } from '../errors.ts';

/** What a system call answers when it fails, as Node reports it. */
export type SystemFailure = { readonly code?: string; readonly message: string };

const conditions: Readonly<Record<string, Condition>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  ENOENT: 'undefined_file',
};

/** PostgreSQL's words (`could not open file "…": …`) and the errno. */
export function diskError(action: string, path: string, failure: unknown): AlopexError {
  if (failure instanceof AlopexError) return failure;
  const { code, message } = failure as SystemFailure;
  const reason = message.split(',', 1)[0];
  return new AlopexError(conditions[code ?? ''] ?? 'io_error', `could not ${action} "${path}": ${reason}`, {
    cause: failure,
  });
}

/**
 * A failed fsync. Always io_error, even for ENOSPC: `disk_full` promises that the call changed nothing that
 * counts, and after a failed fsync nobody knows what is on the disk.
 */
export function syncError(path: string, failure: unknown): AlopexError {
  const { condition, message, fields } = diskError('fsync file', path, failure);
  return new AlopexError(condition === 'disk_full' ? 'io_error' : condition, message, fields);
}

export function closedFile(path: string): AlopexError {
  return new AlopexError('io_error', `could not use file "${path}": it is closed`);
}
