import { expect } from 'chai';
import fc from 'fast-check';
import { compareBytes } from '../../../base/bytes/compare.ts';
import type { Timestamp } from '../../../base/ids.ts';
import { versionPseudoColumn } from '../contract.ts';
import { PageCache } from './cache.ts';
import { entryValues, readEntries } from './reader.ts';
import {
  allTypes,
  entriesArbitrary,
  keyArbitrary,
  type ModelEntry,
  modelRows,
  open,
  primary,
  scanRows,
  storage,
  writeFile,
} from './sample.test.ts';

describe('materializers/rows/sstable', () => {
  it('answers as a sorted list of versions does, whatever the types and keys', async () => {
    await fc.assert(
      fc.asyncProperty(entriesArbitrary, keyArbitrary, keyArbitrary, async (entries, from, to) => {
        const table = await open(writeFile(allTypes, entries), new PageCache(2000));
        const section = table.section(storage, primary)!;
        for (const at of [0, 4, 9]) {
          const expected = modelRows(entries, at);
          expect(await scanRows(section, at)).to.deep.equal(expected);
          const within = expected.filter(
            ({ key }) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0,
          );
          expect(await scanRows(section, at, from, to)).to.deep.equal(within);
          expect(await scanRows(section, at, from, to, true)).to.deep.equal(within.toReversed());
          const projection = section.projection([versionPseudoColumn, ...allTypes.map(({ id }) => id)]);
          for (const key of [from, ...entries.map((entry) => entry.key)]) {
            const found = await section.get(key, at as Timestamp, projection);
            const row = expected.find((candidate) => compareBytes(candidate.key, key) === 0);
            const values = found === null || found.deleted ? null : found.values;
            expect(values).to.deep.equal(row === undefined ? null : [row.version, ...row.values]);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('iterates every version, as it was added', async () => {
    await fc.assert(
      fc.asyncProperty(entriesArbitrary, async (entries) => {
        const table = await open(writeFile(allTypes, entries));
        const read: ModelEntry[] = [];
        for await (const group of readEntries(table.sections[0]!)) {
          for (let row = 0; row < group.rowCount; row++) {
            const key = new Uint8Array(group.keys.keyAt(row));
            read.push({ key, timestamp: group.versions.timestamps[row]!, values: entryValues(group, row) });
          }
        }
        expect(read).to.deep.equal(entries);
      }),
      { numRuns: 40 },
    );
  });
});
