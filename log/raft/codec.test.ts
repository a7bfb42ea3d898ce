import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import { epoch, nodeId, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { batchBytesMax } from '../record/layout.ts';
import { decodeMessage, encodedMessageBytesMax, encodeMessage, type Packet } from './codec.ts';
import {
  type Entry,
  firstGeneration,
  type Generation,
  type Member,
  type Membership,
  type Message,
} from './contract.ts';

const epochs = fc.nat().map(epoch);
const offsets = fc.maxSafeNat().map(offset);
const member: fc.Arbitrary<Member> = fc.record({
  id: fc.nat().map(nodeId),
  role: fc.constantFrom('voter', 'witness', 'learner'),
  mesh: fc.string({ unit: 'grapheme', maxLength: 20 }),
  client: fc.string({ maxLength: 20 }),
});
const membership: fc.Arbitrary<Membership> = fc.record({
  members: fc.array(member, { maxLength: 5 }),
  outgoing: fc.array(member, { maxLength: 5 }),
  forced: fc
    .uniqueArray(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { maxLength: 3 })
    .chain((generations) =>
      fc.tuple(
        ...generations
          .toSorted((a, b) => a - b)
          .map((generation) =>
            fc.record({ generation: fc.constant(generation), node: fc.nat().map(nodeId), offset: offsets }),
          ),
      ),
    ),
});
const generation: fc.Arbitrary<Generation> = fc.record({ count: fc.nat(), node: fc.nat().map(nodeId) });
/** One batch each: how many records of which size, or a control batch with a membership. */
const content = fc.oneof(
  fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 4 }),
  membership,
);

function entryAt(baseOffset: number, ofEpoch: number, held: readonly Uint8Array[] | Membership): Entry {
  const place = { baseOffset: offset(baseOffset), epoch: epoch(ofEpoch), timestampMs: 1_700_000_000_000 };
  const isMembership = 'members' in held;
  let bytes: Uint8Array;
  if (isMembership) bytes = encodeControlBatch({ kind: 'membership', membership: held }, place);
  else {
    const builder = new BatchBuilder();
    for (const value of held) builder.add(null, value);
    bytes = builder.finish(place);
  }
  return {
    baseOffset: place.baseOffset,
    endOffset: offset(baseOffset + (isMembership ? 1 : held.length)),
    epoch: place.epoch,
    sizeBytes: bytes.length,
    membership: isMembership ? held : null,
    bytes: bytes.slice(),
  };
}

const append: fc.Arbitrary<Message> = fc
  .record({
    base: fc.nat(),
    previousEpoch: fc.nat(1000),
    contents: fc.array(content, { maxLength: 4 }),
    highWatermark: offsets,
    round: fc.maxSafeNat(),
    quiesce: fc.boolean(),
  })
  .map(({ base, previousEpoch, contents, highWatermark, round, quiesce }) => {
    const entries: Entry[] = [];
    for (const [index, held] of contents.entries())
      entries.push(entryAt(entries.at(-1)?.endOffset ?? base, previousEpoch + index, held));
    return {
      kind: 'append',
      epoch: epoch(previousEpoch + contents.length),
      previousOffset: offset(base),
      previousEpoch: epoch(previousEpoch),
      entries,
      highWatermark,
      round,
      quiesce,
    };
  });
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  fc.record({
    kind: fc.constant('append-accepted' as const),
    epoch: epochs,
    match: offsets,
    round: fc.maxSafeNat(),
  }),
  fc.record({
    kind: fc.constant('append-rejected' as const),
    epoch: epochs,
    previousOffset: offsets,
    hintEpoch: epochs,
    hintOffset: offsets,
    round: fc.maxSafeNat(),
  }),
  fc.record({
    kind: fc.constant('vote-request' as const),
    epoch: epochs,
    isPreVote: fc.boolean(),
    lastEpoch: epochs,
    endOffset: offsets,
    isTransfer: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('vote' as const),
    epoch: epochs,
    isPreVote: fc.boolean(),
    isGranted: fc.boolean(),
  }),
  fc.record({ kind: fc.constantFrom('timeout-now' as const, 'outranked' as const), epoch: epochs }),
  fc.record({
    kind: fc.constant('snapshot' as const),
    epoch: epochs,
    offset: offsets,
    offsetEpoch: epochs,
    membership,
  }),
);

