import { msOfTimestamp } from '../../../base/hlc.ts';
import { type SchemaId, timestamp } from '../../../base/ids.ts';
import { framedSchema, keySchemaIdOffset } from '../../../log/events/row-event.ts';
import { decodeHeaders } from '../../../log/record/headers.ts';
import type { RecordReader } from '../../../log/record/record-reader.ts';
import { AvroDecoder } from './avro-decoder.ts';
import type { Schemas } from './schemas.ts';

const framingBytes = 5;

/** Records of row changes as text; null for what is none, or has a schema that nobody described. */
export class EventText {
  readonly #schemas: Schemas;
  readonly #decoders = new Map<SchemaId, AvroDecoder>();

  constructor(schemas: Schemas) {
    this.#schemas = schemas;
  }

  describe(record: RecordReader): string | null {
    const { key, value } = record;
    if (key === null || key.length < framingBytes || key[0] !== 0) return null;
    const id = framedSchema(key) - keySchemaIdOffset;
    const schema = this.#schemas.get(id as SchemaId);
    if (schema === undefined) return null;
    const headers = new Map(decodeHeaders(record.headers).map((header) => [header.key, header.value]));
    const before = headers.get('before') ?? null;
    try {
      const parts = [
        `${record.offset} ${String.fromCharCode(headers.get('op')?.[0] ?? 0x3f)} ${schema.name}`,
        `key=${this.#decoder(id as SchemaId)!.keyText(key.subarray(framingBytes))}`,
        value === null ? '' : `row=${this.#row(value)}`,
        before === null ? '' : `before=${this.#row(before)}`,
        `ts=${timeText(headers.get('ts'))} tx=${numberOf(headers.get('tx'))}`,
      ];
      return parts.filter((part) => part !== '').join(' ');
    } catch (error) {
      return `${record.offset} ${schema.name}: not readable by schema ${id}: ${(error as Error).message}`;
    }
  }

  #row(framed: Uint8Array): string {
    const id = framedSchema(framed);
    const decoder = this.#decoder(id);
    return decoder === null ? `(schema ${id} is missing)` : decoder.rowText(framed.subarray(framingBytes));
  }

  #decoder(id: SchemaId): AvroDecoder | null {
    const known = this.#decoders.get(id);
    if (known !== undefined) return known;
    const schema = this.#schemas.get(id);
    if (schema === undefined) return null;
    const decoder = new AvroDecoder(schema);
    this.#decoders.set(id, decoder);
    return decoder;
  }
}

function numberOf(bytes: Uint8Array | null | undefined): number {
  if (bytes?.length !== 8) return Number.NaN;
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0));
}

/** 0 within a large transaction: its marker has the time. */
function timeText(bytes: Uint8Array | null | undefined): string {
  const at = numberOf(bytes);
  return at > 0 ? `${at} (${new Date(msOfTimestamp(timestamp(at))).toISOString()})` : String(at);
}
