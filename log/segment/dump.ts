import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import type { Disk } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { BatchError } from '../record/batch-error.ts';
import { decodeControl } from '../record/control.ts';
import { decodeHeaders } from '../record/headers.ts';
import type { BatchHeader } from '../record/record.ts';
import { type Decompressor, RecordReader } from '../record/record-reader.ts';
import { formatVersion, readMark } from './mark.ts';
import { nameOfPath, type SegmentName } from './name.ts';
import { readIndex } from './sealed.ts';
import { endless, segmentStart, type Visitor, walkBatches } from './walk.ts';

/** Bytes of a key, value or header that are shown. */
const shownBytesMax = 64;
/** Lines after which those of a segment are handed on. */
const linesAtOnce = 10_000;

export type DumpOptions = {
  readonly decompressor?: Decompressor;
  /** A record's line, where the caller can say more than its bytes; else null. */
  readonly describe?: (record: RecordReader) => string | null;
};

/** The lines of a mark, a segment (`.log`) or its index (`.index`), for a person to read. Damage is a line too. */
export async function* dumpLogFile(
  disk: Disk,
  path: string,
  options: DumpOptions = {},
): AsyncGenerator<string> {
  const slash = path.lastIndexOf('/');
  const directory = path.slice(0, slash);
  if (path.slice(slash + 1) === 'mark') yield* dumpMark(disk, directory);
  else {
    const name = nameOfPath(path);
    if (name === null) throw new AlopexError('invalid_parameter_value', `"${path}" is no file of a log`);
    if (path.endsWith('.index')) yield* dumpIndex(disk, directory, name);
    else yield* dumpSegment(disk, path, name, options);
  }
}

async function* dumpMark(disk: Disk, directory: string): AsyncGenerator<string> {
  const read = await readMark(disk, directory);
  if (read === null) yield 'damage: no slot of the mark is whole';
  else {
    const { mark, generation } = read;
    yield `mark: format ${formatVersion}, generation ${generation}, log starts at ${mark.startOffset}`;
    yield `durable below offset ${mark.offset}: byte ${mark.position} of segment ${mark.segmentBase}, epoch ${mark.segmentEpoch}`;
    for (const [producer, first] of mark.undecided)
      yield `undecided: producer ${producer} from offset ${first}`;
  }
}

async function* dumpIndex(disk: Disk, directory: string, name: SegmentName): AsyncGenerator<string> {
  const read = await readIndex(disk, directory, name);
  if (read === null) {
    yield 'damage: the index is not whole; it is made again when the log is opened';
    return;
  }
  const { segment, undecided, index } = read;
  yield `index: offsets ${segment.base} to ${segment.endOffset - 1}, epoch ${segment.epoch}, ${segment.sizeBytes} bytes, newest ${time(segment.timeMaxMs)}`;
  for (const [producer, first] of undecided)
    yield `undecided at the end: producer ${producer} from offset ${first}`;
  for (const entry of index.entries()) {
    yield `byte ${entry.position}: offset ${entry.offset}, newest ${time(entry.timeMaxMs)}`;
  }
}

async function* dumpSegment(
  disk: Disk,
  path: string,
  name: SegmentName,
  options: DumpOptions,
): AsyncGenerator<string> {
  const file = await disk.open(path, 'read');
  try {
    let at = segmentStart(name);
    for (;;) {
      const lines: string[] = [];
      const some: Visitor = (batch, header, position) => {
        lines.push(...linesOf(batch, header, position, options));
        return lines.length < linesAtOnce;
      };
      const walked = await walkBatches(file, name, at, endless, some);
      yield* lines;
      if (walked.stop.kind === 'damage') {
        yield `damage at byte ${walked.stop.byteOffset}: ${walked.stop.problem}`;
        return;
      }
      if (walked.stop.kind !== 'stopped') {
        yield `end at byte ${walked.position}, offset ${walked.offset}; the file has ${await file.size()} bytes`;
        return;
      }
      at = walked;
    }
  } finally {
    await file.close();
  }
}

function linesOf(
  batch: Uint8Array,
  header: BatchHeader,
  position: number,
  { decompressor, describe }: DumpOptions,
): readonly string[] {
  const lines = [headerLine(header, position)];
  try {
    const reader = new RecordReader(batch, header, decompressor);
    while (reader.next()) {
      const line = header.isControl ? controlLine(reader) : (describe?.(reader) ?? recordLine(reader));
      lines.push(`  ${line}`);
    }
  } catch (thrown) {
    if (!(thrown instanceof BatchError)) throw thrown;
    lines.push(`  damage at byte ${position + thrown.byteOffset}: ${thrown.message}`);
  }
  return lines;
}

function headerLine(header: BatchHeader, position: number): string {
  const kinds = [header.isTransactional ? ' transactional' : '', header.isControl ? ' control' : ''].join('');
  const producer =
    header.producerId < 0
      ? ''
      : `, producer ${header.producerId} epoch ${header.producerEpoch} sequence ${header.baseSequence}`;
  const compression = header.compression === 'none' ? '' : `, ${header.compression}`;
  return `byte ${position}:${kinds} batch of ${header.sizeBytes} bytes, offsets ${header.baseOffset} to ${header.lastOffset}, epoch ${header.epoch}, ${time(header.baseTimestampMs)}${producer}${compression}`;
}

function recordLine(reader: RecordReader): string {
  const headers = decodeHeaders(reader.headers).map(({ key, value }) => ` ${key}=${shown(value)}`);
  return `${reader.offset} key=${shown(reader.key)} value=${shown(reader.value)}${headers.join('')}`;
}

function controlLine(reader: RecordReader): string {
  const { kind, ...fields } = decodeControl(reader);
  return [
    `${reader.offset} ${kind}`,
    ...Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`),
  ].join(' ');
}

/** As text where it is printable ASCII, else in hexadecimal. */
function shown(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null';
  const head = bytes.subarray(0, shownBytesMax);
  const text = bytesToLatin1(head);
  const cut = head.length < bytes.length ? `… (${bytes.length} bytes)` : '';
  const isText = /^[ -~]*$/.test(text);
  return (
    (isText
      ? JSON.stringify(text)
      : `0x${Array.from(head, (byte) => byte.toString(16).padStart(2, '0')).join('')}`) + cut
  );
}

function time(timeMs: number): string {
  return Math.abs(timeMs) <= 8_640_000_000_000_000 ? new Date(timeMs).toISOString() : `${timeMs} ms`;
}