/** The message, or the error's condition. */
function decoded(bytes: Uint8Array): Packet | string {
  try {
    return decodeMessage(bytes);
  } catch (thrown) {
    expect(thrown).to.be.instanceOf(AlopexError);
    return (thrown as AlopexError).condition;
  }
}

const simple: Message = { kind: 'vote', epoch: epoch(3), isPreVote: false, isGranted: true };

describe('log/raft codec', () => {
  it('message_random_decodes_to_what_was_encoded', () => {
    fc.assert(
      fc.property(message, generation, (sent, sender) => {
        expect(decodeMessage(encodeMessage(sent, sender))).to.deep.equal({
          generation: sender,
          message: sent,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('message_with_changed_bytes_is_some_message_or_a_named_error', () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(message, fc.array(change, { minLength: 1, maxLength: 4 }), (sent, changes) => {
        const bytes = encodeMessage(sent, firstGeneration).slice();
        for (const { at, to } of changes) bytes[at % bytes.length] = to;
        const seen = decoded(bytes);
        if (typeof seen === 'string') expect(seen).to.be.oneOf(['protocol_violation', 'data_corrupted']);
        else expect(decodeMessage(encodeMessage(seen.message, seen.generation))).to.deep.equal(seen);
      }),
      { numRuns: 3000 },
    );
  });

  it('message_of_arbitrary_bytes_never_crashes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 120 }), (kind, rest) => {
        decoded(Uint8Array.of(kind, ...rest));
      }),
      { numRuns: 3000 },
    );
  });

  it('message_cut_anywhere_or_too_long_is_refused', () => {
    const bytes = encodeMessage(simple, firstGeneration);
    for (let length = 0; length < bytes.length; length++)
      expect(decoded(bytes.subarray(0, length))).to.equal('protocol_violation');
    expect(() => decodeMessage(Uint8Array.of(...bytes, 0))).to.throw(AlopexError, '1 bytes after a message');
    expect(() => decodeMessage(new Uint8Array(encodedMessageBytesMax + 1))).to.throw(
      AlopexError,
      `at most ${2 * batchBytesMax}`,
    );
  });

  it('append_whose_batches_do_not_continue_each_other_is_refused', () => {
    const batch = entryAt(5, 2, [new Uint8Array(1)]);
    const whole = {
      kind: 'append',
      epoch: epoch(2),
      previousOffset: offset(5),
      previousEpoch: epoch(2),
      entries: [batch],
      highWatermark: offset(0),
      round: 1,
      quiesce: false,
    } as const;
    expect(decoded(encodeMessage(whole, firstGeneration))).to.deep.equal({
      generation: firstGeneration,
      message: whole,
    });
    for (const wrong of [
      { previousOffset: offset(4) },
      { previousEpoch: epoch(3) },
      { epoch: epoch(1) },
      { entries: [batch, batch] },
    ])
      expect(decoded(encodeMessage({ ...whole, ...wrong }, firstGeneration)), JSON.stringify(wrong)).to.equal(
        'protocol_violation',
      );
  });

  it('append_with_a_damaged_batch_is_corrupt', () => {
    const batch = entryAt(0, 1, [new Uint8Array(30)]);
    const sent = encodeMessage(
      {
        kind: 'append',
        epoch: epoch(1),
        previousOffset: offset(0),
        previousEpoch: epoch(0),
        entries: [batch],
        highWatermark: offset(0),
        round: 1,
        quiesce: false,
      },
      firstGeneration,
    ).slice();
    sent[sent.length - 3]! ^= 1;
    expect(() => decodeMessage(sent)).to.throw(
      AlopexError,
      'a replicated batch is corrupt at byte 17: CRC-32C',
    );
  });
});
