import type { AlopexError } from '../errors.ts';
import { closedFile, diskError, syncError } from './disk_error.ts';

/**
 * The life of an open file, whatever is beneath it.
 *
 * Invariants: after a failed sync nothing is changed or synced again; the file is released once, after every
 * operation on it has ended, and none begins after `close`.
 */
export class FileGuard {
  readonly #path: string;
  #pending = 0;
  #failed: AlopexError | null = null;
  #closing: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** An operation that a failed sync does not forbid: reading. */
  async use<Output>(action: string, operation: () => Promise<Output>): Promise<Output> {
    if (this.#closing !== null) throw closedFile(this.#path);
    this.#pending += 1;
    try {
      return await operation();
    } catch (error) {
      throw diskError(action, this.#path, error);
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#onIdle?.();
    }
  }

  async change(action: string, operation: () => Promise<void>): Promise<void> {
    if (this.#failed !== null) throw this.#failed;
    return this.use(action, operation);
  }

  /** The sync inside a change failed, for good. */
  fail(error: unknown): AlopexError {
    this.#failed = syncError(this.#path, error);
    return this.#failed;
  }

  close(release: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(release);
    return this.#closing;
  }

  async #close(release: () => Promise<void>): Promise<void> {
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    try {
      await release();
    } catch (error) {
      throw diskError('close file', this.#path, error);
    }
  }
}
