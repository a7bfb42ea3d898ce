import { expect } from 'chai';
import type { Datum } from '../../base/values/datum.ts';
import { SqlArray } from '../../base/values/datum.ts';
import type { FunctionContext } from '../types/function.ts';
import { catalogLookups } from './lookups.ts';
import { shapes } from './shape.ts';
import { Script } from './test-kit/script.ts';
import { rowsOf, virtualRelation } from './virtual-relations.ts';

type NamedRow = Readonly<Record<string, Datum>>;

/** The rows of catalog relations look at nothing but the search path and the server's own rows. */
function contextOf(systemRows: FunctionContext['systemRows'] = () => []): FunctionContext {
  return { searchPath: ['public'], systemRows } as unknown as FunctionContext;
}

function read(script: Script, schema: string, name: string, context = contextOf()): NamedRow[] {
  const relation = virtualRelation(schema, name);
  if (relation === undefined) throw new TypeError(`no relation ${schema}.${name}`);
  return Array.from(relation.rows(script.catalog, context), (row) =>
    Object.fromEntries(relation.columns.map((column, index) => [column.name, row[index]!])),
  );
}

/** Some columns of the rows that match, one line a row. */
function lines(rows: readonly NamedRow[], columns: readonly string[]): string[] {
  return rows.map((row) => columns.map((column) => shown(row[column]!)).join(' | '));
}

function shown(value: Datum): string {
  return value instanceof SqlArray ? `{${value.items.map(shown).join()}}` : String(value);
}

const definition = `
  CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', c varchar(10) UNIQUE, tags int[]);
  CREATE INDEX ON t (name DESC, c); CREATE TABLE bare (a numeric(10,2), n int GENERATED ALWAYS AS IDENTITY);
  ALTER TABLE bare DROP a; COMMENT ON TABLE t IS 'hello'; COMMENT ON COLUMN t.c IS 'code'; CREATE SCHEMA s; CREATE TABLE s.t (a int);
  CREATE USER u PASSWORD 'secret'`;

describe('virtual relations', () => {
  it('every_row_has_only_columns_of_its_relation', async () => {
    const script = await Script.open(definition);
    for (const shape of shapes) {
      const names = new Set(shape.columns.map((column) => column.name));
      const isShared = ['pg_authid', 'pg_roles', 'pg_user', 'pg_shadow'].includes(shape.name);
      for (const row of rowsOf(shape)(script.catalog, contextOf())) {
        const unknown = Object.keys(row).filter((name) => !names.has(name));
        if (!isShared) expect(unknown, `${shape.schema}.${shape.name}`).to.deep.equal([]);
        expect(Object.values(row), `${shape.schema}.${shape.name}`).to.not.include(undefined);
      }
    }
  });

  it('pg_class_lists_tables_indexes_sequences_and_itself', async () => {
    const script = await Script.open(definition);
    const all = read(script, 'pg_catalog', 'pg_class');
    const own = all.filter((row) => (row.oid as number) >= 16384);
    expect(lines(own, ['relname', 'relkind', 'relnatts', 'relhasindex', 'relam'])).to.have.members([
      't | r | 4 | true | 2',
      'bare | r | 2 | false | 2',
      't | r | 1 | false | 2',
      't_pkey | i | 1 | false | 403',
      't_c_key | i | 1 | false | 403',
      't_name_c_idx | i | 2 | false | 403',
      't_id_seq | S | 3 | false | 0',
      'bare_n_seq | S | 3 | false | 0',
    ]);
    expect(all.find((row) => row.relname === 'pg_class')).to.deep.include({ oid: 1259, relkind: 'r' });
    expect(new Set(all.map((row) => row.oid)).size).to.equal(all.length);
  });

  it('pg_attribute_shows_dropped_columns_and_no_row_id', async () => {
    const script = await Script.open(definition);
    const ofTable = (name: string): NamedRow[] =>
      read(script, 'pg_catalog', 'pg_attribute').filter((row) => row.attrelid === script.table(name).id);
    expect(
      lines(ofTable('bare'), ['attnum', 'attname', 'attisdropped', 'attidentity', 'attnotnull']),
    ).to.deep.equal(['1 | ........pg.dropped.1........ | true |  | false', '2 | n | false | a | true']);
  });

  it('pg_index_and_pg_constraint_tell_keys', async () => {
    const script = await Script.open(definition);
    expect(
      lines(read(script, 'pg_catalog', 'pg_index'), [
        'indisprimary',
        'indisunique',
        'indkey',
        'indoption',
        'indisvalid',
      ]).slice(-3),
    ).to.have.members([
      'true | true | {1} | {0} | true',
      'false | true | {3} | {0} | true',
      'false | false | {2,3} | {3,0} | false',
    ]);
    expect(
      lines(read(script, 'pg_catalog', 'pg_constraint'), ['conname', 'contype', 'conkey']).slice(-2),
    ).to.deep.equal(['t_pkey | p | {1}', 't_c_key | u | {3}']);
  });

  it('views_and_descriptions', async () => {
    const script = await Script.open(definition);
    expect(
      lines(
        read(script, 'pg_catalog', 'pg_indexes').filter((row) => row.schemaname === 'public'),
        ['indexdef'],
      ),
    ).to.have.members([
      'CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)',
      'CREATE UNIQUE INDEX t_c_key ON public.t USING btree (c)',
      'CREATE INDEX t_name_c_idx ON public.t USING btree (name DESC, c)',
    ]);
    const id = script.table('bare').id;
    expect(lines(read(script, 'pg_catalog', 'pg_description'), ['objsubid', 'description'])).to.deep.equal([
      '0 | hello',
      '3 | code',
    ]);
    expect(read(script, 'pg_catalog', 'pg_tables').map((row) => row.tablename)).to.include.members([
      't',
      'bare',
      'pg_class',
    ]);
    expect(id).to.be.greaterThan(16383);
  });

  it('only_what_superusers_read_shows_a_password', async () => {
    const script = await Script.open(definition);
    for (const [name, isShown] of [
      ['pg_authid', true],
      ['pg_roles', false],
      ['pg_shadow', true],
      ['pg_user', false],
    ] as const) {
      const text = JSON.stringify(read(script, 'pg_catalog', name));
      expect(text, name).to.include('"u"');
      expect(text.includes('verifier'), name).to.equal(isShown);
      expect(virtualRelation('pg_catalog', name)?.isSecret, name).to.equal(isShown);
    }
  });

  it('information_schema_describes_columns_and_keys', async () => {
    const script = await Script.open(definition);
    const columns = read(script, 'information_schema', 'columns').filter(
      (row) => row.table_schema === 'public',
    );
    expect(
      lines(columns, ['table_name', 'column_name', 'data_type', 'is_nullable', 'column_default', 'udt_name']),
    ).to.deep.equal([
      "t | id | integer | NO | nextval('t_id_seq'::regclass) | int4",
      "t | name | text | NO | 'x'::text | text",
      't | c | character varying | YES | null | varchar',
      't | tags | ARRAY | YES | null | _int4',
      'bare | n | integer | NO | null | int4',
    ]);
    expect(columns[2]).to.deep.include({ character_maximum_length: 10, character_octet_length: 40 });
    expect(columns[4]).to.deep.include({ is_identity: 'YES', identity_generation: 'ALWAYS' });
    const keys = read(script, 'information_schema', 'key_column_usage').filter(
      (row) => row.table_schema === 'public',
    );
    expect(lines(keys, ['constraint_name', 'column_name', 'ordinal_position'])).to.deep.equal([
      't_pkey | id | 1',
      't_c_key | c | 1',
    ]);
  });

  it('the_server_gives_its_own_rows', async () => {
    const script = await Script.open();
    const context = contextOf((relation) =>
      relation === 'pg_settings' ? [{ name: 'work_mem', setting: '4096' }] : [],
    );
    const [setting] = read(script, 'pg_catalog', 'pg_settings', context);
    expect(setting).to.deep.include({
      name: 'work_mem',
      setting: '4096',
      unit: null,
      pending_restart: false,
    });
    expect(read(script, 'pg_catalog', 'pg_locks', context)).to.deep.equal([]);
  });
});

