import { invariant } from '../../../base/unreachable.ts';
import type { ColumnBatch } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { Cursor, ExecutionContext, PastMoment } from '../../../query/exec/contract.ts';
import { execute } from '../../../query/exec/execute.ts';
import { rowsOf } from '../../../query/exec/rows.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { TableWriter } from '../../../query/txn/writer.ts';
import { type Moments, noMoments } from '../catalog-history.ts';
import type { Portal, RowsPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import { momentsOf, requirePresent } from '../time-travel.ts';
import { lockedQuery, type Prepared, type PreparedQuery } from './prepare.ts';

type Row = readonly Datum[];

/** SELECT, INSERT, UPDATE, DELETE. */
export async function runQuery(
  session: EngineSession,
  prepared: Prepared,
  parameters: readonly Datum[],
): Promise<Portal> {
  const run = session.beginRun(prepared.statement);
  const { statement, parameterTypes } = prepared;
  const { executed } = session.engine;
  if (prepared.query!.command === 'SELECT') executed.reads++;
  else executed.writes++;
  const moments =
    statement.systemTimes.size === 0
      ? noMoments
      : await momentsOf(session, statement, parameterTypes, parameters);
  const query = await lockedQuery(session, run.transaction, prepared, prepared.query!, moments);
  if (query.writtenTables.length > 0) requirePresent(session, 'SELECT … FOR UPDATE');
  const context = executionContext(session, run, parameters, moments);
  const cursor = execute(query.plan, context);
  run.onEnd = () => cursor.close();
  if (prepared.columns !== null) return rowsPortal(session, run, cursor, query, prepared.columns);
  const affectedRows = await drain(cursor);
  session.endRun(run);
  return { kind: 'command', tag: commandTag(query.command, affectedRows) };
}

/** Whether it reads the statement's own moment alone, and neither writes nor locks. */
export function isPlainRead(
  { systemTimes }: ParsedStatement,
  { command, writtenTables }: PreparedQuery,
): boolean {
  return command === 'SELECT' && writtenTables.length === 0 && systemTimes.size === 0;
}

/** A plain read of the present, all of it: no portal, and no promise where its pages are in memory. */
export function readAll(
  session: EngineSession,
  prepared: Prepared,
  query: PreparedQuery,
  parameters: readonly Datum[],
  consume: (batch: ColumnBatch) => void,
): void | Promise<void> {
  const run = session.beginRun(prepared.statement);
  const cursor = execute(query.plan, executionContext(session, run, parameters));
  run.onEnd = () => cursor.close();
  for (;;) {
    const batch = cursor.next();
    if (batch instanceof Promise) return readRest(batch, cursor, consume).then(() => session.endRun(run));
    if (batch === null) return session.endRun(run);
    consume(batch);
  }
}

async function readRest(
  first: Promise<ColumnBatch | null>,
  cursor: Cursor,
  consume: (batch: ColumnBatch) => void,
): Promise<void> {
  let pulled: ReturnType<Cursor['next']> = first;
  for (;;) {
    const batch = pulled instanceof Promise ? await pulled : pulled;
    if (batch === null) return;
    consume(batch);
    pulled = cursor.next();
  }
}

export function executionContext(
  session: EngineSession,
  run: StatementRun,
  parameters: readonly Datum[],
  moments: Moments = noMoments,
): ExecutionContext {
  const { transactions } = session.engine;
  const { transaction } = run;
  const reader = transactions.reader(transaction);
  const present = transactions.view(transaction);
  const view = session.moment?.view ?? present;
  return {
    reader,
    view,
    catalog: session.catalog,
    functions: session.functions,
    parameters,
    checkCancelled: () => run.checkCancelled(),
    slice: () => run.slice(),
    sliceMs: () => run.sliceMs(),
    workMemoryBytes: session.settings.workMemoryBytes,
    reserve: (bytes) => run.reserve(bytes),
    release: (bytes) => run.release(bytes),
    spill: run.temporaryFiles,
    momentAt: (place) => momentAt(moments, place),
    writer: new TableWriter(
      transactions,
      transaction,
      reader,
      transactions.snapshot(transaction),
      session.functions,
    ),
  };
}

function momentAt(moments: Moments, place: number): PastMoment {
  const moment = moments.get(place);
  invariant(moment !== undefined, 'a statement that runs knows its moments');
  return moment;
}

async function drain(cursor: Cursor): Promise<number> {
  for (;;) {
    const pulled = cursor.next();
    const batch = pulled instanceof Promise ? await pulled : pulled;
    if (batch === null) return cursor.affectedRows;
  }
}

function commandTag(command: PreparedQuery['command'], rows: number): string {
  return command === 'INSERT' ? `INSERT 0 ${rows}` : `${command} ${rows}`;
}

function rowsPortal(
  session: EngineSession,
  run: StatementRun,
  cursor: Cursor,
  query: PreparedQuery,
  columns: NonNullable<Prepared['columns']>,
): RowsPortal {
  const source = new RowBuffer(cursor);
  let isDone = false;
  const finish = (): void => {
    isDone = true;
    session.endRun(run);
  };
  return {
    kind: 'rows',
    columns,
    fetch: (rowsMax) =>
      session.guarded(async () => {
        if (isDone) return { rows: [], isDone };
        session.resumeRun(run);
        run.checkCancelled();
        // A caller in this process that takes rows in a loop never leaves its turn by itself.
        const pause = run.slice();
        if (pause !== null) await pause;
        const rows = await source.take(rowsMax);
        if (source.isEnded) finish();
        else session.pauseRun(run);
        return { rows, isDone };
      }),
    tag: (rowsSent) => commandTag(query.command, query.command === 'SELECT' ? rowsSent : cursor.affectedRows),
    close: () => {
      if (!isDone) finish();
    },
  };
}

/** Cuts a cursor's batches into what a portal is asked for. */
class RowBuffer {
  readonly #cursor: Cursor;
  #rows: readonly Row[] = [];
  #isExhausted = false;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  get isEnded(): boolean {
    return this.#isExhausted && this.#rows.length === 0;
  }

  /** Up to `rowsMax` rows, a batch at the most; 0: no limit. Looks ahead, so that the end is known with the last row. */
  async take(rowsMax: number): Promise<readonly Row[]> {
    await this.#fill();
    if (rowsMax === 0 || rowsMax === this.#rows.length) {
      const whole = this.#rows;
      this.#rows = [];
      await this.#fill();
      return whole;
    }
    const taken: Row[] = [];
    const wanted = rowsMax;
    while (taken.length < wanted && this.#rows.length > 0) {
      const rows = this.#rows.slice(0, wanted - taken.length);
      for (const row of rows) taken.push(row);
      this.#rows = this.#rows.slice(rows.length);
      if (this.#rows.length === 0) await this.#fill();
    }
    return taken;
  }

  async #fill(): Promise<void> {
    while (this.#rows.length === 0 && !this.#isExhausted) {
      const pulled = this.#cursor.next();
      const batch: ColumnBatch | null = pulled instanceof Promise ? await pulled : pulled;
      if (batch === null) this.#isExhausted = true;
      else this.#rows = rowsOf(batch);
    }
  }
}
