const schema = [
  'create table item (id int primary key, kind int, name text, price float8, cost numeric(10,2), flag bool, big int8, made date)',
  'create index item_kind on item (kind, name)',
  'create table part (item_id int, no int, label text, weight float8, primary key (item_id, no))',
  'create index part_label on part (label)',
];

const inserts = [...Array(60).keys()].map((n) => {
  const orNull = (value: string, every: number): string => (n % every === every - 1 ? 'null' : value);
  return `insert into item values (${n}, ${orNull(String(n % 7), 11)}, ${orNull(`'n${(n * 5) % 13}'`, 9)}, ${orNull(
    String(((n * 37) % 50) / 4),
    8,
  )}, ${orNull(`${(n * 13) % 40}.${String(n % 100).padStart(2, '0')}`, 10)}, ${orNull(n % 3 === 0 ? 'true' : 'false', 12)}, ${orNull(
    n % 5 === 0 ? `${9007199254740990n + BigInt(n)}` : String(n * 1000),
    13,
  )}, '2024-01-${String((n % 28) + 1).padStart(2, '0')}')`;
});
const partInserts = [...Array(90).keys()].map(
  (n) =>
    `insert into part values (${(n * 7) % 70}, ${n}, ${n % 6 === 5 ? 'null' : `'p${n % 10}'`}, ${n % 8 === 7 ? 'null' : n / 4})`,
);

/** The tables and rows that the queries are about. */
export const setup: readonly string[] = [...schema, ...inserts, ...partInserts];

/** Queries over `item` and `part`: some written by hand, the rest made from a seed. */
export function generatedQueries(seed: number): Readonly<Record<string, readonly string[]>> {
  const random = randomFrom(seed);
  return {
    'by hand': byHand,
    filters: repeat(90, () => `select id, kind, name, price from item where ${condition(random, 2)}`),
    expressions: repeat(
      60,
      () => `select id, ${number(random, 2)}, ${boolean(random, 2)}, ${text(random)} from item`,
    ),
    groups: repeat(50, () => group(random)),
    joins: repeat(50, () => join(random)),
    subqueries: repeat(40, () => subquery(random)),
    orders: repeat(30, () => order(random)),
    sets: repeat(20, () => setOperation(random)),
  };
}

type Random = { pick<Value>(values: readonly Value[]): Value; below(bound: number): number };

/** A linear congruential generator (Numerical Recipes). */
function randomFrom(seed: number): Random {
  let state = seed;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * bound);
  };
  return { below, pick: (values) => values[below(values.length)]! };
}

function repeat(count: number, make: () => string): readonly string[] {
  return Array.from({ length: count }, make);
}

function number(random: Random, depth: number): string {
  if (depth === 0 || random.below(4) === 0) {
    return random.pick(['id', 'kind', 'price', 'cost', 'big', '1', '3', '2.5', '0', '(-7)']);
  }
  const a = number(random, depth - 1);
  const b = number(random, depth - 1);
  switch (random.below(8)) {
    case 0:
      return `(${a} + ${b})`;
    case 1:
      return `(${a} - ${b})`;
    case 2:
      return `coalesce(${a}, ${b})`;
    case 3:
      return `case when ${boolean(random, depth - 1)} then ${a} else ${b} end`;
    case 4:
      return `nullif(${a}, ${b})`;
    case 5:
      return `greatest(${a}, ${b})`;
    case 6:
      return `(id * ${random.pick(['2', '3', 'kind'])})`;
    default:
      return `(kind / ${random.pick(['2', '3', 'kind', '0'])})`;
  }
}

function boolean(random: Random, depth: number): string {
  if (depth === 0 || random.below(5) === 0) {
    return random.pick([
      'flag',
      'kind is null',
      'name is not null',
      'true',
      'price > 5',
      "name = 'n3'",
      'kind = 2',
    ]);
  }
  const a = boolean(random, depth - 1);
  const b = boolean(random, depth - 1);
  switch (random.below(8)) {
    case 0:
      return `(${a} and ${b})`;
    case 1:
      return `(${a} or ${b})`;
    case 2:
      return `(not ${a})`;
    case 3:
      return `(${a} is ${random.pick(['true', 'not true', 'false', 'unknown', 'not unknown'])})`;
    case 4:
      return `(${leaf(random)} ${random.pick(['=', '<>', '<', '<=', '>', '>='])} ${leaf(random)})`;
    case 5:
      return `(kind ${random.pick(['in', 'not in'])} (1, ${random.pick(['2', '5', 'null'])}, ${random.below(8)}))`;
    case 6:
      return `(${leaf(random)} is ${random.pick(['', 'not '])}distinct from ${leaf(random)})`;
    default:
      return `(id between ${random.below(30)} and ${random.below(60)})`;
  }
}

function leaf(random: Random): string {
  return random.pick(['id', 'kind', 'price', 'cost', 'big', '4', '7.5', '20']);
}

function text(random: Random): string {
  return random.pick([
    "name || '!'",
    'name',
    "coalesce(name, 'none')",
    "case when flag then name else 'off' end",
  ]);
}

