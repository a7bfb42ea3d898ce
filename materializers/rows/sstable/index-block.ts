import { ByteReader, ByteReaderError } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import type { ColumnVector } from '../../../base/values/column.ts';
import { type AnyPageSlot, type PageCodec, PageSlot } from './cache.ts';
import { decodeColumn, OverflowPage, Utf8Rows } from './column-decoder.ts';
import type { PageFile } from './file.ts';
import type { PageAddress } from './format.ts';
import { KeyIndex } from './key-index.ts';
import { decodeKeys, type KeyPage } from './keys.ts';
import { type Stamp, stamped } from './stamp.ts';
import { concatVectors, vectorBytes } from './vector.ts';
import { decodeVersions, type VersionPage } from './versions.ts';
import { readZone, writeZone, type Zone } from './zone.ts';

/** What the index records of a row group. */
export type GroupRecord = {
  readonly rowCount: number;
  readonly deletedCount: number;
  readonly hasRepeats: boolean;
  readonly oldestTimestamp: number;
  readonly newestTimestamp: number;
  /** Where the group goes on with the key that the one before ended with: the timestamp of that last version. */
  readonly continues: number | null;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  readonly keys: PageAddress;
  /** Null where the keys themselves are no larger. */
  readonly filter: PageAddress | null;
  readonly versions: PageAddress;
  readonly columns: readonly ColumnRecord[];
};

export type ColumnRecord = {
  readonly zone: Zone;
  readonly pages: readonly { readonly firstRow: number; readonly address: PageAddress }[];
};

const hasRepeatsFlag = 1;
const continuesFlag = 2;
const hasFilterFlag = 4;

function flagsOf(group: GroupRecord): number {
  return (
    (group.hasRepeats ? hasRepeatsFlag : 0) |
    (group.continues === null ? 0 : continuesFlag) |
    (group.filter === null ? 0 : hasFilterFlag)
  );
}

export function encodeIndexBlock(groups: readonly GroupRecord[]): Uint8Array {
  const writer = new ByteWriter(1024);
  writer.varint(groups.length);
  for (const group of groups) {
    writer.uint8(flagsOf(group));
    writer.varint(group.rowCount);
    writer.varint(group.deletedCount);
    writer.varint(group.oldestTimestamp);
    writer.varint(group.newestTimestamp);
    if (group.continues !== null) writer.varint(group.continues);
    writeKey(writer, group.firstKey);
    writeKey(writer, group.lastKey);
    writeAddress(writer, group.keys);
    if (group.filter !== null) writeAddress(writer, group.filter);
    writeAddress(writer, group.versions);
    for (const { zone, pages } of group.columns) {
      writeZone(writer, zone);
      writer.varint(pages.length);
      for (const { firstRow, address } of pages) {
        writer.varint(firstRow);
        writeAddress(writer, address);
      }
    }
  }
  return writer.toBytes();
}

export function writeKey(writer: ByteWriter, key: Uint8Array): void {
  writer.varint(key.length);
  writer.raw(key);
}

/** A copy. */
export function readKey(reader: ByteReader): Uint8Array {
  return new Uint8Array(reader.raw(reader.varint()));
}

export function writeAddress(writer: ByteWriter, address: PageAddress): void {
  writer.varint(address.position);
  writer.varint(address.length);
}

export function readAddress(reader: ByteReader): PageAddress {
  return { position: Number(reader.varlong()), length: reader.varint() };
}

/** A row group of an open file. Its pages are fetched when somebody needs them. */
export type Group = {
  readonly rowCount: number;
  readonly deletedCount: number;
  readonly hasRepeats: boolean;
  readonly oldestTimestamp: number;
  readonly newestTimestamp: number;
  readonly continues: number | null;
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  readonly keys: PageSlot<KeyPage>;
  readonly filter: PageSlot<Uint8Array> | null;
  readonly versions: PageSlot<VersionPage>;
  readonly columns: readonly ColumnChunk[];
};

/** A column in one group. */
export type ColumnChunk = {
  readonly zone: Zone;
  readonly pages: readonly PageSlot<ColumnVector>[];
  /** First row of each page. */
  readonly firstRows: readonly number[];
  /** The pages put together, kept in the cache; where there is one page, that page. */
  readonly whole: PageSlot<ColumnVector>;
};

export type IndexBlock = {
  readonly groups: readonly Group[];
  readonly lastKeys: KeyIndex;
};

function counted<Page extends { readonly rowCount: number }>(page: Page, slot: AnyPageSlot): Page {
  if (page.rowCount === slot.rowCount) return page;
  throw new ByteReaderError(`${page.rowCount} rows where the index has ${slot.rowCount}`);
}

const keysCodec: PageCodec<KeyPage> = {
  decode: (payload, slot) => counted(decodeKeys(payload), slot),
  sizeOf: (keys) =>
    keys.kind === 'numeric' ? keys.values.byteLength : keys.bytes.length + keys.offsets.byteLength,
};

