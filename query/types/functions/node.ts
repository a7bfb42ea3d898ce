import { AlopexError } from '../../../base/errors.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import type { FunctionContext } from '../function.ts';
import { invalidParameter } from '../problems.ts';
import { awaited, contextual, type Implementations, pure } from './define.ts';

/** An offset of the log as PostgreSQL writes positions of its own: two halves in hexadecimal, `0/4B0`. */
export function lsnText(offset: number): string {
  const half = (value: number): string => value.toString(16).toUpperCase();
  return `${half(Math.floor(offset / 4_294_967_296))}/${half(offset % 4_294_967_296)}`;
}

function offsetOfLsn(text: string): number {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (match === null) {
    throw new AlopexError('invalid_text_representation', `invalid input syntax for type pg_lsn: "${text}"`);
  }
  return Number.parseInt(match[1]!, 16) * 4_294_967_296 + Number.parseInt(match[2]!, 16);
}

function writtenUpTo({ node }: FunctionContext): string {
  if (node?.isStandby === true) {
    throw new AlopexError('object_not_in_prerequisite_state', 'recovery is in progress', {
      hint: 'WAL control functions cannot be executed during recovery.',
    });
  }
  return lsnText(node?.highWatermark ?? 0);
}

/** Null on the primary, as in PostgreSQL. */
function followedUpTo(part: 'highWatermark' | 'applied'): (context: FunctionContext) => string | null {
  return ({ node }) => (node?.isStandby === true ? lsnText(node[part]) : null);
}

function promote(context: FunctionContext, waits = true, seconds = 60): Promise<boolean> {
  if (seconds <= 0) throw invalidParameter('"wait_seconds" must not be negative or zero');
  if (context.node?.isStandby !== true || context.promote === undefined) {
    throw new AlopexError('object_not_in_prerequisite_state', 'recovery is not in progress', {
      hint: 'Recovery control functions can only be executed during recovery.',
    });
  }
  const promoted = context.promote(seconds * 1000);
  if (waits) return promoted;
  promoted.catch(() => {});
  return Promise.resolve(true);
}

function statusOf({ transactions }: FunctionContext, id: number | bigint): Promise<string | null> | null {
  return transactions?.status(id) ?? null;
}

/** Functions that ask the node, and what the log knows of transactions. */
export const nodeFunctions: Implementations = {
  ...contextual({
    pg_is_in_recovery: ({ node }: FunctionContext) => node?.isStandby === true,
    pg_current_wal_lsn: writtenUpTo,
    pg_current_wal_insert_lsn: writtenUpTo,
    pg_current_wal_flush_lsn: writtenUpTo,
    pg_last_wal_receive_lsn: followedUpTo('highWatermark'),
    pg_last_wal_replay_lsn: followedUpTo('applied'),
    txid_current: ({ transactions }: FunctionContext) => transactions?.current() ?? null,
    txid_current_if_assigned: ({ transactions }: FunctionContext) =>
      transactions?.currentIfAssigned() ?? null,
  }),
  ...pure({
    pg_wal_lsn_diff: (left: string, right: string) =>
      Numeric.of(BigInt(offsetOfLsn(left) - offsetOfLsn(right)), 0),
  }),
  ...awaited({ pg_promote: promote, txid_status: statusOf }),
};
