import type { CatalogSnapshot, RoleDefinition } from '../definition.ts';
import { aclArray } from '../privileges.ts';
import type { NamedRow, RowsOf } from '../shape.ts';
import { wellKnown } from '../well-known.ts';

/** Databases, schemas, roles, and what there is one or a few of: pg_am, pg_language, pg_tablespace, pg_collation. */

export const databaseRows: RowsOf = function* (catalog) {
  for (const object of catalog.all()) {
    if (object.kind !== 'database') continue;
    yield {
      oid: object.id,
      datname: object.name,
      datdba: object.owner,
      encoding: utf8Encoding,
      datlocprovider: 'c',
      datallowconn: true,
      datconnlimit: -1,
      dattablespace: defaultTablespace,
      datcollate: 'C.UTF-8',
      datctype: 'C.UTF-8',
    };
  }
};

const utf8Encoding = 6;
const defaultTablespace = 1663;

export const namespaceRows: RowsOf = function* (catalog) {
  for (const object of catalog.all()) {
    if (object.kind !== 'namespace') continue;
    const nspacl = aclArray(catalog, object);
    yield { oid: object.id, nspname: object.name, nspowner: object.owner, nspacl };
  }
};

function* allRoles(catalog: CatalogSnapshot): IterableIterator<RoleDefinition> {
  for (const object of catalog.all()) if (object.kind === 'role') yield object;
}

/** pg_roles. */
export const roleRows: RowsOf = (catalog) => rolesShowing(catalog, hidden);

/** pg_authid, which superusers alone may read. */
export const secretRoleRows: RowsOf = (catalog) => rolesShowing(catalog, verifierOf);

type ShownPassword = (role: RoleDefinition) => string | null;

const hidden: ShownPassword = () => '********';
const verifierOf: ShownPassword = ({ passwordVerifier }) => passwordVerifier;

function* rolesShowing(catalog: CatalogSnapshot, shown: ShownPassword): IterableIterator<NamedRow> {
  for (const role of allRoles(catalog)) {
    yield {
      oid: role.id,
      rolname: role.name,
      rolsuper: role.isSuperuser,
      rolinherit: true,
      rolcreaterole: role.isSuperuser,
      rolcreatedb: role.isSuperuser,
      rolcanlogin: role.canLogin,
      rolreplication: role.isSuperuser,
      rolconnlimit: -1,
      rolpassword: shown(role),
      rolbypassrls: role.isSuperuser,
    };
  }
}

/** pg_auth_members. */
export const memberRows: RowsOf = function* (catalog) {
  for (const { id, memberOf = [] } of allRoles(catalog)) {
    for (const group of memberOf) yield { roleid: group, member: id, grantor: wellKnown.role };
  }
};

/** pg_user. */
export const userRows: RowsOf = (catalog) => usersShowing(catalog, hidden);

/** pg_shadow, which superusers alone may read. */
export const secretUserRows: RowsOf = (catalog) => usersShowing(catalog, verifierOf);

function* usersShowing(catalog: CatalogSnapshot, shown: ShownPassword): IterableIterator<NamedRow> {
  for (const role of allRoles(catalog)) {
    if (!role.canLogin) continue;
    yield {
      usename: role.name,
      usesysid: role.id,
      usecreatedb: role.isSuperuser,
      usesuper: role.isSuperuser,
      userepl: role.isSuperuser,
      usebypassrls: role.isSuperuser,
      passwd: shown(role),
    };
  }
}

/** Rows that never change. */
function constant(rows: readonly NamedRow[]): RowsOf {
  return () => rows;
}

export const accessMethodRows = constant([
  { oid: 2, amname: 'heap', amtype: 't' },
  { oid: 403, amname: 'btree', amtype: 'i' },
]);

export const languageRows = constant(
  ['internal', 'c', 'sql'].map((name, index) => ({
    oid: 12 + index,
    lanname: name,
    lanowner: wellKnown.role,
    lanpltrusted: name === 'sql',
  })),
);

export const tablespaceRows = constant([
  { oid: 1663, spcname: 'pg_default', spcowner: wellKnown.role },
  { oid: 1664, spcname: 'pg_global', spcowner: wellKnown.role },
]);

export const collationRows = constant(
  [
    { oid: 100, name: 'default', provider: 'd', locale: null },
    { oid: 950, name: 'C', provider: 'c', locale: 'C' },
    { oid: 951, name: 'POSIX', provider: 'c', locale: 'POSIX' },
  ].map(({ oid, name, provider, locale }) => ({
    oid,
    collname: name,
    collnamespace: wellKnown.pgCatalog,
    collowner: wellKnown.role,
    collprovider: provider,
    collisdeterministic: true,
    collencoding: -1,
    collcollate: locale,
    collctype: locale,
  })),
);

/** vector is built in; the row says so to those who ask whether the extension is there. */
export const extensionRows = constant([
  {
    oid: 16009,
    extname: 'vector',
    extowner: wellKnown.role,
    extnamespace: wellKnown.pgCatalog,
    extversion: '0.8.0',
  },
]);
