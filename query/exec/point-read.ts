import type { Datum } from '../../base/values/datum.ts';
import type { FoundRow, ReadView, RowReader } from '../../materializers/rows/contract.ts';
import { encodeKeyDatums } from '../../materializers/rows/key.ts';
import type { Expression } from '../plan/expression.ts';
import type { PhysicalPlan, Statement, TableScan } from '../plan/physical.ts';

type Row = readonly Datum[];

/** At most one row: by its whole primary key, with its columns in the statement's order. */
export type PointRead = (
  reader: RowReader,
  view: ReadView,
  parameters: readonly Datum[],
) => readonly Row[] | Promise<readonly Row[]>;

/** The row of a plan that looks one up by its whole primary key. */
export type KeyLookup = (
  reader: RowReader,
  view: ReadView,
  parameters: readonly Datum[],
) => FoundRow | null | Promise<FoundRow | null>;

const none: readonly Row[] = [];

/**
 * The short way for `SELECT columns FROM t WHERE key = $1`: no operators, no batches. Null where the statement is
 * something else. About 1 µs above the store's own lookup.
 */
export function pointRead({ root }: Statement): PointRead | null {
  const lookup = keyLookup(root);
  if (lookup === null) return null;
  return (reader, view, parameters) => {
    const found = lookup(reader, view, parameters);
    return found instanceof Promise ? found.then(rowsOf) : rowsOf(found);
  };
}

/** Null: the plan is something else. */
export function keyLookup(plan: PhysicalPlan): KeyLookup | null {
  const target = scanOf(plan);
  if (target === null) return null;
  const { scan, columns } = target;
  const values = scan.path.prefix.map((condition) =>
    condition.kind === 'equal' ? keyValueOf(condition.value) : null,
  );
  if (values.includes(null)) return null;
  const { layout } = scan.table;
  const keyOf = (parameters: readonly Datum[]): Uint8Array | null => {
    const datums: Datum[] = [];
    for (let at = 0; at < values.length; at++) {
      const datum = values[at]!(parameters);
      if (datum === null) return null;
      if (layout.key[at]!.type.kind === 'int4' && datum !== (Number(datum) | 0)) return null;
      datums.push(datum);
    }
    return encodeKeyDatums(layout.key, datums);
  };
  return (reader, view, parameters) => {
    const key = keyOf(parameters);
    return key === null ? null : reader.get(layout, key, view, columns);
  };
}

function rowsOf(found: FoundRow | null): readonly Row[] {
  return found === null ? none : [found.values];
}

/** The scan and the attributes that are put out, where the plan is a plain projection of a key lookup. */
function scanOf(
  plan: PhysicalPlan,
): { readonly scan: TableScan; readonly columns: readonly number[] } | null {
  if (plan.kind === 'project') {
    const input = plan.input.kind === 'table-scan' ? scanOf(plan.input) : null;
    if (input === null) return null;
    const columns = plan.expressions.map((expression) =>
      expression.kind === 'column' ? input.columns[expression.index]! : null,
    );
    return columns.every((column) => column !== null) ? { scan: input.scan, columns } : null;
  }
  const isLookup =
    plan.kind === 'table-scan' &&
    plan.path.index === 0 &&
    plan.path.isPoint &&
    plan.filter === null &&
    plan.moment === null &&
    plan.path.prefix.every((condition) => condition.kind === 'equal');
  return isLookup ? { scan: plan, columns: plan.attributes } : null;
}

function keyValueOf(expression: Expression): ((parameters: readonly Datum[]) => Datum) | null {
  if (expression.kind === 'constant') {
    const { value } = expression;
    return () => value;
  }
  if (expression.kind !== 'parameter') return null;
  const { index } = expression;
  return (parameters) => parameters[index] ?? null;
}
