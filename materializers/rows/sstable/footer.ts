import { crc32c } from '../../../base/bytes/crc32c.ts';
import { ByteReader, ByteReaderError } from '../../../base/bytes/reader.ts';
import { latin1ToBytes } from '../../../base/bytes/utf8.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError, corrupted } from '../../../base/errors.ts';
import { columnId, indexId, storageId } from '../../../base/ids.ts';
import type { PhysicalKind, PhysicalType } from '../../../base/values/datum.ts';
import {
  formatVersion,
  magic,
  type PageAddress,
  type SectionColumn,
  type SectionMetadata,
  trailerLength,
} from './format.ts';
import { readAddress, readKey, writeAddress, writeKey } from './index-block.ts';

/** What an open file keeps in memory: its sections, and where their index blocks lie. */
export type Footer = {
  /** Name of the compression, or '' where no page is compressed. */
  readonly compression: string;
  readonly sections: readonly SectionRecord[];
};

export type SectionRecord = SectionMetadata & {
  readonly groupCount: number;
  readonly blocks: readonly BlockRecord[];
};

/** One index block: up to 16 row groups. */
export type BlockRecord = {
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  readonly rowCount: number;
  readonly byteLength: number;
  readonly index: PageAddress;
};

/** Numbers of the physical kinds in a file; never reused. */
const kindNumbers: Record<PhysicalKind, number> = {
  bool: 1,
  int4: 2,
  int8: 3,
  float4: 4,
  float8: 5,
  numeric: 6,
  text: 7,
  bytes: 8,
  uuid: 9,
  interval: 10,
  vector: 11,
  array: 12,
};
const kindsByNumber = new Map(
  Object.entries(kindNumbers).map(([kind, number]) => [number, kind as PhysicalKind]),
);

function writeType(writer: ByteWriter, type: PhysicalType): void {
  writer.uint8(kindNumbers[type.kind]);
  if (type.kind === 'array') writeType(writer, type.element);
}

function readType(reader: ByteReader): PhysicalType {
  const number = reader.uint8();
  const kind = kindsByNumber.get(number);
  if (kind === undefined) throw new ByteReaderError(`unknown physical kind ${number}`);
  return kind === 'array' ? { kind, element: readType(reader) } : { kind };
}

export function encodeFooter(footer: Footer): Uint8Array {
  const writer = new ByteWriter(1024);
  writeKey(writer, latin1ToBytes(footer.compression));
  writer.varint(footer.sections.length);
  for (const section of footer.sections) {
    writer.varint(section.storage);
    writer.varint(section.index);
    writer.varint(section.columns.length);
    for (const column of section.columns) {
      writer.varint(column.id);
      writeType(writer, column.type);
    }
    writer.varint(section.rowCount);
    writer.varint(section.deletedCount);
    writer.varint(section.oldestTimestamp);
    writer.varint(section.newestTimestamp);
    writer.varint(section.byteLength);
    writer.varint(section.groupCount);
    writer.varint(section.blocks.length);
    for (const block of section.blocks) {
      writeKey(writer, block.firstKey);
      writeKey(writer, block.lastKey);
      writer.varint(block.rowCount);
      writer.varint(block.byteLength);
      writeAddress(writer, block.index);
    }
  }
  return writer.toBytes();
}

export function decodeFooter(payload: Uint8Array): Footer {
  const reader = new ByteReader(payload);
  const compression = reader.utf8(reader.varint());
  const sections = Array.from({ length: reader.varint() }, () => readSection(reader));
  if (reader.remaining !== 0) throw new ByteReaderError(`${reader.remaining} bytes follow the footer`);
  return { compression, sections };
}

function readSection(reader: ByteReader): SectionRecord {
  const storage = storageId(reader.varint());
  const index = indexId(reader.varint());
  const columns: SectionColumn[] = Array.from({ length: reader.varint() }, () => ({
    id: columnId(reader.varint()),
    type: readType(reader),
  }));
  const rowCount = Number(reader.varlong());
  const deletedCount = Number(reader.varlong());
  const oldestTimestamp = Number(reader.varlong());
  const newestTimestamp = Number(reader.varlong());
  const byteLength = Number(reader.varlong());
  const groupCount = reader.varint();
  const blocks = Array.from({ length: reader.varint() }, () => readBlock(reader));
  if (blocks.length === 0) throw new ByteReaderError('a section has no index block');
  const { firstKey } = blocks[0]!;
  const { lastKey } = blocks.at(-1)!;
  const statistics = { rowCount, deletedCount, oldestTimestamp, newestTimestamp };
  return { storage, index, columns, ...statistics, firstKey, lastKey, byteLength, groupCount, blocks };
}

function readBlock(reader: ByteReader): BlockRecord {
  return {
    firstKey: readKey(reader),
    lastKey: readKey(reader),
    rowCount: reader.varint(),
    byteLength: Number(reader.varlong()),
    index: readAddress(reader),
  };
}

/** The fixed end of a file. Its CRC-32C covers all but itself. */
export type Trailer = { readonly fileNumber: number; readonly footerLength: number };

const crcPosition = 12;

function trailerChecksum(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(crcPosition + 4), crc32c(bytes.subarray(0, crcPosition)));
}

export function encodeTrailer(trailer: Trailer): Uint8Array {
  const writer = new ByteWriter(trailerLength);
  writer.int64(trailer.fileNumber);
  writer.uint32(trailer.footerLength);
  writer.uint32(0);
  writer.uint32(formatVersion);
  writer.raw(latin1ToBytes(magic));
  writer.setUint32(crcPosition, trailerChecksum(writer.view()));
  return writer.toBytes();
}

/** The version is looked at before the checksum: a newer version may have another one. */
export function decodeTrailer(bytes: Uint8Array, file: string, position: number): Trailer {
  if (bytes.length !== trailerLength) throw corrupted(file, position, 'the file ends within its trailer');
  const reader = new ByteReader(bytes);
  const fileNumber = Number(reader.int64());
  const footerLength = reader.uint32();
  const checksum = reader.uint32();
  const version = reader.uint32();
  const end = reader.utf8(magic.length);
  if (end !== magic) throw corrupted(file, position, 'not an SSTable: its magic number is missing');
  if (version > formatVersion) {
    throw new AlopexError('feature_not_supported', `${file} has SSTable format version ${version}`, {
      detail: `This program reads versions up to ${formatVersion}.`,
      hint: 'Open it with the newer program that wrote it.',
    });
  }
  if (checksum !== trailerChecksum(bytes))
    throw corrupted(file, position, 'checksum mismatch in the trailer');
  return { fileNumber, footerLength };
}
