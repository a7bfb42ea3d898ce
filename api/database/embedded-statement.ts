import { AlopexError, asAlopexError, unsupported } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { parseTag } from './command-tag.ts';
import type { Portal, Rows } from './contract.ts';
import type { Field, QueryResult, Statement } from './database.ts';
import type { EngineSession } from './session.ts';
import type { Prepared } from './statements/prepare.ts';
import { parameterDatum, type Value, valueReader } from './values.ts';

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

  async execute(values: readonly Value[] = noValues): Promise<number> {
    const result = this.#start(values);
    return (result instanceof Promise ? await result : result).rowCount;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(values: readonly Value[]): QueryResult<R> | Promise<QueryResult<R>> {
    if (this.#isClosed)
      throw new AlopexError('invalid_sql_statement_name', 'the prepared statement is closed');
    const session = this.#lender.borrow();
    let result: QueryResult<R> | Promise<QueryResult<R>>;
    try {
      const parameters = parametersOf(session, this.#prepared, values);
      result =
        this.#lookUp(session, parameters) ??
        this.#insertRow(session, parameters) ??
        this.#run(session, parameters);
    } catch (error) {
      this.#lender.giveBack(session);
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => this.#lender.giveBack(session));
    this.#lender.giveBack(session);
    return result;
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

  #insertRow(
    session: EngineSession,
    parameters: readonly Datum[],
  ): QueryResult<R> | Promise<QueryResult<R>> | null {
    const inserted = session.insertRow(this.#prepared, parameters);
    if (inserted === null) return null;
    if (inserted instanceof Promise) return inserted.then(() => session.sync()).then(() => insertedRow);
    const synced = session.sync();
    return synced instanceof Promise ? synced.then(() => insertedRow) : insertedRow;
  }

  async #run(session: EngineSession, parameters: readonly Datum[]): Promise<QueryResult<R>> {
    const result = await resultOf(
      session,
      await session.bind(this.#prepared, parameters),
      () => this.#results,
    );
    const synced = session.sync();
    if (synced instanceof Promise) await synced;
    return result;
  }
}

const insertedRow = Object.freeze({
  command: 'INSERT',
  rowCount: 1,
  rows: Object.freeze([]) as readonly never[],
  fields: Object.freeze([]) as readonly Field[],
});

/** Runs a statement once. */
export async function runOnce<R>(
  session: EngineSession,
  prepared: Prepared,
  values: readonly Value[],
): Promise<QueryResult<R>> {
  const portal = await session.bind(prepared, parametersOf(session, prepared, values));
  return resultOf(session, portal, (columns) => new ResultReader<R>(columns));
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

/** Rows after which code is generated for them; it costs what some hundred rows do. */
const rowsAssignedMax = 100;

/** Turns rows of datums into objects, for the session whose settings say how values look. */
export class ResultReader<R> {
  readonly fields: readonly Field[];
  readonly #columns: readonly OutputColumn[];
  #session: EngineSession | null = null;
  #generated: ((row: readonly Datum[]) => R) | null = null;
  #rowsRead = 0;

  constructor(columns: readonly OutputColumn[]) {
    this.#columns = columns;
    this.fields = columns.map(({ name, type }) => ({ name, type: type.oid, modifier: type.modifier }));
  }

  selected(session: EngineSession, found: Rows): QueryResult<R> {
    const rows = this.read(session, found);
    return { command: 'SELECT', rowCount: rows.length, rows, fields: this.fields };
  }

  read(session: EngineSession, found: Rows): R[] {
    this.#rowsRead += found.length;
    if (this.#session === session && this.#generated !== null) return found.map(this.#generated);
    const readers = this.#columns.map(({ type }) => valueReader(type, session.functions));
    const names = this.#columns.map(({ name }) => name);
    if (this.#rowsRead < rowsAssignedMax) return found.map(assigningReader<R>(names, readers));
    this.#session = session;
    this.#generated = generatedReader<R>(names, readers);
    return found.map(this.#generated);
  }
}

type ValueReader = (datum: Datum) => Value;

function assigningReader<R>(
  names: readonly string[],
  readers: readonly ValueReader[],
): (row: readonly Datum[]) => R {
  return (row) =>
    Object.fromEntries(names.map((name, index) => [name, readers[index]!(row[index]!)] as const)) as R;
}

/** Code that names the columns gives all rows one shape. */
function generatedReader<R>(
  names: readonly string[],
  readers: readonly ValueReader[],
): (row: readonly Datum[]) => R {
  const fields = names.map((name, index) => {
    const key = name === '__proto__' ? '["__proto__"]' : JSON.stringify(name);
    return `${key}: r${index}(row[${index}])`;
  });
  const parameters = readers.map((_reader, index) => `r${index}`);
  const make = new Function(...parameters, `'use strict'; return (row) => ({ ${fields.join(', ')} });`);
  return make(...readers) as (row: readonly Datum[]) => R;
}
