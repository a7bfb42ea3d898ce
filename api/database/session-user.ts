import { AlopexError } from '../../base/errors.ts';
import type { RoleDefinition } from '../../query/catalog/definition.ts';
import { isOwner } from '../../query/catalog/privileges.ts';
import type { UserSetting } from './session-settings.ts';

/** What is asked of the session whose user is to become another. */
type Asking = {
  /** Who it logged in as. */
  readonly user: string;
  readonly settings: { readonly sessionUser: string };
  roleNamed(name: string): RoleDefinition | null;
  readonly presentCatalog: Parameters<typeof isOwner>[0];
};

/**
 * SET ROLE: to a role that the session's user is a member of; SET SESSION AUTHORIZATION: to the user that logged in. A
 * superuser to any. 22023 where there is no such role, 42501 where it may not.
 */
export function requireMayBecome(session: Asking, setting: UserSetting, name: string): void {
  if (setting === 'role' && name === 'none') return;
  if (name === session.user && setting === 'session_authorization') return;
  const from = session.roleNamed(setting === 'role' ? session.settings.sessionUser : session.user);
  const target = session.presentCatalog.role(name);
  if (target === undefined) {
    throw new AlopexError('invalid_parameter_value', `role "${name}" does not exist`);
  }
  if (from?.isSuperuser === true) return;
  if (setting === 'role' && from !== null && isOwner(session.presentCatalog, from, target.id)) return;
  const what = setting === 'role' ? 'role' : 'session authorization';
  throw new AlopexError('insufficient_privilege', `permission denied to set ${what} "${name}"`);
}
