import type { Env, Timer } from '../../base/env/env.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Mesh } from './contract.ts';
import {
  defaultSwimLimits,
  type MemberRecord,
  type NodeAddresses,
  Swim,
  type SwimInput,
  type SwimLimits,
} from './swim.ts';
import { decodeSwimMessage, encodeSwimMessage } from './swim-messages.ts';

/** The name of the mesh's requests that carry SWIM's messages; each is answered with nothing, at once. */
export const membershipRequest = 'swim';

const nothing = new Uint8Array(0);

export type MembershipOptions = {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly mesh: Mesh;
  /** Of this node, as others shall find it. */
  readonly addresses: NodeAddresses;
  readonly limits?: Partial<SwimLimits>;
  /** What is new of another node. It is to tell the mesh where a node is (`setPeer`): SWIM's messages go there next. */
  readonly onChange: (record: MemberRecord) => void;
};

/** Who is there, as this node knows by SWIM: `Swim` with a clock, and the mesh's requests to carry its messages. */
export class LiveMembership {
  readonly #options: MembershipOptions;
  readonly #swim: Swim;
  readonly #periodMs: number;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: MembershipOptions) {
    const { env, mesh, addresses } = options;
    const limits = { ...defaultSwimLimits, ...options.limits };
    this.#options = options;
    this.#periodMs = limits.periodMs;
    this.#swim = new Swim({
      self: mesh.self,
      addresses,
      // Above that of the life before, unless the clock went back; then others say so.
      incarnation: Math.max(1, Math.floor(env.clock.wallMs())),
      random: env.random,
      limits,
      nowMs: env.clock.monotonicMs(),
    });
    this.#arm();
  }

  /** Of the other nodes. */
  get members(): readonly MemberRecord[] {
    return this.#swim.members;
  }

  /** A node that is known by other means: from Raft's members, or because it was asked to let this one in. */
  introduce(node: NodeId, addresses: NodeAddresses): void {
    this.#step({ kind: 'introduce', node, addresses });
  }

  /** It is no member any more. */
  forget(node: NodeId): void {
    this.#step({ kind: 'forget', node });
  }

  /** Answers `membershipRequest`; rejects with protocol_violation. */
  async receive(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    this.#step({ kind: 'message', from, message: decodeSwimMessage(body) });
    return nothing;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #step(input: SwimInput): void {
    if (this.#isClosed) return;
    const { env, mesh, onChange } = this.#options;
    const { messages, changes } = this.#swim.step(input, env.clock.monotonicMs());
    for (const record of changes) onChange(record);
    for (const { to, message } of messages) {
      // A message that is lost is one that SWIM was made to do without.
      mesh.request(to, membershipRequest, encodeSwimMessage(message), this.#periodMs).catch(() => {});
    }
    this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    const { clock } = this.#options.env;
    const delayMs = this.#swim.nextDeadlineMs() - clock.monotonicMs();
    this.#timer = clock.setTimer(Math.max(0, delayMs), () => this.#step({ kind: 'tick' }));
  }
}
