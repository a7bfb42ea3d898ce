import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { NodeId, Offset } from '../../base/ids.ts';
import type { Mesh } from '../../log/mesh/contract.ts';
import type { Lineage } from '../../log/range/lineage.ts';
import type { Range } from '../../log/range/range.ts';

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
