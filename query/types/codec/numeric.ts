import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import type { TypeCodec } from '../function.ts';
import { powerOfTen, rescaleUnits } from '../numeric/digits.ts';
import { parseNumeric } from '../numeric/text.ts';
import { invalidBinary } from './integer.ts';

const signs = { positive: 0, negative: 0x4000, NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 } as const;

/** What PostgreSQL sends as the display scale of an infinity. */
const infinityScale = 32;

/** Digits of base 10000: count, weight of the first, sign, display scale, then the digits (numeric_send). */
function encode(value: Numeric): Uint8Array {
  const writer = new ByteWriter(24);
  if (value.special !== null) {
    for (const field of [0, 0, signs[value.special], value.special === 'NaN' ? 0 : infinityScale])
      writer.int16(field);
    return writer.toBytes();
  }
  const isNegative = value.units < 0;
  const padding = (4 - (value.scale % 4)) % 4;
  let text = (isNegative ? -value.units : value.units).toString() + '0'.repeat(padding);
  if (value.units === 0) text = '';
  text = text.padStart(Math.ceil(text.length / 4) * 4, '0');
  const digits: number[] = [];
  for (let at = 0; at < text.length; at += 4) digits.push(Number(text.slice(at, at + 4)));
  let weight = digits.length - (value.scale + padding) / 4 - 1;
  while (digits.length > 0 && digits[0] === 0) {
    digits.shift();
    weight--;
  }
  while (digits.length > 0 && digits.at(-1) === 0) digits.pop();
  if (digits.length === 0) weight = 0;
  for (const field of [digits.length, weight, isNegative ? signs.negative : signs.positive, value.scale]) {
    writer.int16(field);
  }
  for (const digit of digits) writer.int16(digit);
  return writer.toBytes();
}

function decode(bytes: Uint8Array): Numeric {
  const reader = new ByteReader(bytes);
  const count = reader.uint16();
  const weight = reader.int16();
  const sign = reader.uint16();
  const scale = reader.uint16();
  if (sign === signs.NaN) return Numeric.nan;
  if (sign === signs.Infinity) return Numeric.infinity;
  if (sign === signs['-Infinity']) return Numeric.negativeInfinity;
  if ((sign !== signs.positive && sign !== signs.negative) || scale > 0x3fff) throw invalidBinary();
  let units = 0n;
  for (let index = 0; index < count; index++) {
    const digit = reader.uint16();
    if (digit > 9999) throw invalidBinary();
    units = units * 10_000n + BigInt(digit);
  }
  if (reader.remaining > 0) throw invalidBinary();
  const stored = (count - weight - 1) * 4;
  if (sign === signs.negative) units = -units;
  return stored >= 0
    ? Numeric.of(rescaleUnits(units, stored, scale), scale)
    : Numeric.of(units * powerOfTen(-stored + scale), scale);
}

export const numericCodec: TypeCodec = {
  parse: parseNumeric,
  format: String,
  decode,
  encode: (value) => encode(value as Numeric),
};
