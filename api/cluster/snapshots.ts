import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Clock, Disk, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { Epoch, Offset } from '../../base/ids.ts';
import type { Generation, Membership } from '../../log/raft/contract.ts';
import type { Manifest } from '../../materializers/manifest/manifest.ts';
import type { HeldSnapshot } from '../../materializers/rows/options.ts';
import { sstablePath, verifySstableFile } from '../../materializers/worker/sstable-file.ts';
import type { Engine } from '../database/engine.ts';

/** Where a log begins that goes on from a snapshot, the epoch of the batch before, and the membership there. */
export type SnapshotPlace = {
  readonly offset: Offset;
  readonly epoch: Epoch;
  readonly membership: Membership;
  /** Of the log that goes on from there. */
  readonly generation: Generation;
};

/** What a node is sent that is further behind than the log reaches: files, and where the log goes on from them. */
export type SnapshotOffer = SnapshotPlace & {
  readonly id: number;
  readonly manifest: Manifest;
  /** In which the node was that gives it: leaders of this epoch and of later ones have all that is in it. */
  readonly epochNow: Epoch;
};

/** Of the nodes' requests to each other. */
export const snapshotRequest = 'snapshot';
/** Of a node whose own log goes with its rows: what is not in the snapshot yet, it takes out of the log. */
export const snapshotWithTail: Uint8Array = Uint8Array.of(1);
export const snapshotPlaceRequest = 'snapshot-place';
export const snapshotReleased = 'snapshot-released';
export const snapshotFile = 'snapshot-file';
/** A file came as no SSTable is: it may be damaged here. */
export const snapshotDamaged = 'snapshot-damaged';

/** After which a snapshot that nobody fetches from is let go. */
const idleMs = 60_000;
const chunkBytes = 256 * 1024;
/** Of the log after a snapshot: it is there sooner than a flush has made the snapshot newer. */
const tailBytesGood = 1024 * 1024;

type Offered = { readonly held: HeldSnapshot; timer: Timer };

/** Snapshots that other nodes are fetching from this one: their files, and the log after them, stay until then. */
export class Snapshots {
  readonly #engine: Engine;
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #offered = new Map<number, Offered>();
  #nextId = 1;

  constructor(engine: Engine, path: string) {
    this.#engine = engine;
    this.#directory = `${path}/rows`;
    this.#disk = engine.env.disk;
    this.#clock = engine.env.clock;
  }

  /** `request`: `snapshotWithTail`, or nothing: a flush first, so that the log need not reach far back. */
  async offer(request: Uint8Array): Promise<Uint8Array> {
    const { rows } = this.#engine;
    if (request.length === 0 || !this.#isNew()) await rows.flush();
    const held = rows.holdSnapshot();
    const { manifest } = held;
    const id = this.#nextId++;
    this.#offered.set(id, { held, timer: this.#idle(id) });
    this.#engine.retention.keepFrom(this.#oldest);
    try {
      const epochNow = this.#engine.replica!.range.status.epoch;
      const offer: SnapshotOffer = { id, manifest, epochNow, ...this.#placeOf(manifest) };
      return stringToUtf8(JSON.stringify(offer));
    } catch (error) {
      this.release(id);
      throw error;
    }
  }

  /** Little of the log is left to be folded again, and it is known who the members were where that begins. */
  #isNew(): boolean {
    const { rows, log } = this.#engine;
    const held = rows.holdSnapshot();
    const { replayFrom } = held.manifest;
    held.release();
    const isKnown = this.#engine.replica!.range.placeAt(replayFrom) !== null;
    return isKnown && replayFrom > 0 && log.bytesAfter(replayFrom) <= tailBytesGood;
  }

  /** For a node that has no rows: all that it lacks is in a snapshot here. */
  async place(): Promise<Uint8Array> {
    const { rows } = this.#engine;
    await rows.flush();
    const held = rows.holdSnapshot();
    held.release();
    return stringToUtf8(JSON.stringify(this.#placeOf(held.manifest)));
  }

  #placeOf({ replayFrom }: Manifest): SnapshotPlace {
    const { range } = this.#engine.replica!;
    const { generation, outrankedBy } = range.status;
    const place = range.placeAt(replayFrom);
    if (place !== null && outrankedBy === null) return { offset: replayFrom, ...place, generation };
    throw new AlopexError(
      'cannot_connect_now',
      'this node has nothing yet that another one could go on from',
    );
  }

  release(id: number): void {
    const offered = this.#offered.get(id);
    if (offered === undefined) return;
    this.#offered.delete(id);
    offered.timer.cancel();
    offered.held.release();
    this.#engine.retention.keepFrom(this.#oldest);
  }

  get #oldest(): Offset | null {
    const starts = Array.from(this.#offered.values(), ({ held }) => held.manifest.replayFrom);
    return starts.length === 0 ? null : (Math.min(...starts) as Offset);
  }

  #idle(id: number): Timer {
    return this.#clock.setTimer(idleMs, () => this.release(id));
  }

  async *file(id: number, number: number, position: number): AsyncGenerator<Uint8Array, void, undefined> {
    const file = await this.#disk.open(sstablePath(this.#directory, number), 'read');
    try {
      for (let at = position; ; ) {
        const offered = this.#offered.get(id);
        if (offered === undefined)
          throw new AlopexError('snapshot_too_old', `snapshot ${id} is no longer kept for you`);
        offered.timer.cancel();
        offered.timer = this.#idle(id);
        const chunk = await file.read(at, chunkBytes);
        if (chunk.length === 0) return;
        at += chunk.length;
        yield chunk;
      }
    } finally {
      await file.close();
    }
  }

  /** Throws data_corrupted where it is damaged here too. */
  async verify(number: number): Promise<void> {
    const held = this.#engine.rows.holdSnapshot();
    try {
      const found = held.manifest.files.find((each) => each.number === number);
      if (found !== undefined) await verifySstableFile(this.#disk, this.#directory, found);
    } finally {
      held.release();
    }
  }

  close(): void {
    for (const id of [...this.#offered.keys()]) this.release(id);
  }
}

export function encodeFileRequest(id: number, number: number): Uint8Array {
  return stringToUtf8(JSON.stringify([id, number]));
}

export function decodeFileRequest(body: Uint8Array): readonly [id: number, number: number] {
  const [id, number] = JSON.parse(utf8ToString(body)) as readonly unknown[];
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(number))
    throw new AlopexError('protocol_violation', 'a snapshot and a file are asked for by their numbers');
  return [id as number, number as number];
}
