import { AlopexError } from '../../../base/errors.ts';
import type { ColumnDefinition, RelationDefinition, SequenceDefinition } from '../definition.ts';
import { sequencesOf } from '../sequence-default.ts';
import type { CatalogEditor } from './editor.ts';
import { shownRelation } from './shown.ts';

/** A column whose default calls a sequence. */
export type SequenceUse = {
  readonly table: RelationDefinition;
  readonly column: ColumnDefinition;
  readonly sequence: SequenceDefinition;
};

/** The defaults that call one of these sequences, in tables other than `dropped`. */
export function usesOf(
  editor: CatalogEditor,
  sequences: readonly SequenceDefinition[],
  dropped: ReadonlySet<number>,
): SequenceUse[] {
  if (sequences.length === 0) return [];
  const ids = new Set(sequences.map((sequence) => sequence.id));
  const uses: SequenceUse[] = [];
  for (const table of editor.catalog.all()) {
    if (table.kind !== 'table' || dropped.has(table.id)) continue;
    for (const column of table.columns) {
      if (column.isDropped) continue;
      for (const sequence of sequencesOf(editor.catalog, column.defaultText)) {
        if (ids.has(sequence.id)) uses.push({ table, column, sequence });
      }
    }
  }
  return uses;
}

export function shownUse(editor: CatalogEditor, { table, column }: SequenceUse): string {
  return `default value for column ${column.name} of ${shownRelation(editor, table)}`;
}

/** Takes a default away whose sequence goes. */
export function dropUse(editor: CatalogEditor, { table, column }: SequenceUse): void {
  const current = editor.table(table.id);
  const columns = current.columns.map((each) =>
    each.attribute === column.attribute ? { ...each, defaultText: null, ownedSequence: null } : each,
  );
  editor.put({ ...current, columns });
}

/** 2BP01 with what depends on it. */
export function stillNeeded(what: string, dependents: readonly string[]): AlopexError {
  return new AlopexError(
    'dependent_objects_still_exist',
    `cannot drop ${what} because other objects depend on it`,
    {
      detail: dependents.join('\n'),
      hint: 'Use DROP ... CASCADE to drop the dependent objects too.',
    },
  );
}
