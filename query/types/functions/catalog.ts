import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { codecOf } from '../codec/codec.ts';
import type { RegTypeName } from '../codec/reg.ts';
import { regLookups } from '../codec/reg.ts';
import { formatType } from '../format-type.ts';
import type { CatalogLookups, FunctionContext, PrivilegeQuestion } from '../function.ts';
import { multiplyNumeric, roundNumeric } from '../numeric/arithmetic.ts';
import { parseNumericText } from '../numeric/text.ts';
import { invalidParameter } from '../problems.ts';
import { findType } from '../registry.ts';
import { oids } from '../type.ts';
import type { ArgumentTypes, Evaluate, Implementations } from './define.ts';
import { contextual, pure, rows, typedContextual } from './define.ts';

/** Functions over the catalog, which psql and other tools call. Whatever asks for a privilege that is not kept has it. */
const privilegeNames = [
  'database',
  'function',
  'language',
  'type',
  'tablespace',
  'foreign_data_wrapper',
  'server',
  'parameter',
];
const identities = ['name', 'name_name', 'name_id', 'id', 'id_name', 'id_id'];
const columnIdentities = ['name', 'id'].flatMap((role) =>
  ['name', 'id'].flatMap((table) => ['name', 'attnum'].map((column) => `${role}_${table}_${column}`)),
);
const ownColumnIdentities = ['name_name', 'name_attnum', 'id_name', 'id_attnum'];

/** has_table_privilege and its kin are named by what their arguments are: a name or an oid each. */
function privileges(): Record<string, Evaluate> {
  const functions: Record<string, Evaluate> = {};
  const granted: Evaluate = () => true;
  for (const name of privilegeNames) {
    for (const identity of identities) functions[`has_${name}_privilege_${identity}`] = granted;
  }
  for (const identity of [...columnIdentities, ...ownColumnIdentities]) {
    functions[`has_column_privilege_${identity}`] = granted;
  }
  return functions;
}

/** Those whose answers differ: (object, privileges) of the current role, or (role, object, privileges). */
function askedPrivileges(): Record<string, Evaluate> {
  const functions: Record<string, Evaluate> = {};
  const ask =
    (kind: PrivilegeQuestion['kind']): Evaluate =>
    (context: FunctionContext, ...operands: (number | string)[]) => {
      const [role, object, privileges] = operands.length === 2 ? [null, ...operands] : operands;
      const { user } = context;
      const question = { kind, user, role: role!, object: object!, privileges: String(privileges) };
      return context.catalog.hasPrivilege?.(question) ?? null;
    };
  const kinds = { table: 'table', any_column: 'table', sequence: 'sequence', schema: 'schema' } as const;
  for (const identity of identities) {
    for (const [name, kind] of Object.entries(kinds))
      functions[`has_${name}_privilege_${identity}`] = ask(kind);
    functions[`pg_has_role_${identity}`] = ask('role');
  }
  return functions;
}

