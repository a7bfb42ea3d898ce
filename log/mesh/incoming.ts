import type { Clock } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { Answers } from './answers.ts';
import type { Compression } from './compression.ts';
import type { Channel, MeshHandlers, MessageClass } from './contract.ts';
import type { MeshLimits } from './limits.ts';
import { Link, type LinkHandlers } from './link.ts';
import type { MeshFrame } from './messages.ts';
import { Sources } from './sources.ts';

export type IncomingOptions = {
  readonly clock: Clock;
  readonly limits: MeshLimits;
  readonly compression: Compression | null;
  readonly handlers: MeshHandlers;
  readonly onRaftLink: (from: NodeId, isUp: boolean) => void;
  readonly onProblem: (error: AlopexError) => void;
};

/**
 * The channels that other nodes have opened to this one: one of each class from each node. A second one takes the place of
 * the first, which that node has given up: so what comes over the two keeps its order.
 */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #links = new Map<string, Link>();

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  accept(channel: Channel): void {
    const { clock, limits, onProblem, onRaftLink } = this.#options;
    const { peer } = channel;
    const key = keyOf(peer, channel.class);
    this.#links.get(key)?.fail(null);
    const handlers = this.#handlersOf(channel);
    const link = new Link(
      channel,
      { clock, limits, isOpener: false },
      {
        ...handlers,
        onEnd: (ended, error) => {
          if (this.#links.get(key) === ended) this.#links.delete(key);
          if (error !== null && error.condition !== 'connection_failure') onProblem(error);
          handlers.onEnd(ended, error);
        },
      },
    );
    this.#links.set(key, link);
    if (channel.class === 'raft') onRaftLink(peer, true);
  }

  isLinked(from: NodeId): boolean {
    return this.#links.has(keyOf(from, 'raft'));
  }

  drop(from: NodeId): void {
    for (const each of messageClasses) this.#links.get(keyOf(from, each))?.fail(null);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.end()));
  }

  #handlersOf({ peer, class: messageClass }: Channel): LinkHandlers {
    switch (messageClass) {
      case 'raft':
        return {
          onFrame: (_, frame) => this.#deliver(peer, frame),
          onDrain: () => {},
          onEnd: () => this.#options.onRaftLink(peer, false),
        };
      case 'control': {
        const { handlers, limits, onProblem } = this.#options;
        const answers = new Answers(peer, handlers.onRequest, limits, onProblem);
        return {
          onFrame: (link, frame) => answers.onFrame(link, frame),
          onDrain: () => {},
          onEnd: () => {},
        };
      }
      case 'bulk': {
        const { onFetch } = this.#options.handlers;
        const sources = new Sources({ ...this.#options, from: peer, onFetch });
        return {
          onFrame: (link, frame) => sources.onFrame(link, frame),
          onDrain: () => sources.onDrain(),
          onEnd: () => sources.stop(),
        };
      }
    }
  }

  /** A message that cannot be taken is lost, as others are; the link goes on. */
  #deliver(from: NodeId, frame: MeshFrame): void {
    if (frame.kind !== 'messages')
      throw new AlopexError('protocol_violation', `"${frame.kind}" is no message of Raft`);
    const { handlers, onProblem } = this.#options;
    for (const { group, bytes } of frame.messages) {
      try {
        handlers.onMessage(from, group, bytes);
      } catch (thrown) {
        onProblem(asAlopexError(thrown));
      }
    }
  }
}

const messageClasses: readonly MessageClass[] = ['raft', 'control', 'bulk'];

function keyOf(from: NodeId, messageClass: MessageClass): string {
  return `${from} ${messageClass}`;
}
