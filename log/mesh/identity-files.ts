import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { DirectoryLock, Env } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import { AlopexError } from '../../base/errors.ts';

/** All are their owner's alone to read, as whatever a Disk makes. */
type FileName = 'node.key' | 'node.crt' | 'authority.key' | 'trust.json' | 'renewed.json';

const retryMs = 20;
const retriesMax = 250;

/** The files of a node's keys, in `<data>/cluster`. */
export class IdentityFiles {
  readonly path: string;
  readonly #env: Pick<Env, 'disk' | 'clock'>;

  constructor(env: Pick<Env, 'disk' | 'clock'>, directory: string) {
    this.#env = env;
    this.path = `${directory}/cluster`;
  }

  async read(name: FileName): Promise<string | null> {
    const bytes = await readWhole(this.#env.disk, `${this.path}/${name}`);
    return bytes === null ? null : utf8ToString(bytes);
  }

  async require(name: FileName): Promise<string> {
    const text = await this.read(name);
    if (text !== null) return text;
    throw new AlopexError('undefined_file', `${this.path}/${name} is missing`);
  }

  write(name: FileName, text: string): Promise<void> {
    return replaceWhole(this.#env.disk, `${this.path}/${name}`, stringToUtf8(text));
  }

  /** While `change` runs, no other process, and nobody else in this one, changes them. */
  async exclusively<Output>(change: () => Promise<Output>): Promise<Output> {
    await this.#env.disk.makeDirectory(this.path);
    const lock = await this.#lock();
    try {
      return await change();
    } finally {
      await lock.release();
    }
  }

  async #lock(): Promise<DirectoryLock> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#env.disk.lock(this.path);
      } catch (error) {
        const isHeld = error instanceof AlopexError && error.condition === 'lock_file_exists';
        if (!isHeld || attempt === retriesMax) throw error;
        await new Promise<void>((resolve) => this.#env.clock.setTimer(retryMs, resolve));
      }
    }
  }
}
