import { basename, dirname, resolve } from 'node:path';
import type { Disk } from '../../../base/env/env.ts';
import { realEnv } from '../../../base/env/real/env.ts';
import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import { dumpLogFile } from '../../../log/segment/dump.ts';
import { nameOfPath } from '../../../log/segment/name.ts';
import { readManifest } from '../../../materializers/manifest/manifest.ts';
import { dumpSstable } from '../../../materializers/rows/sstable/dump.ts';
import { openSstableFile } from '../../../materializers/worker/sstable-file.ts';
import { streamOutput } from '../sql/output.ts';
import { EventText } from './event-text.ts';
import { dumpManifest } from './manifest.ts';
import { readSchemas } from './schemas.ts';

export type DumpOptions = {
  /** Records as bytes, not decoded. */
  readonly isRaw: boolean;
  /** Of SSTables, the entries too. */
  readonly withEntries: boolean;
};

/** Files that a database has; the rest of a folder is passed over. */
type FileKind = 'log' | 'manifest' | 'sstable';

/** As `dumpLogFile` says it. */
const damage = /^ *damage\b/;

/** Folders below the given one that are searched. */
const depthMax = 3;

/** `alopex-cli dump`: the exit code, 1 where something is damaged. Takes no lock: a database that is open may be looked at. A damaged file is told of, and the next one dumped. */
export async function runDump(path: string, options: DumpOptions): Promise<number> {
  const { disk } = realEnv();
  const output = streamOutput(process.stdout);
  const files = await filesOf(disk, resolve(path));
  let exitCode = 0;
  for (const file of files) {
    if (files.length > 1) await output.write(`== ${file}\n`);
    try {
      for await (const line of linesOf(disk, file, options)) {
        if (damage.test(line)) exitCode = 1;
        await output.write(`${line}\n`);
      }
    } catch (thrown) {
      const { message } = asAlopexError(thrown);
      await output.write(`cannot go on: ${message}\n`);
      exitCode = 1;
    }
  }
  return exitCode;
}

async function filesOf(disk: Disk, path: string): Promise<readonly string[]> {
  if (!(await disk.exists(path))) throw new AlopexError('undefined_file', `there is no file ${path}`);
  if (kindOf(path) !== null) return [path];
  const files = await filesBelow(disk, path, depthMax);
  if (files.length > 0) return files;
  throw new AlopexError(
    'invalid_parameter_value',
    `${path} is no file of a database, nor a folder with such files`,
  );
}

async function filesBelow(disk: Disk, directory: string, depth: number): Promise<readonly string[]> {
  const entries = await disk.list(directory).catch(() => []);
  const files: string[] = [];
  for (const { name, kind } of [...entries].sort((left, right) => (left.name < right.name ? -1 : 1))) {
    const path = `${directory}/${name}`;
    if (kind === 'directory') files.push(...(depth > 1 ? await filesBelow(disk, path, depth - 1) : []));
    else if (kindOf(path) !== null) files.push(path);
  }
  return files;
}

function kindOf(path: string): FileKind | null {
  const name = basename(path);
  if (name === 'mark' || nameOfPath(path) !== null) return 'log';
  if (name === 'MANIFEST') return 'manifest';
  return /^\d+\.sst$/.test(name) ? 'sstable' : null;
}

function linesOf(disk: Disk, path: string, options: DumpOptions): AsyncIterable<string> {
  switch (kindOf(path)) {
    case 'log':
      return logLines(disk, path, options);
    case 'manifest':
      return manifestLines(disk, path);
    default:
      return sstableLines(disk, path, options);
  }
}

async function* logLines(disk: Disk, path: string, { isRaw }: DumpOptions): AsyncIterable<string> {
  // Without its schemas, which a damaged segment may have, a record is bytes.
  const schemas =
    isRaw || !path.endsWith('.log') ? null : await readSchemas(disk, dirname(path)).catch(() => null);
  if (schemas === null) {
    yield* dumpLogFile(disk, path);
    return;
  }
  const events = new EventText(schemas);
  yield* dumpLogFile(disk, path, { describe: (record) => events.describe(record) });
}

async function* manifestLines(disk: Disk, path: string): AsyncIterable<string> {
  const manifest = await readManifest(disk, dirname(path));
  if (manifest !== null) yield* dumpManifest(manifest);
}

async function* sstableLines(disk: Disk, path: string, { withEntries }: DumpOptions): AsyncIterable<string> {
  const source = await disk.open(path, 'read');
  const length = await source.size();
  await source.close();
  const file = { number: Number.parseInt(basename(path), 10), length };
  const { sstable, close } = await openSstableFile(disk, dirname(path), file);
  try {
    yield* dumpSstable(sstable, { withEntries });
  } finally {
    await close();
  }
}
