import { AlopexError } from '../../../base/errors.ts';
import { editDistance } from '../../../base/values/edit-distance.ts';
import type { RelationDefinition } from '../../catalog/definition.ts';
import type { AggregateCall, Expression } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import type { TableFunction } from '../../types/function.ts';
import type { SqlType, TypeOid } from '../../types/type.ts';
import { place } from '../ast.ts';
import type { CteScope } from './with.ts';

/** A column that a FROM clause offers: `index` in the row of the item's plan. */
export type ScopeColumn = {
  readonly name: string;
  readonly index: number;
  readonly type: SqlType;
  /** Where it is a table's own; else 0. */
  readonly table: number;
  readonly attribute: number;
};

/** A table, function, subquery or aliased join, by the name that its columns are qualified with. */
export type ScopeRelation = {
  readonly alias: string;
  /** The schema that it was found in, where it has no alias: `schema.table.column` is a name too. */
  readonly schema: string | null;
  /** The base table, for functional dependence and locking. */
  readonly table: RelationDefinition | null;
  /** What `tableoid` answers, where there is such a column. */
  readonly oid?: number;
  readonly columns: readonly ScopeColumn[];
  /** Of a table that is scanned with key and version: where the key stands in the item's row. */
  readonly keyIndex: number | null;
};

/** A bound FROM clause, or a part of it. */
export type FromItem = {
  readonly plan: LogicalPlan;
  readonly relations: readonly ScopeRelation[];
  /** What unqualified names and `*` mean; USING has merged its columns. */
  readonly columns: readonly ScopeColumn[];
};

/** What stands in a query's expressions for a value that a node above FROM computes: columns below zero. */
export type Placeholders = {
  readonly aggregates: Map<number, AggregateCall>;
  readonly sets: Map<number, SetCall>;
};

export type SetCall = {
  readonly function: TableFunction;
  readonly arguments: readonly Expression[];
  readonly result: TypeOid;
};

/**
 * The names that an expression can use. Each hop to `parent` is one level of `outer-column`. A hidden scope
 * counts as a level, and its names are only for the message that they cannot be used here.
 */
export type Scope = {
  readonly relations: readonly ScopeRelation[];
  readonly columns: readonly ScopeColumn[];
  readonly parent: Scope | null;
  readonly hidden: null | 'by place' | 'by the kind of join';
  readonly ctes: CteScope | null;
  readonly placeholders: Placeholders;
};

export const emptyScope: Scope = newScope({ relations: [], columns: [] }, null, null);

export function newScope(
  item: Pick<FromItem, 'relations' | 'columns'>,
  parent: Scope | null,
  ctes: CteScope | null,
): Scope {
  const { relations, columns } = item;
  const placeholders = { aggregates: new Map(), sets: new Map() };
  return { relations, columns, parent, hidden: null, ctes, placeholders };
}

/** A new placeholder's column number, unique within the scope. */
export function nextPlaceholder({ aggregates, sets }: Placeholders): number {
  return -1 - aggregates.size - sets.size;
}

export type FoundColumn = { readonly level: number; readonly column: ScopeColumn };

/** An unqualified name: the nearest scope that has it. */
export function findColumn(scope: Scope, name: string, location: number): FoundColumn | null {
  let level = 0;
  for (let at: Scope | null = scope; at !== null; at = at.parent, level += 1) {
    if (at.hidden !== null) continue;
    const found = at.columns.filter((column) => column.name === name);
    if (found.length > 1) {
      throw new AlopexError('ambiguous_column', `column reference "${name}" is ambiguous`, place(location));
    }
    if (found[0] !== undefined) return { level, column: found[0] };
  }
  return null;
}

export type FoundRelation = { readonly level: number; readonly relation: ScopeRelation };

/** A qualifier: the nearest scope that has a relation of this name. */
export function findRelation(
  scope: Scope,
  schema: string | null,
  alias: string,
  location: number,
): FoundRelation | null {
  let level = 0;
  for (let at: Scope | null = scope; at !== null; at = at.parent, level += 1) {
    const found = at.relations.filter(
      (relation) => relation.alias === alias && (schema === null || relation.schema === schema),
    );
    if (found.length === 0) continue;
    if (at.hidden !== null) throw invalidReference(alias, location, at.hidden);
    if (found.length > 1) {
      throw new AlopexError('ambiguous_alias', `table reference "${alias}" is ambiguous`, place(location));
    }
    return { level, relation: found[0]! };
  }
  return null;
}

function invalidReference(alias: string, location: number, hidden: Scope['hidden']): AlopexError {
  if (hidden === 'by the kind of join') {
    return new AlopexError(
      'invalid_column_reference',
      `invalid reference to FROM-clause entry for table "${alias}"`,
      {
        detail: 'The combining JOIN type must be INNER or LEFT for a LATERAL reference.',
        ...place(location),
      },
    );
  }
  return new AlopexError('undefined_table', `invalid reference to FROM-clause entry for table "${alias}"`, {
    detail: `There is an entry for table "${alias}", but it cannot be referenced from this part of the query.`,
    ...place(location),
  });
}

/** No relation has this name: a table that has another alias here is pointed to. */
export function missingRelation(scope: Scope, alias: string, location: number): AlopexError {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const renamed = at.relations.find((relation) => relation.table?.name === alias);
    if (renamed?.alias === alias) throw invalidReference(alias, location, 'by place');
    if (renamed === undefined) continue;
    return new AlopexError('undefined_table', `invalid reference to FROM-clause entry for table "${alias}"`, {
      hint: `Perhaps you meant to reference the table alias "${renamed.alias}".`,
      ...place(location),
    });
  }
  return new AlopexError(
    'undefined_table',
    `missing FROM-clause entry for table "${alias}"`,
    place(location),
  );
}

/** 42703, with the hint that PostgreSQL gives where a table that cannot be used from here has the column. */
export function missingColumn(
  scope: Scope,
  qualifier: string | null,
  name: string,
  location: number,
): AlopexError {
  const shown = qualifier === null ? `"${name}"` : `${qualifier}.${name}`;
  return new AlopexError('undefined_column', `column ${shown} does not exist`, {
    ...similarColumnHint(scope, qualifier, name),
    ...place(location),
  });
}

/** The one column whose name is at most a third of its letters away, if there is just one nearest. */
function similarColumnHint(scope: Scope, qualifier: string | null, name: string): { hint?: string } {
  let best = Math.floor(name.length / 2) + 1;
  let hints: string[] = [];
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    for (const relation of at.relations) {
      if (qualifier !== null && relation.alias !== qualifier) continue;
      for (const column of relation.columns) {
        const distance = editDistance(column.name, name, best);
        if (distance > best || distance > 3) continue;
        if (distance < best) hints = [];
        best = distance;
        hints.push(`Perhaps you meant to reference the column "${relation.alias}.${column.name}".`);
      }
    }
  }
  return hints.length === 1 ? { hint: hints[0]! } : {};
}
