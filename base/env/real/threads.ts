import { type Transferable, Worker } from 'node:worker_threads';
import { AlopexError } from '../../errors.ts';
import { invariant } from '../../unreachable.ts';
import { sharedWithThreads } from './bulk_syncs.ts';
import { type Answer, unpackError } from './serve.ts';

/**
 * Of a thread's heap for new objects, where V8 takes 96 by default: what it has once taken from the system, V8 13 of
 * Node 24 gives back to nobody. A busy process has 0.12 GB less by it, for no measurable time.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 24 };
/** A thread without work ends after this long: it holds about 10 MB. */
const idleMsMax = 15_000;
const waitingMax = 1024;

type Job = {
  readonly request: unknown;
  readonly transfer: readonly Transferable[];
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
};
type Thread = { readonly worker: Worker; job: Job | null; retire: NodeJS.Timeout | null };

/**
 * A few worker threads of one kind, one request at a time each; the rest wait in line.
 *
 * Invariants: a thread starts only when a request finds none idle; a thread without a job never keeps the
 * process alive, one with a job does; every request settles, also when its thread dies.
 */
export class Threads {
  readonly #entry: URL;
  readonly #threadsMax: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  #closed = false;
  #onIdle: (() => void) | null = null;

  constructor(entry: URL, threadsMax: number) {
    this.#entry = entry;
    this.#threadsMax = threadsMax;
  }

  run(request: unknown, transfer: readonly Transferable[] = []): Promise<unknown> {
    if (this.#closed) {
      return Promise.reject(new AlopexError('admin_shutdown', 'the worker threads are shut down'));
    }
    if (this.#waiting.length >= waitingMax) {
      return Promise.reject(
        new AlopexError('insufficient_resources', `more than ${waitingMax} tasks wait for a worker thread`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, transfer, resolve, reject });
      this.#dispatch();
    });
  }

  /** Finishes what was asked, then ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#busy) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await Promise.all(Array.from(this.#threads, (thread) => this.#end(thread)));
  }

  get #busy(): boolean {
    return this.#waiting.length > 0 || this.#threads.values().some((thread) => thread.job !== null);
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const idle = this.#threads.values().find((thread) => thread.job === null);
      if (idle === undefined && this.#threads.size >= this.#threadsMax) return;
      this.#give(idle ?? this.#start(), this.#waiting.shift()!);
    }
    if (!this.#busy) this.#onIdle?.();
  }

  #give(thread: Thread, job: Job): void {
    if (thread.retire !== null) clearTimeout(thread.retire);
    thread.retire = null;
    thread.worker.ref();
    try {
      thread.worker.postMessage(job.request, job.transfer);
      thread.job = job;
    } catch (error) {
      this.#rest(thread);
      job.reject(error);
    }
  }

  #start(): Thread {
    // Not the process's own arguments: some of them (--input-type, --test) no thread may have.
    const worker = new Worker(this.#entry, { execArgv: [], workerData: sharedWithThreads, resourceLimits });
    const thread: Thread = { worker, job: null, retire: null };
    this.#threads.add(thread);
    thread.worker.on('message', (answer: Answer) => {
      const { job } = thread;
      invariant(job !== null, 'a thread answered without a job');
      this.#rest(thread);
      if (answer.kind === 'output') job.resolve(answer.output);
      else job.reject(unpackError(answer));
      this.#dispatch();
    });
    thread.worker.on('error', (error) => this.#lose(thread, error));
    thread.worker.on('exit', (code) => this.#lose(thread, new Error(`exit code ${code}`)));
    return thread;
  }

  #rest(thread: Thread): void {
    thread.job = null;
    thread.worker.unref();
    thread.retire = setTimeout(() => this.#end(thread), idleMsMax).unref();
  }

  #lose(thread: Thread, cause: Error): void {
    if (!this.#threads.delete(thread)) return;
    if (thread.retire !== null) clearTimeout(thread.retire);
    thread.job?.reject(
      new AlopexError('internal_error', `a worker thread ended: ${cause.message}`, { cause }),
    );
    thread.job = null;
    this.#dispatch();
  }

  async #end(thread: Thread): Promise<void> {
    this.#threads.delete(thread);
    if (thread.retire !== null) clearTimeout(thread.retire);
    await thread.worker.terminate();
  }
}
