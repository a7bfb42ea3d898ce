import { AlopexError } from '../../base/errors.ts';
import { unreachable } from '../../base/unreachable.ts';
import { SqlArray } from '../../base/values/datum.ts';
import { quoteIdentifier } from '../types/identifier.ts';
import type { AclEntry, CatalogSnapshot, Grantable, RoleDefinition } from './definition.ts';
import { isSystemNamespace } from './search-path.ts';
import { wellKnown } from './well-known.ts';

/** The grantee of what is granted to PUBLIC. */
export const publicRole = 0;

/** Privileges by the letters of PostgreSQL's aclitem, in its order. */
export const privilegeLetters = {
  INSERT: 'a',
  SELECT: 'r',
  UPDATE: 'w',
  DELETE: 'd',
  TRUNCATE: 'D',
  REFERENCES: 'x',
  TRIGGER: 't',
  USAGE: 'U',
  CREATE: 'C',
} as const;

export type Privilege = keyof typeof privilegeLetters;

const allLetters = { table: 'arwdDxt', sequence: 'rwU', namespace: 'UC' } as const;

/** Every privilege that there is on an object of this kind. */
export function lettersOf(kind: Grantable['kind']): string {
  return allLetters[kind];
}

/** What is granted on an object: what its owner has by being that, where nothing was granted or revoked yet. */
export function aclOf(object: Grantable): readonly AclEntry[] {
  if (object.acl !== undefined) return object.acl;
  const { owner, kind } = object;
  const own: AclEntry = { grantee: owner, grantor: owner, privileges: allLetters[kind], grantable: '' };
  return isOpen(object) ? [own, { ...own, grantee: publicRole, privileges: 'U' }] : [own];
}

/** Schemas that everybody may look into from the start. */
function isOpen(object: Grantable): boolean {
  if (object.kind !== 'namespace') return false;
  return object.id === wellKnown.public || isSystemNamespace(object.id);
}

/** The role, and those that it is a member of, directly or by another. */
export function rolesOf(catalog: CatalogSnapshot, role: RoleDefinition): ReadonlySet<number> {
  const found = new Set([role.id]);
  for (const id of found) {
    const object = catalog.byId(id);
    if (object?.kind === 'role') for (const group of object.memberOf ?? []) found.add(group);
  }
  return found;
}

/** Whether the role may do what the owner may. */
export function isOwner(catalog: CatalogSnapshot, role: RoleDefinition, owner: number): boolean {
  return role.isSuperuser || owner === role.id || rolesOf(catalog, role).has(owner);
}

/** The letters of what a role may do with an object; `grantable`: of what it may grant to others. */
export function privilegesOf(
  catalog: CatalogSnapshot,
  role: RoleDefinition,
  object: Grantable,
  grantable = false,
): string {
  if (role.isSuperuser) return allLetters[object.kind];
  const roles = rolesOf(catalog, role);
  if (grantable && roles.has(object.owner)) return allLetters[object.kind];
  const entries = aclOf(object).filter(({ grantee }) => grantee === publicRole || roles.has(grantee));
  return entries.map((entry) => (grantable ? entry.grantable : entry.privileges)).join('');
}

export function hasPrivilege(
  catalog: CatalogSnapshot,
  role: RoleDefinition,
  object: Grantable,
  privilege: Privilege,
): boolean {
  return privilegesOf(catalog, role, object).includes(privilegeLetters[privilege]);
}

/** `r=arw*D/alopex`: the text of an aclitem. PUBLIC has no name. */
export function aclText(
  catalog: CatalogSnapshot,
  { grantee, grantor, privileges, grantable }: AclEntry,
): string {
  const letters = Array.from(privileges, (letter) => (grantable.includes(letter) ? `${letter}*` : letter));
  const to = grantee === publicRole ? '' : roleText(catalog, grantee);
  return `${to}=${letters.join('')}/${roleText(catalog, grantor)}`;
}

function roleText(catalog: CatalogSnapshot, id: number): string {
  const role = catalog.byId(id);
  return role?.kind === 'role' ? quoteIdentifier(role.name) : String(id);
}

export function privilegeOfLetter(letter: string): Privilege {
  for (const [privilege, each] of Object.entries(privilegeLetters)) {
    if (each === letter) return privilege as Privilege;
  }
  return unreachable(letter as never);
}

/** Grants of one role to another are one entry. */
export function withGrant(acl: readonly AclEntry[], added: AclEntry): readonly AclEntry[] {
  if (added.privileges === '') return acl;
  const at = acl.findIndex(({ grantee, grantor }) => grantee === added.grantee && grantor === added.grantor);
  const entry = acl[at];
  if (entry === undefined) return [...acl, added];
  return acl.with(at, {
    ...entry,
    privileges: union(entry.privileges, added.privileges),
    grantable: union(entry.grantable, added.grantable),
  });
}

function union(left: string, right: string): string {
  const both = left + right;
  return Object.values(privilegeLetters)
    .filter((letter) => both.includes(letter))
    .join('');
}

/** Another owner: what the old one had by being that, the new one has. */
export function aclForOwner(object: Grantable, owner: number): readonly AclEntry[] | undefined {
  const renamed = (role: number): number => (role === object.owner ? owner : role);
  return object.acl?.reduce<readonly AclEntry[]>((acl, entry) => {
    const grantee = renamed(entry.grantee);
    const grantor = renamed(entry.grantor);
    // What the owner was granted by another is the owner's own now.
    return grantee === owner && grantor !== owner ? acl : withGrant(acl, { ...entry, grantee, grantor });
  }, []);
}

const kindNames = { table: 'table', sequence: 'sequence', namespace: 'schema' } as const;

export function permissionDenied(object: Grantable): AlopexError {
  const message = `permission denied for ${kindNames[object.kind]} ${object.name}`;
  return new AlopexError('insufficient_privilege', message);
}

/** relacl and its kin: null while nothing was granted or revoked. */
export function aclArray(catalog: CatalogSnapshot, { acl }: Grantable): SqlArray | null {
  return acl === undefined ? null : SqlArray.of(acl.map((entry) => aclText(catalog, entry)));
}
