import { type Offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { decodeControl } from '../record/control.ts';
import { verifyBatch } from '../record/header.ts';
import { RecordReader } from '../record/record-reader.ts';
import { readEvents } from './row-event.ts';

/** Where a batch stands, and the timestamp of the commit that ends in it, if one does. */
export type BatchCommit = {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly commit: Timestamp | null;
};

export function commitOf(batch: Uint8Array): BatchCommit {
  const header = verifyBatch(batch);
  const place = { baseOffset: header.baseOffset, lastOffset: header.lastOffset };
  if (header.isControl) {
    const records = new RecordReader(batch, header);
    records.next();
    const control = decodeControl(records);
    return { ...place, commit: control.kind === 'commit' ? timestamp(control.timestamp) : null };
  }
  if (header.isTransactional) return { ...place, commit: null };
  for (const event of readEvents(batch, header)) return { ...place, commit: event.timestamp };
  return { ...place, commit: null };
}
