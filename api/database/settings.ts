import { AlopexError } from '../../base/errors.ts';
import { editDistance } from '../../base/values/edit-distance.ts';
import { serverVersion } from '../../query/types/functions/session.ts';
import { isPosixZone, zoneOfOffset } from '../../query/types/time/zone.ts';

/**
 * Session settings: PostgreSQL's names, and `alopex.*`. Names with a dot that nobody knows are kept as text, as
 * PostgreSQL keeps them.
 */
export type SettingKind =
  | { readonly kind: 'bool' }
  | {
      readonly kind: 'integer';
      readonly minimum: number;
      readonly maximum: number;
      readonly unit: 'ms' | 'kB' | null;
    }
  | { readonly kind: 'real'; readonly minimum: number; readonly maximum: number }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'text' }
  /** Fixed when the server starts: SET answers 55P02. */
  | { readonly kind: 'fixed' };

export type SettingInfo = {
  readonly name: string;
  readonly kind: SettingKind;
  readonly default: string;
  /** Clients are told of a change (ParameterStatus). */
  readonly isReported: boolean;
  readonly description: string;
};

const bool: SettingKind = { kind: 'bool' };
const text: SettingKind = { kind: 'text' };
const fixed: SettingKind = { kind: 'fixed' };
const milliseconds: SettingKind = { kind: 'integer', minimum: 0, maximum: 2_147_483_647, unit: 'ms' };
const kilobytes: SettingKind = { kind: 'integer', minimum: 64, maximum: 2_147_483_647, unit: 'kB' };
/** Size, or -1: no limit. */
const sizeLimit: SettingKind = { kind: 'integer', minimum: -1, maximum: 2_147_483_647, unit: 'kB' };
const choice = (...values: string[]): SettingKind => ({ kind: 'enum', values });
const integer = (minimum: number, maximum: number): SettingKind => ({
  kind: 'integer',
  minimum,
  maximum,
  unit: null,
});

function setting(
  name: string,
  kind: SettingKind,
  value: string,
  description: string,
  isReported = false,
): SettingInfo {
  return { name, kind, default: value, isReported, description };
}

const isolation = choice('serializable', 'repeatable read', 'read committed', 'read uncommitted');

