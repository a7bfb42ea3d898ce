import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { type Interval, SqlArray } from '../../../base/values/datum.ts';
import type { FunctionContext } from '../function.ts';
import { invalidParameter } from '../problems.ts';
import type { Implementations } from './define.ts';
import { contextual, delays, pure, typed } from './define.ts';

/** What version() and server_version say: the PostgreSQL whose behaviour this is, and whose it is. */
export const serverVersion = '15.18';

/** Schemas of the search path that exist; `$user` is the user's own. */
function schemas(context: FunctionContext, includesImplicit: boolean): string[] {
  const named = context.searchPath
    .map((name) => (name === '$user' ? context.user : name))
    .filter((name) => context.catalog.namespaceOid(name) !== null);
  return includesImplicit && !named.includes('pg_catalog') ? ['pg_catalog', ...named] : named;
}

function currentSetting(
  context: FunctionContext,
  name: string,
  isMissingOk: boolean | null = false,
): string | null {
  const value = context.getSetting(name);
  if (value === null && isMissingOk !== true) {
    throw new AlopexError('undefined_object', `unrecognized configuration parameter "${name}"`);
  }
  return value;
}

export const sessionFunctions: Implementations = {
  ...pure({
    pgsql_version: () => `PostgreSQL ${serverVersion} (Alopex DB)`,
    getdatabaseencoding: () => 'UTF8',
    pg_client_encoding: () => 'UTF8',
    pg_trigger_depth: () => 0,
    pg_jit_available: () => false,
    pg_my_temp_schema: () => 0,
    pg_is_other_temp_schema: () => false,
    pg_notify: () => '',
    setseed: (seed: number) => {
      if (!(seed >= -1 && seed <= 1))
        throw invalidParameter(`setseed parameter ${seed} is out of allowed range [-1,1]`);
      return '';
    },
    inet_server_port: () => null,
    inet_client_port: () => null,
  }),
  ...typed({
    pg_typeof: (types) => () => types[0]!.oid,
    pg_collation_for: () => (value: Datum) => (value === null ? null : '"default"'),
  }),
  ...contextual({
    current_user: (context) => context.user,
    session_user: (context) => context.sessionUser,
    current_database: (context) => context.database,
    current_schema: (context) => schemas(context, false)[0] ?? null,
    current_schemas: (context, includesImplicit: boolean) => SqlArray.of(schemas(context, includesImplicit)),
    show_config_by_name: currentSetting,
    show_config_by_name_missing_ok: currentSetting,
    set_config_by_name: (
      context: FunctionContext,
      name: string | null,
      value: string | null,
      isLocal: boolean | null,
    ) => {
      if (name === null) throw new AlopexError('null_value_not_allowed', 'SET requires parameter name');
      return context.setSetting(name, value ?? '', isLocal === true);
    },
    pg_backend_pid: (context) => context.backendPid,
    pg_cancel_backend: (context: FunctionContext, pid: number) =>
      context.signalBackend?.(pid, 'cancel') ?? false,
    pg_terminate_backend: (context: FunctionContext, pid: number) =>
      context.signalBackend?.(pid, 'terminate') ?? false,
    pg_postmaster_start_time: (context) => context.transactionMicros,
    pg_conf_load_time: (context) => context.transactionMicros,
    nextval_oid: (context, oid: number) => context.sequences.nextValue(oid),
    currval_oid: (context, oid: number) => context.sequences.currentValue(oid),
    lastval: (context) => context.sequences.lastValue(),
    setval_oid: (context: FunctionContext, oid: number, value: number | bigint) => {
      context.sequences.setValue(oid, value, true);
      return value;
    },
    setval3_oid: (context: FunctionContext, oid: number, value: number | bigint, isCalled: boolean) => {
      context.sequences.setValue(oid, value, isCalled);
      return value;
    },
  }),
  ...delays({
    pg_sleep: (_context: FunctionContext, seconds: number) => seconds * 1000,
    pg_sleep_for: (_context: FunctionContext, interval: Interval) =>
      (interval.months * 30 + interval.days) * 86_400_000 + interval.microseconds / 1000,
    pg_sleep_until: (context: FunctionContext, micros: number | bigint) =>
      (Number(micros) - context.clockMicros()) / 1000,
  }),
};
