import { AlopexError } from '../../base/errors.ts';

/** Work that is done one after the other. What fails is its caller's to know; the next one goes on. */
export class Jobs {
  readonly #closedMessage: string;
  /** Ends with those that were begun. */
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(closedMessage: string) {
    this.#closedMessage = closedMessage;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const job = this.#last.then(() => {
      if (this.#isClosed) throw new AlopexError('admin_shutdown', this.#closedMessage);
      return work();
    });
    this.#last = job.then(
      () => {},
      () => {},
    );
    return job;
  }

  /** Resolves when the one that runs has ended; those after it reject. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
  }
}

/** The fold is being closed, or the log is another node's to write now. */
export function isExpected({ condition }: AlopexError): boolean {
  return condition === 'admin_shutdown' || condition === 'serialization_failure';
}
