import { quoteIdentifier } from '../../types/identifier.ts';
import { quoteQualified } from '../qualified-name.ts';
import { searchedNamespaces } from '../search-path.ts';
import type { CatalogEditor } from './editor.ts';
import type { Relation } from './lookup.ts';

/** 'table t', or 'table s.t' where the search path does not find it: as messages name a relation. */
export function shownRelation(editor: CatalogEditor, relation: Relation): string {
  return `${relation.kind} ${shownRelationName(editor, relation)}`;
}

export function shownRelationName(editor: CatalogEditor, relation: Relation): string {
  const { catalog, context } = editor;
  for (const namespace of searchedNamespaces(catalog, context.searchPath, context.user)) {
    const found = catalog.relation(namespace.id, relation.name);
    if (found?.id === relation.id) return quoteIdentifier(relation.name);
    if (found !== undefined) break;
  }
  const namespace = catalog.byId(relation.namespace);
  return quoteQualified(namespace?.kind === 'namespace' ? namespace.name : '', relation.name);
}
