import { ByteReader } from '../../../base/bytes/reader.ts';
import { utf8ToString } from '../../../base/bytes/utf8.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import type { Condition, ErrorFields } from '../../../base/errors.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import type { Isolation } from '../../../query/txn/transaction.ts';
import type { TypeOid } from '../../../query/types/type.ts';
import type { ConnectOptions, Notice } from '../contract.ts';
import type { CommitToken } from '../settings.ts';

/**
 * What a session asks its counterpart on another node, and the answers: a line of JSON, then values as
 * `values.ts` writes them. Both nodes run the same release, or one after the other.
 */
export type RemoteRequest = {
  /** Of the asking node's sessions; never used twice while the node runs. */
  readonly session: string;
  /** Of a session that is not there yet. */
  readonly opens?: Omit<ConnectOptions, 'settings'>;
  /** Settings, where they have changed since the last request. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Nothing is read before this commit is applied. */
  readonly after?: CommitToken;
} & RemoteCall;

export type RemoteCall =
  | ({ readonly kind: 'prepare' } & RemoteText)
  /** The values of its parameters follow. */
  | ({
      readonly kind: 'run';
      readonly isWrite: boolean;
      /** The primary alone may answer it, from what is committed when it does; a write always is such. */
      readonly isPrimarys: boolean;
      /** The transaction that it begins; null: it runs in the open one, or, outside a block, by itself. */
      readonly begins: RemoteBlock | null;
      /** The implicit transaction ends with it. */
      readonly ends: boolean;
    } & RemoteText)
  | { readonly kind: 'fetch'; readonly portal: number }
  | { readonly kind: 'close'; readonly portal: number }
  /** COPY's bytes follow. */
  | { readonly kind: 'copy-write'; readonly portal: number }
  | { readonly kind: 'copy-finish'; readonly portal: number }
  | { readonly kind: 'copy-abort'; readonly portal: number; readonly message: string }
  | { readonly kind: 'savepoint'; readonly command: SavepointCommand; readonly name: string }
  /** Ends the block, or the implicit transaction. */
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  /** What failed, failed where the client is. */
  | { readonly kind: 'fail' }
  /** The only one that does not wait for those before it. */
  | { readonly kind: 'cancel' }
  | { readonly kind: 'end' };

export type SavepointCommand = 'SAVEPOINT' | 'RELEASE' | 'ROLLBACK TO';

export type RemoteText = {
  readonly text: string;
  readonly hasQuestionMarks: boolean;
  readonly parameterTypes: readonly TypeOid[];
};

export type RemoteBlock = {
  readonly isolation: Isolation;
  readonly isReadOnly: boolean;
  /** Set before it went there. */
  readonly savepoints: readonly string[];
};

export type RemoteNotice = {
  readonly severity: Notice['severity'];
  readonly condition: Condition;
  readonly message: string;
  readonly fields: ErrorFields;
};

export type RemoteAnswer = {
  readonly notices: readonly RemoteNotice[];
  /** Of the session's last commit there. */
  readonly committed: CommitToken | null;
} & (
  | { readonly kind: 'done' }
  | {
      readonly kind: 'prepared';
      readonly parameterTypes: readonly TypeOid[];
      readonly columns: readonly OutputColumn[] | null;
    }
  | { readonly kind: 'command'; readonly tag: string }
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'copy-in';
      readonly portal: number;
      readonly format: 'text' | 'csv' | 'binary';
      readonly columnCount: number;
    }
  /** So many rows follow. */
  | {
      readonly kind: 'rows';
      readonly portal: number;
      readonly columns: readonly OutputColumn[];
      readonly count: number;
      /** Null: there are more. */
      readonly tag: string | null;
    }
);

export type RemoteResult = RemoteAnswer extends infer Answer
  ? Answer extends RemoteAnswer
    ? Omit<Answer, 'notices' | 'committed'>
    : never
  : never;

export function encodeMessage(
  head: RemoteRequest | RemoteAnswer,
  writeRest: (out: ByteWriter) => void = () => {},
): Uint8Array {
  const out = new ByteWriter();
  const at = out.reserve(4);
  out.length += 4;
  out.utf8(JSON.stringify(head));
  new DataView(out.bytes.buffer).setUint32(at, out.length - at - 4);
  writeRest(out);
  return out.toBytes();
}

/** The reader stands behind the head. */
export function decodeMessage<Head extends RemoteRequest | RemoteAnswer>(
  bytes: Uint8Array,
): { readonly head: Head; readonly rest: ByteReader } {
  const rest = new ByteReader(bytes);
  const end = 4 + rest.uint32();
  const head = JSON.parse(utf8ToString(bytes, 4, end)) as Head;
  rest.skip(end - 4);
  return { head, rest };
}
