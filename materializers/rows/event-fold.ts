import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { indexId, type Timestamp } from '../../base/ids.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { rowCodec } from '../../log/events/row.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { encodeKeyDatums, indexKeyOf } from './key.ts';
import type { Layouts } from './layouts.ts';
import type { Trees } from './memtable.ts';
import { encodedVersion } from './version.ts';

/** Where versions go. */
export type VersionSink = Pick<Trees, 'put'>;

const primary = indexId(0);

/**
 * Folds one event into a memtable: the row's version, and the index entries that come and go with it. Reads
 * nothing but the event and the layouts.
 */
export function foldEvent(
  event: RowEvent,
  timestamp: Timestamp,
  layouts: Layouts,
  memtable: VersionSink,
): void {
  const schema = layouts.schema(event.schema);
  const { storage } = schema;
  if (storage === objectsLayout.storage) layouts.fold(event);
  const layout = layouts.table(storage);
  const codec = rowCodec(schema);
  const key = bytesToLatin1(encodeKeyDatums(layout.key, codec.decodeKey(event.key)));
  const { row } = event;
  if (row === null) {
    memtable.put(storage, primary, key, { timestamp, older: null, kind: 'deleted' }, 0);
  } else {
    memtable.put(storage, primary, key, encodedVersion(schema, row, timestamp), row.length);
  }
  if (layout.indexes.length > 0) foldIndexes(event, timestamp, layout, layouts, memtable);
}

/**
 * A row that is read again has its entries again: one of the indexes is new. One that is in its first state has no
 * entry yet that could go.
 */
function foldIndexes(
  event: RowEvent,
  timestamp: Timestamp,
  layout: TableLayout,
  layouts: Layouts,
  memtable: VersionSink,
): void {
  const row =
    event.row === null ? null : rowCodec(layouts.schema(event.schema)).projection(layout.columns)(event.row);
  const before =
    event.before === null
      ? null
      : rowCodec(layouts.schema(event.before.schema)).projection(layout.columns)(event.before.row);
  for (const index of layout.indexes) {
    if (index.state === 'delete-only') continue;
    const gone = before === null ? null : bytesToLatin1(indexKeyOf(layout, index, before));
    const added = row === null ? null : bytesToLatin1(indexKeyOf(layout, index, row));
    if (gone === added && event.operation !== 'r') continue;
    if (gone !== null && gone !== added) {
      memtable.put(layout.storage, index.id, gone, { timestamp, older: null, kind: 'deleted' }, 0);
    }
    if (added !== null) {
      memtable.put(layout.storage, index.id, added, { timestamp, older: null, kind: 'entry' }, 0);
    }
  }
}
