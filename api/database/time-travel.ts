import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp, timestampOfMs } from '../../base/hlc.ts';
import { offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import { compileRow } from '../../query/exec/row-compiler.ts';
import { standaloneEnvironment } from '../../query/exec/standalone.ts';
import { some } from '../../query/plan/rewrite.ts';
import { type BoundMoment, bindMoments } from '../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../query/sql/parse.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids, type TypeOid } from '../../query/types/type.ts';
import { type Moment, type Moments, noMoments } from './catalog-history.ts';
import type { Engine } from './engine.ts';
import type { EngineSession } from './session.ts';
import { bindOptions } from './statements/defaults.ts';

type Point =
  | { readonly kind: 'timestamp'; readonly micros: number | bigint }
  | { readonly kind: 'offset'; readonly offset: number };

/** The committed rows and definitions as they were then, or as the log said up to an offset (exclusive). */
async function momentOf(engine: Engine, point: Point): Promise<Moment> {
  const at =
    point.kind === 'timestamp' ? atMicros(engine, point.micros) : await atOffset(engine, point.offset);
  return { view: { at, pending: null }, ...(await engine.catalogs.at(at)) };
}

/** Everything committed in that microsecond's millisecond or before counts. A moment to come has not happened: 22023. */
function atMicros(engine: Engine, micros: number | bigint): Timestamp {
  const nowMs = engine.env.clock.wallMs();
  const ms = Math.floor(Number(micros) / 1000);
  if (ms > Math.max(nowMs, msOfTimestamp(engine.transactions.visible)) + 1) {
    const [named, now] = [ms, nowMs].map(isoTime);
    throw new AlopexError('invalid_parameter_value', `AS OF names a time in the future: ${named}`, {
      detail: `The server's clock says ${now}.`,
    });
  }
  const at = timestampOfMs(ms + 1) - 1;
  return timestamp(Math.min(Math.max(at, 0), engine.transactions.visible));
}

/** Milliseconds since 1970; what no Date holds is infinity. */
function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'infinity';
}

async function atOffset(engine: Engine, value: number): Promise<Timestamp> {
  if (!Number.isSafeInteger(value) || value < 0 || value > engine.log.highWatermark) {
    throw new AlopexError(
      'invalid_parameter_value',
      `AS OF OFFSET ${value} is outside the log, which ends at offset ${engine.log.highWatermark}`,
    );
  }
  if (value < engine.log.startOffset) {
    throw new AlopexError(
      'snapshot_too_old',
      `offset ${value} is no longer retained: the log starts at ${engine.log.startOffset}`,
    );
  }
  return engine.timestampBefore(offset(value));
}

/** `SET alopex.as_of`: what the session's statements read instead of the present, or null. */
export async function momentOfSession(session: EngineSession): Promise<Moment | null> {
  const value = session.settings.get('alopex.as_of') ?? '';
  return value === '' ? null : momentOf(session.engine, pointOf(value, session.functions));
}

/** What `alopex.as_of` names: an offset of the log where it is a whole number, else a timestamp. */
export function pointOf(value: string, context: FunctionContext): Point {
  if (/^\d+$/.test(value)) return { kind: 'offset', offset: Number(value) };
  const type = { oid: oids.timestamptz, modifier: -1 };
  const micros = codecOf(oids.timestamptz).parse(value, type, context);
  return { kind: 'timestamp', micros: micros as number | bigint };
}

/**
 * What the FOR SYSTEM_TIME clauses of a statement name, before it is bound. Without values of its parameters
 * (`parameters` is null) those that read one are not among them.
 */
export async function momentsOf(
  session: EngineSession,
  statement: ParsedStatement,
  parameterTypes: readonly TypeOid[],
  parameters: readonly Datum[] | null,
): Promise<Moments> {
  if (statement.systemTimes.size === 0) return noMoments;
  const moments = new Map<number, Moment>();
  for (const [place, bound] of bindMoments(statement, bindOptions(session, parameterTypes))) {
    if (parameters === null && some(bound.expression, ({ kind }) => kind === 'parameter')) continue;
    moments.set(place, await momentOf(session.engine, pointAt(session, bound, parameters ?? [])));
  }
  return moments;
}

function pointAt(
  session: EngineSession,
  { kind, expression }: BoundMoment,
  parameters: readonly Datum[],
): Point {
  const value = compileRow(expression)([], standaloneEnvironment(session.functions, parameters));
  if (value === null) {
    throw new AlopexError('null_value_not_allowed', 'FOR SYSTEM_TIME AS OF must not be null');
  }
  invariant(typeof value === 'number' || typeof value === 'bigint', 'a point in time is a number');
  return kind === 'timestamp' ? { kind, micros: value } : { kind, offset: Number(value) };
}

/** 25006 for what would change the present while the past is read. */
export function requirePresent(session: EngineSession, command: string): void {
  if (session.settings.lookUps.readsPresent) return;
  throw new AlopexError('read_only_sql_transaction', `cannot execute ${command} while alopex.as_of is set`);
}
