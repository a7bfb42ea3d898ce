import type { Clock, Random } from '../../base/env/env.ts';
import type {
  CatalogLookups,
  FunctionContext,
  NodeFacts,
  SequenceAccess,
} from '../../query/types/function.ts';
import type { SessionSettings } from './session-settings.ts';

/** What functions see of a session; the times and the catalog are those of the statement that runs. */
export class SessionFunctions implements FunctionContext {
  transactionMicros = 0;
  statementMicros = 0;
  readonly database: string;
  readonly backendPid: number;
  readonly sequences: SequenceAccess;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: SessionSettings;
  readonly #catalog: () => CatalogLookups;
  readonly systemRows: NonNullable<FunctionContext['systemRows']>;
  readonly signalBackend: NonNullable<FunctionContext['signalBackend']>;
  readonly sleep: NonNullable<FunctionContext['sleep']>;
  readonly promote: NonNullable<FunctionContext['promote']>;
  readonly transactions: NonNullable<FunctionContext['transactions']>;
  readonly #node: () => NodeFacts;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly settings: SessionSettings;
    readonly catalog: () => CatalogLookups;
    readonly systemRows: NonNullable<FunctionContext['systemRows']>;
    readonly signalBackend: NonNullable<FunctionContext['signalBackend']>;
    readonly sleep: NonNullable<FunctionContext['sleep']>;
    readonly promote: NonNullable<FunctionContext['promote']>;
    readonly transactions: NonNullable<FunctionContext['transactions']>;
    readonly node: () => NodeFacts;
    readonly sequences: SequenceAccess;
    readonly database: string;
    readonly backendPid: number;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#settings = options.settings;
    this.#catalog = options.catalog;
    this.systemRows = options.systemRows;
    this.signalBackend = options.signalBackend;
    this.sleep = options.sleep;
    this.promote = options.promote;
    this.transactions = options.transactions;
    this.#node = options.node;
    this.sequences = options.sequences;
    this.database = options.database;
    this.backendPid = options.backendPid;
  }

  get node(): NodeFacts {
    return this.#node();
  }
  get catalog(): CatalogLookups {
    return this.#catalog();
  }
  get user(): string {
    return this.#settings.currentUser;
  }
  get sessionUser(): string {
    return this.#settings.sessionUser;
  }
  get timeZone(): string {
    return this.#settings.require('TimeZone');
  }
  get dateStyle(): string {
    return this.#settings.require('DateStyle');
  }
  get intervalStyle(): string {
    return this.#settings.require('IntervalStyle');
  }
  get extraFloatDigits(): number {
    return Number(this.#settings.require('extra_float_digits'));
  }
  get byteaOutput(): 'hex' | 'escape' {
    return this.#settings.require('bytea_output') === 'escape' ? 'escape' : 'hex';
  }
  get searchPath(): readonly string[] {
    return parseSearchPath(this.#settings.require('search_path'), this.user);
  }
  clockMicros(): number {
    return Math.round(this.#clock.wallMs() * 1000);
  }
  random(): number {
    return this.#random.uint32() / 4_294_967_296;
  }
  randomBytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }
  getSetting(name: string): string | null {
    return this.#settings.get(name);
  }
  setSetting(name: string, value: string, isLocal: boolean): string {
    return this.#settings.set(name, value, isLocal);
  }
}

/** The catalog's own tables are not in the way of the user of the same name. */
const systemSchema = 'alopex';

/** Schema names of a search_path: identifiers, quoted where they must be, with "$user" put in. */
export function parseSearchPath(value: string, user: string): readonly string[] {
  const names: string[] = [];
  for (const match of value.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)) {
    const name = match[1] === undefined ? match[2]!.toLowerCase() : match[1].replaceAll('""', '"');
    if (name !== '$user') names.push(name);
    else if (user !== systemSchema) names.push(user);
  }
  return names;
}
