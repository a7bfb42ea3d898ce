import { concatBytes } from '../../../base/bytes/compare.ts';
import { ByteReader } from '../../../base/bytes/reader.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';

/** `PGCOPY\n\377\r\n\0`. */
const signature = Uint8Array.of(80, 71, 67, 79, 80, 89, 10, 255, 13, 10, 0);
const headerBytes = signature.length + 8;
/** Longest tuple, in bytes. */
const tupleBytesMax = 256 * 1024 * 1024;

function malformed(message: string): AlopexError {
  return new AlopexError('bad_copy_file_format', message);
}

/** COPY's binary format: bytes in, cut anywhere, tuples of fields out. Sans I/O. */
export class BinaryCopyDecoder {
  #bytes: Uint8Array = new Uint8Array();
  #state: 'header' | 'tuples' | 'ended' = 'header';

  *push(chunk: Uint8Array): Iterable<readonly (Uint8Array | null)[]> {
    this.#bytes = this.#bytes.length === 0 ? chunk : concatBytes([this.#bytes, chunk]);
    if (this.#state === 'header' && !this.#readHeader()) return;
    let start = 0;
    while (this.#state === 'tuples') {
      const tuple = this.#readTuple(start);
      if (tuple === null) break;
      start = tuple.end;
      if (tuple.fields !== null) yield tuple.fields;
    }
    this.#bytes = this.#bytes.slice(start);
    if (this.#bytes.length > tupleBytesMax)
      throw malformed(`a tuple of COPY is limited to ${tupleBytesMax} bytes`);
  }

  finish(): void {
    if (this.#state === 'header') throw malformed('COPY file signature not recognized');
    if (this.#state === 'tuples') throw malformed('unexpected EOF in COPY data');
  }

  #readHeader(): boolean {
    const known = Math.min(signature.length, this.#bytes.length);
    for (let index = 0; index < known; index++) {
      if (this.#bytes[index] !== signature[index]) throw malformed('COPY file signature not recognized');
    }
    if (this.#bytes.length < headerBytes) return false;
    const reader = new ByteReader(this.#bytes, signature.length);
    if ((reader.int32() & 0xffff0000) !== 0)
      throw malformed('unrecognized critical flags in COPY file header');
    const extension = reader.int32();
    if (extension < 0 || extension > tupleBytesMax)
      throw malformed('invalid COPY file header (wrong length)');
    if (reader.remaining < extension) return false;
    this.#bytes = this.#bytes.subarray(headerBytes + extension);
    this.#state = 'tuples';
    return true;
  }

  /** Null: not all of it is here. `fields` null: the trailer. */
  #readTuple(
    start: number,
  ): { readonly fields: readonly (Uint8Array | null)[] | null; readonly end: number } | null {
    const reader = new ByteReader(this.#bytes, start);
    if (reader.remaining < 2) return null;
    const count = reader.int16();
    if (count === -1) {
      this.#state = 'ended';
      return { fields: null, end: this.#bytes.length };
    }
    if (count < 0) throw malformed('row field count is negative');
    const fields: (Uint8Array | null)[] = [];
    for (let index = 0; index < count; index++) {
      if (reader.remaining < 4) return null;
      const length = reader.int32();
      if (length < -1 || length > tupleBytesMax) throw malformed('invalid field size');
      if (length === -1) fields.push(null);
      else if (reader.remaining < length) return null;
      else fields.push(reader.raw(length));
    }
    return { fields, end: reader.position };
  }
}

export function writeBinaryHeader(writer: ByteWriter): void {
  writer.raw(signature);
  writer.int32(0);
  writer.int32(0);
}

export function writeBinaryTuple(writer: ByteWriter, fields: readonly (Uint8Array | null)[]): void {
  writer.int16(fields.length);
  for (const field of fields) {
    writer.int32(field === null ? -1 : field.length);
    if (field !== null) writer.raw(field);
  }
}

export function writeBinaryTrailer(writer: ByteWriter): void {
  writer.int16(-1);
}
