import { ByteReaderError } from '../../base/bytes/reader.ts';
import type { Datum } from '../../base/values/datum.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext, TypeCodec } from '../../query/types/function.ts';
import type { SqlType } from '../../query/types/type.ts';
import type { PreparedStatement } from '../database/contract.ts';
import { formatOf } from './backend.ts';
import { checkedText, type Message, protocolViolation } from './frontend.ts';

const noParameters: readonly Datum[] = [];

/** The values that a Bind message brings. 08P01 where their number is wrong; 22P02, 22P03 … where one is. */
export function decodeParameters(
  prepared: PreparedStatement,
  message: Message<'bind'>,
  functions: FunctionContext,
): readonly Datum[] {
  const { parameters, parameterFormats } = message;
  const { parameterTypes } = prepared;
  if (parameters.length !== parameterTypes.length) {
    throw protocolViolation(
      `bind message supplies ${parameters.length} parameters, but prepared statement "${message.statement}" requires ${parameterTypes.length}`,
    );
  }
  if (parameters.length === 0) return noParameters;
  return parameters.map((bytes, index) => {
    if (bytes === null) return null;
    const type = { oid: parameterTypes[index]!, modifier: -1 };
    const codec = codecOf(type.oid);
    return formatOf(parameterFormats, index) === 1
      ? decodeBinary(codec, bytes, type)
      : codec.parse(checkedText(bytes), type, functions);
  });
}

function decodeBinary(codec: TypeCodec, bytes: Uint8Array, type: SqlType): Datum {
  try {
    return codec.decode(bytes, type);
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
