import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { Portal } from '../database/contract.ts';
import type { EngineSession } from '../database/session.ts';
import type { Prepared } from '../database/statements/prepare.ts';
import { Emitter } from './emitter.ts';
import { clientParameter } from './parameter.ts';
import { type FieldDef, fieldDef, type TypeParsers } from './result.ts';

/** A query that speaks the protocol itself, as pg-cursor's Cursor and pg-query-stream's QueryStream do. */
export type Submittable = { submit(connection: unknown): void };

/** What it is told, in the protocol's order. */
type Listening = Submittable & {
  _result?: { _types?: TypeParsers | undefined } | undefined;
  handleRowDescription(message: { readonly fields: readonly FieldDef[] }): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handlePortalSuspended(): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handleReadyForQuery(connection: unknown): void;
  handleError(error: Error): void;
};

/**
 * The extended protocol as node-postgres's Connection has it, over a session of this process, for one query that
 * submits itself. As on the wire, calls are answered in their order, after an error nothing is until `sync`, and with
 * the answer to `sync` the query is over.
 */
export class SubmittedConnection extends Emitter {
  readonly #session: EngineSession;
  readonly #query: Listening;
  readonly #over = Promise.withResolvers<void>();
  #last: Promise<void> = Promise.resolve();
  #prepared: Prepared | null = null;
  #portal: Portal | null = null;
  #isFailed = false;

  constructor(session: EngineSession, query: Submittable, types: TypeParsers) {
    super();
    this.#session = session;
    this.#query = query as Listening;
    if (this.#query._result !== undefined) this.#query._result._types ??= types;
  }

  /** Until the query has said that it is over. */
  run(): Promise<void> {
    this.#query.submit(this);
    return this.#over.promise;
  }

  parse({ text }: { readonly text: string }): void {
    this.#then(async () => {
      const [statement, ...others] = this.#session.parse(text);
      if (others.length > 0) {
        throw new AlopexError('syntax_error', 'cannot insert multiple commands into a prepared statement');
      }
      this.#prepared = statement === undefined ? null : await this.#session.prepare(statement, []);
    });
  }

  bind({ values }: { readonly values?: readonly unknown[] | null }): void {
    this.#then(async () => {
      if (this.#prepared === null) {
        this.#portal = { kind: 'empty' };
        return;
      }
      const { parameterTypes } = this.#prepared;
      const given = values ?? [];
      if (given.length !== parameterTypes.length) {
        throw new AlopexError(
          'protocol_violation',
          `bind message supplies ${given.length} parameters, but prepared statement "" requires ${parameterTypes.length}`,
        );
      }
      const { functions } = this.#session;
      const parameters = parameterTypes.map((oid, index) => clientParameter(given[index], oid, functions));
      this.#portal = await this.#session.bind(this.#prepared, parameters);
    });
  }

  describe(): void {
    this.#then(async () => {
      if (this.#portal?.kind !== 'rows') {
        this.emit('noData');
        return;
      }
      this.emit('rowDescription');
      this.#query.handleRowDescription({ fields: this.#portal.columns.map(fieldDef) });
    });
  }

  execute({ rows }: { readonly rows?: number }): void {
    this.#then(() => this.#execute(rows ?? 0));
  }

  async #execute(rowsMax: number): Promise<void> {
    const portal = this.#portal;
    if (portal === null || portal.kind === 'empty') return this.#query.handleEmptyQuery();
    if (portal.kind === 'command') return this.#query.handleCommandComplete({ text: portal.tag });
    if (portal.kind !== 'rows')
      throw new AlopexError('feature_not_supported', 'COPY through query() is not supported');
    let sent = 0;
    for (;;) {
      const { rows, isDone } = await portal.fetch(rowsMax === 0 ? 0 : rowsMax - sent);
      for (const row of rows) this.#query.handleDataRow({ fields: this.#texts(portal.columns, row) });
      sent += rows.length;
      if (isDone) return this.#query.handleCommandComplete({ text: portal.tag(sent) });
      if (sent === rowsMax) return this.#query.handlePortalSuspended();
    }
  }

  #texts(columns: readonly OutputColumn[], row: readonly unknown[]): readonly (string | null)[] {
    return columns.map(({ type }, place) => {
      const datum = row[place] as Parameters<ReturnType<typeof codecOf>['format']>[0];
      return datum === null ? null : codecOf(type.oid).format(datum, type, this.#session.functions);
    });
  }

  close(): void {
    this.#then(async () => {
      if (this.#portal?.kind === 'rows') this.#portal.close();
      this.#portal = null;
    });
  }

  /** Answers go as they are made. */
  flush(): void {}

  sync(): void {
    this.#last = this.#last.then(async () => {
      if (!this.#isFailed) await this.#answer(async () => this.#session.sync());
      if (!this.#isFailed) this.#query.handleReadyForQuery(this);
      this.#over.resolve();
      this.emit('readyForQuery');
    });
  }

  #then(step: () => Promise<void>): void {
    this.#last = this.#last.then(() => (this.#isFailed ? undefined : this.#answer(step)));
  }

  async #answer(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (thrown) {
      const error = asAlopexError(thrown);
      this.#isFailed = true;
      this.#session.fail(error);
      this.#query.handleError(error);
    }
  }
}

/** For an error that kept the query from being submitted at all. */
export function tellError(query: Submittable, error: unknown): void {
  (query as Listening).handleError(asAlopexError(error));
}
