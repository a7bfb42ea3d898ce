import type { Datum } from '../../base/values/datum.ts';
import type { CatalogSnapshot, RelationDefinition } from '../catalog/definition.ts';
import type { FunctionContext, ScalarFunction, TableFunction } from '../types/function.ts';
import type { SqlType } from '../types/type.ts';
import type { AggregateCall, Expression, SortKey } from './expression.ts';

export type OutputColumn = {
  readonly name: string;
  readonly type: SqlType;
  /** Where the column is a table's own, for RowDescription; else 0. */
  readonly table: number;
  readonly attribute: number;
};

/** Joins that keep the left row where there is no match fill the right columns with nulls, and so on. */
export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti' | 'cross';

/** What a query means, before choices of how. Each node's output row has `columns`. */
export type LogicalPlan = { readonly columns: readonly OutputColumn[] } & (
  | {
      readonly kind: 'scan';
      readonly table: RelationDefinition;
      /** FOR SYSTEM_TIME: what the table is, it was at that moment. Null: the statement's own. */
      readonly asOf: AsOf | null;
      /** Attribute numbers, or pseudo columns of materializers/rows, in output order. */
      readonly attributes: readonly number[];
    }
  /** A relation of pg_catalog or information_schema: rows made from the catalog when the statement runs. */
  | { readonly kind: 'virtual-scan'; readonly relation: VirtualRelation; readonly asOf: AsOf | null }
  | { readonly kind: 'values'; readonly rows: readonly (readonly Expression[])[] }
  | {
      readonly kind: 'function-scan';
      readonly function: TableFunction | ScalarFunction;
      readonly arguments: readonly Expression[];
      readonly withOrdinality: boolean;
    }
  /** One row without columns: SELECT without FROM. */
  | { readonly kind: 'single-row' }
  | { readonly kind: 'filter'; readonly input: LogicalPlan; readonly condition: Expression }
  | { readonly kind: 'project'; readonly input: LogicalPlan; readonly expressions: readonly Expression[] }
  /** Set-returning functions in a select list: each row of the input, times the longest of them (others null). */
  | { readonly kind: 'project-set'; readonly input: LogicalPlan; readonly items: readonly ProjectSetItem[] }
  /** LATERAL: `right` refers to the left row as outer columns of level 1. Kinds: inner, left, cross. */
  | {
      readonly kind: 'join';
      readonly join: JoinKind;
      readonly left: LogicalPlan;
      readonly right: LogicalPlan;
      readonly condition: Expression | null;
      readonly isLateral: boolean;
    }
  /** Output: group keys, then aggregates. No keys: one row always. */
  | {
      readonly kind: 'aggregate';
      readonly input: LogicalPlan;
      readonly keys: readonly Expression[];
      readonly aggregates: readonly AggregateCall[];
    }
  /** All columns; or, DISTINCT ON, the first row of each value of `on` in the input's order. */
  | { readonly kind: 'distinct'; readonly input: LogicalPlan; readonly on: readonly Expression[] | null }
  | { readonly kind: 'sort'; readonly input: LogicalPlan; readonly keys: readonly SortKey[] }
  | {
      readonly kind: 'limit';
      readonly input: LogicalPlan;
      readonly count: Expression | null;
      readonly offset: Expression | null;
    }
  /** Columns of both sides have the same types (the binder has cast them). */
  | {
      readonly kind: 'set-operation';
      readonly operation: 'union' | 'intersect' | 'except';
      readonly all: boolean;
      readonly left: LogicalPlan;
      readonly right: LogicalPlan;
    }
  /** WITH: each definition is evaluated at most once, and read by `cte-scan`s of its id anywhere in `input`. */
  | { readonly kind: 'with'; readonly definitions: readonly CteDefinition[]; readonly input: LogicalPlan }
  | { readonly kind: 'cte-scan'; readonly id: number }
  /** FOR UPDATE and its kin: locks, then re-reads the rows of the base tables beneath. */
  | {
      readonly kind: 'lock-rows';
      readonly input: LogicalPlan;
      readonly strength: 'update' | 'no key update' | 'share' | 'key share';
      readonly wait: 'wait' | 'nowait' | 'skip locked';
      readonly targets: readonly LockTarget[];
    }
  /** INSERT, UPDATE, DELETE; alone at the root or below WITH. Output: the RETURNING columns, or none. */
  | { readonly kind: 'modify'; readonly modification: Modification }
);

export type ProjectSetItem =
  | { readonly kind: 'scalar'; readonly expression: Expression }
  | { readonly kind: 'set'; readonly function: TableFunction; readonly arguments: readonly Expression[] };

export type CteDefinition = {
  readonly id: number;
  readonly name: string;
  readonly plan: LogicalPlan;
  /** WITH RECURSIVE: `plan` is the first term; `step` reads the rows of the previous round by `cte-scan` of `id`. */
  readonly recursive: { readonly step: LogicalPlan; readonly all: boolean } | null;
};

/** A base table beneath lock-rows: where its key and version pseudo columns stand in the input row; `layout.columns` stand right before the key. */
export type LockTarget = {
  readonly table: RelationDefinition;
  readonly keyColumn: number;
  readonly versionColumn: number;
};

/** `moment`: the place of the clause in the statement, by which whoever runs it knows what it reads there. */
export type AsOf = {
  readonly kind: 'timestamp' | 'offset';
  readonly expression: Expression;
  readonly moment: number;
};

export type Modification =
  | {
      readonly kind: 'insert';
      readonly table: RelationDefinition;
      /** A row for each to insert: one column for each of `table.layout.columns`, in that order (defaults filled in; a hidden row id is null, and the writer gives it). */
      readonly input: LogicalPlan;
      readonly onConflict: OnConflict | null;
      readonly returning: readonly Expression[] | null;
    }
  | {
      readonly kind: 'update';
      readonly table: RelationDefinition;
      /**
       * Yields all of `table.layout.columns` in that order (a hidden row id too), then the key and version pseudo
       * columns, then whatever else FROM brings. `assignments`, `recheck` and `returning` are over this row; in `returning` the
       * table's columns are the new values.
       */
      readonly input: LogicalPlan;
      readonly assignments: readonly { readonly attribute: number; readonly value: Expression }[];
      /** The WHERE clause over the input row: READ COMMITTED evaluates it again on the newest version. */
      readonly recheck: Expression | null;
      readonly returning: readonly Expression[] | null;
    }
  | {
      readonly kind: 'delete';
      readonly table: RelationDefinition;
      /** As for update. */
      readonly input: LogicalPlan;
      readonly recheck: Expression | null;
      readonly returning: readonly Expression[] | null;
    };

export type OnConflict = {
  /** The index that arbitrates: 0 = the primary key; null (DO NOTHING only) = any. */
  readonly index: number | null;
  readonly action:
    | { readonly kind: 'nothing' }
    /** Expressions over: the existing row's `layout.columns`, then the excluded row's. */
    | {
        readonly kind: 'update';
        readonly assignments: readonly { readonly attribute: number; readonly value: Expression }[];
        readonly condition: Expression | null;
      };
};

export type VirtualRelation = {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  readonly kind: 'table' | 'view' | 'sequence';
  /** Superusers alone may read it. */
  readonly isSecret: boolean;
  readonly columns: readonly { readonly name: string; readonly type: SqlType }[];
  readonly rows: (catalog: CatalogSnapshot, context: FunctionContext) => Iterable<readonly Datum[]>;
};