/** format_type(oid, modifier): an unmodified char(n) is `bpchar`, and without any modifier `character`. */
function formatTypeOf(context: FunctionContext, oid: number | null, modifier: number | null): string | null {
  if (oid === null) return null;
  if (findType(oid) === undefined) return context.catalog.typeName(oid) ?? (oid === 0 ? '-' : '???');
  if (modifier === -1 && oid === oids.bpchar) return 'bpchar';
  return formatType({ oid, modifier: modifier ?? -1 });
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** The next unit is taken from 10240 on; halves round away from zero. */
function prettySize(size: number | bigint): string {
  let value = BigInt(size);
  const magnitude = (amount: bigint) => (amount < 0n ? -amount : amount);
  let unit = 0;
  if (magnitude(value) < 10_240n) return `${value} bytes`;
  value >>= 9n;
  for (unit = 1; unit < units.length - 1 && magnitude(value) >= 20_479n; unit++) value >>= 10n;
  return `${(value + (value < 0n ? -1n : 1n)) / 2n} ${units[unit]}`;
}

function sizeBytes(text: string): number | bigint {
  const match = /^\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const number = match === null ? null : parseNumericText(match[1]!);
  if (match === null || number === null) throw invalidParameter(`invalid size: "${text}"`);
  const unit =
    match[2] === '' ? 0 : units.findIndex((name) => name.toLowerCase() === match[2]!.toLowerCase());
  if (unit < 0) throw invalidParameter(`invalid size: "${text}"`);
  return roundNumeric(multiplyNumeric(number, Numeric.of(1024n ** BigInt(unit), 0)), 0).units;
}

/** to_regclass and its kin: null where there is no such object. */
function finder(typeName: RegTypeName): Evaluate {
  const { find } = regLookups[typeName] as { find: (text: string, catalog: CatalogLookups) => number | null };
  return (context: FunctionContext, text: string) => {
    if (/^\d+$/.test(text)) return Number(text);
    try {
      return find(text, context.catalog);
    } catch {
      return null;
    }
  };
}

const nothing: Evaluate = () => null;
const yes: Evaluate = () => true;

/** `name=value` of reloptions. */
function optionOf(text: string): readonly Datum[] {
  const at = text.indexOf('=');
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function columnSize([type]: ArgumentTypes): Evaluate {
  const { length } = findType(type!.oid) ?? { length: -1 };
  const codec = codecOf(type!.oid);
  return (_context: FunctionContext, value: Datum) =>
    length > 0 ? length : codec.encode(value, type!).length + 4;
}

/** Of the one database. */
const databaseOid = 5;

function databaseBytes({ catalog }: FunctionContext): number {
  return catalog.databaseSizeBytes?.() ?? 0;
}

function sizesOf({ catalog }: FunctionContext, oid: number) {
  return catalog.relationSizes?.(oid) ?? null;
}

/** What PostgreSQL keeps beside a relation's rows, nothing here has. */
function forkSize(context: FunctionContext, oid: number, fork: string): number | null {
  if (fork === 'main') return sizesOf(context, oid)?.own ?? null;
  if (['fsm', 'vm', 'init'].includes(fork)) return 0;
  throw new AlopexError('invalid_parameter_value', 'invalid fork name', {
    hint: 'Valid fork names are "main", "fsm", "vm", and "init".',
  });
}

export const catalogFunctions: Implementations = {
  ...pure({
    ...privileges(),
    'pg_size_pretty(int8)': prettySize,
    'pg_size_pretty(numeric)': (size: Numeric) => prettySize(roundNumeric(size, 0).units),
    pg_size_bytes: sizeBytes,
    PG_encoding_to_char: (encoding: number) => (encoding === 6 ? 'UTF8' : encoding === 0 ? 'SQL_ASCII' : ''),
    PG_char_to_encoding: (name: string) => (/^utf-?8$/i.test(name) ? 6 : -1),
    pg_encoding_max_length_sql: (encoding: number) => (encoding === 6 ? 4 : null),
    'shobj_description(oid,name)': nothing,
    pg_get_viewdef_ext: nothing,
    pg_get_viewdef: nothing,
    pg_get_ruledef: nothing,
    pg_get_ruledef_ext: nothing,
    pg_get_triggerdef: nothing,
    pg_get_triggerdef_ext: nothing,
    pg_get_functiondef: nothing,
    pg_get_function_arguments: nothing,
    pg_get_function_identity_arguments: nothing,
    pg_get_function_result: nothing,
    pg_get_function_arg_default: nothing,
    pg_get_function_sqlbody: nothing,
    pg_get_partkeydef: nothing,
    pg_get_partition_constraintdef: nothing,
    pg_get_statisticsobjdef: nothing,
    pg_get_statisticsobjdef_columns: nothing,
    pg_relation_filenode: (oid: number) => oid,
    pg_relation_filepath: nothing,
    pg_type_is_visible: yes,
    pg_function_is_visible: yes,
    pg_operator_is_visible: yes,
    pg_opclass_is_visible: yes,
    pg_opfamily_is_visible: yes,
    pg_collation_is_visible: yes,
    pg_conversion_is_visible: yes,
    pg_ts_config_is_visible: yes,
    pg_ts_dict_is_visible: yes,
    pg_ts_parser_is_visible: yes,
    pg_ts_template_is_visible: yes,
    pg_statistics_obj_is_visible: nothing,
    pg_describe_object: nothing,
    pg_tablespace_size_oid: () => 0,
    pg_tablespace_size_name: () => 0,
    pg_relation_is_publishable: yes,
    pg_relation_is_updatable: () => 28,
    pg_column_is_updatable: yes,
    pg_tablespace_location: () => '',
    pg_get_replica_identity_index: nothing,
    row_security_active_name: () => false,
    row_security_active: () => false,
    oidvectortypes: (types: SqlArray) =>
      types.items.map((oid) => formatType({ oid: oid as number, modifier: -1 })).join(', '),
    pg_sequence_last_value: nothing,
    pg_blocking_pids: () => SqlArray.of([]),
    pg_indexam_has_property: () => false,
    pg_index_has_property: () => false,
    pg_index_column_has_property: () => false,
    pg_advisory_unlock_all: () => '',
  }),
  ...contextual({
    ...askedPrivileges(),
    format_type: formatTypeOf,
    pg_get_userbyid: (context, oid: number) => context.catalog.roleName(oid) ?? `unknown (OID=${oid})`,
    'obj_description(oid,name)': (context, oid: number, catalog: string) =>
      catalog === 'pg_class' ? (context.catalog.description?.(oid, 0) ?? null) : null,
    'obj_description(oid)': (context, oid: number) => context.catalog.description?.(oid, 0) ?? null,
    'col_description(oid,int4)': (context, oid: number, column: number) =>
      context.catalog.description?.(oid, column) ?? null,
    pg_table_is_visible: (context, oid: number) => context.catalog.isTableVisible(oid),
    pg_get_indexdef: (context, oid: number) => context.catalog.indexDefinition(oid, 0),
    pg_get_indexdef_ext: (context, oid: number, column: number) =>
      context.catalog.indexDefinition(oid, column),
    pg_get_constraintdef: (context, oid: number) => context.catalog.constraintDefinition(oid),
    pg_get_constraintdef_ext: (context, oid: number) => context.catalog.constraintDefinition(oid),
    /** Defaults are kept as the text that PostgreSQL prints. */
    pg_get_expr: (_context, text: string) => text,
    pg_get_expr_ext: (_context, text: string) => text,
    pg_get_serial_sequence: (context, table: string, column: string) =>
      context.catalog.serialSequence(table, column),
    pg_relation_size: forkSize,
    'pg_relation_size(regclass)': (context, oid: number) => sizesOf(context, oid)?.own ?? null,
    pg_total_relation_size: (context, oid: number) => {
      const sizes = sizesOf(context, oid);
      return sizes === null ? null : sizes.own + sizes.indexes;
    },
    pg_table_size: (context, oid: number) => sizesOf(context, oid)?.own ?? null,
    pg_indexes_size: (context, oid: number) => sizesOf(context, oid)?.indexes ?? null,
    pg_database_size_name: (context, name: string) => {
      if (name === context.database) return databaseBytes(context);
      throw new AlopexError('invalid_catalog_name', `database "${name}" does not exist`);
    },
    pg_database_size_oid: (context, oid: number) => (oid === databaseOid ? databaseBytes(context) : null),
    to_regclass: finder('regclass'),
    to_regtype: finder('regtype'),
    to_regproc: finder('regproc'),
    to_regprocedure: finder('regprocedure'),
    to_regnamespace: finder('regnamespace'),
    to_regrole: finder('regrole'),
  }),
  ...rows({
    // No table is partitioned.
    pg_partition_tree: () => [],
    pg_options_to_table: (_context, options: SqlArray) =>
      options.items.map((option) => optionOf(String(option))),
  }),
  ...typedContextual({ pg_column_size: columnSize }),
};
