import { AlopexError } from '../../base/errors.ts';
import { narrow } from '../../base/values/numeric.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';
import type { TransactionFacts } from '../../query/types/function.ts';
import type { EngineSession } from './session.ts';

/** Below the epoch: a transaction's id within it. */
const idBits = 53n;

/**
 * What txid_current and txid_status know. A transaction's number is its leader's epoch and its id in that, so that no
 * two ever have the same, whatever nodes and clocks do.
 */
export function transactionFacts(session: EngineSession): TransactionFacts {
  const { engine } = session;
  const numberOf = (id: number): number | bigint => narrow((BigInt(engine.log.epoch) << idBits) | BigInt(id));
  const current = (): number | bigint => {
    if (session.transaction === null) throw new TypeError('a statement has a transaction');
    return numberOf(session.transaction.id);
  };
  return {
    current: () => {
      // Its own numbers are in no log.
      if (engine.replication?.isPrimary === false)
        throw new AlopexError('read_only_sql_transaction', 'cannot execute txid_current() during recovery');
      return current();
    },
    currentIfAssigned: () => {
      const { transaction } = session;
      if (transaction === null) return null;
      return transaction.pending.isEmpty && transaction.recordsLogged === 0 ? null : current();
    },
    status: (number) => statusOf(session, number),
  };
}

async function statusOf({ engine }: EngineSession, number: number | bigint): Promise<string | null> {
  const { transactions, log, outcomes, replication } = engine;
  const epoch = Number(BigInt(number) >> idBits);
  const id = Number(BigInt.asUintN(Number(idBits), BigInt(number)));
  const isPrimary = replication?.isPrimary ?? true;
  const isInFuture = epoch > log.epoch || (epoch === log.epoch && id > transactions.newestId);
  if (epoch < 0 || (isPrimary && isInFuture)) {
    throw new AlopexError('invalid_parameter_value', `transaction ID ${number} is in the future`);
  }
  if (isPrimary && epoch === log.epoch && transactions.isUndecided(id)) return 'in progress';
  // What a replica does not have may come, until it has something that was committed in a later epoch.
  const isDecided = isPrimary || epoch < committedEpoch(log);
  const isCommitted = await outcomes.isCommitted(epoch, id);
  if (isCommitted === true) return 'committed';
  if (!isDecided) return 'in progress';
  return isCommitted === null ? null : 'aborted';
}

/** Of the newest batch that is committed. */
function committedEpoch({ segments, highWatermark }: SegmentedLog): number {
  return segments.findLast(({ base }) => base < highWatermark)?.epoch ?? 0;
}
