import type { Datum } from '../../base/values/datum.ts';
import type { AggregateFunction, Cast, ScalarFunction } from '../types/function.ts';
import type { SqlType } from '../types/type.ts';
import type { LogicalPlan } from './logical.ts';

/**
 * A bound, typed expression. Input columns are numbered in the row that the owning plan node takes in (a join's
 * row is the left columns, then the right ones). `position` is the place in the statement's text, from 1.
 */
export type Expression =
  | { readonly kind: 'constant'; readonly type: SqlType; readonly value: Datum }
  | { readonly kind: 'column'; readonly type: SqlType; readonly index: number }
  /** A column of an enclosing query: `level` 1 is the nearest. See `Subplan` for how rows reach it. */
  | { readonly kind: 'outer-column'; readonly type: SqlType; readonly level: number; readonly index: number }
  /** `$n`; `index` from 0. */
  | { readonly kind: 'parameter'; readonly type: SqlType; readonly index: number }
  | {
      readonly kind: 'call';
      readonly type: SqlType;
      readonly function: ScalarFunction;
      readonly arguments: readonly Expression[];
    }
  /** `cast.evaluate`, then the length or scale of `type`'s modifier (query/types `applyModifier`) where it has one. */
  | {
      readonly kind: 'cast';
      readonly type: SqlType;
      readonly cast: Cast | null;
      readonly operand: Expression;
      readonly isExplicit: boolean;
    }
  | { readonly kind: 'and' | 'or'; readonly type: SqlType; readonly operands: readonly Expression[] }
  | { readonly kind: 'not'; readonly type: SqlType; readonly operand: Expression }
  | {
      readonly kind: 'is-null';
      readonly type: SqlType;
      readonly operand: Expression;
      readonly negated: boolean;
    }
  /** IS [NOT] TRUE | FALSE | UNKNOWN. */
  | {
      readonly kind: 'boolean-test';
      readonly type: SqlType;
      readonly operand: Expression;
      readonly test: 'true' | 'false' | 'unknown';
      readonly negated: boolean;
    }
  | {
      readonly kind: 'is-distinct';
      readonly type: SqlType;
      readonly left: Expression;
      readonly right: Expression;
      readonly equals: ScalarFunction;
      readonly negated: boolean;
    }
  /** Searched CASE; the binder turns the simple form into it. */
  | {
      readonly kind: 'case';
      readonly type: SqlType;
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression | null;
    }
  | { readonly kind: 'coalesce'; readonly type: SqlType; readonly operands: readonly Expression[] }
  | {
      readonly kind: 'nullif';
      readonly type: SqlType;
      readonly left: Expression;
      readonly right: Expression;
      readonly equals: ScalarFunction;
    }
  | {
      readonly kind: 'extremum';
      readonly type: SqlType;
      readonly which: 'greatest' | 'least';
      readonly operands: readonly Expression[];
      readonly less: ScalarFunction;
    }
  /** `left op ANY (list)`; IN is `= ANY`, NOT IN is `<> ALL`. */
  | {
      readonly kind: 'list-comparison';
      readonly type: SqlType;
      readonly quantifier: 'any' | 'all';
      readonly left: Expression;
      readonly list: readonly Expression[];
      readonly comparison: ScalarFunction;
    }
  | {
      readonly kind: 'array-comparison';
      readonly type: SqlType;
      readonly quantifier: 'any' | 'all';
      readonly left: Expression;
      readonly array: Expression;
      readonly comparison: ScalarFunction;
    }
  /** `isNested`: the elements are arrays, and the result has one dimension more. */
  | {
      readonly kind: 'array';
      readonly type: SqlType;
      readonly elements: readonly Expression[];
      readonly isNested: boolean;
    }
  | {
      readonly kind: 'row';
      readonly type: SqlType;
      readonly fields: readonly Expression[];
      /** Null: of ROW(…), whose fields are f1, f2 …. */
      readonly names: readonly string[] | null;
    }
  | {
      readonly kind: 'subscript';
      readonly type: SqlType;
      readonly operand: Expression;
      readonly subscripts: readonly Subscript[];
    }
  | { readonly kind: 'field'; readonly type: SqlType; readonly operand: Expression; readonly index: number }
  | {
      readonly kind: 'subquery';
      readonly type: SqlType;
      readonly form: SubqueryForm;
      readonly subplan: Subplan;
    };

export type Subscript =
  | { readonly kind: 'index'; readonly index: Expression }
  | { readonly kind: 'slice'; readonly from: Expression | null; readonly to: Expression | null };

export type SubqueryForm =
  | { readonly kind: 'scalar' }
  | { readonly kind: 'exists' }
  /** ARRAY(SELECT …). */
  | { readonly kind: 'array' }
  /** `left op ANY|ALL (SELECT …)`, over one or more columns (all must match). */
  | {
      readonly kind: 'quantified';
      readonly quantifier: 'any' | 'all';
      readonly left: readonly Expression[];
      readonly comparisons: readonly ScalarFunction[];
    };

/**
 * A query inside an expression. Inside `plan`, `outer-column` of level 1 is column `index` of the row on which
 * the expression is evaluated (levels count nested subplans). Without any, it is evaluated once a statement.
 */
export type Subplan = { readonly plan: LogicalPlan; readonly isCorrelated: boolean };

export type SortKey = {
  readonly expression: Expression;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
};

export type AggregateCall = {
  readonly function: AggregateFunction;
  readonly arguments: readonly Expression[];
  readonly isDistinct: boolean;
  readonly orderBy: readonly SortKey[];
  readonly filter: Expression | null;
  readonly type: SqlType;
};
