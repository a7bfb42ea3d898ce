import type { CatalogSnapshot, NamespaceDefinition } from './definition.ts';
import { wellKnown } from './well-known.ts';

/**
 * The schemas that a search path means. `$user` is the schema of the user's name, but never one of the system's:
 * user and schema `alopex` have nothing to do with each other.
 */
export function namespacesOf(
  catalog: CatalogSnapshot,
  searchPath: readonly string[],
  user: string,
): readonly NamespaceDefinition[] {
  const found: NamespaceDefinition[] = [];
  for (const name of searchPath) {
    const namespace = catalog.namespace(name === '$user' ? user : name);
    const isUsers = name === '$user' || name === user;
    if (namespace === undefined || (isUsers && isSystemNamespace(namespace.id))) continue;
    found.push(namespace);
  }
  return found;
}

/** Where unqualified names are looked up: pg_catalog comes first where the path does not name it. */
export function searchedNamespaces(
  catalog: CatalogSnapshot,
  searchPath: readonly string[],
  user: string,
): readonly NamespaceDefinition[] {
  const named = namespacesOf(catalog, searchPath, user);
  const system = catalog.namespace('pg_catalog');
  return system === undefined || named.includes(system) ? named : [system, ...named];
}

export function isSystemNamespace(id: number): boolean {
  return id === wellKnown.pgCatalog || id === wellKnown.informationSchema || id === wellKnown.alopex;
}
