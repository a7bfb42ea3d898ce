import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError } from '../../base/errors.ts';
import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import { type Datum, Interval, SqlArray, SqlRow } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { explain } from '../plan/explain.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { execute } from './execute.ts';
import type { Actual } from './operator.ts';
import { decodeRows, encodeRows } from './spill/block-codec.ts';
import { drain, MemoryDatabase } from './test-kit/database.ts';
import { MemoryReader } from './test-kit/memory-reader.ts';
import { MemorySpill } from './test-kit/spill-memory.ts';

const rowCount = 5000;
const smallBytes = 131_072;

/** One key has half of the rows of `skewed`. */
async function withRows(): Promise<MemoryDatabase> {
  const database = await MemoryDatabase.open(new MemoryReader({ batchRows: 500 }));
  const series = `with recursive s(i) as (select 1 union all select i + 1 from s where i < ${rowCount})`;
  await database.run(
    `create table t (id int primary key, a int, b text, c numeric);
     insert into t ${series}
       select i, (i * 7919) % 10007, 'text ' || (i * 31 % 9973)::text,
              case when i % 11 > 0 then (i % 5000) / 4.0 end from s;
     create table skewed (id int primary key, a int, b text);
     insert into skewed ${series}
       select i, case when i % 2 = 0 then 7 else i end, 'a text that is longer than others ' || i::text from s
       where i <= 4000`,
  );
  return database;
}

/** Statements whose rows have one order only. */
const statements = [
  'select id, b from t order by b, id',
  'select id from t order by c desc nulls first, a, id desc',
  'select id, b from t order by b, id limit 3000 offset 100',
  'select id from (select * from t order by b limit 4000) x order by id',
  'select x.id, y.id from t x join t y on x.b = y.b and x.a < y.a order by 1, 2',
  'select x.id, y.id from t x left join (select * from t where id % 3 = 0) y on x.a = y.id order by 1, 2',
  'select x.id, y.id from (select * from t where a < 3000) x right join t y on x.a = y.a order by 1, 2',
  'select x.id, y.id from t x full join (select * from t where id % 2 = 0) y on x.a = y.id order by 1, 2',
  'select id from t x where exists (select 1 from t y where y.a = x.id and y.b <> x.b) order by id',
  'select id from t x where not exists (select 1 from t y where y.a = x.id) order by id',
  'select b, count(*), sum(a), min(b), max(c), avg(c) from t group by b order by b',
  "select a, b, count(distinct c), string_agg(id::text, ',' order by id desc) from t group by a, b order by a, b",
  'select count(distinct b), count(distinct c), sum(distinct a) from t',
  'select distinct b, a from t order by b desc, a',
  'select distinct on (b) b, id from t order by b, id desc',
  'select distinct b, c from t',
  'select a from t intersect select id from t order by 1',
  'select a, b from t except select a, b from t where id % 3 = 0 order by 1, 2',
  'select id % 5000 from t except all select id from t where id % 2 = 0 order by 1',
  'select id % 5000 from t intersect all select a from t order by 1',
  'with x as materialized (select id, b from t) select sum(x.id), max(y.b) from x join x y on x.id = y.id',
  `with recursive r(n, s) as (select id, b from t union all select n + 1, s from r where n % 3 > 0)
   select count(*), sum(n) from r`,
  `with recursive r(n, s) as
     (select id, b from t where id <= 800 union select n * 7 % 20011, s from r where n < 12000)
   select count(*), sum(n) from r`,
  ...['inner', 'left', 'right'].map(
    (kind) => `select count(*), sum(x.id), sum(y.id), count(y.b), min(x.b), max(y.b)
      from (select id, repeat(b, 60) as b from t where id % 10 = 0) x ${kind} join
        (select id, repeat(b, 60) as b from t where id % 10 = 1) y on x.id > y.id + 3000 and x.b > y.b`,
  ),
  `select count(*), sum(id) from (select id, repeat(b, 60) as b from t where id % 10 = 0) x where not exists
    (select 1 from (select id, repeat(b, 60) as b from t where id % 10 = 1) y where y.id > x.id + 3000 and y.b < x.b)`,
];

/** Of a join whose kept side has more rows of one key than fit. */
const skewedJoins = ['inner', 'left', 'right', 'full'].map(
  (kind) => `select count(*), sum(x.id), sum(y.id), count(x.id), count(y.id)
    from (select * from t where id % 5 > 0) x ${kind} join skewed y on x.a = y.a and x.id <> y.id`,
);
const skewedTests = ['exists', 'not exists'].map(
  (kind) => `select count(*), sum(id) from t x where ${kind}
    (select 1 from skewed y where y.a = x.a and y.id <> x.id)`,
);

