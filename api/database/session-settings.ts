import { AlopexError } from '../../base/errors.ts';
import { type Isolation, isolationOf } from '../../query/txn/transaction.ts';
import type { ReadFrom, ReplicationMode } from './replication.ts';
import {
  type CommitToken,
  checkedSetting,
  parseCommitToken,
  parseKilobytes,
  parseMilliseconds,
  settingInfo,
  settings,
  unrecognized,
} from './settings.ts';

/** Settings with a dot that a session may make up. */
const customSettingsMax = 1000;
const workMemoryKilobytesDefault = 65_536;

function limitOf(kilobytes: number): number {
  return kilobytes < 0 ? Number.POSITIVE_INFINITY : kilobytes * 1024;
}

/** The settings that say as whom a session acts; they are set by leave alone. */
export type UserSetting = 'role' | 'session_authorization';

/** Settings that show what is, where nobody says otherwise. */
const presentSettings: ReadonlySet<string> = new Set([
  'alopex.last_commit',
  'alopex.replication_mode',
  'in_hot_standby',
  'transaction_read_only',
]);

/** What the settings ask of their session. */
export type SettingsOwner = {
  readonly isInTransaction: () => boolean;
  /** Throws where the session may not act as that user. */
  readonly requireMayBecome: (setting: UserSetting, name: string) => void;
  /** Of the user that it acts as. */
  readonly isSuperuser: (name: string) => boolean;
  /** What a setting that nobody has set says of the node and of the session now; null: its default. */
  readonly present: (key: string) => string | null;
  readonly onReported: (name: string, value: string) => void;
};

function isUserSetting(key: string): key is UserSetting {
  return key === 'role' || key === 'session_authorization';
}

/** What decides whether a statement may take the short way of a lookup; kept, for it is asked each time. */
export type LookUpSettings = {
  /** With the user, where the path names a schema by it. */
  readonly searchPath: string;
  /** What literals of dates and times are read by. */
  readonly inputStyle: string;
  readonly readsPresent: boolean;
  readonly isReadCommitted: boolean;
  /** Whether what it writes is remembered by `alopex.request_id`. */
  readonly hasRequest: boolean;
};

/** Where a session's statements run, and what they wait for, on a replicated database. */
export type RouteSettings = {
  readonly readFrom: ReadFrom;
  /** 0: no limit. */
  readonly stalenessMsMax: number;
  readonly awaited: CommitToken | null;
  readonly forwardsWrites: boolean;
  /** Reads are answered by the node itself, as it stands. */
  readonly isPlain: boolean;
};

/** How transactions and statements begin where nothing else is said. Times are in milliseconds; 0: no limit. */
export type BeginSettings = {
  readonly isolation: Isolation;
  readonly isReadOnly: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleSessionTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
};

type Undo = { readonly name: string; readonly previous: string | undefined; readonly isLocal: boolean };

/**
 * The values of one session's settings. SET is undone by a rollback, SET LOCAL also by a commit: an undo list
 * stands for the open transaction.
 */
export class SessionSettings {
  /** What differs from the defaults. Keys are lower case. */
  readonly #values = new Map<string, string>();
  /** What RESET goes back to: server configuration and startup parameters. */
  readonly #defaults = new Map<string, string>();
  readonly #undo: Undo[] = [];
  readonly #owner: SettingsOwner;
  #lookUps: LookUpSettings | null = null;
  #begins: BeginSettings | null = null;
  #routes: RouteSettings | null = null;
  #given: Readonly<Record<string, string>> | null = null;
  #workMemoryBytes: number | null = null;
  #temporaryBytesMax: number | null = null;
  #user: string | null = null;
  /** Whether the session has ever acted as another than who it logged in as. */
  hasBeenAnother = false;

  constructor(defaults: Readonly<Record<string, string>>, owner: SettingsOwner) {
    this.#owner = owner;
    for (const [name, value] of Object.entries(defaults)) this.#defaults.set(name.toLowerCase(), value);
  }

