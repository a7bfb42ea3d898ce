import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Mesh, MeshTransport } from './contract.ts';
import type { NodeIdentity } from './identity.ts';
import { type MeshOptions, openMesh } from './mesh.ts';
import { quicTransport } from './quic.ts';
import { tlsTransport } from './tls.ts';
import { renewalRequest, TrustExchange, trustRequest } from './trust-exchange.ts';

export type SecureMeshOptions = Omit<MeshOptions, 'self' | 'transport'> & {
  readonly identity: NodeIdentity;
  readonly transport: MeshTransport;
};

const transports = { tls: tlsTransport, quic: quicTransport };

/** A mesh among the nodes that the authority's key has signed, which also keeps them of one mind about whom they believe. */
export async function openSecureMesh(options: SecureMeshOptions): Promise<Mesh> {
  const { identity, handlers, onProblem, env } = options;
  const peers = new Set<NodeId>();
  const exchange = new TrustExchange({
    identity,
    clock: env.clock,
    ask: (to, name, body) => mesh.request(to, name, body),
    peers: () => [...peers],
    onProblem,
  });
  const opening = openMesh({
    ...options,
    self: identity.self,
    transport: transports[options.transport]({
      identity,
      clock: env.clock,
      onRefused: (error, { host, port }) => {
        // Who hung up meanwhile was not refused: it is gone, as a node is that was stopped.
        if (error.condition === 'connection_failure') return;
        onProblem(new AlopexError(error.condition, `${host}:${port} was not let in: ${error.message}`));
      },
    }),
    handlers: {
      ...handlers,
      onRequest: (from, name, body) => {
        if (name === trustRequest) return exchange.answerTrust(from, body);
        if (name === renewalRequest) return exchange.answerRenewal(from, body);
        return handlers.onRequest(from, name, body);
      },
    },
  });
  opening.catch(() => exchange.close());
  const mesh = await opening;
  return {
    ...closingToo(mesh, () => exchange.close()),
    setPeer: (id, address) => {
      if (address === null) peers.delete(id);
      else peers.add(id);
      mesh.setPeer(id, address);
    },
  };
}

function closingToo(mesh: Mesh, close: () => void): Omit<Mesh, 'setPeer'> {
  return {
    self: mesh.self,
    address: mesh.address,
    send: (to, group, bytes) => mesh.send(to, group, bytes),
    request: (to, name, body, timeoutMs) => mesh.request(to, name, body, timeoutMs),
    fetch: (to, name, body) => mesh.fetch(to, name, body),
    isLinked: (peer) => mesh.isLinked(peer),
    close: () => {
      close();
      return mesh.close();
    },
  };
}
