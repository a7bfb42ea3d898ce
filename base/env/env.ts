/**
 * Everything that a process takes from outside: time, chance, disk, network, threads. Code above `base`
 * reaches them through these interfaces alone, so that a whole cluster runs in one process on a virtual
 * clock, disk and network, from a seed (`simulated/`), or on the machine (`real/`).
 */
export type Env = {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly workers: Workers;
  /** Whether a branch that hardly ever comes about by itself is taken now. Real: never. Simulated: by the seed. */
  readonly rarely: (branch: string) => boolean;
};

export type Timer = { cancel(): void };

export type Clock = {
  /** Wall clock, milliseconds since 1970; may jump. */
  wallMs(): number;
  /** Milliseconds with a fraction from an arbitrary start; never goes back. */
  monotonicMs(): number;
  setTimer(delayMs: number, callback: () => void): Timer;
};

export type Random = {
  /** A whole number in [0, 2^32). */
  uint32(): number;
  /** Real: cryptographic. Simulated: from the seed. */
  bytes(length: number): Uint8Array;
};

/** Paths are absolute, with `/`. Failures are AlopexErrors: disk_full (ENOSPC, EDQUOT), undefined_file, io_error. */
export type Disk = {
  /** `create`: fails where it exists. `write`: fails where it does not. `read`: may be shared with writers. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>;
  list(directory: string): Promise<readonly DiskEntry[]>;
  exists(path: string): Promise<boolean>;
  /** Makes the parents too; all of them are durable when it is answered. */
  makeDirectory(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Atomic; replaces the target. Durable only after `syncDirectory` of the parent. */
  rename(source: string, target: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Holds a directory for this process until `release`; freed by kill -9. Throws lock_file_exists. */
  lock(directory: string): Promise<DirectoryLock>;
  /** Bytes free for this user in the file system that holds a path. */
  freeBytes(path: string): Promise<number>;
};

export type DiskEntry = { readonly name: string; readonly kind: 'file' | 'directory' };
export type DirectoryLock = { release(): Promise<void> };

export type DiskFile = {
  readonly path: string;
  size(): Promise<number>;
  /** Exactly `length` bytes, or fewer where the file ends. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Not durable until `sync`. Concurrent reads see all of it or a part. */
  write(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** fdatasync. A failure is final: never retried, what was written since the last sync is unknown. */
  sync(): Promise<void>;
  /** `write` and `sync` in one hand-over: the path of a commit. `disk_full` says that nothing was made durable. */
  writeDurably(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** Reserves and zero-fills up to `size`, so that later writes below it change no metadata. Not durable. */
  preallocate(size: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
};

export type Network = {
  listen(address: NetworkAddress, accept: (connection: Connection) => void): Promise<Listener>;
  connect(address: NetworkAddress): Promise<Connection>;
};
export type NetworkAddress = { readonly host: string; readonly port: number };
export type Listener = { readonly address: NetworkAddress; close(): Promise<void> };

/** A byte stream with back-pressure both ways. */
export type Connection = {
  readonly remote: NetworkAddress;
  /** False: the peer is slow; wait for `onDrain` before writing more. */
  write(bytes: Uint8Array): boolean;
  /** Flushes what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  pause(): void;
  resume(): void;
  handle(handlers: {
    readonly onData: (bytes: Uint8Array) => void;
    readonly onDrain: () => void;
    /** Once, however the connection ended. */
    readonly onClose: (error: Error | null) => void;
  }): void;
};

/**
 * Runs a named task beside the event loop. A task is an exported async function `(env, input) => output` of a
 * module; input and output are structured-cloneable. Real: a small pool of threads, each with its own Env.
 * Simulated: a task of the one scheduler.
 */
export type Workers = {
  run<Input, Output>(task: WorkerTask<Input, Output>, input: Input): Promise<Output>;
  close(): Promise<void>;
};
export type WorkerTask<Input, Output> = {
  /** `import.meta.url` of the module that exports the function. */
  readonly module: string;
  readonly name: string;
  /** The function itself: what the simulated workers call. */
  readonly run: (env: Env, input: Input) => Promise<Output>;
};
