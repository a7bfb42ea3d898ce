import type { Env, NetworkAddress, Timer } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Channel, MessageClass, Transport } from './contract.ts';
import type { MeshLimits } from './limits.ts';
import { Link, type LinkHandlers } from './link.ts';

/** More of them make no longer wait. */
const failuresMax = 32;

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting' }
  /** After an attempt that failed, or a link that broke. */
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'up'; readonly link: Link }
  | { readonly kind: 'closed' };

type Waiter = { readonly resolve: (link: Link) => void; readonly reject: (error: AlopexError) => void };

export type OutgoingOptions = {
  readonly env: Env;
  readonly transport: Transport;
  readonly limits: MeshLimits;
  readonly peer: NodeId;
  readonly class: MessageClass;
  /** Made again by itself when it breaks; else with the next need of it. */
  readonly isKept: boolean;
  readonly onUp: (link: Link) => void;
  readonly onProblem: (error: AlopexError) => void;
} & LinkHandlers;

/**
 * This node's own channel of one class to another node: made with the first need, and again when it breaks, after a wait
 * that doubles.
 *
 * Invariant: one attempt or one link at a time; whoever waits is answered by the attempt that is under way or comes next.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  #address: NetworkAddress;
  #state: State = { kind: 'idle' };
  #waiters: Waiter[] = [];
  #failures = 0;
  #upSinceMs = 0;
  /** Of the last failure that was told: each is told once. */
  #problem: string | null = null;

  constructor(address: NetworkAddress, options: OutgoingOptions) {
    this.#address = address;
    this.#options = options;
  }

  get link(): Link | null {
    return this.#state.kind === 'up' ? this.#state.link : null;
  }

  want(): void {
    if (this.#state.kind === 'idle') this.#connect();
  }

  /** Rejects with the failure of the next attempt. */
  linked(): Promise<Link> {
    return new Promise((resolve, reject) => {
      if (this.#state.kind === 'up') resolve(this.#state.link);
      else if (this.#state.kind === 'closed') reject(this.#unknown());
      else {
        this.#waiters.push({ resolve, reject });
        this.want();
      }
    });
  }

  /** The other node is heard of: what waits to try again does so now. */
  hurry(): void {
    if (this.#state.kind !== 'waiting') return;
    this.#state.timer.cancel();
    this.#again();
  }

  /** The node is to be found elsewhere: what there is breaks. */
  move(address: NetworkAddress): void {
    this.#address = address;
    this.#failures = 0;
    const { link } = this;
    if (link !== null)
      link.fail(new AlopexError('connection_failure', `${this.#name} is at another address`));
    this.hurry();
  }

  /** What was posted is sent off. */
  async close(): Promise<void> {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    if (state.kind === 'waiting') state.timer.cancel();
    this.#refuse(this.#unknown());
    if (state.kind === 'up') await state.link.end();
  }

  get #name(): string {
    return `node ${this.#options.peer}`;
  }

  #unknown(): AlopexError {
    return new AlopexError('connection_failure', `${this.#name} is no member, or this node is stopping`);
  }

  #connect(): void {
    const state: State = { kind: 'connecting' };
    this.#state = state;
    const address = this.#address;
    this.#dial(address).then(
      (channel) => {
        if (this.#state === state && this.#address === address) {
          this.#use(channel);
          return;
        }
        channel.connection.destroy();
        if (this.#state === state) this.#connect();
      },
      (thrown: unknown) => {
        if (this.#state !== state) return;
        if (this.#address === address) this.#fail(asAlopexError(thrown));
        else this.#connect();
      },
    );
  }

  /** A channel that comes after the time is over is destroyed. */
  #dial(address: NetworkAddress): Promise<Channel> {
    const { env, transport, limits, peer, class: messageClass } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Channel>();
    let isLate = false;
    const timer = env.clock.setTimer(limits.connectMsMax, () => {
      isLate = true;
      const place = `${address.host}:${address.port}`;
      reject(
        new AlopexError(
          'connection_failure',
          `${this.#name} at ${place}: no link within ${limits.connectMsMax} ms`,
        ),
      );
    });
    transport.connect(address, peer, messageClass).then(
      (channel) => {
        timer.cancel();
        if (isLate) channel.connection.destroy();
        else resolve(channel);
      },
      (thrown: unknown) => {
        timer.cancel();
        reject(thrown);
      },
    );
    return promise;
  }

  #use(channel: Channel): void {
    const { env, limits, onFrame, onDrain, onEnd, onUp } = this.#options;
    const options = { clock: env.clock, limits, isOpener: true };
    const link = new Link(channel, options, {
      onFrame,
      onDrain,
      onEnd: (_, error) => {
        if (this.#state.kind === 'up') this.#onBroken();
        onEnd(link, error);
      },
    });
    this.#state = { kind: 'up', link };
    this.#upSinceMs = env.clock.monotonicMs();
    this.#problem = null;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve } of waiters) resolve(link);
    onUp(link);
  }

  /** A link that outlasted the wait starts anew; a node that takes channels and drops them is asked ever less often. */
  #onBroken(): void {
    if (this.#options.env.clock.monotonicMs() - this.#upSinceMs > this.#longestWaitMs()) this.#failures = 0;
    this.#wait();
  }

  #fail(error: AlopexError): void {
    const { onProblem } = this.#options;
    if (error.condition !== 'connection_failure' && error.message !== this.#problem) {
      this.#problem = error.message;
      onProblem(error);
    }
    this.#wait();
    this.#refuse(error);
  }

  #wait(): void {
    const { env } = this.#options;
    // From a half of it on.
    const delayMs = this.#longestWaitMs() * (1 - env.random.uint32() / 2 ** 33);
    this.#failures = Math.min(this.#failures + 1, failuresMax);
    this.#state = { kind: 'waiting', timer: env.clock.setTimer(delayMs, () => this.#again()) };
  }

  #longestWaitMs(): number {
    const { backoffMsMin, backoffMsMax } = this.#options.limits;
    return Math.min(backoffMsMax, backoffMsMin * 2 ** this.#failures);
  }

  #again(): void {
    this.#state = { kind: 'idle' };
    if (this.#options.isKept || this.#waiters.length > 0) this.#connect();
  }

  #refuse(error: AlopexError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(error);
  }
}
