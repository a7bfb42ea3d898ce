import type { ClosePortalStmt, DeclareCursorStmt, FetchStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import { requireBlock } from '../blocks.ts';
import type { Portal, RowsPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { momentsOf } from '../time-travel.ts';
import { cursorQuery, type Prepared, prepareQuery } from './prepare.ts';
import { runQuery } from './query.ts';

/** DECLARE's options, as the parser has them. */
const scroll = 0x02;
const hold = 0x20;
/** What the parser has for ALL. */
const all = 2 ** 31 - 1;
const cursorsMax = 1_000;

/**
 * The cursors of a session's transaction, by name: portals that FETCH draws from, forward. They read what was there
 * when they were declared. Ended with their transaction, or closed, they are forgotten.
 */
export class Cursors {
  readonly #session: EngineSession;
  readonly #portals = new Map<string, RowsPortal>();
  #transaction: EngineSession['transaction'] = null;

  constructor(session: EngineSession) {
    this.#session = session;
  }

  /** Those of the transaction that runs now. */
  get #open(): Map<string, RowsPortal> {
    const { transaction } = this.#session;
    if (transaction !== this.#transaction) this.#portals.clear();
    this.#transaction = transaction;
    return this.#portals;
  }

  has(name: string): boolean {
    return this.#open.has(name);
  }

  columnsOf(name: string): readonly OutputColumn[] | null {
    return this.#open.get(name)?.columns ?? null;
  }

  async declare(
    { statement, parameterTypes }: Prepared,
    node: DeclareCursorStmt,
    parameters: readonly Datum[],
  ): Promise<string> {
    const session = this.#session;
    const name = node.portalname ?? '';
    const options = node.options ?? 0;
    if ((options & hold) !== 0) throw unsupported('DECLARE CURSOR … WITH HOLD');
    if ((options & scroll) !== 0) throw unsupported('DECLARE SCROLL CURSOR');
    requireBlock(session, 'DECLARE CURSOR');
    const open = this.#open;
    if (open.has(name)) throw new AlopexError('duplicate_cursor', `cursor "${name}" already exists`);
    if (open.size >= cursorsMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a transaction cannot declare more than ${cursorsMax} cursors`,
      );
    }
    const query = cursorQuery(statement);
    if (query === null) throw unsupported('a cursor of this statement');
    const moments = await momentsOf(session, query, parameterTypes, parameters);
    const prepared = prepareQuery(session, query, parameterTypes, moments);
    const portal = await runQuery(session, prepared, parameters);
    if (portal.kind !== 'rows') throw unsupported('a cursor of a statement without rows');
    session.pauseCurrentRun();
    open.set(name, portal);
    return 'DECLARE CURSOR';
  }

  fetch(node: FetchStmt): RowsPortal {
    const portal = this.#named(node.portalname ?? '');
    return limited(portal, countOf(node), 'FETCH');
  }

  async move(node: FetchStmt): Promise<string> {
    const portal = this.#named(node.portalname ?? '');
    const passed = limited(portal, countOf(node), 'MOVE');
    let count = 0;
    for (let isDone = false; !isDone; ) {
      const fetched = await passed.fetch(0);
      count += fetched.rows.length;
      isDone = fetched.isDone;
    }
    return passed.tag(count);
  }

  close({ portalname }: ClosePortalStmt): string {
    if (portalname === undefined) {
      for (const portal of this.#open.values()) portal.close();
      this.#open.clear();
      return 'CLOSE CURSOR ALL';
    }
    this.#named(portalname).close();
    this.#open.delete(portalname);
    return 'CLOSE CURSOR';
  }

  #named(name: string): RowsPortal {
    const portal = this.#open.get(name);
    if (portal !== undefined) return portal;
    throw new AlopexError('invalid_cursor_name', `cursor "${name}" does not exist`);
  }
}

export async function runFetch(session: EngineSession, node: FetchStmt): Promise<Portal> {
  if (node.ismove === true) return { kind: 'command', tag: await session.cursors.move(node) };
  return session.cursors.fetch(node);
}

/** How many rows; infinite for ALL. */
function countOf(node: FetchStmt): number {
  const { direction = 'FETCH_FORWARD' } = node;
  const howMany = Number(node.howMany ?? 0);
  if (direction === 'FETCH_FORWARD' && howMany === all) return Number.POSITIVE_INFINITY;
  if ((direction === 'FETCH_FORWARD' || direction === 'FETCH_RELATIVE') && howMany === 1) return 1;
  if (direction === 'FETCH_FORWARD' && howMany > 0) return howMany;
  throw new AlopexError('object_not_in_prerequisite_state', 'cursor can only scan forward', {
    hint: 'Cursors are not declared with SCROLL here: FETCH NEXT, FORWARD and ALL are what they do.',
  });
}

/** So many rows of a portal that goes on afterwards. */
function limited(portal: RowsPortal, count: number, command: 'FETCH' | 'MOVE'): RowsPortal {
  let left = count;
  return {
    kind: 'rows',
    columns: portal.columns,
    async fetch(rowsMax) {
      const wanted = Math.min(left, rowsMax === 0 ? Number.POSITIVE_INFINITY : rowsMax);
      const { rows, isDone } = await portal.fetch(Number.isFinite(wanted) ? wanted : 0);
      left -= rows.length;
      return { rows, isDone: isDone || left === 0 };
    },
    tag: (rowsSent) => `${command} ${rowsSent}`,
    close() {
      left = 0;
    },
  };
}
