import type { A_Const, A_Expr, FuncCall, Node, SQLValueFunction } from 'libpg-query';
import { unsupported } from '../../base/errors.ts';
import { formatType } from '../types/format-type.ts';
import { quoteIdentifier } from '../types/identifier.ts';
import { isArrayType, typeInfo } from '../types/registry.ts';
import { oids, type SqlType } from '../types/type.ts';
import { locationOf, place, stringsOf } from './ast.ts';
import { typeNameOf } from './type-name.ts';

/**
 * Prints an expression as pg_get_expr prints a stored default. `target` is the type that the expression is
 * assigned to: a bare string literal is of that type, and says so. Reading the text again gives the same
 * expression.
 */
export function deparseExpression(node: Node, target: SqlType | null = null): string {
  if ('A_Const' in node) return constant(node.A_Const, target);
  if ('TypeCast' in node) return typeCast(node.TypeCast.arg!, typeNameOf(node.TypeCast.typeName));
  if ('FuncCall' in node) return call(node.FuncCall);
  if ('SQLValueFunction' in node) return valueFunction(node.SQLValueFunction);
  if ('A_Expr' in node) return operation(node.A_Expr);
  if ('BoolExpr' in node) {
    const { boolop, args = [] } = node.BoolExpr;
    if (boolop === 'NOT_EXPR') return `(NOT ${deparseExpression(args[0]!)})`;
    return `(${args.map((part) => deparseExpression(part)).join(boolop === 'AND_EXPR' ? ' AND ' : ' OR ')})`;
  }
  if ('NullTest' in node) {
    const test = node.NullTest.nulltesttype === 'IS_NULL' ? 'IS NULL' : 'IS NOT NULL';
    return `(${deparseExpression(node.NullTest.arg!)} ${test})`;
  }
  if ('CoalesceExpr' in node) return list('COALESCE', node.CoalesceExpr.args);
  if ('MinMaxExpr' in node) {
    return list(node.MinMaxExpr.op === 'IS_GREATEST' ? 'GREATEST' : 'LEAST', node.MinMaxExpr.args);
  }
  if ('A_ArrayExpr' in node) {
    const element = target !== null && isArrayType(target.oid) ? elementOf(target) : null;
    const elements = (node.A_ArrayExpr.elements ?? []).map((part) => deparseExpression(part, element));
    const array = `ARRAY[${elements.join(', ')}]`;
    return elements.length > 0 || target === null ? array : `${array}::${formatType(target)}`;
  }
  if ('CaseExpr' in node) return caseExpression(node);
  if ('CollateClause' in node) return deparseExpression(node.CollateClause.arg!, target);
  if ('RowExpr' in node) return list('ROW', node.RowExpr.args);
  throw unsupported(`${Object.keys(node)[0]} in a stored expression`, place(locationOf(node)).position);
}

function elementOf({ oid, modifier }: SqlType): SqlType {
  return { oid: typeInfo(oid).element, modifier };
}

function list(name: string, nodes: readonly Node[] | undefined): string {
  return `${name}(${(nodes ?? []).map((node) => deparseExpression(node)).join(', ')})`;
}

function constant(node: A_Const, target: SqlType | null): string {
  if (node.ival !== undefined) return numberText(String(node.ival.ival ?? 0));
  if (node.fval !== undefined) return numberText((node.fval.fval ?? '0').replaceAll('_', ''));
  if (node.boolval !== undefined) return (node.boolval.boolval ?? false) ? 'true' : 'false';
  if (node.isnull === true) return target === null ? 'NULL' : `NULL::${formatType(target)}`;
  if (node.sval === undefined) throw unsupported('a bit string', place(node.location).position);
  const text = node.sval.sval ?? '';
  if (target?.oid === oids.bool && /^\s*(t|true|yes|on|1)\s*$/i.test(text)) return 'true';
  if (target?.oid === oids.bool && /^\s*(f|false|no|off|0)\s*$/i.test(text)) return 'false';
  if (target?.oid === oids.int4 && /^\d+$/.test(text)) return text;
  if (target?.oid === oids.numeric && /^\d+\.\d+$/.test(text)) return text;
  return `${quoted(text)}::${target === null ? 'text' : bareName(target)}`;
}

/** Beyond integer, and below zero (where `-` would be an operator), a number is quoted and says its type. */
function numberText(text: string): string {
  const isInteger = /^-?\d+$/.test(text);
  if (!isInteger) return text.startsWith('-') ? `'${text}'::numeric` : text;
  const value = BigInt(text);
  if (BigInt.asIntN(32, value) === value) return value < 0n ? `'${text}'::integer` : text;
  return `'${text}'::${BigInt.asIntN(64, value) === value ? 'bigint' : 'numeric'}`;
}

