import { concatBytes } from '../../base/bytes/compare.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
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

/** `take` answers with the next bytes, so many. Rejects with the reason where it is no welcome. */
export async function readWelcome(take: (count: number) => Promise<Uint8Array>): Promise<void> {
  const [high = 0, low = 0] = await take(headerBytes);
  const length = high * 256 + low;
  if (length === 0) return;
  if (length > reasonBytesMax) throw refused('the other node does not speak as a node does');
  throw refused(`the other node refused this one: ${printable(await take(length))}`);
}

function printable(text: Uint8Array): string {
  return utf8ToString(text).replaceAll(/\p{Cc}/gu, ' ');
}
