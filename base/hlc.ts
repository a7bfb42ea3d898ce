import { type Timestamp, timestamp } from './ids.ts';

const counterSize = 2048;
/** 2020-01-01T00:00:00Z in milliseconds since 1970. */
export const hlcEpochMs = 1_577_836_800_000;

/** The first timestamp of a wall-clock millisecond (milliseconds since 1970). */
export function timestampOfMs(wallMs: number): Timestamp {
  return timestamp(Math.max(0, Math.floor(wallMs) - hlcEpochMs) * counterSize);
}

/** Milliseconds since 1970 of a timestamp. */
export function msOfTimestamp(value: Timestamp): number {
  return Math.floor(value / counterSize) + hlcEpochMs;
}

/**
 * The next timestamp of a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): later than
 * `last`, and not before the wall clock. A wall clock that jumps back only advances the counter.
 */
export function nextTimestamp(last: Timestamp, wallMs: number): Timestamp {
  return timestamp(Math.max(last + 1, timestampOfMs(wallMs)));
}
