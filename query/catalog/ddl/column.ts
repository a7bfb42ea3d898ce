import type { ColumnDef, Constraint, DefElem, Node } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { place } from '../../sql/ast.ts';
import { serialTypeOf, typeNameOf } from '../../sql/type-name.ts';
import { formatType } from '../../types/format-type.ts';
import { typeInfo } from '../../types/registry.ts';
import { oids, type SqlType } from '../../types/type.ts';
import type { ColumnDefinition } from '../definition.ts';
import { searchedNamespaces } from '../search-path.ts';
import { keptDefault, nextValueText } from '../sequence-default.ts';
import type { BoundDefault } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { generatedName } from './generated-name.ts';
import { optionsOf } from './options.ts';
import { newSequence } from './sequence.ts';

/** A column as a statement declares it. */
export type ColumnDeclaration = {
  readonly name: string;
  readonly type: SqlType;
  readonly notNull: boolean;
  readonly defaultExpression: Node | null;
  /** Of LIKE … INCLUDING DEFAULTS: the text is there already. */
  readonly defaultText: string | null;
  readonly isSerial: boolean;
  readonly identity: {
    readonly when: 'always' | 'by default';
    readonly options: readonly DefElem[];
  } | null;
  /** PRIMARY KEY and UNIQUE of this column alone. */
  readonly keys: readonly Constraint[];
};

const systemColumns: ReadonlySet<string> = new Set(['ctid', 'xmin', 'cmin', 'xmax', 'cmax', 'tableoid']);

export function isSystemColumn(name: string): boolean {
  return systemColumns.has(name);
}

export function requireNoSystemColumn(name: string): void {
  if (!isSystemColumn(name)) return;
  throw new AlopexError('duplicate_column', `column name "${name}" conflicts with a system column name`);
}

export function declareColumn(node: ColumnDef, table: string): ColumnDeclaration {
  const name = node.colname ?? '';
  requireNoSystemColumn(name);
  if (node.collClause !== undefined) requireDefaultCollation(node.collClause);
  const serial = serialTypeOf(node.typeName);
  const type = serial ?? typeNameOf(node.typeName);
  if (serial === null) requireStorable(name, type, node.typeName?.location);
  return withConstraints({ name, type, isSerial: serial !== null, table }, node.constraints ?? []);
}

function requireDefaultCollation(clause: NonNullable<ColumnDef['collClause']>): void {
  const last = clause.collname?.at(-1);
  const name = last !== undefined && 'String' in last ? last.String.sval : undefined;
  if (name === 'default' || name === 'C' || name === 'POSIX') return;
  throw unsupported(`collation "${name}"`, place(clause.location).position);
}

/** What tables can keep: the types whose values have a stored form of their own. */
const storable: ReadonlySet<number> = new Set([
  oids.bool,
  oids.bytea,
  oids.char,
  oids.name,
  oids.int8,
  oids.int2,
  oids.int4,
  oids.regproc,
  oids.text,
  oids.oid,
  oids.json,
  oids.float4,
  oids.float8,
  oids.bpchar,
  oids.varchar,
  oids.date,
  oids.time,
  oids.timestamp,
  oids.timestamptz,
  oids.interval,
  oids.numeric,
  oids.regclass,
  oids.regtype,
  oids.uuid,
  oids.jsonb,
  oids.vector,
]);

function requireStorable(column: string, type: SqlType, location: number | undefined): void {
  const info = typeInfo(type.oid);
  if (info.category === 'P') {
    throw new AlopexError('invalid_table_definition', `column "${column}" has pseudo-type ${info.name}`);
  }
  if (storable.has(info.category === 'A' ? info.element : info.oid)) return;
  throw unsupported(`a column of type ${formatType(type)}`, place(location).position);
}

type ColumnHead = Pick<ColumnDeclaration, 'name' | 'type' | 'isSerial'> & { readonly table: string };

function withConstraints(head: ColumnHead, nodes: readonly Node[]): ColumnDeclaration {
  const { table, ...rest } = head;
  const of = `for column "${head.name}" of table "${table}"`;
  let notNull: boolean | null = null;
  let defaultExpression: Node | null = null;
  let identity: ColumnDeclaration['identity'] = null;
  const keys: Constraint[] = [];
  for (const node of nodes) {
    if (!('Constraint' in node)) continue;
    const constraint = node.Constraint;
    switch (constraint.contype) {
      case 'CONSTR_NULL':
      case 'CONSTR_NOTNULL': {
        const isNotNull = constraint.contype === 'CONSTR_NOTNULL';
        if (notNull !== null && notNull !== isNotNull) {
          throw syntaxError(`conflicting NULL/NOT NULL declarations ${of}`, constraint.location);
        }
        notNull = isNotNull;
        break;
      }
      case 'CONSTR_DEFAULT':
        if (defaultExpression !== null || head.isSerial) {
          throw syntaxError(`multiple default values specified ${of}`, constraint.location);
        }
        defaultExpression = constraint.raw_expr ?? null;
        break;
      case 'CONSTR_IDENTITY':
        if (identity !== null) {
          throw syntaxError(`multiple identity specifications ${of}`, constraint.location);
        }
        identity = identityOf(constraint);
        break;
      case 'CONSTR_PRIMARY':
      case 'CONSTR_UNIQUE':
        keys.push({ ...constraint, keys: [{ String: { sval: head.name } }] });
        break;
      default:
        refuseConstraint(constraint);
    }
  }
  if (identity !== null && (defaultExpression !== null || head.isSerial)) {
    throw syntaxError(`both default and identity specified ${of}`, undefined);
  }
  if (notNull === false && (identity !== null || head.isSerial)) {
    throw syntaxError(`conflicting NULL/NOT NULL declarations ${of}`, undefined);
  }
  const isNotNull = notNull === true || identity !== null || head.isSerial;
  return { ...rest, notNull: isNotNull, defaultExpression, defaultText: null, identity, keys };
}

