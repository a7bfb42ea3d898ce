import { utf8Length } from '../../../base/bytes/utf8.ts';
import type { CatalogSnapshot } from '../definition.ts';

/** PostgreSQL's NAMEDATALEN - 1. */
const nameBytesMax = 63;

/**
 * A name that no relation of the namespace has: `t_pkey`, `t_a_b_key`, `t_a_seq`, then with a number at its end
 * (t_a_key1). Long parts are cut, the longer one first, as PostgreSQL does (makeObjectName, ChooseRelationName).
 */
export function generatedName(
  catalog: CatalogSnapshot,
  namespace: number,
  table: string,
  columns: readonly string[],
  label: string,
): string {
  for (let pass = 0; ; pass++) {
    const name = joined(table, columns.join('_'), pass === 0 ? label : `${label}${pass}`);
    if (catalog.relation(namespace, name) === undefined) return name;
  }
}

function joined(first: string, second: string, label: string): string {
  const available = nameBytesMax - label.length - 1 - (second === '' ? 0 : 1);
  let [left, right] = [first, second];
  while (byteLength(left) + byteLength(right) > available) {
    if (byteLength(left) > byteLength(right)) left = withoutLast(left);
    else right = withoutLast(right);
  }
  return second === '' ? `${left}_${label}` : `${left}_${right}_${label}`;
}

function byteLength(text: string): number {
  return utf8Length(text);
}

function withoutLast(text: string): string {
  return Array.from(text).slice(0, -1).join('');
}
