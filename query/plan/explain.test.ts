import { expect } from 'chai';
import { MemoryDatabase } from '../exec/test-kit/database.ts';
import { explain } from './explain.ts';

describe('plans, as EXPLAIN shows them', () => {
  let database: MemoryDatabase;

  before(async () => {
    database = await MemoryDatabase.open();
    await database.run(
      `create table t (id int primary key, a int, b text, f float8);
       create index t_a on t (a, b);
       create table u (id int primary key, t_id int, v numeric);
       create table big (k1 int, k2 text, n int, primary key (k1, k2))`,
    );
    database.reader.estimate = () => ({ rows: 10_000, bytes: 1_000_000 });
    database.reader.estimateRange = () => 50;
  });

  function shows(sql: string, lines: string): void {
    const expected = lines
      .split('\n')
      .map((line) => line.replace(/^ {6}/, ''))
      .filter((line) => line.trim() !== '');
    expect(explain(database.plan(sql), { costs: false, actuals: null }), sql).to.deep.equal(expected);
  }

  it('scan_key_equal: a parameter is looked up by primary key', () => {
    shows(
      'select * from t where id = $1',
      `
      Index Scan using t_pkey on t
        Index Cond: (id = $1)`,
    );
  });

  it('scan_index_prefix: leading equalities, then a range, the rest filters', () => {
    shows(
      "select id from t where a = 3 and b > 'x' and f < 2",
      `
      Index Scan using t_a on t
        Index Cond: ((a = 3) AND (b > 'x'::text))
        Filter: (f < 2)`,
    );
  });

  it('scan_list: IN is several lookups', () => {
    shows(
      'select f from t where id in (3, 1, 2)',
      `
      Index Scan using t_pkey on t
        Index Cond: (id = ANY (ARRAY[3, 1, 2]))`,
    );
  });

  it('scan_like_prefix: LIKE reads the range of its prefix', () => {
    shows(
      "select n from big where k1 = $1 and k2 like 'ab%c'",
      `
      Index Scan using big_pkey on big
        Index Cond: ((k1 = $1) AND (k2 ~~ 'ab%c'::text))
        Filter: (k2 ~~ 'ab%c'::text)`,
    );
  });

  it('order_by_index: no sort, backward where descending', () => {
    shows(
      'select * from t order by id desc limit 5',
      `
      Limit
        ->  Index Scan Backward using t_pkey on t`,
    );
    shows(
      'select id from t where a = 2 order by b limit 5',
      `
      Limit
        ->  Index Scan using t_a on t
              Index Cond: (a = 2)`,
    );
  });

  it('order_by_column: the first rows alone are kept', () => {
    shows(
      'select id from t order by f nulls first limit 5',
      `
      Limit
        ->  Sort
              Sort Key: t.f NULLS FIRST
              Sort Method: top-N
              ->  Seq Scan on t`,
    );
  });

  it('join_lookup: few rows drive lookups', () => {
    shows(
      'select t.b, u.v from u join t on t.id = u.t_id where u.id = 4',
      `
      Nested Loop
        ->  Index Scan using u_pkey on u
              Index Cond: (id = 4)
        ->  Index Scan using t_pkey on t
              Index Cond: (id = $1)`,
    );
  });

  it('join_hash: many rows are hashed, and conditions go to their side', () => {
    shows(
      'select t.b from u join t on t.id = u.t_id where u.v > 3 and t.f + u.v > 2',
      `
      Hash Join
        Hash Cond: (t.id = u.t_id)
        Join Filter: ((t.f + (u.v)::double precision) > 2)
        ->  Seq Scan on t
        ->  Seq Scan on u
              Filter: (v > '3'::numeric)`,
    );
  });

  it('join_left_reduced: a condition that rejects nulls makes a left join an inner one', () => {
    shows(
      'select t.id from t left join u on u.v = t.f::numeric where u.v > 3',
      `
      Hash Join
        Hash Cond: ((t.f)::numeric = u.v)
        ->  Seq Scan on t
        ->  Seq Scan on u
              Filter: (v > '3'::numeric)`,
    );
  });

  it('subquery_exists: a semi join; NOT EXISTS an anti join', () => {
    shows(
      'select id from t where exists (select 1 from u where u.t_id = t.id and u.v > 1)',
      `
      Hash Semi Join
        Hash Cond: (t.id = u.t_id)
        ->  Seq Scan on t
        ->  Seq Scan on u
              Filter: (v > '1'::numeric)`,
    );
    shows(
      'select id from t where not exists (select 1 from u where u.t_id = t.id)',
      `
      Hash Anti Join
        Hash Cond: (t.id = u.t_id)
        ->  Seq Scan on t
        ->  Seq Scan on u`,
    );
  });

  it('subquery_not_in: stays a subquery, for its nulls', () => {
    shows(
      'select id from t where id not in (select t_id from u)',
      `
      Filter
        Filter: (NOT (ANY t.id SubPlan 1))
      SubPlan 1
        ->  Seq Scan on u
        ->  Seq Scan on t`,
    );
  });

  it('cte_once: a query that is read once is planned in place', () => {
    shows(
      'with w as (select * from t where a = 1) select f from w where id = 3',
      `
      Index Scan using t_pkey on t
        Index Cond: (id = 3)
        Filter: (a = 1)`,
    );
  });

  it('group_having: conditions on keys go below the aggregate', () => {
    shows(
      'select b, count(*) from t group by b having count(*) > 2 and b = $1',
      `
      Filter
        Filter: (count(*) > 2)
        ->  HashAggregate
              Group Key: t.b
              ->  Seq Scan on t
                    Filter: (b = $1)`,
    );
  });

  it('update_key: rows are found as those of a query', () => {
    shows(
      'update t set a = 1 where id = 3',
      `
      Update on t
        ->  Index Scan using t_pkey on t
              Index Cond: (id = 3)`,
    );
  });

  it('never_true: a constant that is false reads nothing', () => {
    shows(
      'select t.id from t join u on t.id = u.id where 1 = 2',
      `
      Result
        One-Time Filter: false`,
    );
  });

  it('prunes: only the columns that are read', () => {
    const { root } = database.plan('select count(*) from t where f > 1');
    const scan = root.kind === 'aggregate' ? root.input : root;
    expect(scan.kind === 'table-scan' && scan.attributes).to.deep.equal([4]);
    expect(
      scan.kind === 'table-scan' && scan.zones.map(({ attribute, operator }) => [attribute, operator]),
    ).to.deep.equal([[4, '>']]);
  });
});
