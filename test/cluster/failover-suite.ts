import { setTimeout } from 'node:timers/promises';
import { Database } from '../../api/index.ts';
import { databaseSuite } from '../conformance/client-suite.ts';
import { type ClusterNode, ProcessCluster } from './cluster.ts';

/** In every so many tests the primary is gone when one begins, and a replica goes while one runs. */
const [testsOfRound, replicaAt] = [4, 2];
/** The ends of the sockets have to come through: what is sent into a connection that is lost is not sent again. */
const noticedMs = 50;
const amidMsMax = 20;

let cluster: ProcessCluster | null = null;
let mending: Promise<void> = Promise.resolve();
let tests = 0;
let kills = 0;

async function kill(node: ClusterNode): Promise<void> {
  await node.process!.kill();
  kills += 1;
}

async function mend(nodes: ProcessCluster, node: ClusterNode): Promise<void> {
  await nodes.restart(node);
  await nodes.settled();
}

/** What a client promises holds over a failover: whatever the test does first, it does on the next primary. */
beforeEach(async () => {
  const place = tests++ % testsOfRound;
  if (cluster === null || (place !== 0 && place !== replicaAt)) return;
  await mending;
  const nodes = cluster;
  const primary = await nodes.primary();
  if (place === 0) {
    await kill(primary);
    mending = mend(nodes, primary);
    await setTimeout(noticedMs);
  } else {
    const replica = nodes.nodes.find((node) => node !== primary)!;
    mending = setTimeout(Math.random() * amidMsMax)
      .then(() => kill(replica))
      .then(() => mend(nodes, replica));
  }
  mending.catch(() => {});
});

after(async () => {
  await mending;
  console.log(`\n  ${kills} nodes were killed`);
  await cluster?.close();
});

/** The suite of `Database`, unchanged. */
databaseSuite('by url of three nodes that are killed', async () => {
  cluster ??= await ProcessCluster.start();
  return Database.open({ url: cluster.url('read-write') });
});
