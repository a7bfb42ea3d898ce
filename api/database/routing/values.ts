import type { ByteReader } from '../../../base/bytes/reader.ts';
import { utf8ToString } from '../../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../../query/types/function.ts';
import { findType } from '../../../query/types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../../query/types/type.ts';

/** Values between nodes: a length (-1: null), then the type's binary form; of types that have none, the text. */

type Row = readonly Datum[];

export function writeRow(
  out: ByteWriter,
  row: Row,
  types: readonly SqlType[],
  functions: FunctionContext,
): void {
  for (const [index, value] of row.entries()) {
    if (value === null) {
      out.int32(-1);
      continue;
    }
    const type = types[index]!;
    const at = out.reserve(4);
    out.length += 4;
    if (hasTextAlone(type.oid)) out.utf8(codecOf(type.oid).format(value, type, functions));
    else out.raw(codecOf(type.oid).encode(value, type));
    new DataView(out.bytes.buffer).setInt32(at, out.length - at - 4);
  }
}

export function readRow(reader: ByteReader, types: readonly SqlType[]): Row {
  return types.map((type) => {
    const length = reader.int32();
    if (length < 0) return null;
    const start = reader.position;
    reader.skip(length);
    if (hasTextAlone(type.oid)) return utf8ToString(reader.bytes, start, start + length);
    return codecOf(type.oid).decode(reader.bytes.slice(start, start + length), type);
  });
}

/** Rows, and what has no type of its own: nothing but their text is ever asked for. */
function hasTextAlone(oid: TypeOid): boolean {
  return findType(oid)?.category === 'P' && oid !== oids.recordArray;
}

export const typeOfOid = (oid: TypeOid): SqlType => ({ oid, modifier: -1 });
