import type { EmbeddedDatabase } from '../../api/database/embedded.ts';
import type { Engine } from '../../api/database/engine.ts';
import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { type IndexId, indexId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { keyPseudoColumn } from '../../materializers/rows/contract.ts';
import { indexKeyOf } from '../../materializers/rows/key.ts';
import { unfinishedIndexes } from '../../query/catalog/index-state.ts';
import { rowsOf } from '../../query/exec/rows.ts';
import type { Model, State } from './model.ts';
import { readObjects, readState } from './schema.ts';

/** The database is not what the model says. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Every acknowledged transaction is there, wholly; every other one wholly or not at all. Then the model knows which. */
export async function checkRecovered(database: EmbeddedDatabase, model: Model): Promise<void> {
  const query = database.query.bind(database);
  const rows = await readState(query);
  const present = new Set<number>();
  for (const key of rows.keys())
    if (key.startsWith('journal/')) present.add(Number.parseInt(key.slice('journal/'.length), 10));
  for (const id of model.idsBy('acknowledged'))
    if (!present.has(id)) throw new Violation(`transaction ${id} was acknowledged and is lost`);
  for (const outcome of ['running', 'refused'] as const)
    for (const id of model.idsBy(outcome))
      if (present.has(id)) throw new Violation(`transaction ${id} is there, and it was ${outcome}`);
  compare(model.stateWith(present), new Map([...rows, ...(await readObjects(query))]), 'after recovery');
  for (const { definition } of unfinishedIndexes(database.engine.transactions.catalog))
    throw new Violation(`index ${definition.name} is half built, and nobody builds it`);
  await checkIndexes(database.engine);
  await checkNumbers(database, model);
  await checkPast(database, model);
  model.settle(present);
}

/** Nothing is under way: exactly what was acknowledged is there, and this moment is remembered. */
export async function checkQuiescent(database: EmbeddedDatabase, model: Model): Promise<void> {
  const query = database.query.bind(database);
  const acknowledged = new Set(model.idsBy('acknowledged'));
  const rows = await readState(query);
  compare(
    model.stateWith(acknowledged),
    new Map([...rows, ...(await readObjects(query))]),
    'while nothing ran',
  );
  await checkIndexes(database.engine);
  model.remember(database.engine.log.highWatermark, rows);
}

/** Rows as they were at earlier moments. Past the retention they may be refused, never wrong. */
async function checkPast(database: EmbeddedDatabase, model: Model): Promise<void> {
  for (const { offset, state } of model.past) {
    try {
      const query = database.query.bind(database);
      const rows = await readState(query, `FOR SYSTEM_TIME AS OF OFFSET ${offset}`);
      compare(state, rows, `as of offset ${offset}`);
    } catch (error) {
      if (!(error instanceof AlopexError && error.condition === 'snapshot_too_old')) throw error;
    }
  }
}

async function checkNumbers(database: EmbeddedDatabase, model: Model): Promise<void> {
  const { rows } = await database.query<{ n: number }>(`SELECT nextval('numbers')::int AS n`);
  const next = rows[0]!.n;
  if (next <= model.sequenceMax)
    throw new Violation(`the sequence gives ${next} again: ${model.sequenceMax} was acknowledged`);
  model.acknowledgeNumber(next);
}

function compare(expected: State, actual: State, when: string): void {
  const differences: string[] = [];
  for (const [key, value] of expected) {
    const found = actual.get(key);
    if (found !== value) differences.push(`${key}: "${value}" is expected, "${found ?? 'nothing'}" is there`);
  }
  for (const [key, value] of actual)
    if (!expected.has(key)) differences.push(`${key}: nothing is expected, "${value}" is there`);
  if (differences.length === 0) return;
  throw new Violation(`${when}, ${differences.length} differ: ${differences.slice(0, 5).join('; ')}`);
}

/** Each index has an entry for each row, in the order of its keys, and no other. */
export async function checkIndexes(engine: Engine): Promise<void> {
  for (const table of engine.transactions.catalog.all()) {
    if (table.kind !== 'table') continue;
    const { layout } = table;
    const columns = [keyPseudoColumn, ...layout.columns.map(({ id }) => id)];
    const rows = await scanAll(engine, layout, indexId(0), columns);
    for (const index of layout.indexes) {
      if (index.state !== 'public') continue;
      const expected = rows
        .map(([key, ...values]) => ({
          entry: bytesToLatin1(indexKeyOf(layout, index, values)),
          key: bytesToLatin1(key as Uint8Array),
        }))
        .sort((left, right) => (left.entry < right.entry ? -1 : 1))
        .map(({ key }) => key);
      const entries = await scanAll(engine, layout, index.id, [keyPseudoColumn]);
      const actual = entries.map(([key]) => bytesToLatin1(key as Uint8Array));
      const differs = expected.findIndex((key, place) => actual[place] !== key);
      if (differs < 0 && actual.length === expected.length) continue;
      throw new Violation(
        `index ${index.id} of ${table.name} has ${actual.length} entries for ${expected.length} rows; entry ${differs} differs`,
      );
    }
  }
}

export async function scanAll(
  engine: Engine,
  layout: TableLayout,
  index: IndexId,
  columns: readonly number[],
): Promise<readonly (readonly Datum[])[]> {
  const scan = engine.reader.scan({
    layout,
    index,
    ranges: [{ from: null, to: null }],
    reverse: false,
    view: { at: engine.transactions.visible, pending: null },
    columns,
    zones: [],
    rowsWanted: null,
  });
  const all: (readonly Datum[])[] = [];
  for (;;) {
    const batch = scan.next();
    if (batch instanceof Promise) await batch;
    else if (batch === null) return all;
    else for (const row of rowsOf(batch)) all.push(row);
  }
}