  get(name: string): string | null {
    const key = name.toLowerCase();
    if (key === 'is_superuser') return this.#owner.isSuperuser(this.currentUser) ? 'on' : 'off';
    const set = this.#values.get(key) ?? this.#defaults.get(key);
    if (set !== undefined) return set;
    return (presentSettings.has(key) ? this.#owner.present(key) : null) ?? settingInfo(key)?.default ?? null;
  }

  /** 42704 for a name that is not known. */
  require(name: string): string {
    const value = this.get(name);
    if (value === null) throw unrecognized(name);
    return value;
  }

  /** SET SESSION AUTHORIZATION's, or who logged in. */
  get sessionUser(): string {
    return this.require('session_authorization');
  }

  /** SET ROLE's, or the session's: whose privileges count. */
  get currentUser(): string {
    if (this.#user === null) {
      const role = this.require('role');
      this.#user = role === 'none' ? this.sessionUser : role;
    }
    return this.#user;
  }

  #milliseconds(name: string): number {
    return parseMilliseconds(this.require(name)) ?? 0;
  }

  get workMemoryBytes(): number {
    this.#workMemoryBytes ??= (parseKilobytes(this.require('work_mem')) ?? workMemoryKilobytesDefault) * 1024;
    return this.#workMemoryBytes;
  }

  /** What the session may have in temporary files. */
  get temporaryBytesMax(): number {
    this.#temporaryBytesMax ??= limitOf(parseKilobytes(this.require('temp_file_limit')) ?? -1);
    return this.#temporaryBytesMax;
  }

  get lookUps(): LookUpSettings {
    if (this.#lookUps !== null) return this.#lookUps;
    const searchPath = this.require('search_path');
    this.#lookUps = {
      searchPath: searchPath.includes('$user') ? `${this.currentUser}\u0000${searchPath}` : searchPath,
      inputStyle: ['TimeZone', 'DateStyle', 'IntervalStyle'].map((name) => this.require(name)).join(),
      readsPresent: (this.get('alopex.as_of') ?? '') === '',
      isReadCommitted: ['read committed', 'read uncommitted'].includes(
        this.require('default_transaction_isolation'),
      ),
      hasRequest: this.require('alopex.request_id') !== '',
    };
    return this.#lookUps;
  }

  get routes(): RouteSettings {
    if (this.#routes !== null) return this.#routes;
    const readFrom = this.require('alopex.read_from') as ReadFrom;
    const stalenessMsMax = this.#milliseconds('alopex.max_staleness');
    const awaited = parseCommitToken(this.require('alopex.await_token'));
    this.#routes = {
      readFrom,
      stalenessMsMax,
      awaited,
      forwardsWrites: this.require('alopex.forward_writes') === 'on',
      isPlain: readFrom === 'nearest' && stalenessMsMax === 0 && awaited === null,
    };
    return this.#routes;
  }

  /** Not kept: where nobody has set it, it is the database's, which changes. */
  get replicationMode(): ReplicationMode {
    return this.require('alopex.replication_mode') as ReplicationMode;
  }

  /** What differs from the server's own, for the session's counterpart on another node. */
  get given(): Readonly<Record<string, string>> {
    this.#given ??= Object.fromEntries(this.#values);
    return this.#given;
  }

