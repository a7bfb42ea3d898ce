import { utf8Length } from '../../base/bytes/utf8.ts';
import type { Clock, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { MeshLimits } from './limits.ts';
import type { Link } from './link.ts';
import { frameOverheadBytes, type MeshFrame, nameBytesMax } from './messages.ts';
import type { Outgoing } from './outgoing.ts';

type Pending = {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: AlopexError) => void;
  readonly name: string;
  readonly timeoutMs: number;
  /** By the monotonic clock. */
  readonly deadlineMs: number;
  /** Null while there is none. */
  link: Link | null;
};

export type RequestsOptions = {
  readonly peer: NodeId;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly limits: MeshLimits;
};

/**
 * Questions to one node and their answers, which come back on the same channel in whatever order.
 *
 * Invariant: each request is settled once: by its answer, its time, or the end of its link.
 */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  /** Of bodies that no link has yet. */
  #heldBytes = 0;
  /** For the earliest deadline, or an earlier one. One for all: a timer for each took a tenth of an echo's time. */
  #watch: { readonly atMs: number; readonly timer: Timer } | null = null;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  ask(name: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { outgoing, clock } = this.#options;
    const refusal = this.#refusal(name, body);
    if (refusal !== null) return Promise.reject(refusal);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const id = this.#nextId();
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    this.#pending.set(id, { resolve, reject, name, timeoutMs, deadlineMs, link: null });
    if (this.#watch === null || deadlineMs < this.#watch.atMs) this.#watchUntil(deadlineMs);
    if (outgoing.link !== null) {
      this.#post(outgoing.link, id, name, body);
      return promise;
    }
    this.#heldBytes += body.length;
    const release = () => {
      this.#heldBytes -= body.length;
    };
    outgoing.linked().then(
      (link) => {
        release();
        this.#post(link, id, name, body);
      },
      (error: AlopexError) => {
        release();
        this.#reject(id, this.#notReached(error));
      },
    );
    return promise;
  }

  onFrame(frame: MeshFrame): void {
    switch (frame.kind) {
      case 'answer':
        this.#take(frame.id)?.resolve(frame.body);
        return;
      case 'failure':
        this.#take(frame.id)?.reject(frame.error);
        return;
      default:
        throw new AlopexError('protocol_violation', `"${frame.kind}" is no answer`);
    }
  }

  /** What was asked on that link, and may have been done, is not answered any more. */
  onEnd(link: Link, error: AlopexError): void {
    for (const [id, pending] of this.#pending) if (pending.link === link) this.#reject(id, error);
  }

  close(error: AlopexError): void {
    for (const id of this.#pending.keys()) this.#reject(id, error);
    this.#watch?.timer.cancel();
    this.#watch = null;
  }

  #watchUntil(atMs: number): void {
    const { clock } = this.#options;
    this.#watch?.timer.cancel();
    const delayMs = Math.max(1, Math.ceil(atMs - clock.monotonicMs()));
    this.#watch = { atMs, timer: clock.setTimer(delayMs, () => this.#rejectLate()) };
  }

  #rejectLate(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#watch = null;
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [id, { name, timeoutMs, deadlineMs }] of this.#pending) {
      if (deadlineMs <= nowMs) this.#reject(id, this.#late(name, timeoutMs));
      else earliestMs = Math.min(earliestMs, deadlineMs);
    }
    if (earliestMs < Number.POSITIVE_INFINITY) this.#watchUntil(earliestMs);
  }

  #post(link: Link, id: number, name: string, body: Uint8Array): void {
    const pending = this.#pending.get(id);
    // Its time passed before there was a link.
    if (pending === undefined) return;
    if (link.isEnded) {
      this.#reject(id, new AlopexError('connection_failure', `the link to node ${this.#options.peer} broke`));
      return;
    }
    pending.link = link;
    link.post({ kind: 'request', id, name, body });
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #reject(id: number, error: AlopexError): void {
    this.#take(id)?.reject(error);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 2 ** 32;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** Nothing was asked, whatever the reason: whoever asked may ask another one. */
  #notReached(cause: AlopexError): AlopexError {
    if (cause.condition === 'connection_failure') return cause;
    const { peer } = this.#options;
    return new AlopexError('connection_failure', `node ${peer} is not reached: ${cause.message}`, { cause });
  }

  #late(name: string, timeoutMs: number): AlopexError {
    return new AlopexError(
      'connection_failure',
      `node ${this.#options.peer} did not answer "${name}" within ${timeoutMs} ms`,
    );
  }

  #refusal(name: string, body: Uint8Array): AlopexError | null {
    const { limits, outgoing, peer } = this.#options;
    const tooLong = refusalOf(name, body, limits);
    if (tooLong !== null) return tooLong;
    const queuedBytes = this.#heldBytes + (outgoing.link?.queuedBytes ?? 0);
    const isCrowded = this.#pending.size >= limits.requestsMax;
    if (!isCrowded && (queuedBytes === 0 || queuedBytes + body.length <= limits.controlQueueBytesMax))
      return null;
    return new AlopexError('insufficient_resources', `too much waits for an answer of node ${peer}`);
  }
}

/** 54000 where a body does not fit into a frame; null: it does. */
export function refusalOf(name: string, body: Uint8Array, limits: MeshLimits): AlopexError | null {
  const isNameShort = name.length * 3 <= nameBytesMax || utf8Length(name) <= nameBytesMax;
  if (isNameShort && body.length <= limits.frameBytesMax - frameOverheadBytes) return null;
  return new AlopexError(
    'program_limit_exceeded',
    `"${name.slice(0, 32)}" of ${body.length} bytes is too long to be sent to another node`,
  );
}
