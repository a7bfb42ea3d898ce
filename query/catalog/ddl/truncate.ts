import type { TruncateStmt } from 'libpg-query';
import { hasPrivilege, permissionDenied } from '../privileges.ts';
import type { DdlResult } from './context.ts';
import { ownedSequences } from './drop.ts';
import type { CatalogEditor } from './editor.ts';
import { withNewStorage } from './key.ts';
import { findRelation, nameOf, requireKind, requireOwner, undefinedRelation } from './lookup.ts';
import { restartSequence } from './sequence.ts';

/** A new storage for each table: constant time, and older readers keep the old rows. */
export function truncate(editor: CatalogEditor, statement: TruncateStmt): DdlResult {
  const ids = new Set<number>();
  for (const node of statement.relations ?? []) {
    const name = nameOf('RangeVar' in node ? node.RangeVar : undefined);
    const relation = findRelation(editor, name);
    if (relation === undefined) throw undefinedRelation(name);
    const table = requireKind(relation, 'table');
    if (!hasPrivilege(editor.catalog, editor.user, table, 'TRUNCATE')) throw permissionDenied(table);
    if (editor.user.isSuperuser) requireOwner(editor, table);
    ids.add(table.id);
  }
  for (const id of ids) {
    const table = editor.table(id);
    editor.put(withNewStorage(editor, table));
    editor.effect({ kind: 'drop-storage', table: id, storage: table.layout.storage });
  }
  if (statement.restart_seqs === true) {
    for (const sequence of ownedSequences(editor, ids)) restartSequence(editor, sequence, sequence.start);
  }
  return editor.finish('TRUNCATE TABLE');
}
