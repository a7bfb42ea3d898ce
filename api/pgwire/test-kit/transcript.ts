import { ByteReader } from '../../../base/bytes/reader.ts';
import { utf8ToString } from '../../../base/bytes/utf8.ts';

/** The server's messages as lines that a golden test compares; what differs from run to run is left out. */
export class Transcript {
  #rest: Uint8Array = new Uint8Array();
  readonly lines: string[] = [];
  /** Of BackendKeyData. */
  processId = 0;
  secret = 0;

  push(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.#rest.length + bytes.length);
    joined.set(this.#rest);
    joined.set(bytes, this.#rest.length);
    let start = 0;
    while (joined.length - start >= 5) {
      const length = new ByteReader(joined, start + 1).int32();
      if (joined.length - start < length + 1) break;
      const reader = new ByteReader(joined, start + 5, start + 1 + length);
      this.lines.push(this.#line(String.fromCharCode(joined[start]!), reader));
      start += length + 1;
    }
    this.#rest = joined.slice(start);
  }

  #line(letter: string, body: ByteReader): string {
    switch (letter) {
      case 'R':
        return `Authentication ${body.int32()}`;
      case 'K':
        this.processId = body.int32();
        this.secret = body.int32();
        return 'BackendKeyData';
      case 'S':
        return `ParameterStatus ${text(body)}=${text(body)}`;
      case 'Z':
        return `ReadyForQuery ${String.fromCharCode(body.uint8())}`;
      case 'T':
        return `RowDescription ${repeat(body, () => column(body)).join(' ')}`;
      case 'D':
        return `DataRow ${repeat(body, () => field(body)).join(' ')}`;
      case 't':
        return `ParameterDescription ${repeat(body, () => body.uint32()).join(' ')}`.trimEnd();
      case 'C':
        return `CommandComplete ${text(body)}`;
      case 'E':
        return `ErrorResponse ${fields(body)}`;
      case 'N':
        return `NoticeResponse ${fields(body)}`;
      case 'G':
      case 'H':
        return `Copy${letter === 'G' ? 'In' : 'Out'}Response ${body.uint8()} x${body.int16()}`;
      case 'd':
        return `CopyData ${JSON.stringify(body.utf8(body.remaining))}`;
      case 'v':
        return `NegotiateProtocolVersion ${body.int32()} ${Array.from({ length: body.int32() }, () => text(body)).join(' ')}`;
      default:
        return names[letter] ?? `unknown message ${letter}`;
    }
  }
}

const names: Readonly<Record<string, string>> = {
  1: 'ParseComplete',
  2: 'BindComplete',
  3: 'CloseComplete',
  n: 'NoData',
  s: 'PortalSuspended',
  I: 'EmptyQueryResponse',
  c: 'CopyDone',
};

function repeat<Item>(body: ByteReader, read: () => Item): Item[] {
  return Array.from({ length: body.int16() }, read);
}

function text(body: ByteReader): string {
  const end = body.bytes.indexOf(0, body.position);
  const value = utf8ToString(body.bytes, body.position, end);
  body.skip(end - body.position + 1);
  return value;
}

function column(body: ByteReader): string {
  const name = text(body);
  body.skip(6);
  const type = body.uint32();
  body.skip(6);
  return `${name}:${type}${body.int16() === 1 ? ':binary' : ''}`;
}

/** Text as it is; other bytes in hexadecimal. */
function field(body: ByteReader): string {
  const length = body.int32();
  if (length === -1) return 'null';
  const bytes = body.raw(length);
  const isText = bytes.every((byte) => byte >= 32);
  return isText
    ? utf8ToString(bytes)
    : `\\x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Severity, code, message, and the position where there is one. */
function fields(body: ByteReader): string {
  const values = new Map<string, string>();
  for (let code = body.uint8(); code !== 0; code = body.uint8())
    values.set(String.fromCharCode(code), text(body));
  const position = values.get('P');
  return `${values.get('S')} ${values.get('C')} ${values.get('M')}${position === undefined ? '' : ` @${position}`}`;
}
