import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import type { Mesh } from '../../log/mesh/contract.ts';
import type { HardState } from '../../log/raft/contract.ts';
import { epochStarts } from '../../log/range/history.ts';
import type { Lineage } from '../../log/range/lineage.ts';
import type { Range } from '../../log/range/range.ts';
import { decodeControl } from '../../log/record/control.ts';
import { decodeHeader } from '../../log/record/header.ts';
import { RecordReader } from '../../log/record/record-reader.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';

/** Of the nodes' requests to each other: how did your log come to be? */
export const lineageRequest = 'lineage';

export function answerLineage(range: Range): Uint8Array {
  return stringToUtf8(JSON.stringify(range.lineage));
}

/**
 * After a promotion by force the others' logs go on from where they part from that node's. Resolves with null where this
 * one's was cut there, or need not be; else with the offset from which on it may have what the other has not, and it has to
 * be replaced.
 */
export async function rewind(range: Range, mesh: Mesh, outrankedBy: NodeId): Promise<Offset | null> {
  const body = await mesh.request(outrankedBy, lineageRequest, new Uint8Array(0));
  return range.rewind(JSON.parse(utf8ToString(body)) as Lineage);
}

/**
 * Before a snapshot takes the place of a log: from where on it may have what no other node has, because this one wrote it as
 * the leader of the last epoch, and nobody said that it was committed. Null: there is no such thing.
 */
export async function unsharedFrom(
  range: Range,
  log: SegmentedLog,
  { epoch, votedFor }: HardState,
  self: NodeId,
): Promise<Offset | null> {
  const { highWatermark } = range.status;
  const last = epochStarts(log).at(-1);
  if (last === undefined || log.flushedOffset <= highWatermark) return null;
  const hasLed =
    (epoch === last.epoch && votedFor === self) || (await leaderOf(log, last.startOffset)) === self;
  return hasLed ? offset(Math.max(highWatermark, log.startOffset)) : null;
}

/** Who began an epoch, if it began there. */
async function leaderOf(log: SegmentedLog, at: Offset): Promise<number | null> {
  const [batch] = await log.readFlushed(at, 1);
  if (batch === undefined) return null;
  const header = decodeHeader(batch);
  if (!header.isControl) return null;
  const records = new RecordReader(batch, header);
  records.next();
  const control = decodeControl(records);
  return control.kind === 'leader-change' ? control.leader : null;
}

export function promotedTwice(rival: NodeId): AlopexError {
  return new AlopexError(
    'object_not_in_prerequisite_state',
    `node ${rival} was promoted by force too, and neither node follows the other`,
    { hint: 'Promote by force, once more, the one whose rows are to stay: the other one follows then.' },
  );
}
