/** Between two transactions, by their index: the second comes after the first in every order of them. */
export type Dependency = {
  readonly kind: 'ww' | 'wr' | 'rw' | 'realtime';
  readonly source: number;
  readonly target: number;
  readonly reason: string;
};

/** By its source. */
export type Graph = readonly (readonly Dependency[])[];

export function graphOf(nodes: number, dependencies: Iterable<Dependency>): Graph {
  const graph: Dependency[][] = Array.from({ length: nodes }, () => []);
  for (const dependency of dependencies) {
    if (dependency.source !== dependency.target) graph[dependency.source]!.push(dependency);
  }
  return graph;
}

/** For each node, which strongly connected component it is in (Tarjan, 1972, without recursion). */
export function componentsOf(graph: Graph, follows: (dependency: Dependency) => boolean): Int32Array {
  const size = graph.length;
  const component = new Int32Array(size).fill(-1);
  const order = new Int32Array(size).fill(-1);
  const low = new Int32Array(size);
  const at = new Int32Array(size);
  const stack: number[] = [];
  let [visited, components] = [0, 0];
  for (let root = 0; root < size; root++) {
    if (order[root] !== -1) continue;
    const path = [root];
    while (path.length > 0) {
      const node = path.at(-1)!;
      if (order[node] === -1) {
        order[node] = visited;
        low[node] = visited++;
        stack.push(node);
      }
      const edge = graph[node]![at[node]!++];
      if (edge === undefined) {
        path.pop();
        if (path.length > 0) low[path.at(-1)!] = Math.min(low[path.at(-1)!]!, low[node]!);
        if (low[node] !== order[node]) continue;
        let member: number;
        do {
          member = stack.pop()!;
          component[member] = components;
        } while (member !== node);
        components += 1;
      } else if (follows(edge)) {
        if (order[edge.target] === -1) path.push(edge.target);
        else if (component[edge.target] === -1) low[node] = Math.min(low[node]!, order[edge.target]!);
      }
    }
  }
  return component;
}
