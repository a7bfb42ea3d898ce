import { FileNode } from './file_node.ts';

export class DirectoryNode {
  readonly kind = 'directory';
  /** As every reader sees it, and as it is on the medium. */
  readonly current = new Map<string, FileNode | DirectoryNode>();
  readonly durable = new Map<string, FileNode | DirectoryNode>();
}
export type Node = FileNode | DirectoryNode;

/** Fills in a change: which of its two maps of a directory is edited. */
type Edit = (entries: (directory: DirectoryNode) => Map<string, Node>) => void;
type PendingEdit = {
  readonly sequence: number;
  readonly directories: readonly DirectoryNode[];
  readonly edit: Edit;
};
type Place = { readonly directory: DirectoryNode; readonly name: string };

/** Thrown as Node throws it, for `diskError` to put into words. */
export class SystemError extends Error {
  readonly code: string;

  constructor(code: keyof typeof systemErrors) {
    super(`${code}: ${systemErrors[code]}`);
    this.code = code;
  }
}
const systemErrors = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  EBADF: 'bad file descriptor',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EIO: 'i/o error',
} as const;
export type Errno = keyof typeof systemErrors;

/**
 * Directories and files by name. An entry that was created, renamed or removed is durable when its directory
 * was synced; until then a crash keeps it or not, each by itself. A rename is atomic: both its ends or none.
 */
export class Tree {
  readonly #root = new DirectoryNode();
  #pending: PendingEdit[] = [];
  #sequence = 0;

  /** The newest change; a sync covers what is there when it is asked for. */
  get sequence(): number {
    return this.#sequence;
  }

  find(path: string): Node | null {
    let node: Node = this.#root;
    for (const name of namesOf(path)) {
      const entry: Node | undefined = node.kind === 'directory' ? node.current.get(name) : undefined;
      if (entry === undefined) return null;
      node = entry;
    }
    return node;
  }

  file(path: string): FileNode {
    const node = this.find(path);
    if (node === null) throw new SystemError('ENOENT');
    if (node.kind === 'directory') throw new SystemError('EISDIR');
    return node;
  }

  directory(path: string): DirectoryNode {
    const node = this.find(path);
    if (node === null) throw new SystemError('ENOENT');
    if (node.kind === 'file') throw new SystemError('ENOTDIR');
    return node;
  }

  create(path: string): FileNode {
    const { directory, name } = this.#place(path);
    if (directory.current.has(name)) throw new SystemError('EEXIST');
    const file = new FileNode();
    this.#change([directory], (entries) => entries(directory).set(name, file));
    return file;
  }

  /** With its parents, and durable at once, as Disk promises. */
  makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of namesOf(path)) {
      const entry: Node = directory.current.get(name) ?? new DirectoryNode();
      if (entry.kind === 'file') throw new SystemError('EEXIST');
      directory.current.set(name, entry);
      directory.durable.set(name, entry);
      directory = entry;
    }
  }

  remove(path: string): void {
    const { directory, name } = this.#place(path);
    const node = directory.current.get(name);
    if (node === undefined) throw new SystemError('ENOENT');
    refuseNonEmpty(node);
    this.#change([directory], (entries) => entries(directory).delete(name));
  }

  rename(sourcePath: string, targetPath: string): void {
    const source = this.#place(sourcePath);
    const node = source.directory.current.get(source.name);
    if (node === undefined) throw new SystemError('ENOENT');
    const target = this.#place(targetPath);
    const replaced = target.directory.current.get(target.name);
    if (replaced === node) return;
    if (replaced?.kind === 'directory' && node.kind === 'file') throw new SystemError('EISDIR');
    if (replaced?.kind === 'file' && node.kind === 'directory') throw new SystemError('ENOTDIR');
    if (replaced !== undefined) refuseNonEmpty(replaced);
    this.#change([source.directory, target.directory], (entries) => {
      entries(source.directory).delete(source.name);
      entries(target.directory).set(target.name, node);
    });
  }

  sync(directory: DirectoryNode, sequence: number): void {
    const covered = (pending: PendingEdit) =>
      pending.sequence <= sequence && pending.directories.includes(directory);
    for (const pending of this.#pending.filter(covered)) pending.edit(({ durable }) => durable);
    this.#pending = this.#pending.filter((pending) => !covered(pending));
  }

  /** Keeps of the unsynced edits those that `keeps` says, and forgets everything that no directory names. */
  crash(keeps: () => boolean): void {
    for (const pending of this.#pending) {
      if (keeps()) pending.edit(({ durable }) => durable);
    }
    this.#pending = [];
    for (const directory of directoriesBelow(this.#root, ({ durable }) => durable)) {
      directory.current.clear();
      for (const [name, node] of directory.durable) directory.current.set(name, node);
    }
  }

  /** Every file by its path, in the order of paths. */
  files(): readonly { readonly path: string; readonly node: FileNode }[] {
    const found: { path: string; node: FileNode }[] = [];
    const visit = (path: string, directory: DirectoryNode) => {
      for (const [name, node] of directory.current) {
        if (node.kind === 'file') found.push({ path: `${path}/${name}`, node });
        else visit(`${path}/${name}`, node);
      }
    };
    visit('', this.#root);
    return found.sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  #place(path: string): Place {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw new SystemError('EISDIR');
    return { directory: this.directory(`/${names.join('/')}`), name };
  }

  #change(directories: readonly DirectoryNode[], edit: Edit): void {
    this.#sequence += 1;
    this.#pending.push({ sequence: this.#sequence, directories, edit });
    edit(({ current }) => current);
  }
}

function directoriesBelow(
  root: DirectoryNode,
  entries: (directory: DirectoryNode) => Map<string, Node>,
): readonly DirectoryNode[] {
  const found = [root];
  for (const directory of found) {
    for (const node of entries(directory).values()) if (node.kind === 'directory') found.push(node);
  }
  return found;
}

function refuseNonEmpty(node: Node): void {
  if (node.kind === 'directory' && node.current.size > 0) throw new SystemError('ENOTEMPTY');
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}
