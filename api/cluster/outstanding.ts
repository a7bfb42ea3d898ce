import type { NodeId } from '../../base/ids.ts';

/** Requests to other nodes that are not answered yet, so that those to a node that is given up end. */
export class Outstanding {
  readonly #byNode = new Map<NodeId, Set<(reason: Error) => void>>();

  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  /** Settles as the answer does, or rejects with what `abandon` says before it comes. */
  add<Value>(node: NodeId, answer: Promise<Value>): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const waiting = this.#byNode.get(node) ?? new Set();
    this.#byNode.set(node, waiting.add(reject));
    const end = (): void => {
      waiting.delete(reject);
      if (waiting.size === 0 && this.#byNode.get(node) === waiting) this.#byNode.delete(node);
    };
    answer.then(resolve, reject).finally(end);
    return promise;
  }

  abandon(node: NodeId, reason: Error): void {
    const waiting = this.#byNode.get(node);
    this.#byNode.delete(node);
    for (const reject of waiting ?? []) reject(reason);
  }
}
