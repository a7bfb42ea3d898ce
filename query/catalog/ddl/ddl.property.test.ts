import { expect } from 'chai';
import fc from 'fast-check';
import type { CatalogSnapshot, RelationDefinition } from '../definition.ts';
import { fromRows, toRow } from '../snapshot.ts';
import { Script } from '../test-kit/script.ts';
import { systemTables } from '../well-known.ts';

const table = fc.constantFrom('t', 'u', 's.t');
const column = fc.constantFrom('a', 'b', 'c');
const name = fc.constantFrom('t', 'u', 'v', 't_pkey', 't_a_idx', 'a', 'b');

/** Statements of which many fail: what they leave must hold all the same. */
const statement = fc.oneof(
  fc.tuple(table, column).map(([t, c]) => `CREATE TABLE ${t} (${c} serial PRIMARY KEY, x text UNIQUE)`),
  fc.tuple(table, column).map(([t, c]) => `CREATE TABLE ${t} (${c} int, b int GENERATED ALWAYS AS IDENTITY)`),
  table.map((t) => `DROP TABLE ${t} CASCADE`),
  table.map((t) => `TRUNCATE ${t} RESTART IDENTITY`),
  fc.tuple(table, column).map(([t, c]) => `ALTER TABLE ${t} ADD ${c} int DEFAULT 1`),
  fc
    .tuple(table, column)
    .map(([t, c]) => `ALTER TABLE ${t} ADD ${c} float8 DEFAULT random(), ADD UNIQUE (a)`),
  fc.tuple(table, column).map(([t, c]) => `ALTER TABLE ${t} DROP ${c} CASCADE`),
  fc.tuple(table, column).map(([t, c]) => `ALTER TABLE ${t} ADD PRIMARY KEY (${c})`),
  table.map((t) => `ALTER TABLE ${t} DROP CONSTRAINT t_pkey`),
  fc.tuple(table, column).map(([t, c]) => `ALTER TABLE ${t} ALTER ${c} SET NOT NULL`),
  fc.tuple(table, column, column).map(([t, c, d]) => `ALTER TABLE ${t} RENAME ${c} TO ${d}`),
  fc.tuple(table, name).map(([t, n]) => `ALTER TABLE ${t} RENAME TO ${n}`),
  fc.tuple(name, name).map(([from, to]) => `ALTER INDEX ${from} RENAME TO ${to}`),
  fc.tuple(table, column).map(([t, c]) => `CREATE INDEX ON ${t} (${c} DESC)`),
  name.map((n) => `DROP INDEX ${n}`),
  name.map((n) => `ALTER TABLE ${n} SET SCHEMA s`),
  fc.constantFrom(
    'CREATE SCHEMA s',
    'DROP SCHEMA s CASCADE',
    'DROP SCHEMA s',
    'DROP SEQUENCE t_a_seq CASCADE',
  ),
);

/** What the log's folds and the binder take for granted of every table. */
function checkTable(catalog: CatalogSnapshot, definition: RelationDefinition): void {
  const { layout, columns } = definition;
  const live = columns.filter((each) => !each.isDropped).map((each) => each.attribute);
  expect(layout.columns.map((each) => each.id)).to.deep.equal(live);
  expect(columns.map((each) => each.attribute)).to.deep.equal(columns.map((_, index) => index + 1));
  expect(layout.key).to.not.have.length(0);
  for (const key of layout.key)
    expect(columns[key.column - 1]).to.include({ isDropped: false, notNull: true });
  const isHidden = layout.key.some((key) => columns[key.column - 1]!.isHidden);
  expect(isHidden).to.equal(definition.primaryKey === null);
  expect(layout.indexes.map((each) => each.id)).to.have.members(
    catalog.indexesOf(definition.id).map((each) => each.id),
  );
  for (const index of catalog.indexesOf(definition.id)) {
    expect(index.namespace).to.equal(definition.namespace);
    for (const each of index.columns) expect(live).to.include(each.attribute);
  }
  const schema = catalog.byId(-layout.schema);
  expect(schema?.kind === 'schema' && schema.event).to.deep.include({
    table: definition.id,
    storage: layout.storage,
    key: layout.key.map((key) => key.column),
  });
  expect(schema?.kind === 'schema' && schema.event.fields.map((field) => field.column)).to.deep.equal(live);
}

describe('any DDL', () => {
  it('leaves a catalog that holds together, and whose rows make it again', async () => {
    const fresh = await Script.open();
    fc.assert(
      fc.property(fc.array(statement, { minLength: 1, maxLength: 25 }), (statements) => {
        const script = new Script();
        script.catalog = fresh.catalog;
        const storages = new Set<number>();
        for (const text of statements) {
          const { nextId } = script.catalog;
          script.error(text);
          expect(script.catalog.nextId).to.be.at.least(nextId);
        }
        const system = new Set(systemTables.map((each) => each.id));
        const objects = [...script.catalog.all()].filter((object) => !system.has(object.id));
        for (const object of objects) {
          if (object.kind !== 'table') continue;
          checkTable(script.catalog, object);
          expect(storages.has(object.layout.storage)).to.equal(false);
          storages.add(object.layout.storage);
          expect(script.catalog.relation(object.namespace, object.name)).to.equal(object);
        }
        for (const object of objects) expect(Math.abs(object.id)).to.be.below(script.catalog.nextId);
        const again = fromRows(objects.map(toRow));
        expect([...again.all()]).to.deep.equal([...script.catalog.all()]);
        expect(again.nextId).to.equal(script.catalog.nextId);
      }),
      { numRuns: 300 },
    );
  });
});
