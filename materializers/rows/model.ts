import { expect } from 'chai';
import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import type { Env } from '../../base/env/env.ts';
import {
  columnId,
  indexId,
  schemaId,
  storageId,
  type Timestamp,
  tableId,
  timestamp,
} from '../../base/ids.ts';
import { datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { EventSchema, TableLayout } from '../../log/events/layout.ts';
import { eventSchemaToJson, tableLayoutToJson } from '../../log/events/layout-json.ts';
import { EventWriter } from '../../log/events/row-event.ts';
import { objectsLayout, objectsSchema } from '../../log/events/system.ts';
import { BatchBuilder, type BatchPlace } from '../../log/record/batch-builder.ts';
import { encodeControlBatch } from '../../log/record/control.ts';
import type { ControlRecord } from '../../log/record/record.ts';
import { openLog, type SegmentedLog } from '../../log/segment/log.ts';
import { batchesOf } from './batches.ts';
import type { ReadView } from './contract.ts';
import { openRows, type Rows } from './fold.ts';
import { decodeKey, encodeKeyDatums, primaryKeyTextOf } from './key.ts';
import { Overlay, type PendingChanges } from './overlay.ts';

const int8 = { kind: 'int8' } as const;
const int4 = { kind: 'int4' } as const;
const text = { kind: 'text' } as const;
const byValue = indexId(20_000);
const idColumn = { column: columnId(1), type: int8, descending: false, nullsFirst: false };

/** Version 1: id, name, value. Version 2 adds `extra`, which reads -7 in rows that were there before. */
function schemaOf(version: 1 | 2): EventSchema {
  const fields: EventSchema['fields'] = [
    { column: columnId(1), name: 'id', type: int8, required: true, sqlType: 'int8' },
    { column: columnId(2), name: 'name', type: text, required: false, sqlType: 'text' },
    { column: columnId(3), name: 'value', type: int4, required: false, sqlType: 'int4' },
    { column: columnId(4), name: 'extra', type: int4, required: false, sqlType: 'int4' },
  ];
  return {
    id: schemaId(100 + version),
    table: tableId(16_384),
    storage: storageId(10),
    name: 'public.t',
    fields: version === 1 ? fields.slice(0, 3) : fields,
    key: [columnId(1)],
  };
}

function layoutOf(version: 1 | 2): TableLayout {
  const schema = schemaOf(version);
  return {
    table: schema.table,
    storage: schema.storage,
    schema: schema.id,
    columns: schema.fields.map(({ column, type }) => ({
      id: column,
      type,
      missing: column === 4 ? -7 : null,
    })),
    key: [idColumn],
    indexes: [
      {
        id: byValue,
        columns: [{ column: columnId(3), type: int4, descending: true, nullsFirst: false }],
        unique: false,
        nullsDistinct: true,
        state: 'public',
      },
    ],
    historyMs: 24 * 3_600_000,
  };
}

export type Row = readonly Datum[];
export type Table = ReadonlyMap<number, Row>;

/** The fold beside what its tests remember: the whole table after each commit. */
export class Model {
  env: Env;
  log!: SegmentedLog;
  rows!: Rows;
  readonly history: { readonly timestamp: Timestamp; readonly table: Table }[] = [
    { timestamp: timestamp(0), table: new Map() },
  ];
  version: 1 | 2 = 1;
  historyMs = 24 * 3_600_000;
  /** What the commit under way makes of the table: after a crash it may stand or not. */
  attempted: Table = new Map();
  readonly problems: Error[] = [];
  /** Flushes that go on while other steps run. */
  readonly beside: Promise<void>[] = [];
  #clock = 1000;
  /** As a leader commits what it wrote itself; else as everybody else folds it. */
  #handsOver = false;

  /** Of rows of undecided transactions in memory. */
  runBytesMax = 1;

  constructor(env: Env) {
    this.env = env;
  }

  get layout(): TableLayout {
    return { ...layoutOf(this.version), historyMs: this.historyMs };
  }
  get table(): Table {
    return this.history.at(-1)!.table;
  }

  async open(): Promise<void> {
    const { disk, clock } = this.env;
    this.log = await openLog({ disk, clock, directory: '/db/log' });
    this.rows = await openRows({
      env: this.env,
      directory: '/db/rows',
      log: this.log,
      cacheBytes: 1 << 20,
      memtableBytesMax: 100_000,
      runBytesMax: this.runBytesMax,
      onProblem: (error) => this.problems.push(error),
    });
  }

  async reopen(): Promise<void> {
    await Promise.all(this.beside);
    await this.rows.close();
    await this.log.close();
    await this.open();
  }

  async commit(overlay: Overlay, table: Table): Promise<void> {
    this.#clock += 10;
    this.attempted = table;
    const at = timestamp(this.#clock);
    const batch = this.encode(overlay.changes(), at);
    if (batch !== null) {
      if (this.#handsOver) this.rows.applyOwn(this.log.append(batch), overlay, at);
      else this.append(batch);
      this.#handsOver = !this.#handsOver;
      await this.log.committed(this.log.endOffset);
    }
    this.history.push({ timestamp: timestamp(this.#clock), table });
  }

  /**
   * The same in batches of one Kafka transaction, one for each command, ended by a marker; some other things happen
   * in between. `tables`: as the transaction sees the table after each command.
   */
  async commitLarge(overlay: Overlay, tables: readonly Table[], isAborted: boolean): Promise<void> {
    const producer = { id: 7, epoch: 0, baseSequence: 0, isTransactional: true };
    const table = tables.at(-1)!;
    for (let command = 1; command <= tables.length; command++) {
      const batch = this.encode(overlay.changes(command, command), timestamp(0), producer);
      if (batch === null) continue;
      this.append(batch);
      await this.log.committed(this.log.endOffset);
      overlay.noteSpilled(this.rows.undecidedRun(producer.id)!, command);
      await this.rows.makeRoom(producer.id);
    }
    overlay.forgetSpilled();
    for (const [index, seen] of tables.entries()) {
      const view = { at: this.history.at(-1)!.timestamp, pending: { rows: overlay, command: index + 2 } };
      for (const byIndex of [false, true]) {
        const query = { at: 1, from: 0, to: 4000, reverse: byIndex, byIndex, rowsWanted: null };
        expect(await scanRows(this, view, query)).to.deep.equal(expectedRows(seen, query));
      }
    }
    if (!isAborted) this.attempted = table;
    this.#clock += 10;
    if (this.#clock % 30 === 0) await this.rows.flush();
    if (this.#clock % 40 === 0) await this.reopen();
    const marker: ControlRecord = isAborted
      ? { kind: 'abort', coordinatorEpoch: 0 }
      : { kind: 'commit', coordinatorEpoch: 0, timestamp: this.#clock };
    for (let step = this.rows.settleRun(producer.id); step !== null; step = this.rows.settleRun(producer.id))
      await step;
    this.append(encodeControlBatch(marker, { ...this.#place(), producer }));
    await this.log.committed(this.log.endOffset);
    this.history.push({ timestamp: timestamp(this.#clock), table: isAborted ? this.table : table });
  }

  #place() {
    return { baseOffset: this.log.endOffset, epoch: this.log.epoch, timestampMs: 1 };
  }

  append(batch: Uint8Array): void {
    this.log.append(batch);
    this.rows.applyCommit(batch);
  }

  encode(changes: PendingChanges, at: Timestamp, producer?: BatchPlace['producer']): Uint8Array | null {
    const builder = new BatchBuilder();
    const schemas = new Map([objectsSchema, schemaOf(1), schemaOf(2)].map((schema) => [schema.id, schema]));
    const events = new EventWriter(builder, at, 1);
    while (changes.next()) {
      events.add(changes.operation, schemas.get(changes.layout!.schema)!, changes.row, changes.before);
    }
    if (builder.recordCount === 0) return null;
    return builder.finish({ ...this.#place(), ...(producer === undefined ? {} : { producer }) });
  }

  async define(version: 1 | 2): Promise<void> {
    this.version = version;
    const overlay = new Overlay();
    const put = (id: number, kind: string, json: unknown, isNew: boolean): void => {
      const row = [id, kind, null, JSON.stringify(json)];
      const before = isNew ? null : [id, kind, null, '{}'];
      overlay.put(objectsLayout, primaryKeyTextOf(objectsLayout, row), row, before, 1);
    };
    const schema = schemaOf(version);
    this.#handsOver = false;
    put(-schema.id, 'schema', eventSchemaToJson(schema), true);
    put(schema.table, 'table', { layout: tableLayoutToJson(this.layout) }, version === 1);
    const widened = new Map([...this.table].map(([id, row]) => [id, version === 2 ? [...row, -7] : row]));
    await this.commit(overlay, version === 2 ? widened : this.table);
  }
}

/** A change of some rows by one command: null deletes. */
export type Change = readonly [
  id: number,
  values: readonly [name: string | null, value: number | null] | null,
];

export function applyChange(
  model: Model,
  overlay: Overlay,
  table: Map<number, Row>,
  change: Change,
  command: number,
): void {
  const [id, values] = change;
  const { layout } = model;
  const before = table.get(id) ?? null;
  if (values === null && before === null) return;
  const row = values === null ? null : [id, ...values, ...(model.version === 2 ? [id % 5] : [])];
  overlay.put(layout, bytesToLatin1(encodeKeyDatums(layout.key, [id])), row, before, command);
  if (row === null) table.delete(id);
  else table.set(id, row);
}

export type Query = {
  /** Place in the history, as a part of it. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly reverse: boolean;
  readonly byIndex: boolean;
  readonly rowsWanted: number | null;
};

export function expectedRows(table: Table, query: Query): Row[] {
  const rows = [...table.values()].filter((row) => {
    if (query.byIndex) return true;
    return (row[0] as number) >= query.from && (row[0] as number) < query.to;
  });
  const sortValue = (row: Row): number => (row[2] === null ? Number.NEGATIVE_INFINITY : (row[2] as number));
  rows.sort((left, right) => {
    const byColumn = query.byIndex ? sortValue(right) - sortValue(left) : 0;
    return (byColumn || (left[0] as number) - (right[0] as number)) * (query.reverse ? -1 : 1);
  });
  return rows;
}

export async function scanRows(model: Model, view: ReadView, query: Query): Promise<Row[]> {
  const { layout } = model;
  const key = (id: number): Uint8Array => encodeKeyDatums(layout.key, [id]);
  const scan = model.rows.reader.scan({
    layout,
    index: query.byIndex ? byValue : indexId(0),
    ranges: query.byIndex ? [{ from: null, to: null }] : [{ from: key(query.from), to: key(query.to) }],
    reverse: query.reverse,
    view,
    columns: [...layout.columns.map(({ id }) => id), -1],
    zones: [],
    rowsWanted: query.rowsWanted,
  });
  const rows: Row[] = [];
  for await (const batch of batchesOf(scan)) {
    const count = batch.selection?.length ?? batch.rowCount;
    for (let place = 0; place < count; place++) {
      const row = batch.selection === null ? place : batch.selection[place]!;
      const values = batch.columns.map((column) => datumAt(column, row));
      const primaryKey = values.pop() as Uint8Array;
      expect(decodeKey(layout.key, primaryKey)).to.deep.equal([values[0]]);
      rows.push(values);
    }
  }
  return rows;
}

export async function checkQuery(model: Model, query: Query, pending: readonly Change[]): Promise<void> {
  const moment =
    pending.length > 0
      ? model.history.at(-1)!
      : model.history[Math.floor(query.at * (model.history.length - 1))]!;
  const isOfVersion = [...moment.table.values()].every((row) => row.length === model.layout.columns.length);
  const table = new Map(
    isOfVersion ? moment.table : [...moment.table].map(([id, row]) => [id, [...row, -7]] as const),
  );
  const overlay = new Overlay();
  for (const change of pending) applyChange(model, overlay, table, change, 1);
  applyChange(model, overlay, new Map(table), [3, ['of a later command', 1]], 2);
  const view = { at: moment.timestamp, pending: pending.length > 0 ? { rows: overlay, command: 2 } : null };
  expect(await scanRows(model, view, query)).to.deep.equal(expectedRows(table, query));
  for (const id of [query.from, query.to]) {
    const key = encodeKeyDatums(model.layout.key, [id]);
    const found = await model.rows.reader.get(model.layout, key, view, [3, 1]);
    const row = table.get(id);
    expect(found?.values).to.deep.equal(row && [row[2], row[0]]);
  }
}
