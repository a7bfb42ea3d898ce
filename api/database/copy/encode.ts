import type { ByteWriter } from '../../../base/bytes/writer.ts';
import type { CopyOptions } from './options.ts';

const textEscapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

/** Appends one line. `columns`: names, for FORCE_QUOTE. */
export function encodeCopyLine(
  writer: ByteWriter,
  fields: readonly (string | null)[],
  columns: readonly string[],
  options: CopyOptions,
): void {
  for (let index = 0; index < fields.length; index++) {
    if (index > 0) writer.utf8(options.delimiter);
    const field = fields[index]!;
    if (field === null) writer.utf8(options.nullText);
    else if (options.format === 'csv') writer.utf8(csvField(field, columns[index]!, fields.length, options));
    else writer.utf8(textField(field, options.delimiter));
  }
  writer.uint8(10);
}

function textField(field: string, delimiter: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what COPY escapes.
  const escaped = /[\u0008-\u000d\\]/.test(field)
    ? // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
      field.replaceAll(/[\u0008-\u000d\\]/g, (character) => textEscapes[character]!)
    : field;
  return delimiter !== '\t' && escaped.includes(delimiter)
    ? escaped.replaceAll(delimiter, `\\${delimiter}`)
    : escaped;
}

function csvField(field: string, column: string, fieldCount: number, options: CopyOptions): string {
  const { delimiter, quote, escape: escaping, nullText, forceQuote } = options;
  const needsQuotes =
    forceQuote === '*' ||
    forceQuote.includes(column) ||
    field === nullText ||
    field.includes(delimiter) ||
    field.includes(quote) ||
    /[\r\n]/.test(field) ||
    (fieldCount === 1 && field === '\\.');
  if (!needsQuotes) return field;
  const escaped =
    escaping === quote
      ? field.replaceAll(quote, quote + quote)
      : field.replaceAll(escaping, escaping + escaping).replaceAll(quote, escaping + quote);
  return `${quote}${escaped}${quote}`;
}
