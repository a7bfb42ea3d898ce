import { AlopexError, type Condition } from '../../base/errors.ts';
import { type SessionAttributes, sessionAttributes } from './session-attributes.ts';

export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
export type Host = { readonly host: string; readonly port: number };

/** What a postgresql:// address says; libpq's names and defaults, but for user and database. */
export type ServerAddress = {
  /** Tried in this order. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /** A file of certificates that the server's is checked with; null: the system's. */
  readonly sslRootCertificate: string | null;
  readonly sessionAttributes: SessionAttributes;
  readonly connectMsMax: number;
  /** Startup parameters: application_name, options. */
  readonly settings: Readonly<Record<string, string>>;
};

const portDefault = 5432;
const nameDefault = 'alopex';
const connectSecondsDefault = 10;
const hostsMax = 64;
const sslModes: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];
const parametersKnown = [
  'sslmode',
  'sslrootcert',
  'target_session_attrs',
  'connect_timeout',
  'application_name',
  'options',
];

/** Reads `postgresql://[user[:password]@]host[:port][,…][/database][?name=value&…]`. Throws 22023. */
export function parseServerUrl(url: string): ServerAddress {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (match === null) {
    // The address may hold a password: it is not repeated.
    throw invalid(
      'invalid connection URI: expected postgresql://[user[:password]@]host[:port][,…][/database]',
    );
  }
  const [, credentials = '', hosts = '', database = '', query = ''] = match;
  const colon = credentials.indexOf(':');
  const user = colon < 0 ? credentials : credentials.slice(0, colon);
  const parameters = parseParameters(query);
  return {
    hosts: parseHosts(hosts),
    user: decoded(user) || nameDefault,
    password: colon < 0 ? null : decoded(credentials.slice(colon + 1)),
    database: decoded(database) || nameDefault,
    sslMode: oneOf('sslmode', parameters.get('sslmode') ?? 'prefer', sslModes),
    sslRootCertificate: parameters.get('sslrootcert') ?? null,
    sessionAttributes: oneOf(
      'target_session_attrs',
      parameters.get('target_session_attrs') ?? 'any',
      sessionAttributes,
    ),
    connectMsMax: connectMs(parameters.get('connect_timeout')),
    settings: Object.fromEntries(
      ['application_name', 'options'].flatMap((name) =>
        parameters.has(name) ? [[name, parameters.get(name)!]] : [],
      ),
    ),
  };
}

function parseHosts(text: string): readonly Host[] {
  const hosts = text.split(',').map((part) => {
    const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(part);
    const port = match?.[3] === undefined ? portDefault : Number(match[3]);
    if (match === null || port < 1 || port > 65_535)
      throw invalid(`invalid host in connection URI: "${part}"`);
    return { host: decoded(match[1] ?? match[2] ?? '') || 'localhost', port };
  });
  if (hosts.length > hostsMax) throw invalid(`a connection URI names at most ${hostsMax} hosts`);
  return hosts;
}

function parseParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map(new URLSearchParams(query));
  for (const name of parameters.keys()) {
    if (!parametersKnown.includes(name)) throw invalid(`invalid URI query parameter: "${name}"`);
  }
  return parameters;
}

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) {
    throw invalid(`invalid ${name} value: "${value}"`, `Valid values are ${choices.join(', ')}.`);
  }
  return choice;
}

function connectMs(seconds: string | undefined): number {
  const value = seconds === undefined ? connectSecondsDefault : Number(seconds);
  if (!Number.isInteger(value) || value < 1) throw invalid(`invalid connect_timeout value: "${seconds}"`);
  return value * 1000;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('invalid percent-encoding in the connection URI');
  }
}

function invalid(message: string, hint?: string): AlopexError {
  const condition: Condition = 'invalid_parameter_value';
  return new AlopexError(condition, message, hint === undefined ? {} : { hint });
}
