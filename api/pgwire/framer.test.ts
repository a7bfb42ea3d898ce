import { expect } from 'chai';
import fc from 'fast-check';
import { Framer } from './framer.ts';
import { messageBytesMax, startupBytesMax, unauthenticatedMessageBytesMax } from './limits.ts';
import { message, query, startup, sync } from './test-kit/messages.ts';

type Body = { readonly kind: 'startup' | 'message'; readonly bytes: Uint8Array };

/** What is cut now, before the next packet takes its reader. */
function bodies(framer: Framer): Body[] {
  const found: Body[] = [];
  for (let frame = framer.next(); frame !== null; frame = framer.next()) {
    found.push({ kind: frame.kind, bytes: frame.body.raw(frame.body.remaining) });
    framer.phase = 'authenticated';
  }
  return found;
}

describe('framer', () => {
  it('cuts a stream the same way however it is chunked', () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });
    const texts = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(texts, chunks, (queries, sizes) => {
        const stream = Buffer.concat([startup(), ...queries.map((text) => query(text)), sync]);
        const framer = new Framer();
        const frames: Body[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % sizes.length]!;
          framer.push(Uint8Array.from(stream.subarray(at, at + size)));
          at += size;
          frames.push(...bodies(framer));
        }
        expect(frames.map(({ kind }) => kind)).to.deep.equal([
          'startup',
          ...queries.map(() => 'message'),
          'message',
        ]);
        const texts = frames.slice(1, -1).map(({ bytes }) => Buffer.from(bytes.subarray(0, -1)).toString());
        expect(texts).to.deep.equal(queries);
        expect(framer.pendingBytes).to.equal(0);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a length from its bytes alone, in every phase', () => {
    const phases = [
      ['unauthenticated', unauthenticatedMessageBytesMax],
      ['authenticated', messageBytesMax],
    ] as const;
    for (const [phase, limit] of phases) {
      for (const length of [3, limit + 1]) {
        const framer = new Framer();
        framer.phase = phase;
        framer.push(
          message('Q', () => {})
            .with(3, length >> 8)
            .with(4, length)
            .with(1, length >> 24)
            .with(2, length >> 16),
        );
        expect(() => framer.next(), `${phase} ${length}`).to.throw(/invalid message length/);
      }
    }
    for (const length of [7, startupBytesMax + 1]) {
      const framer = new Framer();
      framer.push(new Uint8Array([0, 0, length >> 8, length]));
      expect(() => framer.next()).to.throw('invalid length of startup packet');
    }
  });

  it('a message type that does not exist is refused by its one byte', () => {
    const framer = new Framer();
    framer.phase = 'authenticated';
    framer.push(new Uint8Array([0x7a]));
    expect(() => framer.next()).to.throw('invalid frontend message type 122');
  });

  it('single bytes are gathered in one buffer', () => {
    const framer = new Framer();
    const packet = message('', (out) => out.raw(new Uint8Array(9000)));
    for (const byte of packet.subarray(0, -1)) {
      framer.push(new Uint8Array([byte]));
      expect(framer.next()).to.equal(null);
    }
    expect(framer.heldBytes).to.be.below(startupBytesMax * 2);
  });

  it('nothing is held once all is taken', () => {
    const framer = new Framer();
    framer.phase = 'authenticated';
    framer.push(query('SELECT 1'));
    expect(bodies(framer)).to.have.length(1);
    expect(framer.heldBytes).to.equal(0);
  });
});
