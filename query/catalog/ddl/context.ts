import type { Node } from 'libpg-query';
import type { StorageId } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { SqlType } from '../../types/type.ts';
import type { CatalogChange, CatalogSnapshot, RelationDefinition } from '../definition.ts';

/** What a DDL statement runs in. Everything that DDL is a function of. */
export type DdlContext = {
  readonly catalog: CatalogSnapshot;
  /** Schemas in order; the first that exists is where unqualified names are made. */
  readonly searchPath: readonly string[];
  /** The current user: owner of what is made. */
  readonly user: string;
  readonly bindDefault: BindDefault;
  /** The SCRAM-SHA-256 verifier of a password, as PostgreSQL keeps it; salted, so chance is injected here. */
  readonly passwordVerifier: (password: string) => string;
};

/**
 * Binds the expression of a DEFAULT clause to its column's type: the binder's work. Throws what PostgreSQL does
 * (42804 where it cannot be coerced, 0A000 for columns, subqueries and aggregates).
 */
type BindDefault = (expression: Node, type: SqlType, column: string) => BoundDefault;

export type BoundDefault = {
  /** As pg_get_expr prints it. */
  readonly text: string;
  /** Each row has its own value: a volatile function is called. */
  readonly isVolatile: boolean;
  /** The value at this moment, already of the column's type and modifier. Only asked for where not volatile. */
  readonly evaluate: () => Datum;
};

export type DdlResult = {
  /** In an order in which they can be applied one by one. */
  readonly changes: readonly CatalogChange[];
  /** What the transaction must do besides, in this order, after the changes are in its catalog. */
  readonly effects: readonly DdlEffect[];
  readonly notices: readonly DdlNotice[];
  /** CommandComplete's tag: 'CREATE TABLE'. */
  readonly tag: string;
};

export type DdlNotice = {
  readonly severity: 'NOTICE' | 'WARNING';
  /** SQLSTATE: '00000', '42P07' for "already exists, skipping" … */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
};

export type DdlEffect =
  /** A new index of a table that may have rows: it stays 'delete-only' until it is led on to 'public'. */
  | {
      readonly kind: 'backfill-index';
      readonly table: number;
      readonly index: number;
      /** CONCURRENTLY: the table is not locked, however few its rows are. */
      readonly concurrently: boolean;
    }
  /** No row of the table may have a null here, else 23502 `column "a" of relation "t" contains null values`. */
  | { readonly kind: 'validate-not-null'; readonly table: RelationDefinition; readonly attribute: number }
  /**
   * Every row of `source` moves to `target`'s storage, whose indexes it fills. Columns that both layouts have keep
   * their values, `added` ones take theirs, and a hidden row id that `source` lacks is given out. NOT NULL of all
   * columns of `target` is checked, and uniqueness of its key (23505 `could not create unique index "t_pkey"`) and
   * of its unique indexes.
   */
  | {
      readonly kind: 'rewrite-table';
      readonly source: RelationDefinition;
      readonly target: RelationDefinition;
      readonly added: readonly AddedColumn[];
    }
  /** The rows of a storage that no table names any more are garbage once the horizon has passed. */
  | { readonly kind: 'drop-storage'; readonly table: number; readonly storage: StorageId }
  /**
   * RESTART: the sequence's row in `alopex.sequences` becomes this. `value` is decimal text. A new sequence has no
   * row, and stands at its start.
   */
  | {
      readonly kind: 'set-sequence';
      readonly sequence: number;
      readonly value: string;
      readonly isCalled: boolean;
    }
  /** The sequence's row in `alopex.sequences` goes away. */
  | { readonly kind: 'drop-sequence'; readonly sequence: number };

/**
 * What a column that a rewritten table gained holds: one value, or for each row its own: what the column's
 * `defaultText`, or its identity's sequence, gives.
 */
export type AddedColumn =
  | { readonly kind: 'constant'; readonly attribute: number; readonly value: Datum }
  | { readonly kind: 'default'; readonly attribute: number };
