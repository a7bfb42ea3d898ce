import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { formatAddress } from '../api/cluster/address.ts';
import { ClusterLink } from '../api/cluster/cluster-link.ts';
import type { Env } from '../base/env/env.ts';
import { realEnv } from '../base/env/real/env.ts';
import { epoch, type NodeId, nodeId, offset, rangeId } from '../base/ids.ts';
import { createCluster, type NodeIdentity, requestIdentity, storeJoined } from '../log/mesh/identity.ts';
import { openSecureMesh } from '../log/mesh/secure-mesh.ts';
import type { Member, Membership } from '../log/raft/contract.ts';
import { Range } from '../log/range/range.ts';
import { firstState } from '../log/range/states.ts';
import { openLog } from '../log/segment/log.ts';
import { freePorts } from '../test/cluster/network.ts';
import { inDirectory } from './measure.ts';
import type { Row } from './row.ts';

const groups = Number(process.env.ALOPEX_BENCH_GROUPS ?? 1000);
const seconds = 20;
const quietMsMax = 120_000;
const lookMs = 250;
const host = '127.0.0.1';

type IdleNode = { readonly link: ClusterLink; readonly ranges: readonly Range[] };

/** What many groups cost that have nothing to do: three nodes in one process, that talk by TLS; all of their CPU time. */
export async function run(): Promise<Row[]> {
  return inDirectory('idle', async (directory) => {
    const env = realEnv();
    const identities = await threeIdentities(env, directory);
    const ports = await freePorts(identities.length);
    const members = identities.map(({ self }, index): Member => {
      const mesh = formatAddress({ host, port: ports[index]! });
      return { id: self, role: 'voter', mesh, client: '' };
    });
    const nodes: IdleNode[] = [];
    for (const [index, identity] of identities.entries())
      nodes.push(await openNode(env, join(directory, String(index)), identity, members));
    try {
      await untilQuiet(nodes);
      const before = process.cpuUsage();
      await setTimeout(seconds * 1000);
      const { user, system } = process.cpuUsage(before);
      const isQuiet = nodes.every(({ ranges }) => ranges.every(({ status }) => status.isQuiet));
      if (!isQuiet) throw new Error('the groups did not stay quiet');
      return [
        {
          kind: 'limit',
          workload: `idle: ${groups.toLocaleString('en-US')} quiet groups on three nodes`,
          unit: '% of a core',
          ours: (user + system) / 1e4 / seconds,
          max: 5,
        },
      ];
    } finally {
      for (const { link, ranges } of nodes) {
        for (const range of ranges) range.close();
        await link.close();
      }
    }
  });
}

async function threeIdentities(env: Env, directory: string): Promise<readonly NodeIdentity[]> {
  const paths = [0, 1, 2].map((index) => join(directory, String(index)));
  for (const path of paths) mkdirSync(path);
  const signer = await createCluster(env, paths[0]!);
  const identities = [signer];
  for (const [index, path] of paths.entries()) {
    if (index === 0) continue;
    const node = nodeId(index + 1);
    const signed = await signer.signJoin(await requestIdentity(env, path), node);
    identities.push(await storeJoined(env, path, { ...signed, node, cluster: signer.cluster }));
  }
  return identities;
}

async function openNode(
  env: Env,
  path: string,
  identity: NodeIdentity,
  members: readonly Member[],
): Promise<IdleNode> {
  const ranges = new Map<number, Range>();
  const self = members.find(({ id }) => id === identity.self)!;
  const membership: Membership = { members, outgoing: [], forced: [] };
  const [listenHost, port] = self.mesh.split(':') as [string, string];
  const handlers = {
    onMessage: (from: NodeId, id: number, bytes: Uint8Array) => ranges.get(id)?.receive(from, bytes),
    onRequest: async () => new Uint8Array(0),
    onFetch: async function* () {},
    onLink: () => {},
  };
  const link = await ClusterLink.open(
    env,
    path,
    {
      self: identity.self,
      name: identity.cluster,
      addresses: { mesh: self.mesh, client: '' },
      peers: membership,
      openMesh: (meshHandlers) =>
        openSecureMesh({
          identity,
          env,
          transport: 'tls',
          listen: { host: listenHost, port: Number(port) },
          handlers: meshHandlers,
          onProblem: ({ message }) => console.error(message),
        }),
    },
    handlers,
  );
  const state = {
    ...firstState,
    memberships: [{ endOffset: offset(0), epoch: epoch(0), membership }],
  };
  await Promise.all(
    Array.from({ length: groups }, (_, index) => link.states.save(rangeId(index + 1), state)),
  );
  for (let index = 1; index <= groups; index++) ranges.set(index, await openRange(env, path, index, link));
  return { link, ranges: [...ranges.values()] };
}

async function openRange(env: Env, path: string, number: number, link: ClusterLink): Promise<Range> {
  const id = rangeId(number);
  const nothing = () => {};
  const range = new Range({
    id,
    self: link.options.self,
    clock: env.clock,
    random: env.random,
    rarely: env.rarely,
    disk: env.disk,
    states: link.states,
    ticker: link.ticker,
    liveness: link.liveness,
    lostDirectory: join(path, 'lost'),
    send: (to, message) => link.mesh.send(to, id, message),
    handlers: {
      onStatus: nothing,
      onHeard: nothing,
      onFlushed: nothing,
      onProposed: nothing,
      onTruncate: nothing,
      onLost: () => {},
      onSnapshotNeeded: nothing,
      onOutranked: nothing,
      onFailed: ({ message }) => console.error(message),
    },
  });
  const log = await openLog({
    disk: env.disk,
    clock: env.clock,
    directory: join(path, `log-${number}`),
    replication: { by: range, highWatermark: offset(0) },
  });
  await range.start(log, null);
  return range;
}

async function untilQuiet(nodes: readonly IdleNode[]): Promise<void> {
  const start = performance.now();
  while (!nodes.every(({ ranges }) => ranges.every(({ status }) => status.isQuiet))) {
    if (performance.now() - start > quietMsMax) throw new Error('the groups do not become quiet');
    await setTimeout(lookMs);
  }
}
