import { expect } from 'chai';
import { Script } from '../test-kit/script.ts';

/** Statements that must end in an error, each on the catalog that `setup` makes. */
function refusals(setup: string, cases: readonly (readonly [statement: string, error: string])[]): void {
  for (const [statement, expected] of cases) {
    it(`refuses ${statement}`, async () => {
      const script = await Script.open(setup);
      expect(script.error(statement)).to.equal(expected);
    });
  }
}

describe('indexes', () => {
  it('create_index_on_a_table_starts_delete_only', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a int, b text);
      CREATE UNIQUE INDEX CONCURRENTLY ON t (a DESC, b NULLS FIRST) NULLS NOT DISTINCT`);
    const [index] = script.catalog.indexesOf(script.table('t').id);
    expect(script.effects).to.deep.equal([
      { kind: 'backfill-index', table: script.table('t').id, index: index?.id, concurrently: true },
    ]);
    expect(script.dump()).to.include(
      'CREATE UNIQUE INDEX t_a_b_idx ON public.t USING btree (a DESC, b NULLS FIRST) NULLS NOT DISTINCT delete-only',
    );
  });

  it('drop_index_leaves_the_table_without_it', async () => {
    const script = await Script.open('CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i');
    expect(script.dump()).to.equal('table public.t by row id\n  1 a integer');
    expect(script.table('t').layout.indexes).to.deep.equal([]);
  });

  refusals('CREATE TABLE t (a int UNIQUE, b json); CREATE SEQUENCE s', [
    ['CREATE INDEX ON nope (a)', '42P01 relation "nope" does not exist'],
    ['CREATE INDEX ON t (x)', '42703 column "x" does not exist'],
    ['CREATE INDEX ON s (a)', '42809 cannot create index on relation "s"'],
    ['CREATE INDEX t_a_key ON t (a)', '42P07 relation "t_a_key" already exists'],
    ['CREATE INDEX ON t (ctid)', '0A000 index creation on system columns is not supported'],
    ['CREATE INDEX ON t (lower(b))', '0A000 an index on an expression is not supported yet'],
    ['CREATE INDEX ON t (a) WHERE a > 1', '0A000 a partial index is not supported yet'],
    ['CREATE INDEX ON t USING gin (a)', '0A000 an index of access method "gin" is not supported yet'],
    ['CREATE INDEX ON t (b)', '42704 data type json has no default operator class for access method "btree"'],
    [
      'DROP INDEX t_a_key',
      '2BP01 cannot drop index t_a_key because constraint t_a_key on table t requires it',
    ],
    ['DROP INDEX nope', '42704 index "nope" does not exist'],
    ['DROP INDEX t', '42809 "t" is not an index'],
  ]);
});

describe('sequences', () => {
  it('alter_sequence_changes_what_it_names', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a int); CREATE SEQUENCE s AS int MINVALUE 5 OWNED BY t.a;
      ALTER SEQUENCE s AS bigint INCREMENT -1 RESTART`);
    expect(script.dump()).to.include('sequence public.s 5..9223372036854775807 from 5 by -1');
    const [effect] = script.effects;
    expect(effect).to.deep.include({ kind: 'set-sequence', value: '5', isCalled: false });
    script.run('DROP TABLE t');
    expect(script.dump()).to.equal('');
    expect(script.effects.map((each) => each.kind)).to.deep.equal(['drop-sequence', 'drop-storage']);
  });

  refusals('CREATE TABLE t (a serial, i int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE s MAXVALUE 10', [
    ['CREATE SEQUENCE x INCREMENT 0', '22023 INCREMENT must not be zero'],
    ['CREATE SEQUENCE x MINVALUE 5 MAXVALUE 4', '22023 MINVALUE (5) must be less than MAXVALUE (4)'],
    ['CREATE SEQUENCE x START 0', '22023 START value (0) cannot be less than MINVALUE (1)'],
    ['CREATE SEQUENCE x MAXVALUE 5 START 6', '22023 START value (6) cannot be greater than MAXVALUE (5)'],
    [
      'CREATE SEQUENCE x AS smallint MAXVALUE 70000',
      '22023 MAXVALUE (70000) is out of range for sequence data type smallint',
    ],
    ['CREATE SEQUENCE x AS text', '22023 sequence type must be smallint, integer, or bigint'],
    ['CREATE SEQUENCE x CACHE 0', '22023 CACHE (0) must be greater than zero'],
    ['CREATE SEQUENCE x START 5 START 6', '42601 conflicting or redundant options'],
    ['CREATE SEQUENCE x OWNED BY t.c', '42703 column "c" of relation "t" does not exist'],
    ['CREATE SEQUENCE x OWNED BY t', '42601 invalid OWNED BY option'],
    ['ALTER SEQUENCE s RESTART WITH 11', '22023 RESTART value (11) cannot be greater than MAXVALUE (10)'],
    ['ALTER SEQUENCE t_i_seq OWNED BY NONE', '0A000 cannot change ownership of identity sequence'],
    ['DROP SEQUENCE t_a_seq', '2BP01 cannot drop sequence t_a_seq because other objects depend on it'],
    ['DROP SEQUENCE t_i_seq', '2BP01 cannot drop sequence t_i_seq because column i of table t requires it'],
    ['DROP SEQUENCE nope', '42P01 sequence "nope" does not exist'],
    ['DROP SEQUENCE t', '42809 "t" is not a sequence'],
  ]);

  it('drop_sequence_cascade_takes_the_default', async () => {
    const script = await Script.open('CREATE TABLE t (a serial); DROP SEQUENCE t_a_seq CASCADE');
    expect(script.dump()).to.equal('table public.t by row id\n  1 a integer not null');
    expect(script.notices.map((notice) => notice.message)).to.deep.equal([
      'drop cascades to default value for column a of table t',
    ]);
  });
});

