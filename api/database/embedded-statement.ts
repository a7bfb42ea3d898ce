import { AlopexError, asAlopexError, unsupported } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { parseTag } from './command-tag.ts';
import type { Portal } from './contract.ts';
import type { Field, QueryResult, Statement } from './database.ts';
import { ResultReader } from './result-reader.ts';
import type { EngineSession } from './session.ts';
import type { Prepared } from './statements/prepare.ts';
import { parameterDatum, type Value } from './values.ts';

/** Where a statement gets the session that it runs in. */
export type SessionLender = {
  borrow(): EngineSession;
  giveBack(session: EngineSession): void;
};

const noValues: readonly Value[] = [];

/**
 * A statement that is parsed and planned once. Lookups by key, and rows inserted within a transaction, are done
 * before the promise is made, where their pages are in memory: 1 to 3 µs each in `benchmarks/embedded.ts`.
 */
export class EmbeddedStatement<R> implements Statement<R> {
  readonly parameterTypes: readonly number[];
  readonly #prepared: Prepared;
  readonly #lender: SessionLender;
  readonly #results: ResultReader<R>;
  #isClosed = false;

  constructor(prepared: Prepared, lender: SessionLender) {
    this.parameterTypes = prepared.parameterTypes;
    this.#prepared = prepared;
    this.#lender = lender;
    this.#results = new ResultReader(prepared.columns ?? []);
  }

  async query(values: readonly Value[] = noValues): Promise<QueryResult<R>> {
    return this.#start(values);
  }

