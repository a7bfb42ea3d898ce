import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { explain } from '../plan/explain.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { BatchFilter, BatchProjection, setCompilationMode } from './batch-expressions.ts';
import { execute } from './execute.ts';
import { KeyTable, NumberTable } from './key-table.ts';
import type { Actual } from './operator.ts';
import { pointRead } from './point-read.ts';
import { ColumnBuilder } from './row-store.ts';
import { drain, MemoryDatabase } from './test-kit/database.ts';
import { MemoryReader } from './test-kit/memory-reader.ts';
import { gather } from './vectors.ts';

const numbers = `with recursive s(i) as (select 1 union all select i + 1 from s where i < 3000)`;

async function withRows(reader?: MemoryReader): Promise<MemoryDatabase> {
  const database = await MemoryDatabase.open(reader);
  await database.run(
    `create table t (id int primary key, a int, b text);
     insert into t ${numbers} select i, i % 10, 'x' || (i % 7)::text from s`,
  );
  return database;
}

describe('NumberTable', () => {
  it('gives each number one dense id', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, Number.NaN))),
        (keys) => {
          const table = new NumberTable();
          const expected = new Map<number, number>();
          for (const key of keys) {
            const id = expected.get(key) ?? expected.size;
            expected.set(key, id);
            expect(table.add(key)).to.equal(id);
          }
          for (const [key, id] of expected) expect(table.find(key)).to.equal(id);
          expect(table.size).to.equal(expected.size);
        },
      ),
    );
  });
});

describe('KeyTable', () => {
  const int4 = 23;
  const text = 25;

  it('gives equal rows, nulls among them, one id', () => {
    const rowsOf = fc.array(
      fc.tuple(fc.option(fc.integer({ min: -3, max: 70_000 })), fc.option(fc.constantFrom('a', 'b', ''))),
    );
    fc.assert(
      fc.property(rowsOf, (rows) => {
        const columns: ColumnVector[] = [0, 1].map((column) => ({
          kind: 'datum',
          values: rows.map((row) => row[column]!),
          nulls: null,
        }));
        const table = new KeyTable([int4, text]);
        const ids = new Int32Array(rows.length);
        table.assign(columns, null, rows.length, true, ids);
        const expected = new Map<string, number>();
        const wanted = rows.map((row) => {
          const key = JSON.stringify(row);
          if (!expected.has(key)) expected.set(key, expected.size);
          return expected.get(key)!;
        });
        expect([...ids]).to.deep.equal(wanted);
        const keys = table.keys(0, table.size);
        expect([...expected.keys()]).to.deep.equal(
          [...expected.values()].map((id) => JSON.stringify(keys.map((key) => datumAt(key, id)))),
        );
      }),
    );
  });
});

describe('ColumnBuilder', () => {
  it('gives back what was appended, whatever its kinds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.oneof(fc.integer(), fc.string()), { freq: 4 }), { maxLength: 200 }),
        (values) => {
          const builder = new ColumnBuilder();
          for (const value of values) builder.push(value);
          const column = builder.finish();
          expect(values.map((_value, row) => datumAt(column, row))).to.deep.equal(values);
          const order = Int32Array.from(values, (_value, row) => values.length - 1 - row);
          const reversed = gather(column, order, order.length, false);
          expect(values.map((_value, row) => datumAt(reversed, row))).to.deep.equal([...values].reverse());
        },
      ),
    );
  });
});

describe('generated code and closures', () => {
  it('give the same vectors and selections', async () => {
    const database = await withRows();
    const expressions = [
      'a + id',
      'a * 2 - id',
      'id / 3',
      'id % 4',
      'a = 3 or b is null',
      "b = 'x3'",
      'case when a > 5 then id end',
      'coalesce(a, id)',
      'a::float8 * 1.5',
      'a::bigint * 4000000000000',
      ...['=', '<>', '<', '<=', '>', '>='].flatMap((operator) => [
        `a ${operator} id`,
        `a::float8 ${operator} id::float8`,
        `coalesce(a::float8, 'NaN') ${operator} coalesce(id::float8, 'NaN')`,
      ]),
    ];
    const environment = {
      parameters: [],
      slots: [],
      functions: database.context([]).functions,
      subplans: neverAsked,
    };
    const column = fc.array(fc.option(fc.integer({ min: -9, max: 9 }), { freq: 5 }), {
      minLength: 5,
      maxLength: 5,
    });
    const sql = fc.constantFrom(...expressions);
    fc.assert(
      fc.property(sql, column, column, fc.boolean(), (text, ids, as, isSelected) => {
        const { root } = database.plan(`select ${text} from t`);
        const [expression] = root.kind === 'project' ? root.expressions : [];
        const vectors =
          root.kind === 'project'
            ? root.input.types.map((type, at) =>
                vectorOf(
                  type.oid === 25 ? ids.map((id) => (id === null ? null : `x${id}`)) : at === 0 ? ids : as,
                ),
              )
            : [];
        const batch = {
          rowCount: 5,
          columns: vectors,
          selection: isSelected ? Uint32Array.of(1, 3, 4) : null,
        };
        const answers = (['closures', 'generated'] as const).map((mode) => {
          setCompilationMode(mode);
          const [made] = new BatchProjection([expression!], environment).apply(batch);
          const values = [...(batch.selection ?? [0, 1, 2, 3, 4])].map((row) => datumAt(made!, row));
          const kept =
            expression!.type.oid === 16 ? new BatchFilter(expression!, environment).apply(batch) : null;
          return { values, kept: kept === null ? null : [...(kept.selection ?? [])] };
        });
        expect(answers[1]).to.deep.equal(answers[0]);
      }),
    );
    setCompilationMode('adaptive');
  });
});

