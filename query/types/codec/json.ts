import { stringToUtf8 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { TypeCodec } from '../function.ts';
import { parseJson, validateJson } from '../json/parse.ts';
import { formatJson } from '../json/value.ts';
import { decodeText } from './text.ts';

/** json keeps the text as it came. */
export const jsonCodec: TypeCodec = {
  parse(text) {
    validateJson(text);
    return text;
  },
  format: (value) => value as string,
  decode(bytes) {
    const text = decodeText(bytes);
    validateJson(text);
    return text;
  },
  encode: (value) => stringToUtf8(value as string),
};

const jsonbVersion = 1;

export function canonicalJson(text: string): string {
  return formatJson(parseJson(text));
}

/** jsonb keeps the canonical text; its binary form is a version byte and the text. */
export const jsonbCodec: TypeCodec = {
  parse: canonicalJson,
  format: (value) => value as string,
  decode(bytes) {
    if (bytes[0] !== jsonbVersion) {
      throw new AlopexError('internal_error', `unsupported jsonb version number ${bytes[0] ?? 0}`);
    }
    return canonicalJson(decodeText(bytes.subarray(1)));
  },
  encode(value) {
    const text = stringToUtf8(value as string);
    const bytes = new Uint8Array(text.length + 1);
    bytes[0] = jsonbVersion;
    bytes.set(text, 1);
    return bytes;
  },
};
