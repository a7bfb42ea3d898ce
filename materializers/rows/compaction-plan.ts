import { compareBytes } from '../../base/bytes/compare.ts';
import type { Manifest, ManifestFile } from '../manifest/manifest.ts';
import type { LiveFile, LiveFiles } from './files.ts';

/** Files that are merged into files of one level. */
export type CompactionPlan = {
  readonly inputs: readonly ManifestFile[];
  readonly level: number;
  /** No file beneath has keys of theirs: a deletion that no reader can see hides nothing, and can go. */
  readonly isBottom: boolean;
};

/** What a compaction made. */
export type CompactionOutput = {
  readonly files: readonly { readonly number: number; readonly length: number }[];
  /** For each storage: versions below may be gone now. */
  readonly horizons: readonly (readonly [storage: number, horizon: number])[];
};

/** Level 0 is merged when it has so many files: each is a run that reads have to look into. */
const levelZeroFilesMax = 4;
/** Bytes of level 1; each deeper level holds ten times those of the one above it. */
const levelOneBytesMax = 256 * 1024 * 1024;
const levelFactor = 10;

/** A file of a compaction ends with the key that it has when it is longer. */
export const compactedBytesMax = 64 * 1024 * 1024;

/** Numbers that are put by for the files of a compaction. */
export function compactedFilesMax({ inputs }: CompactionPlan): number {
  const bytes = inputs.reduce((sum, { length }) => sum + length, 0);
  return 1 + Math.ceil((2 * bytes) / compactedBytesMax);
}

/** The compaction that is most due, or null. */
export function planCompaction(set: LiveFiles): CompactionPlan | null {
  const levelZero = set.files.filter(({ record }) => record.level === 0);
  if (levelZero.length >= levelZeroFilesMax) return planInto(set, levelZero, 1);
  for (let level = 1; level <= deepest(set); level++) {
    const files = set.files.filter(({ record }) => record.level === level);
    const bytes = files.reduce((sum, { record }) => sum + record.length, 0);
    if (bytes <= levelOneBytesMax * levelFactor ** (level - 1)) continue;
    const oldest = files.reduce((left, right) => (left.record.number < right.record.number ? left : right));
    return planInto(set, [oldest], level + 1);
  }
  return null;
}

/** Everything into one level, or null where there is nothing. */
export function planFullCompaction(set: LiveFiles): CompactionPlan | null {
  if (set.files.length === 0) return null;
  return {
    inputs: set.files.map(({ record }) => record),
    level: Math.max(1, deepest(set)),
    isBottom: true,
  };
}

/**
 * What is written spans the gaps between its inputs' keys: files of the level in them would overlap it, and are merged
 * too. Each that joins may have other indexes, and widen the spans of those.
 */
function planInto(set: LiveFiles, upper: readonly LiveFile[], level: number): CompactionPlan {
  const inputs = [...upper];
  const spans = new KeySpans();
  for (const file of upper) spans.add(file);
  let others = set.files.filter(({ record }) => record.level === level);
  for (;;) {
    const joining = others.filter((file) => spans.overlap(file));
    if (joining.length === 0) break;
    for (const file of joining) spans.add(file);
    inputs.push(...joining);
    others = others.filter((file) => !joining.includes(file));
  }
  const isBottom = !set.files.some((file) => file.record.level > level && spans.overlap(file));
  return { inputs: inputs.map(({ record }) => record), level, isBottom };
}

/** For each storage and index, from the first key of all files to the last. */
class KeySpans {
  readonly #spans = new Map<string, { readonly first: Uint8Array; readonly last: Uint8Array }>();

  add({ sstable }: LiveFile): void {
    for (const { storage, index, firstKey, lastKey } of sstable.sections) {
      const name = `${storage}/${index}`;
      const { first, last } = this.#spans.get(name) ?? { first: firstKey, last: lastKey };
      this.#spans.set(name, {
        first: compareBytes(firstKey, first) < 0 ? firstKey : first,
        last: compareBytes(lastKey, last) > 0 ? lastKey : last,
      });
    }
  }

  overlap({ sstable }: LiveFile): boolean {
    return sstable.sections.some(({ storage, index, firstKey, lastKey }) => {
      const span = this.#spans.get(`${storage}/${index}`);
      return (
        span !== undefined && compareBytes(firstKey, span.last) <= 0 && compareBytes(span.first, lastKey) <= 0
      );
    });
  }
}

function deepest(set: LiveFiles): number {
  return set.files.reduce((level, { record }) => Math.max(level, record.level), 0);
}

export function afterCompaction(
  manifest: Manifest,
  plan: CompactionPlan,
  output: CompactionOutput,
): Manifest {
  const gone = new Set(plan.inputs.map(({ number }) => number));
  const horizons = new Map(manifest.horizons);
  for (const [storage, horizon] of output.horizons) {
    horizons.set(storage, Math.max(horizon, horizons.get(storage) ?? 0));
  }
  return {
    ...manifest,
    files: [
      ...manifest.files.filter(({ number }) => !gone.has(number)),
      ...output.files.map((file) => ({ ...file, level: plan.level, order: 0 })),
    ],
    horizons: [...horizons],
  };
}
