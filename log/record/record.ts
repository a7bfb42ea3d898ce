import type { Epoch, Offset } from '../../base/ids.ts';
import type { Membership } from '../raft/contract.ts';

/** One record of a Kafka record batch v2. Times are milliseconds since 1970. */
export type LogRecord = {
  readonly offset: Offset;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
};
export type RecordHeader = { readonly key: string; readonly value: Uint8Array | null };

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** The 61 bytes before the records. `producerId` -1: no producer. */
export type BatchHeader = {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly epoch: Epoch;
  readonly compression: Compression;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  /** Bytes of the whole batch, header included. */
  readonly sizeBytes: number;
};

/**
 * Control records. `abort` and `commit` are Kafka's own end-of-transaction markers (types 0 and 1); the others
 * use types from 1000 up, which Kafka clients skip.
 */
export type ControlRecord =
  | { readonly kind: 'abort'; readonly coordinatorEpoch: number }
  | { readonly kind: 'commit'; readonly coordinatorEpoch: number; readonly timestamp: number }
  /** What the batch's producer wrote from an offset on, up to here, is no more: it went back to a savepoint. */
  | { readonly kind: 'rollback'; readonly from: number }
  /** Everything below this record's offset is flushed together: where memtables are cut, on every replica. */
  | { readonly kind: 'flush-point'; readonly horizon: number }
  | { readonly kind: 'leader-change'; readonly leader: number }
  /** Who has and decides the log, from this record on (`log/raft`). */
  | { readonly kind: 'membership'; readonly membership: Membership };
