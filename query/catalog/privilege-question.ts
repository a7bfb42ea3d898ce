import { AlopexError } from '../../base/errors.ts';
import type { PrivilegeQuestion } from '../types/function.ts';
import { splitQualifiedName } from '../types/identifier.ts';
import type { CatalogSnapshot, Grantable, RoleDefinition } from './definition.ts';
import { type Privilege, privilegeLetters, privilegesOf, rolesOf } from './privileges.ts';
import { isSecret, type Shape, shapeNamed, shapeOf } from './shape.ts';
import { wellKnown } from './well-known.ts';

/** has_table_privilege and its kin: whether the role has any of the privileges; null where no object has the oid. */
export function answerPrivilege(
  catalog: CatalogSnapshot,
  path: readonly string[],
  question: PrivilegeQuestion,
): boolean | null {
  const role = roleNamed(catalog, question.role ?? catalog.role(question.user)?.id ?? wellKnown.role);
  if (role === null) return null;
  if (question.kind === 'role') {
    const group = roleNamed(catalog, question.object);
    return group === null ? null : role.isSuperuser || rolesOf(catalog, role).has(group.id);
  }
  const asked = question.privileges.split(',').map(privilegeAsked);
  const object =
    question.kind === 'schema' ? schemaOf(catalog, question) : relationOf(catalog, path, question);
  if (object === null) return null;
  // The system's own relations are there for everybody to read.
  if (object === 'system') return role.isSuperuser || asked.some(({ letter }) => letter === 'r');
  if (object === 'secret') return role.isSuperuser;
  return asked.some(({ letter, withOption }) =>
    privilegesOf(catalog, role, object, withOption).includes(letter),
  );
}

function roleNamed(catalog: CatalogSnapshot, role: number | string): RoleDefinition | null {
  const object = typeof role === 'number' ? catalog.byId(role) : catalog.role(role);
  if (object?.kind === 'role') return object;
  if (typeof role === 'number') return null;
  throw new AlopexError('undefined_object', `role "${role}" does not exist`);
}

function privilegeAsked(text: string) {
  const [name = '', ...rest] = text.trim().toUpperCase().split(/\s+/);
  const letter = privilegeLetters[name as Privilege] as string | undefined;
  if (letter === undefined || (rest.length > 0 && rest.join(' ') !== 'WITH GRANT OPTION')) {
    throw new AlopexError('invalid_parameter_value', `unrecognized privilege type: "${text.trim()}"`);
  }
  return { letter, withOption: rest.length > 0 };
}

function schemaOf(catalog: CatalogSnapshot, { object }: PrivilegeQuestion): Grantable | null {
  const found = typeof object === 'number' ? catalog.byId(object) : catalog.namespace(object);
  if (found?.kind === 'namespace') return found;
  if (typeof object === 'number') return null;
  throw new AlopexError('invalid_schema_name', `schema "${object}" does not exist`);
}

function relationOf(
  catalog: CatalogSnapshot,
  path: readonly string[],
  { object, kind }: PrivilegeQuestion,
): Grantable | SystemKind | null {
  const found = typeof object === 'number' ? byOid(catalog, object) : byName(catalog, path, object);
  if (found === null || found === 'system' || found === 'secret') return found;
  if (kind === 'sequence' && found.kind !== 'sequence') {
    throw new AlopexError('wrong_object_type', `"${found.name}" is not a sequence`);
  }
  return found;
}

/** The system's own relations; a secret one is for superusers. */
type SystemKind = 'system' | 'secret';

function systemKind(shape: Shape): SystemKind {
  return isSecret(shape) ? 'secret' : 'system';
}

function byOid(catalog: CatalogSnapshot, oid: number): Grantable | SystemKind | null {
  const shape = shapeOf(oid);
  if (shape !== undefined) return systemKind(shape);
  const object = catalog.byId(oid);
  return object?.kind === 'table' || object?.kind === 'sequence' ? object : null;
}

function byName(catalog: CatalogSnapshot, path: readonly string[], text: string): Grantable | SystemKind {
  const parts = splitQualifiedName(text);
  const name = parts.at(-1)!;
  for (const schema of parts.length > 1 ? [parts.at(-2)!] : path) {
    const shape = shapeNamed(schema, name);
    if (shape !== undefined) return systemKind(shape);
    const namespace = catalog.namespace(schema);
    const found = namespace === undefined ? undefined : catalog.relation(namespace.id, name);
    if (found?.kind === 'table' || found?.kind === 'sequence') return found;
  }
  throw new AlopexError('undefined_table', `relation "${text}" does not exist`);
}
