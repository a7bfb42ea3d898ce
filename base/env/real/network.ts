import type { Server, Socket } from 'node:net';
import { AlopexError, type Condition } from '../../errors.ts';
import type { Connection, Listener, Network, NetworkAddress } from '../env.ts';

const listenConditions: Readonly<Record<string, Condition>> = {
  EADDRINUSE: 'object_in_use',
  EACCES: 'insufficient_privilege',
};

/** Loaded with the first use: a program that opens a directory has no part of it. */
const net = (): Promise<typeof import('node:net')> => import('node:net');

export const realNetwork: Network = {
  listen: async (address, accept) => {
    const { createServer } = await net();
    return listenOn(
      createServer({ noDelay: true }, (socket) => accept(connectionOf(socket))),
      address,
    );
  },

  connect: async (address) => {
    const { connect } = await net();
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const refuse = (error: Error) => {
        reject(networkError('connection_failure', 'connect to', address, error));
      };
      socket.once('error', refuse);
      socket.once('connect', () => {
        socket.off('error', refuse);
        resolve(connectionOf(socket));
      });
    });
  },
};

/** `close` ends the listening alone: connections belong to whoever accepted them. */
export function listenOn(server: Server, address: NetworkAddress): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const condition = listenConditions[error.code ?? ''] ?? 'connection_exception';
      reject(networkError(condition, 'listen on', address, error));
    });
    server.listen({ host: address.host, port: address.port }, () => {
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      resolve({
        address: { host: address.host, port },
        close: async () => {
          server.close();
        },
      });
    });
  });
}

export function networkError(condition: Condition, action: string, address: NetworkAddress, cause: Error) {
  const place = `${address.host}:${address.port}`;
  return new AlopexError(condition, `could not ${action} ${place}: ${cause.message}`, { cause });
}

/** Paused until `handle`; an end that comes before it is told then. */
export function connectionOf(socket: Socket): Connection {
  let failure: Error | null = null;
  let closed = false;
  let onClose: ((error: Error | null) => void) | null = null;
  socket.on('error', (error) => {
    failure = error;
  });
  socket.on('close', () => {
    closed = true;
    onClose?.(failure);
  });
  return {
    remote: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
    write: (bytes) => socket.write(bytes),
    end: () => {
      socket.end();
    },
    destroy: () => {
      socket.destroy();
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    handle: (handlers) => {
      socket.on('drain', handlers.onDrain);
      socket.on('data', (buffer: Buffer) => {
        // A Buffer's slice shares its memory where a Uint8Array's copies.
        handlers.onData(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
      });
      if (closed) queueMicrotask(() => handlers.onClose(failure));
      else onClose = handlers.onClose;
    },
  };
}
