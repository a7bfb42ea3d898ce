import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { concatBytes } from '../../../base/bytes/compare.ts';
import { type Timestamp, timestamp } from '../../../base/ids.ts';
import { versionPseudoColumn } from '../contract.ts';
import { RowsChecksum } from './checksum.ts';
import { dumpSstable } from './dump.ts';
import { column, open, primary, scanRows, storage } from './sample.test.ts';
import { SstableWriter } from './writer.ts';

/** The bytes of the worked example in docs/formats/sstable.md. */
function documented(): Uint8Array {
  const page = readFileSync(new URL('../../../docs/formats/sstable.md', import.meta.url), 'utf8');
  const block = /```hex\n([^`]*)```/.exec(page)![1]!;
  const digits = block.replaceAll(/^#.*$/gm, '').replaceAll(/\s/g, '');
  return Uint8Array.from(digits.match(/../g)!, (byte) => Number.parseInt(byte, 16));
}

const key = (last: number) => Uint8Array.of(2, 128, 0, 0, last);

describe('materializers/rows/sstable: worked example of the format', () => {
  it('is what the writer writes', () => {
    const writer = new SstableWriter({ fileNumber: 9, compression: null });
    const columns = [column(1, { kind: 'int4' }), column(2, { kind: 'text' })];
    const place = { storage, index: primary };
    writer.beginSection({ ...place, columns });
    const chunks = [
      writer.add({ ...place, key: key(1), timestamp: timestamp(100), deleted: false, values: [1, 'one'] }),
      writer.add({ ...place, key: key(2), timestamp: timestamp(120), deleted: true, values: null }),
      writer.add({ ...place, key: key(2), timestamp: timestamp(110), deleted: false, values: [2, 'two'] }),
      writer.finish().chunks,
    ];
    expect(concatBytes(chunks.flat())).to.deep.equal(documented());
  });

  it('reads as the text says', async () => {
    const table = await open(documented());
    const section = table.section(storage, primary)!;
    expect(await scanRows(section, 99)).to.deep.equal([]);
    expect((await scanRows(section, 119)).map(({ values }) => values)).to.deep.equal([
      [1, 'one'],
      [2, 'two'],
    ]);
    expect((await scanRows(section, 120)).map(({ values }) => values)).to.deep.equal([[1, 'one']]);
    const projection = section.projection([2, versionPseudoColumn, 3]);
    const at = 115 as Timestamp;
    expect(await section.get(key(2), at, projection)).to.deep.equal({
      timestamp: 110,
      deleted: false,
      values: ['two', 110, null],
    });
    expect(await section.get(key(2), 120 as Timestamp, projection)).to.include({
      timestamp: 120,
      deleted: true,
    });
  });

  it('is printed for people', async () => {
    const lines: string[] = [];
    for await (const line of dumpSstable(await open(documented()), { withEntries: true })) lines.push(line);
    expect(lines).to.deep.equal([
      'sample.sst: SSTable format 1, file 9, 242 bytes, compression none',
      'section storage 20000 index 0: 3 entries (1 deletions), 1 groups, 166 bytes, timestamps 100 to 120',
      '  columns: 1 int4, 2 text',
      '  group 0: 3 entries, 1 deletions, keys repeat; keys 0280000001 to 0280000002; timestamps 100 to 120',
      '    keys @0+22; filter @22+17; versions @39+19',
      '    column 1: 1 to 2; 1 nulls; @58+18',
      '    column 2: "one" to "two"; 1 nulls; @76+28',
      '  0280000001 @100 1, "one"',
      '  0280000002 @120 deleted',
      '  0280000002 @110 2, "two"',
    ]);
  });

  it('has the same checksum of rows wherever they lie', () => {
    const sum = (rows: readonly [number, string][]) => {
      const checksum = new RowsChecksum();
      for (const [last, text] of rows) checksum.add(key(last), 100, [last, text]);
      return checksum.value;
    };
    expect(sum([[1, 'one']])).to.deep.equal(sum([[1, 'one']]));
    expect(sum([[1, 'one']])).to.not.deep.equal(sum([[1, 'One']]));
    expect(sum([[1, 'one']]).rowCount).to.equal(1);
  });
});
