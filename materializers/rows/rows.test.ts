import { expect } from 'chai';
import fc from 'fast-check';
import type { Env } from '../../base/env/env.ts';
import { SimulatedCrash } from '../../base/env/simulated/incarnation.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
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
import { appendEvent } from '../../log/events/row-event.ts';
import { objectsLayout, objectsSchema } from '../../log/events/system.ts';
import { BatchBuilder } from '../../log/record/batch-builder.ts';
import { openLog, type SegmentedLog } from '../../log/segment/log.ts';
import type { ReadView } from './contract.ts';
import { openRows, type Rows } from './fold.ts';
import { decodeKey, encodeKeyDatums, primaryKeyOf } from './key.ts';
import { Overlay } from './overlay.ts';

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

type Row = readonly Datum[];
type Table = ReadonlyMap<number, Row>;

/** What the test remembers: the whole table after each commit. */
class Model {
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
  /** Flushes that go on while other steps run. */
  readonly beside: Promise<void>[] = [];
  #clock = 1000;

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
    this.rows = await openRows({ env: this.env, directory: '/db/rows', log: this.log, cacheBytes: 1 << 20 });
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
    const batch = this.encode(overlay, timestamp(this.#clock));
    if (batch !== null) {
      this.log.append(batch);
      this.rows.applyCommit(batch);
      await this.log.committed(this.log.endOffset);
    }
    this.history.push({ timestamp: timestamp(this.#clock), table });
  }

  encode(overlay: Overlay, at: Timestamp): Uint8Array | null {
    const builder = new BatchBuilder();
    const schemas = new Map([objectsSchema, schemaOf(1), schemaOf(2)].map((schema) => [schema.id, schema]));
    for (const { operation, layout, row, before } of overlay.changes()) {
      const schema = schemas.get(layout.schema)!;
      appendEvent(builder, { operation, timestamp: at, transaction: 1, schema, row, before });
    }
    if (builder.recordCount === 0) return null;
    return builder.finish({ baseOffset: this.log.endOffset, epoch: this.log.epoch, timestampMs: 1 });
  }

  async define(version: 1 | 2): Promise<void> {
    this.version = version;
    const overlay = new Overlay();
    const put = (id: number, kind: string, json: unknown, isNew: boolean): void => {
      const row = [id, kind, null, JSON.stringify(json)];
      const before = isNew ? null : [id, kind, null, '{}'];
      overlay.put(objectsLayout, primaryKeyOf(objectsLayout, row), row, before, 1);
    };
    const schema = schemaOf(version);
    put(-schema.id, 'schema', eventSchemaToJson(schema), true);
    put(schema.table, 'table', { layout: tableLayoutToJson(this.layout) }, version === 1);
    const widened = new Map([...this.table].map(([id, row]) => [id, version === 2 ? [...row, -7] : row]));
    await this.commit(overlay, version === 2 ? widened : this.table);
  }
}

/** A change of some rows by one command: null deletes. */
type Change = readonly [id: number, values: readonly [name: string | null, value: number | null] | null];

function applyChange(
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
  overlay.put(layout, encodeKeyDatums(layout.key, [id]), row, before, command);
  if (row === null) table.delete(id);
  else table.set(id, row);
}

type Query = {
  /** Place in the history, as a part of it. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly reverse: boolean;
  readonly byIndex: boolean;
  readonly rowsWanted: number | null;
};

function expectedRows(table: Table, query: Query): Row[] {
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

async function scanRows(model: Model, view: ReadView, query: Query): Promise<Row[]> {
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
  for (;;) {
    const batch = scan.next();
    if (batch === null) break;
    if (batch instanceof Promise) {
      await batch;
      continue;
    }
    const count = batch.selection?.length ?? batch.rowCount;
    for (let place = 0; place < count; place++) {
      const row = batch.selection === null ? place : batch.selection[place]!;
      const values = batch.columns.map((column) => datumAt(column, row));
      const primaryKey = values.pop() as Uint8Array;
      expect(decodeKey(layout.key, primaryKey)).to.deep.equal([values[0]]);
      rows.push(values);
    }
  }
  scan.close();
  return rows;
}

async function checkQuery(model: Model, query: Query, pending: readonly Change[]): Promise<void> {
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

const everything: Query = { at: 1, from: 0, to: 4000, reverse: false, byIndex: false, rowsWanted: null };
const idsMax = 60;
const name: fc.Arbitrary<string | null> = fc.option(fc.string({ maxLength: 6 }));
const value: fc.Arbitrary<number | null> = fc.option(fc.integer({ min: 0, max: 5 }));
const values: fc.Arbitrary<readonly [string | null, number | null] | null> = fc.option(
  fc.tuple(name, value),
  {
    freq: 3,
  },
);
const change: fc.Arbitrary<Change> = fc.tuple(fc.nat(idsMax), values);
const changes = fc.array(change, { minLength: 1, maxLength: 12 });
const query: fc.Arbitrary<Query> = fc.record({
  at: fc.nat(1000).map((part) => part / 1000),
  from: fc.nat(idsMax),
  to: fc.nat(idsMax * 2),
  reverse: fc.boolean(),
  byIndex: fc.boolean(),
  rowsWanted: fc.option(fc.integer({ min: 1, max: 20 })),
});
type Step =
  | {
      readonly kind: 'commit';
      readonly commands: readonly (readonly Change[])[];
      readonly rollbackTo: number | null;
    }
  | { readonly kind: 'bulk'; readonly from: number; readonly count: number }
  | { readonly kind: 'query'; readonly query: Query; readonly pending: readonly Change[] }
  | { readonly kind: 'reopen' | 'alter' | 'flush' | 'compact' | 'flush beside' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      commands: fc.array(changes, { minLength: 1, maxLength: 3 }),
      rollbackTo: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('bulk' as const),
      from: fc.nat(1000),
      count: fc.integer({ min: 200, max: 900 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('query' as const),
      query,
      pending: fc.oneof(fc.constant([]), changes),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('alter' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('flush' as const, 'compact' as const, 'flush beside' as const),
    }),
  },
);

async function runStep(model: Model, step: Step): Promise<void> {
  switch (step.kind) {
    case 'commit': {
      const overlay = new Overlay();
      const tables: Map<number, Row>[] = [new Map(model.table)];
      for (const [index, command] of step.commands.entries()) {
        const table = new Map(tables.at(-1));
        for (const each of command) applyChange(model, overlay, table, each, index + 1);
        tables.push(table);
      }
      const kept = Math.min(
        step.rollbackTo === null ? tables.length - 1 : step.rollbackTo - 1,
        tables.length - 1,
      );
      if (step.rollbackTo !== null) overlay.rollbackTo(step.rollbackTo);
      return model.commit(overlay, tables[kept]!);
    }
    case 'bulk': {
      const overlay = new Overlay();
      const table = new Map(model.table);
      for (let id = step.from; id < step.from + step.count; id++) {
        applyChange(model, overlay, table, [id, [`row ${id}`, id % 7]], 1);
      }
      return model.commit(overlay, table);
    }
    case 'query':
      return checkQuery(model, step.query, step.pending);
    case 'reopen':
      return model.reopen();
    case 'flush':
      return model.rows.flush();
    case 'compact':
      await model.rows.compact();
      for (let place = 0; place <= 5; place++) {
        await checkQuery(model, { ...everything, at: place / 5, byIndex: place % 2 === 0 }, []);
      }
      return undefined;
    case 'flush beside':
      model.beside.push(model.rows.flush());
      return undefined;
    case 'alter':
      return model.version === 1 ? model.define(2) : undefined;
  }
}

describe('rows', () => {
  it('reads what a map of the table at every commit says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(step, { maxLength: 60, size: 'max' }), async (seed, steps) => {
        const simulation = new Simulation(seed);
        await simulation.machine('a').run(async (env) => {
          const model = new Model(env);
          await model.open();
          await model.define(1);
          for (const each of steps) await runStep(model, each);
          for (const byIndex of [false, true]) {
            await checkQuery(model, { ...everything, byIndex }, []);
          }
        });
      }),
      { numRuns: 12 },
    );
  }).timeout(30_000);

  it('has every acknowledged commit after a crash at any I/O, and no half of one', async () => {
    const boundaries = await crashAt(1, null);
    expect(boundaries).to.be.greaterThan(50);
    for (let boundary = 0; boundary < boundaries; boundary++) await crashAt(1, boundary);
  }).timeout(30_000);

  it('drops what no reader above the horizon can see, and refuses readers below it', async () => {
    await new Simulation(1).machine('a').run(async (env) => {
      const model = new Model(env);
      model.historyMs = 0;
      await model.open();
      await model.define(1);
      for (let round = 0; round < 3; round++) await runStep(model, { kind: 'bulk', from: 0, count: 20 });
      const old = model.history[2]!.timestamp;
      await runStep(model, { kind: 'commit', commands: [[[3, null]]], rollbackTo: null });
      await model.rows.flush();
      expect(model.rows.reader.estimate(model.layout.storage).rows).to.be.greaterThan(50);
      await model.rows.compact();
      expect(model.rows.reader.estimate(model.layout.storage).rows).to.equal(19);
      await checkQuery(model, everything, []);
      const view = { at: old, pending: null };
      expect(() => model.rows.reader.get(model.layout, encodeKeyDatums(model.layout.key, [1]), view, [1]))
        .to.throw('snapshot too old')
        .with.property('code', '72000');
    });
  });

  it('forgets what the disk refused, in memtables that were cut too', async () => {
    await new Simulation(1).machine('a').run(async (env) => {
      const model = new Model(env);
      await model.open();
      await model.define(1);
      await runStep(model, { kind: 'bulk', from: 0, count: 20 });
      const { offset } = model.rows.applied;
      const overlay = new Overlay();
      const table = new Map(model.table);
      for (const id of [1, 50]) applyChange(model, overlay, table, [id, ['refused', 1]], 1);
      const batch = model.encode(overlay, timestamp(5000));
      model.rows.applyCommit(batch!);
      model.rows.truncateTo(offset);
      expect(model.rows.applied.offset).to.equal(offset);
      for (const byIndex of [false, true]) {
        const rows = await scanRows(
          model,
          { at: timestamp(9000), pending: null },
          { ...everything, byIndex },
        );
        expect(rows).to.deep.equal(expectedRows(model.table, { ...everything, byIndex }));
      }
    });
  });
});

/** Runs a workload, with a crash at an I/O boundary, and checks what is there afterwards. The boundaries there were. */
async function crashAt(seed: number, boundary: number | null): Promise<number> {
  const simulation = new Simulation(seed);
  const machine = simulation.machine('a');
  const moments = ['before', 'during', 'after'] as const;
  if (boundary !== null) machine.disk.faults.at(boundary, { kind: 'crash', moment: moments[boundary % 3]! });
  const model = new Model(machine.env);
  const workload = async (): Promise<void> => {
    await model.open();
    await model.define(1);
    for (let round = 0; round < 7; round++) {
      await runStep(model, { kind: 'bulk', from: round * 10, count: 30 });
      await runStep(model, { kind: 'commit', commands: [[[round * 7, null]]], rollbackTo: null });
      if (round % 2 === 1) await model.rows.flush();
      if (round % 3 === 2) await model.rows.compact();
    }
  };
  try {
    await machine.run(workload);
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
  }
  const acknowledged = model.table;
  const { boundaries } = machine.disk;
  model.env = machine.restart();
  await machine.run(async () => {
    await model.open();
    if (!model.rows.layouts.tables.has(model.layout.storage)) {
      expect(acknowledged.size).to.equal(0);
      return;
    }
    const view = { at: model.rows.applied.timestamp, pending: null };
    const rows = await scanRows(model, view, everything);
    const expected = [acknowledged, model.attempted].map((table) => expectedRows(table, everything));
    expect(expected).to.deep.include(rows);
    await model.rows.flush();
    await model.rows.compact();
    expect(await scanRows(model, view, everything)).to.deep.equal(rows);
  });
  return boundaries;
}
