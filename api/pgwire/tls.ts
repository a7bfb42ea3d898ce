import { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Connection } from '../../base/env/env.ts';

export type TlsOptions = { readonly certificate: string; readonly key: string };

export function secureContext(options: TlsOptions): SecureContext {
  return createSecureContext({ cert: options.certificate, key: options.key, minVersion: 'TLSv1.2' });
}

/** The server's side of TLS over a connection that already carries bytes: what SSLRequest asks for. */
export function serverTls(plain: Connection, context: SecureContext): Connection {
  const socket = new TLSSocket(duplexOf(plain), { isServer: true, secureContext: context });
  return {
    remote: plain.remote,
    write: (bytes) => socket.write(bytes),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    handle: ({ onData, onDrain, onClose }) => {
      let error: Error | null = null;
      socket.on('data', onData);
      socket.on('drain', onDrain);
      socket.on('error', (reason) => {
        error = reason;
        plain.destroy();
      });
      socket.on('close', () => onClose(error));
    },
  };
}

function duplexOf(connection: Connection): Duplex {
  let drained: (() => void) | null = null;
  const duplex = new Duplex({
    read: () => connection.resume(),
    write: (chunk: Uint8Array, _encoding, done) => {
      if (connection.write(chunk)) done();
      else drained = done;
    },
    final: (done) => {
      connection.end();
      done();
    },
    destroy: (error, done) => {
      connection.destroy();
      done(error);
    },
  });
  connection.handle({
    onData: (bytes) => {
      if (!duplex.push(bytes)) connection.pause();
    },
    onDrain: () => {
      const done = drained;
      drained = null;
      done?.();
    },
    onClose: (error) => {
      duplex.push(null);
      duplex.destroy(error ?? undefined);
    },
  });
  return duplex;
}
