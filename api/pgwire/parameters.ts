import { ByteReaderError } from '../../base/bytes/reader.ts';
import type { Datum } from '../../base/values/datum.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids, type TypeOid } from '../../query/types/type.ts';
import type { PreparedStatement } from '../database/contract.ts';
import { formatOf } from './fields.ts';
import { checkedText, type Message, type Place, protocolViolation } from './frontend.ts';

const noParameters: readonly Datum[] = [];

/** The values that a Bind message brings. 08P01 where their number is wrong; 22P02, 22P03 … where one is. */
export function decodeParameters(
  prepared: PreparedStatement,
  message: Message<'bind'>,
  functions: FunctionContext,
): readonly Datum[] {
  const { bytes, parameters, parameterFormats } = message;
  const { parameterTypes } = prepared;
  if (parameters.length !== parameterTypes.length) {
    throw protocolViolation(
      `bind message supplies ${parameters.length} parameters, but prepared statement "${message.statement}" requires ${parameterTypes.length}`,
    );
  }
  if (parameters.length === 0) return noParameters;
  const datums = new Array<Datum>(parameters.length);
  for (let index = 0; index < datums.length; index++) {
    const place = parameters[index]!;
    const oid = parameterTypes[index]!;
    if (place === null) datums[index] = null;
    else if (formatOf(parameterFormats, index) === 0) datums[index] = parseText(oid, bytes, place, functions);
    else datums[index] = decodeBinary(oid, bytes.subarray(place.start, place.end));
  }
  return datums;
}

function parseText(
  oid: TypeOid,
  bytes: Uint8Array,
  { start, end }: Place,
  functions: FunctionContext,
): Datum {
  if (oid === oids.int4 || oid === oids.int8) {
    const value = shortInteger(bytes, start, end);
    if (value !== null) return value;
  }
  return codecOf(oid).parse(checkedText(bytes, start, end), { oid, modifier: -1 }, functions);
}

/** More digits may be too large for an int4. */
const shortDigitsMax = 9;

/** An integer that is written in the plainest way; null: it may be one all the same. */
function shortInteger(bytes: Uint8Array, start: number, end: number): number | null {
  const isNegative = bytes[start] === 45;
  let at = isNegative ? start + 1 : start;
  if (at === end || end - at > shortDigitsMax) return null;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return isNegative && value > 0 ? -value : value;
}

function decodeBinary(oid: TypeOid, bytes: Uint8Array): Datum {
  try {
    return codecOf(oid).decode(bytes, { oid, modifier: -1 });
  } catch (error) {
    if (error instanceof ByteReaderError) throw protocolViolation('insufficient data left in message');
    throw error;
  }
}

/** Result formats of a Bind message: none, one for all, or one a column. */
export function checkedResultFormats(
  prepared: PreparedStatement | null,
  { resultFormats }: Message<'bind'>,
): readonly number[] {
  const columns = prepared?.columns ?? null;
  if (columns !== null && resultFormats.length > 1 && resultFormats.length !== columns.length) {
    throw protocolViolation(
      `bind message has ${resultFormats.length} result formats but query has ${columns.length} columns`,
    );
  }
  return resultFormats;
}
