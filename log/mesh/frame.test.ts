import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { AlopexError } from '../../base/errors.ts';
import { nodeId, rangeId } from '../../base/ids.ts';
import { beginFrame, endFrame, FrameReader } from './frame.ts';
import { decodeHello, encodeHello } from './hello.ts';
import { decodeMeshFrame, type MeshFrame } from './messages.ts';
import { decodeSwimMessage, encodeSwimMessage } from './swim-messages.ts';
import { encodeMeshFrame, readCut, sampleFrames, sendMutations } from './test-kit/mutations.ts';

/** The blocks of bytes in docs/formats/mesh.md, in their order. */
function workedExamples(): readonly Uint8Array[] {
  const text = readFileSync(new URL('../../docs/formats/mesh.md', import.meta.url), 'utf8');
  return Array.from(text.matchAll(/```hex\n(.*?)```/gs), ([, lines]) => {
    const digits = lines!.replace(/^[0-9a-f]{4} {2}/gm, '').replace(/\s/g, '');
    return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  });
}

function frameOf(kind: number, payload: Uint8Array, sequence = 0, isSealed = false): Uint8Array {
  const writer = new ByteWriter();
  const start = beginFrame(writer);
  writer.raw(payload);
  endFrame(writer, start, kind, { sequence, isSealed });
  return writer.toBytes();
}

