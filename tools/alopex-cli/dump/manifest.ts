import { msOfTimestamp } from '../../../base/hlc.ts';
import { timestamp } from '../../../base/ids.ts';
import type { FileCommit, Manifest } from '../../../materializers/manifest/manifest.ts';

export function* dumpManifest(manifest: Manifest): Generator<string> {
  yield `manifest: covers the log below offset ${manifest.applied}, newest commit ${timeText(manifest.timestamp)}`;
  yield `replay from offset ${manifest.replayFrom}; next file ${manifest.nextFile}`;
  for (const { number, level, order, length, commit } of manifest.files) {
    yield `file ${number}: level ${level}, order ${order}, ${length} bytes${commit === undefined ? '' : commitText(commit)}`;
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

function commitText({ timestamp: at, place, voidFrom }: FileCommit): string {
  const isVoid = voidFrom === null ? '' : `, void from offset ${voidFrom} on`;
  return `, number ${place} of the commit at ${timeText(at)}${isVoid}`;
}

function timeText(at: number): string {
  return at === 0 ? '0' : `${at} (${new Date(msOfTimestamp(timestamp(at))).toISOString()})`;
}
