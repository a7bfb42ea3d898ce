import type { Offset, Timestamp } from '../../base/ids.ts';
import { emptyManifest, type FileCommit, type ManifestFile } from '../manifest/manifest.ts';
import { type LiveFile, LiveFiles } from './files.ts';
import type { Stamp } from './sstable/stamp.ts';

/** Rows of a transaction's batches in [from, to), in a file that no manifest names. */
export type PrivateFile = {
  readonly from: Offset;
  readonly to: Offset;
  /** Rows of batches from it on were rolled back to a savepoint. */
  readonly voidFrom: Offset | null;
  /** 0: it was written from the log; else it was merged of files of the tier below. */
  readonly tier: number;
  readonly file: LiveFile;
};

/** So many files of a tier become one of the next: no transaction has more than some dozens. */
const filesOfTierMax = 16;

/**
 * The files of one undecided transaction. They go when the transaction does, unless it commits: then they are the
 * store's.
 *
 * Invariant: their spans ascend and do not overlap; a later file is newer.
 */
export class PrivateFiles {
  readonly #onUnused: (file: LiveFile) => void;
  /** Others read these files now, under another stamp. */
  readonly #handedOver = new Set<LiveFile>();
  #files: readonly PrivateFile[] = [];
  #set: LiveFiles | null = null;

  /** `onUnused` closes and removes a file. */
  constructor(onUnused: (file: LiveFile) => void) {
    this.#onUnused = onUnused;
  }

  /** For the transaction's own reads; null where there are none. */
  get set(): LiveFiles | null {
    return this.#set;
  }
  get isEmpty(): boolean {
    return this.#files.length === 0;
  }
  get count(): number {
    return this.#files.length;
  }
  /** What batches below it wrote is here. */
  get end(): Offset {
    return this.#files.at(-1)?.to ?? (0 as Offset);
  }

  /** The newest files, where they are enough of one tier to be merged. */
  get mergeable(): readonly PrivateFile[] | null {
    const newest = this.#files.slice(-filesOfTierMax);
    const isOne = newest.every(({ tier, voidFrom }) => tier === newest[0]!.tier && voidFrom === null);
    return isOne && newest.length === filesOfTierMax ? newest : null;
  }

  /** Puts one file in the place of those that it was merged of. False: they are not the newest any more. */
  merge(files: readonly PrivateFile[], file: LiveFile): boolean {
    const start = this.#files.length - files.length;
    if (start < 0 || files.some((each, place) => this.#files[start + place] !== each)) return false;
    const { from, tier } = files[0]!;
    const merged = { from, to: files.at(-1)!.to, voidFrom: null, tier: tier + 1, file };
    this.#replace([...this.#files.slice(0, start), merged]);
    return true;
  }

  add(file: PrivateFile): void {
    this.#replace([...this.#files, file]);
  }

  /** Rows of batches from `from` on are no more. */
  rollBackTo(from: Offset): void {
    const kept = this.#files.filter((each) => each.from < from);
    const last = kept.at(-1);
    if (last !== undefined && last.to > from) kept[kept.length - 1] = this.#cut(last, from);
    this.#replace(kept);
  }

  #cut({ from, to, tier, file }: PrivateFile, voidFrom: Offset): PrivateFile {
    return {
      from,
      to,
      voidFrom,
      tier,
      file: this.#restamped(file, { kind: 'private', voidFrom }, file.record),
    };
  }

  #restamped(file: LiveFile, stamp: Stamp, record: ManifestFile): LiveFile {
    this.#handedOver.add(file);
    const sstable = file.sstable.restamped(stamp);
    const close = async (): Promise<void> => {
      sstable.close();
      await file.close();
    };
    return { record, sstable, users: 0, close };
  }

  /** As files of a commit, to stand on level 0 above those of `order`. Here there are none then. */
  handOver(timestamp: Timestamp, order: number): readonly LiveFile[] {
    const files = this.#files.map(({ file, voidFrom }, index) => {
      const commit: FileCommit = { timestamp, place: index + 1, voidFrom };
      return this.#restamped(file, { kind: 'commit', ...commit }, { ...file.record, order, commit });
    });
    this.#replace([]);
    return files;
  }

  release(): void {
    this.#replace([]);
  }

  #replace(files: readonly PrivateFile[]): void {
    const previous = this.#set;
    this.#files = files;
    this.#set = files.length === 0 ? null : this.#newSet(files.map(({ file }) => file));
    previous?.release();
  }

  #newSet(files: readonly LiveFile[]): LiveFiles {
    // The later the file, the newer: as the order of level 0 says it.
    for (const [place, file] of files.entries()) file.record = { ...file.record, order: place };
    return fileSet(files, (file) => this.#leave(file));
  }

  #leave(file: LiveFile): void {
    if (this.#handedOver.delete(file)) file.sstable.close();
    else this.#onUnused(file);
  }
}

/** Files that no manifest names, for reads. */
export function fileSet(files: readonly LiveFile[], onUnused: (file: LiveFile) => void): LiveFiles {
  return new LiveFiles({ ...emptyManifest, files: files.map(({ record }) => record) }, files, onUnused);
}
