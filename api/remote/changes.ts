import { serialize } from 'pg-protocol';
import type { BackendMessage, CopyDataMessage } from 'pg-protocol/dist/messages.js';
import type { FunctionContext } from '../../query/types/function.ts';
import { quoteIdentifier } from '../../query/types/identifier.ts';
import type { ChangeLine } from '../database/copy/changes.ts';
import type { Change, Row, TailOptions } from '../database/database.ts';
import { textValueReader, type Value } from '../database/values.ts';
import type { Wire } from './wire.ts';

/** Changes that wait for the program; past them nothing is read from the socket, and the server waits. */
const waitingMax = 1_000;

export function tailText({ table, from }: TailOptions): string {
  const relation = table === undefined ? 'alopex.log' : table.split('.').map(quoteIdentifier).join('.');
  return `COPY ${relation} TO STDOUT (FORMAT changes${from === undefined ? '' : `, FROM ${from}`})`;
}

/** The changes that a server sends, one message each, no faster than they are taken. */
export class ChangeArrivals {
  readonly #wire: Wire;
  readonly #context: FunctionContext;
  readonly #waiting: Change[] = [];
  #wake: () => void = () => {};

  constructor(wire: Wire, context: FunctionContext) {
    this.#wire = wire;
    this.#context = context;
  }

  async *changes(text: string): AsyncGenerator<Change> {
    let isOver = false;
    const copied = this.#wire
      .exchange({ bytes: serialize.query(text), onMessage: (message) => this.#onMessage(message) })
      .finally(() => {
        isOver = true;
        this.#wake();
      });
    // Awaited below, once what came before its end is taken.
    copied.catch(() => {});
    for (;;) {
      while (this.#waiting.length > 0) yield this.#waiting.shift()!;
      if (isOver) return copied;
      const arrival = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wire.resume();
      await arrival;
    }
  }

  /** A message's bytes are the parser's again after it: they are read here. */
  #onMessage(message: BackendMessage): void {
    if (message.name !== 'copyData') return;
    const { chunk } = message as CopyDataMessage;
    this.#waiting.push(this.#change(JSON.parse(chunk.toString('utf8')) as ChangeLine));
    if (this.#waiting.length >= waitingMax) this.#wire.pause();
    this.#wake();
  }

  #change({ types, before, after, committedAt, ...change }: ChangeLine): Change {
    const row = (texts: ChangeLine['before']): Row | null =>
      texts === null ? null : this.#row(texts, types);
    return { ...change, committedAt: new Date(committedAt), before: row(before), after: row(after) };
  }

  #row(texts: Readonly<Record<string, string | null>>, types: ChangeLine['types']): Row {
    const row: Record<string, Value> = {};
    for (const [name, text] of Object.entries(texts)) {
      row[name] =
        text === null ? null : textValueReader({ oid: types[name]!, modifier: -1 }, this.#context)(text);
    }
    return row;
  }
}
