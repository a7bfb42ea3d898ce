import type { RelationDefinition } from '../catalog/definition.ts';
import type { ScalarFunction, TableFunction } from '../types/function.ts';
import type { SqlType } from '../types/type.ts';
import type { AggregateCall, Expression, SortKey, Subplan } from './expression.ts';
import type {
  JoinKind,
  LockTarget,
  Modification,
  OutputColumn,
  ProjectSetItem,
  VirtualRelation,
} from './logical.ts';

/**
 * How a statement is carried out. Immutable and free of parameter values, so that it is cached by statement and
 * run many times.
 *
 * In its expressions an `outer-column` has level 0 and its index is a *slot*: a place in one array of the
 * execution that an enclosing row fills (`Binding`) before the plan that reads it is run.
 */
export type Statement = {
  readonly root: PhysicalPlan;
  readonly columns: readonly OutputColumn[];
  readonly slotCount: number;
};

/** Rows expected, and cost in PostgreSQL's unit: one sequential page fetch. */
export type Estimate = {
  readonly rows: number;
  readonly startupCost: number;
  readonly totalCost: number;
  readonly width: number;
};

/** Before the inner plan runs, slot `slot` takes the value of `expression` over the enclosing row. */
export type Binding = { readonly slot: number; readonly expression: Expression };

/** A subplan as the planner leaves it in expressions. `reads`: every slot that its answer depends on. */
export type PlannedSubplan = Subplan & {
  readonly physical: PhysicalPlan;
  readonly bindings: readonly Binding[];
  readonly reads: readonly number[];
  /** Calls something volatile: its answers are not kept from row to row. */
  readonly isVolatile: boolean;
  /** For EXPLAIN: 1, 2, … */
  readonly number: number;
};

/** A WITH query that is evaluated at most once, and read by `cte-scan`s of its id. */
export type CommonTablePlan = {
  readonly id: number;
  readonly name: string;
  readonly plan: PhysicalPlan;
  readonly recursive: { readonly step: PhysicalPlan; readonly all: boolean } | null;
};

export type PhysicalPlan = { readonly types: readonly SqlType[]; readonly estimate: Estimate } & (
  | TableScan
  | {
      readonly kind: 'virtual-scan';
      readonly relation: VirtualRelation;
      readonly moment: number | null;
      readonly filter: Expression | null;
    }
  | { readonly kind: 'values'; readonly rows: readonly (readonly Expression[])[] }
  | {
      readonly kind: 'function-scan';
      readonly function: TableFunction | ScalarFunction;
      readonly arguments: readonly Expression[];
      readonly withOrdinality: boolean;
    }
  | { readonly kind: 'single-row' }
  | { readonly kind: 'filter'; readonly input: PhysicalPlan; readonly condition: Expression }
  | { readonly kind: 'project'; readonly input: PhysicalPlan; readonly expressions: readonly Expression[] }
  | { readonly kind: 'project-set'; readonly input: PhysicalPlan; readonly items: readonly ProjectSetItem[] }
  | HashJoin
  | NestedLoop
  | LookupJoin
  | {
      readonly kind: 'aggregate';
      readonly input: PhysicalPlan;
      readonly keys: readonly Expression[];
      readonly aggregates: readonly AggregateCall[];
    }
  | { readonly kind: 'distinct'; readonly input: PhysicalPlan; readonly on: readonly Expression[] | null }
  /** `limit`: only so many of the first rows are wanted (LIMIT + OFFSET). */
  | {
      readonly kind: 'sort';
      readonly input: PhysicalPlan;
      readonly keys: readonly SortKey[];
      readonly limit: { readonly count: Expression; readonly offset: Expression | null } | null;
    }
  | {
      readonly kind: 'limit';
      readonly input: PhysicalPlan;
      readonly count: Expression | null;
      readonly offset: Expression | null;
    }
  | { readonly kind: 'append'; readonly inputs: readonly PhysicalPlan[] }
  /** INTERSECT and EXCEPT, over whole rows. */
  | {
      readonly kind: 'set-operation';
      readonly operation: 'intersect' | 'except';
      readonly all: boolean;
      readonly left: PhysicalPlan;
      readonly right: PhysicalPlan;
    }
  | { readonly kind: 'with'; readonly definitions: readonly CommonTablePlan[]; readonly input: PhysicalPlan }
  | { readonly kind: 'cte-scan'; readonly id: number; readonly name: string }
  | {
      readonly kind: 'lock-rows';
      readonly input: PhysicalPlan;
      readonly strength: 'update' | 'no key update' | 'share' | 'key share';
      readonly wait: 'wait' | 'nowait' | 'skip locked';
      readonly targets: readonly LockTarget[];
      /** What the locked row must still satisfy, over the input row. */
      readonly recheck: Expression | null;
    }
  | { readonly kind: 'modify'; readonly modification: Modification; readonly input: PhysicalPlan }
);

