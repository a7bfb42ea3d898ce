import type { IndexId, Offset, StorageId } from '../../base/ids.ts';
import type { IndexLayout, TableLayout } from '../../log/events/layout.ts';
import type { Log } from '../../log/log.ts';
import { decodeHeader } from '../../log/record/header.ts';
import type { BatchHeader } from '../../log/record/record.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { IndexFiles } from './index-build.ts';
import { controlOf, type LogFold } from './log-fold.ts';

type Host = {
  readonly indexFiles: IndexFiles;
  readonly settleRun: (producer: number) => Promise<void> | null;
  readonly makeRoom: (producer: number) => Promise<void> | null;
  readonly recent: (from: Offset, bytesMax: number) => readonly Uint8Array[] | null;
};

/** Bytes of the log that are read at a time. */
export const followBytes = 4 * 1024 * 1024;

/**
 * Follows a log that another node writes, or wrote before this start: batch by batch, never past the high watermark.
 *
 * The files of an index that was built beside its writers are nobody's but the node's that built it: a replica builds its own
 * once it sees the index become public. The manifest remembers which are not there yet.
 */
export class ReplicaFold {
  readonly #log: Log;
  readonly #fold: LogFold;
  readonly #host: Host;
  /** Everything below was seen: from where the replay started, which is earlier than `applied` where a transaction was undecided. */
  #followed: Offset;
  readonly #unbuilt = new Map<IndexId, StorageId>();
  #building: Promise<void> | null = null;

  constructor(manifest: Manifest, log: Log, fold: LogFold, host: Host) {
    this.#log = log;
    this.#fold = fold;
    this.#host = host;
    this.#followed = manifest.replayFrom;
    for (const [storage, index] of manifest.unbuilt ?? [])
      this.#unbuilt.set(index as IndexId, storage as StorageId);
  }

  get followed(): Offset {
    return this.#followed;
  }

  /** For the manifest. */
  get unbuilt(): Pick<Manifest, 'unbuilt'> {
    if (this.#unbuilt.size === 0) return {};
    return { unbuilt: Array.from(this.#unbuilt, ([index, storage]) => [storage, index] as const) };
  }

  noteUnbuilt(table: TableLayout, index: IndexLayout): void {
    this.#unbuilt.set(index.id, table.storage);
  }

  /** Everything below is applied: this node led until now, or the log was cut there. */
  goOnFrom(at: Offset): void {
    this.#followed = at;
  }

  truncateTo(to: Offset): void {
    if (this.#followed > to) this.#followed = to;
  }

  /** Whether it has come to the high watermark. */
  async follow(bytesMax: number): Promise<boolean> {
    if (this.#followed >= this.#log.highWatermark) return true;
    const recent = this.#host.recent(this.#followed, bytesMax);
    for (const batch of recent ?? (await this.#log.read(this.#followed, bytesMax))) {
      const next = this.#replay(batch);
      this.#followed = next instanceof Promise ? await next : next;
    }
    return this.#followed >= this.#log.highWatermark;
  }

  /** Large transactions take no more memory than when they were written. */
  #replay(batch: Uint8Array): Offset | Promise<Offset> {
    const header = decodeHeader(batch);
    const isLate = header.baseOffset >= this.#fold.applied.offset;
    return isLate && header.isTransactional ? this.#replayPart(batch, header) : this.#fold.replayBatch(batch);
  }

  async #replayPart(batch: Uint8Array, header: BatchHeader): Promise<Offset> {
    const { producerId } = header;
    const { settleRun, makeRoom } = this.#host;
    if (header.isControl && controlOf(batch, header).kind === 'commit')
      for (let step = settleRun(producerId); step !== null; step = settleRun(producerId)) await step;
    const next = this.#fold.replayBatch(batch);
    await makeRoom(producerId);
    return next;
  }

  completeIndexes(): Promise<void> | null {
    if (this.#unbuilt.size === 0) return null;
    this.#building ??= this.#build().finally(() => {
      this.#building = null;
    });
    return this.#building;
  }

  async #build(): Promise<void> {
    for (const [id, storage] of this.#unbuilt) {
      const table = this.#fold.layouts.tables.get(storage);
      const index = table?.indexes.find((each) => each.id === id);
      if (table !== undefined && index !== undefined)
        await this.#host.indexFiles.build(table, index, () => {});
      this.#unbuilt.delete(id);
    }
  }
}
