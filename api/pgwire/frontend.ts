import { type ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { utf8ToString, utf8ToStringStrict } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { knownName } from './names.ts';

/** The first packet of a connection. */
export type StartupPacket =
  | {
      readonly kind: 'startup';
      readonly majorVersion: number;
      readonly minorVersion: number;
      readonly parameters: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gss-request' }
  | { readonly kind: 'cancel-request'; readonly processId: number; readonly secret: number };

/** A client's message, decoded (PostgreSQL manual, 55.7 Message Formats). */
export type FrontendMessage =
  | { readonly kind: 'query'; readonly text: string }
  | {
      readonly kind: 'parse';
      readonly name: string;
      readonly text: string;
      readonly parameterTypes: readonly number[];
    }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      readonly parameterFormats: readonly number[];
      /** What the parameters' places are in. */
      readonly bytes: Uint8Array;
      readonly parameters: readonly (Place | null)[];
      readonly resultFormats: readonly number[];
    }
  | { readonly kind: 'describe'; readonly target: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly rowsMax: number }
  | { readonly kind: 'close'; readonly target: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'flush' }
  | { readonly kind: 'sync' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'copy-data'; readonly data: Uint8Array }
  | { readonly kind: 'copy-done' }
  | { readonly kind: 'copy-fail'; readonly message: string }
  | { readonly kind: 'function-call' }
  /** PasswordMessage, SASLInitialResponse, SASLResponse: which one, the state of the handshake tells. */
  | { readonly kind: 'password'; readonly body: Uint8Array };

/** Bytes [start, end) of a message. */
export type Place = { readonly start: number; readonly end: number };

export type Message<Kind extends FrontendMessage['kind']> = Extract<FrontendMessage, { readonly kind: Kind }>;

const kindsByByte: ReadonlyMap<number, FrontendMessage['kind']> = new Map(
  (
    [
      ['Q', 'query'],
      ['P', 'parse'],
      ['B', 'bind'],
      ['D', 'describe'],
      ['E', 'execute'],
      ['C', 'close'],
      ['H', 'flush'],
      ['S', 'sync'],
      ['X', 'terminate'],
      ['d', 'copy-data'],
      ['c', 'copy-done'],
      ['f', 'copy-fail'],
      ['F', 'function-call'],
      ['p', 'password'],
    ] as const
  ).map(([letter, kind]) => [letter.charCodeAt(0), kind]),
);

export function protocolViolation(message: string): AlopexError {
  return new AlopexError('protocol_violation', message);
}

export function messageKind(type: number): FrontendMessage['kind'] {
  const kind = kindsByByte.get(type);
  if (kind === undefined) throw protocolViolation(`invalid frontend message type ${type}`);
  return kind;
}

/** The body of a message, without type and length. Views into it are kept. */
export function decodeMessage(kind: FrontendMessage['kind'], reader: ByteReader): FrontendMessage {
  try {
    const message = decodeBody(kind, reader);
    if (reader.remaining > 0) throw protocolViolation('invalid message format');
    return message;
  } catch (error) {
    if (error instanceof ByteReaderError) throw protocolViolation('insufficient data left in message');
    throw error;
  }
}

function decodeBody(kind: FrontendMessage['kind'], reader: ByteReader): FrontendMessage {
  switch (kind) {
    case 'query':
      return { kind, text: cString(reader) };
    case 'parse':
      return {
        kind,
        name: cString(reader),
        text: cString(reader),
        parameterTypes: list(reader, readType),
      };
    case 'bind':
      return decodeBind(reader);
    case 'describe':
    case 'close':
      return { kind, target: target(reader), name: cString(reader) };
    case 'execute':
      return { kind, portal: cString(reader), rowsMax: Math.max(0, reader.int32()) };
    case 'copy-data':
      return { kind, data: reader.raw(reader.remaining) };
    case 'copy-fail':
      return { kind, message: cString(reader) };
    case 'password':
      return { kind, body: reader.raw(reader.remaining) };
    case 'function-call':
      reader.skip(reader.remaining);
      return { kind };
    case 'flush':
    case 'sync':
    case 'terminate':
    case 'copy-done':
      return { kind };
  }
}

const readType = (reader: ByteReader): number => reader.uint32();

function decodeBind(reader: ByteReader): FrontendMessage {
  const portal = cString(reader);
  const statement = cString(reader);
  const parameterFormats = formats(reader);
  const parameters = list(reader, placeOfValue);
  const resultFormats = formats(reader);
  if (parameterFormats.length > 1 && parameterFormats.length !== parameters.length) {
    throw protocolViolation(
      `bind message has ${parameterFormats.length} parameter formats but ${parameters.length} parameters`,
    );
  }
  checkFormats(parameterFormats);
  checkFormats(resultFormats);
  const { bytes } = reader;
  return { kind: 'bind', portal, statement, parameterFormats, bytes, parameters, resultFormats };
}

const allText: readonly number[] = [];
const readFormat = (reader: ByteReader): number => reader.int16();

/** One code that says text, as drivers send it, is as good as none. */
function formats(reader: ByteReader): readonly number[] {
  const codes = list(reader, readFormat);
  return codes.length === 0 || (codes.length === 1 && codes[0] === 0) ? allText : codes;
}

function checkFormats(codes: readonly number[]): void {
  for (const code of codes) {
    if (code !== 0 && code !== 1)
      throw new AlopexError('invalid_parameter_value', `unsupported format code: ${code}`);
  }
}

function placeOfValue(reader: ByteReader): Place | null {
  const length = reader.int32();
  if (length === -1) return null;
  const start = reader.position;
  reader.skip(length);
  return { start, end: reader.position };
}

function list<Item>(reader: ByteReader, read: (reader: ByteReader) => Item): readonly Item[] {
  const count = reader.uint16();
  const items: Item[] = [];
  for (let index = 0; index < count; index++) items.push(read(reader));
  return items;
}

function target(reader: ByteReader): 'statement' | 'portal' {
  const letter = String.fromCharCode(reader.uint8());
  if (letter === 'S') return 'statement';
  if (letter === 'P') return 'portal';
  throw protocolViolation(`invalid target "${letter}" of a Describe or Close message`);
}

/** Text from the client: UTF-8 without a zero byte, or 22021. */
export function checkedText(bytes: Uint8Array, start: number, end: number): string {
  const text = utf8ToString(bytes, start, end);
  // The decoder puts U+FFFD for what is not UTF-8; a client may also have sent that character itself.
  const isBroken = text.includes('\ufffd') && utf8ToStringStrict(bytes.subarray(start, end)) === null;
  if (isBroken || text.includes('\0')) {
    throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8"');
  }
  return text;
}

function cString(reader: ByteReader): string {
  const { bytes, position } = reader;
  const end = endOfString(bytes, position);
  if (end < 0 || end >= reader.end) throw protocolViolation('invalid string in message');
  reader.position = end + 1;
  return knownName(bytes, position, end) ?? checkedText(bytes, position, end);
}

/** Bytes that are looked at here, before the host's own search, whose call costs as much. */
const nearBytes = 32;

/** Where the zero byte is; negative: nowhere. */
function endOfString(bytes: Uint8Array, start: number): number {
  const near = Math.min(start + nearBytes, bytes.length);
  for (let at = start; at < near; at++) if (bytes[at] === 0) return at;
  return bytes.indexOf(0, near);
}

const cancelCode = 80_877_102;
const sslCode = 80_877_103;
const gssCode = 80_877_104;

/** The first packet, without its length. */
export function decodeStartup(reader: ByteReader): StartupPacket {
  try {
    const code = reader.int32();
    if (code === sslCode) return { kind: 'ssl-request' };
    if (code === gssCode) return { kind: 'gss-request' };
    if (code === cancelCode)
      return { kind: 'cancel-request', processId: reader.int32(), secret: reader.int32() };
    const majorVersion = code >>> 16;
    const minorVersion = code & 0xffff;
    if (majorVersion !== 3) {
      throw new AlopexError(
        'feature_not_supported',
        `unsupported frontend protocol ${majorVersion}.${minorVersion}: server supports 3.0 to 3.0`,
      );
    }
    const parameters: Record<string, string> = {};
    for (;;) {
      const name = cString(reader);
      if (name === '') break;
      parameters[name] = cString(reader);
    }
    if (reader.remaining > 0)
      throw protocolViolation('invalid startup packet layout: expected terminator as last byte');
    return { kind: 'startup', majorVersion, minorVersion, parameters };
  } catch (error) {
    if (error instanceof ByteReaderError) throw protocolViolation('invalid startup packet layout');
    throw error;
  }
}
