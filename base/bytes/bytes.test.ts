import { expect } from 'chai';
import fc from 'fast-check';
import { narrow } from '../values/numeric.ts';
import { compareBytes, prefixEnd } from './compare.ts';
import { crc32cPortable } from './crc32c.ts';
import { ByteReader, ByteReaderError } from './reader.ts';
import {
  bytesToLatin1,
  compareText,
  latin1ToBytes,
  stringToUtf8,
  utf8ToString,
  utf8ToStrings,
} from './utf8.ts';
import { ByteWriter } from './writer.ts';

const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);

describe('base/bytes', () => {
  it('writes and reads back fixed and variable integers of 64 bits', () => {
    fc.assert(
      fc.property(fc.oneof(int64, fc.bigInt(-(2n ** 54n), 2n ** 54n), fc.bigInt(-300n, 300n)), (value) => {
        const writer = new ByteWriter(1);
        writer.int64(narrow(value));
        writer.varint(narrow(value));
        writer.int64(value);
        writer.varint(value);
        const reader = new ByteReader(writer.view());
        for (const read of [reader.int64(), reader.varlong(), reader.int64(), reader.varlong()]) {
          expect(read).to.equal(narrow(value));
        }
        expect(reader.remaining).to.equal(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes safe integers in decimal as String does', () => {
    const edges = [0, -0, 9, 10, -10, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 10 ** 15];
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(...edges)), (value) => {
        const writer = new ByteWriter(1);
        writer.decimal(value);
        expect(utf8ToString(writer.view())).to.equal(String(value));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses to read past the end and integers that are too long', () => {
    expect(() => new ByteReader(new Uint8Array(3)).int32()).to.throw(ByteReaderError);
    expect(() => new ByteReader(new Uint8Array(11).fill(255)).varlong()).to.throw(ByteReaderError);
  });

  it('compares text in the byte order of its UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (left, right) => {
        const bytes = compareBytes(stringToUtf8(left), stringToUtf8(right));
        expect(Math.sign(compareText(left, right))).to.equal(Math.sign(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('writes any text as UTF-8 and reads it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const writer = new ByteWriter(1);
        const written = writer.utf8(text);
        expect(written).to.equal(stringToUtf8(text).length);
        expect(utf8ToString(writer.view())).to.equal(text);
      }),
    );
  });

  it('reads many texts at once as it reads each', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 10 }),
      fc.constantFrom('', 'x'.repeat(256), 'y'.repeat(257), 'z'.repeat(9000)),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 100 }), fc.array(fc.nat(99)), (texts, picked) => {
        const pieces = texts.map(stringToUtf8);
        const offsets = new Int32Array(texts.length + 1);
        pieces.forEach((piece, row) => {
          offsets[row + 1] = offsets[row]! + piece.length;
        });
        const bytes = new Uint8Array(offsets[texts.length]!);
        pieces.forEach((piece, row) => {
          bytes.set(piece, offsets[row]!);
        });
        expect(utf8ToStrings(bytes, offsets, null, texts.length)).to.deep.equal(texts);
        const rows = Uint32Array.from(picked.filter((row) => row < texts.length));
        const chosen = Array.from(rows, (row) => texts[row]!);
        expect(utf8ToStrings(bytes, offsets, rows, rows.length)).to.deep.equal(chosen);
      }),
    );
  });

  it('turns bytes to latin1 and back', () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index & 255);
    expect(latin1ToBytes(bytesToLatin1(bytes))).to.deep.equal(bytes);
  });

  it('ends a prefix at the next key that does not start with it', () => {
    expect(prefixEnd(Uint8Array.of(1, 255))).to.deep.equal(Uint8Array.of(2));
    expect(prefixEnd(Uint8Array.of(255))).to.equal(null);
  });

  it('has the CRC-32C of RFC 3720', () => {
    expect(crc32cPortable(new Uint8Array(32))).to.equal(0x8a9136aa);
    expect(crc32cPortable(new Uint8Array(32).fill(255))).to.equal(0x62a8ab43);
    const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
    expect(crc32cPortable(ascending)).to.equal(0x46dd794e);
    expect(crc32cPortable(ascending.subarray(7), crc32cPortable(ascending.subarray(0, 7)))).to.equal(
      0x46dd794e,
    );
  });
});
