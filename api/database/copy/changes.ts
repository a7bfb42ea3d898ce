import { stringToUtf8 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import type { TableReference } from '../../../query/sql/ast.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../../query/types/function.ts';
import { requireAccess, roleOf } from '../access.ts';
import type { CopyOutPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { requireTable } from '../statements/tables.ts';
import { type ChangedRow, type RowChange, tailBatches } from '../tail.ts';
import type { CopyOptionSource } from './options.ts';

/** One line of COPY … (FORMAT changes), in JSON. Values are SQL's text forms, by column; null is NULL. */
export type ChangeLine = {
  readonly schema: string;
  readonly table: string;
  readonly operation: RowChange['operation'];
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly committedAt: number;
  readonly transaction: number;
  /** The columns' types, by their oids. */
  readonly types: Readonly<Record<string, number>>;
  readonly before: Readonly<Record<string, string | null>> | null;
  readonly after: Readonly<Record<string, string | null>> | null;
};

/** What stands for all tables. */
const allTables = { schema: 'alopex', name: 'log' } as const;

export function isChangesFormat(options: readonly CopyOptionSource[]): boolean {
  return options.some(({ name, value }) => name === 'format' && value === 'changes');
}

/**
 * COPY t TO STDOUT (FORMAT changes, FROM 12): the committed changes of a table, or with COPY alopex.log of all, from an
 * offset or from now on, for as long as the client listens. It is `Database.tail`, for whoever speaks the wire.
 */
export function copyChanges(
  session: EngineSession,
  statement: ParsedStatement,
  named: Pick<TableReference, 'schema' | 'name'>,
  options: readonly CopyOptionSource[],
): CopyOutPortal {
  const from = fromOption(options);
  const { table, requireFollowed } = followed(session, named);
  const run = session.beginRun(statement);
  const stop = new AbortController();
  run.onEnd = () => stop.abort();
  const batches = tailBatches(session.engine, {
    signal: stop.signal,
    ...(from === null ? {} : { from }),
    ...(table === null ? {} : { table }),
  });
  let lineEnds: readonly number[] = [];
  let count = 0;
  return {
    kind: 'copy-out',
    format: 'text',
    columnCount: 1,
    isEndless: true,
    read: () =>
      session.guarded(async () => {
        const { done, value } = await run.cancellable(batches.next());
        if (done === true) return null;
        requireFollowed();
        const lines = value.map((change) =>
          stringToUtf8(`${JSON.stringify(lineOf(change, session.functions))}\n`),
        );
        count += lines.length;
        let end = 0;
        lineEnds = lines.map(({ length }) => (end += length));
        return joined(lines, end);
      }),
    get lineEnds() {
      return lineEnds;
    },
    get tag() {
      return `COPY ${count}`;
    },
    close: () => session.endRun(run),
  };
}

function fromOption(options: readonly CopyOptionSource[]): number | null {
  let from: number | null = null;
  for (const { name, value } of options) {
    if (name === 'format') continue;
    if (name !== 'from') throw new AlopexError('syntax_error', `option "${name}" not recognized`);
    from = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : null;
    if (from === null) {
      throw new AlopexError('invalid_parameter_value', 'COPY FROM of changes takes an offset of the log');
    }
  }
  return from;
}

/** What is followed, null for all tables; what was granted is asked for again with each batch, for the stream has no end. */
function followed(
  session: EngineSession,
  { schema, name }: Pick<TableReference, 'schema' | 'name'>,
): { readonly table: string | null; readonly requireFollowed: () => void } {
  const isAll = schema === allTables.schema && name === allTables.name;
  const table = isAll ? null : requireTable(session, { schema, name });
  const requireFollowed = (): void => {
    if (table !== null) requireAccess(session, [{ table, privilege: 'SELECT' }]);
    else if (!roleOf(session).isSuperuser) {
      throw new AlopexError('insufficient_privilege', 'permission denied for the changes of all tables', {
        hint: 'Only a superuser reads them; name a table.',
      });
    }
  };
  requireFollowed();
  return { table: table === null ? null : qualifiedName(session, table), requireFollowed };
}

function qualifiedName(session: EngineSession, table: RelationDefinition): string {
  const namespace = session.catalog.byId(table.namespace);
  return namespace?.kind === 'namespace' ? `${namespace.name}.${table.name}` : table.name;
}

function lineOf(change: RowChange, functions: FunctionContext): ChangeLine {
  const { schema, table, operation, offset, committedAt, transaction, before, after } = change;
  const columns = [...(before?.columns ?? []), ...(after?.columns ?? [])];
  return {
    schema,
    table,
    operation,
    offset,
    committedAt: committedAt.getTime(),
    transaction,
    types: Object.fromEntries(columns.map(({ name, type }) => [name, type.oid])),
    before: textsOf(before, functions),
    after: textsOf(after, functions),
  };
}

function textsOf(row: ChangedRow | null, functions: FunctionContext): Record<string, string | null> | null {
  if (row === null) return null;
  return Object.fromEntries(
    row.columns.map(({ name, type }, place) => {
      const value = row.values[place]!;
      return [name, value === null ? null : codecOf(type.oid).format(value, type, functions)];
    }),
  );
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
