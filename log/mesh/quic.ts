import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { concatBytes } from '../../base/bytes/compare.ts';
import type { Listener, NetworkAddress } from '../../base/env/env.ts';
import { networkError } from '../../base/env/real/network.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { parseCertificate, refused } from './certificate.ts';
import type { Channel, MessageClass, Transport } from './contract.ts';
import { decodeHello, encodeHello, type Hello, helloBytes } from './hello.ts';
import {
  loadQuicAddon,
  peerIdOf,
  type QuicAddon,
  type QuicClient,
  type QuicConfig,
  type QuicLink,
  type QuicServer,
  type QuicStream,
  quicConfig,
} from './quic-addon.ts';
import { QuicConnection } from './quic-connection.ts';
import type { Credentials, SecureOptions } from './secure.ts';
import { encodeWelcome, readWelcome } from './welcome.ts';

const defaultHandshakeMsMax = 3_000;
const defaultHandshakesMax = 64;
const certificateBytesMax = 8 * 1024;

/**
 * QUIC: one connection a channel. Its handshake proves the Ed25519 keys of both ends to each other; each then shows the
 * certificate by which the cluster's authority says whose key that is: the connector with its hello, the acceptor after its
 * welcome. Throws feature_not_supported where the addon is missing.
 */
export function quicTransport(options: SecureOptions): Transport {
  return new QuicTransport(options, loadQuicAddon());
}

type Shown = { readonly certificate: X509Certificate; readonly hello: Hello };

class QuicTransport implements Transport {
  readonly name = 'quic';
  readonly #options: SecureOptions;
  readonly #identity: Credentials;
  readonly #handshakeMsMax: number;
  readonly #handshakesMax: number;
  readonly #addon: QuicAddon;
  readonly #config: QuicConfig;
  readonly #servers = new Set<QuicServer>();
  readonly #clients = new Map<4 | 6, QuicClient>();
  readonly #channels = new Map<QuicConnection, X509Certificate>();
  readonly #unwatch: () => void;
  #isClosed = false;

  constructor(options: SecureOptions, addon: QuicAddon) {
    this.#options = options;
    this.#identity = options.identity;
    this.#handshakeMsMax = options.handshakeMsMax ?? defaultHandshakeMsMax;
    this.#handshakesMax = options.handshakesMax ?? defaultHandshakesMax;
    this.#addon = addon;
    this.#config = quicConfig(addon, options.identity.key);
    this.#unwatch = this.#identity.onChange(() => this.#endRevoked());
  }

