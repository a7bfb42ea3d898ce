import type { RoleSpec } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { place } from '../../sql/ast.ts';
import type { Grantable } from '../definition.ts';
import { aclForOwner, isOwner } from '../privileges.ts';
import type { CatalogEditor } from './editor.ts';
import { findRole } from './lookup.ts';

/** The name of a role as a statement gives it. */
export function roleNameOf(editor: CatalogEditor, role: RoleSpec | undefined): string {
  switch (role?.roletype) {
    case 'ROLESPEC_CURRENT_ROLE':
    case 'ROLESPEC_CURRENT_USER':
    case 'ROLESPEC_SESSION_USER':
      return editor.context.user;
    case 'ROLESPEC_PUBLIC':
      throw new AlopexError('reserved_name', 'role name "public" is reserved', place(role.location));
    default:
      return role?.rolename ?? '';
  }
}

/** The object with another owner, who has what the old one had by being that. */
export function withOwner<Object extends Grantable>(object: Object, owner: number): Object {
  const acl = aclForOwner(object, owner);
  return { ...object, owner, ...(acl === undefined ? {} : { acl }) };
}

/** OWNER TO: only superusers give away to another. */
export function newOwner(editor: CatalogEditor, role: RoleSpec | undefined): number {
  const { id, name } = findRole(editor, roleNameOf(editor, role));
  if (!isOwner(editor.catalog, editor.user, id)) {
    throw new AlopexError('insufficient_privilege', `must be member of role "${name}"`);
  }
  return id;
}
