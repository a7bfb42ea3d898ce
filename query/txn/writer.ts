import { AlopexError } from '../../base/errors.ts';
import type { Timestamp } from '../../base/ids.ts';
import { unreachable } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import type { RowReader } from '../../materializers/rows/contract.ts';
import { indexPrefixOf, primaryKeyTextOf, RowKey, rowKeyOf } from '../../materializers/rows/key.ts';
import type { RelationDefinition } from '../catalog/definition.ts';
import type {
  ExecutionContext,
  ModifyResult,
  RowEvaluator,
  RowSource,
  StatementWriter,
} from '../exec/contract.ts';
import { PageWait } from '../exec/operator.ts';
import type { LockTarget, Modification, OnConflict } from '../plan/logical.ts';
import type { FunctionContext } from '../types/function.ts';
import type { RowLockMode } from './locks.ts';
import { type Current, keyOfBytes, RowAccess, uniqueIndexes } from './row-access.ts';
import { notePending, type Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';

type Row = readonly Datum[];
type Kind<K extends Modification['kind']> = Extract<Modification, { readonly kind: K }>;

/**
 * INSERT, UPDATE, DELETE and FOR UPDATE of one statement, whose tables are locked already. Each row is locked first, then read again where it may
 * have changed since the statement's snapshot: read committed goes on with the newest version if it still
 * matches, the stronger levels answer 40001. Everything that a constraint needs is read here, before commit.
 */
export class TableWriter implements StatementWriter {
  readonly #transactions: Transactions;
  readonly #transaction: Transaction;
  readonly #snapshot: Timestamp;
  readonly #rows: RowAccess;

  constructor(
    transactions: Transactions,
    transaction: Transaction,
    reader: RowReader,
    snapshot: Timestamp,
    functions: FunctionContext,
  ) {
    this.#transactions = transactions;
    this.#transaction = transaction;
    this.#snapshot = snapshot;
    this.#rows = new RowAccess(transactions, transaction, reader, functions);
  }

  async modify(
    modification: Modification,
    input: RowSource,
    evaluate: RowEvaluator,
    context: ExecutionContext,
  ): Promise<ModifyResult> {
    this.#refuseReadOnly(modification.kind);
    const apply = this.#rowModifier(modification, evaluate);
    const returning = modification.returning?.map((expression) => evaluate.compile(expression)) ?? null;
    const returned: Row[] = [];
    let affectedRows = 0;
    try {
      for (;;) {
        const pulled = input.next();
        const rows = pulled instanceof Promise ? await pulled : pulled;
        if (rows === null) break;
        for (const row of rows) {
          const applied = apply(row);
          const result = applied instanceof Promise ? await applied : applied;
          if (result === null) continue;
          affectedRows++;
          if (returning !== null) returned.push(returning.map((expression) => expression(result)));
        }
        context.checkCancelled();
        const spilled = this.#transactions.spillWhereDue(this.#transaction);
        if (spilled !== null) await spilled;
        const slice = context.slice();
        if (slice !== null) await slice;
      }
    } finally {
      input.close();
    }
    return { affectedRows, returned };
  }

  /**
   * Of an UPDATE or DELETE of one row: takes the row as its plan puts it out; null where nothing was changed.
   * No promise: done.
   */
  change(modification: Kind<'update' | 'delete'>, evaluate: RowEvaluator): (row: Row) => RowOutcome {
    this.#refuseReadOnly(modification.kind);
    return this.#rowModifier(modification, evaluate);
  }

  /** One row of an INSERT that has neither ON CONFLICT nor RETURNING. No promise: done. */
  insert(table: RelationDefinition, row: Row): Row | Promise<Row> {
    this.#refuseReadOnly('insert');
    return this.#insert(table, this.#withRowId(rowIdPlace(table), row));
  }

  #refuseReadOnly(kind: string): void {
    if (this.#transaction.isReadOnly) throw readOnly(kind.toUpperCase());
  }

  /** The row that RETURNING sees, or null where nothing was changed. */
  #rowModifier(modification: Modification, evaluate: RowEvaluator): (row: Row) => RowOutcome {
    switch (modification.kind) {
      case 'insert': {
        const { onConflict, table } = modification;
        const place = rowIdPlace(table);
        if (onConflict === null) return (row) => this.#insert(table, this.#withRowId(place, row));
        const resolve = this.#conflictResolver(table, onConflict, evaluate);
        return (row) => this.#insertOrResolve(table, this.#withRowId(place, row), onConflict, resolve);
      }
      case 'update':
        return this.#updater(modification, evaluate);
      case 'delete':
        return this.#deleter(modification, evaluate);
      default:
        return unreachable(modification);
    }
  }

  // ---- insert

  #withRowId(place: number, row: Row): Row {
    return place < 0 ? row : row.with(place, this.#transactions.nextRowId());
  }

  #insert(table: RelationDefinition, row: Row): Row | Promise<Row> {
    const { layout } = table;
    this.#rows.checkNotNull(table, row);
    const key = rowKeyOf(layout, row);
    if (table.primaryKey === null) return this.#insertChecked(table, key, row, false);
    const locked = this.#rows.lockRow(layout, key, 'update');
    if (locked !== null) return this.#insertOnceLocked(locked, table, key, row);
    const exists = this.#rows.has(layout, key);
    if (typeof exists !== 'boolean') return this.#insertOnceFound(exists, table, key, row);
    return this.#insertChecked(table, key, row, exists);
  }

  async #insertOnceLocked(
    locked: Promise<void>,
    table: RelationDefinition,
    key: RowKey,
    row: Row,
  ): Promise<Row> {
    await locked;
    return this.#insertChecked(table, key, row, await this.#rows.has(table.layout, key));
  }

  async #insertOnceFound(
    exists: Promise<boolean>,
    table: RelationDefinition,
    key: RowKey,
    row: Row,
  ): Promise<Row> {
    return this.#insertChecked(table, key, row, await exists);
  }

  #insertChecked(table: RelationDefinition, key: RowKey, row: Row, exists: boolean): Row | Promise<Row> {
    const { layout } = table;
    if (exists) throw this.#rows.uniqueViolation(table, null, row);
    if (uniqueIndexes(layout).length > 0) return this.#insertOnceClaimed(table, key, row);
    this.#put(layout, key, row, null);
    return row;
  }

  async #insertOnceClaimed(table: RelationDefinition, key: RowKey, row: Row): Promise<Row> {
    await this.#rows.claimAll(table, key, row, null);
    this.#put(table.layout, key, row, null);
    return row;
  }

  #put(layout: TableLayout, key: RowKey, row: Row | null, before: Row | null): void {
    this.#transaction.pending.put(layout, key.text, row, before, this.#transaction.command);
    notePending(this.#transaction);
  }

  // ---- on conflict

  async #insertOrResolve(
    table: RelationDefinition,
    row: Row,
    onConflict: OnConflict,
    resolve: ConflictResolver,
  ): Promise<Row | null> {
    this.#rows.checkNotNull(table, row);
    const { layout } = table;
    const key = rowKeyOf(layout, row);
    const conflictKey = await this.#conflictingKey(table, key, row, onConflict);
    if (conflictKey === null) return this.#insert(table, row);
    if (onConflict.action.kind === 'nothing') {
      await this.#requireSeen(layout, conflictKey);
      return null;
    }
    const locked = this.#rows.lockRow(layout, conflictKey, 'update');
    if (locked !== null) await locked;
    const existing = await this.#rows.newest(layout, conflictKey);
    if (existing === null) return this.#insertOrResolve(table, row, onConflict, resolve);
    if (this.#isOwn(existing.version)) {
      throw new AlopexError(
        'cardinality_violation',
        'ON CONFLICT DO UPDATE command cannot affect row a second time',
        {
          hint: 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.',
        },
      );
    }
    this.#refuseNewer(existing.version);
    const changed = await evaluated(() => resolve(existing.values, row));
    if (changed === null) return null;
    await this.#replace(table, conflictKey, existing.values, changed);
    return changed;
  }

  /** The stronger levels do not pass over a row that their snapshot does not show. */
  async #requireSeen(layout: TableLayout, key: RowKey): Promise<void> {
    if (this.#transaction.isolation === 'read committed') return;
    const existing = await this.#rows.newest(layout, key);
    if (existing !== null) this.#refuseNewer(existing.version);
  }

  async #conflictingKey(
    table: RelationDefinition,
    key: RowKey,
    row: Row,
    onConflict: OnConflict,
  ): Promise<RowKey | null> {
    const { layout } = table;
    if (onConflict.index === null || onConflict.index === 0) {
      const locked = this.#rows.lockRow(layout, key, 'update');
      if (locked !== null) await locked;
      if (await this.#rows.has(layout, key)) return key;
      if (onConflict.index === 0) return null;
    }
    for (const index of uniqueIndexes(layout)) {
      if (onConflict.index !== null && onConflict.index !== index.id) continue;
      const prefix = indexPrefixOf(layout, index, row);
      if (prefix === null) continue;
      const owner = await this.#rows.claim(layout, index, prefix);
      if (owner !== null) return keyOfBytes(owner);
    }
    return null;
  }

  #conflictResolver(
    table: RelationDefinition,
    onConflict: OnConflict,
    evaluate: RowEvaluator,
  ): ConflictResolver {
    const { action } = onConflict;
    if (action.kind === 'nothing') return () => null;
    const condition = action.condition === null ? null : evaluate.compile(action.condition);
    const assign = compileAssignments(table, action.assignments, evaluate);
    return (existing, excluded) => {
      const both = [...existing, ...excluded];
      if (condition !== null && condition(both) !== true) return null;
      return assign(both, existing);
    };
  }

  // ---- update and delete

  #updater(modification: Kind<'update'>, evaluate: RowEvaluator): (row: Row) => RowOutcome {
    const { table } = modification;
    const assign = compileAssignments(table, modification.assignments, evaluate);
    const target = this.#targetLocker(table, modification.recheck, evaluate, 'no key update');
    const change = ({ key, row, values }: Target): RowOutcome =>
      after(
        evaluated(() => assign(row, values)),
        (changed) => after(this.#replace(table, key, values, changed), () => overwrite(row, changed)),
      );
    return (input) => after(target(input), (found) => (found === null ? null : change(found)));
  }

  #deleter(modification: Kind<'delete'>, evaluate: RowEvaluator): (row: Row) => RowOutcome {
    const { table } = modification;
    const { layout } = table;
    const target = this.#targetLocker(table, modification.recheck, evaluate, 'update');
    const remove = ({ key, row, values }: Target): RowOutcome => {
      const freed = uniqueIndexes(layout).length === 0 ? null : this.#rows.freeAll(table, values);
      return after(freed, () => {
        this.#put(layout, key, null, values);
        return row;
      });
    };
    return (input) => after(target(input), (found) => (found === null ? null : remove(found)));
  }

  /** Writes the new row in place of the old one, under another key where the key changed. Null: done. */
  #replace(table: RelationDefinition, key: RowKey, before: Row, changed: Row): null | Promise<null> {
    this.#rows.checkNotNull(table, changed);
    const { layout } = table;
    const newKey = primaryKeyTextOf(layout, changed);
    if (newKey !== key.text) return this.#move(table, key, new RowKey(newKey), before, changed);
    const claimed =
      uniqueIndexes(layout).length === 0 ? null : this.#rows.claimAll(table, key, changed, before);
    return after(claimed, () => {
      this.#put(layout, key, changed, before);
      return null;
    });
  }

  async #move(
    table: RelationDefinition,
    key: RowKey,
    newKey: RowKey,
    before: Row,
    changed: Row,
  ): Promise<null> {
    const { layout } = table;
    const locked = this.#rows.lockRow(layout, newKey, 'update');
    if (locked !== null) await locked;
    if (await this.#rows.has(layout, newKey)) throw this.#rows.uniqueViolation(table, null, changed);
    await this.#rows.claimAll(table, key, changed, before);
    this.#put(layout, key, null, before);
    this.#put(layout, newKey, changed, null);
    return null;
  }

  /** Locks an input row's target and brings it up to date: the key, the row to go on with, the table's part of it. */
  #targetLocker(
    table: RelationDefinition,
    recheck: Kind<'update'>['recheck'],
    evaluate: RowEvaluator,
    mode: RowLockMode,
  ): (input: Row) => Target | null | Promise<Target | null> {
    const width = table.layout.columns.length;
    const matches = recheck === null ? null : evaluate.compile(recheck);
    return (input) => {
      const key = keyOfBytes(input[width] as Uint8Array);
      const version = input[width + 1] as number;
      return after(this.#lockCurrent(table, key, version, mode, false), (current) => {
        if (current === null) return null;
        if (current === 'unchanged') return { key, row: input, values: input.slice(0, width) };
        const row = overwrite(input, current.values);
        const target = { key, row, values: current.values };
        if (matches === null) return target;
        return after(
          evaluated(() => matches(row)),
          (isMatch) => (isMatch === true ? target : null),
        );
      });
    };
  }

  /**
   * Locks a row that the statement's snapshot showed in `version`. 'unchanged': it still is that version.
   * Null: it is gone, or was changed by this very command already.
   */
  #lockCurrent(
    table: RelationDefinition,
    key: RowKey,
    version: number,
    mode: RowLockMode,
    nowait: boolean,
  ): CurrentOutcome | Promise<CurrentOutcome> {
    const { layout } = table;
    const before = this.#transactions.answered;
    const locked = this.#rows.lockRow(layout, key, mode, nowait);
    const resume = (): CurrentOutcome | Promise<CurrentOutcome> => {
      const mayHaveChanged =
        locked !== null || before !== this.#snapshot || this.#transactions.answered !== this.#snapshot;
      return after(mayHaveChanged || this.#rows.isTouched(layout, key), (isToBeRead) => {
        if (!isToBeRead) return 'unchanged';
        return after(this.#rows.newest(layout, key), (current) => this.#judge(table, key, version, current));
      });
    };
    return locked === null ? resume() : locked.then(resume);
  }

  #judge(
    table: RelationDefinition,
    key: RowKey,
    version: number,
    current: Current | null,
  ): CurrentOutcome | Promise<null> {
    if (current === null) return version > 0 ? this.#refuseDeleted(table, key) : null;
    if (current.version === version) return 'unchanged';
    if (this.#isOwn(current.version)) return null;
    this.#refuseNewer(current.version);
    return current;
  }

  /** Written by this very command. */
  #isOwn(version: number): boolean {
    return this.#transaction.pending.isOfCommand(version, this.#transaction.command);
  }

  /** The stronger levels do not go on with a version that their snapshot did not show. */
  #refuseNewer(version: number): void {
    if (this.#transaction.isolation === 'read committed' || version <= this.#snapshot) return;
    throw new AlopexError('serialization_failure', 'could not serialize access due to concurrent update');
  }

  /** Null where it was deleted by whom it may be: the transaction itself, or anybody under read committed. */
  #refuseDeleted({ layout }: RelationDefinition, key: RowKey): null | Promise<null> {
    if (this.#transaction.isolation === 'read committed') return null;
    return after(this.#rows.isTouched(layout, key), (isOwn) => {
      if (isOwn) return null;
      throw new AlopexError('serialization_failure', 'could not serialize access due to concurrent delete');
    });
  }

  // ---- SELECT … FOR UPDATE

  async lock(
    target: LockTarget,
    row: Row,
    strength: string,
    wait: string,
    recheck: (row: Row) => boolean,
  ): Promise<Row | null> {
    this.#refuseReadOnly(`select for ${strength}`);
    const { table } = target;
    const key = row[target.keyColumn];
    if (!(key instanceof Uint8Array)) return row;
    try {
      const current = await this.#lockCurrent(
        table,
        keyOfBytes(key),
        row[target.versionColumn] as number,
        strength as RowLockMode,
        wait !== 'wait',
      );
      if (current === null) return null;
      if (current === 'unchanged') return row;
      const fresh = row.slice();
      const start = target.keyColumn - table.layout.columns.length;
      for (const [place, value] of current.values.entries()) fresh[start + place] = value;
      fresh[target.versionColumn] = current.version;
      return (await evaluated(() => recheck(fresh))) ? fresh : null;
    } catch (error) {
      if (!(error instanceof AlopexError) || error.condition !== 'lock_not_available' || wait === 'wait')
        throw error;
      if (wait === 'skip locked') return null;
      throw new AlopexError('lock_not_available', `could not obtain lock on row in relation "${table.name}"`);
    }
  }
}