/** In the order of SHOW ALL. */
export const settings: readonly SettingInfo[] = [
  setting(
    'alopex.as_of',
    text,
    '',
    'Reads at this timestamp, or at this offset of the log if it is a whole number.',
  ),
  setting('alopex.await_token', text, '', 'Statements wait until the node has applied this commit.'),
  setting('alopex.forward_writes', bool, 'on', 'A replica sends writes to the primary, or refuses them.'),
  setting('alopex.last_commit', fixed, '', "Shows the session's last commit, for alopex.await_token."),
  setting(
    'alopex.max_staleness',
    milliseconds,
    '0',
    'Lets a replica answer only with what is at most so old; 0: however old.',
  ),
  setting(
    'alopex.read_from',
    choice('primary', 'replica', 'nearest'),
    'nearest',
    'Says which node answers plain reads; nearest: the one that is connected to.',
  ),
  setting(
    'alopex.replication_mode',
    choice('sync', 'semi-sync', 'async'),
    'semi-sync',
    'Says how many nodes have a commit when it is answered.',
  ),
  setting('alopex.request_id', text, '', 'Names what the session writes: the same id is not executed twice.'),
  setting(
    'application_name',
    text,
    '',
    'Sets the application name to be reported in statistics and logs.',
    true,
  ),
  setting('bytea_output', choice('hex', 'escape'), 'hex', 'Sets the output format for bytea.'),
  setting('check_function_bodies', bool, 'on', 'Accepted; there are no function bodies.'),
  setting('client_encoding', text, 'UTF8', "Sets the client's character set encoding.", true),
  setting(
    'client_min_messages',
    choice('debug5', 'debug4', 'debug3', 'debug2', 'debug1', 'log', 'notice', 'warning', 'error'),
    'notice',
    'Sets the message levels that are sent to the client.',
  ),
  setting('DateStyle', text, 'ISO, MDY', 'Sets the display format for date and time values.', true),
  setting('deadlock_timeout', milliseconds, '1s', 'Accepted; deadlocks are found at once.'),
  setting('default_table_access_method', text, 'heap', 'Accepted.'),
  setting('default_tablespace', text, '', 'Accepted.'),
  setting('default_text_search_config', text, 'pg_catalog.simple', 'Accepted.'),
  setting(
    'default_transaction_deferrable',
    bool,
    'off',
    'Sets the default deferrable status of new transactions.',
  ),
  setting(
    'default_transaction_isolation',
    isolation,
    'read committed',
    'Sets the transaction isolation level of each new transaction.',
  ),
  setting(
    'default_transaction_read_only',
    bool,
    'off',
    'Sets the default read-only status of new transactions.',
    true,
  ),
  setting('escape_string_warning', bool, 'on', 'Accepted.'),
  setting(
    'extra_float_digits',
    integer(-15, 3),
    '1',
    'Sets the number of digits displayed for floating-point values.',
  ),
  setting(
    'idle_in_transaction_session_timeout',
    milliseconds,
    '0',
    'Sets the maximum allowed idle time between queries, when in a transaction.',
  ),
  setting(
    'idle_session_timeout',
    milliseconds,
    '0',
    'Sets the maximum allowed idle time between queries, when not in a transaction.',
  ),
  setting('in_hot_standby', fixed, 'off', 'Shows whether hot standby is currently active.', true),
  setting('integer_datetimes', fixed, 'on', 'Shows whether datetimes are integer based.', true),
  setting(
    'IntervalStyle',
    choice('postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'),
    'postgres',
    'Sets the display format for interval values.',
    true,
  ),
  setting('is_superuser', fixed, 'on', 'Shows whether the current user is a superuser.', true),
  setting('lc_collate', fixed, 'C', 'Shows the collation order locale.'),
  setting('lc_ctype', fixed, 'C', 'Shows the character classification and case conversion locale.'),
  setting('lc_messages', text, 'C', 'Accepted.'),
  setting('lc_monetary', text, 'C', 'Accepted.'),
  setting('lc_numeric', text, 'C', 'Accepted.'),
  setting('lc_time', text, 'C', 'Accepted.'),
  setting('lock_timeout', milliseconds, '0', 'Sets the maximum allowed duration of any wait for a lock.'),
  setting('maintenance_work_mem', kilobytes, '64MB', 'Accepted.'),
  setting('max_connections', fixed, '10000', 'Sets the maximum number of concurrent connections.'),
  setting('max_identifier_length', fixed, '63', 'Shows the maximum identifier length.'),
  setting('max_index_keys', fixed, '32', 'Shows the maximum number of index keys.'),
  setting(
    'password_encryption',
    choice('scram-sha-256'),
    'scram-sha-256',
    'Chooses the algorithm for encrypting passwords.',
  ),
  setting('row_security', bool, 'on', 'Accepted.'),
  setting(
    'search_path',
    text,
    '"$user", public',
    'Sets the schema search order for names that are not schema-qualified.',
  ),
  setting('role', fixed, 'none', 'Shows the role that SET ROLE named.'),
  setting('server_encoding', fixed, 'UTF8', 'Shows the server (database) character set encoding.', true),
  setting('server_version', fixed, serverVersion, 'Shows the server version.', true),
  setting('server_version_num', fixed, '150018', 'Shows the server version as an integer.'),
  setting('session_authorization', fixed, '', 'Shows the session user name.', true),
  setting('ssl', fixed, 'off', 'Shows whether the server offers TLS.'),
  setting(
    'standard_conforming_strings',
    choice('on'),
    'on',
    "Causes '...' strings to treat backslashes literally.",
    true,
  ),
  setting('statement_timeout', milliseconds, '0', 'Sets the maximum allowed duration of any statement.'),
  setting('synchronize_seqscans', bool, 'on', 'Accepted.'),
  setting(
    'synchronous_commit',
    choice('on', 'off', 'local', 'remote_write', 'remote_apply'),
    'on',
    'Accepted: a commit is always durable before it is answered.',
  ),
  setting('tcp_keepalives_idle', milliseconds, '0', 'Accepted.'),
  setting('temp_file_limit', sizeLimit, '-1', 'Limits the temporary files of a session; -1: no limit.'),
  setting('TimeZone', text, 'UTC', 'Sets the time zone for displaying and interpreting time stamps.', true),
  setting(
    'transaction_isolation',
    isolation,
    'read committed',
    "Sets the current transaction's isolation level.",
  ),
  setting('transaction_read_only', bool, 'off', "Sets the current transaction's read-only status."),
  setting(
    'work_mem',
    kilobytes,
    '64MB',
    'Sets the memory that one statement may use for sorts and hash tables before it writes temporary files.',
  ),
  setting('xmloption', choice('content', 'document'), 'content', 'Accepted.'),
];

