import type { Queryable } from '../../../api/database/database.ts';
import type { Client } from './client.ts';
import { insertMark } from './marks.ts';
import { inSession } from './session.ts';

const stalenessMsMax = 500;
/** What a message takes, and clocks that differ in speed. */
const toleranceMs = 500;

/** A session writes a mark on any node, and sees it; so does, with its token, another one on another node. */
export async function readOwn(client: Client): Promise<void> {
  const { history, mode } = client;
  const id = client.nextId();
  const called = history.next();
  let token = '';
  const told = await client.onAny(`own write ${id}`, ({ database, by }) =>
    inSession(database, {}, async (own, session) => {
      await own.execute(insertMark, [id]);
      const { epoch, offset } = session.lastCommit!;
      token = `${epoch}/${offset}`;
      return { by, isSeen: await hasMark(own, id) };
    }),
  );
  const answered = told.kind === 'done' ? history.next() : null;
  // What fails may be the read.
  const outcome = told.kind === 'done' ? 'acknowledged' : 'unknown';
  history.marked.push({ id, called, answered, outcome, mode, primary: null });
  // What async loses again is not seen.
  if (told.kind !== 'done' || mode === 'async') return;
  history.answeredMs.set(id, client.nowMs);
  history.ownReads.push({ id, at: `its own session on ${told.value.by}`, isSeen: told.value.isSeen });
  const read = await client.onAny(`await ${token}`, ({ database, by }) =>
    inSession(database, { 'alopex.await_token': token }, async (own) => {
      return { by, isSeen: await hasMark(own, id) };
    }),
  );
  if (read.kind !== 'done') return;
  const { by, isSeen } = read.value;
  history.ownReads.push({ id, at: `a session on ${by} that awaits ${token}`, isSeen });
}

async function hasMark(queries: Queryable, id: string): Promise<boolean> {
  return (await queries.query('SELECT id FROM marks WHERE id = $1', [id])).rows.length > 0;
}

/** On any node, which may answer with what is not older than so. */
export async function readFresh(client: Client): Promise<void> {
  const settings = { 'alopex.max_staleness': `${stalenessMsMax}ms` };
  const told = await client.onAny('marks', ({ database, by }) =>
    inSession(database, settings, async (own) => {
      const calledMs = client.nowMs;
      const { rows } = await own.query<{ id: string }>('SELECT id FROM marks');
      return { by, calledMs, seen: new Set(rows.map(({ id }) => id)) };
    }),
  );
  if (told.kind !== 'done') return;
  const { by, calledMs, seen } = told.value;
  const read = { at: `${client.name} on ${by}`, calledMs, seen };
  client.history.freshReads.push({ ...read, stalenessMsMax: stalenessMsMax + toleranceMs });
}
