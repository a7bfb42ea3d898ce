import { AlopexError } from '../../base/errors.ts';
import type { Grantable, RoleDefinition, SequenceDefinition } from '../../query/catalog/definition.ts';
import { hasPrivilege, type Privilege, permissionDenied } from '../../query/catalog/privileges.ts';
import type { Access, SecretAccess } from '../../query/sql/bind/environment.ts';
import type { EngineSession } from './session.ts';

/** The role that the session acts as; 42704 where it was dropped since. */
export function roleOf(session: EngineSession): RoleDefinition {
  const { currentUser } = session.settings;
  const role = session.roleNamed(currentUser);
  if (role === null) throw new AlopexError('undefined_object', `role "${currentUser}" does not exist`);
  return role;
}

/** 42501 where the session's role may not do what a statement does: the one place that asks for DML and queries. */
export function requireAccess(session: EngineSession, accesses: readonly Access[]): void {
  if (roleOf(session).isSuperuser) return;
  for (const access of accesses) {
    if ('secret' in access) throw deniedSecret(access);
    const problem = privilegeProblem(session, access.table, access.privilege);
    if (problem !== null) throw problem;
  }
}

function deniedSecret({ secret: { kind, name } }: SecretAccess): AlopexError {
  return new AlopexError('insufficient_privilege', `permission denied for ${kind} ${name}`);
}

/**
 * Privileges are those of now, also where the past is read: what was revoked since stays hidden. A table that is gone
 * has those that it had last.
 */
function privilegeProblem(
  session: EngineSession,
  object: Grantable,
  privilege: Privilege,
): AlopexError | null {
  const { presentCatalog: catalog } = session;
  const role = roleOf(session);
  const current = catalog.byId(object.id);
  const judged = current?.kind === object.kind ? (current as Grantable) : object;
  const namespace = judged.kind === 'namespace' ? undefined : catalog.byId(judged.namespace);
  if (namespace?.kind === 'namespace' && !hasPrivilege(catalog, role, namespace, 'USAGE')) {
    return permissionDenied(namespace);
  }
  return hasPrivilege(catalog, role, judged, privilege) ? null : permissionDenied(judged);
}

/** Of sequence functions. The sequence of an identity column goes with the right to insert. */
export function requireSequence(
  session: EngineSession,
  sequence: SequenceDefinition,
  privileges: readonly Privilege[],
): void {
  if (privileges.length > 0 && !isOfIdentity(session, sequence)) {
    requireAnyPrivilege(session, sequence, privileges);
  }
}

export function requireAnyPrivilege(
  session: EngineSession,
  object: Grantable,
  privileges: readonly Privilege[],
): void {
  if (roleOf(session).isSuperuser) return;
  const problems = privileges.map((privilege) => privilegeProblem(session, object, privilege));
  if (!problems.includes(null)) throw problems[0]!;
}

function isOfIdentity({ presentCatalog }: EngineSession, { ownedBy }: SequenceDefinition): boolean {
  const table = ownedBy === null ? undefined : presentCatalog.byId(ownedBy.table);
  return table?.kind === 'table' && table.columns[ownedBy!.attribute - 1]?.identity != null;
}

/** 42501 for all others, of a function that is theirs alone. */
export function requireSuperuser(session: EngineSession, name: string): void {
  if (roleOf(session).isSuperuser) return;
  throw new AlopexError('insufficient_privilege', `permission denied for function ${name}`);
}
