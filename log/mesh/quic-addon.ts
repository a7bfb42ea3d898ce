import { createPrivateKey, type KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import { AlopexError } from '../../base/errors.ts';
import { publicDer } from './certificate.ts';

/** What of @chainsafe/libp2p-quic's addon (quinn, rustls) is used here; it comes without types. */
export type QuicAddon = {
  readonly QuinnConfig: new (options: QuicConfigOptions) => QuicConfig;
  readonly Server: new (config: QuicConfig, ip: string, port: number) => QuicServer;
  /** `family`: 0 is IPv4, 1 is IPv6. */
  readonly Client: new (
    config: QuicConfig,
    family: 0 | 1,
  ) => QuicClient;
};

type QuicConfigOptions = {
  /** libp2p's protobuf of an Ed25519 key. */
  readonly privateKeyProto: Uint8Array;
  readonly handshakeTimeout: number;
  readonly shutdownTimeout: number;
  readonly maxIdleTimeout: number;
  readonly keepAliveInterval: number;
  readonly maxConcurrentStreamLimit: number;
  readonly maxStreamData: number;
  readonly maxConnectionData: number;
  readonly receiveBufferSize: number;
  readonly sendBufferSize: number;
};
declare const opaque: unique symbol;
export type QuicConfig = { readonly [opaque]: true };

export type QuicServer = {
  /** The next connection whose handshake is over; rejects where it failed, and once the server is stopped. */
  inboundConnection(): Promise<QuicLink>;
  port(): number;
  abort(): Promise<void>;
};
export type QuicClient = {
  outboundConnection(ip: string, port: number): Promise<QuicLink>;
  abort(): void;
};
export type QuicLink = {
  /** `/ip4/<address>/udp/<port>/quic-v1/p2p/<peer>`, where the peer is the one that the handshake has proved. */
  remoteMultiaddr(): string;
  inboundStream(): Promise<QuicStream>;
  outboundStream(): Promise<QuicStream>;
  closed(): Promise<void>;
  abort(): void;
};
/** Calls of one direction of a stream wait for each other: `finishWrite` for a `write`. */
export type QuicStream = {
  /** Up to `length` bytes; null or undefined where the other end has finished. */
  read(length: number): Promise<Uint8Array | null | undefined>;
  write(bytes: Uint8Array): Promise<void>;
  finishWrite(): Promise<void>;
};

const platforms: Readonly<Record<string, readonly string[]>> = {
  'linux x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'linux arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'darwin x64': ['darwin-x64'],
  'darwin arm64': ['darwin-arm64'],
  'win32 x64': ['win32-x64-msvc'],
};

/** Throws feature_not_supported where npm has not installed it, or it does not run here. */
export function loadQuicAddon(): QuicAddon {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform} ${process.arch}`;
  const problems: unknown[] = [];
  for (const name of platforms[platform] ?? []) {
    try {
      return require(`@chainsafe/libp2p-quic-${name}`) as QuicAddon;
    } catch (problem) {
      problems.push(problem);
    }
  }
  throw new AlopexError('feature_not_supported', `the addon for QUIC is not installed for ${platform}`, {
    hint: 'Nodes can talk by TLS instead.',
    cause: new AggregateError(problems),
  });
}

export function hasQuicAddon(): boolean {
  try {
    loadQuicAddon();
    return true;
  } catch {
    return false;
  }
}

const megabyte = 1024 * 1024;

/** `key` is the node's, PEM: the one that the cluster's authority has signed is the one that handshakes prove. */
export function quicConfig(addon: QuicAddon, key: string): QuicConfig {
  return new addon.QuinnConfig({
    privateKeyProto: privateKeyProto(createPrivateKey(key)),
    // Of no effect in this version: a handshake ends after `maxIdleTimeout` without a packet.
    handshakeTimeout: 3_000,
    shutdownTimeout: 500,
    maxIdleTimeout: 5_000,
    keepAliveInterval: 1_500,
    maxConcurrentStreamLimit: 1,
    maxStreamData: 8 * megabyte,
    maxConnectionData: 8 * megabyte,
    receiveBufferSize: 2 * megabyte,
    sendBufferSize: 2 * megabyte,
  });
}

const keyBytes = 32;

/** libp2p: PrivateKey { Type = Ed25519, Data = seed and public key }. */
function privateKeyProto(key: KeyObject): Uint8Array {
  // RFC 8410: the seed is the end of the PKCS #8 structure, the public key that of the SPKI structure.
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(-keyBytes);
  return Buffer.concat([
    Buffer.from([0x08, 0x01, 0x12, 2 * keyBytes]),
    seed,
    publicDer(key).subarray(-keyBytes),
  ]);
}

/** libp2p's name of an Ed25519 key: the base58 of the identity multihash of its protobuf. */
export function peerIdOf(key: KeyObject): string {
  const proto = [0x08, 0x01, 0x12, keyBytes];
  return base58(
    Buffer.from([0x00, proto.length + keyBytes, ...proto, ...publicDer(key).subarray(-keyBytes)]),
  );
}

const base58Letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function base58(bytes: Buffer): string {
  let text = '';
  for (let rest = BigInt(`0x${bytes.toString('hex')}`); rest > 0n; rest /= 58n)
    text = base58Letters[Number(rest % 58n)] + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return base58Letters[0]!.repeat(zeros) + text;
}
