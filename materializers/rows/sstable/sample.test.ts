import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compareBytes, concatBytes } from '../../../base/bytes/compare.ts';
import { columnId, indexId, storageId, type Timestamp, timestamp } from '../../../base/ids.ts';
import { datumAt } from '../../../base/values/column.ts';
import { type Datum, Interval, type PhysicalType, SqlArray } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { keyPseudoColumn, versionPseudoColumn } from '../contract.ts';
import { PageCache } from './cache.ts';
import type { PageSource } from './file.ts';
import type { SectionColumn } from './format.ts';
import type { Compression } from './page.ts';
import { openSstable, type Sstable } from './reader.ts';
import { SectionScan } from './scan.ts';
import type { SstableSection } from './section.ts';
import { SstableWriter } from './writer.ts';

/** What the tests of this folder share: files of any content, and the definition of what a reader sees. */
export const zstd: Compression = {
  name: 'zstd',
  compress: (bytes) => zstdCompressSync(bytes),
  decompress: (bytes, length) => zstdDecompressSync(bytes, { chunkSize: length + 64 }),
};

export const storage = storageId(20_000);
export const primary = indexId(0);

export type ModelEntry = {
  readonly key: Uint8Array;
  readonly timestamp: number;
  readonly values: readonly Datum[] | null;
};

export function sourceOf(file: Uint8Array): PageSource {
  return { read: async (position, length) => file.slice(position, position + length) };
}

export function writeFile(
  columns: readonly SectionColumn[],
  entries: readonly ModelEntry[],
  compression: Compression | null = zstd,
): Uint8Array {
  const writer = new SstableWriter({ fileNumber: 7, compression });
  writer.beginSection({ storage, index: primary, columns });
  const chunks: Uint8Array[] = [];
  for (const { key, timestamp: version, values } of entries) {
    const deleted = values === null;
    chunks.push(
      ...writer.add({ storage, index: primary, key, timestamp: timestamp(version), deleted, values }),
    );
  }
  const { chunks: rest } = writer.finish();
  return concatBytes([...chunks, ...rest]);
}

export function open(file: Uint8Array, cache = new PageCache(1 << 24)): Promise<Sstable> {
  return openSstable(sourceOf(file), {
    name: 'sample.sst',
    length: file.length,
    cache,
    compressions: [zstd],
  });
}

export function column(id: number, type: PhysicalType): SectionColumn {
  return { id: columnId(id), type };
}

export type SeenRow = {
  readonly key: Uint8Array;
  readonly version: Datum;
  readonly values: readonly Datum[];
};

export async function scanRows(
  section: SstableSection,
  at: number,
  from: Uint8Array | null = null,
  to: Uint8Array | null = null,
  reverse = false,
): Promise<SeenRow[]> {
  const ids = [keyPseudoColumn, versionPseudoColumn, ...section.columns.map(({ id }) => id)];
  const scan = new SectionScan({
    section,
    from,
    to,
    reverse,
    at: at as Timestamp,
    projection: section.projection(ids),
    zones: [],
    withKeys: false,
    readAhead: 2,
  });
  const seen: SeenRow[] = [];
  for (let batch = scan.next(); batch !== null; batch = scan.next()) {
    if (batch instanceof Promise) {
      await batch;
      continue;
    }
    const rows = [...(batch.selection ?? Array.from({ length: batch.rowCount }, (_, row) => row))];
    if (reverse) rows.reverse();
    for (const row of rows) {
      const [key, version, ...values] = batch.columns.map((vector) => datumAt(vector, row));
      seen.push({ key: key as Uint8Array, version: version!, values });
    }
  }
  return seen;
}

/** What a reader at `at` sees, by the definition of it. */
export function modelRows(entries: readonly ModelEntry[], at: number): SeenRow[] {
  const seen: SeenRow[] = [];
  let decided: Uint8Array | null = null;
  for (const { key, timestamp: version, values } of entries) {
    if (version > at || (decided !== null && compareBytes(decided, key) === 0)) continue;
    decided = key;
    if (values !== null) seen.push({ key, version, values });
  }
  return seen;
}

export const allTypes: readonly SectionColumn[] = [
  column(1, { kind: 'bool' }),
  column(2, { kind: 'int4' }),
  column(3, { kind: 'int8' }),
  column(4, { kind: 'float4' }),
  column(5, { kind: 'float8' }),
  column(6, { kind: 'numeric' }),
  column(7, { kind: 'text' }),
  column(8, { kind: 'bytes' }),
  column(9, { kind: 'uuid' }),
  column(10, { kind: 'interval' }),
  column(11, { kind: 'vector' }),
  column(12, { kind: 'array', element: { kind: 'text' } }),
];

const int8Datum = fc
  .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
  .map((value) =>
    value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : (value as Datum),
  );
const numericDatum = fc.oneof(
  fc.tuple(fc.maxSafeInteger(), fc.nat(20)).map(([units, scale]) => Numeric.of(units, scale)),
  fc.bigInt(-(10n ** 40n), 10n ** 40n).map((units) => Numeric.of(units, 5)),
  fc.constantFrom(Numeric.nan, Numeric.infinity, Numeric.negativeInfinity),
);
const datums: Record<number, fc.Arbitrary<Datum>> = {
  1: fc.boolean(),
  2: fc.oneof(fc.integer(), fc.integer({ min: 0, max: 9 })),
  3: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 300 }), int8Datum),
  4: fc.float(),
  5: fc.oneof(fc.double(), fc.integer()),
  6: fc.oneof(
    numericDatum,
    fc.maxSafeInteger().map((units) => Numeric.of(units, 2)),
  ),
  7: fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('red', 'green'),
    fc.nat(30_000).map((n) => 'é'.repeat(n)),
  ),
  8: fc.oneof(
    fc.uint8Array(),
    fc.nat(20_000).map((n) => new Uint8Array(n).fill(n)),
  ),
  9: fc.uuid(),
  10: fc
    .tuple(fc.integer(), fc.integer(), fc.maxSafeInteger())
    .map(([months, days, micros]) => new Interval(months, days, micros)),
  11: fc.array(fc.float({ noNaN: true })).map((items) => Float32Array.from(items)),
  12: fc.array(fc.option(fc.string())).map((items) => SqlArray.of(items)),
};

export const rowArbitrary = fc.tuple(
  ...allTypes.map(({ id }) => fc.option(datums[id]!, { freq: 8 })),
) as fc.Arbitrary<Datum[]>;

export const keyArbitrary = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => Uint8Array.of(1, 128, 0, 0, n)),
  fc.uint8Array({ minLength: 0, maxLength: 3 }),
);

export const entriesArbitrary = fc
  .array(
    fc.record({
      key: keyArbitrary,
      timestamp: fc.integer({ min: 1, max: 9 }),
      values: fc.option(rowArbitrary, { freq: 6 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((entries) => {
    const unique = new Map(entries.map((entry) => [`${entry.key.join()}@${entry.timestamp}`, entry]));
    return [...unique.values()].sort((a, b) => compareBytes(a.key, b.key) || b.timestamp - a.timestamp);
  });
