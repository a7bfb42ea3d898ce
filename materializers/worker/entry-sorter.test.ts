import { expect } from 'chai';
import fc from 'fast-check';
import { compareBytes } from '../../base/bytes/compare.ts';
import { EntrySorter } from './entry-sorter.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const entries = fc.array(fc.tuple(bytes(12), bytes(4), fc.nat()), { maxLength: 3000 });

describe('EntrySorter', () => {
  it('gives the entries in the order of their keys', () => {
    fc.assert(
      fc.property(entries, (added) => {
        const sorter = new EntrySorter();
        for (const [prefix, suffix, timestamp] of added) sorter.add(prefix, suffix, timestamp);
        const sorted = Array.from(sorter.sorted(), ({ key, timestamp }) => [...key, timestamp]);
        const expected = added
          .map(([prefix, suffix, timestamp]) => ({ key: Uint8Array.of(...prefix, ...suffix), timestamp }))
          .sort((left, right) => compareBytes(left.key, right.key));
        expect(sorted.map((entry) => entry.slice(0, -1))).to.deep.equal(expected.map(({ key }) => [...key]));
        const whole = (entry: readonly number[]): string => entry.join();
        expect(sorted.map(whole).sort()).to.deep.equal(
          expected.map(({ key, timestamp }) => whole([...key, timestamp])).sort(),
        );
        expect(sorter.count).to.equal(added.length);
      }),
      { numRuns: 60 },
    );
  });

  it('counts the bytes that it holds', () => {
    const sorter = new EntrySorter();
    sorter.add(new Uint8Array(10), new Uint8Array(5), 1);
    const one = sorter.sizeBytes;
    sorter.add(new Uint8Array(10), new Uint8Array(5), 1);
    expect(one).to.be.greaterThan(15);
    expect(sorter.sizeBytes).to.equal(2 * one);
  });
});
