import { crc32c } from '../../base/bytes/crc32c.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { nextTurn } from '../../base/env/turn.ts';
import type { NodeId, Offset, Timestamp } from '../../base/ids.ts';
import { encodeRow } from '../../log/events/row.ts';
import { eventSchema } from '../../query/txn/commit.ts';
import type { Engine } from '../database/engine.ts';
import type { VerifiedTable } from '../database/replication.ts';
import { tableRows } from '../database/table-rows.ts';

/** Of the nodes' requests to each other: the checksums of one's rows at a position. */
export const verifyRequest = 'verify';

/** Everything below `offset` is applied, and rows are read as of `timestamp`, the newest commit there. */
export type VerifyPosition = { readonly offset: Offset; readonly timestamp: Timestamp };
export type TableChecksum = { readonly table: string; readonly rows: number; readonly checksum: string };

/**
 * The rows of each table, in the order of their keys, decoded and encoded again: files and memtables may be cut anywhere, and the
 * checksum is the same. CRC-32C, which finds what disks and mistakes do, not what an enemy does.
 */
export async function checksums(
  engine: Engine,
  { timestamp }: VerifyPosition,
): Promise<readonly TableChecksum[]> {
  const { reader, catalogs, env } = engine;
  const { catalog } = await catalogs.at(timestamp);
  const all: TableChecksum[] = [];
  for (const table of catalog.all()) {
    if (table.kind !== 'table') continue;
    const schema = eventSchema(catalog, table.layout.schema);
    let [rows, checksum] = [0, 0];
    for await (const batch of tableRows(reader, table.layout, { at: timestamp, pending: null })) {
      for (const row of batch) checksum = crc32c(encodeRow(schema, row), checksum);
      rows += batch.length;
      await nextTurn(env.clock);
    }
    all.push({ table: table.name, rows, checksum: checksum.toString(16).padStart(8, '0') });
  }
  return all;
}

export async function answerVerify(engine: Engine, body: Uint8Array): Promise<Uint8Array> {
  const position = JSON.parse(utf8ToString(body)) as VerifyPosition;
  await engine.replica?.appliedPast(position.offset);
  return stringToUtf8(JSON.stringify(await checksums(engine, position)));
}

/** Asks the others, and compares with what the primary `self` has at the newest position of its log. */
export async function verified(
  engine: Engine,
  self: NodeId,
  others: readonly NodeId[],
  request: (node: NodeId, body: Uint8Array) => Promise<Uint8Array>,
): Promise<readonly VerifiedTable[]> {
  const position = { offset: engine.log.highWatermark, timestamp: engine.transactions.visible };
  const body = stringToUtf8(JSON.stringify(position));
  const answers = await Promise.all(
    others.map(async (node): Promise<[NodeId, readonly TableChecksum[]]> => {
      return [node, JSON.parse(utf8ToString(await request(node, body))) as readonly TableChecksum[]];
    }),
  );
  return compared(position, self, new Map([[self, await checksums(engine, position)], ...answers]));
}

/** All that the nodes said, beside what the primary has. */
export function compared(
  position: VerifyPosition,
  primary: NodeId,
  byNode: ReadonlyMap<NodeId, readonly TableChecksum[]>,
): readonly VerifiedTable[] {
  const expected = new Map(byNode.get(primary)?.map((each) => [each.table, each]));
  return Array.from(byNode, ([node, tables]) =>
    tables.map(({ table, rows, checksum }) => {
      const other = expected.get(table);
      const isEqual = other?.rows === rows && other.checksum === checksum;
      return { table, node, position: position.offset, rows, checksum, isEqual };
    }),
  ).flat();
}
