import { AlopexError } from '../../base/errors.ts';
import type { MeshTransport } from '../../log/mesh/contract.ts';
import type { OptionInfo } from './options.ts';

/** How the server is part of a cluster. */
export type ClusterOptions = {
  /** Null: alone, until a replica joins. */
  readonly mode: 'primary' | 'replica' | 'witness' | null;
  /** Of a replica or a witness: a postgresql:// address of a server of the cluster. */
  readonly primary: string | null;
  readonly joinToken: string | null;
  /** 0 takes a free one. */
  readonly meshPort: number;
  /** Of a cluster that begins here; null: as the cluster has it, TLS where it is new. */
  readonly meshTransport: MeshTransport | null;
  /** The host by which other nodes and clients find this one. */
  readonly advertise: string;
};

export const clusterOptionInfos: readonly OptionInfo[] = [
  {
    name: 'mode',
    argument: 'primary|replica|witness',
    description:
      'replicated: primary begins a cluster, replica and witness join one; without it replicas may join later',
    default: '',
  },
  {
    name: 'primary',
    argument: 'address',
    description: 'host:port, or postgresql:// address, of the server to join',
    default: '',
  },
  {
    name: 'join-token',
    argument: 'text',
    description: 'from alopex-cli replication token; needed from another machine (better: ALOPEX_JOIN_TOKEN)',
    default: '',
  },
  {
    name: 'mesh-port',
    argument: 'number',
    description: 'port for other nodes (default: 2000 above port)',
    default: '',
  },
  {
    name: 'mesh-transport',
    argument: 'tls|quic',
    description: 'by which nodes talk, where a cluster begins; those that join learn it (default: tls)',
    default: '',
  },
  {
    name: 'advertise',
    argument: 'host',
    description:
      'name or address by which others find this machine (default: the first of listen, or localhost)',
    default: '',
  },
];

/** Between a server's port and its mesh's. */
const meshPortDistance = 2000;
const portMax = 65_535;
const transports = ['tls', 'quic'] as const;
const modes = ['primary', 'replica', 'witness'] as const;

/** `text`: an option's value, '' where none is given. */
export function clusterOptions(
  text: (name: string) => string,
  { port, listen }: { readonly port: number; readonly listen: readonly string[] },
): ClusterOptions {
  const mode = modes.find((one) => one === text('mode')) ?? null;
  if (mode === null && text('mode') !== '')
    throw wrong(`option mode is "${text('mode')}", and must be ${modes.join(', ')}`);
  const joins = mode === 'replica' || mode === 'witness';
  if (joins && text('primary') === '') {
    throw wrong(`mode ${mode} needs --primary`, 'It is the host:port of any server of the cluster.');
  }
  for (const name of ['primary', 'join-token']) {
    if (!joins && text(name) !== '') throw wrong(`option ${name} goes with --mode replica or --mode witness`);
  }
  const meshTransport = transports.find((one) => one === text('mesh-transport')) ?? null;
  if (meshTransport === null && text('mesh-transport') !== '')
    throw wrong(`option mesh-transport is "${text('mesh-transport')}", and must be ${transports.join(', ')}`);
  if (joins && meshTransport !== null) {
    throw wrong(
      `option mesh-transport does not go with mode ${mode}`,
      'It is chosen where the cluster begins; a node that joins learns it.',
    );
  }
  return {
    mode,
    primary: joins ? serverUrl(text('primary')) : null,
    joinToken: text('join-token') === '' ? null : text('join-token'),
    meshPort: meshPortOf(text('mesh-port'), port),
    meshTransport,
    advertise: text('advertise') === '' ? advertised(listen) : text('advertise'),
  };
}

/** Without `--data`: a replica's name has its port, so that several may be started in one directory. */
export function dataDefault(mode: string, port: number): string {
  return mode === 'replica' || mode === 'witness' ? `./data-${port}` : './data';
}

function serverUrl(primary: string): string {
  if (/^postgres(ql)?:\/\//.test(primary)) return primary;
  if (/^(\[[^\]]+\]|[^:/@]+):\d+$/.test(primary)) return `postgresql://alopex@${primary}/alopex`;
  throw wrong(`option primary is "${primary}", and must be host:port`);
}

function meshPortOf(text: string, port: number): number {
  if (text === '') return port === 0 || port + meshPortDistance > portMax ? 0 : port + meshPortDistance;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= portMax) return value;
  throw wrong(`option mesh-port is "${text}", and must be a whole number from 0 to ${portMax}`);
}

function advertised(listen: readonly string[]): string {
  const [first] = listen;
  const isNone = first === undefined || ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(first);
  return isNone ? 'localhost' : first;
}

function wrong(message: string, hint?: string): AlopexError {
  return new AlopexError('config_file_error', message, hint === undefined ? {} : { hint });
}
