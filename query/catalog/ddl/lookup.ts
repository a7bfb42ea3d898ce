import type { RangeVar } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { QualifiedName } from '../../sql/ast.ts';
import type {
  CatalogObject,
  ColumnDefinition,
  IndexDefinition,
  NamespaceDefinition,
  RelationDefinition,
  RoleDefinition,
  SequenceDefinition,
} from '../definition.ts';
import { hasPrivilege, isOwner } from '../privileges.ts';
import { isSystemNamespace, namespacesOf, searchedNamespaces } from '../search-path.ts';
import type { CatalogEditor } from './editor.ts';

export type Relation = RelationDefinition | IndexDefinition | SequenceDefinition;

/** Undefined where the schema or the relation does not exist. */
export function findRelation(editor: CatalogEditor, { schema, name }: QualifiedName): Relation | undefined {
  const { catalog, context } = editor;
  if (schema !== null) {
    const namespace = catalog.namespace(schema);
    return namespace === undefined ? undefined : catalog.relation(namespace.id, name);
  }
  for (const namespace of searchedNamespaces(catalog, context.searchPath, context.user)) {
    const found = catalog.relation(namespace.id, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function nameOf(node: RangeVar | undefined): QualifiedName {
  if (node?.catalogname !== undefined && node.catalogname !== 'alopex') {
    throw new AlopexError(
      'feature_not_supported',
      `cross-database references are not implemented: "${node.catalogname}.${node.schemaname}.${node.relname}"`,
    );
  }
  return { schema: node?.schemaname ?? null, name: node?.relname ?? '' };
}

export function shownName({ schema, name }: QualifiedName): string {
  return schema === null ? name : `${schema}.${name}`;
}

export function undefinedRelation(name: QualifiedName): AlopexError {
  return new AlopexError('undefined_table', `relation "${shownName(name)}" does not exist`);
}

export function findNamespace(editor: CatalogEditor, name: string): NamespaceDefinition {
  const namespace = editor.catalog.namespace(name);
  if (namespace === undefined) {
    throw new AlopexError('invalid_schema_name', `schema "${name}" does not exist`);
  }
  return namespace;
}

/** Where a new relation goes: its own schema, or the first of the search path that exists. */
export function creationNamespace(editor: CatalogEditor, name: QualifiedName): NamespaceDefinition {
  const namespace = name.schema === null ? firstOfPath(editor) : findNamespace(editor, name.schema);
  requireUserNamespace(namespace);
  if (!hasPrivilege(editor.catalog, editor.user, namespace, 'CREATE')) {
    throw new AlopexError('insufficient_privilege', `permission denied for schema ${namespace.name}`);
  }
  return namespace;
}

function firstOfPath({ catalog, context }: CatalogEditor): NamespaceDefinition {
  const [first] = namespacesOf(catalog, context.searchPath, context.user);
  if (first !== undefined) return first;
  throw new AlopexError('invalid_schema_name', 'no schema has been selected to create in');
}

/** Objects of the system's own schemas are made by nobody. */
export function requireUserNamespace(namespace: NamespaceDefinition): void {
  if (isSystemNamespace(namespace.id)) {
    throw new AlopexError('insufficient_privilege', `permission denied for schema ${namespace.name}`, {
      detail: 'System schemas cannot be changed.',
    });
  }
}

const ownedKinds = { table: 'table', index: 'index', sequence: 'sequence', namespace: 'schema' } as const;

/** 42501 unless the user owns the object or is a superuser; nobody changes a system table. */
export function requireOwner(
  editor: CatalogEditor,
  object: RelationDefinition | SequenceDefinition | IndexDefinition | NamespaceDefinition,
): void {
  if (object.kind !== 'namespace' && isSystemNamespace(object.namespace)) {
    throw new AlopexError(
      'insufficient_privilege',
      `permission denied: "${object.name}" is a system catalog`,
    );
  }
  const owner = object.kind === 'index' ? editor.table(object.table).owner : object.owner;
  if (isOwner(editor.catalog, editor.user, owner)) return;
  throw new AlopexError(
    'insufficient_privilege',
    `must be owner of ${ownedKinds[object.kind]} ${object.name}`,
  );
}

/** A live column that SQL can name; 42703 where there is none. */
export function findColumn(table: RelationDefinition, name: string): ColumnDefinition {
  const column = columnNamed(table, name);
  if (column === undefined) {
    throw new AlopexError('undefined_column', `column "${name}" of relation "${table.name}" does not exist`);
  }
  return column;
}

export function columnNamed(table: RelationDefinition, name: string): ColumnDefinition | undefined {
  return table.columns.find((column) => !column.isDropped && !column.isHidden && column.name === name);
}

export function findRole(editor: CatalogEditor, name: string): RoleDefinition {
  const role = editor.catalog.role(name);
  if (role === undefined) throw new AlopexError('undefined_object', `role "${name}" does not exist`);
  return role;
}

/** Throws 42P07 where a relation of this name stands in the namespace. */
export function requireFreeName(editor: CatalogEditor, namespace: number, name: string): void {
  if (editor.catalog.relation(namespace, name) !== undefined) {
    throw new AlopexError('duplicate_table', `relation "${name}" already exists`);
  }
}

const kindNames = { table: 'table', index: 'index', sequence: 'sequence' } as const;

/** 42809 `"x" is not a table`. */
export function requireKind<Kind extends Relation['kind']>(
  relation: CatalogObject,
  kind: Kind,
): Extract<Relation, { readonly kind: Kind }> {
  if (relation.kind === kind) return relation as Extract<Relation, { readonly kind: Kind }>;
  const name = 'name' in relation ? relation.name : String(relation.id);
  const article = kind === 'index' ? 'an' : 'a';
  throw new AlopexError('wrong_object_type', `"${name}" is not ${article} ${kindNames[kind]}`);
}
