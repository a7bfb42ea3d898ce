import { setTimeout } from 'node:timers/promises';
import { AlopexError, Database } from '../../api/index.ts';
import type { SeededRandom } from '../../base/env/simulated/random.ts';
import type { History } from '../sim/cluster/history.ts';
import { type Told, toldBy } from './told.ts';

/** A client gives up an operation after it, and connects anew. */
const patienceMs = 15_000;
const connectionsMax = 2;
const againMsMax = 200;

export type AcceptedWrite = { readonly by: string; readonly answeredMs: number };

/** What the clients of one run have seen together. */
export type Seen = {
  readonly history: History;
  readonly accepted: AcceptedWrite[];
  /** By code or message, how often. */
  readonly errors: Map<string, number>;
  /** Errors that no failover explains. */
  readonly unexplained: string[];
  /** Reads that did not see what their token asked for. */
  readonly stale: string[];
  awaited: number;
  givenUp: number;
};

/** One user of the database, whose operations follow each other. */
export class LoadClient {
  readonly name: string;
  readonly random: SeededRandom;
  readonly seen: Seen;
  readonly #url: string;
  #database: Database | null = null;
  #serial = 0;
  isStopping = false;

  constructor(name: string, url: string, random: SeededRandom, seen: Seen) {
    this.name = name;
    this.random = random;
    this.seen = seen;
    this.#url = url;
  }

  nextId(): string {
    this.#serial += 1;
    return `${this.name}.${this.#serial}`;
  }

  /** `writes`: its answer counts as an accepted write. */
  async run<Value>(work: (database: Database) => Promise<Value>, writes: boolean): Promise<Told<Value>> {
    try {
      const value = await this.#withPatience(work);
      if (writes) this.seen.accepted.push({ by: this.name, answeredMs: performance.now() });
      return { kind: 'done', value };
    } catch (error) {
      this.#count(error);
      const told = toldBy(error);
      if (told === null) this.seen.unexplained.push(`${this.name}: ${textOf(error)}`);
      await setTimeout(this.random.between(0, againMsMax));
      return told ?? { kind: 'unknown' };
    }
  }

  #count(error: unknown): void {
    const name = error instanceof AlopexError ? error.code : String(error);
    this.seen.errors.set(name, (this.seen.errors.get(name) ?? 0) + 1);
  }

  async #withPatience<Value>(work: (database: Database) => Promise<Value>): Promise<Value> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = globalThis.setTimeout(() => {
      this.seen.givenUp += 1;
      const database = this.#database;
      this.#database = null;
      database?.close().catch(() => {});
      reject(new AlopexError('connection_failure', `no answer within ${patienceMs} ms`));
    }, patienceMs);
    try {
      return await Promise.race([this.#connected().then(work), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connected(): Promise<Database> {
    this.#database ??= await Database.open({ url: this.#url, connectionsMax });
    return this.#database;
  }

  async close(): Promise<void> {
    await this.#database?.close();
  }
}

function textOf(error: unknown): string {
  return error instanceof AlopexError ? `${error.code} ${error.message}` : String((error as Error).stack);
}