export function identityOf(constraint: Constraint): NonNullable<ColumnDeclaration['identity']> {
  return {
    when: constraint.generated_when === 'a' ? 'always' : 'by default',
    options: optionsOf(constraint.options),
  };
}

/** 0A000 for the constraints that are not kept, naming them; nothing for what changes nothing (NOT DEFERRABLE). */
export function refuseConstraint(constraint: Constraint): void {
  const { position } = place(constraint.location);
  switch (constraint.contype) {
    case 'CONSTR_CHECK':
      throw unsupported('a CHECK constraint', position);
    case 'CONSTR_FOREIGN':
      throw unsupported('a FOREIGN KEY constraint', position);
    case 'CONSTR_GENERATED':
      throw unsupported('a generated column', position);
    case 'CONSTR_EXCLUSION':
      throw unsupported('an EXCLUDE constraint', position);
    case 'CONSTR_NOTNULL':
      throw unsupported('a NOT NULL constraint of the table', position);
    case 'CONSTR_ATTR_DEFERRABLE':
    case 'CONSTR_ATTR_DEFERRED':
      throw unsupported('a deferrable constraint', position);
    case 'CONSTR_ATTR_NOT_ENFORCED':
      throw unsupported('a constraint that is not enforced', position);
    default:
  }
}

function syntaxError(message: string, location: number | undefined): AlopexError {
  return new AlopexError('syntax_error', message, location === undefined ? {} : place(location));
}

/** Where a new column goes. */
export type ColumnTarget = {
  readonly table: number;
  readonly tableName: string;
  readonly namespace: number;
  readonly attribute: number;
};

/** The definition of a declared column; makes the sequence of a serial or identity one. */
export function makeColumn(
  editor: CatalogEditor,
  declaration: ColumnDeclaration,
  target: ColumnTarget,
): { readonly column: ColumnDefinition; readonly bound: BoundDefault | null } {
  const { name, type, identity, notNull } = declaration;
  const column: ColumnDefinition = {
    attribute: target.attribute,
    name,
    type,
    notNull,
    defaultText: declaration.defaultText,
    identity: identity?.when ?? null,
    ownedSequence: null,
    isHidden: false,
    isDropped: false,
    comment: null,
  };
  if (identity !== null || declaration.isSerial) {
    return { column: { ...column, ...ownSequence(editor, declaration, target) }, bound: null };
  }
  const bound = bindDefault(editor, declaration.defaultExpression, type, name);
  return bound === null ? { column, bound } : { column: { ...column, defaultText: bound.text }, bound };
}

/** Null for no default: DEFAULT NULL says nothing more. */
export function bindDefault(
  editor: CatalogEditor,
  expression: Node | null,
  type: SqlType,
  name: string,
): BoundDefault | null {
  if (expression === null) return null;
  const { catalog, context } = editor;
  const bound = context.bindDefault(expression, type, name);
  if ('A_Const' in expression && expression.A_Const.isnull === true) return null;
  const searched = searchedNamespaces(catalog, context.searchPath, context.user);
  return { ...bound, text: keptDefault(catalog, searched, bound.text) };
}

/** Makes the sequence that goes with a column, and says what the column has by it. */
export function ownSequence(
  editor: CatalogEditor,
  { name, type, identity }: Pick<ColumnDeclaration, 'name' | 'type' | 'identity'>,
  target: ColumnTarget,
): Pick<ColumnDefinition, 'ownedSequence' | 'defaultText'> {
  if (identity !== null && ![oids.int2, oids.int4, oids.int8].includes(type.oid as 21)) {
    throw new AlopexError(
      'invalid_parameter_value',
      'identity column type must be smallint, integer, or bigint',
    );
  }
  const sequence = newSequence(
    editor,
    {
      namespace: target.namespace,
      name: generatedName(editor.catalog, target.namespace, target.tableName, [name], 'seq'),
      type: type.oid,
    },
    identity?.options ?? [],
  );
  editor.put({ ...sequence, ownedBy: { table: target.table, attribute: target.attribute } });
  const defaultText = identity === null ? nextValueText(editor.catalog, sequence) : null;
  return { ownedSequence: sequence.id, defaultText };
}

/** The column that orders the rows of a table without a primary key. */
export function hiddenRowId(attribute: number): ColumnDefinition {
  return {
    attribute,
    name: '',
    type: { oid: oids.int8, modifier: -1 },
    notNull: true,
    defaultText: null,
    identity: null,
    ownedSequence: null,
    isHidden: true,
    isDropped: false,
    comment: null,
  };
}
