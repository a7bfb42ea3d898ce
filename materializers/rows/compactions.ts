import type { Env } from '../../base/env/env.ts';
import type { Timestamp } from '../../base/ids.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { compactTask } from '../worker/compact.ts';
import {
  afterCompaction,
  type CompactionPlan,
  compactedFilesMax,
  planCompaction,
  planFullCompaction,
} from './compaction-plan.ts';
import type { LiveFiles } from './files.ts';
import type { Jobs } from './jobs.ts';
import type { Layouts } from './layouts.ts';

/** What changes a fold's files: the files that there are, and how others take their place. `install` belongs into a job. */
export type FilesHost = {
  readonly env: Env;
  readonly directory: string;
  readonly layouts: Layouts;
  readonly files: LiveFiles;
  readonly jobs: Jobs;
  /** Within a job: what the memtables have goes into files. */
  flush(): Promise<void>;
  install(manifest: Manifest): Promise<void>;
  /** The first of so many numbers that no file has. */
  takeFileNumbers(count: number): number;
};

/** Merges files, beside all that goes on. */
export class Compactions {
  readonly #host: FilesHost;
  readonly #oldestView: () => Timestamp | null;
  readonly #report: (error: unknown) => void;

  /** `report`: of one that began by itself. */
  constructor(
    host: FilesHost,
    oldestView: (() => Timestamp | null) | undefined,
    report: (error: unknown) => void,
  ) {
    this.#host = host;
    this.#oldestView = oldestView ?? (() => null);
    this.#report = report;
  }

  /** Begins one where there are too many files; it is followed by the next. */
  whereDue(): void {
    const { jobs } = this.#host;
    if (jobs.isClosed || planCompaction(this.#host.files) === null) return;
    const job = jobs.run(async () => {
      const plan = planCompaction(this.#host.files);
      if (plan !== null) await this.#compact(plan);
    });
    job.then(
      () => this.whereDue(),
      (error: unknown) => this.#report(error),
    );
  }

  /** Merges all files into the last level. */
  all(): Promise<void> {
    return this.#host.jobs.run(async () => {
      const plan = planFullCompaction(this.#host.files);
      if (plan !== null) await this.#compact(plan);
    });
  }

  async #compact(plan: CompactionPlan): Promise<void> {
    const { env, directory, layouts, files } = this.#host;
    const { manifest } = files;
    const filesMax = compactedFilesMax(plan);
    const output = await env.workers.run(compactTask, {
      directory,
      plan,
      firstFile: this.#host.takeFileNumbers(filesMax),
      filesMax,
      now: Math.min(manifest.timestamp, this.#oldestView() ?? manifest.timestamp),
      layouts: layouts.toJson(),
      dropped: manifest.dropped,
      droppedIndexes: manifest.droppedIndexes ?? [],
    });
    await this.#host.install(afterCompaction(manifest, plan, output));
  }
}
