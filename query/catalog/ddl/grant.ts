import type { AccessPriv, GrantRoleStmt, GrantStmt, Node, RoleSpec } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { place } from '../../sql/ast.ts';
import { objectName } from '../../sql/words.ts';
import type { AclEntry, Grantable, RoleDefinition } from '../definition.ts';
import {
  aclOf,
  isOwner,
  lettersOf,
  type Privilege,
  permissionDenied,
  privilegeLetters,
  privilegesOf,
  publicRole,
  withGrant,
} from '../privileges.ts';
import { isSystemNamespace } from '../search-path.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { findNamespace, findRelation, findRole, nameOf, undefinedRelation } from './lookup.ts';
import { roleNameOf } from './owner.ts';

const kindNames = { table: 'table', sequence: 'sequence', namespace: 'schema' } as const;

/** GRANT and REVOKE of privileges on tables, sequences and schemas. */
export function grant(editor: CatalogEditor, statement: GrantStmt): DdlResult {
  const isGrant = statement.is_grant === true;
  const tag = isGrant ? 'GRANT' : 'REVOKE';
  const grantees = (statement.grantees ?? []).map((node) => granteeOf(editor, node));
  for (const object of objectsOf(editor, statement)) {
    requireNoSystemTable(object);
    const asked = lettersAsked(object, statement.privileges ?? []);
    const letters = mayGrant(editor, object, asked, isGrant);
    const grantor = grantorOf(editor, object);
    let acl = aclOf(object);
    for (const grantee of grantees) {
      acl = isGrant
        ? withGrant(acl, {
            grantee,
            grantor,
            privileges: letters,
            grantable: statement.grant_option === true ? letters : '',
          })
        : revoked(statement, object, acl, { grantee, grantor, letters });
    }
    editor.put({ ...object, acl });
  }
  return editor.finish(tag);
}

/** What the catalog itself is kept in has no row of its own to stand in. */
function requireNoSystemTable(object: Grantable): void {
  if (object.kind === 'namespace' || !isSystemNamespace(object.namespace)) return;
  throw new AlopexError('insufficient_privilege', `permission denied: "${object.name}" is a system catalog`);
}

function granteeOf(editor: CatalogEditor, node: Node): number {
  const role: RoleSpec = 'RoleSpec' in node ? node.RoleSpec : {};
  if (role.roletype === 'ROLESPEC_PUBLIC') return publicRole;
  return findRole(editor, roleNameOf(editor, role)).id;
}

function objectsOf(editor: CatalogEditor, statement: GrantStmt): readonly Grantable[] {
  const objects = statement.objects ?? [];
  const kind = objectName(statement.objtype);
  if (statement.targtype === 'ACL_TARGET_ALL_IN_SCHEMA') return allIn(editor, objects, kind);
  switch (kind) {
    case 'TABLE':
    case 'SEQUENCE':
      return objects.map((node) => relationOf(editor, node, kind));
    case 'SCHEMA':
      return objects.map((node) => findNamespace(editor, textOf(node)));
    default:
      throw unsupported(`GRANT and REVOKE on ${kind}`);
  }
}

function textOf(node: Node): string {
  return 'String' in node ? (node.String.sval ?? '') : '';
}

function allIn(editor: CatalogEditor, schemas: readonly Node[], kind: string): readonly Grantable[] {
  if (kind !== 'TABLE' && kind !== 'SEQUENCE') throw unsupported(`ON ALL ${kind}S IN SCHEMA`);
  const namespaces = new Set(schemas.map((node) => findNamespace(editor, textOf(node)).id));
  const found: Grantable[] = [];
  for (const object of editor.catalog.all()) {
    if (object.kind === kind.toLowerCase() && 'namespace' in object && namespaces.has(object.namespace)) {
      found.push(object as Grantable);
    }
  }
  return found;
}

function relationOf(editor: CatalogEditor, node: Node, kind: 'TABLE' | 'SEQUENCE'): Grantable {
  const name = nameOf('RangeVar' in node ? node.RangeVar : undefined);
  const relation = findRelation(editor, name);
  if (relation === undefined) throw undefinedRelation(name);
  if (relation.kind === 'index') {
    throw new AlopexError('wrong_object_type', `"${relation.name}" is an index`);
  }
  if (kind === 'SEQUENCE' && relation.kind !== 'sequence') {
    throw new AlopexError('wrong_object_type', `"${relation.name}" is not a sequence`);
  }
  return relation;
}

/** The letters that a statement names, or all that there are. */
function lettersAsked(object: Grantable, nodes: readonly Node[]): string {
  const all = lettersOf(object.kind);
  const named = nodes.map((node) => {
    const { priv_name: name = '', cols }: AccessPriv = 'AccessPriv' in node ? node.AccessPriv : {};
    if (cols !== undefined && cols.length > 0) throw unsupported('privileges on columns');
    const letter = privilegeLetters[name.toUpperCase() as Privilege] as string | undefined;
    if (letter === undefined) {
      throw new AlopexError('syntax_error', `unrecognized privilege type "${name}"`);
    }
    if (!all.includes(letter)) {
      throw new AlopexError(
        'invalid_grant_operation',
        `invalid privilege type ${name.toUpperCase()} for ${kindNames[object.kind]}`,
      );
    }
    return letter;
  });
  return named.length === 0 ? all : inOrder(named.join(''), all);
}

