import { type Datum, Interval, type PhysicalType, SqlArray, SqlRow } from '../../../base/values/datum.ts';
import { formatVersion, type PageAddress } from './format.ts';
import type { ColumnChunk, Group } from './index-block.ts';
import { entryValues, readEntries, type Sstable } from './reader.ts';
import type { SstableSection } from './section.ts';

/** A file as lines for people: sections, row groups, where each page lies; and its entries, if asked for. */
export async function* dumpSstable(
  table: Sstable,
  options: { readonly withEntries: boolean },
): AsyncGenerator<string> {
  const { file } = table;
  const compression = file.compression?.name ?? 'none';
  yield `${table.name}: SSTable format ${formatVersion}, file ${file.fileNumber}, ${table.length} bytes, compression ${compression}`;
  for (const section of table.sections) {
    yield* describeSection(section);
    for (let ordinal = 0; ordinal < section.groupCount; ordinal++) {
      yield* describeGroup(section, ordinal, await section.group(ordinal));
    }
    if (options.withEntries) yield* describeEntries(section);
  }
}

function* describeSection(section: SstableSection): Generator<string> {
  const { oldestTimestamp, newestTimestamp } = section;
  yield `section storage ${section.storage} index ${section.index}: ${section.rowCount} entries (${section.deletedCount} deletions), ${section.groupCount} groups, ${section.byteLength} bytes, timestamps ${oldestTimestamp} to ${newestTimestamp}`;
  if (section.columns.length > 0) {
    const columns = section.columns.map(({ id, type }) => `${id} ${typeText(type)}`);
    yield `  columns: ${columns.join(', ')}`;
  }
}

function* describeGroup(section: SstableSection, ordinal: number, group: Group): Generator<string> {
  const marks = [
    group.deletedCount > 0 ? `${group.deletedCount} deletions` : '',
    group.hasRepeats ? 'keys repeat' : '',
    group.continues === null ? '' : `goes on after version ${group.continues}`,
  ].filter((mark) => mark !== '');
  yield `  group ${ordinal}: ${[`${group.rowCount} entries`, ...marks].join(', ')}; keys ${hex(group.firstKey)} to ${hex(group.lastKey)}; timestamps ${group.oldestTimestamp} to ${group.newestTimestamp}`;
  const filter = group.filter === null ? '' : `; filter ${at(group.filter.address)}`;
  yield `    keys ${at(group.keys.address)}${filter}; versions ${at(group.versions.address)}`;
  for (const [place, column] of section.columns.entries()) {
    yield `    column ${column.id}: ${describeChunk(group.columns[place]!)}`;
  }
}

function describeChunk(chunk: ColumnChunk): string {
  const { nullCount, min, max, maxIsPrefix } = chunk.zone;
  const pages = chunk.pages.map((page) => at(page.address)).join(', ');
  const bounds = `${min === null ? 'open' : datumText(min)} to ${max === null ? 'open' : datumText(max)}${maxIsPrefix ? '…' : ''}`;
  return `${bounds}; ${nullCount} nulls; ${pages}`;
}

async function* describeEntries(section: SstableSection): AsyncGenerator<string> {
  for await (const group of readEntries(section)) {
    for (let row = 0; row < group.rowCount; row++) {
      const values = entryValues(group, row);
      const state = group.versions.isDeleted(row) ? 'deleted' : (values?.map(datumText).join(', ') ?? '');
      yield `  ${hex(group.keys.keyAt(row))} @${group.versions.timestamps[row]} ${state}`.trimEnd();
    }
  }
}

function at({ position, length }: PageAddress): string {
  return `@${position}+${length}`;
}

function typeText(type: PhysicalType): string {
  return type.kind === 'array' ? `${typeText(type.element)}[]` : type.kind;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function datumText(value: Datum): string {
  if (value === null || typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `\\x${hex(value)}`;
  if (value instanceof Float32Array) return `[${value.join(', ')}]`;
  if (value instanceof SqlArray) return `{${value.items.map(datumText).join(', ')}}`;
  if (value instanceof SqlRow) return `(${value.fields.map(datumText).join(', ')})`;
  if (value instanceof Interval) {
    return `${value.months} months ${value.days} days ${value.microseconds} microseconds`;
  }
  return String(value);
}
