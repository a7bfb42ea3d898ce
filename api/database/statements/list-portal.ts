import type { Datum } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import type { RowsPortal } from '../contract.ts';

/** A portal over rows that are there already: of SHOW, of EXPLAIN. */
export function listPortal(
  columns: readonly OutputColumn[],
  rows: readonly (readonly Datum[])[],
  tag: string,
): RowsPortal {
  let at = 0;
  return {
    kind: 'rows',
    columns,
    async fetch(rowsMax) {
      const end = rowsMax === 0 ? rows.length : Math.min(rows.length, at + rowsMax);
      const fetched = rows.slice(at, end);
      at = end;
      return { rows: fetched, isDone: at === rows.length };
    },
    tag: () => tag,
    close() {
      at = rows.length;
    },
  };
}
