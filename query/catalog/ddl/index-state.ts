import { invariant } from '../../../base/unreachable.ts';
import type { IndexState } from '../../../log/events/layout.ts';
import type { CatalogChange, CatalogSnapshot } from '../definition.ts';

/** The step of an index's online creation: its table with the index in another state. */
export function indexStateChange(catalog: CatalogSnapshot, index: number, state: IndexState): CatalogChange {
  const definition = catalog.byId(index);
  invariant(definition?.kind === 'index', `${index} is an index`);
  const table = catalog.byId(definition.table);
  invariant(table?.kind === 'table', `${definition.table} is a table`);
  const indexes = table.layout.indexes.map((each) => (each.id === index ? { ...each, state } : each));
  return { kind: 'put', object: { ...table, layout: { ...table.layout, indexes } } };
}
