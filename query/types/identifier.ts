import { AlopexError } from '../../base/errors.ts';
import { truncateName } from './codec/text.ts';

/** The parts of a possibly qualified name: unquoted ones in lower case, quoted ones as they are. */
export function splitQualifiedName(text: string): readonly string[] {
  const parts: string[] = [];
  const part = /\s*(?:"((?:[^"]|"")+)"|([^\s".]+))\s*(\.|$)/y;
  let end = 0;
  while (end < text.length || parts.length === 0) {
    part.lastIndex = end;
    const match = part.exec(text);
    if (match === null) throw new AlopexError('invalid_name', 'invalid name syntax');
    const [, quoted, plain, separator] = match;
    parts.push(truncateName(quoted === undefined ? plain!.toLowerCase() : quoted.replaceAll('""', '"')));
    end = part.lastIndex;
    if (separator === '') break;
  }
  if (end < text.length) throw new AlopexError('invalid_name', 'invalid name syntax');
  return parts;
}

/** PostgreSQL's key words that an identifier must be quoted for: all but the unreserved ones. */
const quotedWords = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
  char character check coalesce collate collation column concurrently constraint create cross current_catalog
  current_date current_role current_schema current_time current_timestamp current_user dec decimal default
  deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
  greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
  lateral leading least left like limit localtime localtimestamp national natural nchar none normalize not notnull
  null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real
  references returning right row select session_user setof similar smallint some substring symmetric table
  tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic
  verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
  xmlroot xmlserialize xmltable`.split(/\s+/),
);

export function quoteIdentifier(name: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(name) && !quotedWords.has(name)) return name;
  return `"${name.replaceAll('"', '""')}"`;
}

/** As a string constant; with a backslash inside, in the E'' form. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replace(/['\\]/g, '$&$&')}'`;
  return text.includes('\\') ? `E${quoted}` : quoted;
}
