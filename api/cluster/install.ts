import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Disk } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Mesh } from '../../log/mesh/contract.ts';
import type { Generation } from '../../log/raft/contract.ts';
import { isSameGeneration } from '../../log/raft/memberships.ts';
import { firstState, type GroupState, type GroupStates } from '../../log/range/states.ts';
import { makeLogAt } from '../../log/segment/recover.ts';
import { writeManifest } from '../../materializers/manifest/manifest.ts';
import { sstablePath, verifySstableFile, type WrittenFile } from '../../materializers/worker/sstable-file.ts';
import { rangeOfAll } from '../database/engine.ts';
import {
  encodeFileRequest,
  type SnapshotOffer,
  type SnapshotPlace,
  snapshotDamaged,
  snapshotFile,
  snapshotReleased,
  snapshotRequest,
  snapshotWithTail,
} from './snapshots.ts';

/** A flush of the leader's memtable may come before the answer. */
const offerTimeoutMs = 60_000;
/** While one file is made durable and verified, others are on their way. */
const fetchesAtOnce = 4;
/** Bytes that are written at once. */
const writeBytes = 4 * 1024 * 1024;

/**
 * A replica's way to a snapshot of the leader's: everything is fetched into a directory beside, made durable, and takes the
 * place of what the database had in one step, which a crash may interrupt anywhere.
 */
export async function fetchSnapshot(
  disk: Disk,
  mesh: Mesh,
  leader: NodeId,
  path: string,
): Promise<SnapshotOffer> {
  const offer = await fetchFiles(disk, mesh, leader, path, snapshotWithTail);
  await makeLogAt(disk, `${installPath(path)}/log`, { base: offer.offset, epoch: offer.epoch });
  return offer;
}

/** The same for a node whose log is as it should be, and whose rows are not. */
export function fetchRows(disk: Disk, mesh: Mesh, leader: NodeId, path: string): Promise<SnapshotOffer> {
  return fetchFiles(disk, mesh, leader, path, new Uint8Array(0));
}

async function fetchFiles(
  disk: Disk,
  mesh: Mesh,
  leader: NodeId,
  path: string,
  request: Uint8Array,
): Promise<SnapshotOffer> {
  const answer = await mesh
    .request(leader, snapshotRequest, request, offerTimeoutMs)
    .catch((thrown: unknown) => {
      throw noSnapshot(leader, asAlopexError(thrown));
    });
  const offer = JSON.parse(utf8ToString(answer)) as SnapshotOffer;
  try {
    await removeTree(disk, installPath(path));
    const rows = `${installPath(path)}/rows`;
    await disk.makeDirectory(rows);
    const left = offer.manifest.files[Symbol.iterator]();
    const fetchNext = async (): Promise<void> => {
      for (const { number, length } of left) {
        const chunks = mesh.fetch(leader, snapshotFile, encodeFileRequest(offer.id, number));
        await writeFile(disk, sstablePath(rows, number), length, chunks);
        await verifyFetched(disk, mesh, leader, rows, { number, length });
      }
    };
    await Promise.all(Array.from({ length: fetchesAtOnce }, fetchNext));
    await disk.syncDirectory(rows);
    await writeManifest(disk, rows, offer.manifest);
    return offer;
  } finally {
    // Where the word does not come through, the leader lets it go by itself.
    mesh.request(leader, snapshotReleased, stringToUtf8(String(offer.id))).catch(() => {});
  }
}

/** What is wrong there, a damaged file too, is no damage here. */
function noSnapshot(node: NodeId, cause: AlopexError): AlopexError {
  return new AlopexError('cannot_connect_now', `node ${node} gives no snapshot: ${cause.message}`, { cause });
}

/** What is damaged does not go from node to node: nothing is installed, and whose file it is looks at it. */
async function verifyFetched(
  disk: Disk,
  mesh: Mesh,
  leader: NodeId,
  rows: string,
  file: WrittenFile,
): Promise<void> {
  try {
    await verifySstableFile(disk, rows, file);
  } catch (thrown) {
    await mesh.request(leader, snapshotDamaged, stringToUtf8(String(file.number))).catch(() => {});
    throw noSnapshot(leader, asAlopexError(thrown));
  }
}

