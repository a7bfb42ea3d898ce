import { expect } from 'chai';
import { concatBytes } from '../../../base/bytes/compare.ts';
import { indexId, storageId, type Timestamp, timestamp } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { keyPseudoColumn, type ZonePredicate } from '../contract.ts';
import { PageCache } from './cache.ts';
import {
  groupRowsMax,
  inlineValueBytesMax,
  pageBytesMax,
  type SectionColumn,
  valueBytesMax,
} from './format.ts';
import type { Group } from './index-block.ts';
import { entryValues, openSstable, readEntries } from './reader.ts';
import {
  column,
  type ModelEntry,
  modelRows,
  open,
  primary,
  scanRows,
  sourceOf,
  storage,
  writeFile,
  zstd,
} from './sample.test.ts';
import { type GroupBatch, SectionScan } from './scan.ts';
import type { SstableSection } from './section.ts';
import { SstableWriter } from './writer.ts';

const now = Number.MAX_SAFE_INTEGER as Timestamp;
const int4 = column(1, { kind: 'int4' });
const text = column(2, { kind: 'text' });

function key(row: number): Uint8Array {
  return Uint8Array.of(2, 128, row >> 16, (row >> 8) & 255, row & 255);
}

function rows(count: number, valuesOf: (row: number) => readonly Datum[]): ModelEntry[] {
  return Array.from({ length: count }, (_, row) => ({ key: key(row), timestamp: 5, values: valuesOf(row) }));
}

async function sectionOf(
  columns: readonly SectionColumn[],
  entries: readonly ModelEntry[],
  cache = new PageCache(1 << 26),
): Promise<SstableSection> {
  return (await open(writeFile(columns, entries), cache)).sections[0]!;
}

async function groupsOf(section: SstableSection): Promise<Group[]> {
  return Promise.all(Array.from({ length: section.groupCount }, (_, ordinal) => section.group(ordinal)));
}

async function batchesOf(scan: SectionScan): Promise<GroupBatch[]> {
  const batches: GroupBatch[] = [];
  for (let batch = scan.next(); batch !== null; batch = scan.next()) {
    if (batch instanceof Promise) await batch;
    else batches.push(batch);
  }
  return batches;
}

function scanOf(
  section: SstableSection,
  options: Partial<ConstructorParameters<typeof SectionScan>[0]> = {},
) {
  return new SectionScan({
    section,
    from: null,
    to: null,
    reverse: false,
    at: now,
    projection: section.projection([1]),
    zones: [],
    withKeys: false,
    readAhead: 1,
    ...options,
  });
}

