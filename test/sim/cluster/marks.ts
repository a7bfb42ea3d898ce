import type { Queryable } from '../../../api/database/database.ts';
import type { ReplicationMode } from '../../../api/database/replication.ts';
import type { MarkedTransaction } from '../checkers/acknowledged.ts';
import type { Isolation } from '../checkers/list-append.ts';
import type { Client, Told } from './client.ts';
import { copiesOf } from './copies.ts';
import { inSession } from './session.ts';

/** What snapshot isolation is called in PostgreSQL. */
export const isolationNames = {
  'read committed': 'read committed',
  'snapshot isolation': 'repeatable read',
  serializable: 'serializable',
} as const satisfies Readonly<Record<Isolation, string>>;

export const insertMark = 'INSERT INTO marks VALUES ($1)';

/** Requests with one id, and questions for one outcome. */
const triesMax = 8;
const retryMsMax = 1500;
/** Of transactions that ask for more copies than others do. */
const strongerProbability = 0.2;
const strongerModes: Readonly<Record<ReplicationMode, readonly [ReplicationMode, ...ReplicationMode[]]>> = {
  sync: ['sync'],
  'semi-sync': ['sync'],
  async: ['semi-sync', 'sync'],
};

type Marked = {
  readonly id: string;
  readonly told: Told<null>;
  readonly called: number;
  readonly answered: number | null;
};
type Work = (there: {
  readonly queries: Queryable;
  readonly pause: (delayMs: number) => Promise<void>;
}) => Promise<void>;

export const outcomeOf: Readonly<Record<Told<null>['kind'], MarkedTransaction['outcome']>> = {
  done: 'acknowledged',
  refused: 'refused',
  unknown: 'unknown',
};

/** In one transaction, on the primary: `work`, and the mark. */
export async function withMark(
  client: Client,
  what: string,
  isolation: Isolation,
  work: Work,
): Promise<Marked> {
  const { random } = client;
  const mode = random.chance(strongerProbability) ? random.pick(strongerModes[client.mode]) : client.mode;
  const marked = await mark(client, what, isolation, mode, work);
  note(client, marked, mode, marked.by);
  return marked;
}

async function mark(
  client: Client,
  what: string,
  isolation: Isolation,
  mode: ReplicationMode,
  work: Work,
): Promise<Marked & { readonly by: string | null }> {
  const { history } = client;
  const id = client.nextId();
  const settings = mode === client.mode ? {} : { 'alopex.replication_mode': mode };
  const called = history.next();
  let primary: string | null = null;
  const told = await client.onPrimary(`${what} ${id}`, ({ database, by, byNow, cluster, pause }) =>
    inSession(database, settings, async (own, session) => {
      await own.transaction(
        async (queries) => {
          await work({ queries, pause });
          await queries.execute(insertMark, [id]);
        },
        { isolation: isolationNames[isolation] },
      );
      const end = session.lastCommit?.offset ?? 0;
      const copies = copiesOf(cluster, database, { id, mode, end });
      if (copies !== null) history.copies.push(copies);
      // A node that does not lead any more sends on what has not begun.
      if (byNow() === by) primary = by;
      return null;
    }),
  );
  return { id, told, called, answered: told.kind === 'unknown' ? null : history.next(), by: primary };
}

function note(
  client: Client,
  { id, told, called, answered }: Marked,
  mode: ReplicationMode,
  primary: string | null,
): void {
  const { history } = client;
  history.marked.push({ id, called, answered, outcome: outcomeOf[told.kind], mode, primary });
  if (told.kind === 'done' && mode !== 'async') history.answeredMs.set(id, client.nowMs);
}

/** One statement under a request id, again and again until somebody answers: it is there once. */
export async function writeOnce(client: Client): Promise<void> {
  const { history, mode, random } = client;
  const id = client.nextId();
  const called = history.next();
  let told: Told<null> = { kind: 'refused', condition: 'cannot_connect_now' };
  let isUnknown = false;
  for (let tries = 0; tries < triesMax && told.kind !== 'done'; tries++) {
    if (tries > 0) await client.pause(random.between(0, retryMsMax));
    told = await client.onAny(`once ${id}`, async ({ database }) => {
      await database.once(`request ${id}`, insertMark, [id]);
      return null;
    });
    isUnknown ||= told.kind === 'unknown';
  }
  if (told.kind !== 'done' && isUnknown) told = { kind: 'unknown' };
  const answered = told.kind === 'unknown' ? null : history.next();
  // Whoever was asked, the primary may be another.
  note(client, { id, told, called, answered }, mode, null);
}

/** A transaction whose answer is lost: `txid_status` says what became of it. */
export async function askOutcome(client: Client): Promise<void> {
  const { mode, random } = client;
  let transaction: unknown = null;
  const marked = await mark(client, 'numbered', 'read committed', mode, async ({ queries }) => {
    const { rows } = await queries.query<{ id: unknown }>('SELECT txid_current() AS id');
    transaction = rows[0]!.id;
  });
  if (marked.told.kind !== 'unknown' || transaction === null) {
    note(client, marked, mode, marked.by);
    if (marked.told.kind === 'done' && mode !== 'async') await askAtOnce(client, marked, `${transaction}`);
    return;
  }
  for (let tries = 0; tries < triesMax; tries++) {
    await client.pause(random.between(0, retryMsMax));
    const status = await statusOf(client, marked.id, `${transaction}`);
    if (status !== 'committed' && status !== 'aborted') continue;
    const isCommitted = status === 'committed';
    const outcome: Told<null> = isCommitted
      ? { kind: 'done', value: null }
      : { kind: 'refused', condition: 'serialization_failure' };
    // What is in the log of a quorum stays, in every mode.
    const known = isCommitted && mode === 'async' ? 'semi-sync' : mode;
    note(client, { ...marked, told: outcome, answered: client.history.next() }, known, marked.by);
    return;
  }
  note(client, marked, mode, marked.by);
}

/** Whatever node it is, and however far: what was acknowledged is not called aborted. */
async function askAtOnce(client: Client, { id, called }: Marked, transaction: string): Promise<void> {
  const { history, mode } = client;
  if ((await statusOf(client, id, transaction)) !== 'aborted') return;
  history.marked.push({ id, called, answered: history.next(), outcome: 'refused', mode, primary: null });
}

async function statusOf(client: Client, id: string, transaction: string): Promise<string | null> {
  const told = await client.onAny(`status of ${id}`, ({ database }) =>
    database.query<{ status: string | null }>(`SELECT txid_status(${transaction}) AS status`),
  );
  return told.kind === 'done' ? told.value.rows[0]!.status : null;
}
