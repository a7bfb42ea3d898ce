import type { Interval } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { intervalSpan } from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { addNumeric, isZero } from '../numeric/arithmetic.ts';
import { compareNumeric } from '../numeric/compare.ts';
import { invalidParameter } from '../problems.ts';
import { timeZone } from '../time/zone.ts';
import type { Implementations } from './define.ts';
import { rows } from './define.ts';
import { addInt8 } from './integer.ts';
import { addToTimestamp, addToTimestamptz } from './time-arithmetic.ts';

type Integer = number | bigint;

const zeroStep = () => invalidParameter('step size cannot equal zero');

function* integers(start: Integer, stop: Integer, step: Integer = 1): Generator<readonly [Integer]> {
  if (step === 0) throw zeroStep();
  const isAscending = step > 0;
  for (let value = start; isAscending ? value <= stop : value >= stop; ) {
    yield [value];
    if (value === stop) return;
    value = addInt8(value, step);
  }
}

function* numerics(start: Numeric, stop: Numeric, step = Numeric.of(1, 0)): Generator<readonly [Numeric]> {
  for (const [name, value] of [
    ['start', start],
    ['stop', stop],
    ['step size', step],
  ] as const) {
    if (value.special !== null) {
      throw invalidParameter(
        `${name}${name === 'step size' ? '' : ' value'} cannot be ${value.special === 'NaN' ? 'NaN' : 'infinity'}`,
      );
    }
  }
  if (isZero(step)) throw zeroStep();
  const direction = step.units > 0 ? 1 : -1;
  for (let value = start; compareNumeric(value, stop) * direction <= 0; value = addNumeric(value, step))
    yield [value];
}

function* moments(
  start: Integer,
  stop: Integer,
  step: Interval,
  add: (value: Integer) => Integer,
): Generator<readonly [Integer]> {
  const span = intervalSpan(step);
  if (span === 0) throw zeroStep();
  for (let value = start; span > 0 ? value <= stop : value >= stop; value = add(value)) yield [value];
}

export const seriesFunctions: Implementations = rows({
  generate_series_int4: (_context, start: number, stop: number) => integers(start, stop),
  generate_series_step_int4: (_context, start: number, stop: number, step: number) =>
    integers(start, stop, step),
  generate_series_int8: (_context, start: Integer, stop: Integer) => integers(start, stop),
  generate_series_step_int8: (_context, start: Integer, stop: Integer, step: Integer) =>
    integers(start, stop, step),
  generate_series_numeric: (_context, start: Numeric, stop: Numeric) => numerics(start, stop),
  generate_series_step_numeric: (_context, start: Numeric, stop: Numeric, step: Numeric) =>
    numerics(start, stop, step),
  generate_series_timestamp: (_context, start: Integer, stop: Integer, step: Interval) =>
    moments(start, stop, step, (value) => addToTimestamp(value, step)),
  generate_series_timestamptz: (context: FunctionContext, start: Integer, stop: Integer, step: Interval) => {
    const zone = timeZone(context.timeZone);
    return moments(start, stop, step, (value) => addToTimestamptz(value, step, zone));
  },
});