describe('materializers/rows/sstable: limits of a group', () => {
  it('ends at 4,096 rows, and blocks at 16 groups; every key is found', async () => {
    const count = groupRowsMax * 17 + 5;
    const section = await sectionOf(
      [int4],
      rows(count, (row) => [row]),
    );
    const groups = await groupsOf(section);
    expect(groups.map(({ rowCount }) => rowCount)).to.deep.equal([...new Array(17).fill(groupRowsMax), 5]);
    const projection = section.projection([1]);
    for (let row = 0; row < count; row += 1021) {
      expect(await section.get(key(row), now, projection))
        .to.have.property('values')
        .deep.equal([row]);
    }
    expect(await section.get(key(count), now, projection)).to.equal(null);
    const middle = await scanRows(section, now, key(65_000), key(66_000));
    expect(middle.map(({ values }) => values[0])).to.deep.equal(
      Array.from({ length: 1000 }, (_, index) => 65_000 + index),
    );
  });

  it('ends at 1 MiB of inline values, in pages of 64 KiB that are read apart', async () => {
    const section = await sectionOf(
      [int4, text],
      rows(1500, (row) => [row, `${row} `.padEnd(1000, 'x')]),
    );
    const groups = await groupsOf(section);
    expect(groups).to.have.length(2);
    expect(groups[0]!.columns[1]!.pages).to.have.length(17);
    const found = await section.get(key(700), now, section.projection([2]));
    expect(found!.values[0]).to.match(/^700 x*$/);
    expect(section.file.cache.bytes).to.be.below(pageBytesMax * 3);
    const seen = await scanRows(section, now);
    expect(seen.map(({ values }) => (values[1] as string).trimEnd().split(' ')[0])).to.deep.equal(
      Array.from({ length: 1500 }, (_, row) => String(row)),
    );
  });

  it('ends at 256 KiB of keys and at 16 MiB of vectors', async () => {
    const longKeys = Array.from({ length: 400 }, (_, row) => ({
      key: concatBytes([key(row), new Uint8Array(995)]),
      timestamp: 1,
      values: [],
    }));
    const keyed = await sectionOf(
      [],
      longKeys.map((entry) => ({ ...entry, values: [] })),
    );
    expect((await groupsOf(keyed)).map(({ rowCount }) => rowCount)).to.deep.equal([263, 137]);
    const vector = Float32Array.from({ length: 4096 }, (_, index) => index % 7);
    const vectors = await sectionOf(
      [column(1, { kind: 'vector' })],
      rows(1030, () => [vector]),
    );
    expect((await groupsOf(vectors)).map(({ rowCount }) => rowCount)).to.deep.equal([1024, 6]);
    const found = await vectors.get(key(1029), now, vectors.projection([1]));
    expect(found!.values[0]).to.deep.equal(vector);
  });

  it('keeps long values apart up to their limit, and reads them back', async () => {
    const lengths = [inlineValueBytesMax, inlineValueBytesMax + 1, 3_000_000];
    const section = await sectionOf(
      [int4, text],
      rows(lengths.length, (row) => [row, 'é'.repeat(lengths[row]! / 2)]),
    );
    const [group] = await groupsOf(section);
    expect(group!.columns[1]!.pages).to.have.length(1);
    const seen = await scanRows(section, now);
    expect(seen.map(({ values }) => (values[1] as string).length)).to.deep.equal([4096, 4096, 1_500_000]);
    const tooLong = rows(1, () => [new Uint8Array(valueBytesMax + 1)]);
    expect(() => writeFile([column(1, { kind: 'bytes' })], tooLong, null)).to.throw(
      `a value of ${valueBytesMax + 1} bytes is too large`,
    );
  });

  it('keeps nothing of the group before in one of nulls alone', async () => {
    const columns = [column(1, { kind: 'int8' }), text, column(3, { kind: 'float8' })];
    const entries = rows(groupRowsMax + 3, (row) =>
      row < groupRowsMax ? [2n ** 60n + BigInt(row), `row ${row}`, row / 3] : [null, null, null],
    );
    const seen = await scanRows(await sectionOf(columns, entries), now);
    expect(seen.map(({ values }) => values)).to.deep.equal(entries.map(({ values }) => values));
  });

  it('goes on with a key that has more versions than a group', async () => {
    const hot = Array.from({ length: 10_000 }, (_, version) => ({
      key: key(1),
      timestamp: 10_000 - version,
      values: version % 3 === 1 ? null : [version],
    }));
    const entries = [
      { key: key(0), timestamp: 1, values: [-1] },
      ...hot,
      { key: key(2), timestamp: 1, values: [-2] },
    ];
    const section = await sectionOf([int4], entries);
    expect(section.groupCount).to.equal(3);
    for (const at of [0, 1, 1500, 1807, 5903, 5904, 5905, 5906, 9_999, 10_000]) {
      const expected = modelRows(entries, at);
      expect(await scanRows(section, at)).to.deep.equal(expected);
      expect(await scanRows(section, at, null, null, true)).to.deep.equal(expected.toReversed());
      const found = await section.get(key(1), at as Timestamp, section.projection([1]));
      expect(found?.timestamp ?? null).to.equal(at === 0 ? null : at);
    }
  });
});

