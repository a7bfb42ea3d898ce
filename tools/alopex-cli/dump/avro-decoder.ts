import avsc from 'avsc';
import { avroKeySchema, avroSchema } from '../../../log/events/avro.ts';
import type { EventSchema } from '../../../log/events/layout.ts';

/** Avro longs as bigint where a double would round them. */
const long = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => {
    const value = buffer.readBigInt64LE();
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  },
  toBuffer: (value: number | bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    return buffer;
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: (value: number | bigint) => Number(value),
  isValid: (value: unknown) => typeof value === 'number' || typeof value === 'bigint',
  compare: (left: number | bigint, right: number | bigint) => (left < right ? -1 : left > right ? 1 : 0),
});

/**
 * Reads bodies of one schema by its Avro schema alone, with a reader that knows nothing of Alopex: whatever it
 * prints, any consumer of the log can have.
 */
export class AvroDecoder {
  readonly #row: avsc.Type;
  readonly #key: avsc.Type;

  constructor(schema: EventSchema) {
    this.#row = typeOf(avroSchema(schema));
    this.#key = typeOf(avroKeySchema(schema));
  }

  /** As JSON, by field name. Throws where the bytes are not of the schema. */
  rowText(body: Uint8Array): string {
    return text(this.#row, body);
  }
  keyText(body: Uint8Array): string {
    return text(this.#key, body);
  }
}

function typeOf(schema: unknown): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: { long } });
}

function text(type: avsc.Type, body: Uint8Array): string {
  const value = type.fromBuffer(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  return JSON.stringify(value, (_name, field: unknown) => {
    if (typeof field === 'bigint') return String(field);
    if (field instanceof Uint8Array) return hex(field);
    return isBufferJson(field) ? hex(Uint8Array.from(field.data)) : field;
  });
}

/** Buffer.toJSON runs before the replacer sees the value. */
function isBufferJson(value: unknown): value is { readonly data: readonly number[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value
  );
}

function hex(bytes: Uint8Array): string {
  return `\\x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
