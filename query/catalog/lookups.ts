import type { CatalogLookups } from '../types/function.ts';
import { functionByOid, functionsByName } from '../types/functions/registry.ts';
import { quoteIdentifier, splitQualifiedName } from '../types/identifier.ts';
import { findType, typeByName } from '../types/registry.ts';
import type { CatalogSnapshot } from './definition.ts';
import {
  columnDefaultText,
  constraintDefinitionText,
  indexDefinitionText,
  isVisible,
  namespaceName,
} from './definition-text.ts';
import { allSequences } from './pg-catalog/relation-rows.ts';
import { allTypeFunctions } from './pg-catalog/type-functions.ts';
import { answerPrivilege } from './privilege-question.ts';
import { quoteQualified } from './qualified-name.ts';
import { shapeNamed, shapeOf } from './shape.ts';

/** What storage answers: bytes of an index, or of a table's rows where that is 0, and of all that there is. */
export type StoredBytes = {
  ofIndex(storage: number, index: number): number;
  ofDatabase(): number;
};

const nothingStored: StoredBytes = { ofIndex: () => 0, ofDatabase: () => 0 };

/** What functions ask of the catalog, over one snapshot. Cheap to make: it holds only what it is given. */
export function catalogLookups(
  catalog: CatalogSnapshot,
  searchPath: readonly string[],
  stored: StoredBytes = nothingStored,
): CatalogLookups {
  const path = searchPath.includes('pg_catalog') ? searchPath : ['pg_catalog', ...searchPath];
  return {
    relationOid: (schema, name) => relationOid(catalog, schema === null ? path : [schema], name),
    relationName: (oid) => relationName(catalog, path, oid),
    typeOid: (schema, name) =>
      schema === null || schema === 'pg_catalog' ? (typeByName(name)?.oid ?? null) : null,
    typeName: (oid) => findType(oid)?.name ?? null,
    namespaceOid: (name) => catalog.namespace(name)?.id ?? null,
    namespaceName: (oid) => {
      const namespace = catalog.byId(oid);
      return namespace?.kind === 'namespace' ? namespace.name : null;
    },
    hasPrivilege: (question) => answerPrivilege(catalog, path, question),
    roleOid: (name) => catalog.role(name)?.id ?? null,
    roleName: (oid) => {
      const role = catalog.byId(oid);
      return role?.kind === 'role' ? role.name : null;
    },
    functionOid,
    functionName: (oid) => functionByOid(oid)?.name ?? typeFunctionNames.get(oid) ?? null,
    isTableVisible: (oid) => isTableVisible(catalog, path, oid),
    indexDefinition: (oid, column) => indexDefinitionText(catalog, oid, column),
    constraintDefinition: (oid) => constraintDefinitionText(catalog, oid),
    columnDefault: (relation, column) => {
      const table = catalog.byId(relation);
      return table?.kind === 'table' ? columnDefaultText(catalog, path, table, column) : null;
    },
    serialSequence: (table, column) => serialSequence(catalog, path, table, column),
    description: (oid, column) => {
      const object = catalog.byId(oid);
      if (object?.kind === 'index') return column === 0 ? object.comment : null;
      if (object?.kind !== 'table') return null;
      return column === 0 ? object.comment : (object.columns[column - 1]?.comment ?? null);
    },
    relationSizes: (oid) => relationSizes(catalog, stored, oid),
    databaseSizeBytes: stored.ofDatabase,
  };
}

/** A primary key has no entries: the rows themselves stand in its order. */
function relationSizes(
  catalog: CatalogSnapshot,
  stored: StoredBytes,
  oid: number,
): { readonly own: number; readonly indexes: number } | null {
  const relation = catalog.byId(oid);
  if (relation?.kind === 'table') {
    const { storage } = relation.layout;
    const indexes = Array.from(catalog.indexesOf(oid), ({ id }) => stored.ofIndex(storage, id));
    return { own: stored.ofIndex(storage, 0), indexes: indexes.reduce((sum, bytes) => sum + bytes, 0) };
  }
  if (relation?.kind === 'index') {
    const table = catalog.byId(relation.table);
    if (table?.kind !== 'table' || table.primaryKey?.id === oid) return { own: 0, indexes: 0 };
    return { own: stored.ofIndex(table.layout.storage, oid), indexes: 0 };
  }
  return relation?.kind === 'sequence' || shapeOf(oid) !== undefined ? { own: 0, indexes: 0 } : null;
}

const typeFunctionNames = allTypeFunctions();
const typeFunctionOids = new Map(Array.from(typeFunctionNames, ([oid, name]) => [name, oid]));

function functionOid(text: string): number | null {
  const parts = splitQualifiedName(text);
  if (parts.length > 1 && parts[0] !== 'pg_catalog') return null;
  const name = parts.at(-1)!;
  return functionsByName(name)[0]?.oid ?? typeFunctionOids.get(name) ?? null;
}

function relationOid(catalog: CatalogSnapshot, schemas: readonly string[], name: string): number | null {
  for (const schema of schemas) {
    const namespace = catalog.namespace(schema);
    const found = namespace === undefined ? undefined : catalog.relation(namespace.id, name);
    const oid = shapeNamed(schema, name)?.oid ?? found?.id;
    if (oid !== undefined) return oid;
  }
  return null;
}

function relationName(catalog: CatalogSnapshot, path: readonly string[], oid: number): string | null {
  const shape = shapeOf(oid);
  const relation = catalog.byId(oid);
  const isRelation =
    relation?.kind === 'table' || relation?.kind === 'index' || relation?.kind === 'sequence';
  if (shape === undefined && !isRelation) return null;
  const name = shape?.name ?? (isRelation ? relation.name : '');
  if (isTableVisible(catalog, path, oid) === true) return quoteIdentifier(name);
  return quoteQualified(shape?.schema ?? namespaceName(catalog, isRelation ? relation.namespace : 0), name);
}

/** Null where there is no such relation. */
function isTableVisible(catalog: CatalogSnapshot, path: readonly string[], oid: number): boolean | null {
  const shape = shapeOf(oid);
  if (shape !== undefined) return relationOid(catalog, path, shape.name) === oid;
  const relation = catalog.byId(oid);
  if (relation?.kind !== 'table' && relation?.kind !== 'index' && relation?.kind !== 'sequence') return null;
  return (
    shapeNamed('pg_catalog', relation.name) === undefined &&
    isVisible(catalog, path, relation.namespace, relation.name)
  );
}

/** `public.t_id_seq`, or null where no sequence is owned by the column. */
function serialSequence(
  catalog: CatalogSnapshot,
  path: readonly string[],
  tableText: string,
  column: string,
): string | null {
  const parts = splitQualifiedName(tableText);
  const oid = relationOid(catalog, parts.length > 1 ? [parts.at(-2)!] : path, parts.at(-1)!);
  const table = catalog.byId(oid ?? 0);
  if (table?.kind !== 'table') return null;
  const attribute = table.columns.find((each) => each.name === column && !each.isDropped)?.attribute;
  const sequence = Array.from(allSequences(catalog)).find(
    ({ ownedBy }) => ownedBy?.table === table.id && ownedBy.attribute === attribute,
  );
  if (sequence === undefined) return null;
  return quoteQualified(namespaceName(catalog, sequence.namespace), sequence.name);
}
