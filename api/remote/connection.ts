import { serialize } from 'pg-protocol';
import type { CommandCompleteMessage, ParameterDescriptionMessage } from 'pg-protocol/dist/messages.js';
import { AlopexError, unsupported } from '../../base/errors.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { parseTag } from '../database/command-tag.ts';
import { type Change, closed, type QueryResult, type TailOptions } from '../database/database.ts';
import { parameterText, type Value } from '../database/values.ts';
import { ChangeArrivals, tailText } from './changes.ts';
import { clientContext } from './client-context.ts';
import { ResultReader } from './result.ts';
import { type StatementText, statementText } from './statement-text.ts';
import type { Host } from './url.ts';
import type { BackendMessage, Exchange, Wire } from './wire.ts';

/** A statement that the server keeps for this connection. */
type ServerStatement = {
  readonly name: string;
  readonly text: StatementText;
  readonly parameterTypes: readonly number[];
};

/** Statements that a connection keeps prepared; the one that was not used for longest goes first. */
const statementsMax = 256;
/** pg-protocol reads their number as signed: more would end the connection. */
const parametersMax = 32_767;
/** Parameters that are sent before an answer is waited for. */
const bytesPerStep = 64 * 1024;
/** Rows that a stream asks for at a time. */
const rowsPerFetch = 1_000;

/** One session of a server. Calls run one after another. */
export class ServerConnection {
  readonly host: Host;
  readonly #wire: Wire;
  readonly #context: FunctionContext;
  readonly #statements = new Map<string, ServerStatement>();
  #last: Promise<unknown> = Promise.resolve();
  #names = 0;
  /** What was called last has been sent to be executed: without an answer, it may have been. */
  hasBegun = false;

  constructor(host: Host, wire: Wire) {
    this.host = host;
    this.#wire = wire;
    this.#context = clientContext(wire.parameters);
  }

  /** What the server reports (ParameterStatus), as of now. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#wire.parameters;
  }
  /** What was sent last has been begun: the server has said so. */
  get isAnswered(): boolean {
    return this.#wire.isAnswered;
  }

  get silentMs(): number {
    return this.#wire.silentMs;
  }

  get isOpen(): boolean {
    return this.#wire.isOpen;
  }
  /** In no transaction. */
  get isIdle(): boolean {
    return this.#wire.isOpen && this.#wire.status === 'I';
  }
  get isInTransaction(): boolean {
    return this.#wire.status !== 'I';
  }

  onClosed(listener: () => void): void {
    this.#wire.onClosed = listener;
  }
  keepsAlive(keeps: boolean): void {
    this.#wire.keepsAlive(keeps);
  }
  end(): void {
    this.#wire.end(serialize.end());
  }
  destroy(reason: AlopexError): void {
    this.#wire.destroy(reason);
  }

