import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { checkedSetting, parseKilobytes, parseMilliseconds } from '../../api/database/settings.ts';
import { AlopexError } from '../../base/errors.ts';
import { type ClusterOptions, clusterOptionInfos, clusterOptions, dataDefault } from './cluster-options.ts';

/** What the server is started with: command line over environment (ALOPEX_*) over configuration file over default. */
export type ServerOptions = {
  readonly port: number;
  readonly data: string;
  /** Addresses to listen on. */
  readonly listen: readonly string[];
  readonly auth: 'trust' | 'scram';
  /** Sets the password of role alopex at the start. */
  readonly password: string | null;
  readonly tlsCertificate: string | null;
  readonly tlsKey: string | null;
  readonly cacheBytes: number;
  readonly logRetentionMs: number;
  /** Null: no limit. */
  readonly logRetentionBytes: number | null;
  readonly connectionsMax: number;
  readonly logLevel: string;
  readonly cluster: ClusterOptions;
  /** Defaults of session settings, checked: `settings` of the configuration file. */
  readonly settings: Readonly<Record<string, string>>;
};

export type OptionInfo = {
  readonly name: string;
  readonly argument: string;
  readonly description: string;
  readonly default: string;
};

/** Every option, by its name on the command line; `port` is also ALOPEX_PORT, and `port` in the file. */
export const optionInfos: readonly OptionInfo[] = [
  { name: 'port', argument: 'number', description: 'port of the Postgres wire protocol', default: '5432' },
  {
    name: 'data',
    argument: 'directory',
    description: 'directory of the database; made when missing (default: ./data, of a replica ./data-<port>)',
    default: '',
  },
  {
    name: 'listen',
    argument: 'addresses',
    description:
      'addresses to listen on, separated by commas; loopback is 127.0.0.1, and ::1 where there is IPv6',
    default: 'loopback',
  },
  {
    name: 'auth',
    argument: 'trust|scram',
    description: 'trust lets loopback in without a password; scram asks everybody',
    default: 'trust',
  },
  {
    name: 'password',
    argument: 'text',
    description: 'sets the password of role alopex (better: ALOPEX_PASSWORD)',
    default: '',
  },
  {
    name: 'tls-certificate',
    argument: 'file',
    description: 'certificate chain in PEM: offers TLS, and demands it from all but loopback',
    default: '',
  },
  { name: 'tls-key', argument: 'file', description: 'private key of the certificate, in PEM', default: '' },
  { name: 'cache', argument: 'size', description: 'memory for decoded pages', default: '256MB' },
  {
    name: 'log-retention',
    argument: 'duration',
    description: 'how long the log is kept for tails and AS OF OFFSET, as 24h or 7d',
    default: '24h',
  },
  {
    name: 'log-retention-size',
    argument: 'size',
    description: 'how much of the log is kept at the most, as 10GB; empty: no limit',
    default: '',
  },
  {
    name: 'max-connections',
    argument: 'number',
    description: 'sessions at once; the next gets 53300',
    default: '10000',
  },
  ...clusterOptionInfos,
  {
    name: 'log-level',
    argument: 'level',
    description: 'trace, debug, info, warn, error or silent',
    default: 'info',
  },
];

export type OptionSource = Readonly<Record<string, string | undefined>>;