  /** Of a session of another node: all that it has been given, in place of what was. */
  adopt(values: Readonly<Record<string, string>>): void {
    for (const key of this.#values.keys()) if (!(key in values)) this.#assign(key, undefined);
    for (const [key, value] of Object.entries(values)) {
      if (this.#values.get(key) !== value) this.#assign(key, value);
    }
    this.hasBeenAnother ||= 'role' in values || 'session_authorization' in values;
  }

  get begins(): BeginSettings {
    this.#begins ??= {
      isolation: isolationOf(this.require('default_transaction_isolation')),
      isReadOnly: this.require('default_transaction_read_only') === 'on',
      lockTimeoutMs: this.#milliseconds('lock_timeout'),
      statementTimeoutMs: this.#milliseconds('statement_timeout'),
      idleSessionTimeoutMs: this.#milliseconds('idle_session_timeout'),
      idleInTransactionTimeoutMs: this.#milliseconds('idle_in_transaction_session_timeout'),
    };
    return this.#begins;
  }

  /** Returns the value as it is kept. */
  set(name: string, value: string, isLocal = false): string {
    if (isUserSetting(name.toLowerCase()))
      return this.#become(name.toLowerCase() as UserSetting, value, isLocal);
    const checked = checkedSetting(name, value);
    const key = checked.name.toLowerCase();
    if (!this.#values.has(key) && this.#values.size >= settings.length + customSettingsMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a session cannot have more than ${customSettingsMax} custom parameters`,
      );
    }
    this.#put(key, checked.value, isLocal);
    return checked.value;
  }

  #become(setting: UserSetting, name: string, isLocal: boolean): string {
    this.#owner.requireMayBecome(setting, name);
    this.hasBeenAnother = true;
    if (setting === 'session_authorization') this.#put('role', undefined, isLocal);
    this.#put(setting, name, isLocal);
    return name;
  }

  reset(name: string): void {
    const key = name.toLowerCase();
    if (isUserSetting(key)) {
      if (key === 'session_authorization') this.#put('role', undefined, false);
      this.#put(key, undefined, false);
      return;
    }
    if (this.get(key) === null) throw unrecognized(name);
    if (settingInfo(key)?.kind.kind === 'fixed') {
      throw new AlopexError('cant_change_runtime_param', `parameter "${name}" cannot be changed`);
    }
    this.#put(key, undefined, false);
  }

  resetAll(): void {
    for (const key of [...this.#values.keys()]) {
      const isKept = isUserSetting(key) || ['transaction_isolation', 'transaction_read_only'].includes(key);
      if (!isKept) this.#put(key, undefined, false);
    }
  }

  #put(key: string, value: string | undefined, isLocal: boolean): void {
    if (this.#owner.isInTransaction())
      this.#undo.push({ name: key, previous: this.#values.get(key), isLocal });
    this.#assign(key, value);
  }

  #assign(key: string, value: string | undefined): void {
    const before = this.get(key);
    const wasSuperuser = isUserSetting(key) ? this.get('is_superuser') : null;
    this.#lookUps = null;
    this.#user = null;
    this.#begins = null;
    this.#routes = null;
    this.#given = null;
    this.#workMemoryBytes = null;
    this.#temporaryBytesMax = null;
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    const info = settingInfo(key);
    const after = this.get(key);
    const { onReported } = this.#owner;
    if (info?.isReported === true && after !== null && after !== before) onReported(info.name, after);
    if (wasSuperuser === null) return;
    const isSuperuser = this.require('is_superuser');
    if (isSuperuser !== wasSuperuser) onReported('is_superuser', isSuperuser);
  }

  /** The mark that a savepoint remembers. */
  get mark(): number {
    return this.#undo.length;
  }

  rollbackTo(mark: number): void {
    for (const { name, previous } of this.#undo.splice(mark).toReversed()) this.#assign(name, previous);
  }

  /** SET LOCAL ends: back to what the last SET of the transaction, or none, left. */
  commit(): void {
    if (this.#undo.length === 0) return;
    const settled = new Set<string>();
    for (const { name, previous, isLocal } of this.#undo.splice(0).toReversed()) {
      if (!isLocal) settled.add(name);
      else if (!settled.has(name)) this.#assign(name, previous);
    }
  }

  /** For SHOW ALL and pg_settings: name, value, description. */
  *all(): Iterable<readonly [string, string, string]> {
    for (const info of settings) yield [info.name, this.require(info.name), info.description];
  }
}