const filterCodec: PageCodec<Uint8Array> = {
  decode: (payload) => payload,
  sizeOf: (filter) => filter.length,
};

function versionsCodec(stamp: Stamp | null): PageCodec<VersionPage> {
  return {
    decode: (payload, slot) => counted(decodeVersions(payload, stamp), slot),
    sizeOf: ({ timestamps, deleted, repeats }) =>
      timestamps.byteLength + (deleted?.length ?? 0) + (repeats?.length ?? 0),
  };
}

const columnCodec: PageCodec<ColumnVector> = {
  decode: (payload, slot) => {
    const page = decodeColumn(payload, slot.rowCount);
    return page instanceof OverflowPage ? fetchOverflow(page, slot) : page;
  },
  sizeOf: vectorBytes,
};

async function fetchOverflow(page: OverflowPage, slot: PageSlot<ColumnVector>): Promise<ColumnVector> {
  const payloads: Uint8Array[] = [];
  for (const { address } of page.references) payloads.push(await slot.file.readPage(address));
  return page.complete(payloads, slot.rowCount);
}

/** Bytes of a slot and what hangs on it, for the account of the cache. */
const slotBytes = 160;

export function indexBlockCodec(columnCount: number, stamp: Stamp | null): PageCodec<IndexBlock> {
  const versions = versionsCodec(stamp);
  return {
    decode: (payload, { file }) => {
      const reader = new ByteReader(payload);
      const groups = Array.from({ length: reader.varint() }, () =>
        readGroup(reader, file, columnCount, versions, stamp),
      );
      return { groups, lastKeys: new KeyIndex(groups.map(({ lastKey }) => lastKey)) };
    },
    sizeOf: ({ groups }) => {
      let bytes = 0;
      for (const group of groups) {
        bytes += slotBytes * 4 + group.firstKey.length + group.lastKey.length;
        for (const { pages } of group.columns) bytes += slotBytes * (pages.length + 1);
      }
      return bytes;
    },
  };
}

function readGroup(
  reader: ByteReader,
  file: PageFile,
  columnCount: number,
  versions: PageCodec<VersionPage>,
  stamp: Stamp | null,
): Group {
  const flags = reader.uint8();
  const rowCount = reader.varint();
  const deletedCount = reader.varint();
  const oldest = Number(reader.varlong());
  const newest = Number(reader.varlong());
  const continues = flags & continuesFlag ? Number(reader.varlong()) : null;
  return {
    rowCount,
    deletedCount,
    hasRepeats: (flags & hasRepeatsFlag) !== 0,
    oldestTimestamp: stamped(stamp, oldest),
    newestTimestamp: stamped(stamp, newest),
    continues: continues === null ? null : stamped(stamp, continues),
    firstKey: readKey(reader),
    lastKey: readKey(reader),
    keys: new PageSlot(file, readAddress(reader), keysCodec, rowCount),
    filter: flags & hasFilterFlag ? new PageSlot(file, readAddress(reader), filterCodec) : null,
    versions: new PageSlot(file, readAddress(reader), versions, rowCount),
    columns: Array.from({ length: columnCount }, () => readColumn(reader, file, rowCount)),
  };
}

function readColumn(reader: ByteReader, file: PageFile, rowCount: number): ColumnChunk {
  const zone = readZone(reader);
  const count = reader.varint();
  const firstRows: number[] = [];
  const addresses: PageAddress[] = [];
  for (let page = 0; page < count; page++) {
    firstRows.push(reader.varint());
    addresses.push(readAddress(reader));
  }
  const pages = addresses.map((address, page) => {
    const rows = (firstRows[page + 1] ?? rowCount) - firstRows[page]!;
    return new PageSlot(file, address, columnCodec, rows);
  });
  const whole = count === 1 ? pages[0]! : new PageSlot(file, addresses[0]!, columnCodec, rowCount);
  return { zone, pages, firstRows, whole };
}

/** The whole column; its pages (or the whole) must be in memory. */
export function wholeColumn(chunk: ColumnChunk): ColumnVector {
  const { whole, pages } = chunk;
  if (whole.value !== null) {
    whole.isReferenced = true;
    return withOwnStrings(whole.value);
  }
  const vector = concatVectors(
    pages.map((page) => page.value!),
    pages.map((page) => page.rowCount),
  );
  const { cache } = whole.file;
  cache.keep(whole, vector);
  for (const page of pages) cache.discard(page);
  return withOwnStrings(vector);
}

/** Strings that a reader makes live as long as its batch, not as long as the page. */
function withOwnStrings(vector: ColumnVector): ColumnVector {
  if (vector.kind !== 'utf8') return vector;
  const { bytes, offsets } = vector.text;
  return { kind: 'utf8', text: new Utf8Rows(bytes, offsets), nulls: vector.nulls };
}
