import type { Clock } from '../../../base/env/env.ts';
import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { NodeId, RangeId } from '../../../base/ids.ts';
import type { Mesh } from '../../../log/mesh/contract.ts';

const delayMsMax = 400;

/**
 * A mesh whose messages are lost, delivered twice, late and so in another order, each with a probability. What Raft is
 * promised of a mesh is less than what one over TCP gives, and only this shows the difference.
 */
export function unreliableMesh(mesh: Mesh, probability: number, random: SeededRandom, clock: Clock): Mesh {
  const later = (action: () => void) => void clock.setTimer(random.between(0, delayMsMax), action);
  const send = (to: NodeId, group: RangeId, bytes: Uint8Array) => {
    if (random.chance(probability)) return;
    // A copy: the sender may reuse its buffer.
    const copy = bytes.slice();
    if (random.chance(probability)) later(() => mesh.send(to, group, copy));
    if (random.chance(probability)) later(() => mesh.send(to, group, copy));
    else mesh.send(to, group, bytes);
  };
  const request: Mesh['request'] = async (to, name, body, timeoutMs) => {
    if (random.chance(probability)) {
      throw new AlopexError('connection_failure', `node ${to} does not answer`);
    }
    const answer = await mesh.request(to, name, body, timeoutMs);
    // It was done, and nobody is told.
    if (random.chance(probability)) throw new AlopexError('connection_failure', `node ${to} does not answer`);
    return answer;
  };
  return {
    self: mesh.self,
    get address() {
      return mesh.address;
    },
    setPeer: (id, address) => mesh.setPeer(id, address),
    send,
    request,
    fetch: (to, name, body) => mesh.fetch(to, name, body),
    isLinked: (peer) => mesh.isLinked(peer),
    close: () => mesh.close(),
  };
}
