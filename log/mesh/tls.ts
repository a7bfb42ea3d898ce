import { constants, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls';
import type { Connection, Listener, NetworkAddress } from '../../base/env/env.ts';
import { connectionOf, listenOn, networkError } from '../../base/env/real/network.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { refused } from './certificate.ts';
import type { Channel, MessageClass, Transport } from './contract.ts';
import type { Credentials, SecureOptions } from './secure.ts';
import { encodeWelcome, readWelcome } from './welcome.ts';

const defaultHandshakeMsMax = 3_000;
const defaultHandshakesMax = 256;
const protocols: Readonly<Record<MessageClass, string>> = {
  raft: 'alopex/raft',
  control: 'alopex/control',
  bulk: 'alopex/bulk',
};
const classes = Object.keys(protocols) as readonly MessageClass[];

/**
 * TLS 1.3 over TCP, both ends with certificates of the cluster's authority; the class of a channel is its ALPN protocol. The
 * acceptor's first byte says that it has found the other's certificate good, so both ends know before anything is sent.
 */
export function tlsTransport(options: SecureOptions): Transport {
  return new TlsTransport(options);
}

class TlsTransport implements Transport {
  readonly name = 'tls';
  readonly #options: SecureOptions;
  readonly #identity: Credentials;
  readonly #handshakeMsMax: number;
  readonly #handshakesMax: number;
  readonly #listeners = new Set<Listener>();
  readonly #handshakes = new Set<Socket>();
  /** Channels in use, and what their nodes have shown. */
  readonly #channels = new Map<TLSSocket, X509Certificate>();
  readonly #unwatch: () => void;
  readonly #onNewContext = new Set<() => void>();

  constructor(options: SecureOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#handshakeMsMax = options.handshakeMsMax ?? defaultHandshakeMsMax;
    this.#handshakesMax = options.handshakesMax ?? defaultHandshakesMax;
    this.#unwatch = this.#identity.onChange(() => this.#onIdentityChanged());
  }

  async listen(address: NetworkAddress, accept: (channel: Channel) => void): Promise<Listener> {
    const server = createServer({
      ...this.#contextOptions(),
      ALPNProtocols: Object.values(protocols),
      requestCert: true,
      // Judged by `#verify`, which can say why.
      rejectUnauthorized: false,
      handshakeTimeout: this.#handshakeMsMax,
      noDelay: true,
    });
    const byRemote = new Map<string, Socket>();
    server.on('connection', (raw: Socket) => {
      if (this.#handshakes.size >= this.#handshakesMax) {
        raw.destroy();
        return;
      }
      const remote = remoteOf(raw);
      byRemote.set(remote, raw);
      this.#handshakes.add(raw);
      raw.once('close', () => {
        if (byRemote.get(remote) === raw) byRemote.delete(remote);
        this.#handshakes.delete(raw);
      });
    });
    server.on('tlsClientError', (error, socket) => {
      this.#report(asHandshakeError(error), socket);
      socket.destroy();
    });
    server.on('secureConnection', (socket) => {
      const remote = remoteOf(socket);
      const raw = byRemote.get(remote);
      byRemote.delete(remote);
      if (raw !== undefined) this.#handshakes.delete(raw);
      this.#accept(socket, accept);
    });
    const renew = () => server.setSecureContext(this.#contextOptions());
    this.#onNewContext.add(renew);
    const listener = await listenOn(server, address);
    this.#listeners.add(listener);
    return {
      address: listener.address,
      close: () => {
        this.#onNewContext.delete(renew);
        this.#listeners.delete(listener);
        return listener.close();
      },
    };
  }

  async connect(address: NetworkAddress, peer: NodeId, messageClass: MessageClass): Promise<Channel> {
    const socket = connectTls({
      host: address.host,
      port: address.port,
      ...this.#contextOptions(),
      ALPNProtocols: [protocols[messageClass]],
      // Judged by `#verify`: a node's name is in no domain.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      servername: '',
    });
    socket.setNoDelay(true);
    this.#handshakes.add(socket);
    const timer = this.#options.clock.setTimer(this.#handshakeMsMax, () =>
      socket.destroy(new Error(`no answer within ${this.#handshakeMsMax} ms`)),
    );
    try {
      await secured(socket);
      const { node, certificate } = this.#verify(socket);
      if (node !== peer) throw refused(`node ${node} answers there, where node ${peer} was expected`);
      await readWelcome((count) => take(socket, count));
      return this.#channel(socket, certificate, peer, messageClass);
    } catch (thrown) {
      socket.destroy();
      const error = asHandshakeError(thrown);
      throw networkError(error.condition, 'connect to', address, error);
    } finally {
      timer.cancel();
      this.#handshakes.delete(socket);
    }
  }

  async close(): Promise<void> {
    this.#unwatch();
    for (const socket of [...this.#handshakes, ...this.#channels.keys()]) socket.destroy();
    for (const listener of this.#listeners) await listener.close();
    this.#listeners.clear();
  }

  #accept(socket: TLSSocket, accept: (channel: Channel) => void): void {
    try {
      const messageClass = classes.find((each) => protocols[each] === socket.alpnProtocol);
      if (messageClass === undefined) throw refused('the connection is for no class of messages');
      const { node, certificate } = this.#verify(socket);
      socket.write(encodeWelcome(null));
      accept(this.#channel(socket, certificate, node, messageClass));
    } catch (thrown) {
      const error = asAlopexError(thrown);
      this.#report(error, socket);
      socket.on('error', () => {});
      socket.end(encodeWelcome(error.message));
      const timer = this.#options.clock.setTimer(this.#handshakeMsMax, () => socket.destroy());
      socket.once('close', () => timer.cancel());
    }
  }

  #verify(socket: TLSSocket): { readonly node: NodeId; readonly certificate: X509Certificate } {
    // A resumed session would show a certificate that was judged earlier.
    if (socket.isSessionReused()) throw refused('a session is not resumed');
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) throw refused('no certificate was shown');
    const { node } = this.#identity.verify(certificate);
    if (!socket.authorized) throw refused(`the certificate is not good: ${socket.authorizationError}`);
    return { node, certificate };
  }

  /** `certificate`: as it was shown; the socket forgets it at times. */
  #channel(
    socket: TLSSocket,
    certificate: X509Certificate,
    peer: NodeId,
    messageClass: MessageClass,
  ): Channel {
    this.#channels.set(socket, certificate);
    socket.once('close', () => this.#channels.delete(socket));
    return { peer, class: messageClass, connection: flowing(socket), isSealed: true };
  }

  #onIdentityChanged(): void {
    for (const renew of this.#onNewContext) renew();
    for (const [socket, certificate] of this.#channels) {
      try {
        this.#identity.verify(certificate);
      } catch (thrown) {
        socket.destroy(asAlopexError(thrown));
      }
    }
  }

  #contextOptions() {
    const { certificate, key, trust } = this.#identity;
    return {
      cert: certificate,
      key,
      ca: trust.authorities.map((authority) => authority.toString()),
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      secureOptions: constants.SSL_OP_NO_TICKET,
    } as const;
  }

  #report(error: AlopexError, socket: Socket): void {
    const remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    this.#options.onRefused?.(error, remote);
  }
}

const remoteOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

/** What OpenSSL finds wrong is the other's doing; the rest is the network's. */
function asHandshakeError(thrown: unknown): AlopexError {
  if (thrown instanceof AlopexError) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  const isOfTls = code.startsWith('ERR_SSL_');
  return new AlopexError(
    isOfTls ? 'invalid_authorization_specification' : 'connection_failure',
    isOfTls ? `the TLS handshake failed: ${message}` : message,
    { cause: thrown },
  );
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new AlopexError('connection_failure', 'the other node hung up'));
    socket.once('error', reject);
    socket.once('close', ended);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      socket.off('close', ended);
      resolve();
    });
  });
}

/** The next bytes of a socket that nobody reads yet, so many and no more. */
function take(socket: TLSSocket, count: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      socket.off('readable', read);
      socket.off('error', fail);
      socket.off('close', ended);
      outcome();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const ended = () => fail(new AlopexError('connection_failure', 'the other node hung up'));
    const read = () => {
      const bytes = socket.read(count) as Buffer | null;
      if (bytes?.length === count) settle(() => resolve(bytes));
      else if (bytes !== null) ended();
    };
    socket.on('readable', read);
    socket.once('error', fail);
    socket.once('close', ended);
    read();
  });
}

/** Reading the welcome has stopped the stream's flow. */
function flowing(socket: TLSSocket): Connection {
  const connection = connectionOf(socket);
  return {
    ...connection,
    handle: (handlers) => {
      connection.handle(handlers);
      socket.resume();
    },
  };
}
