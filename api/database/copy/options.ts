import { AlopexError } from '../../../base/errors.ts';
import { parseBoolean } from '../settings.ts';

export type CopyFormat = 'text' | 'csv' | 'binary';

/** Options of COPY, checked against each other as PostgreSQL does. */
export type CopyOptions = {
  readonly format: CopyFormat;
  /** One byte. */
  readonly delimiter: string;
  readonly nullText: string;
  readonly header: 'none' | 'skip' | 'match';
  readonly quote: string;
  readonly escape: string;
  /** Column names, or '*'. */
  readonly forceQuote: readonly string[] | '*';
  readonly forceNotNull: readonly string[];
  readonly forceNull: readonly string[];
};

/** Names and values as the parser gives them; a value is text, a list of names, '*', or null where none was written. */
export type CopyOptionSource = { readonly name: string; readonly value: string | readonly string[] | null };

export function copyOptions(sources: readonly CopyOptionSource[]): CopyOptions {
  const given = new Map<string, CopyOptionSource['value']>();
  for (const { name, value } of sources) {
    if (given.has(name)) throw new AlopexError('syntax_error', 'conflicting or redundant options');
    given.set(name, value);
  }
  for (const name of given.keys()) {
    if (!known.has(name)) throw new AlopexError('syntax_error', `option "${name}" not recognized`);
  }
  const format = formatOf(textOf(given.get('format')) ?? 'text');
  if (format !== 'csv')
    refuse(
      given,
      ['quote', 'escape', 'force_quote', 'force_not_null', 'force_null'],
      'available only in CSV mode',
    );
  if (format === 'binary') refuse(given, ['delimiter', 'null', 'header'], 'not available in BINARY mode');
  const encoding = textOf(given.get('encoding'));
  if (encoding !== null && !/^(utf-?8|unicode)$/i.test(encoding)) {
    throw new AlopexError(
      'invalid_parameter_value',
      'argument to option "encoding" must be a valid encoding name',
      {
        hint: 'Alopex speaks UTF8 alone.',
      },
    );
  }
  const quote = textOf(given.get('quote')) ?? '"';
  const options: CopyOptions = {
    format,
    delimiter: textOf(given.get('delimiter')) ?? (format === 'csv' ? ',' : '\t'),
    nullText: textOf(given.get('null')) ?? (format === 'csv' ? '' : '\\N'),
    header: headerOf(given),
    quote,
    escape: textOf(given.get('escape')) ?? quote,
    forceQuote: given.get('force_quote') === '*' ? '*' : namesOf(given.get('force_quote')),
    forceNotNull: namesOf(given.get('force_not_null')),
    forceNull: namesOf(given.get('force_null')),
  };
  check(options);
  return options;
}

const known = new Set([
  ...['format', 'freeze', 'delimiter', 'null', 'header', 'quote', 'escape', 'encoding'],
  ...['force_quote', 'force_not_null', 'force_null'],
]);

function textOf(value: CopyOptionSource['value'] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function namesOf(value: CopyOptionSource['value'] | undefined): readonly string[] {
  return Array.isArray(value) ? value : [];
}

function formatOf(name: string): CopyFormat {
  if (name === 'text' || name === 'csv' || name === 'binary') return name;
  throw new AlopexError('invalid_parameter_value', `COPY format "${name}" not recognized`);
}

function headerOf(given: ReadonlyMap<string, CopyOptionSource['value']>): CopyOptions['header'] {
  if (!given.has('header')) return 'none';
  const value = textOf(given.get('header'));
  if (value === null) return 'skip';
  if (value.toLowerCase() === 'match') return 'match';
  const isOn = parseBoolean(value);
  if (isOn === null) throw new AlopexError('syntax_error', 'header requires a Boolean value or "match"');
  return isOn ? 'skip' : 'none';
}

function refuse(given: ReadonlyMap<string, unknown>, names: readonly string[], why: string): void {
  for (const name of names) {
    if (given.has(name))
      throw new AlopexError(
        'feature_not_supported',
        `COPY ${name.toUpperCase().replaceAll('_', ' ')} ${why}`,
      );
  }
}

function check(options: CopyOptions): void {
  const invalid = (message: string): never => {
    throw new AlopexError('invalid_parameter_value', message);
  };
  const isByte = (text: string): boolean => text.length === 1 && text.charCodeAt(0) < 128;
  if (!isByte(options.delimiter)) invalid('COPY delimiter must be a single one-byte character');
  if (/[\r\n]/.test(options.delimiter)) invalid('COPY delimiter cannot be newline or carriage return');
  if (/[\r\n]/.test(options.nullText))
    invalid('COPY null representation cannot use newline or carriage return');
  if (options.format === 'text' && /[\\.a-z0-9]/.test(options.delimiter)) {
    invalid(`COPY delimiter cannot be "${options.delimiter}"`);
  }
  if (!isByte(options.quote)) invalid('COPY quote must be a single one-byte character');
  if (!isByte(options.escape)) invalid('COPY escape must be a single one-byte character');
  if (options.format === 'csv' && options.delimiter === options.quote)
    invalid('COPY delimiter and quote must be different');
  if (options.nullText.includes(options.delimiter))
    invalid('COPY delimiter character must not appear in the NULL specification');
  if (options.format === 'csv' && options.nullText.includes(options.quote)) {
    invalid('CSV quote character must not appear in the NULL specification');
  }
}