export type TableScan = {
  readonly kind: 'table-scan';
  readonly table: RelationDefinition;
  /** What the execution knows a moment of the past by; null: the statement's own view. */
  readonly moment: number | null;
  /** Attribute numbers or pseudo columns, in output order. */
  readonly attributes: readonly number[];
  readonly path: AccessPath;
  /** All conditions that rows must meet, those of the path included unless the path is exact. */
  readonly filter: Expression | null;
  /** What lets the store skip row groups; `value` is an expression without columns. */
  readonly zones: readonly ZoneCondition[];
};

export type ZoneCondition = {
  readonly attribute: number;
  readonly operator: '=' | '<' | '<=' | '>' | '>=' | 'is null' | 'is not null';
  readonly value: Expression | null;
};

/** Which part of which index is read. The index's columns are fixed from the left, the last one perhaps by a range. */
export type AccessPath = {
  /** 0: the rows in primary key order. */
  readonly index: number;
  readonly indexName: string;
  /** One entry an index column; none: the whole index. */
  readonly prefix: readonly KeyCondition[];
  /** On the column after the prefix. */
  readonly range: RangeCondition | null;
  readonly reverse: boolean;
  /** Every row of the ranges meets the conditions, so that a lone one may stand for a lookup. */
  readonly isPoint: boolean;
  /** For EXPLAIN: the conditions that the path stands for. */
  readonly condition: Expression | null;
  /** About how many rows are wanted, or null for all. */
  readonly rowsWanted: number | null;
};

export type KeyCondition =
  | { readonly kind: 'equal'; readonly value: Expression }
  | { readonly kind: 'is-null' }
  | { readonly kind: 'in'; readonly values: readonly Expression[] }
  /** `= ANY (array)`. */
  | { readonly kind: 'any'; readonly array: Expression };

export type RangeCondition =
  | {
      readonly kind: 'bounds';
      readonly lower: { readonly value: Expression; readonly inclusive: boolean } | null;
      readonly upper: { readonly value: Expression; readonly inclusive: boolean } | null;
    }
  /** Text that starts so: of LIKE 'prefix%'. */
  | { readonly kind: 'prefix'; readonly text: string };

export type HashJoin = {
  readonly kind: 'hash-join';
  readonly join: Exclude<JoinKind, 'cross'>;
  readonly left: PhysicalPlan;
  /** The side that is kept in memory. */
  readonly right: PhysicalPlan;
  readonly leftKeys: readonly Expression[];
  readonly rightKeys: readonly Expression[];
  /** Of the keys that count nulls as equal (IS NOT DISTINCT FROM). */
  readonly nullsMatch: readonly boolean[];
  /** Over the joined row. */
  readonly residual: Expression | null;
};

export type NestedLoop = {
  readonly kind: 'nested-loop';
  readonly join: JoinKind;
  readonly left: PhysicalPlan;
  readonly right: PhysicalPlan;
  readonly condition: Expression | null;
  /** LATERAL: the right side runs again for each left row, with these bound. Null: it runs once and is kept. */
  readonly bindings: readonly Binding[] | null;
};

/** Index nested loop: the right side's rows are found by a key that is computed from the left row. */
export type LookupJoin = {
  readonly kind: 'lookup-join';
  readonly join: 'inner' | 'left' | 'semi' | 'anti';
  readonly left: PhysicalPlan;
  /** Its path's conditions are over the left row. */
  readonly right: TableScan & { readonly types: readonly SqlType[]; readonly estimate: Estimate };
  /** Over the joined row. */
  readonly residual: Expression | null;
};