  async listen(address: NetworkAddress, accept: (channel: Channel) => void): Promise<Listener> {
    let server: QuicServer;
    try {
      server = new this.#addon.Server(this.#config, (await resolveHost(address)).ip, address.port);
    } catch (error) {
      throw networkError('connection_exception', 'listen on', address, error as Error);
    }
    this.#servers.add(server);
    let isListening = true;
    // Each waits for one handshake at a time: as many as may be under way.
    const acceptNext = async (): Promise<void> => {
      while (isListening && !this.#isClosed) {
        try {
          const link = await server.inboundConnection();
          if (isListening) await this.#accept(link, accept);
          else link.abort();
        } catch (thrown) {
          if (isListening && !this.#isClosed) this.#report(asHandshakeError(thrown), { host: '', port: 0 });
        }
      }
    };
    for (let count = 0; count < this.#handshakesMax; count++) void acceptNext();
    return {
      address: { host: address.host, port: server.port() },
      // The socket goes with the transport: the connections that it has accepted belong to others.
      close: async () => {
        isListening = false;
      },
    };
  }

  async connect(address: NetworkAddress, peer: NodeId, messageClass: MessageClass): Promise<Channel> {
    let link: QuicLink | null = null;
    try {
      const { ip, family } = await resolveHost(address);
      const connecting = this.#client(family).outboundConnection(ip, address.port);
      link = await this.#inTime(connecting, (late) => late.abort());
      return await this.#inTime(this.#greet(link, peer, messageClass));
    } catch (thrown) {
      link?.abort();
      const error = asHandshakeError(thrown);
      throw networkError(error.condition, 'connect to', address, error);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    for (const connection of this.#channels.keys()) connection.destroy();
    for (const client of this.#clients.values()) client.abort();
    await Promise.all([...this.#servers].map((server) => server.abort()));
  }

  async #greet(link: QuicLink, peer: NodeId, messageClass: MessageClass): Promise<Channel> {
    const stream = await link.outboundStream();
    await stream.write(this.#show(messageClass));
    await readWelcome((count) => readExactly(stream, count));
    const { certificate } = await readShown(stream);
    const node = this.#verify(certificate, link);
    if (node !== peer) throw refused(`node ${node} answers there, where node ${peer} was expected`);
    return this.#channel(link, stream, { certificate, hello: { node, class: messageClass } });
  }

  async #accept(link: QuicLink, accept: (channel: Channel) => void): Promise<void> {
    try {
      const channel = await this.#inTime(this.#welcome(link));
      if (channel !== null) accept(channel);
    } catch (thrown) {
      link.abort();
      this.#report(asHandshakeError(thrown), remoteOf(link));
    }
  }

  /** Null where the other has been refused, and told so. */
  async #welcome(link: QuicLink): Promise<Channel | null> {
    const stream = await link.inboundStream();
    const { certificate, hello } = await readShown(stream);
    try {
      const node = this.#verify(certificate, link);
      if (node !== hello.node) throw refused(`node ${node} says that it is node ${hello.node}`);
    } catch (thrown) {
      const error = asAlopexError(thrown);
      this.#report(error, remoteOf(link));
      await stream.write(encodeWelcome(error.message));
      await stream.finishWrite();
      // The other one hangs up.
      await link.closed();
      return null;
    }
    await stream.write(concatBytes([encodeWelcome(null), this.#show(hello.class)]));
    return this.#channel(link, stream, { certificate, hello });
  }

  #channel(link: QuicLink, stream: QuicStream, { certificate, hello }: Shown): Channel {
    const connection = new QuicConnection(link, stream, remoteOf(link), this.#options.clock);
    this.#channels.set(connection, certificate);
    void link.closed().then(() => this.#channels.delete(connection));
    return { peer: hello.node, class: hello.class, connection, isSealed: true };
  }

  /** The certificate is good, and of the very key that the handshake has proved. */
  #verify(certificate: X509Certificate, link: QuicLink): NodeId {
    const { node } = this.#identity.verify(certificate);
    if (peerIdOf(certificate.publicKey) !== link.remoteMultiaddr().split('/').at(-1))
      throw refused(`the key of node ${node} is not the one of the connection`);
    return node;
  }

  #show(messageClass: MessageClass): Uint8Array {
    const { raw } = parseCertificate(this.#identity.certificate);
    const length = Uint8Array.of(raw.length >> 8, raw.length & 0xff);
    return concatBytes([encodeHello({ node: this.#identity.self, class: messageClass }), length, raw]);
  }

  #client(family: 4 | 6): QuicClient {
    if (this.#isClosed) throw new AlopexError('connection_failure', 'this node is stopping');
    const client = this.#clients.get(family) ?? new this.#addon.Client(this.#config, family === 4 ? 0 : 1);
    this.#clients.set(family, client);
    return client;
  }

  #endRevoked(): void {
    for (const [connection, certificate] of this.#channels) {
      try {
        this.#identity.verify(certificate);
      } catch (thrown) {
        connection.close(asAlopexError(thrown));
      }
    }
  }

  /** What comes after the time limit is given to `discard`. */
  #inTime<Output>(promise: Promise<Output>, discard: (output: Output) => void = () => {}): Promise<Output> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const timer = this.#options.clock.setTimer(this.#handshakeMsMax, () => {
        isLate = true;
        reject(new AlopexError('connection_failure', `no answer within ${this.#handshakeMsMax} ms`));
      });
      promise.then(
        (output) => {
          timer.cancel();
          if (isLate) discard(output);
          else resolve(output);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error as Error);
        },
      );
    });
  }

  #report(error: AlopexError, remote: NetworkAddress): void {
    this.#options.onRefused?.(error, remote);
  }
}

async function readShown(stream: QuicStream): Promise<Shown> {
  const hello = decodeHello(await readExactly(stream, helloBytes));
  const [high = 0, low = 0] = await readExactly(stream, 2);
  const length = high * 256 + low;
  if (length > certificateBytesMax) throw refused('what was shown is no certificate');
  return { hello, certificate: parseCertificate(await readExactly(stream, length)) };
}

async function readExactly(stream: QuicStream, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let missing = length; missing > 0; ) {
    const part = await stream.read(missing);
    if (part === null || part === undefined)
      throw new AlopexError('connection_failure', 'the other node hung up');
    parts.push(part);
    missing -= part.length;
  }
  return concatBytes(parts);
}

async function resolveHost({
  host,
}: NetworkAddress): Promise<{ readonly ip: string; readonly family: 4 | 6 }> {
  const family = isIP(host);
  if (family !== 0) return { ip: host, family: family === 4 ? 4 : 6 };
  const found = await lookup(host);
  return { ip: found.address, family: found.family === 4 ? 4 : 6 };
}

/** Of `/ip4/<address>/udp/<port>/…`. */
function remoteOf(link: QuicLink): NetworkAddress {
  const [, , host = '', , port = '0'] = link.remoteMultiaddr().split('/');
  return { host, port: Number(port) };
}

/** What rustls finds wrong is the other's doing; the rest is the network's. */
function asHandshakeError(thrown: unknown): AlopexError {
  if (thrown instanceof AlopexError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const isOfTls = /handshake|certificate|TLS/i.test(message);
  return new AlopexError(isOfTls ? 'invalid_authorization_specification' : 'connection_failure', message, {
    cause: thrown,
  });
}