  execute(values: readonly Value[] = noValues): Promise<number> {
    try {
      const result = this.#start(values);
      return result instanceof Promise ? result.then(rowCountOf) : Promise.resolve(result.rowCount);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async executeMany(rows: Iterable<readonly Value[]>): Promise<number> {
    this.#requireOpen();
    const session = this.#lender.borrow();
    try {
      return await synced(session, await executeEach(session, this.#prepared, rows));
    } finally {
      this.#lender.giveBack(session);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (!this.#isClosed) return;
    throw new AlopexError('invalid_sql_statement_name', 'the prepared statement is closed');
  }

  #start(values: readonly Value[]): QueryResult<R> | Promise<QueryResult<R>> {
    this.#requireOpen();
    const session = this.#lender.borrow();
    let result: QueryResult<R> | Promise<QueryResult<R>>;
    try {
      const parameters = parametersOf(session, this.#prepared, values);
      result =
        this.#lookUp(session, parameters) ??
        this.#write(session, parameters) ??
        this.#select(session, parameters) ??
        this.#run(session, parameters);
    } catch (error) {
      this.#lender.giveBack(session);
      throw error;
    }
    if (result instanceof Promise) return this.#settled(session, result);
    this.#lender.giveBack(session);
    const pause = session.engine.turns.pause();
    return pause === null ? result : pause.then(() => result);
  }

  /** As `finally`, for half the promises. */
  #settled<Result>(session: EngineSession, result: Promise<Result>): Promise<Result> {
    return result.then(
      (settled) => {
        this.#lender.giveBack(session);
        return settled;
      },
      (error: unknown) => {
        this.#lender.giveBack(session);
        throw error;
      },
    );
  }

  #lookUp(
    session: EngineSession,
    parameters: readonly Datum[],
  ): QueryResult<R> | Promise<QueryResult<R>> | null {
    const rows = session.lookUp(this.#prepared, parameters);
    if (rows === null) return null;
    return rows instanceof Promise
      ? rows.then((found) => this.#results.selected(session, found))
      : this.#results.selected(session, rows);
  }

  #write(
    session: EngineSession,
    parameters: readonly Datum[],
  ): QueryResult<R> | Promise<QueryResult<R>> | null {
    if (this.#prepared.query === null) return null;
    const tag = session.command(this.#prepared, parameters);
    if (tag === null) return null;
    if (tag instanceof Promise) return tag.then((done) => synced(session, written(done)));
    return synced(session, written(tag));
  }

  #select(
    session: EngineSession,
    parameters: readonly Datum[],
  ): QueryResult<R> | Promise<QueryResult<R>> | null {
    const result = select(session, this.#prepared, parameters, this.#results);
    if (result instanceof Promise) return result.then((read) => synced(session, read));
    return result === null ? null : synced(session, result);
  }

  async #run(session: EngineSession, parameters: readonly Datum[]): Promise<QueryResult<R>> {
    const result = await resultOf(
      session,
      await session.bind(this.#prepared, parameters),
      () => this.#results,
    );
    return synced(session, result);
  }
}

/** The result, once the session's implicit transaction has ended. */
function synced<Result>(session: EngineSession, result: Result): Result | Promise<Result> {
  const ended = session.sync();
  return ended instanceof Promise ? ended.then(() => result) : result;
}

/** The session's short way of reading all rows of a plain SELECT; null where it does not take it. */
function select<R>(
  session: EngineSession,
  prepared: Prepared,
  parameters: readonly Datum[],
  reader: ResultReader<R>,
): QueryResult<R> | Promise<QueryResult<R>> | null {
  const rows: R[] = [];
  const read = session.select(prepared, parameters, (batch) => reader.append(session, batch, rows));
  if (read instanceof Promise) return read.then(() => reader.result(rows));
  return read === null ? null : reader.result(rows);
}

function rowCountOf({ rowCount }: { readonly rowCount: number }): number {
  return rowCount;
}

const noRows = Object.freeze([]) as readonly never[];
const noFields = Object.freeze([]) as readonly Field[];
const insertedRow = Object.freeze({ command: 'INSERT', rowCount: 1, rows: noRows, fields: noFields });

function written(tag: string) {
  return tag === 'INSERT 0 1' ? insertedRow : { ...parseTag(tag), rows: noRows, fields: noFields };
}

/** Runs a statement once. */
export async function runOnce<R>(
  session: EngineSession,
  prepared: Prepared,
  values: readonly Value[],
): Promise<QueryResult<R>> {
  const parameters = parametersOf(session, prepared, values);
  const { columns } = prepared;
  const selected =
    columns === null ? null : select(session, prepared, parameters, new ResultReader<R>(columns));
  if (selected !== null) return selected;
  const portal = await session.bind(prepared, parameters);
  return resultOf(session, portal, (columns) => new ResultReader<R>(columns));
}

/** Runs a statement with each of the parameters; a failure takes back all of them. The rows affected in all. */
async function executeEach(
  session: EngineSession,
  prepared: Prepared,
  rows: Iterable<readonly Value[]>,
): Promise<number> {
  const each = rows[Symbol.iterator]();
  const callers: unknown[] = [];
  const next = (): readonly Datum[] | null => {
    let row: IteratorResult<readonly Value[]>;
    try {
      row = each.next();
    } catch (error) {
      callers.push(error);
      session.fail(asAlopexError(error));
      throw error;
    }
    return row.done === true ? null : parametersOf(session, prepared, row.value);
  };
  try {
    return await runEach(session, prepared, next);
  } catch (error) {
    // What the caller's own iterable throws is the caller's.
    throw callers.length === 0 ? error : callers[0];
  }
}

async function runEach(
  session: EngineSession,
  prepared: Prepared,
  next: () => readonly Datum[] | null,
): Promise<number> {
  const inserted = await session.insertRows(prepared, next);
  if (inserted !== null) return inserted;
  let count = 0;
  for (let parameters = next(); parameters !== null; parameters = next()) {
    const portal = await session.bind(prepared, parameters);
    const { rowCount } = await resultOf(session, portal, (columns) => new ResultReader(columns));
    count += rowCount;
  }
  return count;
}

/** Parameters as datums. What they are refused for fails the transaction. */
export function parametersOf(
  session: EngineSession,
  { parameterTypes }: Prepared,
  values: readonly Value[],
): readonly Datum[] {
  try {
    if (values.length !== parameterTypes.length) {
      throw new AlopexError(
        'protocol_violation',
        `the statement takes ${parameterTypes.length} parameters, not ${values.length}`,
      );
    }
    const datums = new Array<Datum>(values.length);
    for (let index = 0; index < datums.length; index++)
      datums[index] = parameterDatum(values[index], parameterTypes[index]!, session.functions);
    return datums;
  } catch (thrown) {
    const error = asAlopexError(thrown);
    session.fail(error);
    throw error;
  }
}

async function resultOf<R>(
  session: EngineSession,
  portal: Portal,
  readerOf: (columns: readonly OutputColumn[]) => ResultReader<R>,
): Promise<QueryResult<R>> {
  switch (portal.kind) {
    case 'command':
      return { ...parseTag(portal.tag), rows: [], fields: [] };
    case 'empty':
      return { command: '', rowCount: 0, rows: [], fields: [] };
    case 'rows': {
      const reader = readerOf(portal.columns);
      let rows: R[] = [];
      for (let isDone = false; !isDone; ) {
        const fetched = await portal.fetch(0);
        const read = reader.read(session, fetched.rows);
        if (rows.length === 0) rows = read;
        else for (const row of read) rows.push(row);
        isDone = fetched.isDone;
      }
      const { command } = parseTag(portal.tag(rows.length));
      return { command, rowCount: rows.length, rows, fields: reader.fields };
    }
    case 'copy-in':
    case 'copy-out': {
      const error = unsupported('COPY through query()');
      // It has begun: the session is free again once it has failed.
      session.fail(error);
      throw error;
    }
  }
}