function condition(random: Random, depth: number): string {
  const sargable = random.pick([
    () => `id = ${random.below(70)}`,
    () => `id in (${random.below(70)}, ${random.below(70)}, ${random.below(70)})`,
    () => `id > ${random.below(60)}`,
    () => `id >= ${random.below(30)} and id < ${30 + random.below(40)}`,
    () => `kind = ${random.below(7)}`,
    () => `kind = ${random.below(7)} and name = 'n${random.below(13)}'`,
    () => `kind = ${random.below(7)} and name > 'n${random.below(13)}'`,
    () => `kind is null`,
    () => `kind in (${random.below(7)}, ${random.below(7)}) and name is null`,
    () => `kind = any (array[${random.below(7)}, ${random.below(7)}, null])`,
    () => `id = ${random.below(60)}::bigint`,
    () => 'id > 5000000000',
    () => 'id < 5000000000',
    () => "made < '2024-01-10'",
  ])();
  return random.below(3) === 0 ? boolean(random, depth) : `${sargable} and ${boolean(random, depth)}`;
}

function group(random: Random): string {
  const key = random.pick(['kind', 'name', 'flag', 'kind, flag', 'id % 4', 'name, kind', 'cost', 'big']);
  const aggregates = [
    'count(*)',
    'count(price)',
    'sum(id)',
    'sum(big)',
    'avg(kind)',
    'avg(price)',
    'sum(cost)',
    'min(name)',
    'max(price)',
    'max(cost)',
    'min(big)',
    'count(distinct kind)',
    'sum(distinct kind)',
    'count(*) filter (where flag)',
    "string_agg(name, ',' order by name, id)",
    'array_agg(id order by id desc)',
    'bool_or(flag)',
    'min(made)',
  ];
  const chosen = [random.pick(aggregates), random.pick(aggregates), random.pick(aggregates)].join(', ');
  const where = random.below(2) === 0 ? '' : ` where ${boolean(random, 1)}`;
  if (random.below(4) === 0) return `select ${chosen} from item${where}`;
  const having = random.below(3) === 0 ? ' having count(*) > 2' : '';
  return `select ${key}, ${chosen} from item${where} group by ${key}${having}`;
}

function join(random: Random): string {
  const kind = random.pick(['join', 'left join', 'right join', 'full join', 'join', 'left join']);
  const equality = random.pick([
    'i.id = p.item_id',
    'i.id = p.no',
    'i.kind = p.item_id',
    "i.name = 'n' || p.no::text",
  ]);
  const extra =
    kind === 'full join'
      ? ''
      : random.pick(['', ' and p.weight > 10', ' and i.flag', ' and i.price < p.weight', '']);
  const where = random.pick([
    '',
    ' where i.id < 20',
    ' where p.label is null',
    " where p.label = 'p3'",
    ' where i.kind = 3',
  ]);
  const from = random.pick([
    `item i ${kind} part p on ${equality}${extra}`,
    `item i ${kind} part p on ${equality}${extra}`,
    `item i ${kind} part p on ${equality} left join item j on j.id = p.no`,
    `item i join part p on ${equality} join item j on j.kind = i.kind and j.id = p.no`,
    'item i cross join (select * from part where no < 4) p',
    'item i, lateral (select * from part where part.item_id = i.id order by no limit 2) p',
    'item i left join lateral (select * from part where part.item_id = i.id and part.no > i.kind) p on true',
    'item i join part p on i.price > p.weight and i.id < 9',
  ]);
  return `select i.id, i.name, p.no, p.label, p.weight from ${from}${where}`;
}

function subquery(random: Random): string {
  const correlated = random.pick([
    'p.item_id = i.id',
    'p.no = i.kind',
    'p.item_id = i.id and p.no > i.kind',
    'p.no < i.id',
  ]);
  const condition = random.pick([
    `exists (select 1 from part p where ${correlated})`,
    `not exists (select 1 from part p where ${correlated} and p.weight > 3)`,
    `i.id in (select item_id from part p where p.label = 'p${random.below(10)}')`,
    'i.id not in (select item_id from part p)',
    'i.name not in (select label from part p where label is not null)',
    `i.kind in (select no from part p where ${correlated})`,
    `i.kind not in (select no from part p where ${correlated})`,
    `i.id > all (select no from part p where ${correlated} and p.no < 10)`,
    `i.price < any (select weight from part p where ${correlated})`,
    `i.id = (select max(item_id) from part p where ${correlated})`,
    '(i.id, i.kind) in (select item_id, no from part)',
    `i.flag or exists (select 1 from part p where ${correlated})`,
  ]);
  const output = random.pick([
    'i.id',
    `i.id, (select count(*) from part p where ${correlated})`,
    `i.id, (select sum(p.weight) from part p where ${correlated})`,
    `i.id, array(select p.no from part p where ${correlated} order by p.no)`,
    'i.id, case when i.flag then (select min(no) from part) else 0 end',
  ]);
  return `select ${output} from item i where ${condition}`;
}

