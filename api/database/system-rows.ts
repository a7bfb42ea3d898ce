import type { Datum } from '../../base/values/datum.ts';
import { SqlArray } from '../../base/values/datum.ts';
import { roleOf } from './access.ts';
import { clusterRows, replicationRows, statementRows, walSenderRows } from './replication-rows.ts';
import type { EngineSession } from './session.ts';
import { settingInfo } from './settings.ts';

type SystemRow = Readonly<Record<string, Datum>>;

/** Rows of the relations that show the running server: what `FunctionContext.systemRows` answers. */
export function* systemRows(session: EngineSession, relation: string): Iterable<SystemRow> {
  switch (relation) {
    case 'pg_settings':
      return yield* settingRows(session);
    case 'pg_stat_activity':
      return yield* activityRows(session);
    case 'pg_prepared_statements':
      return yield* preparedRows(session);
    case 'pg_stat_replication':
      return yield* walSenderRows(session.engine);
    case 'alopex.replication':
      return yield* replicationRows(session.engine);
    case 'alopex.cluster':
      return yield* clusterRows(session.engine);
    case 'alopex.statements':
      return yield* statementRows(session.engine);
  }
}

function* settingRows(session: EngineSession): Iterable<SystemRow> {
  for (const [name, setting, description] of session.settings.all()) {
    const info = settingInfo(name)!;
    yield {
      name,
      setting,
      category: 'Alopex',
      short_desc: description,
      context: info.kind.kind === 'fixed' ? 'postmaster' : 'user',
      vartype: vartypes[info.kind.kind],
      source: setting === info.default ? 'default' : 'session',
      boot_val: info.default,
      reset_val: info.default,
      enumvals: info.kind.kind === 'enum' ? SqlArray.of(info.kind.values) : null,
      pending_restart: false,
    };
  }
}

const vartypes = {
  bool: 'bool',
  integer: 'integer',
  real: 'real',
  enum: 'enum',
  text: 'string',
  fixed: 'string',
} as const;

function* activityRows(session: EngineSession): Iterable<SystemRow> {
  const seesAll = roleOf(session).isSuperuser;
  for (const other of session.engine.sessions) {
    const isSeen = seesAll || other.settings.sessionUser === session.settings.currentUser;
    const state = other.isRunning ? 'active' : other.status === 'idle' ? 'idle' : 'idle in transaction';
    yield {
      datid: 5,
      datname: other.database,
      pid: other.id,
      usesysid: session.catalog.role(other.user)?.id ?? null,
      usename: other.user,
      application_name: other.settings.get('application_name'),
      state: isSeen ? state : null,
      query: isSeen ? other.lastStatement : '<insufficient privilege>',
      backend_type: 'client backend',
    };
  }
}

function* preparedRows(session: EngineSession): Iterable<SystemRow> {
  for (const [name, prepared] of session.named) {
    if (prepared === null) continue;
    yield {
      name,
      statement: prepared.statement.source,
      parameter_types: SqlArray.of(prepared.parameterTypes),
      from_sql: true,
    };
  }
}