describe('materializers/rows/sstable: what a store asks', () => {
  const count = groupRowsMax * 5;

  it('answers at once where the pages are in memory', async () => {
    const section = await sectionOf(
      [int4, text],
      rows(count, (row) => [row, `row ${row}`]),
    );
    const projection = section.projection([1, 2]);
    expect(section.get(key(9), now, projection)).to.be.instanceOf(Promise);
    await batchesOf(scanOf(section, { projection, withKeys: true }));
    expect(section.get(key(9), now, projection))
      .to.have.property('values')
      .deep.equal([9, 'row 9']);
    const scan = scanOf(section, { projection });
    for (let group = 0; group < 5; group++)
      expect(scan.next()).to.include({ ordinal: group, selection: null });
    expect(scan.next()).to.equal(null);
  });

  it('stays within its cache, and reads on with a cache that holds nothing', async () => {
    const cache = new PageCache(100_000);
    const section = await sectionOf(
      [int4, text],
      rows(count, (row) => [row, `row ${row}`]),
      cache,
    );
    expect(await scanRows(section, now)).to.have.length(count);
    expect(cache.bytes).to.be.within(1, 100_000);
    const empty = await sectionOf(
      [int4],
      rows(count, (row) => [row]),
      new PageCache(0),
    );
    expect(await scanRows(empty, now)).to.have.length(count);
    expect(await empty.get(key(7), now, empty.projection([1])))
      .to.have.property('values')
      .deep.equal([7]);
  });

  it('tells whoever still reads that the database ends', async () => {
    const cache = new PageCache(0);
    const section = await sectionOf(
      [int4],
      rows(count, (row) => [row]),
      cache,
    );
    cache.close();
    try {
      await section.get(key(7), now, section.projection([1]));
      expect.fail('it was read');
    } catch (error) {
      expect(error).to.have.property('condition', 'admin_shutdown');
    }
  });

  it('gives its pages back when it is closed', async () => {
    const cache = new PageCache(1 << 24);
    const entries = rows(count, (row) => [row]);
    const table = await open(writeFile([int4], entries), cache);
    const other = await sectionOf([int4], entries, cache);
    await scanRows(table.sections[0]!, now);
    await scanRows(other, now);
    const bytes = cache.bytes;
    table.close();
    expect(cache.bytes).to.equal(bytes / 2);
    expect(await scanRows(other, now)).to.have.length(count);
  });

  it('prunes groups by zone maps, but not where their keys supersede older runs', async () => {
    const section = await sectionOf(
      [int4],
      rows(count, (row) => [row]),
    );
    const zones: ZonePredicate[] = [{ column: int4.id, operator: '>=', value: groupRowsMax * 4 }];
    const pruned = await batchesOf(scanOf(section, { zones }));
    expect(pruned.map(({ ordinal }) => ordinal)).to.deep.equal([4]);
    const merged = await batchesOf(scanOf(section, { zones, withKeys: true }));
    expect(merged.map(({ isPruned }) => isPruned)).to.deep.equal([true, true, true, true, false]);
    expect(merged[0]!.selection).to.have.length(0);
    expect(merged[0]!.merge!.superseding).to.equal(null);
  });

  it('names superseding rows with deletions among them', async () => {
    const entries = [
      { key: key(1), timestamp: 9, values: [90] },
      { key: key(1), timestamp: 5, values: null },
      { key: key(2), timestamp: 6, values: null },
      { key: key(3), timestamp: 7, values: [70] },
    ];
    const section = await sectionOf([int4], entries);
    const [batch] = await batchesOf(scanOf(section, { at: 8 as Timestamp, withKeys: true }));
    expect([...batch!.selection!]).to.deep.equal([3]);
    expect([...batch!.merge!.superseding!]).to.deep.equal([1, 2, 3]);
    expect(batch!.merge!.keys.seek(key(3))).to.equal(3);
    expect(await section.findKey(0, key(2))).to.equal(2);
  });

  it('estimates ranges within a few percent where keys are spread evenly', async () => {
    const section = await sectionOf(
      [int4],
      rows(count, (row) => [row]),
    );
    expect(section.estimateRows(null, null)).to.equal(count);
    expect(section.estimateRows(key(1000), key(2000))).to.be.within(990, 1010);
    expect(section.estimateRows(key(count), null)).to.equal(0);
    await section.group(0);
    expect(section.estimateRows(key(5000), key(5001))).to.be.within(0, 2);
  });

  it('puts the commit timestamp in place of the zeros of a private run', async () => {
    const file = writeFile(
      [int4],
      rows(3, (row) => [row]).map((entry) => ({ ...entry, timestamp: 0 })),
    );
    const options = {
      name: 'x.sst',
      length: file.length,
      cache: new PageCache(1 << 20),
      compressions: [zstd],
    };
    const table = await openSstable(sourceOf(file), {
      ...options,
      stamp: { kind: 'commit', timestamp: timestamp(77), voidFrom: null },
    });
    const section = table.sections[0]!;
    expect(section.newestTimestamp).to.equal(77);
    expect(await scanRows(section, 76)).to.deep.equal([]);
    expect((await scanRows(section, 77)).map(({ version }) => version)).to.deep.equal([77, 77, 77]);
  });

  it('keeps sections of rows and of an index apart, and says which columns each has', async () => {
    const writer = new SstableWriter({ fileNumber: 1, compression: null });
    const chunks: Uint8Array[] = [];
    const at = { timestamp: timestamp(3), deleted: false };
    writer.beginSection({ storage, index: primary, columns: [int4] });
    chunks.push(...writer.add({ storage, index: primary, key: key(1), ...at, values: [10] }));
    writer.beginSection({ storage, index: indexId(20_001), columns: [] });
    chunks.push(...writer.add({ storage, index: indexId(20_001), key: key(8), ...at, values: null }));
    writer.beginSection({ storage: storageId(20_002), index: primary, columns: [text] });
    const { chunks: rest, metadata } = writer.finish();
    const table = await open(concatBytes([...chunks, ...rest]));
    expect(metadata.sections.map(({ index }) => Number(index))).to.deep.equal([0, 20_001]);
    expect(table.section(storage, primary)!.hasColumn(int4.id)).to.equal(true);
    expect(table.section(storage, primary)!.hasColumn(text.id)).to.equal(false);
    const index = table.section(storage, indexId(20_001))!;
    const [batch] = await batchesOf(scanOf(index, { projection: index.projection([keyPseudoColumn]) }));
    expect(batch!.columns[0])
      .to.have.property('values')
      .deep.equal([key(8)]);
    for await (const group of readEntries(index)) expect(entryValues(group, 0)).to.equal(null);
  });

  it('refuses entries out of order', () => {
    const entry = { storage, index: primary, deleted: false, values: [1] };
    const writer = () => {
      const made = new SstableWriter({ fileNumber: 1, compression: null });
      made.beginSection({ storage, index: primary, columns: [int4] });
      made.add({ ...entry, key: key(5), timestamp: timestamp(5) });
      return made;
    };
    expect(() => writer().add({ ...entry, key: key(4), timestamp: timestamp(5) })).to.throw('ascend by key');
    expect(() => writer().add({ ...entry, key: key(5), timestamp: timestamp(5) })).to.throw('ascend by key');
    expect(() => writer().beginSection({ storage, index: primary, columns: [] })).to.throw('sections ascend');
  });
});
