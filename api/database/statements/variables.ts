import type { VariableSetStmt, VariableShowStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Interval } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import { isolationOf, setIsolation } from '../../../query/txn/transaction.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import { zoneOfOffset } from '../../../query/types/time/zone.ts';
import { oids } from '../../../query/types/type.ts';
import { requireBlock } from '../blocks.ts';
import type { EngineSession } from '../session.ts';
import { settingInfo } from '../settings.ts';
import { pointOf } from '../time-travel.ts';
import { constantText, optionsOf } from './ast-values.ts';
import { textColumn } from './text-column.ts';
import { setReadOnly, setTransactionModes } from './transaction.ts';

/** SET, SET LOCAL, RESET, SET TRANSACTION: the command tag. */
export function runSet(session: EngineSession, node: VariableSetStmt): string {
  const name = node.name ?? '';
  switch (node.kind) {
    case 'VAR_SET_VALUE':
      setVariable(session, name, listText(session, name, node), node.is_local === true);
      return 'SET';
    case 'VAR_SET_DEFAULT':
      session.settings.reset(name);
      return 'SET';
    case 'VAR_RESET':
      session.settings.reset(name);
      return 'RESET';
    case 'VAR_RESET_ALL':
      session.settings.resetAll();
      return 'RESET';
    case 'VAR_SET_MULTI':
      setMulti(session, name, node);
      return 'SET';
    default:
      throw unsupported('SET … FROM CURRENT');
  }
}

function listText(session: EngineSession, name: string, node: VariableSetStmt): string {
  const values = (node.args ?? []).map(constantText);
  if (name === 'search_path') {
    return values
      .map((value) => (/^[a-z_][a-z0-9_$]*$/.test(value) ? value : `"${value.replaceAll('"', '""')}"`))
      .join(', ');
  }
  if (values.length > 1 && settingInfo(name)?.name !== 'DateStyle') {
    throw new AlopexError('invalid_parameter_value', `SET ${name} takes only one argument`);
  }
  if (name === 'timezone' && node.args?.[0] !== undefined && 'TypeCast' in node.args[0]) {
    return intervalZone(session, values[0]!);
  }
  if (name === 'timezone') return values[0] ?? session.settings.require('TimeZone');
  return values.join(', ');
}

/** SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE. */
function intervalZone(session: EngineSession, text: string): string {
  const type = { oid: oids.interval, modifier: -1 };
  const interval = codecOf(oids.interval).parse(text, type, session.functions) as Interval;
  if (interval.months !== 0 || interval.days !== 0) {
    throw new AlopexError('invalid_parameter_value', `invalid value for parameter "TimeZone": "${text}"`);
  }
  return zoneOfOffset(Math.trunc(interval.microseconds / 1_000_000));
}

function setVariable(session: EngineSession, name: string, value: string, isLocal: boolean): void {
  if (isLocal && session.status === 'idle') {
    session.notice(
      'WARNING',
      'no_active_sql_transaction',
      'SET LOCAL can only be used in transaction blocks',
    );
  }
  if (name === 'alopex.as_of') checkAsOf(session, value);
  const kept = session.settings.set(name, value, isLocal);
  const { transaction } = session;
  if (transaction === null) return;
  if (name === 'transaction_isolation') setIsolation(transaction, isolationOf(kept));
  if (name === 'transaction_read_only') setReadOnly(session, transaction, kept === 'on');
}

function setMulti(session: EngineSession, name: string, node: VariableSetStmt): void {
  const modes = optionsOf(node.args);
  if (name === 'TRANSACTION') {
    if (session.status === 'idle') {
      session.notice(
        'WARNING',
        'no_active_sql_transaction',
        'SET TRANSACTION can only be used in transaction blocks',
      );
      return;
    }
    setTransactionModes(session, requireBlock(session, 'SET TRANSACTION'), modes);
    return;
  }
  if (name !== 'SESSION CHARACTERISTICS') throw unsupported(`SET ${name}`);
  for (const mode of modes) session.settings.set(`default_${mode.name}`, String(mode.value));
}

export function showColumns(node: VariableShowStmt): readonly OutputColumn[] {
  const name = node.name ?? '';
  if (name === 'all') return ['name', 'setting', 'description'].map(textColumn);
  return [textColumn(settingInfo(name)?.name ?? name)];
}

export function showRows(session: EngineSession, node: VariableShowStmt): readonly (readonly string[])[] {
  const name = node.name ?? '';
  if (name === 'all') return [...session.settings.all()];
  if (session.transaction !== null) {
    if (name === 'transaction_isolation') return [[session.transaction.isolation]];
    if (name === 'transaction_read_only') return [[session.transaction.isReadOnly ? 'on' : 'off']];
  }
  return [[session.settings.require(name)]];
}

/** 22007 for what is neither a timestamp nor an offset. */
function checkAsOf(session: EngineSession, value: string): void {
  if (value !== '') pointOf(value, session.functions);
}
