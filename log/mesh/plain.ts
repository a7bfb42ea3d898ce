import type { Connection, Env, Listener } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Channel, Transport } from './contract.ts';
import { decodeHello, encodeHello, helloBytes } from './hello.ts';
import { readOpening } from './opening.ts';

const helloMsMax = 3_000;
/** Connections whose hello has not come. */
const openingsMax = 256;

/** Streams without cryptography: whoever connects is believed. For simulation and tests. */
export function plainTransport(env: Env, self: NodeId): Transport {
  const listeners = new Set<Listener>();
  const openings = new Set<Connection>();

  const greet = async (connection: Connection): Promise<Channel> => {
    openings.add(connection);
    try {
      const opening = await readOpening(connection, helloBytes, env.clock, helloMsMax);
      const { node, class: messageClass } = decodeHello(opening.bytes);
      return { peer: node, class: messageClass, connection: opening.connection, isSealed: false };
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    } finally {
      openings.delete(connection);
    }
  };

  return {
    name: 'plain',
    listen: async (address, accept) => {
      const listener = await env.network.listen(address, (connection) => {
        if (openings.size >= openingsMax) {
          connection.destroy();
          return;
        }
        greet(connection).then(
          (channel) => {
            channel.connection.write(encodeHello({ node: self, class: channel.class }));
            accept(channel);
          },
          // Whoever it was is no node; it has been hung up on.
          () => {},
        );
      });
      listeners.add(listener);
      return listener;
    },
    connect: async (address, peer, messageClass) => {
      const connection = await env.network.connect(address);
      connection.write(encodeHello({ node: self, class: messageClass }));
      const channel = await greet(connection);
      if (channel.peer === peer && channel.class === messageClass) return channel;
      channel.connection.destroy();
      throw new AlopexError(
        'invalid_authorization_specification',
        `node ${channel.peer} answers at ${address.host}:${address.port}, where node ${peer} was expected`,
      );
    },
    close: async () => {
      for (const connection of openings) connection.destroy();
      for (const listener of listeners) await listener.close();
    },
  };
}
