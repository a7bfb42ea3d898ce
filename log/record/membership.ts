import { type ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { utf8Length } from '../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../base/bytes/writer.ts';
import { nodeId, offset } from '../../base/ids.ts';
import type { ForcedPromotion, Member, MemberRole, Membership } from '../raft/contract.ts';

/** Of either list of a membership, as it is read. */
export const membersMax = 64;
/** Promotions by force in the life of a database: one byte counts them. */
export const forcedMax = 255;
/** Bytes of an address. */
const addressBytesMax = 512;

const roles: Readonly<Record<MemberRole, number>> = { voter: 0, witness: 1, learner: 2 };
const roleOf: readonly MemberRole[] = ['voter', 'witness', 'learner'];

/** Members, those that are left, promotions by force; each list is its count and then what it has. */
export function putMembership(writer: ByteWriter, { members, outgoing, forced }: Membership): void {
  putMembers(writer, members);
  putMembers(writer, outgoing);
  writer.uint8(forced.length);
  for (const { generation, node, offset } of forced) {
    writer.int32(generation);
    writer.int32(node);
    writer.int64(offset);
  }
}

/** Throws ByteReaderError. */
export function takeMembership(reader: ByteReader): Membership {
  return { members: takeMembers(reader), outgoing: takeMembers(reader), forced: takeForced(reader) };
}

function putMembers(writer: ByteWriter, members: readonly Member[]): void {
  writer.uint8(members.length);
  for (const { id, role, mesh, client } of members) {
    writer.int32(id);
    writer.uint8(roles[role]);
    putText(writer, mesh);
    putText(writer, client);
  }
}

function takeMembers(reader: ByteReader): readonly Member[] {
  const count = reader.uint8();
  if (count > membersMax) throw new ByteReaderError(`${count} members, at most ${membersMax}`);
  const members: Member[] = [];
  for (let index = 0; index < count; index++) {
    const id = reader.int32();
    if (id < 0) throw new ByteReaderError(`node ${id}`);
    const roleCode = reader.uint8();
    const role = roleOf[roleCode];
    if (role === undefined) throw new ByteReaderError(`member role ${roleCode}`);
    members.push({ id: nodeId(id), role, mesh: takeText(reader), client: takeText(reader) });
  }
  return members;
}

function takeForced(reader: ByteReader): readonly ForcedPromotion[] {
  const count = reader.uint8();
  const forced: ForcedPromotion[] = [];
  for (let index = 0; index < count; index++) {
    const generation = reader.int32();
    const node = reader.int32();
    const place = reader.int64();
    const isInOrder = generation > (forced.at(-1)?.generation ?? 0);
    if (!isInOrder || node < 0 || typeof place === 'bigint' || place < 0)
      throw new ByteReaderError(`a promotion of node ${node} to generation ${generation} at ${place}`);
    forced.push({ generation, node: nodeId(node), offset: offset(place) });
  }
  return forced;
}

function putText(writer: ByteWriter, text: string): void {
  writer.int16(utf8Length(text));
  writer.utf8(text);
}

function takeText(reader: ByteReader): string {
  const length = reader.int16();
  if (length < 0 || length > addressBytesMax) throw new ByteReaderError(`an address of ${length} bytes`);
  return reader.utf8(length);
}
