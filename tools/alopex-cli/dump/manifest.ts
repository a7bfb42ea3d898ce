import { msOfTimestamp } from '../../../base/hlc.ts';
import { timestamp } from '../../../base/ids.ts';
import type { Manifest } from '../../../materializers/manifest/manifest.ts';

export function* dumpManifest(manifest: Manifest): Generator<string> {
  yield `manifest: covers the log below offset ${manifest.applied}, newest commit ${timeText(manifest.timestamp)}`;
  yield `replay from offset ${manifest.replayFrom}; next file ${manifest.nextFile}`;
  for (const { number, level, order, length } of manifest.files) {
    yield `file ${number}: level ${level}, order ${order}, ${length} bytes`;
  }
  for (const [storage, horizon] of manifest.horizons) {
    yield `storage ${storage}: history below ${timeText(horizon)} may be gone`;
  }
  for (const { storage, since } of manifest.dropped) {
    yield `storage ${storage}: dropped by ${timeText(since)}`;
  }
  for (const { storage, index, since } of manifest.droppedIndexes ?? []) {
    yield `index ${index} of storage ${storage}: dropped by ${timeText(since)}`;
  }
}

function timeText(at: number): string {
  return at === 0 ? '0' : `${at} (${new Date(msOfTimestamp(timestamp(at))).toISOString()})`;
}
