import type { Errno } from './tree.ts';

export type DiskOperationKind =
  | 'create'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'make_directory'
  | 'sync_directory'
  | 'read';

export type DiskFault =
  /** The machine loses power before, in the middle of, or after the operation's effect; it is never answered. */
  | { readonly kind: 'crash'; readonly moment: 'before' | 'during' | 'after' }
  /** The operation is refused. A failed sync drops or keeps what it covered, and nobody can know. */
  | {
      readonly kind: 'fail';
      readonly operation: DiskOperationKind;
      readonly errno: Extract<Errno, 'EIO' | 'ENOSPC' | 'EDQUOT'>;
    }
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** A write lands elsewhere, in this file or another, and is answered as if it had not. Of such files alone. */
  | { readonly kind: 'misdirect'; readonly files?: RegExp };

type Planned = { readonly boundary: number; readonly fault: DiskFault };

/** Faults by the index of the I/O boundary that they wait for. */
export class FaultPlan {
  #planned: Planned[] = [];

  /** The fault strikes once: the first operation at or after that boundary to which it can happen. */
  at(boundary: number, fault: DiskFault): void {
    this.#planned.push({ boundary, fault });
  }

  clear(): void {
    this.#planned = [];
  }

  take(boundary: number, operation: DiskOperationKind, path: string): DiskFault | null {
    const index = this.#planned.findIndex(
      (planned) => planned.boundary <= boundary && strikes(planned.fault, operation, path),
    );
    return this.#planned.splice(index, index < 0 ? 0 : 1)[0]?.fault ?? null;
  }
}

function strikes(fault: DiskFault, operation: DiskOperationKind, path: string): boolean {
  switch (fault.kind) {
    case 'crash':
      return operation !== 'read';
    case 'fail':
      return operation === fault.operation;
    case 'slow':
      return true;
    case 'misdirect':
      return operation === 'write' && (fault.files?.test(path) ?? true);
  }
}
