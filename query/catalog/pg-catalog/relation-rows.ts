import { type Datum, SqlArray } from '../../../base/values/datum.ts';
import { findType, typeInfo } from '../../types/registry.ts';
import { oids, type SqlType } from '../../types/type.ts';
import type {
  CatalogSnapshot,
  IndexDefinition,
  RelationDefinition,
  SequenceDefinition,
} from '../definition.ts';
import { columnDefaultText, keyConstraints, nullsAreDistinct, tableOf } from '../definition-text.ts';
import { primaryKeyIndex } from '../primary-key.ts';
import { aclArray } from '../privileges.ts';
import { sequencesOf } from '../sequence-default.ts';
import { type NamedRow, type RowsOf, type Shape, shapes } from '../shape.ts';
import { wellKnown } from '../well-known.ts';
import { defaultOperatorClass } from './operator-class-rows.ts';

/** pg_class, pg_attribute, pg_attrdef, pg_index, pg_constraint, pg_sequence, pg_depend, pg_description. */

/** Oids of the catalogs that dependencies and comments point into. */
const classId = { relation: 1259, namespace: 2615, constraint: 2606, default: 2604 } as const;

const heapMethod = 2;
const btreeMethod = 403;

export function* allIndexes(catalog: CatalogSnapshot): IterableIterator<IndexDefinition> {
  for (const object of catalog.all()) {
    if (object.kind === 'index') yield object;
    if (object.kind === 'table' && object.primaryKey !== null) yield primaryKeyIndex(object);
  }
}

export function* allTables(catalog: CatalogSnapshot): IterableIterator<RelationDefinition> {
  for (const object of catalog.all()) if (object.kind === 'table') yield object;
}

export function* allSequences(catalog: CatalogSnapshot): IterableIterator<SequenceDefinition> {
  for (const object of catalog.all()) if (object.kind === 'sequence') yield object;
}

/** Oid vectors and the like count from 0. */
export function vector(items: readonly Datum[]): SqlArray {
  return new SqlArray(items, items.length === 0 ? [] : [{ length: items.length, lowerBound: 0 }]);
}

export const classRows: RowsOf = function* (catalog) {
  for (const shape of shapes) yield shapeClass(shape);
  for (const table of allTables(catalog)) {
    const hasIndex = table.primaryKey !== null || catalog.indexesOf(table.id).length > 0;
    const options = Object.entries(table.options).map(([name, value]) => `${name}=${value}`);
    yield {
      ...relationClass(table.id, table.name, table.namespace, table.owner, 'r'),
      relam: heapMethod,
      relfilenode: table.layout.storage,
      relnatts: table.columns.filter((column) => !column.isHidden).length,
      relhasindex: hasIndex,
      relreplident: 'd',
      reloptions: options.length === 0 ? null : SqlArray.of(options),
      relacl: aclArray(catalog, table),
    };
  }
  for (const index of allIndexes(catalog)) {
    const owner = tableOf(catalog, index).owner;
    yield {
      ...relationClass(index.id, index.name, index.namespace, owner, 'i'),
      relam: btreeMethod,
      relfilenode: index.id,
      relnatts: index.columns.length,
    };
  }
  for (const sequence of allSequences(catalog)) {
    yield {
      ...relationClass(sequence.id, sequence.name, sequence.namespace, sequence.owner, 'S'),
      relfilenode: sequence.id,
      relnatts: sequenceColumns.length,
      relacl: aclArray(catalog, sequence),
      reltuples: 1,
      relpages: 1,
    };
  }
};

function relationClass(oid: number, name: string, namespace: number, owner: number, kind: string): NamedRow {
  return {
    oid,
    relname: name,
    relnamespace: namespace,
    relowner: owner,
    reltuples: kind === 'r' ? -1 : 0,
    relpersistence: 'p',
    relkind: kind,
    relispopulated: true,
    relreplident: 'n',
  };
}

const shapeNamespaces: Readonly<Record<Shape['schema'], number>> = {
  pg_catalog: wellKnown.pgCatalog,
  information_schema: wellKnown.informationSchema,
  alopex: wellKnown.alopex,
};

function shapeClass(shape: Shape): NamedRow {
  const namespace = shapeNamespaces[shape.schema];
  return {
    ...relationClass(shape.oid, shape.name, namespace, wellKnown.role, shape.kind === 'table' ? 'r' : 'v'),
    relam: shape.kind === 'table' ? heapMethod : 0,
    relnatts: shape.columns.length,
    relhasrules: shape.kind === 'view',
  };
}