/** `given`: options of the command line by name. Throws F0000 naming the option that is wrong. */
export function serverOptions(given: OptionSource, environment: OptionSource): ServerOptions {
  const configPath = given.config ?? environment.ALOPEX_CONFIG;
  const file = configPath === undefined ? {} : readConfig(configPath);
  const text = (name: string): string => {
    const info = optionInfos.find((one) => one.name === name)!;
    const variable = `ALOPEX_${name.toUpperCase().replaceAll('-', '_')}`;
    return given[name] ?? environment[variable] ?? optionOf(file, name) ?? info.default;
  };
  const orNull = (name: string): string | null => (text(name) === '' ? null : text(name));
  const auth = text('auth');
  if (auth !== 'trust' && auth !== 'scram') throw wrong('auth', auth, 'trust or scram');
  const port = wholeNumber('port', text('port'), 0, 65_535);
  const listen = text('listen')
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
    .flatMap((address) => (address === 'loopback' ? loopbackAddresses() : [address]));
  return {
    port,
    data: orNull('data') ?? dataDefault(text('mode'), port),
    listen,
    cluster: clusterOptions(text, { port, listen }),
    auth,
    password: orNull('password'),
    tlsCertificate: orNull('tls-certificate'),
    tlsKey: orNull('tls-key'),
    cacheBytes: sizeBytes('cache', text('cache')),
    logRetentionMs: durationMs('log-retention', text('log-retention')),
    logRetentionBytes:
      text('log-retention-size') === '' ? null : sizeBytes('log-retention-size', text('log-retention-size')),
    connectionsMax: wholeNumber('max-connections', text('max-connections'), 1, 1_000_000),
    logLevel: text('log-level'),
    settings: configPath === undefined ? {} : settingsOf(file, configPath),
  };
}

function loopbackAddresses(): readonly string[] {
  const hasIpv6 = Object.values(networkInterfaces())
    .flat()
    .some((networkInterface) => networkInterface?.address === '::1');
  return hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
}

type Config = Readonly<Record<string, unknown>>;

/** A JSON object: options by name, and `settings`, an object of session settings. */
function readConfig(path: string): Config {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new AlopexError(
      'config_file_error',
      `could not read configuration file "${path}": ${(error as Error).message}`,
    );
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new AlopexError('config_file_error', `configuration file "${path}" is not a JSON object`);
  }
  const unknown = Object.keys(parsed).find(
    (key) => key !== 'settings' && !optionInfos.some(({ name }) => name === key),
  );
  if (unknown !== undefined) {
    throw new AlopexError(
      'config_file_error',
      `unknown option "${unknown}" in configuration file "${path}"`,
      {
        hint: `Options are ${optionInfos.map(({ name }) => name).join(', ')} and settings.`,
      },
    );
  }
  return parsed as Config;
}

function optionOf(file: Config, name: string): string | undefined {
  const value = file[name];
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.join(',') : String(value);
}

function settingsOf({ settings }: Config, path: string): Readonly<Record<string, string>> {
  if (settings === undefined) return {};
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new AlopexError(
      'config_file_error',
      `"settings" in configuration file "${path}" is not a JSON object`,
    );
  }
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => {
      const checked = settingInFile(path, name, String(value));
      return [checked.name, checked.value];
    }),
  );
}

function settingInFile(path: string, name: string, value: string): ReturnType<typeof checkedSetting> {
  try {
    return checkedSetting(name, value);
  } catch (error) {
    if (!(error instanceof AlopexError)) throw error;
    const listed = error.condition === 'undefined_object' ? 'SHOW ALL lists the settings.' : undefined;
    const hint = error.hint ?? listed;
    throw new AlopexError(
      'config_file_error',
      `${error.message} in configuration file "${path}"`,
      hint === undefined ? {} : { hint },
    );
  }
}

function wholeNumber(name: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw wrong(name, text, `a whole number from ${minimum} to ${maximum}`);
  }
  return value;
}

function sizeBytes(name: string, text: string): number {
  const kilobytes = parseKilobytes(text);
  if (kilobytes === null || kilobytes <= 0) throw wrong(name, text, 'a size such as 256MB');
  return kilobytes * 1024;
}

function durationMs(name: string, text: string): number {
  const milliseconds = parseMilliseconds(text);
  if (milliseconds === null || milliseconds < 0) throw wrong(name, text, 'a duration such as 24h');
  return milliseconds;
}

function wrong(name: string, value: string, expected: string): AlopexError {
  return new AlopexError('config_file_error', `option ${name} is "${value}", and must be ${expected}`);
}