function order(random: Random): string {
  const keys = random.pick([
    'id',
    'id desc',
    'kind, id',
    'kind desc nulls last, name nulls first, id',
    'name desc, id',
    'price nulls first, id',
    'cost desc, id desc',
    'big, id',
    'kind, name, id',
    'id % 5, id',
  ]);
  const where = random.pick([
    '',
    ` where kind = ${random.below(7)}`,
    ' where id > 20',
    ' where kind in (2, 4)',
    ' where flag',
  ]);
  const limit = random.pick(['', ' limit 5', ' limit 3 offset 4', ' offset 50', ' limit 0']);
  return `select id, kind, name from item${where} order by ${keys}${limit}`;
}

function setOperation(random: Random): string {
  const side = (): string =>
    random.pick([
      'select kind, flag from item',
      'select no, true from part where no < 9',
      'select kind, null::bool from item where id < 30',
      'values (1, true), (1, true), (2, null)',
    ]);
  const operation = random.pick(['union', 'union all', 'intersect', 'except', 'intersect all', 'except all']);
  return `(${side()}) ${operation} (${side()})`;
}

const byHand: readonly string[] = [
  'select 1',
  'select count(*) from item where false',
  'select sum(id), max(name), avg(price) from item where id < 0',
  'select kind, count(*) from item where id < 0 group by kind',
  'select distinct kind, flag from item',
  'select distinct on (kind) kind, id from item order by kind, id desc',
  'select id from item where case when id = 3 then 1 / 0 > 1 else false end',
  'select 1 / kind from item where kind <> 0',
  'select 1 / kind from item',
  'select id from item where kind = 0 or 10 / kind > 3',
  'select (select id from item)',
  'select (select id from item where id = 7), exists (select 1 from part where no = 3)',
  'select max(big) + 1, sum(big), min(-big) from item',
  'select 9223372036854775807 + max(id) from item',
  'with recursive s(n) as (select 1 union all select n + 1 from s where n < 100) select sum(n), count(*) from s',
  'with recursive s(n) as (select 1 union select (n * 2) % 11 from s) select n from s',
  'with a as (select kind, count(*) as n from item group by kind) select x.kind, y.n from a x join a y on x.kind = y.kind',
  'with a as (select * from item where id < 5), b as (select * from a where kind > 1) select b.id from b',
  'select i.id from item i where i.id in (select p.item_id from part p where exists (select 1 from item j where j.id = p.no and j.kind = i.kind))',
  'select id, (select (select count(*) from part where part.item_id = i.id and part.no > j.kind) from item j where j.id = i.kind) from item i where id < 12',
  'select kind, (select count(*) from part where no = kind) from item group by kind',
  'select count(*), sum(x.n) from (select kind, count(*) as n from item group by kind) x where x.kind > 2',
  'select i.id, j.id from item i join item j using (kind) where i.id < 5 and j.id > 50',
  'select id from item limit (select count(*) from part where no < 4)',
  'select i.kind, p.n from item i left join (select item_id, count(*) as n from part group by item_id) p on p.item_id = i.id where p.n is null',
  'select id from item order by (select max(no) from part where item_id = id) desc nulls last, id limit 5',
  'select * from (values (1, null), (2, 3)) v(a, b) where b is null or a = 2',
  'select array[id, kind] from item where id < 4',
  "select name like 'n1%', name from item where name like 'n1%'",
  "select name from item where kind = 3 and name like 'n%' order by name limit 2",
  'select count(*) from item a, item b, part c where a.id = b.kind and b.id = c.item_id and c.no > 10',
  'select i.id from item i full join part p on i.id = p.item_id and p.no > 50 where p.no is null or i.id is null',
  'select coalesce(i.id, p.no) from item i full join part p on i.id = p.no and p.label is not null',
  "select id from item where (kind, name) = (3, 'n2')",
  'select sum(price) filter (where kind = 1), sum(price) filter (where kind = 99) from item',
  'select kind from item group by kind having sum(price) > (select avg(price) from item)',
  'select i.id, p.no from item i left join part p on p.item_id = i.id and p.no > (select count(*) from part where no < i.kind) where i.id < 20',
  'select i.id, p.no from item i left join lateral (select no from part where item_id = i.id) p on p.no in (select no from part q where q.item_id = i.id and q.no > 20) where i.id < 20',
  'select i.id from item i join part p on p.item_id = i.id and exists (select 1 from part q where q.no = i.kind + p.no)',
  'select i.id from item i where exists (select 1 from part p where p.item_id = i.id and p.no > (select min(kind) from item j where j.id > i.id))',
  'select id, id in (select kind from item), id not in (select kind from item where kind is null or kind > 3), kind not in (select no from part where false) from item where id < 12',
  "select id, price <= 7.5, price >= 7.5, price < 7.5, price = 7.5, 'NaN'::float8 > price, 'NaN'::float8 = price from item",
  'select id from item where price <= 7.5 and id not in (select kind from item)',
  'select sum(x), avg(x) from (values (1e308::float8), (1e308)) v(x)',
  "select k, sum(x) from (values (1, 'Infinity'::float8), (1, 1), (2, 'NaN'), (2, 2)) v(k, x) group by k",
];
