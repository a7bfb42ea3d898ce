import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { typeInfo } from '../../query/types/registry.ts';
import { type FieldEncoder, formatOf } from './fields.ts';

/** The buffer of a connection that has said little, and the largest that an idle one keeps. */
const smallBytes = 512;
const keptBytesMax = 4096;

/** RowDescriptions, all text, by the statement's own columns: drivers ask for one with each execution. */
const descriptions = new WeakMap<readonly OutputColumn[], Uint8Array>();

const slabBytes = 16 * 1024;
let slab = new Uint8Array(0);
let slabUsed = 0;

/** A copy in memory that many answers share: a buffer of its own for each takes a microsecond, and as much to free. */
function copied(bytes: Uint8Array): Uint8Array {
  if (slabUsed + bytes.length > slab.length) {
    slab = new Uint8Array(slabBytes);
    slabUsed = 0;
  }
  const start = slabUsed;
  slab.set(bytes, start);
  slabUsed += bytes.length;
  return slab.subarray(start, slabUsed);
}

/** Writes the server's messages into one buffer, which the connection sends when it is large enough or waited for. */
export class BackendWriter {
  #out = new ByteWriter(smallBytes);

  get length(): number {
    return this.#out.length;
  }

  /** What was written since the last time. */
  take(): Uint8Array {
    if (this.#out.bytes.length > keptBytesMax) {
      const bytes = this.#out.view();
      this.#out = new ByteWriter(smallBytes);
      return bytes;
    }
    const bytes = copied(this.#out.view());
    this.#out.clear();
    return bytes;
  }

  #begin(letter: string): number {
    this.#out.uint8(letter.charCodeAt(0));
    const start = this.#out.length;
    this.#out.int32(0);
    return start;
  }

  #end(start: number): void {
    this.#out.setInt32(start, this.#out.length - start);
  }

  #text(text: string): void {
    this.#out.utf8(text);
    this.#out.uint8(0);
  }

  #empty(letter: string): void {
    this.#out.uint8(letter.charCodeAt(0));
    this.#out.int32(4);
  }

  authentication(code: number, body: Uint8Array = new Uint8Array()): void {
    const start = this.#begin('R');
    this.#out.int32(code);
    this.#out.raw(body);
    this.#end(start);
  }

  /** AuthenticationSASL. */
  saslMechanisms(mechanisms: readonly string[]): void {
    this.authentication(10, stringToUtf8(`${mechanisms.map((name) => `${name}\0`).join('')}\0`));
  }

  backendKeyData(processId: number, secret: number): void {
    const start = this.#begin('K');
    this.#out.int32(processId);
    this.#out.int32(secret);
    this.#end(start);
  }

  parameterStatus(name: string, value: string): void {
    const start = this.#begin('S');
    this.#text(name);
    this.#text(value);
    this.#end(start);
  }

  readyForQuery(status: 'idle' | 'transaction' | 'failed'): void {
    this.#out.uint8('Z'.charCodeAt(0));
    this.#out.int32(5);
    this.#out.uint8((status === 'idle' ? 'I' : status === 'transaction' ? 'T' : 'E').charCodeAt(0));
  }

  /** The newest version is 3.0, in full as PostgreSQL sends it. */
  negotiateProtocolVersion(unrecognized: readonly string[]): void {
    const start = this.#begin('v');
    this.#out.int32(3 << 16);
    this.#out.int32(unrecognized.length);
    for (const option of unrecognized) this.#text(option);
    this.#end(start);
  }

  parseComplete(): void {
    this.#empty('1');
  }
  bindComplete(): void {
    this.#empty('2');
  }
  closeComplete(): void {
    this.#empty('3');
  }
  noData(): void {
    this.#empty('n');
  }
  portalSuspended(): void {
    this.#empty('s');
  }
  emptyQueryResponse(): void {
    this.#empty('I');
  }
  copyDone(): void {
    this.#empty('c');
  }

  commandComplete(tag: string): void {
    const start = this.#begin('C');
    this.#text(tag);
    this.#end(start);
  }

  parameterDescription(types: readonly number[]): void {
    const start = this.#begin('t');
    this.#out.int16(types.length);
    for (const type of types) this.#out.uint32(type);
    this.#end(start);
  }

  rowDescription(columns: readonly OutputColumn[], formats: readonly number[]): void {
    const known = formats.length === 0 ? descriptions.get(columns) : undefined;
    if (known !== undefined) {
      this.#out.raw(known);
      return;
    }
    const message = this.#out.length;
    this.#describeRow(columns, formats);
    if (formats.length === 0) descriptions.set(columns, this.#out.bytes.slice(message, this.#out.length));
  }

  #describeRow(columns: readonly OutputColumn[], formats: readonly number[]): void {
    const start = this.#begin('T');
    this.#out.int16(columns.length);
    for (const [index, column] of columns.entries()) {
      this.#text(column.name);
      this.#out.uint32(column.table);
      this.#out.int16(column.attribute);
      this.#out.uint32(column.type.oid);
      this.#out.int16(typeInfo(column.type.oid).length);
      this.#out.int32(column.type.modifier);
      this.#out.int16(formatOf(formats, index));
    }
    this.#end(start);
  }

  dataRow(row: readonly Datum[], encoders: readonly FieldEncoder[], functions: FunctionContext): void {
    const before = this.#out.length;
    const start = this.#begin('D');
    try {
      this.#out.int16(row.length);
      for (let index = 0; index < row.length; index++) this.#field(row[index]!, encoders[index]!, functions);
    } catch (error) {
      // A value that cannot be shown must not leave half a message behind.
      this.#out.length = before;
      throw error;
    }
    this.#end(start);
  }

  #field(value: Datum, encode: FieldEncoder, functions: FunctionContext): void {
    const out = this.#out;
    if (value === null) {
      out.int32(-1);
      return;
    }
    const start = out.length;
    out.int32(0);
    encode(value, out, functions);
    out.setInt32(start, out.length - start - 4);
  }

  copyResponse(direction: 'in' | 'out', isBinary: boolean, columnCount: number): void {
    const start = this.#begin(direction === 'in' ? 'G' : 'H');
    this.#out.uint8(isBinary ? 1 : 0);
    this.#out.int16(columnCount);
    for (let index = 0; index < columnCount; index++) this.#out.int16(isBinary ? 1 : 0);
    this.#end(start);
  }

  copyData(data: Uint8Array): void {
    const start = this.#begin('d');
    this.#out.raw(data);
    this.#end(start);
  }

  error(error: AlopexError, severity: 'ERROR' | 'FATAL' = 'ERROR'): void {
    this.#fields('E', error, severity);
  }

  notice(error: AlopexError, severity: string): void {
    this.#fields('N', error, severity);
  }

  #fields(letter: string, error: AlopexError, severity: string): void {
    const { fields } = error;
    const start = this.#begin(letter);
    const field = (code: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      this.#out.uint8(code.charCodeAt(0));
      this.#text(String(value).replaceAll('\0', ''));
    };
    field('S', severity);
    field('V', severity);
    field('C', error.code);
    field('M', error.message);
    field('D', fields.detail);
    field('H', fields.hint);
    field('P', fields.position);
    field('W', fields.where);
    field('s', fields.schema);
    field('t', fields.table);
    field('c', fields.column);
    field('d', fields.dataType);
    field('n', fields.constraint);
    this.#out.uint8(0);
    this.#end(start);
  }
}
