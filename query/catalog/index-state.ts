import type { IndexLayout, IndexState } from '../../log/events/layout.ts';
import type { CatalogChange, CatalogSnapshot, IndexDefinition, RelationDefinition } from './definition.ts';

/** An index with the table that keeps it. */
export type KeptIndex = {
  readonly definition: IndexDefinition;
  readonly table: RelationDefinition;
  readonly layout: IndexLayout;
};

/** Undefined where the index, or its table, is gone. */
export function keptIndex(catalog: CatalogSnapshot, id: number): KeptIndex | undefined {
  const definition = catalog.byId(id);
  if (definition?.kind !== 'index') return undefined;
  const table = catalog.byId(definition.table);
  if (table?.kind !== 'table') return undefined;
  const layout = table.layout.indexes.find((each) => each.id === id);
  return layout === undefined ? undefined : { definition, table, layout };
}

export function withIndexState({ table, layout }: KeptIndex, state: IndexState): CatalogChange {
  const indexes = table.layout.indexes.map((each) => (each === layout ? { ...each, state } : each));
  return { kind: 'put', object: { ...table, layout: { ...table.layout, indexes } } };
}

export function withoutIndex({ definition, table, layout }: KeptIndex): readonly CatalogChange[] {
  const indexes = table.layout.indexes.filter((each) => each !== layout);
  return [
    { kind: 'put', object: { ...table, layout: { ...table.layout, indexes } } },
    { kind: 'remove', object: definition },
  ];
}

/** Indexes that are being built, or were when the database ended. */
export function* unfinishedIndexes(catalog: CatalogSnapshot): Iterable<KeptIndex> {
  for (const object of catalog.all()) {
    if (object.kind !== 'index') continue;
    const kept = keptIndex(catalog, object.id);
    if (kept !== undefined && kept.layout.state !== 'public') yield kept;
  }
}

/** Whether the two differ in nothing but indexes. */
export function differInIndexesOnly(left: RelationDefinition, right: RelationDefinition): boolean {
  const rest = (table: RelationDefinition): string =>
    JSON.stringify({ ...table, layout: { ...table.layout, indexes: [] } }, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
  return rest(left) === rest(right);
}
