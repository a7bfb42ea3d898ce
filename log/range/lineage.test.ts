import { expect } from 'chai';
import fc from 'fast-check';
import { type Epoch, epoch, nodeId, type Offset, offset } from '../../base/ids.ts';
import { type EpochStart, type ForcedPromotion, firstGeneration } from '../raft/contract.ts';
import { type Lineage, partingOf } from './lineage.ts';

type Batch = { readonly epoch: Epoch; readonly writer: string };

/** A log of one batch an offset, and which of them other nodes have too. */
type Log = { readonly batches: readonly Batch[]; readonly forced: readonly ForcedPromotion[] };

function lineageOf({ batches, forced }: Log, startOffset = 0): Lineage {
  const epochs: EpochStart[] = [];
  for (const [at, batch] of batches.entries()) {
    if (at < startOffset || epochs.at(-1)?.epoch === batch.epoch) continue;
    epochs.push({ epoch: batch.epoch, startOffset: offset(at) });
  }
  const startEpoch = batches[startOffset - 1]?.epoch ?? epoch(0);
  const endOffset = offset(batches.length);
  return {
    generation: firstGeneration,
    forced,
    startOffset: offset(startOffset),
    startEpoch,
    epochs,
    endOffset,
  };
}

function extended(log: Log, epochs: readonly number[], writer: string): Log {
  const batches = epochs.map((number) => ({ epoch: epoch(number), writer: `${writer} ${number}` }));
  return { ...log, batches: [...log.batches, ...batches] };
}

function promoted(log: Log, node: number): Log {
  const generation = (log.forced.at(-1)?.generation ?? 0) + 1;
  const forced = [...log.forced, { generation, node: nodeId(node), offset: offset(log.batches.length) }];
  return { ...log, forced };
}

function cutAt({ batches, forced }: Log, end: number): Log {
  return { batches: batches.slice(0, end), forced: forced.filter((each) => each.offset < end) };
}

const empty: Log = { batches: [], forced: [] };

describe('where two logs part', () => {
  it('is where their epochs do, within a generation', () => {
    const common = extended(empty, [1, 1, 2, 2], 'all');
    const [left, right] = [extended(common, [3, 3], 'left'), extended(common, [4], 'right')];
    expect(partingOf(lineageOf(left), lineageOf(right))).to.deep.equal({ offset: 4, isKnown: true });
    expect(partingOf(lineageOf(common), lineageOf(right))).to.deep.equal({ offset: 4, isKnown: true });
    expect(partingOf(lineageOf(right), lineageOf(cutAt(common, 3)))).to.deep.equal({
      offset: 3,
      isKnown: true,
    });
  });

  it('is not known where one begins above the end of the other, or in the midst of what only one has', () => {
    const common = extended(empty, [1, 1, 2, 2], 'all');
    const other = extended(promoted(common, 2), [3, 3, 3], 'other');
    expect(partingOf(lineageOf(common), lineageOf(other, 6)).isKnown).to.equal(false);
    expect(partingOf(lineageOf(extended(common, [2, 2], 'left')), lineageOf(other, 5)).isKnown).to.equal(
      false,
    );
    expect(partingOf(lineageOf(common), lineageOf(other, 4))).to.deep.equal({ offset: 4, isKnown: true });
  });

  it('is below all that another generation wrote, whatever epochs it had', () => {
    const growth = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 1, max: 4 })), { maxLength: 4 });
    const grown = (log: Log, by: readonly (readonly [number, number])[], writer: string): Log => {
      let last: number = log.batches.at(-1)?.epoch ?? 1;
      let result = log;
      for (const [step, count] of by) {
        last += step;
        result = extended(result, new Array<number>(count).fill(last), writer);
      }
      return result;
    };
    fc.assert(
      fc.property(growth, growth, growth, fc.nat(), fc.boolean(), (shared, own, later, cut, isOwnForced) => {
        const common = grown(empty, shared, 'all');
        // What the others have of it, when one of them is promoted.
        const had = cutAt(common, common.batches.length - (cut % (common.batches.length + 1)));
        const left = grown(isOwnForced ? promoted(common, 1) : common, own, isOwnForced ? 'left' : 'all');
        const next = epoch((had.batches.at(-1)?.epoch ?? 0) + 1);
        const right = grown(extended(promoted(had, 2), [next], 'right'), later, 'right');
        const parting = partingOf(lineageOf(left), lineageOf(right));
        expect(parting.isKnown).to.equal(true);
        expect(left.batches.slice(0, parting.offset)).to.deep.equal(right.batches.slice(0, parting.offset));
        expect(parting.offset).to.equal(had.batches.length as Offset);
      }),
      { numRuns: 1000 },
    );
  });
});