const neverAsked = {
  scalar: () => null,
  exists: () => false,
  rows: () => [],
  membership: () => ({ isEmpty: true, hasNull: false, has: () => false }),
  close: () => undefined,
};

function vectorOf(values: readonly Datum[]): ColumnVector {
  if (values.some((value) => typeof value === 'string')) return { kind: 'datum', values, nulls: null };
  return {
    kind: 'float64',
    values: Float64Array.from(values, Number),
    nulls: Uint8Array.from(values, (value) => (value === null ? 1 : 0)),
  };
}

describe('execute', () => {
  it('answers without a promise where storage does', async () => {
    const database = await withRows();
    const cursor = execute(
      database.plan('select id from t where a = 1 order by id desc'),
      database.context([]),
    );
    expect(cursor.next()).not.to.be.instanceOf(Promise);
    cursor.close();
  });

  it('gives the same rows where every second answer waits', async () => {
    const waiting = await withRows(new MemoryReader({ batchRows: 50, waits: 2 }));
    const ready = await withRows();
    for (const sql of [
      'select a, count(*), sum(id) from t group by a order by a',
      'select x.id, y.b from t x join t y on x.id = y.id + 2990 order by 1',
      'select id, (select max(y.id) from t y where y.a = x.a and y.id < 20) from t x where id < 40 order by id',
      'select id from t where id in (1, 5, 2999) or a = (select 4) order by b, id limit 10',
    ]) {
      expect(await waiting.run(sql), sql).to.deep.equal(await ready.run(sql));
    }
  });

  it('sums integers exactly past 2^53, and averages them', async () => {
    const database = await MemoryDatabase.open();
    await database.run('create table n (k int primary key, v int8)');
    await database.run(
      'insert into n values (1, 9007199254740991), (2, 9007199254740991), (3, 1), (4, null)',
    );
    const [row] = await database.run('select sum(v), avg(v), max(v), count(v) from n');
    expect(row!.map(String)).to.deep.equal([
      '18014398509481983',
      '6004799503160661.0000',
      '9007199254740991',
      '3',
    ]);
  });

  it('sorts stably, and takes the first rows of more than it keeps', async () => {
    const database = await withRows(new MemoryReader({ batchRows: 700 }));
    const all = await database.run('select b, id from t order by b desc, id');
    expect(await database.run('select b, id from t order by b desc, id limit 7 offset 3')).to.deep.equal(
      all.slice(3, 10),
    );
    const stable = await database.run('select a, id from t order by a');
    expect(stable.map(([a, id]) => Number(a) * 10_000 + Number(id))).to.satisfy((keys: number[]) =>
      keys.every((key, at) => at === 0 || key > keys[at - 1]!),
    );
  });

  it('fails with 53200 past its memory, and gives all back', async () => {
    const database = await withRows();
    database.memoryMax = 20_000;
    for (const sql of [
      'select * from t order by b, id',
      'select x.id from t x join t y on x.b = y.b',
      'select id, count(*) from t group by id',
    ]) {
      let thrown: unknown = null;
      await database.run(sql).catch((error: unknown) => {
        thrown = error;
      });
      expect(thrown instanceof AlopexError && thrown.code, sql).to.equal('53200');
      expect(database.reserved, sql).to.equal(0);
    }
  });

  it('stops where the statement is cancelled', async () => {
    const database = await withRows();
    let checks = 0;
    const context = {
      ...database.context([]),
      checkCancelled: () => {
        if (++checks > 20) throw new AlopexError('query_canceled', 'canceling statement due to user request');
      },
    };
    let thrown: unknown = null;
    await drain(execute(database.plan('select count(*) from t x, t y, t z'), context)).catch(
      (error: unknown) => {
        thrown = error;
      },
    );
    expect(thrown instanceof AlopexError && thrown.code).to.equal('57014');
  });

  it('measures plan nodes for EXPLAIN ANALYZE', async () => {
    const database = await withRows();
    const statement = database.plan('select count(*) from t where a = 3');
    const actuals = new Map<PhysicalPlan, Actual>();
    await database.rows(statement, [], actuals);
    const lines = explain(statement, { costs: false, actuals });
    expect(lines[0]).to.match(/^Aggregate \(actual time=[\d.]+ rows=1\.00 loops=1\)$/);
    expect(lines[1]).to.match(/Seq Scan on t \(actual time=[\d.]+ rows=300\.00 loops=1\)$/);
  });

  it('writes what INSERT, UPDATE and DELETE mean', async () => {
    const database = await withRows();
    const changed = await database.run(
      'update t set a = a + 100, b = (select max(b) from t) where id <= 2 returning id, a, b',
    );
    expect(changed).to.deep.equal([
      [1, 101, 'x6'],
      [2, 102, 'x6'],
    ]);
    expect(await database.run('delete from t where id > 2998 returning id')).to.deep.equal([[2999], [3000]]);
    expect(await database.run('select count(*) from t')).to.deep.equal([[2998]]);
  });
});

describe('pointRead', () => {
  it('answers a lookup by primary key as the executor does', async () => {
    const database = await withRows(new MemoryReader({ waits: 2 }));
    const statement = database.plan('select b, id from t where id = $1');
    const read = pointRead(statement)!;
    for (const key of [1, 1500, 3001, null, 5_000_000_000]) {
      const rows = await read(database.reader, database.context([]).view, [key]);
      expect(rows, String(key)).to.deep.equal(await database.rows(statement, [key]));
    }
  });

  it('is for nothing else', async () => {
    const database = await withRows();
    for (const sql of [
      'select id from t where id > $1',
      'select id + 1 from t where id = $1',
      "select id from t where id = $1 and b = 'x'",
      'select count(*) from t where id = $1',
    ]) {
      expect(pointRead(database.plan(sql)), sql).to.equal(null);
    }
  });
});
