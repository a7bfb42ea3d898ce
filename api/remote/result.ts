import type {
  BackendMessage,
  CommandCompleteMessage,
  DataRowMessage,
  RowDescriptionMessage,
} from 'pg-protocol/dist/messages.js';
import { unsupported } from '../../base/errors.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { parseTag } from '../database/command-tag.ts';
import type { Field, QueryResult } from '../database/database.ts';
import { textValueReader, type Value } from '../database/values.ts';

const empty: QueryResult<never> = { command: '', rowCount: 0, rows: [], fields: [] };

/** Reads the messages of an answer: the last statement's result, and the rows as they come. */
export class ResultReader<R> {
  readonly #context: FunctionContext;
  #fields: readonly Field[] = [];
  #toRow: ((texts: readonly (string | null)[]) => R) | null = null;
  #rows: R[] = [];
  #result: QueryResult<R> = empty;
  /** The portal has no rows left. */
  isDone = false;

  constructor(context: FunctionContext) {
    this.#context = context;
  }

  get result(): QueryResult<R> {
    return this.#result;
  }

  /** The rows that came since the last call. */
  takeRows(): readonly R[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  onMessage(message: BackendMessage): void {
    switch (message.name) {
      case 'rowDescription':
        this.#describe(message as RowDescriptionMessage);
        return;
      case 'noData':
        this.#toRow = null;
        return;
      case 'dataRow':
        this.#rows.push(this.#toRow!((message as DataRowMessage).fields));
        return;
      case 'commandComplete':
        this.#complete((message as CommandCompleteMessage).text);
        return;
      case 'emptyQuery':
        this.isDone = true;
        this.#result = empty;
        return;
      case 'copyInResponse':
      case 'copyOutResponse':
        throw unsupported('COPY through query()');
      default:
        return;
    }
  }

  #describe({ fields }: RowDescriptionMessage): void {
    this.#fields = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
      name,
      type: dataTypeID,
      modifier: dataTypeModifier,
    }));
    const readers = this.#fields.map(({ type, modifier }) =>
      textValueReader({ oid: type, modifier }, this.#context),
    );
    const names = this.#fields.map(({ name }) => name);
    this.#rows = [];
    this.#toRow = (texts) => {
      const row: Record<string, Value> = {};
      for (let index = 0; index < names.length; index++) {
        const text = texts[index]!;
        row[names[index]!] = text === null ? null : readers[index]!(text);
      }
      return row as R;
    };
  }

  #complete(tag: string): void {
    this.isDone = true;
    const { command, rowCount } = parseTag(tag);
    const isRows = this.#toRow !== null;
    this.#result = isRows
      ? { command, rowCount: this.#rows.length, rows: this.#rows, fields: this.#fields }
      : { command, rowCount, rows: [], fields: [] };
    if (!isRows) return;
    // The next statement of a script describes its own rows.
    this.#toRow = null;
    this.#fields = [];
  }
}
