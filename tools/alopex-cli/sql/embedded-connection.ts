import { resolve } from 'node:path';
import type {
  CopyInPortal,
  CopyOutPortal,
  Portal,
  RowsPortal,
  Session,
} from '../../../api/database/contract.ts';
import { databaseName, Engine } from '../../../api/database/engine.ts';
import { realEnv } from '../../../base/env/real/env.ts';
import { type AlopexError, asAlopexError } from '../../../base/errors.ts';
import { unreachable } from '../../../base/unreachable.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import type { ResultHandler, ShellConnection, ShellNotice } from './connection.ts';

const superuser = 'alopex';
const cacheBytes = 256 * 1024 * 1024;

/** Opens the database of a directory in this process; made when it is not there. */
export async function openEmbedded(path: string): Promise<ShellConnection> {
  const place = resolve(path);
  const engine = await Engine.open({
    env: realEnv(),
    path: place,
    cacheBytes,
    connectionsMax: 1,
    settings: {},
    onProblem: (problem) => process.emitWarning(problem),
  });
  const session = engine.connect({
    user: superuser,
    database: databaseName,
    settings: { application_name: 'alopex-cli' },
    clientAddress: null,
  });
  return new EmbeddedConnection(engine, session, place);
}

class EmbeddedConnection implements ShellConnection {
  readonly place: string;
  onNotice: (notice: ShellNotice) => void = () => {};
  readonly #engine: Engine;
  readonly #session: Session;

  constructor(engine: Engine, session: Session, place: string) {
    this.place = place;
    this.#engine = engine;
    this.#session = session;
    session.onNotice = ({ severity, error }) =>
      this.onNotice({
        severity,
        message: error.message,
        detail: error.detail ?? null,
        hint: error.hint ?? null,
      });
  }

  get user(): string {
    return this.#session.user;
  }
  get database(): string {
    return this.#session.database;
  }
  get status(): 'idle' | 'transaction' | 'failed' {
    return this.#session.status;
  }

  async run(sql: string, handler: ResultHandler): Promise<void> {
    const session = this.#session;
    for (const statement of session.parse(sql)) {
      const tag = await this.#runStatement(statement, handler);
      if (tag !== null) await handler.complete(tag);
    }
  }

  /** What the handler throws, a file that cannot be read, fails the transaction as the engine's own errors do. */
  async #runStatement(statement: ParsedStatement, handler: ResultHandler): Promise<string | null> {
    const session = this.#session;
    try {
      const prepared = await session.prepare(statement, []);
      const tag = await this.#answer(await session.bind(prepared, []), handler);
      await session.sync();
      return tag;
    } catch (thrown) {
      const error = asAlopexError(thrown);
      await session.fail(error);
      throw error;
    }
  }

  /** The command tag; null for an empty statement. */
  async #answer(portal: Portal, handler: ResultHandler): Promise<string | null> {
    switch (portal.kind) {
      case 'empty':
        return null;
      case 'command':
        return portal.tag;
      case 'rows':
        return this.#rows(portal, handler);
      case 'copy-in':
        return copyIn(portal, handler);
      case 'copy-out':
        return copyOut(portal, handler);
      default:
        return unreachable(portal);
    }
  }

  async #rows(portal: RowsPortal, handler: ResultHandler): Promise<string> {
    const { functions } = this.#session;
    const codecs = portal.columns.map(({ type }) => ({ codec: codecOf(type.oid), type }));
    handler.columns(portal.columns.map(({ name, type }) => ({ name, type: type.oid })));
    let sent = 0;
    try {
      for (let isDone = false; !isDone; ) {
        const fetched = await portal.fetch(0);
        await handler.rows(
          fetched.rows.map((row) =>
            codecs.map(({ codec, type }, at) => {
              const datum = row[at]!;
              return datum === null ? null : codec.format(datum, type, functions);
            }),
          ),
        );
        sent += fetched.rows.length;
        isDone = fetched.isDone;
      }
    } finally {
      portal.close();
    }
    return portal.tag(sent);
  }

  cancel(): void {
    this.#session.cancel();
  }

  async close(): Promise<void> {
    await this.#session.close();
    await this.#engine.close();
  }
}

/** What is left of the input of a COPY that failed is read all the same: it is data, not statements. */
async function copyIn(portal: CopyInPortal, handler: ResultHandler): Promise<string> {
  let problem: AlopexError | null = null;
  for await (const chunk of handler.copyIn()) {
    if (problem === null) problem = await portal.write(chunk).then(() => null, asAlopexError);
    // Who cancels wants to be done with it.
    if (problem?.condition === 'query_canceled') break;
  }
  if (problem !== null) throw problem;
  return portal.finish();
}

async function copyOut(portal: CopyOutPortal, handler: ResultHandler): Promise<string> {
  try {
    for (let chunk = await portal.read(); chunk !== null; chunk = await portal.read()) {
      await handler.copyOut(chunk);
    }
  } finally {
    portal.close();
  }
  return portal.tag;
}