describe('DROP TABLE, TRUNCATE', () => {
  it('drop_tables_frees_names_and_keeps_event_schemas', async () => {
    const script = await Script.open(
      'CREATE TABLE t (a serial PRIMARY KEY, b int UNIQUE); CREATE TABLE u (a int)',
    );
    const { layout } = script.table('t');
    const { nextId } = script.catalog;
    script.run('DROP TABLE t, u');
    expect(script.dump()).to.equal('');
    for (const name of ['t', 't_pkey', 't_b_key', 't_a_seq', 'u']) {
      expect(script.catalog.relation(2200, name), name).to.equal(undefined);
    }
    // The log still has the table's events, and needs their schema; ids are not used twice.
    expect(script.catalog.byId(-layout.schema)?.kind).to.equal('schema');
    expect(script.catalog.nextId).to.equal(nextId);
  });

  it('truncate_starts_a_storage_without_missing_columns', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a serial PRIMARY KEY); ALTER TABLE t ADD b int DEFAULT 1`);
    const before = script.table('t');
    script.run('TRUNCATE t RESTART IDENTITY');
    const after = script.table('t');
    expect(after.id).to.equal(before.id);
    expect(after.layout.storage).to.not.equal(before.layout.storage);
    expect(after.layout.schema).to.not.equal(before.layout.schema);
    expect(after.layout.columns.map((column) => column.missing)).to.deep.equal([null, null]);
    expect(script.effects.map((effect) => effect.kind)).to.deep.equal(['drop-storage', 'set-sequence']);
  });

  refusals('CREATE TABLE t (a serial); CREATE TABLE u (a int DEFAULT 1); CREATE INDEX i ON t (a)', [
    ['DROP TABLE nope', '42P01 table "nope" does not exist'],
    ['DROP TABLE x.y', '3F000 schema "x" does not exist'],
    ['DROP TABLE i', '42809 "i" is not a table'],
    ['DROP VIEW t', '42809 "t" is not a view'],
    ['TRUNCATE nope', '42P01 relation "nope" does not exist'],
    ['TRUNCATE i', '42809 "i" is not a table'],
    ['DROP FUNCTION f', '0A000 DROP FUNCTION is not supported yet'],
  ]);
});

describe('schemas', () => {
  it('drop_schema_cascade_takes_its_contents', async () => {
    const script = await Script.open('CREATE SCHEMA s; CREATE TABLE s.t (a serial); CREATE SEQUENCE s.q');
    expect(script.error('DROP SCHEMA s')).to.equal(
      '2BP01 cannot drop schema s because other objects depend on it',
    );
    script.run('DROP SCHEMA s CASCADE');
    expect(script.dump()).to.equal('');
    expect(script.notices).to.deep.equal([
      {
        severity: 'NOTICE',
        code: '00000',
        message: 'drop cascades to 2 other objects',
        detail: 'drop cascades to table s.t\ndrop cascades to sequence s.q',
      },
    ]);
  });

  it('drop_public_and_make_it_again', async () => {
    const script = await Script.open(
      'CREATE TABLE t (a int); DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE t (b int)',
    );
    expect(script.catalog.namespace('public')?.id).to.be.greaterThan(16384);
    expect(script.dump()).to.equal('table public.t by row id\n  1 b integer');
  });

  refusals('CREATE SCHEMA s', [
    ['CREATE SCHEMA s', '42P06 schema "s" already exists'],
    ['CREATE SCHEMA pg_x', '42939 unacceptable schema name "pg_x"'],
    ['DROP SCHEMA nope', '3F000 schema "nope" does not exist'],
    ['DROP SCHEMA pg_catalog', '42501 permission denied for schema pg_catalog'],
    ['ALTER SCHEMA nope RENAME TO x', '3F000 schema "nope" does not exist'],
    ['ALTER SCHEMA s RENAME TO public', '42P06 schema "public" already exists'],
  ]);
});

describe('roles', () => {
  it('roles_keep_a_verifier_and_never_a_password', async () => {
    const verifier = `SCRAM-SHA-256$4096:${'A'.repeat(24)}$${'B'.repeat(44)}:${'C'.repeat(44)}`;
    const script = await Script.open(`
      CREATE USER u PASSWORD 'secret'; CREATE ROLE r SUPERUSER PASSWORD '${verifier}'; ALTER ROLE r LOGIN`);
    expect(script.catalog.role('u')).to.deep.include({
      canLogin: true,
      isSuperuser: false,
      passwordVerifier: 'verifier of secret',
    });
    expect(script.catalog.role('r')).to.deep.include({
      canLogin: true,
      isSuperuser: true,
      passwordVerifier: verifier,
    });
    script.run('ALTER ROLE u PASSWORD NULL; ALTER ROLE u RENAME TO v; DROP ROLE r');
    expect(script.catalog.role('v')?.passwordVerifier).to.equal(null);
    expect(script.catalog.role('r')).to.equal(undefined);
  });

  it('others_than_superusers_change_only_what_they_own', async () => {
    const script = await Script.open(`
      CREATE ROLE r; CREATE TABLE t (a int); CREATE SCHEMA s AUTHORIZATION r`);
    script.user = 'r';
    expect(script.error('ALTER TABLE t ADD b int')).to.equal('42501 must be owner of table t');
    expect(script.error('DROP TABLE t')).to.equal('42501 must be owner of table t');
    expect(script.error('CREATE TABLE u (a int)')).to.equal('42501 permission denied for schema public');
    expect(script.error('CREATE ROLE q')).to.equal('42501 permission denied to create role');
    expect(script.error('ALTER ROLE r SUPERUSER')).to.equal('42501 permission denied');
    expect(script.run("ALTER ROLE r PASSWORD 'mine'").tag).to.equal('ALTER ROLE');
    expect(script.run('CREATE TABLE s.u (a int); ALTER TABLE s.u ADD b int').tag).to.equal('ALTER TABLE');
  });

  refusals('CREATE ROLE r; CREATE TABLE t (a int); ALTER TABLE t OWNER TO r', [
    ['CREATE ROLE r', '42710 role "r" already exists'],
    ['CREATE ROLE pg_x', '42939 role name "pg_x" is reserved'],
    ['DROP ROLE nope', '42704 role "nope" does not exist'],
    ['DROP ROLE alopex', '55006 current user cannot be dropped'],
    ['DROP ROLE r', '2BP01 role "r" cannot be dropped because some objects depend on it'],
    ['ALTER ROLE r CREATEROLE', '0A000 the role option createrole is not supported yet'],
    ["ALTER ROLE r VALID UNTIL '2030-01-01'", '0A000 the role option validUntil is not supported yet'],
    ['GRANT SELECT (a) ON t TO r', '0A000 privileges on columns is not supported yet'],
    ['GRANT CONNECT ON DATABASE alopex TO r', '0A000 GRANT and REVOKE on DATABASE is not supported yet'],
    ['GRANT CREATE ON t TO r', '0LP01 invalid privilege type CREATE for table'],
    ['GRANT SELECT ON nope TO r', '42P01 relation "nope" does not exist'],
    ['GRANT SELECT ON t TO nope', '42704 role "nope" does not exist'],
    ['GRANT SELECT ON alopex.objects TO r', '42501 permission denied: "objects" is a system catalog'],
    ['GRANT r TO r', '0LP01 role "r" is a member of role "r"'],
  ]);

  it('what_was_granted_stands_in_the_definition', async () => {
    const script = await Script.open('CREATE ROLE r; CREATE TABLE t (a int)');
    const { owner } = script.table('t');
    const own = { grantee: owner, grantor: owner, privileges: 'arwdDxt', grantable: '' };
    script.run('GRANT SELECT, UPDATE ON t TO r; GRANT INSERT ON t TO r WITH GRANT OPTION');
    const r = script.catalog.role('r')!.id;
    expect(script.table('t').acl).to.deep.equal([
      own,
      { grantee: r, grantor: owner, privileges: 'arw', grantable: 'a' },
    ]);
    script.run('REVOKE SELECT, UPDATE ON t FROM r; REVOKE GRANT OPTION FOR INSERT ON t FROM r');
    expect(script.table('t').acl?.[1]).to.deep.equal({
      grantee: r,
      grantor: owner,
      privileges: 'a',
      grantable: '',
    });
    script.run('REVOKE ALL ON t FROM r');
    expect(script.table('t').acl).to.deep.equal([own]);
  });
});

describe('COMMENT', () => {
  it('comments_stand_with_what_they_are_on', async () => {
    const script = await Script.open(`
      CREATE TABLE t (a int UNIQUE); COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN t.a IS 'y'; COMMENT ON INDEX t_a_key IS 'z'`);
    expect(script.table('t').comment).to.equal('x');
    expect(script.table('t').columns[0]?.comment).to.equal('y');
    script.run('COMMENT ON TABLE t IS NULL');
    expect(script.table('t').comment).to.equal(null);
  });

  refusals('CREATE TABLE t (a int)', [
    ["COMMENT ON TABLE nope IS 'x'", '42P01 relation "nope" does not exist'],
    ["COMMENT ON COLUMN t.nope IS 'x'", '42703 column "nope" of relation "t" does not exist'],
    ["COMMENT ON COLUMN nope IS 'x'", '42601 column name must be qualified'],
    ["COMMENT ON INDEX t IS 'x'", '42809 "t" is not an index'],
  ]);
});
