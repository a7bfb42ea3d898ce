import { createReadStream, createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { AlopexError } from '../../../base/errors.ts';
import { streamOutput } from './output.ts';

/** Where COPY's bytes come from or go to, in place of the shell's own input and output. */
export type CopyFiles = {
  readonly copyIn?: () => AsyncIterable<Uint8Array>;
  readonly copyOut?: (chunk: Uint8Array) => Promise<void>;
  /** After the statement, whether it failed or not. */
  readonly close: () => Promise<void>;
};

export type ParsedCopy = {
  readonly sql: string;
  readonly path: string;
  readonly direction: 'from' | 'to';
};

/** `table (a, b) from 'file' with (format csv)`, or `(select …) to file`. */
export function parseCopy(argument: string): ParsedCopy {
  const match = /^(.*?)\s+(from|to)\s+(?:'((?:[^']|'')*)'|(\S+))\s*(.*)$/is.exec(argument);
  if (match === null) {
    throw new AlopexError('syntax_error', "\\copy: expected table, from or to, and 'file'");
  }
  const [, source = '', word = '', quoted, bare, options = ''] = match;
  const direction = word.toLowerCase() === 'from' ? 'from' : 'to';
  return {
    sql: `COPY ${source} ${direction === 'from' ? 'FROM STDIN' : 'TO STDOUT'} ${options}`.trim(),
    path: quoted?.replaceAll("''", "'") ?? bare!,
    direction,
  };
}

export function copyFrom(path: string): CopyFiles {
  return { copyIn: () => readFileChunks(path), close: async () => {} };
}

async function* readFileChunks(path: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(path) as AsyncIterable<Buffer>;
  } catch (error) {
    throw fileError(path, error);
  }
}

export function copyTo(path: string): CopyFiles {
  const stream = createWriteStream(path);
  const failed = new Promise<never>((_resolve, reject) => {
    stream.once('error', (error) => reject(fileError(path, error)));
  });
  failed.catch(() => {});
  const output = streamOutput(stream);
  return {
    copyOut: (chunk) => Promise.race([output.write(chunk), failed]),
    async close() {
      stream.end();
      await Promise.race([finished(stream), failed]);
    },
  };
}

function fileError(path: string, error: unknown): AlopexError {
  return new AlopexError('undefined_file', `${path}: ${(error as Error).message}`, { cause: error });
}
