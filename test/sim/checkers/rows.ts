import type { Anomaly } from './anomaly.ts';

/** All rows of a node as of a position, each as one text, by table and key. */
export type NodeRows = { readonly node: string; readonly rows: ReadonlyMap<string, string> };

const shownMax = 5;

/** Replicas at one position have the same rows. */
export function checkRows(position: string, nodes: readonly NodeRows[]): readonly Anomaly[] {
  const [first, ...others] = nodes;
  if (first === undefined) return [];
  return others.flatMap((other) => {
    const keys = new Set([...first.rows.keys(), ...other.rows.keys()]);
    const differing = [...keys].filter((key) => first.rows.get(key) !== other.rows.get(key));
    if (differing.length === 0) return [];
    const texts = differing
      .slice(0, shownMax)
      .map((key) => `${key}: "${first.rows.get(key) ?? ''}" and "${other.rows.get(key) ?? ''}"`);
    return {
      kind: 'replicas differ',
      description: `${position}: ${differing.length} rows of ${first.node} and ${other.node}: ${texts.join('; ')}`,
    };
  });
}