/** 25006: the transaction was declared so, or the node takes no writes. */
export function readOnly(command: string): AlopexError {
  return new AlopexError('read_only_sql_transaction', `cannot execute ${command} in a read-only transaction`);
}

/** An expression's value; a subquery in it may have to wait for storage first, and is then asked again. */
function evaluated<Value>(evaluate: () => Value): Value | Promise<Value> {
  try {
    return evaluate();
  } catch (thrown) {
    if (!(thrown instanceof PageWait)) throw thrown;
    return thrown.promise.then(() => evaluated(evaluate));
  }
}

/** Goes on at once where there is nothing to wait for: most rows of most statements. */
function after<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}

type RowOutcome = Row | null | Promise<Row | null>;
type CurrentOutcome = Current | 'unchanged' | null;
type Target = { readonly key: RowKey; readonly row: Row; readonly values: Row };
type ConflictResolver = (existing: Row, excluded: Row) => Row | null;

/** The input row with the table's columns replaced by those of a stored row. */
function overwrite(input: Row, stored: Row): Row {
  const row = input.slice();
  for (let place = 0; place < stored.length; place++) row[place] = stored[place]!;
  return row;
}

function compileAssignments(
  table: RelationDefinition,
  assignments: Kind<'update'>['assignments'],
  evaluate: RowEvaluator,
): (row: Row, stored: Row) => Row {
  const compiled = assignments.map(({ attribute, value }) => ({
    place: table.layout.columns.findIndex((column) => column.id === attribute),
    value: evaluate.compile(value),
  }));
  return (row, stored) => {
    const changed = stored.slice();
    for (const { place, value } of compiled) changed[place] = value(row);
    return changed;
  };
}

/** Where a row of a table without a primary key has its hidden id; -1 where the table has a key. */
function rowIdPlace({ columns, primaryKey, layout }: RelationDefinition): number {
  if (primaryKey !== null) return -1;
  const hidden = columns.find((column) => column.isHidden && !column.isDropped);
  return hidden === undefined ? -1 : layout.columns.findIndex(({ id }) => id === hidden.attribute);
}
