import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { TypeCodec } from '../function.ts';
import { invalidText } from '../problems.ts';

const floatText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const specials: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '+infinity': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

/** Laid out as PostgreSQL lays out the shortest digits: exponents below -4 and from 15 (double) or 6 (single) on. */
function layOut(shortest: string, exponentMax: number): string {
  const [mantissa = '', exponentText = '0'] = shortest.split('e');
  const exponent = Number(exponentText);
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < -4 || exponent >= exponentMax) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const magnitude = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${magnitude}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = digits.slice(exponent + 1);
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}

function formatSpecial(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return 'Infinity';
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return null;
}

/** The shortest digits that read back as the same double; fewer where extra_float_digits is not positive. */
function formatFloat8(value: number, extraFloatDigits = 1): string {
  const special = formatSpecial(value);
  if (special !== null) return special;
  if (Number.isInteger(value) && Math.abs(value) < 1e15 && extraFloatDigits > 0) return String(value);
  if (extraFloatDigits > 0) return layOut(value.toExponential(), 15);
  const digits = Math.max(15 + extraFloatDigits, 1);
  return layOut(trimZeros(value.toExponential(digits - 1)), digits);
}

/** The shortest digits that read back as the same single. */
export function formatFloat4(value: number, extraFloatDigits = 1): string {
  const special = formatSpecial(value);
  if (special !== null) return special;
  if (extraFloatDigits > 0) {
    for (let digits = 1; digits < 9; digits++) {
      const text = value.toExponential(digits - 1);
      if (Math.fround(Number(text)) === value) return layOut(trimZeros(text), 6);
    }
    return layOut(trimZeros(value.toExponential(8)), 6);
  }
  const digits = Math.max(6 + extraFloatDigits, 1);
  return layOut(trimZeros(value.toExponential(digits - 1)), digits);
}

function trimZeros(text: string): string {
  const [mantissa = '', exponent = ''] = text.split('e');
  return `${mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa}e${exponent}`;
}

function parseFloat8(text: string, typeName = 'double precision'): number {
  const trimmed = text.trim();
  if (!floatText.test(trimmed)) {
    const special = specials[trimmed.toLowerCase()];
    if (special === undefined) throw invalidText(typeName, text);
    return special;
  }
  const value = Number(trimmed);
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(trimmed.split(/e/i)[0]!))) {
    throw floatOutOfRange(trimmed, 'double precision');
  }
  return value;
}

function floatOutOfRange(text: string, typeName: string): AlopexError {
  return new AlopexError('numeric_value_out_of_range', `"${text}" is out of range for type ${typeName}`);
}

function parseFloat4(text: string): number {
  const trimmed = text.trim();
  if (!floatText.test(trimmed)) return parseFloat8(text, 'real');
  const value = Math.fround(Number(trimmed));
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(trimmed.split(/e/i)[0]!))) {
    throw floatOutOfRange(trimmed, 'real');
  }
  return value;
}

export const float8Codec: TypeCodec = {
  parse: (text) => parseFloat8(text),
  format: (value, _type, context) => formatFloat8(value as number, context.extraFloatDigits),
  decode: (bytes) => new ByteReader(bytes).float64(),
  encode(value) {
    const writer = new ByteWriter(8);
    writer.float64(value as number);
    return writer.bytes;
  },
};

export const float4Codec: TypeCodec = {
  parse: parseFloat4,
  format: (value, _type, context) => formatFloat4(value as number, context.extraFloatDigits),
  decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0),
  encode(value) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value as number);
    return bytes;
  },
};