/** As a snapshot without files: the log begins at a place that others know. */
export async function installLog(
  disk: Disk,
  path: string,
  states: GroupStates,
  place: SnapshotPlace,
): Promise<void> {
  await removeTree(disk, installPath(path));
  await makeLogAt(disk, `${installPath(path)}/log`, { base: place.offset, epoch: place.epoch });
  await install(disk, path, states, place);
}

/**
 * From now on it counts, whatever happens: `finishInstall` goes on where a crash interrupts it. The votes say it first: of
 * places that the log does not have they are ignored.
 */
export async function install(
  disk: Disk,
  path: string,
  states: GroupStates,
  { offset, epoch, membership }: SnapshotPlace,
): Promise<void> {
  const state = stateOf(states);
  await states.save(rangeOfAll, {
    ...state,
    memberships: [...state.memberships, { endOffset: offset, epoch, membership }],
    starts: [...state.starts, { offset, epoch }],
    committed: null,
  });
  await installRows(disk, path);
}

/** The log stays. */
export async function installRows(disk: Disk, path: string): Promise<void> {
  const marker = await disk.open(`${installPath(path)}/complete`, 'create');
  await marker.close();
  await disk.syncDirectory(installPath(path));
  await finishInstall(disk, path);
}

/** At the start of a node: a snapshot that was whole takes its place; what was fetched of another one goes. */
export async function finishInstall(disk: Disk, path: string): Promise<void> {
  const from = installPath(path);
  if (!(await disk.exists(from))) return;
  if (await disk.exists(`${from}/complete`)) {
    for (const name of ['log', 'rows']) {
      if (!(await disk.exists(`${from}/${name}`))) continue;
      await removeTree(disk, `${path}/${name}`);
      await disk.rename(`${from}/${name}`, `${path}/${name}`);
      await disk.syncDirectory(path);
      await disk.syncDirectory(from);
    }
    await disk.remove(`${from}/complete`);
    await disk.syncDirectory(from);
  }
  await removeTree(disk, from);
  await disk.syncDirectory(path);
}

/** What was installed is a part of the log of another generation than this node's was. */
export async function adoptInstalled(
  states: GroupStates,
  { offset, epoch, membership, generation }: SnapshotPlace,
): Promise<void> {
  const { hardState } = stateOf(states);
  await states.save(rangeOfAll, {
    hardState: { ...hardState, generation, outrankedBy: null },
    memberships: [{ endOffset: offset, epoch, membership }],
    starts: [{ offset, epoch }],
    committed: null,
  });
}

export function stateOf(states: GroupStates): GroupState {
  return states.get(rangeOfAll) ?? firstState;
}

/** A snapshot of another generation's is of other rows. */
export function mustBeOf(wanted: Generation, offer: SnapshotPlace): void {
  if (isSameGeneration(wanted, offer.generation)) return;
  throw new AlopexError('cannot_connect_now', 'the snapshot is of another generation than this node');
}

export function installPath(path: string): string {
  return `${path}/install`;
}

async function writeFile(
  disk: Disk,
  path: string,
  length: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const file = await disk.open(path, 'create');
  try {
    let position = 0;
    let gathered: Uint8Array[] = [];
    let gatheredBytes = 0;
    const write = async (): Promise<void> => {
      await file.write(position, gathered);
      position += gatheredBytes;
      [gathered, gatheredBytes] = [[], 0];
    };
    for await (const chunk of chunks) {
      gathered.push(chunk);
      gatheredBytes += chunk.length;
      if (gatheredBytes >= writeBytes) await write();
    }
    await write();
    if (position !== length)
      throw new AlopexError('data_corrupted', `${path} came with ${position} bytes of ${length}`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function removeTree(disk: Disk, path: string): Promise<void> {
  if (!(await disk.exists(path))) return;
  for (const { name, kind } of await disk.list(path)) {
    if (kind === 'directory') await removeTree(disk, `${path}/${name}`);
    else await disk.remove(`${path}/${name}`);
  }
  await disk.remove(path);
}