describe('frames of the mesh', () => {
  it('are what docs/formats/mesh.md shows', () => {
    const text = (value: string) => new TextEncoder().encode(value);
    const [hello, messages, request, failure, chunk, ping, ...rest] = workedExamples();
    expect(encodeHello({ node: nodeId(3), class: 'control' })).to.deep.equal(hello);
    expect(decodeHello(hello!)).to.deep.equal({ node: 3, class: 'control' });
    const addresses = { mesh: 'a:1', client: 'a:2' };
    const sender = { node: nodeId(1), incarnation: 5, state: 'alive', addresses } as const;
    const update = { ...sender, node: nodeId(2), state: 'suspect' } as const;
    const message = { kind: 'ping', sequence: 9, sender, updates: [update] } as const;
    expect(encodeSwimMessage(message)).to.deep.equal(ping);
    expect(decodeSwimMessage(ping!)).to.deep.equal(message);
    const written: readonly (readonly [Uint8Array | undefined, number, MeshFrame])[] = [
      [
        messages,
        0,
        {
          kind: 'messages',
          messages: [
            { group: rangeId(0), bytes: text('a') },
            { group: rangeId(7), bytes: text('bc') },
          ],
        },
      ],
      [request, 0, { kind: 'request', id: 1, name: 'join', body: text('hi') }],
      [
        failure,
        1,
        { kind: 'failure', id: 1, error: new AlopexError('disk_full', 'no space', { hint: 'wait' }) },
      ],
      [
        chunk,
        5,
        { kind: 'chunk', id: 2, position: 65_536, isCompressed: false, length: 3, bytes: text('abc') },
      ],
    ];
    for (const [example, sequence, frame] of written) {
      expect(encodeMeshFrame(frame, sequence)).to.deep.equal(example);
      const read = decodeMeshFrame(example![4]!, example!.subarray(9));
      expect(plain(read)).to.deep.equal(plain(frame));
    }
    expect(rest).to.deep.equal([]);
  });

  it('come out as they went in, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 })), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }),
        (frames, cuts) => {
          const bytes = new Uint8Array(
            Buffer.concat(frames.map(([kind, payload], index) => frameOf(kind, payload, index))),
          );
          const reader = new FrameReader(300);
          const read: (readonly [number, Uint8Array])[] = [];
          for (let at = 0, next = 0; at < bytes.length; next++) {
            const end = at + cuts[next % cuts.length]!;
            reader.push(bytes.subarray(at, end), (kind, payload) => read.push([kind, payload]));
            at = end;
          }
          expect(read).to.deep.equal(frames);
        },
      ),
    );
  });

  it('are views of what arrives in one piece', () => {
    const chunk = frameOf(1, new Uint8Array([1, 2, 3]));
    let payload = new Uint8Array(0);
    new FrameReader(3).push(chunk, (_, read) => {
      payload = read as Uint8Array<ArrayBuffer>;
    });
    expect(payload.buffer).to.equal(chunk.buffer);
    expect([...payload]).to.deep.equal([1, 2, 3]);
  });

  it('are refused where they are too long, before they have come', () => {
    const chunk = frameOf(1, new Uint8Array(4));
    const read = () => new FrameReader(3).push(chunk.subarray(0, 9), () => {});
    expect(read).to.throw('a frame of the mesh is damaged: it has 4 bytes, and 3 at most are allowed');
    new FrameReader(4).push(chunk, () => {});
  });

  it('are refused where a bit is turned, each of them', () => {
    const chunk = frameOf(1, new Uint8Array([7, 8]));
    for (let bit = 0; bit < chunk.length * 8; bit++) {
      const damaged = chunk.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      let read = 0;
      const push = () => new FrameReader(1 << 30).push(damaged, () => read++);
      // A longer length waits for bytes that have not come.
      if (bit < 32 && new DataView(damaged.buffer).getUint32(0) > 2) {
        try {
          push();
        } catch {}
      } else expect(push, `bit ${bit}`).to.throw('damaged');
      expect(read).to.equal(0);
    }
  });

  it('are refused where one is missing, repeated or moved', () => {
    const [first, second] = [frameOf(1, new Uint8Array(1), 0), frameOf(2, new Uint8Array(2), 1)];
    for (const order of [[second], [first, first], [second, first]]) {
      const read = () => new FrameReader(10).push(new Uint8Array(Buffer.concat(order)), () => {});
      expect(read).to.throw('checksum mismatch');
    }
  });

  it('have their number in place of a checksum where the channel is sealed', () => {
    const payload = new Uint8Array([7, 8]);
    const frames = [0, 1, 2].map((sequence) => frameOf(3, payload, sequence, true));
    expect(Buffer.from(frames[2]!).toString('hex')).to.equal('0000000203000000020708');
    const reader = new FrameReader(10, true);
    let read = 0;
    reader.push(new Uint8Array(Buffer.concat(frames)), () => read++);
    expect(read).to.equal(3);
    expect(() => reader.push(frames[1]!, () => read++)).to.throw('out of order');
    expect(() => new FrameReader(10, true).push(frameOf(3, payload), () => read++)).to.throw('damaged');
    expect(read).to.equal(3);
  });

  it('of every kind are read as they were written', () => {
    const random = new SeededRandom(1);
    for (let round = 0; round < 100; round++) {
      const frames = sampleFrames(random);
      const bytes = new Uint8Array(Buffer.concat(frames.map(encodeMeshFrame)));
      const read = readCut(bytes, random);
      expect(read.damage).to.equal(null);
      expect(read.frames.map(plain)).to.deep.equal(frames.map(plain));
    }
  });

  it('of a kind that is not known, or with something missing or too much, are refused', () => {
    const refused = (kind: number, ...payload: number[]) =>
      expect(() => decodeMeshFrame(kind, new Uint8Array(payload)));
    refused(0).to.throw('its kind is 0');
    refused(12).to.throw('its kind is 12');
    refused(1, 0).to.throw('ping: 1 bytes too many');
    refused(11, 0, 0, 0).to.throw('stop: 4 bytes wanted at 0, 3 left');
    refused(9, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255).to.throw('-1 is out of range');
  });

  it('carry errors of newer versions as internal errors', () => {
    const error = { condition: 'a_newer_one', message: 'what it is', detail: undefined, hint: 'a hint' };
    const bytes = encodeMeshFrame({ kind: 'failure', id: 1, error } as unknown as MeshFrame, 0);
    const { frames } = readCut(bytes, new SeededRandom(1));
    expect(plain(frames[0]!)).to.deep.include({
      condition: 'internal_error',
      message: 'what it is',
      fields: { hint: 'a hint' },
    });
  });

  it('are never taken damaged, nor end anything but their link: 2,000 mutations', () => {
    const { refused } = sendMutations(1, 2000);
    expect(refused).to.be.within(500, 1999);
  });
});

/** Errors have stacks, which differ. */
function plain(frame: MeshFrame) {
  if (frame.kind !== 'failure') return frame;
  const { condition, message, fields } = frame.error;
  return { kind: frame.kind, id: frame.id, condition, message, fields };
}
