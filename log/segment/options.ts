import type { Clock, Disk, Env } from '../../base/env/env.ts';
import type { Offset } from '../../base/ids.ts';
import type { LogListener, LogReplication } from '../log.ts';

export type LogOptions = {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Held by this process alone: the caller has its lock. */
  readonly directory: string;
  readonly listener?: LogListener;
  readonly limits?: Partial<LogLimits>;
  /**
   * Where other nodes have the log too: what is committed is theirs to say. `highWatermark`: what is known to be, of that
   * which the log has.
   */
  readonly replication?: { readonly by: LogReplication; readonly highWatermark: Offset };
  readonly rarely?: Env['rarely'];
};

export type LogLimits = {
  /** A segment that would grow past it ends. */
  readonly segmentBytesMax: number;
  /** A flush that has so many bytes takes no more batches. */
  readonly flushBytesMax: number;
  /** Above the high watermark; `append` refuses more. */
  readonly unflushedBytesMax: number;
  /** The mark follows the log after so many bytes … */
  readonly markBytes: number;
  /** … or so long. */
  readonly markDelayMs: number;
  /** Callers that wait for an offset that is not yet appended. */
  readonly waitersMax: number;
};

export const defaultLimits: LogLimits = {
  segmentBytesMax: 32 * 1024 * 1024,
  flushBytesMax: 4 * 1024 * 1024,
  unflushedBytesMax: 64 * 1024 * 1024,
  markBytes: 4 * 1024 * 1024,
  markDelayMs: 1000,
  waitersMax: 65_536,
};
