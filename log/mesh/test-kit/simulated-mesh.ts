import type { Env } from '../../../base/env/env.ts';
import type { Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import { type NodeId, nodeId } from '../../../base/ids.ts';
import type { Compression } from '../compression.ts';
import type { Mesh, MeshHandlers } from '../contract.ts';
import type { MeshLimits } from '../limits.ts';
import { openMesh } from '../mesh.ts';
import { plainTransport } from '../plain.ts';

export const meshPort = 7000;
export const machineOf = (id: number): string => `n${id}`;

/** A node of a simulated cluster, and what it was told. */
export type MeshNode = {
  readonly id: NodeId;
  mesh: Mesh;
  readonly handlers: { -readonly [Name in keyof MeshHandlers]: MeshHandlers[Name] };
  readonly messages: (readonly [from: number, group: number, first: number])[];
  readonly links: (readonly [peer: number, isUp: boolean])[];
  readonly problems: AlopexError[];
};

export type SimulatedMesh = {
  readonly simulation: Simulation;
  readonly nodes: readonly MeshNode[];
  /** Power off and on; its mesh is another one, and knows its peers. */
  restart(node: MeshNode): Promise<void>;
  close(): Promise<void>;
};

type Options = { readonly limits?: Partial<MeshLimits>; readonly compression?: Compression };

/** To be opened and used within `simulation.run`. */
export async function simulateMesh(
  simulation: Simulation,
  count: number,
  options: Options = {},
): Promise<SimulatedMesh> {
  const ids = Array.from({ length: count }, (_, index) => nodeId(index + 1));
  const nodes = await Promise.all(
    ids.map(async (id): Promise<MeshNode> => {
      const node: Omit<MeshNode, 'mesh'> = {
        id,
        handlers: refusing(),
        messages: [],
        links: [],
        problems: [],
      };
      node.handlers.onMessage = (from, group, bytes) => node.messages.push([from, group, bytes[0]!]);
      node.handlers.onLink = (peer, isUp) => node.links.push([peer, isUp]);
      return Object.assign(node, { mesh: await open(simulation.machine(machineOf(id)).env, node, options) });
    }),
  );
  const introduce = (node: MeshNode) => {
    for (const id of ids) node.mesh.setPeer(id, { host: machineOf(id), port: meshPort });
  };
  for (const node of nodes) introduce(node);
  return {
    simulation,
    nodes,
    restart: async (node) => {
      const env = simulation.machine(machineOf(node.id)).restart();
      node.mesh = await open(env, node, options);
      introduce(node);
    },
    close: async () => {
      await Promise.all(nodes.map(({ mesh }) => mesh.close()));
    },
  };
}

function open(env: Env, node: Omit<MeshNode, 'mesh'>, options: Options): Promise<Mesh> {
  return openMesh({
    self: node.id,
    env,
    transport: plainTransport(env, node.id),
    listen: { host: machineOf(node.id), port: meshPort },
    handlers: {
      onMessage: (...message) => node.handlers.onMessage(...message),
      onRequest: (...request) => node.handlers.onRequest(...request),
      onFetch: (...fetch) => node.handlers.onFetch(...fetch),
      onLink: (...link) => node.handlers.onLink(...link),
    },
    onProblem: (problem) => node.problems.push(problem),
    ...options,
  });
}

function refusing(): MeshHandlers {
  return {
    onMessage: () => {},
    onRequest: (_, name) => Promise.reject(new AlopexError('undefined_function', `no "${name}" here`)),
    onFetch: (_, name) => {
      throw new AlopexError('undefined_file', `no "${name}" here`);
    },
    onLink: () => {},
  };
}
