import { type AttributeOrder, choosePath, withoutRepeats } from './access-path.ts';
import { estimateOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import type { LogicalPlan } from './logical.ts';
import type { PhysicalPlan, TableScan } from './physical.ts';
import type { Planner } from './planner.ts';
import { filtered, type Planned, type Request, withColumns } from './request.ts';
import { conjunction, hasSubquery, isStableValue, remap } from './rewrite.ts';

export type ScanNode = Extract<LogicalPlan, { readonly kind: 'scan' }>;
type PlannedScan = Extract<PhysicalPlan, { readonly kind: 'table-scan' }>;

/** A base table: the access path, and only the columns that somebody reads. */
export function planScan(planner: Planner, logical: ScanNode, request: Request): Planned {
  const scanned = withoutRepeats(request.conditions.filter((condition) => !hasSubquery(condition)));
  const tested = request.conditions.filter(hasSubquery);
  const order: AttributeOrder | null =
    request.order?.map(({ column, descending, nullsFirst }) => ({
      attribute: logical.attributes[column]!,
      descending,
      nullsFirst,
    })) ?? null;
  const choice = choosePath(
    {
      table: logical.table,
      conditions: scanned,
      view: { attributeOf: (index) => logical.attributes[index] ?? null, isKnown: isStableValue },
      order,
      rowsWanted: tested.length > 0 ? null : request.rowsWanted,
      readsPast: planner.context.readsPast,
    },
    planner.context,
  );
  const needed = withColumns(withColumns(request.needed, tested), choice.rest);
  const { attributes, places, types } = columnsRead(logical, needed);
  const condition = choice.path.condition;
  const rest = conjunction(choice.rest);
  const scan: TableScan = {
    kind: 'table-scan',
    table: logical.table,
    moment: logical.asOf?.moment ?? null,
    attributes,
    path: { ...choice.path, condition: condition === null ? null : asAttributes(condition, logical) },
    filter: rest === null ? null : remap(rest, places),
    zones: choice.zones,
  };
  const plan: PlannedScan = { ...scan, types, estimate: estimateOf(choice.rows, 0, choice.cost, types) };
  return filtered({ plan, places, isOrdered: order !== null && choice.isOrdered }, tested);
}

/** The attributes of the needed columns, each once, and where the columns then stand. */
export function columnsRead(logical: ScanNode, needed: ReadonlySet<number>) {
  const attributes: number[] = [];
  const types = [];
  const places = new Array<number>(logical.attributes.length).fill(-1);
  for (const [column, attribute] of logical.attributes.entries()) {
    if (!needed.has(column)) continue;
    let place = attributes.indexOf(attribute);
    if (place < 0) {
      place = attributes.push(attribute) - 1;
      types.push(logical.columns[column]!.type);
    }
    places[column] = place;
  }
  return { attributes, places, types };
}

/** For EXPLAIN: a condition whose columns are attribute numbers. */
export function asAttributes(condition: Expression, logical: ScanNode): Expression {
  return remap(condition, logical.attributes);
}
