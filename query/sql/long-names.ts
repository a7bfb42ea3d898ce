import { utf8Length } from '../../base/bytes/utf8.ts';
import { type Token, tokenize } from './lexer.ts';
import { maxNameBytes } from './limits.ts';

/** A name that the parser cuts, as PostgreSQL does. */
export type LongName = { readonly written: string; readonly kept: string };

/** Three bytes of UTF-8 a unit at most; a quoted name may hold anything. */
const suspicion = new RegExp(
  `[\\w$\\u0080-\\uffff]{${maxNameBytes / 3 + 1},}|"[^"]{${maxNameBytes / 3 + 1}}`,
);

/** The names of a text that are longer than `maxNameBytes`, in their order. */
export function longNamesOf(text: string): readonly LongName[] {
  if (!suspicion.test(text)) return [];
  return tokenize(text)
    .map((token) => nameOf(text, token))
    .filter((name) => utf8Length(name) > maxNameBytes)
    .map((written) => ({ written, kept: keptOf(written) }));
}

/** Empty where the token is no name. */
function nameOf(text: string, { kind, start, end }: Token): string {
  if (kind === 'word') return text.slice(start, end).replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (kind !== 'quoted-name') return '';
  return text.slice(text.indexOf('"', start) + 1, end - 1).replaceAll('""', '"');
}

/** Whole characters only. */
function keptOf(written: string): string {
  let kept = '';
  let bytes = 0;
  for (const character of written) {
    bytes += utf8Length(character);
    if (bytes > maxNameBytes) break;
    kept += character;
  }
  return kept;
}
