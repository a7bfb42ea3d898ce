import { ByteReaderError } from '../../../base/bytes/reader.ts';
import { AlopexError, corrupted } from '../../../base/errors.ts';
import type { IndexId, StorageId } from '../../../base/ids.ts';
import { type ColumnVector, datumAt } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { AnyPageSlot, PageCache } from './cache.ts';
import { PageFile, type PageSource } from './file.ts';
import { decodeFooter, decodeTrailer, type Footer, type Trailer } from './footer.ts';
import { type PageAddress, trailerLength } from './format.ts';
import type { KeyPage } from './keys.ts';
import { type Compression, openPage } from './page.ts';
import { SstableSection } from './section.ts';
import type { Stamp } from './stamp.ts';
import { concatVectors } from './vector.ts';
import type { VersionPage } from './versions.ts';

export type SstableOptions = {
  /** For messages. */
  readonly name: string;
  /** Bytes of the file, from its metadata. */
  readonly length: number;
  readonly cache: PageCache;
  /** What this host can read. */
  readonly compressions: readonly Compression[];
  /** Of a file of one transaction's rows. */
  readonly stamp?: Stamp | null;
};

/** All versions of one row group, for compaction. Column vectors in the order of the section's columns. */
export type EntryGroup = {
  readonly rowCount: number;
  readonly keys: KeyPage;
  readonly versions: VersionPage;
  readonly columns: readonly ColumnVector[];
};

/** Reads trailer and footer. Throws data_corrupted, or feature_not_supported for a newer version, naming the file. */
export async function openSstable(source: PageSource, options: SstableOptions): Promise<Sstable> {
  const { name, length } = options;
  const trailerPosition = length - trailerLength;
  if (trailerPosition < 0) throw corrupted(name, 0, `a file of ${length} bytes is too short`);
  const trailer = decodeTrailer(await source.read(trailerPosition, trailerLength), name, trailerPosition);
  const address = { position: trailerPosition - trailer.footerLength, length: trailer.footerLength };
  if (address.position < 0) throw corrupted(name, trailerPosition, 'the footer is longer than the file');
  const bytes = await source.read(address.position, address.length);
  const footer = readFooter(bytes, address, trailer, name);
  const compression = findCompression(footer.compression, options);
  const file = new PageFile(source, name, trailer.fileNumber, compression, options.cache);
  return new Sstable(file, footer, length, options.stamp ?? null);
}

function readFooter(bytes: Uint8Array, address: PageAddress, trailer: Trailer, name: string): Footer {
  const context = { file: name, fileNumber: trailer.fileNumber, compression: null };
  const payload = openPage(context, address, bytes);
  try {
    return decodeFooter(payload);
  } catch (error) {
    if (!(error instanceof ByteReaderError || error instanceof RangeError)) throw error;
    throw corrupted(name, address.position, error.message);
  }
}

function findCompression(wanted: string, options: SstableOptions): Compression | null {
  if (wanted === '') return null;
  const found = options.compressions.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  throw new AlopexError('feature_not_supported', `${options.name} is compressed with ${wanted}`, {
    detail: `This program reads: ${options.compressions.map(({ name }) => name).join(', ') || 'none'}.`,
  });
}

/** An open file. Holds its footer; pages are in the cache, until `close`. */
export class Sstable {
  readonly file: PageFile;
  readonly length: number;
  readonly sections: readonly SstableSection[];
  readonly #footer: Footer;

  constructor(file: PageFile, footer: Footer, length: number, stamp: Stamp | null) {
    this.file = file;
    this.length = length;
    this.sections = footer.sections.map((record) => new SstableSection(file, record, stamp));
    this.#footer = footer;
  }

  /** The same file, read under another stamp, with pages of its own in the cache. */
  restamped(stamp: Stamp): Sstable {
    return new Sstable(this.file.sibling(), this.#footer, this.length, stamp);
  }

  get name(): string {
    return this.file.name;
  }

  section(storage: StorageId, index: IndexId): SstableSection | null {
    return this.sections.find((section) => section.storage === storage && section.index === index) ?? null;
  }

  /** Drops its pages from the cache. Nobody reads it after that; the source is the caller's to close. */
  close(): void {
    this.file.close();
  }
}

/** Every entry of a section in the order of the file, group by group, past the cache. */
export async function* readEntries(section: SstableSection): AsyncGenerator<EntryGroup> {
  for (let ordinal = 0; ordinal < section.groupCount; ordinal++) {
    const group = await section.group(ordinal);
    const pages = group.columns.flatMap((chunk) => chunk.pages as readonly AnyPageSlot[]);
    const [keys, versions, ...vectors] = await section.file.readOnce([group.keys, group.versions, ...pages]);
    let at = 0;
    const columns = group.columns.map((chunk) => {
      const pieces = vectors.slice(at, at + chunk.pages.length) as ColumnVector[];
      at += chunk.pages.length;
      return concatVectors(
        pieces,
        chunk.pages.map((page) => page.rowCount),
      );
    });
    yield { rowCount: group.rowCount, keys: keys as KeyPage, versions: versions as VersionPage, columns };
  }
}

/** The values of one entry, as a writer takes them: null for a deletion, and where the section has no columns. */
export function entryValues(group: EntryGroup, row: number): readonly Datum[] | null {
  if (group.versions.isDeleted(row) || group.columns.length === 0) return null;
  return group.columns.map((column) => datumAt(column, row));
}
