import { expect } from 'chai';
import { epoch, offset } from '../../base/ids.ts';
import type { SegmentName } from '../segment/name.ts';
import { epochStarts, keptMemberships } from './history.ts';
import type { MembershipRecord } from './states.ts';

const segment = (base: number, ofEpoch: number): SegmentName => ({
  base: offset(base),
  epoch: epoch(ofEpoch),
});
const starts = (segments: readonly SegmentName[], flushed: number) =>
  epochStarts({ segments, flushedOffset: offset(flushed) }).map((each) => [each.epoch, each.startOffset]);
const record = (end: number, ofEpoch: number): MembershipRecord => ({
  endOffset: offset(end),
  epoch: epoch(ofEpoch),
  membership: { members: [], outgoing: [], forced: [] },
});

describe('the history of a log', () => {
  it('has each epoch where its first segment begins', () => {
    expect(starts([segment(0, 1), segment(10, 1), segment(20, 3)], 25)).to.deep.equal([
      [1, 0],
      [3, 20],
    ]);
  });

  it('leaves out epochs of which nothing came to be', () => {
    expect(starts([segment(0, 1), segment(20, 2), segment(20, 3)], 25)).to.deep.equal([
      [1, 0],
      [3, 20],
    ]);
    expect(starts([segment(0, 1), segment(20, 2)], 20)).to.deep.equal([[1, 0]]);
    expect(starts([segment(0, 0)], 0)).to.deep.equal([]);
  });

  it('keeps the memberships that the log has, and the one at its start', () => {
    const log = { startOffset: offset(10), flushedOffset: offset(30) };
    const epochs = epochStarts({ segments: [segment(10, 1), segment(20, 3)], flushedOffset: offset(30) });
    const kept = (...records: readonly MembershipRecord[]) =>
      keptMemberships(records, log, epochs).map(({ endOffset }) => endOffset);
    expect(kept(record(0, 1), record(5, 1), record(15, 1), record(25, 3))).to.deep.equal([5, 15, 25]);
    // Of an epoch that the log has not there, and beyond its end.
    expect(kept(record(0, 1), record(25, 2), record(40, 3))).to.deep.equal([0]);
  });
});
