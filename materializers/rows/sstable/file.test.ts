import { expect } from 'chai';
import { AlopexError } from '../../../base/errors.ts';
import type { Timestamp } from '../../../base/ids.ts';
import { PageCache } from './cache.ts';
import type { PageSource } from './file.ts';
import { openSstable } from './reader.ts';
import { column, scanRows, sourceOf, writeFile, zstd } from './sample.test.ts';
import type { SstableSection } from './section.ts';

const now = Number.MAX_SAFE_INTEGER as Timestamp;
const count = 20_000;

function key(row: number): Uint8Array {
  return Uint8Array.of(2, 128, row >> 16, (row >> 8) & 255, row & 255);
}

const file = writeFile(
  [column(1, { kind: 'int4' }), column(2, { kind: 'text' })],
  Array.from({ length: count }, (_, row) => ({ key: key(row), timestamp: 5, values: [row, `row ${row}`] })),
);

async function sectionOf(source: PageSource, cache: PageCache): Promise<SstableSection> {
  const options = { name: 'sample.sst', length: file.length, cache, compressions: [zstd] };
  return (await openSstable(source, options)).sections[0]!;
}

/** Counts reads, and refuses those that `fault` names. */
function watched(fault: (read: number) => boolean): PageSource & { reads: number; bytes: number } {
  const inner = sourceOf(file);
  const source = {
    reads: 0,
    bytes: 0,
    read: async (position: number, length: number) => {
      source.reads++;
      source.bytes += length;
      if (fault(source.reads)) throw new AlopexError('io_error', 'the disk refused');
      return inner.read(position, length);
    },
  };
  return source;
}

describe('materializers/rows/sstable: reading pages', () => {
  it('serves many readers at once from a cache that is too small for them', async () => {
    for (const bytesMax of [0, 50_000, 1 << 24]) {
      const section = await sectionOf(sourceOf(file), new PageCache(bytesMax));
      const projection = section.projection([1, 2]);
      const reads = Array.from({ length: 300 }, async (_, index) => {
        const row = (index * 7919) % count;
        const found = await section.get(key(row), now, projection);
        expect(found!.values).to.deep.equal([row, `row ${row}`]);
      });
      const scans = [false, true].map(async (reverse) => {
        const seen = await scanRows(section, now, key(100), key(15_000), reverse);
        expect(seen).to.have.length(14_900);
        expect(seen[0]!.values[0]).to.equal(reverse ? 14_999 : 100);
      });
      await Promise.all([...reads, ...scans]);
      expect(section.file.cache.bytes).to.be.at.most(bytesMax);
    }
  });

  it('reads neighbouring pages together, and a page that several wait for once', async () => {
    const source = watched(() => false);
    const section = await sectionOf(source, new PageCache(1 << 24));
    await section.group(0);
    const { reads } = source;
    const projection = section.projection([1, 2]);
    await Promise.all(Array.from({ length: 50 }, (_, row) => section.get(key(row), now, projection)));
    expect(source.reads - reads).to.be.at.most(3);
  });

  it('fetches no more than it is asked for', async () => {
    const source = watched(() => false);
    const section = await sectionOf(source, new PageCache(1 << 24));
    await section.get(key(9000), now, section.projection([1]));
    expect(source.bytes).to.be.below(file.length / 8);
  });

  it('hands on an error once, and reads on after it', async () => {
    const source = watched((read) => read % 3 === 0);
    const section = await sectionOf(source, new PageCache(10_000));
    let failures = 0;
    for (let row = 0; row < count; row += 97) {
      for (let found = null; found === null; ) {
        try {
          found = await section.get(key(row), now, section.projection([2]));
          expect(found!.values).to.deep.equal([`row ${row}`]);
        } catch (error) {
          expect(error).to.have.property('condition', 'io_error');
          failures++;
        }
      }
    }
    expect(failures).to.be.above(5);
    expect(section.file.cache.bytes).to.be.at.most(10_000);
  });

  it('lets go of what a scan held when a read fails or the scan is closed', async () => {
    let isBroken = false;
    const source = watched(() => isBroken);
    const section = await sectionOf(source, new PageCache(0));
    await section.group(0);
    isBroken = true;
    const error = await scanRows(section, now).catch((thrown) => thrown);
    expect(error).to.have.property('condition', 'io_error');
    isBroken = false;
    expect(await scanRows(section, now)).to.have.length(count);
    expect(section.file.cache.bytes).to.equal(0);
  });
});
