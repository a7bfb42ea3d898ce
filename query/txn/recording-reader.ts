import { indexId } from '../../base/ids.ts';
import type { RowReader } from '../../materializers/rows/contract.ts';
import { keySpace, type ReadSpans } from './spans.ts';

/** A reader that remembers which keys and ranges were read. */
export function recordingReader(reader: RowReader, spans: ReadSpans): RowReader {
  return {
    scan(request) {
      spans.addRanges(keySpace(request.layout.storage, request.index), request.ranges);
      return reader.scan(request);
    },
    get(layout, key, view, columns) {
      spans.addPoint(keySpace(layout.storage, indexId(0)), key);
      return reader.get(layout, key, view, columns);
    },
    has(layout, key, view) {
      spans.addPoint(keySpace(layout.storage, indexId(0)), key.bytes);
      return reader.has(layout, key, view);
    },
    isTouched: (layout, key, view) => reader.isTouched(layout, key, view),
    estimate: (storage) => reader.estimate(storage),
    estimateRange: (layout, index, ranges) => reader.estimateRange(layout, index, ranges),
  };
}
