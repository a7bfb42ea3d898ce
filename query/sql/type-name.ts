import type { Node, TypeName } from 'libpg-query';
import { AlopexError, unsupported } from '../../base/errors.ts';
import { parseTypeModifier } from '../types/modifier.ts';
import { typeByName, typeInfo } from '../types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../types/type.ts';
import { place, qualifiedNameOf } from './ast.ts';

/** serial, bigserial and smallserial are no types: an integer column with a sequence of its own. */
const serials: Readonly<Record<string, TypeOid>> = {
  smallserial: oids.int2,
  serial2: oids.int2,
  serial: oids.int4,
  serial4: oids.int4,
  bigserial: oids.int8,
  serial8: oids.int8,
};

/** The type that a name in a statement means; 42704 where there is none. */
export function typeNameOf(node: TypeName | undefined): SqlType {
  const { schema, name } = qualifiedNameOf(node?.names);
  const location = node?.location;
  if (node?.setof === true) throw unsupported('SETOF', place(location).position);
  if (node?.pct_type === true) throw unsupported('%TYPE', place(location).position);
  const base =
    schema === null || schema === 'pg_catalog' || schema === 'public' ? typeByName(name) : undefined;
  if (base === undefined) {
    const shown = schema === null ? name : `${schema}.${name}`;
    throw new AlopexError('undefined_object', `type "${shown}" does not exist`, place(location));
  }
  const modifier = modifierOf(base.oid, node?.typmods ?? [], location);
  if ((node?.arrayBounds ?? []).length === 0) return { oid: base.oid, modifier };
  const array = typeInfo(base.oid).array;
  if (array === 0) {
    throw new AlopexError(
      'undefined_object',
      `could not find array type for data type ${name}`,
      place(location),
    );
  }
  return { oid: array, modifier };
}

function modifierOf(oid: TypeOid, nodes: readonly Node[], location: number | undefined): number {
  const values = nodes.map((node) => {
    if ('A_Const' in node && node.A_Const.ival !== undefined) return node.A_Const.ival.ival ?? 0;
    throw new AlopexError(
      'syntax_error',
      'type modifiers must be simple constants or identifiers',
      place(location),
    );
  });
  try {
    return parseTypeModifier(oid, values);
  } catch (error) {
    throw error instanceof AlopexError ? error.with(place(location)) : error;
  }
}

/** The integer type of a serial column, or null where the name is a real type. */
export function serialTypeOf(node: TypeName | undefined): SqlType | null {
  const { schema, name } = qualifiedNameOf(node?.names);
  const oid = schema === null ? serials[name] : undefined;
  if (oid === undefined) return null;
  if ((node?.arrayBounds ?? []).length > 0) {
    throw new AlopexError(
      'feature_not_supported',
      'array of serial is not implemented',
      place(node?.location),
    );
  }
  return { oid, modifier: -1 };
}