describe('spilling', () => {
  let database: MemoryDatabase;
  let spill: MemorySpill;

  before(async () => {
    database = await withRows();
  });

  beforeEach(() => {
    spill = new MemorySpill();
    database.memoryMax = Number.POSITIVE_INFINITY;
    database.spill = null;
    database.reservedMax = 0;
  });

  function restrict(bytes: number): void {
    database.memoryMax = bytes;
    database.spill = spill;
    database.reservedMax = 0;
  }

  async function errorOf(sql: string): Promise<string | null> {
    try {
      await database.run(sql);
      return null;
    } catch (error) {
      if (error instanceof AlopexError) return error.code;
      throw error;
    }
  }

  for (const sql of [...statements, ...skewedJoins, ...skewedTests]) {
    it(`gives the same rows: ${sql.replaceAll(/\s+/g, ' ').slice(0, 100)}`, async () => {
      const expected = await database.run(sql);
      for (const bytes of [smallBytes, 4 * smallBytes]) {
        restrict(bytes);
        expect(await database.run(sql)).to.deep.equal(expected);
        expect(database.reservedMax).to.be.at.most(Math.max(bytes, 65_536 * 6));
        expect(database.reserved).to.equal(0);
        expect(spill.open).to.equal(0);
      }
      expect(spill.writtenBytes).to.be.greaterThan(0);
    });
  }

  it('a kept side of one batch, too large in itself, leaves none for the last chunk', async () => {
    const side = (first: number) =>
      `(select id, repeat(b, 1000) as b from t where id between ${first} and ${first + 19})`;
    const sql = `select count(*), sum(id) from ${side(1)} x where exists
      (select 1 from ${side(21)} y where y.id > x.id and y.b < x.b)`;
    const expected = await database.run(sql);
    expect(expected[0]![0]).to.be.greaterThan(0);
    restrict(smallBytes);
    expect(await database.run(sql)).to.deep.equal(expected);
  });

  it('without temporary files fails with 53200, and keeps nothing', async () => {
    database.memoryMax = smallBytes;
    for (const sql of [statements[0]!, statements[4]!, statements[10]!, statements[13]!, statements[16]!]) {
      expect(await errorOf(sql), sql).to.equal('53200');
      expect(database.reserved).to.equal(0);
    }
  });

  it('a full disk ends the statement, and nothing else', async () => {
    restrict(smallBytes);
    spill.bytesMax = 30_000;
    for (const sql of [statements[0]!, statements[4]!, statements[10]!, statements[13]!, statements[16]!]) {
      spill.writtenBytes = 0;
      expect(await errorOf(sql), sql).to.equal('53100');
      expect(database.reserved).to.equal(0);
      expect(spill.open).to.equal(0);
    }
  });

  it('a damaged block is never read as rows', async () => {
    restrict(smallBytes);
    spill.damagedFrom = 20_000;
    for (const sql of [statements[0]!, statements[4]!, statements[10]!]) {
      expect(await errorOf(sql), sql).to.equal('XX001');
      expect(spill.open).to.equal(0);
    }
  });

  it('a value that has to be in memory fails with 53200', async () => {
    restrict(smallBytes);
    for (const sql of [
      'select array_agg(b) from t',
      'select array_agg(b order by id) from t',
      'select count(*) from t where b not in (select b from skewed)',
    ]) {
      expect(await errorOf(sql), sql).to.equal('53200');
      expect(database.reserved).to.equal(0);
      expect(spill.open).to.equal(0);
    }
  });

  it('the values of IN and NOT IN take little more than themselves', async () => {
    restrict(2 * smallBytes);
    const sql = 'select count(*) from t where a not in (select id from skewed where b is not null)';
    const compact = await database.run(sql);
    restrict(Number.POSITIVE_INFINITY);
    expect(await database.run(sql)).to.deep.equal(compact);
    expect(database.reservedMax).to.be.lessThan(2 * smallBytes);
  });

  it('a statement that is closed early leaves no file', async () => {
    restrict(smallBytes);
    for (const sql of statements) {
      const cursor = execute(database.plan(sql), database.context([]));
      await cursor.next();
      cursor.close();
      expect(database.reserved, sql).to.equal(0);
      expect(spill.open, sql).to.equal(0);
    }
  });

  it('EXPLAIN ANALYZE says what went to disk', async () => {
    restrict(smallBytes);
    const statement = database.plan('select x.b from t x join t y on x.b = y.b order by x.b');
    const actuals = new Map<PhysicalPlan, Actual>();
    await drain(execute(statement, database.context([]), actuals));
    const lines = explain(statement, { costs: false, actuals });
    expect(lines.find((line) => /Sort Method: external merge {2}Disk: \d+kB/.test(line))).to.be.a('string');
    expect(lines.find((line) => /^ +Disk Usage: \d+kB$/.test(line))).to.be.a('string');
  });
});

describe('blocks of temporary files', () => {
  const datum: fc.Arbitrary<Datum> = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.double(),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .filter((value) => !Number.isSafeInteger(Number(value))),
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 9 }),
    fc.constantFrom<Datum>(
      Numeric.of(12_345, 3),
      Numeric.nan,
      new Interval(1, -2, 3),
      Float32Array.of(1.5, -0),
      SqlArray.of([1, null, 'x']),
      new SqlRow([1, new SqlRow(['a', null]), SqlArray.of([2])]),
    ),
  );

  it('give back what was written', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(datum, fc.option(fc.string({ unit: 'grapheme' })))), (rows) => {
        const numbers = Float64Array.from(rows, (_row, at) => at / 3);
        const columns: ColumnVector[] = [
          { kind: 'datum', values: rows.map(([value]) => value), nulls: null },
          { kind: 'datum', values: rows.map(([, text]) => text), nulls: null },
          { kind: 'float64', values: numbers, nulls: Uint8Array.from(rows, (_row, at) => at % 2) },
          { kind: 'int32', values: Int32Array.from(numbers), nulls: null },
          { kind: 'bool', values: Uint8Array.from(rows, (_row, at) => at % 2), nulls: null },
          { kind: 'int64', values: BigInt64Array.from(rows, () => -(2n ** 63n)), nulls: null },
          { kind: 'scaled', units: Float64Array.from(rows, (_row, at) => at), scale: 2, nulls: null },
        ];
        const read = decodeRows(
          encodeRows({ rowCount: rows.length, columns, selection: null }, new ByteWriter()).slice(),
        );
        expect(read.rowCount).to.equal(rows.length);
        for (const [at, column] of columns.entries()) {
          const written = rows.map((_row, row) => datumAt(column, row));
          expect(rows.map((_row, row) => datumAt(read.columns[at]!, row))).to.deep.equal(written);
        }
      }),
    );
  });
});