  #exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = this.#last.then(() => {
      this.hasBegun = false;
      return work();
    });
    this.#last = run.catch(() => {});
    return run;
  }

  query<R>(source: string, values: readonly Value[]): Promise<QueryResult<R>> {
    return this.#exclusive(async () => {
      requireFewParameters(values);
      const text = statementText(source);
      if (text.statements > 1) return this.#script<R>(text, values);
      if (values.length === 0 && !this.#statements.has(source)) return this.#once<R>(text);
      return this.#prepared<R>(source, text, values);
    });
  }

  /** What the parameters are; the statement is prepared on this connection from now on. */
  describe(source: string): Promise<readonly number[]> {
    return this.#exclusive(async () => {
      const { parameterTypes } = await this.#prepare(source, oneStatement(source));
      return parameterTypes;
    });
  }

  async #script<R>(text: StatementText, values: readonly Value[]): Promise<QueryResult<R>> {
    if (values.length > 0) {
      throw new AlopexError('syntax_error', 'a script of several statements takes no parameters');
    }
    return this.#read<R>(serialize.query(text.text), text, serialize.copyFail(copyRefused));
  }

  /** Without parameters, in one round trip, and the server keeps nothing of it. */
  #once<R>(text: StatementText): Promise<QueryResult<R>> {
    return this.#read<R>(
      Buffer.concat([
        serialize.parse({ text: text.text }),
        serialize.bind({}),
        serialize.describe({ type: 'P' }),
        serialize.execute({}),
        serialize.sync(),
      ]),
      text,
      refuseCopyThenSync(),
    );
  }

  /** A statement by itself, under `alopex.request_id`: set for its transaction, in the same round trip. */
  once<R>(requestId: string, source: string, values: readonly Value[]): Promise<QueryResult<R>> {
    return this.#exclusive(async () => {
      requireFewParameters(values);
      const text = oneStatement(source);
      const statement = await this.#prepare(source, text);
      const reader = new ResultReader<R>(this.#context);
      let isNamed = false;
      this.hasBegun = true;
      await this.#wire.exchange({
        bytes: Buffer.concat([
          serialize.parse({ text: "SELECT set_config('alopex.request_id', $1, true)" }),
          serialize.bind({ values: [requestId] }),
          serialize.execute({}),
          serialize.bind({ statement: statement.name, values: parameterTexts(statement, values) }),
          serialize.describe({ type: 'P' }),
          serialize.execute({}),
          serialize.sync(),
        ]),
        placeOf: text.placeOf,
        onMessage: (message) => {
          if (message.name === 'copyInResponse') this.#wire.reply(refuseCopyThenSync());
          if (isNamed) reader.onMessage(message);
          if (message.name === 'commandComplete') isNamed = true;
        },
      });
      return reader.result;
    });
  }

  async #prepared<R>(source: string, text: StatementText, values: readonly Value[]): Promise<QueryResult<R>> {
    const statement = await this.#prepare(source, text);
    return this.#read<R>(
      Buffer.concat([
        serialize.bind({ statement: statement.name, values: parameterTexts(statement, values) }),
        serialize.describe({ type: 'P' }),
        serialize.execute({}),
        serialize.sync(),
      ]),
      text,
      refuseCopyThenSync(),
    );
  }

  /**
   * Once for each of the parameters, all in one transaction: so many in a step, and Sync behind the last. The rows
   * affected in all.
   */
  executeMany(source: string, rows: Iterable<readonly Value[]>): Promise<number> {
    return this.#exclusive(async () => {
      const statement = await this.#prepare(source, oneStatement(source));
      let count = 0;
      try {
        for (const parts of executionsOf(statement, rows)) count += await this.#executeStep(statement, parts);
      } catch (error) {
        // What is wrong here is not known there: a portal that is none fails the transaction.
        if (this.isOpen) await this.#end(serialize.execute({ portal: 'alopex_failed' })).catch(() => {});
        throw error;
      }
      await this.#end();
      return count;
    });
  }

  async #executeStep({ text }: ServerStatement, executions: readonly Uint8Array[]): Promise<number> {
    let answers = 0;
    let count = 0;
    this.hasBegun = true;
    await this.#wire.exchange({
      bytes: Buffer.concat([...executions, serialize.flush()]),
      placeOf: text.placeOf,
      onMessage: (message) => {
        if (message.name === 'copyInResponse') this.#wire.reply(serialize.copyFail(copyRefused));
        if (message.name === 'copyOutResponse') throw unsupported('COPY through executeMany()');
        if (message.name === 'commandComplete')
          count += parseTag((message as CommandCompleteMessage).text).rowCount;
      },
      isLast: ({ name }) =>
        name === 'error' ||
        ((name === 'commandComplete' || name === 'emptyQuery') && ++answers === executions.length),
    });
    return count;
  }

  /** Ends the extended protocol's implicit transaction. */
  #end(...parts: readonly Uint8Array[]): Promise<void> {
    return this.#wire.exchange({ bytes: Buffer.concat([...parts, serialize.sync()]), onMessage: () => {} });
  }

  async #read<R>(bytes: Uint8Array, text: StatementText, copyRefusal: Uint8Array): Promise<QueryResult<R>> {
    const reader = new ResultReader<R>(this.#context);
    this.hasBegun = true;
    await this.#wire.exchange({
      bytes,
      placeOf: text.placeOf,
      onMessage: (message) => {
        if (message.name === 'copyInResponse') this.#wire.reply(copyRefusal);
        reader.onMessage(message);
      },
    });
    return reader.result;
  }

  // ---- prepared statements

  async #prepare(source: string, text: StatementText): Promise<ServerStatement> {
    const known = this.#statements.get(source);
    if (known !== undefined) {
      this.#statements.delete(source);
      this.#statements.set(source, known);
      return known;
    }
    const name = `alopex_${++this.#names}`;
    let parameterTypes: readonly number[] = [];
    await this.#wire.exchange({
      bytes: Buffer.concat([
        ...this.#evicted().map((old) => serialize.close({ type: 'S', name: old.name })),
        serialize.parse({ name, text: text.text }),
        serialize.describe({ type: 'S', name }),
        serialize.sync(),
      ]),
      placeOf: text.placeOf,
      onMessage: (message) => {
        if (message.name === 'parameterDescription')
          parameterTypes = (message as ParameterDescriptionMessage).dataTypeIDs;
      },
    });
    const statement = { name, text, parameterTypes };
    this.#statements.set(source, statement);
    return statement;
  }

  #evicted(): readonly ServerStatement[] {
    const evicted: ServerStatement[] = [];
    for (const [source, statement] of this.#statements) {
      if (this.#statements.size < statementsMax) break;
      this.#statements.delete(source);
      evicted.push(statement);
    }
    return evicted;
  }

  // ---- streams

  /**
   * Rows through a portal, so many at a time; ending early frees it. Within a transaction every step ends with Sync,
   * which leaves portals open, and other statements may run between; outside one Sync would end the portal, so it
   * comes last.
   */
  async *stream<R>(source: string, values: readonly Value[]): AsyncGenerator<R> {
    const isShared = this.isInTransaction;
    requireFewParameters(values);
    const text = oneStatement(source);
    const reader = new ResultReader<R>(this.#context);
    const name = `alopex_${++this.#names}`;
    const step = (parts: readonly Uint8Array[]): Promise<void> =>
      this.#wire.exchange({ ...stepOf(parts, isShared, reader), placeOf: text.placeOf });
    const execute = serialize.execute({ portal: name, rows: rowsPerFetch });
    try {
      await this.#exclusive(async () => {
        const statement = await this.#prepare(source, text);
        const bound = serialize.bind({
          portal: name,
          statement: statement.name,
          values: parameterTexts(statement, values),
        });
        await step([bound, serialize.describe({ type: 'P', name }), execute]);
      });
      yield* reader.takeRows();
      while (!reader.isDone) {
        await this.#exclusive(() => step([execute]));
        yield* reader.takeRows();
      }
    } finally {
      if (this.isOpen) await this.#exclusive(() => this.#closePortal(name));
    }
  }

  // ---- changes

  /** Committed changes, for ever: the connection is of no other use, and ends with it. */
  async *tail(options: TailOptions): AsyncGenerator<Change> {
    const arrivals = new ChangeArrivals(this.#wire, this.#context);
    const stop = (): void => this.destroy(closed());
    options.signal?.addEventListener('abort', stop, { once: true });
    try {
      if (options.signal?.aborted === true) return;
      for await (const change of arrivals.changes(tailText(options))) {
        yield change;
        if (options.signal?.aborted) return;
      }
    } catch (error) {
      if (options.signal?.aborted !== true) throw error;
    } finally {
      options.signal?.removeEventListener('abort', stop);
      stop();
    }
  }

  #closePortal(name: string): Promise<void> {
    return this.#end(serialize.close({ type: 'P', name }));
  }
}

