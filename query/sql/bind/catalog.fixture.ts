import { executeDdl } from '../../catalog/ddl/execute.ts';
import type { CatalogSnapshot } from '../../catalog/definition.ts';
import { applyChanges, emptyCatalog } from '../../catalog/snapshot.ts';
import { bootstrapObjects, wellKnown } from '../../catalog/well-known.ts';
import type { FunctionContext } from '../../types/function.ts';
import { deparseExpression } from '../deparse.ts';
import { parse } from '../parse.ts';
import type { BindOptions } from './environment.ts';
import { bindExpression } from './statement.ts';

/** Tables that cover the types, keys, defaults and identities that binding looks at. */
const schema = `
create table t (a int primary key, b text, c numeric(10,2), d timestamptz);
create table u (a int, b varchar(20), e bigint, f int[]);
create table s (id serial primary key, name varchar(10) not null, n int default 0);
create table g (id int generated always as identity primary key, v text unique);
create table k (x int, y int, z text, primary key (x, y));
create table ty (i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, num numeric, bo boolean, tx text,
  vc varchar(5), ch char(3), ba bytea, da date, ti time, ts timestamp, tz timestamptz, iv interval, uu uuid,
  js json, jb jsonb, ve vector(3));
create table gone (a int, b int, c int);
alter table gone drop column b;
`;

/** A catalog with those tables, and all that binding against it needs. The parser must be loaded. */
export function fixtureOptions(): BindOptions {
  let catalog: CatalogSnapshot = applyChanges(
    emptyCatalog(),
    bootstrapObjects.map((object) => ({ kind: 'put', object })),
  );
  for (const { node } of parse(schema)) {
    const options = optionsOver(catalog);
    const { changes } = executeDdl(node, {
      catalog,
      searchPath: options.searchPath,
      user: 'alopex',
      passwordVerifier: () => '',
      bindDefault: (expression, type, name) => {
        bindExpression(expression, { name, type }, options);
        return { text: deparseExpression(expression, type), isVolatile: false, evaluate: () => null };
      },
    });
    catalog = applyChanges(catalog, changes);
  }
  return optionsOver(catalog);
}

function optionsOver(catalog: CatalogSnapshot): BindOptions {
  return {
    catalog,
    searchPath: ['public'],
    parameterTypes: [],
    functionContext: functionContextOver(catalog),
    virtualRelation: (namespace, name) =>
      namespace === 'pg_catalog' && name === 'pg_class'
        ? {
            kind: 'table',
            isSecret: false,
            schema: 'pg_catalog',
            name,
            oid: 1259,
            columns: [
              { name: 'oid', type: { oid: 26, modifier: -1 } },
              { name: 'relname', type: { oid: 19, modifier: -1 } },
            ],
            rows: () => [],
          }
        : undefined,
  };
}

function functionContextOver(catalog: CatalogSnapshot): FunctionContext {
  const known = {
    transactionMicros: 0,
    statementMicros: 0,
    timeZone: 'UTC',
    dateStyle: 'ISO, MDY',
    intervalStyle: 'postgres',
    extraFloatDigits: 1,
    byteaOutput: 'hex',
    searchPath: ['public'],
    catalog: {
      relationOid: (_: string | null, name: string) => catalog.relation(wellKnown.public, name)?.id ?? null,
    },
  };
  return known as unknown as FunctionContext;
}
