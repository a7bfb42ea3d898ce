import type { NetworkAddress } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';

const portMax = 65_535;

/** Of `host:port`, `[::1]:port` for IPv6. 22023 where it is none. */
export function parseAddress(text: string): NetworkAddress {
  const address = addressIn(text);
  if (address !== null) return address;
  throw new AlopexError('invalid_parameter_value', `"${text}" is not an address`, {
    hint: 'An address is host:port.',
  });
}

/** Null: it is none. */
export function addressIn(text: string): NetworkAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port > 0 && port <= portMax ? { host, port } : null;
}

export function formatAddress({ host, port }: NetworkAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