/** Without a length, character is bpchar: plain `character` would be character(1). */
function bareName(type: SqlType): string {
  return type.oid === oids.bpchar ? 'bpchar' : formatType({ ...type, modifier: -1 });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function typeCast(argument: Node, type: SqlType): string {
  const isLiteral = 'A_Const' in argument && argument.A_Const.sval !== undefined;
  if (!isLiteral) return `${operand(argument)}::${formatType(type)}`;
  if (type.modifier < 0) return constant(argument.A_Const, type);
  return `${quoted(argument.A_Const.sval?.sval ?? '')}::${formatType(type)}`;
}

/** What `::` binds tighter than stands in parentheses. */
function operand(node: Node): string {
  const text = deparseExpression(node);
  const isAtom = 'FuncCall' in node || 'ColumnRef' in node || 'A_ArrayExpr' in node;
  return isAtom || text.startsWith('(') ? text : `(${text})`;
}

function call(node: FuncCall): string {
  const names = stringsOf(node.funcname).filter((name, index) => index > 0 || name !== 'pg_catalog');
  const name = names.join('.');
  const parts = (node.args ?? []).map((part) => argument(name, part));
  if (name === 'timezone' && parts.length === 2 && node.funcformat === 'COERCE_SQL_SYNTAX') {
    return `(${parts[1]} AT TIME ZONE ${parts[0]})`;
  }
  if (name === 'extract' && node.funcformat === 'COERCE_SQL_SYNTAX') {
    const [field] = node.args ?? [];
    const word = field !== undefined && 'A_Const' in field ? (field.A_Const.sval?.sval ?? '') : '';
    return `EXTRACT(${word} FROM ${parts[1]})`;
  }
  return `${names.map(quoteIdentifier).join('.')}(${parts.join(', ')})`;
}

/** Sequence functions take a regclass: their literal says so, and follows a renamed sequence. */
function argument(name: string, node: Node): string {
  const takesRelation = name === 'nextval' || name === 'currval' || name === 'setval';
  const isLiteral = 'A_Const' in node && node.A_Const.sval !== undefined;
  return deparseExpression(node, takesRelation && isLiteral ? { oid: oids.regclass, modifier: -1 } : null);
}

const valueFunctions: Readonly<Record<NonNullable<SQLValueFunction['op']>, string>> = {
  SVFOP_CURRENT_DATE: 'CURRENT_DATE',
  SVFOP_CURRENT_TIME: 'CURRENT_TIME',
  SVFOP_CURRENT_TIME_N: 'CURRENT_TIME',
  SVFOP_CURRENT_TIMESTAMP: 'CURRENT_TIMESTAMP',
  SVFOP_CURRENT_TIMESTAMP_N: 'CURRENT_TIMESTAMP',
  SVFOP_LOCALTIME: 'LOCALTIME',
  SVFOP_LOCALTIME_N: 'LOCALTIME',
  SVFOP_LOCALTIMESTAMP: 'LOCALTIMESTAMP',
  SVFOP_LOCALTIMESTAMP_N: 'LOCALTIMESTAMP',
  SVFOP_CURRENT_ROLE: 'CURRENT_ROLE',
  SVFOP_CURRENT_USER: 'CURRENT_USER',
  SVFOP_USER: 'USER',
  SVFOP_SESSION_USER: 'SESSION_USER',
  SVFOP_CURRENT_CATALOG: 'CURRENT_CATALOG',
  SVFOP_CURRENT_SCHEMA: 'CURRENT_SCHEMA',
};

function valueFunction({ op, typmod = -1 }: SQLValueFunction): string {
  return typmod < 0 ? valueFunctions[op!] : `${valueFunctions[op!]}(${typmod})`;
}

function operation(node: A_Expr): string {
  const symbol = stringsOf(node.name).at(-1) ?? '';
  if (node.kind === 'AEXPR_NULLIF') return list('NULLIF', [node.lexpr!, node.rexpr!]);
  const isPlain = node.kind === 'AEXPR_OP' || node.kind === 'AEXPR_LIKE' || node.kind === 'AEXPR_ILIKE';
  if (!isPlain) {
    throw unsupported(`${node.kind} in a stored expression`, place(node.location).position);
  }
  const right = deparseExpression(node.rexpr!);
  if (node.lexpr === undefined) return `(${symbol} ${right})`;
  return `(${deparseExpression(node.lexpr)} ${symbol} ${right})`;
}

function caseExpression(node: Extract<Node, { CaseExpr: unknown }>): string {
  const { arg, args = [], defresult } = node.CaseExpr;
  const branches = args.map((branch) =>
    'CaseWhen' in branch
      ? `WHEN ${deparseExpression(branch.CaseWhen.expr!)} THEN ${deparseExpression(branch.CaseWhen.result!)}`
      : '',
  );
  const subject = arg === undefined ? '' : ` ${deparseExpression(arg)}`;
  const otherwise = defresult === undefined ? '' : ` ELSE ${deparseExpression(defresult)}`;
  return `CASE${subject} ${branches.join(' ')}${otherwise} END`;
}
