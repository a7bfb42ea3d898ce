import { expect } from 'chai';
import { conditionOf } from '../../base/env/conformance/harness.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { nodeId } from '../../base/ids.ts';
import { LiveMembership, membershipRequest } from './membership.ts';
import { machineOf, meshPort, simulateMesh } from './test-kit/simulated-mesh.ts';

describe('membership over the mesh', () => {
  it('finds nodes, loses one that stops, and finds it again', async () => {
    const simulation = new Simulation(1);
    await simulation.run(async () => {
      const cluster = await simulateMesh(simulation, 3);
      const { nodes } = cluster;
      const addressOf = (id: number) => ({
        mesh: `${machineOf(id)}:${meshPort}`,
        client: `${machineOf(id)}:1`,
      });
      const join = (node: (typeof nodes)[number]) => {
        const membership = new LiveMembership({
          env: simulation.machine(machineOf(node.id)).env,
          mesh: node.mesh,
          addresses: addressOf(node.id),
          onChange: ({ node: id }) => node.mesh.setPeer(id, { host: machineOf(id), port: meshPort }),
        });
        node.handlers.onRequest = (from, name, body) => {
          expect(name).to.equal(membershipRequest);
          return membership.receive(from, body);
        };
        if (node.id !== 1) membership.introduce(nodeId(1), addressOf(1));
        return membership;
      };
      const [first, , third] = nodes.map(join);
      const states = (membership: LiveMembership) =>
        membership.members.map(({ node, state }) => `${node} ${state}`).sort();
      await simulation.sleep(10_000);
      expect(states(first!)).to.deep.equal(['2 alive', '3 alive']);
      expect(first!.members.map(({ addresses }) => addresses.client).sort()).to.deep.equal(['n2:1', 'n3:1']);

      third!.close();
      simulation.machine('n3').crash();
      await simulation.sleep(20_000);
      expect(states(first!)).to.deep.equal(['2 alive', '3 dead']);

      await cluster.restart(nodes[2]!);
      const again = join(nodes[2]!);
      await simulation.sleep(10_000);
      expect(states(first!)).to.deep.equal(['2 alive', '3 alive']);
      expect(states(again)).to.deep.equal(['1 alive', '2 alive']);

      const damaged = nodes[0]!.mesh.request(nodeId(2), membershipRequest, new Uint8Array(3));
      expect(await conditionOf(damaged)).to.equal('protocol_violation');
      expect(nodes.flatMap(({ problems }) => problems)).to.deep.equal([]);
      await cluster.close();
    });
  });
});
