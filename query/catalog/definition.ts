import type { EventSchema, TableLayout } from '../../log/events/layout.ts';
import type { SqlType } from '../types/type.ts';

/**
 * Catalog objects: what the rows of `alopex.objects` say. Each is one row: kind, id, parent, and the rest of
 * the fields as JSON. All are immutable; a change makes a new object of the same id.
 */
export type CatalogObject =
  | NamespaceDefinition
  | RelationDefinition
  | IndexDefinition
  | SequenceDefinition
  | RoleDefinition
  | SettingDefinition
  | DatabaseDefinition
  | SchemaDefinition;

export type NamespaceDefinition = {
  readonly kind: 'namespace';
  readonly id: number;
  readonly name: string;
  readonly owner: number;
  readonly acl?: readonly AclEntry[];
};

/** What a role was granted; letters of PostgreSQL's aclitem. An object without entries has its owner's rights alone. */
export type AclEntry = {
  /** 0: PUBLIC. */
  readonly grantee: number;
  readonly grantor: number;
  readonly privileges: string;
  /** Those of them that the grantee may grant to others. */
  readonly grantable: string;
};

export type RelationDefinition = {
  readonly kind: 'table';
  readonly id: number;
  readonly namespace: number;
  readonly name: string;
  readonly owner: number;
  readonly acl?: readonly AclEntry[];
  /** Every column that the table ever had, by attribute number from 1; a hidden row id is among them. */
  readonly columns: readonly ColumnDefinition[];
  /** The primary key that SQL declared, or null: then `layout.key` is the hidden row id. */
  readonly primaryKey: ConstraintName | null;
  /** WITH (…): storage parameters, kept as they were written. */
  readonly options: Readonly<Record<string, string>>;
  readonly comment: string | null;
  readonly layout: TableLayout;
};

/** What has an owner, and privileges that are granted. */
export type Grantable = RelationDefinition | SequenceDefinition | NamespaceDefinition;

/** `id`: the oid of the constraint's index in pg_class; its constraint's oid in pg_constraint is `constraint`. */
export type ConstraintName = { readonly id: number; readonly name: string; readonly constraint: number };

export type ColumnDefinition = {
  /** attnum, and the ColumnId of storage. */
  readonly attribute: number;
  readonly name: string;
  readonly type: SqlType;
  readonly notNull: boolean;
  /** SQL text of the default, as pg_get_expr prints it, or null. Bound when a statement needs it. */
  readonly defaultText: string | null;
  readonly identity: 'always' | 'by default' | null;
  /** Of a serial or identity column: the sequence that goes with it. */
  readonly ownedSequence: number | null;
  /** No part of `*`; a name that SQL cannot write. */
  readonly isHidden: boolean;
  readonly isDropped: boolean;
  readonly comment: string | null;
};

/** What SQL says of an index; how its entries are kept stands in the table's layout. */
export type IndexDefinition = {
  readonly kind: 'index';
  readonly id: number;
  readonly table: number;
  readonly namespace: number;
  readonly name: string;
  readonly isUnique: boolean;
  /** A UNIQUE constraint's oid, or null for CREATE INDEX. */
  readonly constraint: number | null;
  readonly columns: readonly {
    readonly attribute: number;
    readonly descending: boolean;
    readonly nullsFirst: boolean;
  }[];
  readonly method: 'btree';
  readonly comment: string | null;
};

export type SequenceDefinition = {
  readonly kind: 'sequence';
  readonly id: number;
  readonly namespace: number;
  readonly name: string;
  readonly owner: number;
  readonly acl?: readonly AclEntry[];
  readonly type: number;
  /** Decimal text: bounds may be unsafe integers. */
  readonly start: string;
  readonly increment: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly cycle: boolean;
  readonly ownedBy: { readonly table: number; readonly attribute: number } | null;
};

export type RoleDefinition = {
  readonly kind: 'role';
  readonly id: number;
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly canLogin: boolean;
  /** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, as PostgreSQL keeps it, or null. */
  readonly passwordVerifier: string | null;
  /** Roles that it is a member of: it may do what they may. */
  readonly memberOf?: readonly number[];
};

export type SettingDefinition = {
  readonly kind: 'setting';
  readonly id: number;
  readonly name: string;
  readonly value: string;
};
export type DatabaseDefinition = {
  readonly kind: 'database';
  readonly id: number;
  readonly name: string;
  readonly owner: number;
};

/** A registered event schema; `id` is the negated schema id. */
export type SchemaDefinition = { readonly kind: 'schema'; readonly id: number; readonly event: EventSchema };

/**
 * The catalog at one moment: immutable. A transaction that changes it makes new ones.
 * Well-known ids: namespaces pg_catalog 11, public 2200, information_schema 13000, alopex 13001; role alopex 10;
 * database alopex 5. User objects start at 16384.
 */
export type CatalogSnapshot = {
  /** Rises by one with each change; plans are cached by it. */
  readonly version: number;
  readonly nextId: number;
  byId(id: number): CatalogObject | undefined;
  all(): Iterable<CatalogObject>;
  namespace(name: string): NamespaceDefinition | undefined;
  /** Anything that shares pg_class's name space. */
  relation(
    namespace: number,
    name: string,
  ): RelationDefinition | IndexDefinition | SequenceDefinition | undefined;
  tablesOf(namespace: number): Iterable<RelationDefinition>;
  indexesOf(table: number): readonly IndexDefinition[];
  role(name: string): RoleDefinition | undefined;
};

/** One change: an object put (new or replaced) or removed. A DDL statement is a list of them. */
export type CatalogChange =
  | { readonly kind: 'put'; readonly object: CatalogObject }
  | { readonly kind: 'remove'; readonly object: CatalogObject };
