import { crc32cPortable } from '../../bytes/crc32c.ts';
import { AlopexError } from '../../errors.ts';
import { diskError } from '../disk_error.ts';
import type { DirectoryLock, Disk, DiskEntry, DiskFile } from '../env.ts';
import { FileGuard } from '../file_guard.ts';
import type { DiskOperation, SimulatedDisk } from './disk.ts';
import type { FileNode } from './file_node.ts';
import type { Incarnation } from './incarnation.ts';
import { SystemError } from './tree.ts';

/** A disk as one life of a machine has it: what is asked for in it ends with it. */
export class MountedDisk implements Disk {
  readonly #disk: SimulatedDisk;
  readonly #incarnation: Incarnation;

  constructor(disk: SimulatedDisk, incarnation: Incarnation) {
    this.#disk = disk;
    this.#incarnation = incarnation;
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const { tree } = this.#disk;
    if (mode === 'create') {
      return this.#attempt('create file', path, 'create', () => this.#file(path, tree.create(path), true));
    }
    return this.#attempt('open file', path, 'read', () =>
      this.#file(path, tree.file(path), mode === 'write'),
    );
  }

  list(directory: string): Promise<readonly DiskEntry[]> {
    return this.#attempt('read directory', directory, 'read', () => {
      const entries = Array.from(this.#disk.tree.directory(directory).current);
      return entries
        .map(([name, node]): DiskEntry => ({ name, kind: node.kind }))
        .sort((left, right) => (left.name < right.name ? -1 : 1));
    });
  }

  exists(path: string): Promise<boolean> {
    return this.#attempt('stat file', path, 'read', () => this.#disk.tree.find(path) !== null);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#attempt('create directory', path, 'make_directory', () =>
      this.#disk.tree.makeDirectory(path),
    );
  }

  remove(path: string): Promise<void> {
    return this.#attempt('remove file', path, 'remove', () => this.#disk.tree.remove(path));
  }

  rename(source: string, target: string): Promise<void> {
    return this.#attempt(`rename to "${target}" file`, source, 'rename', () =>
      this.#disk.tree.rename(source, target),
    );
  }

  async syncDirectory(path: string): Promise<void> {
    const { tree } = this.#disk;
    const covered = tree.sequence;
    await this.#attempt('fsync file', path, 'sync_directory', () => tree.sync(tree.directory(path), covered));
  }

  lock(directory: string): Promise<DirectoryLock> {
    return this.#attempt('lock directory', directory, 'read', () => {
      const { locked, tree } = this.#disk;
      tree.directory(directory);
      if (locked.has(directory)) {
        throw new AlopexError('lock_file_exists', `directory "${directory}" is already open`);
      }
      locked.add(directory);
      let held = true;
      return {
        release: async () => {
          if (held && this.#incarnation.alive) locked.delete(directory);
          held = false;
        },
      };
    });
  }

  freeBytes(path: string): Promise<number> {
    return this.#attempt('stat file system of', path, 'read', () => {
      if (this.#disk.tree.find(path) === null) throw new SystemError('ENOENT');
      return this.#disk.freeBytes;
    });
  }

  #file(path: string, node: FileNode, writable: boolean): DiskFile {
    return new MountedFile(path, node, writable, this.#disk, this.#incarnation);
  }

  async #attempt<Output>(
    action: string,
    path: string,
    kind: DiskOperation<Output>['kind'],
    apply: () => Output,
  ): Promise<Output> {
    try {
      return await this.#disk.perform(this.#incarnation, {
        kind,
        path,
        detail: '',
        apply,
        // Of a change of a directory there is no half.
        applyPart: kind === 'read' ? () => {} : () => attemptQuietly(apply),
        fail: () => {},
        misdirect: apply,
      });
    } catch (error) {
      throw diskError(action, path, error);
    }
  }
}

class MountedFile implements DiskFile {
  readonly path: string;
  readonly #node: FileNode;
  readonly #writable: boolean;
  readonly #disk: SimulatedDisk;
  readonly #incarnation: Incarnation;
  readonly #guard: FileGuard;

