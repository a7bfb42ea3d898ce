import { expect } from 'chai';
import fc from 'fast-check';
import { columnId, schemaId, storageId, tableId } from '../../base/ids.ts';
import type { CatalogChange, CatalogObject, IndexDefinition, RelationDefinition } from './definition.ts';
import { applyChanges, emptyCatalog, fromRow, fromRows, toRow } from './snapshot.ts';
import { bootstrapObjects, systemTables, wellKnown } from './well-known.ts';

function table(id: number, name: string, keyName: string | null = null): RelationDefinition {
  return {
    kind: 'table',
    id,
    namespace: wellKnown.public,
    name,
    owner: wellKnown.role,
    columns: [
      {
        attribute: 1,
        name: 'a',
        type: { oid: 23, modifier: -1 },
        notNull: true,
        defaultText: '1',
        identity: null,
        ownedSequence: null,
        isHidden: false,
        isDropped: false,
        comment: null,
      },
    ],
    primaryKey: keyName === null ? null : { id: id + 1, name: keyName, constraint: id + 2 },
    options: { fillfactor: '90' },
    comment: null,
    layout: {
      table: tableId(id),
      storage: storageId(id),
      schema: schemaId(id),
      columns: [{ id: columnId(1), type: { kind: 'int4' }, missing: 9223372036854775807n }],
      key: [{ column: columnId(1), type: { kind: 'int4' }, descending: false, nullsFirst: false }],
      indexes: [],
      historyMs: 1000,
    },
  };
}

function index(id: number, tableOid: number, name: string): IndexDefinition {
  return {
    kind: 'index',
    id,
    table: tableOid,
    namespace: wellKnown.public,
    name,
    isUnique: false,
    constraint: null,
    columns: [{ attribute: 1, descending: false, nullsFirst: false }],
    method: 'btree',
    comment: null,
  };
}

const put = (object: CatalogObject): CatalogChange => ({ kind: 'put', object });
const remove = (object: CatalogObject): CatalogChange => ({ kind: 'remove', object });

describe('catalog snapshot', () => {
  it('empty_catalog_has_the_well_known_objects', () => {
    const catalog = emptyCatalog();
    expect(catalog.namespace('public')?.id).to.equal(2200);
    expect(catalog.namespace('pg_catalog')?.id).to.equal(11);
    expect(catalog.role('alopex')).to.deep.include({ id: 10, isSuperuser: true });
    expect(catalog.byId(5)).to.deep.include({ kind: 'database', name: 'alopex' });
    expect(catalog.relation(wellKnown.alopex, 'objects')?.id).to.equal(1);
    expect(catalog.relation(wellKnown.alopex, 'sequences_pkey')?.kind).to.equal('index');
    expect(catalog.nextId).to.equal(16384);
  });

  it('a_change_leaves_older_snapshots_as_they_were', () => {
    const before = emptyCatalog();
    const old = table(16384, 't', 't_pkey');
    const first = applyChanges(before, [put(old)]);
    const second = applyChanges(first, [put({ ...old, name: 'renamed' })]);
    const third = applyChanges(second, [remove({ ...old, name: 'renamed' })]);
    expect(before.relation(2200, 't')).to.equal(undefined);
    expect(first.relation(2200, 't')).to.equal(old);
    expect(first.relation(2200, 't_pkey')).to.deep.include({ id: 16385, constraint: 16386 });
    expect(second.relation(2200, 't')).to.equal(undefined);
    expect(second.relation(2200, 'renamed')?.id).to.equal(16384);
    expect(third.relation(2200, 't_pkey')).to.equal(undefined);
    expect(third.byId(16384)).to.equal(undefined);
    expect(third.byId(16385)).to.equal(undefined);
    expect(third.nextId).to.equal(16385);
    expect([before, first, second, third].map((each) => each.version - before.version)).to.deep.equal([
      0, 1, 2, 3,
    ]);
  });

  it('a_name_may_change_owner_within_one_list_of_changes', () => {
    const first = applyChanges(emptyCatalog(), [put(table(20000, 'a')), put(table(20010, 'b'))]);
    const swapped = applyChanges(first, [put(table(20000, 'b')), put(table(20010, 'a'))]);
    expect(swapped.relation(2200, 'a')?.id).to.equal(20010);
    expect(swapped.relation(2200, 'b')?.id).to.equal(20000);
  });

  it('indexes_are_found_by_table_ascending', () => {
    const changes = [put(table(20000, 't')), put(index(20007, 20000, 'i2')), put(index(20005, 20000, 'i1'))];
    const catalog = applyChanges(emptyCatalog(), changes);
    expect(catalog.indexesOf(20000).map((each) => each.name)).to.deep.equal(['i1', 'i2']);
    const fewer = applyChanges(catalog, [remove(index(20005, 20000, 'i1'))]);
    expect(fewer.indexesOf(20000).map((each) => each.name)).to.deep.equal(['i2']);
    expect(catalog.indexesOf(20000)).to.have.length(2);
  });

  it('well_known_ids_are_each_of_one_object', () => {
    const ids = [
      ...Object.values(wellKnown),
      ...systemTables.flatMap(({ primaryKey }) => [primaryKey!.id, primaryKey!.constraint]),
    ];
    expect(ids.toSorted()).to.deep.equal([...new Set(ids)].toSorted());
    for (const table of systemTables) expect(emptyCatalog().byId(table.id)).to.equal(table);
  });

  it('rows_give_the_same_catalog_in_any_order', () => {
    const objects: CatalogObject[] = [
      ...bootstrapObjects,
      table(20000, 't', 't_pkey'),
      index(20005, 20000, 'i'),
      {
        kind: 'schema',
        id: -20009,
        event: {
          id: schemaId(20009),
          table: tableId(20000),
          storage: storageId(20000),
          name: 'public.t',
          fields: [],
          key: [columnId(1)],
        },
      },
    ];
    const rows = objects.map(toRow);
    for (const ordered of [rows, rows.toReversed()]) {
      const catalog = fromRows(ordered);
      const builtIn: ReadonlySet<CatalogObject> = new Set(systemTables);
      expect([...catalog.all()].filter((object) => !builtIn.has(object))).to.have.deep.members(objects);
      expect(catalog.nextId).to.equal(20010);
    }
    expect(() => fromRows([])).to.throw('first commit is missing');
    expect(() => fromRow([1, 'table', null, '{'])).to.throw('row 1 of alopex.objects is malformed');
  });

  it('agrees_with_a_map_after_any_changes', () => {
    const command = fc.record({ id: fc.integer({ min: 16384, max: 18000 }), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const model = new Map<number, RelationDefinition>();
        let catalog = emptyCatalog();
        for (const each of commands) {
          const object = table(each.id, `t${each.id}`);
          if (each.remove) model.delete(each.id);
          else model.set(each.id, object);
          catalog = applyChanges(catalog, [each.remove ? remove(object) : put(object)]);
        }
        const expected = [...model.values()].sort((left, right) => left.id - right.id);
        expect([...catalog.tablesOf(wellKnown.public)].map((each) => each.id)).to.deep.equal(
          expected.map((each) => each.id),
        );
        for (const each of commands) {
          expect(catalog.relation(wellKnown.public, `t${each.id}`)?.id).to.equal(model.get(each.id)?.id);
        }
      }),
    );
  });
});
