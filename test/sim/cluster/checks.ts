import type { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import { crc32c } from '../../../base/bytes/crc32c.ts';
import { AlopexError, type Condition } from '../../../base/errors.ts';
import { decodeHeader } from '../../../log/record/header.ts';
import type { SegmentedLog } from '../../../log/segment/log.ts';
import { checkAcknowledged } from '../checkers/acknowledged.ts';
import type { Anomaly } from '../checkers/anomaly.ts';
import { checkBank } from '../checkers/bank.ts';
import { checkCopies } from '../checkers/copies.ts';
import { checkElections } from '../checkers/elections.ts';
import { checkListAppend, type ListTransaction } from '../checkers/list-append.ts';
import { checkLogs, type LogBatch, type NodeLog } from '../checkers/logs.ts';
import { checkRegisters } from '../checkers/registers.ts';
import { checkRows, type NodeRows } from '../checkers/rows.ts';
import { checkFreshReads, checkOwnReads } from '../checkers/visibility.ts';
import type { RunningNode } from './cluster.ts';
import type { FaultKind } from './faults.ts';
import type { History } from './history.ts';
import type { ClusterPlan } from './plan.ts';
import { accountCount, balanceTotal, listCount, readList } from './workload.ts';

/** What the database holds once nothing happens any more. */
export type Outcome = {
  readonly lists: ReadonlyMap<string, readonly number[]>;
  readonly marks: ReadonlyMap<string, number>;
};

export async function outcomeOf(database: EmbeddedDatabase): Promise<Outcome> {
  const lists = new Map<string, readonly number[]>();
  for (let key = 1; key <= listCount; key++) lists.set(String(key), await readList(database, key));
  const { rows } = await database.query<{ id: string; n: number }>(
    'SELECT id, count(*)::int AS n FROM marks GROUP BY id',
  );
  return { lists, marks: new Map(rows.map(({ id, n }) => [id, n])) };
}

/** Everything that a history must be, whatever was done to the machines. */
export function checkHistory(history: History, outcome: Outcome, plan: ClusterPlan): readonly Anomaly[] {
  const { mode, isolation } = plan;
  const acknowledged = checkAcknowledged(history.marked, outcome.marks);
  const others = [
    ...checkElections(history.elections),
    ...checkBank(history.bankReads, accountCount, balanceTotal),
    ...checkCopies(history.copies),
    ...checkOwnReads(history.ownReads),
    ...(hasOldNews(plan) ? [] : checkFreshReads(history.freshReads, history.answeredMs)),
  ];
  if (mode === 'async') {
    // What was lost was seen before: only among the others is there an order.
    const transactions = withoutLost(history.lists, outcome);
    const lists = checkListAppend({ transactions, final: outcome.lists }, { isolation, isStrict: false });
    return [...acknowledged, ...others, ...lists];
  }
  const level = { isolation, isStrict: true };
  const lists = checkListAppend({ transactions: history.lists, final: outcome.lists }, level);
  return [...acknowledged, ...others, ...lists, ...checkRegisters(history.registers)];
}

/** What delays messages for long: a replica takes what it hears for new. */
const delays: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'pause',
  'slow link',
  'lossy link',
  'partition',
  'one-way block',
  'swizzle',
]);

/** Bounded staleness is but for the time that a message takes. */
function hasOldNews({ faults, messageTroubleProbability }: ClusterPlan): boolean {
  return messageTroubleProbability > 0 || faults.some(({ kind }) => delays.has(kind));
}

/** What is there has left its mark. Of what left none, those stay that may not have seen anything that is lost. */
function withoutLost(
  transactions: readonly ListTransaction[],
  { lists, marks }: Outcome,
): readonly ListTransaction[] {
  const there = new Set([...lists.values()].flat());
  return transactions.filter(
    ({ id, actions }) =>
      marks.has(id) ||
      actions.every(
        (action) => action.kind === 'read' && action.elements.every((element) => there.has(element)),
      ),
  );
}

// ---- replicas against each other

const readBytes = 1024 * 1024;

/**
 * Nodes that have all of one log, and nothing under way. Where one comes across a damaged block only now, it says so, and
 * that is all that is asked of it.
 */
export async function checkReplicas(
  nodes: readonly { readonly name: string; readonly node: RunningNode }[],
): Promise<readonly Anomaly[]> {
  const logs: NodeLog[] = [];
  const rows: NodeRows[] = [];
  for (const { name, node } of nodes) {
    try {
      const log = await nodeLog(name, node.log);
      if (node.database !== null) rows.push({ node: name, rows: await allRows(node.database) });
      logs.push(log);
    } catch (error) {
      if (!(error instanceof AlopexError && ofRepair.has(error.condition))) throw error;
    }
  }
  return [...checkLogs(logs), ...checkRows('in the end', rows)];
}

/** A damaged block is come across, or the rows are being replaced for one. */
const ofRepair: ReadonlySet<Condition> = new Set(['data_corrupted', 'cannot_connect_now', 'admin_shutdown']);

/** From where it begins now: it may be trimmed while it is read. */
async function nodeLog(node: string, log: SegmentedLog): Promise<NodeLog> {
  for (;;) {
    try {
      return await readLog(node, log);
    } catch (error) {
      if (!(error instanceof AlopexError && error.condition === 'snapshot_too_old')) throw error;
    }
  }
}

async function readLog(node: string, log: SegmentedLog): Promise<NodeLog> {
  const batches: LogBatch[] = [];
  for (let at = log.startOffset; at < log.highWatermark; ) {
    for (const batch of await log.read(at, readBytes)) {
      const { baseOffset, lastOffset, epoch } = decodeHeader(batch);
      batches.push({ baseOffset, endOffset: lastOffset + 1, epoch, checksum: crc32c(batch) });
      at = (lastOffset + 1) as typeof at;
    }
  }
  return { node, highWatermark: log.highWatermark, batches };
}

const tables = ['registers', 'lists', 'accounts', 'marks'];

async function allRows(database: EmbeddedDatabase): Promise<ReadonlyMap<string, string>> {
  const rows = new Map<string, string>();
  for (const table of tables) {
    const result = await database.query(`SELECT * FROM ${table}`);
    const texts = result.rows.map((row) => JSON.stringify(Object.values(row))).sort();
    for (const [index, text] of texts.entries()) rows.set(`${table}/${text}#${index}`, text);
  }
  return rows;
}
