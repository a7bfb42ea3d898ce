import type { A_Const, SQLValueFunction } from 'libpg-query';
import { unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { narrow } from '../../../base/values/numeric.ts';
import type { Expression } from '../../plan/expression.ts';
import { codecOf } from '../../types/codec/codec.ts';
import { oids, type TypeOid } from '../../types/type.ts';
import { place } from '../ast.ts';
import type { ExpressionContext } from './context.ts';
import { typeOf } from './environment.ts';
import { callFunction } from './function.ts';

export const trueConstant: Expression = constantOf(oids.bool, true);

export function constantOf(oid: TypeOid, value: Datum): Expression {
  return { kind: 'constant', type: typeOf(oid), value };
}

/** A literal: strings and NULL are of unknown type until their use decides. */
export function bindConstant({ environment }: ExpressionContext, node: A_Const): Expression {
  if (node.isnull === true) return constantOf(oids.unknown, null);
  if (node.ival !== undefined) return constantOf(oids.int4, node.ival.ival ?? 0);
  if (node.boolval !== undefined) return constantOf(oids.bool, node.boolval.boolval ?? false);
  if (node.sval !== undefined) return constantOf(oids.unknown, node.sval.sval ?? '');
  if (node.bsval !== undefined) throw unsupported('a bit string', place(node.location).position);
  const digits = (node.fval?.fval ?? '0').replaceAll('_', '');
  const isInteger = /^(-?\d+|0[xob][0-9a-f]+)$/i.test(digits);
  const integer = isInteger ? BigInt(digits) : null;
  // What a sign was folded into may fit a smaller type than its digits: -2147483648.
  if (integer !== null && BigInt.asIntN(32, integer) === integer) {
    return constantOf(oids.int4, Number(integer));
  }
  if (integer !== null && integer >= -(2n ** 63n) && integer < 2n ** 63n) {
    return constantOf(oids.int8, narrow(integer));
  }
  const text = integer === null ? digits : integer.toString();
  const value = codecOf(oids.numeric).parse(text, typeOf(oids.numeric), environment.functionContext);
  return constantOf(oids.numeric, value);
}

type ValueFunction = NonNullable<SQLValueFunction['op']>;

/** CURRENT_DATE and its kin: a function of pg_catalog, cast to the type that the standard says. */
const valueFunctions: Readonly<Record<ValueFunction, readonly [functionName: string, type: TypeOid]>> = {
  SVFOP_CURRENT_DATE: ['now', oids.date],
  SVFOP_CURRENT_TIME: ['now', oids.timetz],
  SVFOP_CURRENT_TIME_N: ['now', oids.timetz],
  SVFOP_CURRENT_TIMESTAMP: ['now', oids.timestamptz],
  SVFOP_CURRENT_TIMESTAMP_N: ['now', oids.timestamptz],
  SVFOP_LOCALTIME: ['now', oids.time],
  SVFOP_LOCALTIME_N: ['now', oids.time],
  SVFOP_LOCALTIMESTAMP: ['now', oids.timestamp],
  SVFOP_LOCALTIMESTAMP_N: ['now', oids.timestamp],
  SVFOP_CURRENT_ROLE: ['current_user', oids.name],
  SVFOP_CURRENT_USER: ['current_user', oids.name],
  SVFOP_USER: ['current_user', oids.name],
  SVFOP_SESSION_USER: ['session_user', oids.name],
  SVFOP_CURRENT_CATALOG: ['current_database', oids.name],
  SVFOP_CURRENT_SCHEMA: ['current_schema', oids.name],
};

export function bindValueFunction(context: ExpressionContext, node: SQLValueFunction): Expression {
  const [name, oid] = valueFunctions[node.op!];
  const type = { oid, modifier: node.typmod ?? -1 };
  return callFunction(context.environment, name, [], node.location ?? 0, type);
}
