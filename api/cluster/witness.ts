import { utf8ToString } from '../../base/bytes/utf8.ts';
import type { DirectoryLock, Env } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import type { RaftStatus } from '../../log/raft/contract.ts';
import { lostDirectory } from '../../log/range/lost.ts';
import { Range } from '../../log/range/range.ts';
import { generationIn } from '../../log/range/states.ts';
import { openLog, type SegmentedLog } from '../../log/segment/log.ts';
import type { LogLimits } from '../../log/segment/options.ts';
import { rangeOfAll } from '../database/engine.ts';
import { ClusterLink, type ClusterOptions } from './cluster-link.ts';
import { adoptInstalled, finishInstall, installLog, mustBeOf, stateOf } from './install.ts';
import { removedError } from './removal.ts';
import { answerLineage, lineageRequest, rewind } from './rewind.ts';
import { type SnapshotPlace, snapshotPlaceRequest } from './snapshots.ts';

export type WitnessOptions = {
  readonly env: Env;
  readonly path: string;
  readonly cluster: ClusterOptions;
  readonly onProblem: (problem: AlopexError) => void;
  readonly limits?: { readonly log?: Partial<LogLimits> };
};

/** Bytes of the log that are kept below the high watermark, for a voter that is a little behind. */
const keptBytes = 64 * 1024 * 1024;
const placeTimeoutMs = 60_000;

/**
 * A node that votes and keeps the log's tail, and has no rows: with two others it makes three, so that one may fail. Where it
 * alone has what the last primary committed, it leads until another has that too, and hands over.
 */
export class WitnessNode {
  readonly #options: WitnessOptions;
  readonly #lock: DirectoryLock;
  #link: ClusterLink | null = null;
  #range: Range | null = null;
  #log: SegmentedLog | null = null;
  #moving: Promise<void> | null = null;
  #trimmed: Offset = offset(0);
  #isClosed = false;
  onStatus: (status: RaftStatus) => void = () => {};

  private constructor(options: WitnessOptions, lock: DirectoryLock) {
    this.#options = options;
    this.#lock = lock;
  }

  static async open(options: WitnessOptions): Promise<WitnessNode> {
    const { env, path, cluster } = options;
    await env.disk.makeDirectory(path);
    const witness = new WitnessNode(options, await env.disk.lock(path));
    try {
      await finishInstall(env.disk, path);
      witness.#link = await ClusterLink.open(env, path, cluster, {
        onMessage: (from, range, message) => {
          if (range === rangeOfAll) witness.#receive(from, message);
        },
        // Where it leads, another one does so soon.
        onRequest: async (_, name) => {
          if (name === lineageRequest && witness.#range !== null) return answerLineage(witness.#range);
          throw withoutRows();
        },
        onFetch: () => {
          throw withoutRows();
        },
        onLink: (peer, isUp) => {
          if (!isUp) witness.#range?.onUnreachable(peer);
        },
      });
      witness.#link.removal.onRemoved = () => options.onProblem(removedError());
      await witness.#openRange();
      return witness;
    } catch (error) {
      await witness.close();
      throw error;
    }
  }

  get status(): RaftStatus | null {
    return this.#range?.status ?? null;
  }
  get log(): SegmentedLog | null {
    return this.#log;
  }

  #receive(from: NodeId, message: Uint8Array): void {
    try {
      this.#range?.receive(from, message);
    } catch (thrown) {
      this.#options.onProblem(asAlopexError(thrown));
    }
  }

  async #openRange(): Promise<void> {
    const { env, path, onProblem, limits } = this.#options;
    const { options, states, ticker, liveness, mesh } = this.#link!;
    const range = new Range({
      id: rangeOfAll,
      self: options.self,
      clock: env.clock,
      random: env.random,
      disk: env.disk,
      states,
      ticker,
      liveness,
      lostDirectory: lostDirectory(path),
      send: (to, message) => mesh.send(to, rangeOfAll, message),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      // It has no snapshot to send.
      rarely: () => false,
      handlers: {
        onStatus: (status) => {
          this.#link?.meet(status.membership);
          this.#link?.removal.onStatus(status);
          this.onStatus(status);
        },
        onHeard: () => {},
        onFlushed: () => {},
        onProposed: () => {},
        onTruncate: () => {},
        onLost: () => {},
        onSnapshotNeeded: (leader) => this.#move(() => this.#moveNow(leader)),
        onOutranked: (by) => this.#move(() => this.#rewindNow(by)),
        onFailed: onProblem,
      },
    });
    const log = await openLog({
      disk: env.disk,
      clock: env.clock,
      directory: `${path}/log`,
      limits: limits?.log ?? {},
      rarely: env.rarely,
      listener: {
        onCommitted: (highWatermark) => this.#trim(highWatermark),
        onRefused: (_, error) => onProblem(asAlopexError(error)),
        onPoisoned: (error) => onProblem(asAlopexError(error)),
      },
      replication: { by: range, highWatermark: offset(0) },
    });
    this.#log = log;
    await range.start(log, null);
    this.#range = range;
  }

  /** What is committed is in the rows of others. */
  #trim(highWatermark: Offset): void {
    const [log, range] = [this.#log, this.#range];
    if (log === null || range === null) return;
    const to = offset(Math.min(highWatermark, log.startOfLast(keptBytes)));
    if (to <= this.#trimmed) return;
    this.#trimmed = to;
    range.trim(to).catch((error: unknown) => {
      if (!this.#isClosed) this.#options.onProblem(asAlopexError(error));
    });
  }

  /** Its log is to go on somewhere else. One at a time. */
  #move(work: () => Promise<void>): void {
    if (this.#moving !== null || this.#isClosed) return;
    this.#moving = work()
      .catch((thrown: unknown) => {
        if (!this.#isClosed) this.#options.onProblem(asAlopexError(thrown));
      })
      .finally(() => {
        this.#moving = null;
      });
  }

  /** The leader's log begins too late for this one. */
  async #moveNow(leader: NodeId): Promise<void> {
    const { env, path } = this.#options;
    const { states } = this.#link!;
    const place = await this.#placeAt(leader);
    mustBeOf(generationIn(stateOf(states)), place);
    if (this.#isClosed || this.#range?.giveWay(place) !== true) return;
    await this.#closeRange();
    await installLog(env.disk, path, states, place);
    await this.#openRange();
  }

  /** A promotion by force, of a node that has not what this one has. */
  async #rewindNow(by: NodeId): Promise<void> {
    const { env, path } = this.#options;
    const { mesh, states } = this.#link!;
    const range = this.#range;
    if (range === null || (await rewind(range, mesh, by)) === null) return;
    const place = await this.#placeAt(by);
    const { outrankedBy } = range.status;
    if (this.#isClosed || outrankedBy === null) return;
    mustBeOf(outrankedBy, place);
    await this.#closeRange();
    await installLog(env.disk, path, states, place);
    await adoptInstalled(states, place);
    await this.#openRange();
  }

  async #placeAt(node: NodeId): Promise<SnapshotPlace> {
    const body = await this.#link!.mesh.request(
      node,
      snapshotPlaceRequest,
      new Uint8Array(0),
      placeTimeoutMs,
    );
    return JSON.parse(utf8ToString(body)) as SnapshotPlace;
  }

  async #closeRange(): Promise<void> {
    this.#range?.close();
    this.#range = null;
    await this.#log?.close();
    this.#log = null;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#moving;
    await this.#closeRange();
    await this.#link?.close();
    await this.#lock.release();
  }
}

function withoutRows(): AlopexError {
  return new AlopexError('cannot_connect_now', 'a witness has no rows');
}
