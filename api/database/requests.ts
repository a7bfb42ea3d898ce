import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import { AlopexError, unsupported } from '../../base/errors.ts';
import { indexId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import { datumToJson } from '../../log/events/layout-json.ts';
import { requestsLayout } from '../../log/events/system.ts';
import { primaryKeyOf, primaryKeyTextOf } from '../../materializers/rows/key.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import { sha256 } from '../../query/types/functions/sha2.ts';
import type { Portal, Rows, RowsPortal } from './contract.ts';
import type { Engine } from './engine.ts';
import type { EngineSession } from './session.ts';
import { listPortal } from './statements/list-portal.ts';
import type { Prepared } from './statements/prepare.ts';
import { tableRows } from './table-rows.ts';

/** How long a request's answer is known. */
export const requestKeptMs = 24 * 3_600_000;
/** Between two looks for requests that are older. */
const pruneEveryMs = 600_000;
/** Of one commit that takes them out. */
const pruneRowsMax = 1000;
/** Statements of one request. */
const statementsMax = 1000;

const statementsColumn = requestsLayout.columns[1]!.id;

/** A statement that was executed: which it was, and its tag. */
type Executed = readonly [hash: string, tag: string];

/**
 * A transaction's work for one request id. `place`: of the next statement that is not executed again. `executed`: for the first
 * time, with those that a savepoint has taken back: who repeats the transaction repeats them too.
 */
type OpenRequest = { readonly isRepeated: boolean; place: number; readonly executed: Executed[] };

/**
 * Statements that write under `alopex.request_id`. What a transaction wrote is noted in `alopex.requests`, in the
 * transaction itself; who comes with the same id later, to whatever node, gets the tags, and nothing is executed. Of two
 * at the same time the second one waits for the first to end.
 */
export class Requests {
  readonly #engine: Engine;
  readonly #open = new WeakMap<Transaction, Map<string, OpenRequest>>();
  #prunedMs: number;
  #pruning: Promise<void> = Promise.resolve();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#prunedMs = engine.env.clock.monotonicMs() - pruneEveryMs;
  }

  /** `execute`: for the first time. 22023 where the id was another statement's. */
  async run(
    session: EngineSession,
    prepared: Prepared,
    parameters: readonly Datum[],
    execute: () => Promise<Portal>,
  ): Promise<Portal> {
    const id = session.settings.require('alopex.request_id');
    const hash = hashOf(prepared, parameters);
    // Another one's end is waited for as a statement waits for a lock: it can be cancelled.
    const run = session.beginRun(prepared.statement);
    const { transaction } = run;
    const request = await this.#request(transaction, id);
    session.endRun(run);
    if (request.isRepeated) {
      const repeated = await this.#repeated(transaction, prepared, id, hash, request.place);
      request.place++;
      return repeated;
    }
    if (request.executed.length >= statementsMax)
      throw new AlopexError(
        'program_limit_exceeded',
        `a request is limited to ${statementsMax} statements that write`,
      );
    const portal = await executed(await execute());
    request.executed.push([hash, portal.kind === 'command' ? portal.tag : portal.tag(0)]);
    this.#note(transaction, id, request);
    this.#prune();
    return portal;
  }

  async #request(transaction: Transaction, id: string): Promise<OpenRequest> {
    let requests = this.#open.get(transaction);
    if (requests === undefined) {
      requests = new Map();
      this.#open.set(transaction, requests);
    }
    const known = requests.get(id);
    if (known !== undefined) return known;
    const { locks } = this.#engine.transactions;
    const key = primaryKeyTextOf(requestsLayout, [id, '', 0]);
    const locked = locks.lockEntry(transaction, requestsLayout, indexId(0), key, 'update');
    if (locked !== null) await locked;
    const request = { isRepeated: (await this.#noted(transaction, id)) !== null, place: 0, executed: [] };
    requests.set(id, request);
    return request;
  }

  /** As committed now, and as the transaction itself has it. */
  async #noted(transaction: Transaction, id: string): Promise<readonly Executed[] | null> {
    const key = primaryKeyOf(requestsLayout, [id, '', 0]);
    const view = this.#engine.transactions.newestView(transaction);
    const found = await this.#engine.reader.get(requestsLayout, key, view, [statementsColumn]);
    return found === null ? null : (JSON.parse(found.values[0] as string) as readonly Executed[]);
  }

  async #repeated(
    transaction: Transaction,
    { columns }: Prepared,
    id: string,
    hash: string,
    place: number,
  ): Promise<Portal> {
    const [known, tag] = (await this.#noted(transaction, id))?.[place] ?? [];
    if (known !== hash || tag === undefined) {
      throw new AlopexError(
        'invalid_parameter_value',
        `alopex.request_id "${id}" was given to another statement before`,
      );
    }
    return columns === null ? { kind: 'command', tag } : listPortal(columns, [], tag);
  }

  /** What a savepoint has taken back with the rest is noted again. */
  noteRollback(transaction: Transaction): void {
    for (const [id, request] of this.#open.get(transaction) ?? [])
      if (request.executed.length > 0) this.#note(transaction, id, request);
  }

  #note(transaction: Transaction, id: string, { executed }: OpenRequest): void {
    const row = [id, JSON.stringify(executed), transaction.startedMicros];
    const key = primaryKeyTextOf(requestsLayout, row);
    transaction.pending.put(requestsLayout, key, row, null, transaction.command++);
  }

  /** In the background, and in no transaction of anybody's. */
  #prune(): void {
    const nowMs = this.#engine.env.clock.monotonicMs();
    if (nowMs - this.#prunedMs < pruneEveryMs) return;
    this.#prunedMs = nowMs;
    this.#pruning = this.#pruneAll().catch(() => {
      // What could not be taken out now is at the next look.
    });
  }

  async #pruneAll(): Promise<void> {
    const { transactions, reader, env } = this.#engine;
    const oldest = (env.clock.wallMs() - requestKeptMs) * 1000;
    const view = { at: transactions.visible, pending: null };
    let old: Rows[number][] = [];
    for await (const rows of tableRows(reader, requestsLayout, view)) {
      for (const row of rows) if (Number(row[2]) < oldest) old.push(row);
      if (old.length < pruneRowsMax) continue;
      await this.#remove(old);
      old = [];
    }
    if (old.length > 0) await this.#remove(old);
  }

  #remove(rows: Rows): Promise<void> {
    const { transactions } = this.#engine;
    const transaction = transactions.begin('read committed', false);
    for (const row of rows) {
      const key = primaryKeyTextOf(requestsLayout, row);
      transaction.pending.put(requestsLayout, key, null, row, transaction.command);
    }
    return transactions.commit(transaction);
  }

  /** Before the database closes. */
  settled(): Promise<void> {
    return this.#pruning;
  }
}

function hashOf({ statement: { source } }: Prepared, parameters: readonly Datum[]): string {
  const text = JSON.stringify([source, parameters.map(datumToJson)]);
  return Array.from(sha256(stringToUtf8(text)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** All of it, so that its tag is known before the transaction ends. */
async function executed(portal: Portal): Promise<Extract<Portal, { kind: 'command' }> | RowsPortal> {
  switch (portal.kind) {
    case 'command':
      return portal;
    case 'rows': {
      const rows: Rows[number][] = [];
      for (let isDone = false; !isDone; ) {
        const fetched = await portal.fetch(0);
        for (const row of fetched.rows) rows.push(row);
        isDone = fetched.isDone;
      }
      return listPortal(portal.columns, rows, portal.tag(rows.length));
    }
    default:
      throw unsupported('COPY with alopex.request_id');
  }
}