const byName: ReadonlyMap<string, SettingInfo> = new Map(
  settings.map((info) => [info.name.toLowerCase(), info]),
);

export function settingInfo(name: string): SettingInfo | null {
  return byName.get(name.toLowerCase()) ?? null;
}

const millisecondUnits: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const kilobyteUnits: Readonly<Record<string, number>> = {
  b: 1 / 1024,
  kb: 1,
  mb: 1024,
  gb: 1024 * 1024,
  tb: 1024 * 1024 * 1024,
};

/** A duration ('500ms', '7d', '30' in the default unit) in milliseconds, or null. */
export function parseMilliseconds(value: string): number | null {
  return parseWithUnit(value, millisecondUnits);
}

/** A size ('64MB', '4096' in kB) in kilobytes, or null. */
export function parseKilobytes(value: string): number | null {
  return parseWithUnit(value, kilobyteUnits);
}

function parseWithUnit(value: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(value);
  if (match === null) return null;
  const unit = match[2] === '' ? 1 : units[match[2]!.toLowerCase()];
  return unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

export function parseBoolean(value: string): boolean | null {
  const word = value.trim().toLowerCase();
  if (word === '') return null;
  if (['on', '1'].includes(word) || 'true'.startsWith(word) || 'yes'.startsWith(word)) return true;
  if (['off', 'of', '0'].includes(word) || 'false'.startsWith(word) || 'no'.startsWith(word)) return false;
  return null;
}

/** The value as SHOW prints it; 22023 where it is not one. */
export function checkedSetting(
  name: string,
  value: string,
): { readonly name: string; readonly value: string } {
  const info = settingInfo(name);
  if (info === null) {
    if (name.includes('.') && !name.toLowerCase().startsWith('alopex.')) return { name, value };
    throw unrecognized(name);
  }
  switch (info.kind.kind) {
    case 'fixed':
      throw new AlopexError('cant_change_runtime_param', `parameter "${info.name}" cannot be changed`);
    case 'text':
      return { name: info.name, value: checkedText(info, value) };
    case 'bool': {
      const parsed = parseBoolean(value);
      if (parsed === null) throw invalid(info, value, `parameter "${info.name}" requires a Boolean value`);
      return { name: info.name, value: parsed ? 'on' : 'off' };
    }
    case 'enum': {
      const word = value.trim().toLowerCase();
      const synonym = parseBoolean(word);
      const found =
        info.kind.values.find((one) => one === word) ??
        (synonym === null ? undefined : info.kind.values.find((one) => one === (synonym ? 'on' : 'off')));
      if (found === undefined)
        throw invalid(info, value, undefined, `Available values: ${info.kind.values.join(', ')}.`);
      return { name: info.name, value: found };
    }
    case 'integer':
      return { name: info.name, value: checkedInteger(info, info.kind, value) };
    case 'real': {
      const number = Number(value);
      if (value.trim() === '' || Number.isNaN(number)) throw invalid(info, value);
      return { name: info.name, value: String(number) };
    }
  }
}

function checkedInteger(
  info: SettingInfo,
  kind: Extract<SettingKind, { kind: 'integer' }>,
  value: string,
): string {
  const parsed =
    kind.unit === 'ms'
      ? parseMilliseconds(value)
      : kind.unit === 'kB'
        ? parseKilobytes(value)
        : parseWithUnit(value, {});
  if (parsed === null) throw invalid(info, value);
  if (parsed < kind.minimum || parsed > kind.maximum) {
    throw new AlopexError(
      'invalid_parameter_value',
      `${parsed}${kind.unit === null ? '' : ` ${kind.unit}`} is outside the valid range for parameter "${info.name}" (${kind.minimum} .. ${kind.maximum})`,
    );
  }
  if (kind.unit === 'ms') return withLargestUnit(parsed, ['ms', 's', 'min', 'h', 'd'], millisecondUnits);
  if (kind.unit === 'kB') return withLargestUnit(parsed, ['kB', 'MB', 'GB', 'TB'], kilobyteUnits);
  return String(parsed);
}

function withLargestUnit(
  value: number,
  names: readonly string[],
  units: Readonly<Record<string, number>>,
): string {
  if (value === 0) return '0';
  for (const name of names.toReversed()) {
    const size = units[name.toLowerCase()]!;
    if (value % size === 0) return `${value / size}${name}`;
  }
  return String(value);
}

function checkedText(info: SettingInfo, value: string): string {
  switch (info.name) {
    case 'client_encoding': {
      const encoding = value.trim().toUpperCase().replaceAll(/[-_]/g, '');
      if (encoding === 'UTF8' || encoding === 'UNICODE') return 'UTF8';
      throw invalid(info, value, undefined, 'Alopex speaks UTF8 alone.');
    }
    case 'TimeZone':
      return checkedTimeZone(info, value);
    case 'DateStyle':
      return checkedDateStyle(info, value);
    case 'alopex.await_token':
      if (value !== '' && parseCommitToken(value) === null) throw invalid(info, value);
      return value;
    case 'alopex.request_id':
      if (value.length <= requestIdLengthMax) return value;
      throw invalid(info, value, `alopex.request_id is longer than ${requestIdLengthMax} characters`);
    default:
      return value;
  }
}

const requestIdLengthMax = 200;

/** Where a commit ends in the log, and the epoch that it was made in: `3/1200`. */
export type CommitToken = { readonly epoch: number; readonly offset: number };

export function parseCommitToken(text: string): CommitToken | null {
  const match = /^(\d{1,15})\/(\d{1,15})$/.exec(text);
  return match === null ? null : { epoch: Number(match[1]), offset: Number(match[2]) };
}

function checkedTimeZone(info: SettingInfo, value: string): string {
  const name = value.trim();
  if (/^(utc|gmt|z|zulu|default|local)$/i.test(name)) return name.toUpperCase() === 'GMT' ? 'GMT' : 'UTC';
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(name)) return hoursEast(info, value, Number(name));
  if (isPosixZone(name)) return name;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    throw invalid(info, value).with({ cause: error });
  }
}

