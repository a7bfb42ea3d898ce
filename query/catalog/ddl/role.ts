import type { AlterRoleStmt, CreateRoleStmt, DefElem, DropRoleStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { place } from '../../sql/ast.ts';
import type { RoleDefinition } from '../definition.ts';
import { wellKnown } from '../well-known.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { findRole } from './lookup.ts';
import { optionFlag, optionsOf, optionText, requireDistinct } from './options.ts';
import { roleNameOf } from './owner.ts';

export function createRole(editor: CatalogEditor, statement: CreateRoleStmt): DdlResult {
  const name = statement.role ?? '';
  requireSuperuser(editor, 'permission denied to create role');
  if (name.startsWith('pg_')) {
    throw new AlopexError('reserved_name', `role name "${name}" is reserved`, {
      detail: 'Role names starting with "pg_" are reserved.',
    });
  }
  if (editor.catalog.role(name) !== undefined) {
    throw new AlopexError('duplicate_object', `role "${name}" already exists`);
  }
  const role: RoleDefinition = {
    kind: 'role',
    id: editor.newId(),
    name,
    isSuperuser: false,
    canLogin: statement.stmt_type === 'ROLESTMT_USER',
    passwordVerifier: null,
  };
  editor.put(withOptions(editor, role, optionsOf(statement.options)));
  return editor.finish('CREATE ROLE');
}

/** A role may change its own password; all else needs a superuser. */
export function alterRole(editor: CatalogEditor, statement: AlterRoleStmt): DdlResult {
  const role = findRole(editor, roleNameOf(editor, statement.role));
  const options = optionsOf(statement.options);
  const isOwnPassword = role.id === editor.user.id && options.every((each) => each.defname === 'password');
  if (!isOwnPassword) requireSuperuser(editor, 'permission denied');
  const changed = withOptions(editor, role, options);
  if (role.id === wellKnown.role && !(changed.isSuperuser && changed.canLogin)) {
    throw new AlopexError(
      'feature_not_supported',
      'permission denied: the bootstrap user must be a superuser who can log in',
    );
  }
  editor.put(changed);
  return editor.finish('ALTER ROLE');
}

function requireSuperuser(editor: CatalogEditor, message: string): void {
  if (!editor.user.isSuperuser) throw new AlopexError('insufficient_privilege', message);
}

function withOptions(
  editor: CatalogEditor,
  role: RoleDefinition,
  options: readonly DefElem[],
): RoleDefinition {
  requireDistinct(options);
  let changed = role;
  const granted: DefElem[] = [];
  for (const option of options) {
    switch (option.defname) {
      case 'superuser':
        changed = { ...changed, isSuperuser: optionFlag(option) };
        break;
      case 'canlogin':
        changed = { ...changed, canLogin: optionFlag(option) };
        break;
      case 'password':
        changed = { ...changed, passwordVerifier: verifierOf(editor, option) };
        break;
      case 'createrole':
      case 'createdb':
      case 'isreplication':
      case 'bypassrls':
        if (optionFlag(option)) granted.push(option);
        break;
      case 'inherit':
        if (!optionFlag(option)) throw unsupportedOption('NOINHERIT', option);
        break;
      case 'connectionlimit':
        if (optionText(option) !== '-1') throw unsupportedOption('CONNECTION LIMIT', option);
        break;
      default:
        throw unsupportedOption(option.defname ?? '', option);
    }
  }
  // A superuser may do all that these say.
  if (granted.length > 0 && !changed.isSuperuser) throw unsupportedOption(granted[0]!.defname!, granted[0]!);
  return changed;
}

function unsupportedOption(name: string, option: DefElem): AlopexError {
  return unsupported(`the role option ${name}`, place(option.location).position);
}

const scramVerifier = /^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/;

/** A verifier is kept as it is, so that dumps of roles can be restored. */
function verifierOf(editor: CatalogEditor, option: DefElem): string | null {
  if (option.arg === undefined) return null;
  const password = optionText(option);
  if (password === '') {
    editor.notice('empty string is not a valid password, clearing password');
    return null;
  }
  if (scramVerifier.test(password)) return password;
  if (/^md5[0-9a-f]{32}$/.test(password)) throw unsupportedOption('of an MD5 password', option);
  return editor.context.passwordVerifier(password);
}

export function dropRole(editor: CatalogEditor, statement: DropRoleStmt): DdlResult {
  requireSuperuser(editor, 'permission denied to drop role');
  for (const node of statement.roles ?? []) {
    const name = roleNameOf(editor, 'RoleSpec' in node ? node.RoleSpec : undefined);
    const role = editor.catalog.role(name);
    if (role !== undefined) {
      requireUnused(editor, role);
      leaveGroups(editor, role);
      editor.remove(role);
    } else if (statement.missing_ok === true) editor.notice(`role "${name}" does not exist, skipping`);
    else findRole(editor, name);
  }
  return editor.finish('DROP ROLE');
}

/** Members of a role that is dropped are that no longer. */
function leaveGroups(editor: CatalogEditor, role: RoleDefinition): void {
  for (const object of [...editor.catalog.all()]) {
    if (object.kind !== 'role' || object.memberOf?.includes(role.id) !== true) continue;
    editor.put({ ...object, memberOf: object.memberOf.filter((id) => id !== role.id) });
  }
}

function requireUnused(editor: CatalogEditor, role: RoleDefinition): void {
  if (role.id === editor.user.id) {
    throw new AlopexError('object_in_use', 'current user cannot be dropped');
  }
  if (role.id === wellKnown.role) {
    throw new AlopexError(
      'dependent_objects_still_exist',
      `cannot drop role ${role.name} because it is required by the database system`,
    );
  }
  const owned: string[] = [];
  for (const object of editor.catalog.all()) {
    if ('owner' in object && object.owner === role.id) {
      owned.push(`owner of ${shownKind(object.kind)} ${object.name}`);
    } else if ('acl' in object && object.acl?.some(({ grantee }) => grantee === role.id) === true) {
      owned.push(`privileges for ${shownKind(object.kind)} ${object.name}`);
    }
  }
  if (owned.length === 0) return;
  throw new AlopexError(
    'dependent_objects_still_exist',
    `role "${role.name}" cannot be dropped because some objects depend on it`,
    { detail: owned.join('\n') },
  );
}

function shownKind(kind: string): string {
  return kind === 'namespace' ? 'schema' : kind;
}
