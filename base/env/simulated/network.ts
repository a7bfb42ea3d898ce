import { AlopexError } from '../../errors.ts';
import type { Connection, Listener, Network, NetworkAddress } from '../env.ts';
import { Endpoint } from './endpoint.ts';
import type { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';

const loopback: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost', '0.0.0.0', '::']);
const loopbackLatencyMs = 0.01;
const retransmitMs = 200;
/** TCP gives up on a peer that acknowledges nothing for so long. */
const giveUpMs = 15_000;
const ephemeralPortMin = 49_152;
/** Connections after which those that have ended are forgotten. */
const endedAtOnce = 256;

/** What of one way between two machines is worse than of the others. */
export type LinkTrouble = {
  /** Added to each delivery. */
  readonly delayMs: { readonly min: number; readonly max: number };
  readonly lossProbability: number;
};

type Bound = { readonly incarnation: Incarnation; readonly accept: (connection: Connection) => void };

/**
 * The wires between machines; a machine's name is its host name. Bytes arrive in order or not at all: what a
 * lossy path loses is sent again later, what a partition holds back arrives when it heals, or the connection
 * times out. A crashed machine answers nothing; restarted, it resets connections that it no longer knows.
 */
export class SimulatedNetwork {
  latencyMs = { min: 0.1, max: 1 };
  /** Of each delivery, that it has to be sent again. */
  lossProbability = 0;
  readonly #scheduler: Scheduler;
  readonly #blocked = new Set<string>();
  readonly #troubles = new Map<string, LinkTrouble>();
  readonly #lastArrivals = new Map<string, number>();
  #connections: Endpoint[] = [];
  readonly #living = new Map<string, Incarnation>();
  readonly #bound = new Map<string, Bound>();
  #nextPort = ephemeralPortMin;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Nothing gets from `source` to `target` any more; the other way is as it was. */
  block(source: string, target: string): void {
    this.#blocked.add(pathOf(source, target));
  }

  unblock(source: string, target: string): void {
    this.#blocked.delete(pathOf(source, target));
  }

  /** Neither group reaches the other. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const one of left) {
      for (const other of right) {
        this.block(one, other);
        this.block(other, one);
      }
    }
  }

  /** One way, until it is healed. */
  worsen(source: string, target: string, trouble: LinkTrouble): void {
    this.#troubles.set(pathOf(source, target), trouble);
  }

  ease(source: string, target: string): void {
    this.#troubles.delete(pathOf(source, target));
  }

  heal(): void {
    this.#blocked.clear();
    this.#troubles.clear();
  }

  /** Every connection between the two is reset, for both its ends. Returns how many. */
  breakConnections(one: string, other: string): number {
    this.#connections = this.#connections.filter(({ isClosed }) => !isClosed);
    const broken = this.#connections.filter((connection) => connection.isBetween(one, other));
    for (const connection of broken) connection.breakOff();
    return broken.length;
  }

  mount(incarnation: Incarnation): Network {
    this.#living.set(incarnation.machine, incarnation);
    return {
      listen: (address, accept) => incarnation.perform(0, () => this.#listen(incarnation, address, accept)),
      connect: (address) => this.#connect(incarnation, address),
    };
  }

  /**
   * As a datagram: it arrives after the way's latency, or is lost; what arrived before it was sent before. False: there
   * is no way.
   */
  tell(source: Incarnation, target: string, arrive: () => void): boolean {
    const { random } = this.#scheduler;
    const path = pathOf(source.machine, target);
    const trouble = this.#troubles.get(path);
    if (!source.alive || !this.#reaches(source.machine, target)) return false;
    if (random.chance(trouble?.lossProbability ?? this.lossProbability)) return true;
    const extraMs = trouble === undefined ? 0 : random.between(trouble.delayMs.min, trouble.delayMs.max);
    const latencyMs = extraMs + random.between(this.latencyMs.min, this.latencyMs.max);
    const arrivesMs = Math.max(this.#scheduler.nowMs + latencyMs, this.#lastArrivals.get(path) ?? 0);
    this.#lastArrivals.set(path, arrivesMs);
    this.#scheduler.schedule(arrivesMs - this.#scheduler.nowMs, arrive);
    return true;
  }

  /** Brings something from one life of a machine to another machine: `arrive`, or `fail` after all retries. */
  carry(source: Incarnation, target: string, arrive: () => void, fail: () => void): void {
    const deadlineMs = this.#scheduler.nowMs + giveUpMs;
    const { random } = this.#scheduler;
    const attempt = () => {
      const local = source.machine === target;
      const trouble = this.#troubles.get(pathOf(source.machine, target));
      const lossProbability = trouble?.lossProbability ?? this.lossProbability;
      const lost = !local && (random.chance(lossProbability) || !this.#reaches(source.machine, target));
      const extraMs = trouble === undefined ? 0 : random.between(trouble.delayMs.min, trouble.delayMs.max);
      const delayMs = local
        ? loopbackLatencyMs
        : extraMs + random.between(this.latencyMs.min, this.latencyMs.max);
      if (!lost) this.#scheduler.schedule(delayMs, arrive);
      else if (this.#scheduler.nowMs + retransmitMs > deadlineMs) source.schedule(0, fail);
      else source.schedule(retransmitMs, attempt);
    };
    attempt();
  }

  #reaches(source: string, target: string): boolean {
    return !this.#blocked.has(pathOf(source, target)) && this.#living.get(target)?.alive === true;
  }

  #listen(
    incarnation: Incarnation,
    address: NetworkAddress,
    accept: (connection: Connection) => void,
  ): Listener {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    const place = pathOf(incarnation.machine, String(port));
    if (this.#bound.get(place)?.incarnation.alive) {
      throw new AlopexError(
        'object_in_use',
        `could not listen on ${address.host}:${port}: address already in use`,
      );
    }
    const bound: Bound = { incarnation, accept };
    this.#bound.set(place, bound);
    return {
      address: { host: address.host, port },
      close: async () => {
        if (this.#bound.get(place) === bound) this.#bound.delete(place);
      },
    };
  }

  #connect(source: Incarnation, address: NetworkAddress): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const refuse = (reason: string) => {
      const place = `${address.host}:${address.port}`;
      reject(new AlopexError('connection_failure', `could not connect to ${place}: ${reason}`));
    };
    const target = loopback.has(address.host) ? source.machine : address.host;
    const timeOut = () => refuse('ETIMEDOUT');
    const arrive = () => {
      const bound = this.#bound.get(pathOf(target, String(address.port)));
      const living = this.#living.get(target);
      if (living === undefined || !living.alive) return;
      if (bound === undefined || !bound.incarnation.alive) {
        this.carry(living, source.machine, () => source.whenRunning(() => refuse('ECONNREFUSED')), timeOut);
        return;
      }
      const near = new Endpoint(this, source, { host: target, port: address.port });
      const far = new Endpoint(this, bound.incarnation, { host: source.machine, port: this.#nextPort++ });
      near.pair(far);
      far.pair(near);
      this.#remember(near);
      bound.incarnation.whenRunning(() => bound.accept(far));
      this.carry(living, source.machine, () => source.whenRunning(() => resolve(near)), timeOut);
    };
    if (source.alive) this.carry(source, target, arrive, timeOut);
    return promise;
  }

  #remember(connection: Endpoint): void {
    if (this.#connections.length >= endedAtOnce) {
      this.#connections = this.#connections.filter(({ isClosed }) => !isClosed);
    }
    this.#connections.push(connection);
  }
}

function pathOf(source: string, target: string): string {
  return `${source} ${target}`;
}
