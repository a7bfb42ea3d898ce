import { expect } from 'chai';
import fc from 'fast-check';
import { SimulatedCrash } from '../../base/env/simulated/incarnation.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { timestamp } from '../../base/ids.ts';
import { encodeKeyDatums } from './key.ts';
import {
  applyChange,
  type Change,
  checkQuery,
  expectedRows,
  Model,
  type Query,
  type Row,
  scanRows,
} from './model.ts';
import { Overlay } from './overlay.ts';

const everything: Query = { at: 1, from: 0, to: 4000, reverse: false, byIndex: false, rowsWanted: null };
/** Of rows of undecided transactions. */
const inMemory = 1 << 20;
const inFiles = 1;
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
  | {
      readonly kind: 'large';
      readonly commands: readonly (readonly Change[])[];
      readonly isAborted: boolean;
    }
  | { readonly kind: 'query'; readonly query: Query; readonly pending: readonly Change[] }
  | { readonly kind: 'reopen' | 'alter' | 'flush' | 'compact' | 'flush beside' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('large' as const),
      commands: fc.array(changes, { minLength: 1, maxLength: 3 }),
      isAborted: fc.boolean(),
    }),
  },
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
        if (step.rollbackTo === index + 1) overlay.startJournal();
        for (const each of command) applyChange(model, overlay, table, each, index + 1);
        tables.push(table);
      }
      const kept = Math.min(
        step.rollbackTo === null ? tables.length - 1 : step.rollbackTo - 1,
        tables.length - 1,
      );
      if (step.rollbackTo !== null) {
        overlay.startJournal();
        overlay.rollbackTo(step.rollbackTo);
      }
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
    case 'large': {
      const overlay = new Overlay();
      const tables: Map<number, Row>[] = [];
      for (const [index, command] of step.commands.entries()) {
        const table = new Map(tables.at(-1) ?? model.table);
        for (const each of command) applyChange(model, overlay, table, each, index + 1);
        tables.push(table);
      }
      return model.commitLarge(overlay, tables, step.isAborted);
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
          await model.rows.close();
          expect(model.problems).to.deep.equal([]);
        });
      }),
      { numRuns: 12 },
    );
  }).timeout(30_000);

  it('has every acknowledged commit after a crash at any I/O, and no half of one', async () => {
    const boundaries = await crashAt(1, null, inMemory);
    expect(boundaries).to.be.greaterThan(50);
    for (let boundary = 0; boundary < boundaries; boundary++) await crashAt(1, boundary, inMemory);
  }).timeout(30_000);

  it('has them too where large transactions have files of their own, before and after their commit', async () => {
    const boundaries = await crashAt(1, null, inFiles);
    expect(boundaries).to.be.greaterThan((await crashAt(1, null, inMemory)) + 20);
    for (let boundary = 1; boundary < boundaries; boundary += 3) await crashAt(1, boundary, inFiles);
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
      const batch = model.encode(overlay.changes(), timestamp(5000));
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
async function crashAt(seed: number, boundary: number | null, runBytesMax: number): Promise<number> {
  const simulation = new Simulation(seed);
  const machine = simulation.machine('a');
  const moments = ['before', 'during', 'after'] as const;
  if (boundary !== null) machine.disk.faults.at(boundary, { kind: 'crash', moment: moments[boundary % 3]! });
  const model = new Model(machine.env);
  model.runBytesMax = runBytesMax;
  const workload = async (): Promise<void> => {
    await model.open();
    await model.define(1);
    for (let round = 0; round < 7; round++) {
      await runStep(model, { kind: 'bulk', from: round * 10, count: 30 });
      await runStep(model, { kind: 'commit', commands: [[[round * 7, null]]], rollbackTo: null });
      const large: Change[] = [1, 2, 3].map((place) => [round * 10 + place, ['large', place]]);
      const commands = [large, [[round * 10 + 1, null]], [[round * 10 + 2, ['again', 1]]]] as const;
      await runStep(model, { kind: 'large', commands, isAborted: round % 3 === 1 });
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
