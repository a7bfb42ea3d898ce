import { expect } from 'chai';
import { epoch, offset } from '../../base/ids.ts';
import type { Entry } from '../raft/contract.ts';
import { RecentEntries } from './recent-entries.ts';

/** Entries of two records and ten bytes each. */
function entries(count: number, first = 0): Entry[] {
  return Array.from({ length: count }, (_, index) => ({
    baseOffset: offset(first + 2 * index),
    endOffset: offset(first + 2 * index + 2),
    epoch: epoch(1),
    sizeBytes: 10,
    membership: null,
    bytes: new Uint8Array(10),
  }));
}

function recent(bytesMax: number, count: number): RecentEntries {
  const kept = new RecentEntries(bytesMax);
  for (const entry of entries(count)) kept.add(entry);
  return kept;
}

const places = (found: readonly Entry[] | null) => found?.map(({ baseOffset }) => baseOffset) ?? null;

describe('RecentEntries', () => {
  it('gives what follows a boundary, one at least and so many bytes at most', () => {
    const kept = recent(1000, 10);
    expect(places(kept.from(offset(4), 35))).to.deep.equal([4, 6, 8]);
    expect(places(kept.from(offset(4), 1))).to.deep.equal([4]);
    expect(places(kept.from(offset(18), 1000))).to.deep.equal([18]);
    for (const place of [5, 20, 22]) expect(kept.from(offset(place), 1000), `${place}`).to.equal(null);
  });

  it('keeps the newest, so many bytes of them, and always the last', () => {
    const kept = recent(45, 1000);
    expect(kept.from(offset(1990), 1000)).to.equal(null);
    expect(places(kept.from(offset(1992), 1000))).to.deep.equal([1992, 1994, 1996, 1998]);
    expect(places(recent(1, 3).from(offset(4), 1000))).to.deep.equal([4]);
  });

  it('forgets what the log loses, and goes on from there', () => {
    const kept = recent(1000, 10);
    kept.truncate(offset(6));
    expect(places(kept.from(offset(2), 1000))).to.deep.equal([2, 4]);
    for (const entry of entries(2, 6)) kept.add(entry);
    expect(places(kept.from(offset(4), 1000))).to.deep.equal([4, 6, 8]);
    kept.truncate(offset(0));
    expect(kept.from(offset(0), 1000)).to.equal(null);
    for (const entry of entries(1, 0)) kept.add(entry);
    expect(places(kept.from(offset(0), 1000))).to.deep.equal([0]);
  });
});
