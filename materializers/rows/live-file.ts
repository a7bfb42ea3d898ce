import type { Env } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Log } from '../../log/log.ts';
import { emptyManifest, type Manifest, type ManifestFile, readManifest } from '../manifest/manifest.ts';
import { openSstableFile, sstablePath } from '../worker/sstable-file.ts';
import type { LiveFile } from './files.ts';
import type { PageCache } from './sstable/cache.ts';

type Folder = {
  readonly env: Env;
  readonly directory: string;
  readonly onProblem?: (error: AlopexError) => void;
};

/** Makes the folder where it is missing. */
export async function lastManifest({
  env,
  directory,
  log,
  isReplicated = false,
}: Folder & { readonly log: Log; readonly isReplicated?: boolean }): Promise<Manifest> {
  await env.disk.makeDirectory(directory);
  const { startOffset, endOffset } = log;
  const manifest = (await readManifest(env.disk, directory)) ?? {
    ...emptyManifest,
    applied: startOffset,
    replayFrom: startOffset,
  };
  const isCovered = isReplicated || manifest.applied <= endOffset;
  if (manifest.replayFrom >= startOffset && isCovered) return manifest;
  throw new AlopexError(
    'data_corrupted',
    `${directory} covers the log up to offset ${manifest.applied}, and the log has offsets ${startOffset} to ${endOffset}`,
  );
}

export async function openFile(
  { env, directory }: Folder,
  record: ManifestFile,
  cache: PageCache,
): Promise<LiveFile> {
  const { sstable, close } = await openSstableFile(env.disk, directory, record, cache);
  return { record, sstable, users: 0, close };
}

/** A file that no set has: closes and removes it. What fails here is garbage for the next opening. */
export function retire({ env, directory, onProblem }: Folder, file: LiveFile): void {
  file
    .close()
    .then(() => env.disk.remove(sstablePath(directory, file.record.number)))
    .catch((error: unknown) => onProblem?.(asAlopexError(error)));
}

export async function removeGarbage({ env, directory }: Folder, manifest: Manifest): Promise<void> {
  const named = new Set(manifest.files.map(({ number }) => sstablePath(directory, number)));
  for (const { name, kind } of await env.disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (kind === 'file' && name.endsWith('.sst') && !named.has(path)) await env.disk.remove(path);
  }
}
