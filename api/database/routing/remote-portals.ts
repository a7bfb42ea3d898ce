import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import type { CopyInPortal, Portal, RowsPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import type { RemoteCall } from './messages.ts';
import { type Answered, ofBound, type RemoteSession } from './remote-session.ts';
import { readRow } from './values.ts';

type Row = readonly Datum[];

/** A statement that runs on another node, and its run here: the client's cancellation and time limit. */
export type RemoteRun = {
  readonly session: EngineSession;
  readonly remote: RemoteSession;
  readonly run: StatementRun;
};

/** What the other node answers, or the error of the cancellation, which is told there. */
export async function awaited(
  { run, remote }: Pick<RemoteRun, 'run' | 'remote'>,
  answer: Promise<Answered>,
): Promise<Answered> {
  let isAnswered = false;
  const answered = answer.finally(() => {
    isAnswered = true;
  });
  try {
    return await run.cancellable(answered);
  } catch (error) {
    if (!isAnswered) remote.cancel();
    throw error;
  }
}

/** A portal here over what was started there. The columns are those that the client was told of. */
export function remotePortal(
  started: RemoteRun,
  { answer, rest }: Answered,
  columns: readonly OutputColumn[] | null,
): Portal {
  const { session, run } = started;
  switch (answer.kind) {
    case 'rows':
      requireSameColumns(answer.columns, columns);
      return remoteRows(started, { answer, rest });
    case 'copy-in':
      return remoteCopyIn(started, answer.portal, answer);
    case 'command':
      session.endRun(run);
      return { kind: 'command', tag: answer.tag };
    default:
      session.endRun(run);
      return { kind: 'empty' };
  }
}

/** The other node may know the table as it was changed since. */
function requireSameColumns(there: readonly OutputColumn[], here: readonly OutputColumn[] | null): void {
  if (here === null) return;
  const isSame =
    there.length === here.length && there.every(({ type }, index) => type.oid === here[index]!.type.oid);
  if (!isSame) throw new AlopexError('feature_not_supported', 'cached plan must not change result type');
}

function rowsOf({ answer, rest }: Answered): readonly Row[] {
  if (answer.kind !== 'rows') return [];
  const types = answer.columns.map(({ type }) => type);
  return Array.from({ length: answer.count }, () => readRow(rest, types));
}

function remoteRows(started: RemoteRun, first: Answered): RowsPortal {
  const { session, remote, run } = started;
  if (first.answer.kind !== 'rows') throw new TypeError('rows are expected');
  const { portal, columns } = first.answer;
  let waiting = rowsOf(first);
  let tag = first.answer.tag;
  let isOver = false;
  const finish = (): void => {
    isOver = true;
    session.endRun(run);
  };
  run.onEnd = () => {
    if (tag === null) remote.call({ kind: 'close', portal }).catch(() => {});
  };
  const fill = async (): Promise<void> => {
    const fetched = await awaited(started, ofBound(remote, remote.call({ kind: 'fetch', portal })));
    waiting = rowsOf(fetched);
    if (fetched.answer.kind === 'rows') tag = fetched.answer.tag;
  };
  return {
    kind: 'rows',
    columns,
    fetch: (rowsMax) =>
      session.guarded(async () => {
        if (isOver) return { rows: [], isDone: true };
        session.resumeRun(run);
        run.checkCancelled();
        if (waiting.length === 0 && tag === null) await fill();
        const count = rowsMax === 0 ? waiting.length : Math.min(rowsMax, waiting.length);
        const rows = waiting.slice(0, count);
        waiting = waiting.slice(count);
        if (waiting.length === 0 && tag !== null) finish();
        else session.pauseRun(run);
        return { rows, isDone: isOver };
      }),
    tag: (rowsSent) => (tag?.startsWith('SELECT ') === true ? `SELECT ${rowsSent}` : (tag ?? '')),
    close: () => {
      if (!isOver) finish();
    },
  };
}

function remoteCopyIn(
  started: RemoteRun,
  portal: number,
  { format, columnCount }: Pick<CopyInPortal, 'format' | 'columnCount'>,
): CopyInPortal {
  const { session, remote, run } = started;
  const step = (call: RemoteCall, bytes?: Uint8Array): Promise<Answered> =>
    awaited(
      started,
      ofBound(remote, remote.call(call, null, bytes === undefined ? undefined : (out) => out.raw(bytes))),
    );
  return {
    kind: 'copy-in',
    format,
    columnCount,
    write: (chunk) =>
      session.guarded(async () => {
        await step({ kind: 'copy-write', portal }, chunk);
      }),
    finish: () =>
      session.guarded(async () => {
        const { answer } = await step({ kind: 'copy-finish', portal });
        session.endRun(run);
        return answer.kind === 'command' ? answer.tag : 'COPY 0';
      }),
    abort: (message) =>
      session.guarded(async () => {
        await step({ kind: 'copy-abort', portal, message });
        throw new AlopexError('query_canceled', `COPY from stdin failed: ${message}`);
      }),
  };
}
