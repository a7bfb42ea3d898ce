import { expect } from 'chai';
import { Script } from '../test-kit/script.ts';

describe('ALTER TABLE', () => {
  it('add_column_with_a_constant_default_records_what_older_rows_read', async () => {
    const script = await Script.open('CREATE TABLE t (a int PRIMARY KEY)');
    const before = script.table('t').layout;
    script.run("ALTER TABLE t ADD COLUMN b text DEFAULT 'x' NOT NULL, ADD c int");
    expect(script.effects).to.deep.equal([]);
    expect(script.dump()).to.equal(
      [
        'table public.t by a',
        '  primary key t_pkey',
        '  1 a integer not null',
        "  2 b text not null default 'x'::text missing value of 'x'::text",
        '  3 c integer',
      ].join('\n'),
    );
    const after = script.table('t').layout;
    expect(after.storage).to.equal(before.storage);
    expect(after.schema).to.not.equal(before.schema);
  });

  it('add_column_with_a_volatile_default_rewrites', async () => {
    const script = await Script.open('CREATE TABLE t (a int PRIMARY KEY)');
    const source = script.table('t');
    script.run('ALTER TABLE t ADD b float8 DEFAULT random(), ADD c int DEFAULT 7, ADD d serial');
    const target = script.table('t');
    const [, rewrite, dropped] = [null, ...script.effects];
    expect(rewrite).to.deep.equal({
      kind: 'rewrite-table',
      source,
      target,
      added: [
        { kind: 'default', attribute: 2 },
        { kind: 'constant', attribute: 3, value: 'value of 7' },
        { kind: 'default', attribute: 4 },
      ],
    });
    expect(dropped).to.deep.equal({ kind: 'drop-storage', table: source.id, storage: source.layout.storage });
    expect(target.layout.storage).to.not.equal(source.layout.storage);
  });

  it('add_not_null_column_without_default_is_validated', async () => {
    const script = await Script.open('CREATE TABLE t (a int)');
    script.run('ALTER TABLE t ADD b int NOT NULL');
    expect(script.effects).to.deep.equal([
      {
        kind: 'validate-not-null',
        table: script.effects[0]?.kind === 'validate-not-null' && script.effects[0].table,
        attribute: 3,
      },
    ]);
  });

  it('add_primary_key_orders_the_rows_anew_and_completes_indexes', async () => {
    const script = await Script.open('CREATE TABLE t (a int, b int); CREATE INDEX ON t (b)');
    expect(script.effects.map((effect) => effect.kind)).to.deep.equal(['backfill-index']);
    script.run('ALTER TABLE t ADD PRIMARY KEY (b, a), ADD UNIQUE (a)');
    expect(script.dump()).to.equal(
      [
        'table public.t by b, a',
        '  primary key t_pkey',
        '  1 a integer not null',
        '  2 b integer not null',
        '  CREATE INDEX t_b_idx ON public.t USING btree (b) public',
        '  CREATE UNIQUE INDEX t_a_key ON public.t USING btree (a) public',
      ].join('\n'),
    );
    expect(script.effects.map((effect) => effect.kind)).to.deep.equal(['rewrite-table', 'drop-storage']);
  });

  it('drop_primary_key_goes_back_to_a_row_id', async () => {
    const script = await Script.open(
      'CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t DROP CONSTRAINT t_pkey',
    );
    expect(script.dump()).to.equal('table public.t by row id\n  1 a integer not null');
    expect(script.catalog.relation(2200, 't_pkey')).to.equal(undefined);
  });

  it('add_unique_to_a_table_is_filled_in', async () => {
    const script = await Script.open(
      'CREATE TABLE t (a int PRIMARY KEY, b int); ALTER TABLE t ADD UNIQUE (b)',
    );
    const [index] = script.catalog.indexesOf(script.table('t').id);
    expect(script.effects).to.deep.equal([
      { kind: 'backfill-index', table: script.table('t').id, index: index?.id, concurrently: false },
    ]);
    expect(script.dump()).to.include('t_b_key ON public.t USING btree (b) delete-only');
  });

  it('drop_column_takes_indexes_and_sequence_along', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a serial, b int, c int PRIMARY KEY, UNIQUE (a, b)); CREATE INDEX ON t (b);
      ALTER TABLE t DROP a`);
    expect(script.dump()).to.equal(
      [
        'table public.t by c',
        '  primary key t_pkey',
        '  2 b integer',
        '  3 c integer not null',
        '  CREATE INDEX t_b_idx ON public.t USING btree (b) delete-only',
      ].join('\n'),
    );
    expect(script.table('t').layout.columns.map((column) => column.id)).to.deep.equal([2, 3]);
    expect(script.effects.map((effect) => effect.kind)).to.deep.equal(['drop-sequence']);
    script.run('ALTER TABLE t ADD a text');
    expect(script.table('t').columns.at(-1)).to.deep.include({ attribute: 4, name: 'a' });
  });

  it('rename_keeps_ids_and_rewrites_defaults', async () => {
    const script = await Script.open('CREATE TABLE t (a serial, b int)');
    const { id } = script.table('t');
    script.run(
      'ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN b TO c; ALTER SEQUENCE t_a_seq RENAME TO s',
    );
    expect(script.table('u').id).to.equal(id);
    expect(script.dump()).to.equal(
      [
        'table public.u by row id',
        "  1 a integer not null default nextval('public.s'::regclass)",
        '  2 c integer',
        'sequence public.s 1..2147483647 from 1 by 1',
      ].join('\n'),
    );
    script.run('CREATE SCHEMA z; ALTER TABLE u SET SCHEMA z; ALTER SCHEMA z RENAME TO "Z"');
    expect(script.dump()).to.include(`default nextval('"Z".s'::regclass)`);
    const schema = script.catalog.byId(-script.table('u').layout.schema);
    expect(schema?.kind === 'schema' && schema.event.name).to.equal('Z.u');
  });

  it('set_and_reset_parameters', async () => {
    const script = await Script.open(
      "CREATE TABLE t (a int); ALTER TABLE t SET (alopex.history = '36h', fillfactor = 70)",
    );
    expect(script.table('t').layout.historyMs).to.equal(36 * 3_600_000);
    script.run('ALTER TABLE t RESET (alopex.history)');
    expect(script.table('t').layout.historyMs).to.equal(24 * 3_600_000);
    expect(script.table('t').options).to.deep.equal({ fillfactor: '70' });
  });

  it('identity_is_added_changed_and_dropped', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a int NOT NULL);
      ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY;
      ALTER TABLE t ALTER a SET GENERATED BY DEFAULT SET INCREMENT 5 RESTART WITH 9`);
    expect(script.dump()).to.include('identity by default');
    expect(script.dump()).to.include('by 5');
    expect(script.effects).to.deep.include({
      kind: 'set-sequence',
      sequence: script.table('t').columns[0]?.ownedSequence,
      value: '9',
      isCalled: false,
    });
    script.run('ALTER TABLE t ALTER a DROP IDENTITY');
    expect(script.dump()).to.equal('table public.t by row id\n  1 a integer not null');
  });

  const errors: readonly (readonly [string, string])[] = [
    ['ALTER TABLE nope ADD a int', '42P01 relation "nope" does not exist'],
    ['ALTER TABLE t ADD a int', '42701 column "a" of relation "t" already exists'],
    ['ALTER TABLE t ADD ctid int', '42701 column name "ctid" conflicts with a system column name'],
    ['ALTER TABLE t DROP x', '42703 column "x" of relation "t" does not exist'],
    ['ALTER TABLE t DROP ctid', '0A000 cannot drop system column "ctid"'],
    ['ALTER TABLE t RENAME x TO y', '42703 column "x" does not exist'],
    ['ALTER TABLE t RENAME a TO b', '42701 column "b" of relation "t" already exists'],
    ['ALTER TABLE t RENAME TO u', '42P07 relation "u" already exists'],
    ['ALTER TABLE t ALTER x SET DEFAULT 1', '42703 column "x" of relation "t" does not exist'],
    ['ALTER TABLE t ALTER a DROP NOT NULL', '42P16 column "a" is in a primary key'],
    ['ALTER TABLE t ADD PRIMARY KEY (b)', '42P16 multiple primary keys for table "t" are not allowed'],
    ['ALTER TABLE t DROP CONSTRAINT nope', '42704 constraint "nope" of relation "t" does not exist'],
    ['ALTER TABLE t OWNER TO nope', '42704 role "nope" does not exist'],
    ['ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)', '42P07 relation "u" already exists'],
    ['ALTER TABLE t ALTER a TYPE bigint', '0A000 ALTER TABLE … ALTER COLUMN … TYPE is not supported yet'],
    [
      'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
      '0A000 ALTER TABLE … ENABLE ROW LEVEL SECURITY is not supported yet',
    ],
    [
      'ALTER TABLE t ALTER b ADD GENERATED ALWAYS AS IDENTITY',
      '55000 column "b" of relation "t" must be declared NOT NULL before identity can be added',
    ],
    ['ALTER TABLE alopex.objects ADD x int', '42501 permission denied: "objects" is a system catalog'],
  ];
  for (const [statement, expected] of errors) {
    it(`refuses ${statement}`, async () => {
      const script = await Script.open('CREATE TABLE t (a int PRIMARY KEY, b int); CREATE TABLE u (a int)');
      expect(script.error(statement)).to.equal(expected);
    });
  }

  it('if_exists_and_if_not_exists_only_notice', async () => {
    const script = await Script.open('CREATE TABLE t (a int)');
    const said = (statement: string): unknown =>
      script.run(statement).notices.map((notice) => notice.message);
    expect(said('ALTER TABLE IF EXISTS nope ADD a int')).to.deep.equal([
      'relation "nope" does not exist, skipping',
    ]);
    expect(said('ALTER TABLE t ADD COLUMN IF NOT EXISTS a int, DROP COLUMN IF EXISTS x')).to.deep.equal([
      'column "x" of relation "t" does not exist, skipping',
      'column "a" of relation "t" already exists, skipping',
    ]);
    expect(said('ALTER TABLE t DROP CONSTRAINT IF EXISTS x')).to.deep.equal([
      'constraint "x" of relation "t" does not exist, skipping',
    ]);
  });
});
