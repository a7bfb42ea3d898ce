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

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  forget(node: NodeId): void {
    this.#nodes.delete(node);
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
            if (handlers === null) reject(new AlopexError('connection_failure', `node ${to} is not reached`));
            else handlers.onRequest(self, name, body.slice()).then(resolve, reject);
          });
        }),
      fetch: (to, name, body) => reached(to)!.onFetch(self, name, body, 0),
      close: async () => {
        if (this.#nodes.get(self) === handlers) this.#nodes.delete(self);
      },
    };
  }
}
