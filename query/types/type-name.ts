import { intervalFullRange } from './format-type.ts';
import { splitQualifiedName } from './identifier.ts';
import { parseTypeModifier } from './modifier.ts';
import { typeByName, typeInfo } from './registry.ts';
import type { SqlType } from './type.ts';
import { oids } from './type.ts';

/** SQL's spellings of types whose pg_type name differs. */
const spellings: Readonly<Record<string, string>> = {
  boolean: 'bool',
  smallint: 'int2',
  integer: 'int4',
  int: 'int4',
  bigint: 'int8',
  real: 'float4',
  float: 'float8',
  'double precision': 'float8',
  decimal: 'numeric',
  dec: 'numeric',
  character: 'bpchar',
  char: 'bpchar',
  'character varying': 'varchar',
  'char varying': 'varchar',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  'time without time zone': 'time',
  'time with time zone': 'timetz',
};

const shape =
  /^\s*((?:"(?:[^"]|"")+"|[^\s"([.]+|\.)+(?:\s+(?:precision|varying))?)\s*(?:\(\s*([-\d\s,]+)\))?\s*((?:with|without)\s+time\s+zone)?\s*((?:\[\s*\d*\s*\]\s*)*)$/i;

/** A type as SQL writes it ('character varying(10)', 'int4[]', 'pg_catalog.text'), or null where there is none. */
export function parseTypeName(text: string): SqlType | null {
  const match = shape.exec(text);
  if (match === null) return null;
  const [, written = '', modifiers, zone = '', brackets = ''] = match;
  const spelled = `${written.trim().toLowerCase().replace(/\s+/g, ' ')}${zone === '' ? '' : ` ${zone.toLowerCase().replace(/\s+/g, ' ')}`}`;
  const standard = spellings[spelled];
  const name = standard ?? plainName(written);
  const base = name === null ? undefined : typeByName(name);
  if (base === undefined) return null;
  const values = modifiers === undefined ? [] : modifiers.split(',').map(Number);
  const isBareChar = values.length === 0 && (spelled === 'char' || spelled === 'character');
  const packed = base.oid === oids.interval && values.length === 1 ? [intervalFullRange, ...values] : values;
  const modifier = isBareChar ? 5 : parseTypeModifier(base.oid, packed);
  if (brackets.trim() === '') return { oid: base.oid, modifier };
  return base.array === 0 ? null : { oid: typeInfo(base.array).oid, modifier };
}

function plainName(written: string): string | null {
  const parts = splitQualifiedName(written);
  if (parts.length > 2 || (parts.length === 2 && parts[0] !== 'pg_catalog' && parts[0] !== 'public'))
    return null;
  return parts.at(-1)!;
}