const sequenceColumns = [
  { name: 'last_value', type: { oid: oids.int8, modifier: -1 } },
  { name: 'log_cnt', type: { oid: oids.int8, modifier: -1 } },
  { name: 'is_called', type: { oid: oids.bool, modifier: -1 } },
] as const;

export const attributeRows: RowsOf = function* (catalog) {
  for (const shape of shapes) {
    for (const [index, column] of shape.columns.entries()) yield attribute(shape.oid, index + 1, column);
  }
  for (const table of allTables(catalog)) {
    for (const column of table.columns) {
      if (column.isHidden) continue;
      const missing = table.layout.columns.find((each) => each.id === column.attribute)?.missing ?? null;
      yield {
        ...attribute(table.id, column.attribute, column),
        attnotnull: column.notNull,
        atthasdef: column.defaultText !== null,
        atthasmissing: missing !== null,
        attidentity: column.identity === null ? '' : column.identity === 'always' ? 'a' : 'd',
        attisdropped: column.isDropped,
      };
    }
  }
  for (const index of allIndexes(catalog)) {
    const table = tableOf(catalog, index);
    for (const [place, { attribute: number }] of index.columns.entries()) {
      yield attribute(index.id, place + 1, table.columns[number - 1]!);
    }
  }
  for (const sequence of allSequences(catalog)) {
    for (const [index, column] of sequenceColumns.entries()) {
      yield { ...attribute(sequence.id, index + 1, column), attnotnull: true };
    }
  }
};

function attribute(
  relation: number,
  number: number,
  { name, type }: { readonly name: string; readonly type: SqlType },
): NamedRow {
  const info = typeInfo(type.oid);
  return {
    attrelid: relation,
    attname: name,
    atttypid: type.oid,
    attstattarget: -1,
    attlen: info.length,
    attnum: number,
    attndims: info.category === 'A' ? 1 : 0,
    attcacheoff: -1,
    atttypmod: type.modifier,
    attislocal: true,
    attcollation: collationOf(type.oid),
    ...storageOf(type.oid),
  };
}

/** How PostgreSQL would lay the type out: drivers read it, nothing here depends on it. */
export function storageOf(oid: number): NamedRow {
  const { length, category } = typeInfo(oid);
  const isByValue = [1, 2, 4, 8].includes(length);
  const alignments: Readonly<Record<number, string>> = { 1: 'c', 2: 's', 4: 'i', 8: 'd' };
  const byReference = oid === oids.name || oid === oids.uuid ? 'c' : length > 0 ? 'd' : 'i';
  const long = oid === oids.numeric ? 'm' : category === 'A' || length === -1 ? 'x' : 'p';
  return { attbyval: isByValue, attalign: alignments[length] ?? byReference, attstorage: long };
}

/** Types that are compared by a collation; all of them by code point. */
export function collationOf(oid: number): number {
  const info = findType(oid);
  const base = info?.category === 'A' ? info.element : oid;
  if (base === oids.name) return 950;
  return base === oids.text || base === oids.varchar || base === oids.bpchar ? 100 : 0;
}

/** The oid of a column's row in pg_attrdef; PostgreSQL draws one for each, here it follows from the column. */
function defaultOid(table: RelationDefinition, attributeNumber: number): number {
  return table.id * 2048 + attributeNumber;
}

export const defaultRows: RowsOf = function* (catalog, context) {
  for (const table of allTables(catalog)) {
    for (const { attribute: number, defaultText } of table.columns) {
      if (defaultText === null) continue;
      yield {
        oid: defaultOid(table, number),
        adrelid: table.id,
        adnum: number,
        adbin: columnDefaultText(catalog, context.searchPath, table, number),
      };
    }
  }
};

