import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp, timestampOfMs } from '../../base/hlc.ts';
import { offset, type Timestamp, timestamp } from '../../base/ids.ts';
import type { ReadView } from '../../materializers/rows/contract.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids } from '../../query/types/type.ts';
import type { Engine } from './engine.ts';
import type { EngineSession } from './session.ts';

type Point =
  | { readonly kind: 'timestamp'; readonly micros: number | bigint }
  | { readonly kind: 'offset'; readonly offset: number };

/** The committed rows as they were at a moment, or as the log said up to an offset (exclusive). */
export async function viewAsOf(engine: Engine, point: Point): Promise<ReadView> {
  const at =
    point.kind === 'timestamp' ? atMicros(engine, point.micros) : await atOffset(engine, point.offset);
  return { at, pending: null };
}

/** Everything committed in that microsecond's millisecond or before counts. A moment to come has not happened: 22023. */
function atMicros(engine: Engine, micros: number | bigint): Timestamp {
  const nowMs = engine.env.clock.wallMs();
  const ms = Math.floor(Number(micros) / 1000);
  if (ms > Math.max(nowMs, msOfTimestamp(engine.transactions.visible)) + 1) {
    throw new AlopexError('invalid_parameter_value', 'AS OF names a time in the future');
  }
  const at = timestampOfMs(ms + 1) - 1;
  return timestamp(Math.min(Math.max(at, 0), engine.transactions.visible));
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

/** `SET alopex.as_of`: the view that the session's statements read instead of the present. */
export async function viewOfSession(session: EngineSession, present: ReadView): Promise<ReadView> {
  const value = session.settings.get('alopex.as_of') ?? '';
  if (value === '') return present;
  return viewAsOf(session.engine, pointOf(value, session.functions));
}

/** What `alopex.as_of` names: an offset of the log where it is a whole number, else a timestamp. */
export function pointOf(value: string, context: FunctionContext): Point {
  if (/^\d+$/.test(value)) return { kind: 'offset', offset: Number(value) };
  const type = { oid: oids.timestamptz, modifier: -1 };
  const micros = codecOf(oids.timestamptz).parse(value, type, context);
  return { kind: 'timestamp', micros: micros as number | bigint };
}
