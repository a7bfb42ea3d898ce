import { ByteWriter } from '../../../base/bytes/writer.ts';

/** The client's messages, as bytes. */
export type Field = string | Uint8Array | null;

export function message(letter: string, write: (out: ByteWriter) => void = () => {}): Uint8Array {
  const out = new ByteWriter();
  if (letter !== '') out.uint8(letter.charCodeAt(0));
  const start = out.length;
  out.int32(0);
  write(out);
  out.setInt32(start, out.length - start);
  return out.toBytes();
}

function text(out: ByteWriter, value: string): void {
  out.utf8(value);
  out.uint8(0);
}

function formats(out: ByteWriter, codes: readonly number[]): void {
  out.int16(codes.length);
  for (const code of codes) out.int16(code);
}

export const startup = (
  parameters: Readonly<Record<string, string>> = { user: 'alopex' },
  version = 3 << 16,
): Uint8Array =>
  message('', (out) => {
    out.int32(version);
    for (const [name, value] of Object.entries(parameters)) {
      text(out, name);
      text(out, value);
    }
    out.uint8(0);
  });

export const request = (code: number, ...numbers: number[]): Uint8Array =>
  message('', (out) => {
    out.int32(code);
    for (const number of numbers) out.int32(number);
  });

export const sslRequest = request(80_877_103);
export const cancelRequest = (processId: number, secret: number): Uint8Array =>
  request(80_877_102, processId, secret);

export const query = (sql: string): Uint8Array => message('Q', (out) => text(out, sql));

export const parse = (sql: string, name = '', types: readonly number[] = []): Uint8Array =>
  message('P', (out) => {
    text(out, name);
    text(out, sql);
    out.int16(types.length);
    for (const type of types) out.uint32(type);
  });

export const bind = (
  parameters: readonly Field[] = [],
  options: {
    readonly portal?: string;
    readonly statement?: string;
    readonly parameterFormats?: readonly number[];
    readonly resultFormats?: readonly number[];
  } = {},
): Uint8Array =>
  message('B', (out) => {
    text(out, options.portal ?? '');
    text(out, options.statement ?? '');
    formats(out, options.parameterFormats ?? []);
    out.int16(parameters.length);
    for (const value of parameters) {
      if (value === null) out.int32(-1);
      else {
        const start = out.length;
        out.int32(0);
        if (typeof value === 'string') out.utf8(value);
        else out.raw(value);
        out.setInt32(start, out.length - start - 4);
      }
    }
    formats(out, options.resultFormats ?? []);
  });

const named = (letter: string, kind: 'S' | 'P', name: string): Uint8Array =>
  message(letter, (out) => {
    out.uint8(kind.charCodeAt(0));
    text(out, name);
  });

export const describeStatement = (name = ''): Uint8Array => named('D', 'S', name);
export const describePortal = (name = ''): Uint8Array => named('D', 'P', name);
export const closeStatement = (name = ''): Uint8Array => named('C', 'S', name);
export const closePortal = (name = ''): Uint8Array => named('C', 'P', name);

export const execute = (portal = '', rowsMax = 0): Uint8Array =>
  message('E', (out) => {
    text(out, portal);
    out.int32(rowsMax);
  });

export const sync = message('S');
export const flush = message('H');
export const terminate = message('X');
export const functionCall = message('F', (out) => {
  out.uint32(1);
  out.int32(0);
  out.int16(0);
});
export const copyData = (data: string): Uint8Array => message('d', (out) => out.utf8(data));
export const copyDone = message('c');
export const copyFail = (reason: string): Uint8Array => message('f', (out) => text(out, reason));