function inOrder(letters: string, all: string): string {
  return Array.from(all)
    .filter((letter) => letters.includes(letter))
    .join('');
}

/** Of what is asked, what the user may grant; 42501 where that is nothing and the object is not the user's to see. */
function mayGrant(editor: CatalogEditor, object: Grantable, asked: string, isGrant: boolean): string {
  const { catalog, user } = editor;
  const grantable = inOrder(privilegesOf(catalog, user, object, true), asked);
  if (grantable === asked) return asked;
  if (grantable === '' && privilegesOf(catalog, user, object) === '') throw permissionDenied(object);
  const done = isGrant ? 'granted' : 'could be revoked';
  const what = grantable === '' ? 'no' : 'not all';
  const verb = isGrant ? 'were ' : '';
  editor.warning(`${what} privileges ${verb}${done} for "${object.name}"`, isGrant ? '01007' : '01006');
  return grantable;
}

/** Who owns the object grants, also where a member or a superuser does it; another grants what was granted to it. */
function grantorOf({ catalog, user }: CatalogEditor, object: Grantable): number {
  return isOwner(catalog, user, object.owner) ? object.owner : user.id;
}

function withoutGrant(
  acl: readonly AclEntry[],
  from: number,
  by: number,
  letters: string,
  onlyOption: boolean,
): readonly AclEntry[] {
  const without = (text: string): string =>
    Array.from(text)
      .filter((letter) => !letters.includes(letter))
      .join('');
  return acl.flatMap((entry) => {
    if (entry.grantee !== from || entry.grantor !== by) return [entry];
    const privileges = onlyOption ? entry.privileges : without(entry.privileges);
    return privileges === '' ? [] : [{ ...entry, privileges, grantable: without(entry.grantable) }];
  });
}

/** With CASCADE also what the grantee granted on; without it that is an error. */
function revoked(
  { grant_option: onlyOption = false, behavior }: GrantStmt,
  object: Grantable,
  acl: readonly AclEntry[],
  {
    grantee,
    grantor,
    letters,
  }: { readonly grantee: number; readonly grantor: number; readonly letters: string },
): readonly AclEntry[] {
  let left = withoutGrant(acl, grantee, grantor, letters, onlyOption);
  const mayStillGrant = (letter: string): boolean =>
    grantee === object.owner ||
    left.some((each) => each.grantee === grantee && each.grantable.includes(letter));
  const lost = Array.from(letters)
    .filter((letter) => !mayStillGrant(letter))
    .join('');
  for (const { grantee: next, grantor: by, privileges } of left) {
    const dependent = inOrder(lost, privileges);
    if (by !== grantee || dependent === '') continue;
    if (behavior !== 'DROP_CASCADE') {
      throw new AlopexError('dependent_objects_still_exist', 'dependent privileges exist', {
        hint: 'Use CASCADE to revoke them too.',
      });
    }
    left = revoked({ behavior }, object, left, { grantee: next, grantor: grantee, letters: dependent });
  }
  return left;
}

/** GRANT role TO role: its members may do what it may. */
export function grantRole(editor: CatalogEditor, statement: GrantRoleStmt): DdlResult {
  const isGrant = statement.is_grant === true;
  if ((statement.opt ?? []).length > 0) throw unsupported('ADMIN OPTION');
  for (const groupNode of statement.granted_roles ?? []) {
    const group = findRole(editor, 'AccessPriv' in groupNode ? (groupNode.AccessPriv.priv_name ?? '') : '');
    if (!editor.user.isSuperuser) {
      throw new AlopexError('insufficient_privilege', `must have admin option on role "${group.name}"`);
    }
    for (const node of statement.grantee_roles ?? []) changeMembership(editor, group, node, isGrant);
  }
  return editor.finish(isGrant ? 'GRANT ROLE' : 'REVOKE ROLE');
}

function changeMembership(editor: CatalogEditor, group: RoleDefinition, node: Node, isGrant: boolean): void {
  const spec: RoleSpec = 'RoleSpec' in node ? node.RoleSpec : {};
  const name = roleNameOf(editor, spec);
  const member = findRole(editor, name);
  const groups = member.memberOf ?? [];
  if (isGrant && isOwner(editor.catalog, { ...group, isSuperuser: false }, member.id)) {
    throw new AlopexError(
      'invalid_grant_operation',
      `role "${group.name}" is a member of role "${name}"`,
      place(spec.location),
    );
  }
  if (groups.includes(group.id) === isGrant) {
    const state = isGrant ? 'already' : 'not';
    const message = `role "${name}" is ${state} a member of role "${group.name}"`;
    if (isGrant) editor.notice(message);
    else editor.warning(message);
    return;
  }
  const memberOf = isGrant ? [...groups, group.id] : groups.filter((id) => id !== group.id);
  editor.put({ ...member, memberOf });
}
