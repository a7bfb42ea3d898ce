import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../../base/errors.ts';
import type { Timestamp } from '../../../base/ids.ts';
import { PageCache } from './cache.ts';
import { formatVersion } from './format.ts';
import { entryValues, openSstable, readEntries } from './reader.ts';
import {
  allTypes,
  column,
  entriesArbitrary,
  type ModelEntry,
  open,
  sourceOf,
  writeFile,
  zstd,
} from './sample.test.ts';

/** All that a reader can learn from a file: each version, and each key by a point read. */
async function readAll(file: Uint8Array): Promise<string> {
  const table = await open(file, new PageCache(1 << 20));
  const seen: unknown[] = [];
  for (const section of table.sections) {
    const everything = section.projection(section.columns.map(({ id }) => id));
    for await (const group of readEntries(section)) {
      for (let row = 0; row < group.rowCount; row++) {
        const key = group.keys.keyAt(row);
        seen.push([...key], group.versions.timestamps[row], entryValues(group, row));
        seen.push(await section.get(key, Number.MAX_SAFE_INTEGER as Timestamp, everything));
      }
    }
  }
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
  return JSON.stringify(seen, plain);
}

/** What reading a damaged file comes to: its rows, or the error that names the damage. */
async function outcomeOf(file: Uint8Array): Promise<string | AlopexError> {
  try {
    return await readAll(file);
  } catch (error) {
    if (error instanceof AlopexError) return error;
    throw error;
  }
}

function entries(count: number): ModelEntry[] {
  return Array.from({ length: count }, (_, row) => ({
    key: Uint8Array.of(2, 128, 0, 0, row >> 1),
    timestamp: 1000 - row,
    values: row % 7 === 3 ? null : [row * 3, `name ${row % 5} of ${row}`, row / 3],
  }));
}

const threeColumns = [
  column(1, { kind: 'int4' }),
  column(2, { kind: 'text' }),
  column(3, { kind: 'float8' }),
];

function sampleFiles(): Uint8Array[] {
  const mixed = fc.sample(entriesArbitrary, { seed: 42, numRuns: 3 }).map((some) => some.slice(0, 12));
  return [
    writeFile(threeColumns, entries(40), null),
    writeFile(threeColumns, entries(60), zstd),
    writeFile(
      [],
      entries(30).map((entry) => ({ ...entry, values: entry.values === null ? null : [] })),
      null,
    ),
    ...mixed.map((some) => writeFile(allTypes, some, null)),
  ];
}

describe('materializers/rows/sstable: damaged files', () => {
  it('finds each of 20,000 flipped bits, or reads the same rows', async () => {
    const files = sampleFiles();
    const intact = await Promise.all(files.map(readAll));
    let state = 20_261_122;
    const random = (limit: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let detected = 0;
    for (let flip = 0; flip < 20_000; flip++) {
      const chosen = flip % files.length;
      const file = files[chosen]!.slice();
      const bit = random(file.length * 8);
      file[bit >> 3]! ^= 1 << (bit & 7);
      const outcome = await outcomeOf(file);
      if (outcome instanceof AlopexError) detected++;
      else if (outcome !== intact[chosen]) expect.fail(`bit ${bit} of file ${chosen} changed what was read`);
    }
    expect(detected).to.equal(20_000);
  }).timeout(60_000);

  it('names the file and the byte of the page', async () => {
    const file = writeFile(threeColumns, entries(40), null);
    file[3]! ^= 1;
    const outcome = await outcomeOf(file);
    expect(outcome).to.be.instanceOf(AlopexError).with.property('condition', 'data_corrupted');
    expect(outcome).to.have.property('message', 'sample.sst is corrupt at byte 0: checksum mismatch');
  });

  it('refuses every truncation', async () => {
    const file = writeFile(threeColumns, entries(40), null);
    for (let length = 0; length < file.length; length += 7) {
      const outcome = await outcomeOf(file.slice(0, length));
      expect(outcome).to.have.property('condition', 'data_corrupted');
    }
  });

  it('refuses a newer format by name, and an unknown compression', async () => {
    const file = writeFile(threeColumns, entries(40), zstd);
    const newer = file.slice();
    new DataView(newer.buffer).setUint32(newer.length - 12, formatVersion + 1);
    const outcome = await outcomeOf(newer);
    expect(outcome).to.have.property('message', `sample.sst has SSTable format version ${formatVersion + 1}`);
    expect(outcome).to.have.property('condition', 'feature_not_supported');
    const options = { name: 'x.sst', length: file.length, cache: new PageCache(1000), compressions: [] };
    const error = await openSstable(sourceOf(file), options).catch((thrown) => thrown);
    expect(error).to.have.property('message', 'x.sst is compressed with zstd');
  });

  it('names a page that verifies and does not fit its index', async () => {
    // Evenly spread keys are stored as a first one and a step: the pages have one length.
    const [file, other] = [40, 38].map((count) =>
      writeFile(
        threeColumns,
        entries(count).map((entry, row) => ({ ...entry, key: Uint8Array.of(2, 128, 0, 0, row) })),
        null,
      ),
    );
    const source = sourceOf(file!);
    // Both start at byte 0 of a file of the same number: only the row count tells them apart.
    const swapped = {
      read: async (position: number, length: number) => {
        const bytes = await source.read(position, length);
        if (position === 0) bytes.set(other!.subarray(0, length));
        return bytes;
      },
    };
    const options = { name: 'x.sst', length: file!.length, cache: new PageCache(1 << 20), compressions: [] };
    const table = await openSstable(swapped, options);
    const error = await Promise.resolve(table.sections[0]!.findKey(0, new Uint8Array(1))).catch(
      (thrown) => thrown,
    );
    expect(error).to.have.property('condition', 'data_corrupted');
    expect(error).to.have.property('message', 'x.sst is corrupt at byte 0: 38 rows where the index has 40');
  });
});
