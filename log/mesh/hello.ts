import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { MessageClass } from './contract.ts';

/** The first bytes of a channel, from either end: who speaks, which version of the mesh, what the channel is for. */
export type Hello = { readonly node: NodeId; readonly class: MessageClass };

export const helloBytes = 16;
const magic = 'ALXC';
const version = 1;
const classNumbers: Readonly<Record<MessageClass, number>> = { raft: 1, control: 2, bulk: 3 };
const classes = Object.keys(classNumbers) as readonly MessageClass[];

export function encodeHello(hello: Hello): Uint8Array {
  const writer = new ByteWriter(helloBytes);
  writer.utf8(magic);
  writer.int16(version);
  writer.uint8(classNumbers[hello.class]);
  writer.uint8(0);
  writer.int64(hello.node);
  return writer.toBytes();
}

/** Throws protocol_violation for what is no hello, feature_not_supported for another version's. */
export function decodeHello(bytes: Uint8Array): Hello {
  const reader = new ByteReader(bytes);
  if (reader.utf8(magic.length) !== magic)
    throw new AlopexError(
      'protocol_violation',
      'who is connected does not speak as a node of a cluster does',
    );
  const theirs = reader.uint16();
  if (theirs !== version) {
    throw new AlopexError(
      'feature_not_supported',
      `the other node speaks version ${theirs} of the mesh, this one version ${version}`,
    );
  }
  const number = reader.uint8();
  const messageClass = classes.find((each) => classNumbers[each] === number);
  const reserved = reader.uint8();
  const node = reader.int64();
  if (messageClass === undefined || reserved !== 0 || typeof node === 'bigint' || node < 1)
    throw new AlopexError('protocol_violation', 'the hello of a node is damaged');
  return { node: nodeId(node), class: messageClass };
}