const copyRefused = 'COPY through query() is not supported';

/** The server has passed over the Sync that was sent behind Execute: it wants another (PostgreSQL manual, 55.2.6). */
function refuseCopyThenSync(): Uint8Array {
  return Buffer.concat([serialize.copyFail(copyRefused), serialize.sync()]);
}

function oneStatement(source: string): StatementText {
  const text = statementText(source);
  if (text.statements === 1) return text;
  throw new AlopexError('syntax_error', 'one statement is expected here');
}

function requireFewParameters(values: readonly Value[]): void {
  if (values.length <= parametersMax) return;
  throw new AlopexError('program_limit_exceeded', `more than ${parametersMax} parameters, by url`, {
    hint: 'One array holds any number of values: id = ANY($1).',
  });
}

/** Their number is the server's to check: it fails the transaction, too. */
function parameterTexts({ parameterTypes }: ServerStatement, values: readonly Value[]): (string | null)[] {
  return values.map((value, index) =>
    value === null || value === undefined ? null : parameterText(value, parameterTypes[index] ?? 0),
  );
}

/** Bind and Execute of each of the parameters, as many at a time as are worth a round trip. */
function* executionsOf(
  statement: ServerStatement,
  rows: Iterable<readonly Value[]>,
): Generator<readonly Uint8Array[]> {
  let step: Uint8Array[] = [];
  let bytes = 0;
  for (const values of rows) {
    requireFewParameters(values);
    const bound = serialize.bind({ statement: statement.name, values: parameterTexts(statement, values) });
    step.push(Buffer.concat([bound, serialize.execute({})]));
    bytes += bound.length;
    if (bytes < bytesPerStep) continue;
    yield step;
    step = [];
    bytes = 0;
  }
  if (step.length > 0) yield step;
}

function stepOf<R>(parts: readonly Uint8Array[], isShared: boolean, reader: ResultReader<R>): Exchange {
  const onMessage = (message: BackendMessage): void => reader.onMessage(message);
  if (isShared) return { bytes: Buffer.concat([...parts, serialize.sync()]), onMessage };
  return {
    bytes: Buffer.concat([...parts, serialize.flush()]),
    onMessage,
    isLast: ({ name }) => stepEnds.has(name),
  };
}

const stepEnds: ReadonlySet<string> = new Set([
  'portalSuspended',
  'commandComplete',
  'emptyQuery',
  'error',
  'copyOutResponse',
  'copyInResponse',
]);