/** A plain number is hours east of Greenwich; POSIX, which PostgreSQL shows it as, counts west. */
function hoursEast(info: SettingInfo, value: string, hours: number): string {
  if (Math.abs(hours) >= 168)
    throw invalid(info, value).with({ detail: 'UTC timezone offset is out of range.' });
  return zoneOfOffset(Math.trunc(hours * 3600));
}

/** Output is ISO; the order of day and month in input can be chosen. */
function checkedDateStyle(info: SettingInfo, value: string): string {
  let order = 'MDY';
  for (const word of value.split(',').map((part) => part.trim().toUpperCase())) {
    if (word === 'ISO' || word === 'DEFAULT' || word === '') continue;
    if (['MDY', 'US', 'NONEURO', 'NONEUROPEAN'].includes(word)) order = 'MDY';
    else if (['DMY', 'EURO', 'EUROPEAN'].includes(word)) order = 'DMY';
    else if (word === 'YMD') order = 'YMD';
    else if (['POSTGRES', 'SQL', 'GERMAN'].includes(word)) {
      throw new AlopexError('feature_not_supported', `DateStyle ${word} is not supported yet: output is ISO`);
    } else throw invalid(info, value);
  }
  return `ISO, ${order}`;
}

export function unrecognized(name: string): AlopexError {
  const nearest = nearestSetting(name.toLowerCase());
  return new AlopexError(
    'undefined_object',
    `unrecognized configuration parameter "${name}"`,
    nearest === null ? {} : { hint: `Perhaps you meant "${nearest}".` },
  );
}

/** The one setting whose name is few letters away. */
function nearestSetting(name: string): string | null {
  let best = Math.min(3, Math.floor(name.length / 3));
  let nearest: string[] = [];
  for (const [known, info] of byName) {
    const distance = editDistance(known, name, best);
    if (distance > best) continue;
    if (distance < best) nearest = [];
    best = distance;
    nearest.push(info.name);
  }
  return nearest.length === 1 ? nearest[0]! : null;
}

function invalid(info: SettingInfo, value: string, message?: string, hint?: string): AlopexError {
  return new AlopexError(
    'invalid_parameter_value',
    message ?? `invalid value for parameter "${info.name}": "${value}"`,
    hint === undefined ? {} : { hint },
  );
}
