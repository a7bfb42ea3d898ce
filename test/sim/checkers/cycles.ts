import { componentsOf, type Dependency, type Graph } from './dependency-graph.ts';

/**
 * Which cycles are looked for; `realtime` is always followed. Anti-dependencies (rw) in them: `none`, exactly `one`,
 * any number but no two in a row (`apart`), or `any`.
 */
export type CycleKind = {
  readonly kinds: readonly Dependency['kind'][];
  readonly antiDependencies: 'none' | 'one' | 'apart' | 'any';
};

/** A short cycle of that kind, or null. */
export function findCycle(
  graph: Graph,
  { kinds, antiDependencies }: CycleKind,
): readonly Dependency[] | null {
  const follows = ({ kind }: Dependency) => kind === 'realtime' || kinds.includes(kind);
  const component = componentsOf(graph, follows);
  const isInside = ({ source, target }: Dependency) => component[source] === component[target];
  for (const edges of graph) {
    for (const first of edges) {
      // Time alone has no cycles, and a cycle can be entered anywhere: at an anti-dependency, where there has to be one.
      if (!follows(first) || !isInside(first) || first.kind === 'realtime') continue;
      if (antiDependencies !== 'none' && first.kind !== 'rw') continue;
      const rest = shortestPath(graph, first, antiDependencies, (edge) => follows(edge) && isInside(edge));
      if (rest !== null) return [first, ...rest];
    }
  }
  return null;
}

type Step = { readonly node: number; readonly edge: Dependency | null; readonly previous: Step | null };

/** From the end of `first` back to its start, breadth first. */
function shortestPath(
  graph: Graph,
  first: Dependency,
  antiDependencies: CycleKind['antiDependencies'],
  follows: (edge: Dependency) => boolean,
): readonly Dependency[] | null {
  const seen = new Set<number>();
  const queue: Step[] = [{ node: first.target, edge: first, previous: null }];
  for (const step of queue) {
    for (const edge of graph[step.node]!) {
      if (!follows(edge) || !mayFollow(step.edge, edge, antiDependencies)) continue;
      const closes = edge.target === first.source;
      // Two anti-dependencies meet where the cycle closes.
      if (closes && antiDependencies === 'apart' && edge.kind === 'rw') continue;
      const next: Step = { node: edge.target, edge, previous: step };
      if (closes) return pathOf(next);
      const key = edge.target * 2 + (edge.kind === 'rw' ? 1 : 0);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return null;
}

function mayFollow(
  last: Dependency | null,
  edge: Dependency,
  antiDependencies: CycleKind['antiDependencies'],
): boolean {
  if (edge.kind !== 'rw' || antiDependencies === 'any') return true;
  return antiDependencies === 'apart' && last?.kind !== 'rw';
}

function pathOf(end: Step): readonly Dependency[] {
  const path: Dependency[] = [];
  for (let step: Step | null = end; step?.previous; step = step.previous) {
    if (step.edge !== null) path.push(step.edge);
  }
  return path.reverse();
}