  constructor(
    path: string,
    node: FileNode,
    writable: boolean,
    disk: SimulatedDisk,
    incarnation: Incarnation,
  ) {
    this.path = path;
    this.#node = node;
    this.#writable = writable;
    this.#disk = disk;
    this.#incarnation = incarnation;
    this.#guard = new FileGuard(path);
  }

  size(): Promise<number> {
    return this.#guard.use('stat file', () => this.#perform('read', 'size', () => this.#node.size));
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#guard.use('read file', () =>
      this.#perform('read', `@${position}+${length}`, () => this.#node.read(position, length)),
    );
  }

  write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#guard.change('write file', () => this.#write(position, joined(chunks)));
  }

  sync(): Promise<void> {
    return this.#guard.change('fsync file', () => this.#sync());
  }

  writeDurably(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#guard.change('write file', async () => {
      await this.#write(position, joined(chunks));
      await this.#sync();
    });
  }

  preallocate(size: number): Promise<void> {
    return this.#guard.change('extend file', async () => {
      const start = this.#node.size;
      if (start < size) await this.#write(start, new Uint8Array(size - start));
    });
  }

  truncate(size: number): Promise<void> {
    return this.#guard.change('truncate file', async () => {
      this.#refuseReadOnly();
      await this.#perform('truncate', `${size}`, () => this.#node.truncate(size));
    });
  }

  close(): Promise<void> {
    return this.#guard.close(() => this.#incarnation.perform(0, () => {}));
  }

  #write(position: number, bytes: Uint8Array): Promise<void> {
    this.#refuseReadOnly();
    const { random } = this.#disk;
    const writeFirst = (length: number) => {
      if (length > 0) this.#node.write(position, bytes.subarray(0, length));
    };
    return this.#disk.perform(this.#incarnation, {
      kind: 'write',
      path: this.path,
      detail: `@${position}+${bytes.length} ${crc32cPortable(bytes)}`,
      apply: () => {
        const growth = position + bytes.length - this.#node.size;
        if (growth > 0 && growth > this.#disk.freeBytes) {
          writeFirst(Math.max(0, bytes.length - growth));
          throw new SystemError('ENOSPC');
        }
        writeFirst(bytes.length);
      },
      applyPart: () => writeFirst(random.below(bytes.length + 1)),
      fail: () => writeFirst(random.below(bytes.length + 1)),
      misdirect: (files) => this.#misdirect(bytes, files),
    });
  }

  async #sync(): Promise<void> {
    const covered = this.#node.sequence;
    const { random } = this.#disk;
    try {
      await this.#disk.perform(this.#incarnation, {
        kind: 'sync',
        path: this.path,
        detail: '',
        apply: () => this.#node.sync(covered),
        applyPart: () => this.#node.syncInPart(covered, random),
        fail: () => this.#node.failSync(covered, random),
        misdirect: () => this.#node.sync(covered),
      });
    } catch (error) {
      throw this.#guard.fail(error);
    }
  }

  /** Lands at a random place that exists, of any file: what was there is lost, and the right place keeps its old bytes. */
  #misdirect(bytes: Uint8Array, allowed: RegExp): void {
    const { random, tree } = this.#disk;
    const files = tree.files().filter(({ path }) => allowed.test(path));
    const { node } = files[random.below(files.length)] ?? { node: this.#node };
    const position = random.below(node.size);
    node.damage(position, bytes.subarray(0, node.size - position));
  }

  #perform<Output>(kind: 'read' | 'truncate', detail: string, apply: () => Output): Promise<Output> {
    return this.#disk.perform(this.#incarnation, {
      kind,
      path: this.path,
      detail,
      apply,
      applyPart: apply,
      fail: () => {},
      misdirect: apply,
    });
  }

  #refuseReadOnly(): void {
    if (!this.#writable) throw new SystemError('EBADF');
  }
}

/** A copy: the caller may reuse its chunks once it is answered, a crash may look at them later. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function attemptQuietly(apply: () => unknown): void {
  try {
    apply();
  } catch {
    // It would have failed; then it changed nothing.
  }
}
