import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { epoch, nodeId, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { encodeHeaders } from '../record/headers.ts';
import { decodeBatch } from '../record/record-reader.ts';
import { encodeSlot } from './mark.ts';
import { decodeIndex, encodeIndex, SparseIndex } from './sparse-index.ts';
import type { UndecidedTransaction } from './undecided.ts';

/** The blocks of bytes in a document of docs/formats, in their order. */
function workedExamples(document: string): readonly Uint8Array[] {
  const text = readFileSync(new URL(`../../docs/formats/${document}`, import.meta.url), 'utf8');
  return Array.from(text.matchAll(/```hex\n(.*?)```/gs), ([, lines]) => {
    const digits = lines!.replace(/^[0-9a-f]{4} {2}/gm, '').replace(/\s/g, '');
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);
const timestampMs = 1_700_000_000_000;
const undecided: readonly UndecidedTransaction[] = [[9, offset(4)]];

describe('docs/formats of the log', () => {
  it('record_batch_examples_are_what_is_written_and_read', () => {
    const [batch, commit, membership, ...rest] = workedExamples('record-batch.md');
    const builder = new BatchBuilder();
    builder.add(bytes('k'), bytes('hello'), encodeHeaders([{ key: 'op', value: bytes('c') }]));
    builder.add(bytes('k'), null, encodeHeaders([{ key: 'op', value: bytes('d') }]), 3);
    expect(builder.finish({ baseOffset: offset(5), epoch: epoch(2), timestampMs })).to.deep.equal(batch);
    expect(decodeBatch(batch!).records.map((record) => record.timestampMs)).to.deep.equal([
      timestampMs,
      timestampMs + 3,
    ]);
    const producer = { id: 9, epoch: 0, baseSequence: -1, isTransactional: true };
    const place = { baseOffset: offset(7), epoch: epoch(2), timestampMs, producer };
    expect(encodeControlBatch({ kind: 'commit', coordinatorEpoch: 0, timestamp: 1 }, place)).to.deep.equal(
      commit,
    );
    const voter = { id: nodeId(1), role: 'voter', mesh: 'a:1', client: 'a:2' } as const;
    const witness = { id: nodeId(2), role: 'witness', mesh: 'b:1', client: '' } as const;
    const members = {
      members: [voter, witness],
      outgoing: [voter],
      forced: [{ generation: 1, node: nodeId(1), offset: offset(4) }],
    };
    const next = { baseOffset: offset(8), epoch: epoch(2), timestampMs };
    expect(encodeControlBatch({ kind: 'membership', membership: members }, next)).to.deep.equal(membership);
    expect(rest).to.deep.equal([]);
  });

  it('segment_examples_are_what_is_written_and_read', () => {
    const [mark, index, ...rest] = workedExamples('segment.md');
    const place = { segmentBase: offset(5), segmentEpoch: epoch(2), position: 92, undecided };
    expect(encodeSlot({ startOffset: offset(0), offset: offset(7), ...place }, 3)).to.deep.equal(mark);
    const entries = new SparseIndex();
    entries.add(offset(5), 0, timestampMs + 3);
    const segment = {
      base: offset(5),
      epoch: epoch(2),
      endOffset: offset(7),
      sizeBytes: 92,
      timeMaxMs: timestampMs + 3,
    };
    expect(encodeIndex({ segment, undecided, index: entries })).to.deep.equal(index);
    const read = decodeIndex(index!, segment);
    expect(read?.segment).to.deep.equal(segment);
    expect(read?.undecided).to.deep.equal(undecided);
    expect([...(read?.index.entries() ?? [])]).to.deep.equal([...entries.entries()]);
    expect(rest).to.deep.equal([]);
  });
});
