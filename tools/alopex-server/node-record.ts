import { decodeFramedJson, encodeFramedJson, type FramedFormat } from '../../base/bytes/framed-json.ts';
import type { Disk } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import type { MeshTransport } from '../../log/mesh/contract.ts';
import type { Member } from '../../log/raft/contract.ts';

/** What a node of a cluster remembers besides its keys: where it is to be found, and who was there when it joined. */
export type NodeRecord = {
  /** host:port */
  readonly mesh: string;
  readonly client: string;
  /** By which all nodes of the cluster talk to each other. */
  readonly transport: MeshTransport;
  /** Until its own log says who the members are. */
  readonly members: readonly Member[];
};

const format: FramedFormat = { magic: 'ALOPEXND', version: 1, what: "record of a cluster's node" };

function pathOf(data: string): string {
  return `${data}/cluster/node`;
}

/** Null where the directory is of no node of a cluster. */
export async function readNodeRecord(disk: Disk, data: string): Promise<NodeRecord | null> {
  const bytes = await readWhole(disk, pathOf(data));
  return bytes === null ? null : (decodeFramedJson(format, bytes, pathOf(data)) as NodeRecord);
}

export function writeNodeRecord(disk: Disk, data: string, record: NodeRecord): Promise<void> {
  return replaceWhole(disk, pathOf(data), encodeFramedJson(format, record));
}
