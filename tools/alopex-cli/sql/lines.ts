import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AlopexError } from '../../../base/errors.ts';

/** Where the shell's lines come from. */
export type Lines = {
  /** The next line, without its end; null at the end of the input; 'interrupted' after Ctrl-C. */
  read(prompt: string): Promise<string | null | typeof interrupted>;
  close(): void;
};

export const interrupted = Symbol('Ctrl-C');

/** Lines of a stream: a script on standard input. */
export function streamLines(input: NodeJS.ReadableStream): Lines {
  const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const iterator = reader[Symbol.asyncIterator]();
  return {
    async read() {
      const { value, done } = await iterator.next();
      return done === true ? null : value;
    },
    close: () => reader.close(),
  };
}

/** Lines of a file. Throws 58P01 where it cannot be read. */
export async function fileLines(path: string): Promise<Lines> {
  const input = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    input.once('open', () => resolve());
    input.once('error', (error) => reject(new AlopexError('undefined_file', `${path}: ${error.message}`)));
  });
  return streamLines(input);
}