export const indexRows: RowsOf = function* (catalog) {
  for (const index of allIndexes(catalog)) {
    const table = tableOf(catalog, index);
    const isPrimary = table.primaryKey?.id === index.id;
    const state = table.layout.indexes.find((each) => each.id === index.id)?.state ?? 'public';
    const types = index.columns.map((column) => table.columns[column.attribute - 1]!.type.oid);
    yield {
      indexrelid: index.id,
      indrelid: table.id,
      indnatts: index.columns.length,
      indnkeyatts: index.columns.length,
      indisunique: index.isUnique,
      indnullsnotdistinct: !nullsAreDistinct(table, index.id),
      indisprimary: isPrimary,
      indimmediate: true,
      indisvalid: state === 'public',
      indisready: state !== 'delete-only',
      indislive: true,
      indkey: vector(index.columns.map((column) => column.attribute)),
      indcollation: vector(types.map(collationOf)),
      indclass: vector(types.map(defaultOperatorClass)),
      // Bit 0: descending, bit 1: nulls first.
      indoption: vector(
        index.columns.map((column) => (column.descending ? 1 : 0) + (column.nullsFirst ? 2 : 0)),
      ),
    };
  }
};

export const constraintRows: RowsOf = function* (catalog) {
  for (const { table, index } of keyConstraints(catalog)) {
    yield {
      oid: index.constraint,
      conname: index.name,
      connamespace: index.namespace,
      contype: table.primaryKey?.id === index.id ? 'p' : 'u',
      convalidated: true,
      conrelid: table.id,
      conindid: index.id,
      confupdtype: ' ',
      confdeltype: ' ',
      confmatchtype: ' ',
      conislocal: true,
      connoinherit: true,
      conkey: SqlArray.of(index.columns.map((column) => column.attribute)),
    };
  }
};

export const sequenceRows: RowsOf = function* (catalog) {
  for (const sequence of allSequences(catalog)) {
    yield {
      seqrelid: sequence.id,
      seqtypid: sequence.type,
      seqstart: int8(sequence.start),
      seqincrement: int8(sequence.increment),
      seqmax: int8(sequence.maximum),
      seqmin: int8(sequence.minimum),
      seqcache: 1,
      seqcycle: sequence.cycle,
    };
  }
};

/** Decimal text as an int8 datum. */
export function int8(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** Columns own sequences; indexes depend on tables and constraints; defaults call sequences. */
export const dependRows: RowsOf = function* (catalog) {
  for (const sequence of allSequences(catalog)) {
    yield depends([classId.relation, sequence.id, 0], [classId.namespace, sequence.namespace, 0], 'n');
    const owner = sequence.ownedBy;
    if (owner === null) continue;
    const table = catalog.byId(owner.table);
    const isIdentity = table?.kind === 'table' && table.columns[owner.attribute - 1]?.identity !== null;
    const target = [classId.relation, owner.table, owner.attribute] as const;
    yield depends([classId.relation, sequence.id, 0], target, isIdentity ? 'i' : 'a');
  }
  for (const table of allTables(catalog)) {
    yield depends([classId.relation, table.id, 0], [classId.namespace, table.namespace, 0], 'n');
    for (const column of table.columns) {
      if (column.defaultText === null) continue;
      const source = [classId.default, defaultOid(table, column.attribute), 0] as const;
      yield depends(source, [classId.relation, table.id, column.attribute], 'a');
      for (const sequence of sequencesOf(catalog, column.defaultText)) {
        yield depends(source, [classId.relation, sequence.id, 0], 'n');
      }
    }
  }
  for (const index of allIndexes(catalog)) {
    for (const column of index.columns) {
      const target = [classId.relation, index.table, column.attribute] as const;
      if (index.constraint === null) yield depends([classId.relation, index.id, 0], target, 'a');
      else yield depends([classId.constraint, index.constraint, 0], target, 'a');
    }
    if (index.constraint !== null) {
      yield depends([classId.relation, index.id, 0], [classId.constraint, index.constraint, 0], 'i');
    }
  }
};

type ObjectAddress = readonly [classId: number, object: number, part: number];

function depends(object: ObjectAddress, referenced: ObjectAddress, kind: string): NamedRow {
  return {
    classid: object[0],
    objid: object[1],
    objsubid: object[2],
    refclassid: referenced[0],
    refobjid: referenced[1],
    refobjsubid: referenced[2],
    deptype: kind,
  };
}

export const descriptionRows: RowsOf = function* (catalog) {
  for (const object of catalog.all()) {
    if (object.kind !== 'table' && object.kind !== 'index') continue;
    if (object.comment !== null) yield description(object.id, 0, object.comment);
    if (object.kind === 'index') continue;
    for (const column of object.columns) {
      if (column.comment !== null) yield description(object.id, column.attribute, column.comment);
    }
  }
};

function description(object: number, part: number, text: string): NamedRow {
  return { objoid: object, classoid: classId.relation, objsubid: part, description: text };
}
