import type { Duplex } from 'node:stream';
import { concatBytes } from '../../base/bytes/compare.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { refused } from './certificate.ts';

const headerBytes = 2;
const reasonBytesMax = 1024;

/**
 * What an acceptor says first, when it has judged the other's certificate: two bytes, big-endian, of the length of the reason
 * (UTF-8) why it hangs up, which follows; zero where it does not.
 */
export function encodeWelcome(reason: string | null): Uint8Array {
  const text = stringToUtf8(reason ?? '').subarray(0, reasonBytesMax);
  return concatBytes([Uint8Array.of(text.length >> 8, text.length & 0xff), text]);
}

/** Takes a welcome off a stream that nobody reads yet, and no byte more. Rejects with the reason where it is none. */
export function readWelcome(stream: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    let length: number | null = null;
    const finish = (settle: () => void) => {
      stream.off('readable', read);
      stream.off('error', fail);
      stream.off('close', ended);
      settle();
    };
    const fail = (error: Error) => finish(() => reject(error));
    const ended = () => fail(new AlopexError('connection_failure', 'the other node hung up'));
    const read = () => {
      if (length === null) {
        const header = stream.read(headerBytes) as Buffer | null;
        if (header === null) return;
        if (header.length < headerBytes) return ended();
        length = header.readUInt16BE(0);
      }
      if (length === 0) return finish(resolve);
      if (length > reasonBytesMax) return fail(refused('the other node does not speak as a node does'));
      const reason = stream.read(length) as Buffer | null;
      if (reason !== null) fail(refused(`the other node refused this one: ${printable(reason)}`));
    };
    stream.on('readable', read);
    stream.once('error', fail);
    stream.once('close', ended);
  });
}

function printable(text: Uint8Array): string {
  return utf8ToString(text).replaceAll(/\p{Cc}/gu, ' ');
}