describe('catalog lookups', () => {
  it('names_relations_by_the_search_path', async () => {
    const script = await Script.open(definition);
    const lookups = catalogLookups(script.catalog, ['public']);
    const inPublic = lookups.relationOid(null, 't')!;
    const inS = lookups.relationOid('s', 't')!;
    expect(inPublic).to.not.equal(inS);
    expect(lookups.relationName(inPublic)).to.equal('t');
    expect(lookups.relationName(inS)).to.equal('s.t');
    expect(catalogLookups(script.catalog, ['s', 'public']).relationName(inPublic)).to.equal('public.t');
    expect([inPublic, inS, 999999].map((oid) => lookups.isTableVisible(oid))).to.deep.equal([
      true,
      false,
      null,
    ]);
    expect(lookups.relationOid(null, 'pg_class')).to.equal(1259);
    expect(lookups.relationName(1259)).to.equal('pg_class');
    expect(lookups.relationOid(null, 'nope')).to.equal(null);
  });

  it('says_objects_as_sql', async () => {
    const script = await Script.open(definition);
    const lookups = catalogLookups(script.catalog, ['public']);
    const key = script.table('bare').primaryKey;
    expect(key).to.equal(null);
    const index = lookups.relationOid(null, 't_name_c_idx')!;
    expect(lookups.indexDefinition(index, 0)).to.equal(
      'CREATE INDEX t_name_c_idx ON public.t USING btree (name DESC, c)',
    );
    expect(lookups.indexDefinition(index, 1)).to.equal('name');
    expect(lookups.indexDefinition(1, 0)).to.equal(null);
    const [primary] = read(script, 'pg_catalog', 'pg_constraint').filter((row) => row.conname === 't_pkey');
    expect(lookups.constraintDefinition(primary!.oid as number)).to.equal('PRIMARY KEY (id)');
    const table = lookups.relationOid(null, 't')!;
    expect(lookups.columnDefault(table, 1)).to.equal("nextval('t_id_seq'::regclass)");
    expect(catalogLookups(script.catalog, []).columnDefault(table, 1)).to.equal(
      "nextval('public.t_id_seq'::regclass)",
    );
    expect(lookups.serialSequence('t', 'id')).to.equal('public.t_id_seq');
    expect(lookups.serialSequence('t', 'name')).to.equal(null);
    expect([lookups.roleName(10), lookups.namespaceName(2200), lookups.functionName(42)]).to.deep.equal([
      'alopex',
      'public',
      'int4in',
    ]);
    expect(lookups.functionOid('array_in')).to.equal(750);
    expect([0, 1, 3].map((column) => lookups.description?.(table, column))).to.deep.equal([
      'hello',
      null,
      'code',
    ]);
  });
});
