import type { Clock, Timer } from '../../base/env/env.ts';
import type { Mark, MarkFile } from './mark.ts';
import type { LogLimits } from './options.ts';
import { isDiskFull } from './segment.ts';

export type MarkOwner = {
  /** The mark as of now; null where it has no room for what it must hold. */
  mark(): Mark | null;
  markFailed(error: unknown): void;
};

/**
 * Lets the mark follow the log: after so many bytes or so long, never for each commit. What the log holds above
 * the mark is just as durable; the mark says that damage below it is none of a crash.
 */
export class MarkKeeper {
  readonly #file: MarkFile;
  readonly #clock: Clock;
  readonly #limits: Pick<LogLimits, 'markBytes' | 'markDelayMs'>;
  readonly #owner: MarkOwner;
  #bytesBehind = 0;
  #timer: Timer | null = null;
  /** The newest write; they follow one another. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    file: MarkFile,
    clock: Clock,
    limits: Pick<LogLimits, 'markBytes' | 'markDelayMs'>,
    owner: MarkOwner,
  ) {
    this.#file = file;
    this.#clock = clock;
    this.#limits = limits;
    this.#owner = owner;
  }

  flushed(bytes: number): void {
    this.#bytesBehind += bytes;
    if (this.#bytesBehind >= this.#limits.markBytes) this.#writeLater();
    else this.#timer ??= this.#clock.setTimer(this.#limits.markDelayMs, () => this.#writeLater());
  }

  /** False: the mark has no room, and stays where it was. */
  write(): Promise<boolean> {
    const written = this.#writing.then(() => this.#writeNow());
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Writes what the mark is behind, if that can be done, and gives the file back. */
  async close(isSound: boolean): Promise<void> {
    this.stop();
    await this.#writing;
    try {
      if (isSound && this.#bytesBehind > 0) await this.#writeNow();
    } catch (thrown) {
      if (!isDiskFull(thrown)) throw thrown;
    } finally {
      await this.#file.close();
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #writeLater(): void {
    this.stop();
    this.#bytesBehind = 0;
    this.write().catch((thrown) => {
      // A full disk keeps the older mark, which is as true.
      if (!isDiskFull(thrown)) this.#owner.markFailed(thrown);
    });
  }

  async #writeNow(): Promise<boolean> {
    const mark = this.#owner.mark();
    if (mark === null) return false;
    this.#bytesBehind = 0;
    await this.#file.write(mark);
    return true;
  }
}
