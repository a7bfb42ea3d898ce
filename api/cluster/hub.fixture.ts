import type { Scheduler } from '../../base/env/simulated/scheduler.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId, RangeId } from '../../base/ids.ts';
import type { Mesh, MeshHandlers } from '../../log/mesh/contract.ts';

const delayMs = 0.5;

/** Meshes of nodes in one simulation, without links: what is sent arrives, unless a node is cut off. */
export class Hub {
  readonly #scheduler: Scheduler;
  readonly #nodes = new Map<NodeId, MeshHandlers>();
  readonly cutOff = new Set<NodeId>();
  /** What nodes were asked for, and have not answered. */
  readonly #asked = new Map<NodeId, Set<(reason: AlopexError) => void>>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  forget(node: NodeId): void {
    this.#nodes.delete(node);
    for (const reject of this.#asked.get(node) ?? []) reject(unreachable(node));
    this.#asked.delete(node);
  }

  /** Rejects where the node goes meanwhile, as a link that breaks does. */
  #answer<Answer>(of: NodeId, answer: Promise<Answer>): Promise<Answer> {
    const asked = this.#asked.get(of) ?? new Set();
    this.#asked.set(of, asked);
    return new Promise<Answer>((resolve, reject) => {
      asked.add(reject);
      answer.then(resolve, reject).finally(() => asked.delete(reject));
    });
  }

  async *#fetched(
    of: NodeId,
    handlers: MeshHandlers,
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const iterator = chunks[Symbol.asyncIterator]();
    for (;;) {
      if (this.#nodes.get(of) !== handlers) throw unreachable(of);
      const { done, value } = await this.#answer(of, iterator.next());
      if (done === true) return;
      yield value;
    }
  }

  open(self: NodeId, handlers: MeshHandlers): Mesh {
    this.#nodes.set(self, handlers);
    const reached = (to: NodeId): MeshHandlers | null =>
      this.cutOff.has(self) || this.cutOff.has(to) ? null : (this.#nodes.get(to) ?? null);
    return {
      self,
      address: { host: `n${self}`, port: 1 },
      setPeer: () => {},
      isLinked: (peer) => reached(peer) !== null,
      send: (to: NodeId, group: RangeId, bytes: Uint8Array) => {
        const copy = bytes.slice();
        this.#scheduler.schedule(delayMs, () => reached(to)?.onMessage(self, group, copy));
      },
      request: (to, name, body) =>
        new Promise((resolve, reject) => {
          this.#scheduler.schedule(delayMs, () => {
            const handlers = reached(to);
            if (handlers === null) reject(unreachable(to));
            else this.#answer(to, handlers.onRequest(self, name, body.slice())).then(resolve, reject);
          });
        }),
      fetch: (to, name, body) => {
        const handlers = reached(to);
        if (handlers === null) throw unreachable(to);
        return this.#fetched(to, handlers, handlers.onFetch(self, name, body, 0));
      },
      close: async () => {
        if (this.#nodes.get(self) === handlers) this.#nodes.delete(self);
      },
    };
  }
}

function unreachable(node: NodeId): AlopexError {
  return new AlopexError('connection_failure', `node ${node} is not reached`);
}
