import { choosePath } from './access-path.ts';
import { costs, estimateOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import { joinRows, pairPlaces, rightView } from './join-parts.ts';
import type { LogicalPlan } from './logical.ts';
import type { LookupJoin, PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import type { Planned, Request } from './request.ts';
import { columnAt, columnsOf, conjunction, hasSubquery, remap, substitute } from './rewrite.ts';
import { asAttributes, columnsRead } from './scan-planning.ts';

type LookupRequest = {
  readonly kind: 'inner' | 'left' | 'semi' | 'anti';
  readonly left: Planned;
  readonly leftWidth: number;
  readonly right: LogicalPlan;
  /** Of the right side alone, in its own columns. */
  readonly rightRequest: Request;
  /** Conditions between the sides, over the joined logical row. */
  readonly on: readonly Expression[];
};

/**
 * An index nested loop: the right side is a base table, and an index finds its rows by values of the left row.
 * Null where there is no such index, or reading the table once for a hash join is expected to be cheaper.
 */
export function lookupJoin(planner: Planner, request: LookupRequest): Planned | null {
  const { right, left, leftWidth, on } = request;
  const target = baseScan(right);
  if (target === null || on.some(hasSubquery)) return null;
  const own = request.rightRequest.conditions.map((condition) => movedBy(condition, leftWidth));
  if (own.some(hasSubquery)) return null;
  const view = rightView(leftWidth, target.attributes);
  const choice = choosePath(
    {
      table: target.table,
      conditions: [...on, ...own],
      view,
      order: null,
      rowsWanted: null,
      readsPast: planner.context.readsPast,
    },
    planner.context,
  );
  const readsLeft =
    choice.path.condition !== null && columnsOf(choice.path.condition).some((column) => column < leftWidth);
  if (!readsLeft || choice.path.prefix.length === 0) return null;
  const total = planner.context.reader?.estimate(target.table.layout.storage).rows ?? 1000;
  const perRow = costs.lookup * (choice.path.isPoint ? 0.5 : 1) + choice.cost * 0.1;
  const lookups = left.plan.estimate.rows * perRow;
  if (lookups > total * (costs.scannedRow + costs.hashedRow) && left.plan.estimate.rows > 4) return null;
  return build(request, target, choice);
}

function build(request: LookupRequest, target: ScanNode, choice: ReturnType<typeof choosePath>): Planned {
  const { left, leftWidth, kind, rightRequest } = request;
  const isOfRight = (condition: Expression): boolean =>
    !columnsOf(condition).some((column) => column < leftWidth);
  const filter = choice.rest.filter(isOfRight).map((condition) => movedBy(condition, -leftWidth));
  const residual = choice.rest.filter((condition) => !isOfRight(condition));
  const used = [
    ...filter.flatMap(columnsOf),
    ...residual
      .flatMap(columnsOf)
      .filter((column) => column >= leftWidth)
      .map((column) => column - leftWidth),
  ];
  const { attributes, places, types } = columnsRead(target, new Set([...rightRequest.needed, ...used]));
  const overLeft = (expression: Expression): Expression => remap(expression, left.places);
  const condition = choice.path.condition;
  const right: LookupJoin['right'] = {
    kind: 'table-scan',
    table: target.table,
    moment: target.asOf?.moment ?? null,
    attributes,
    path: {
      ...choice.path,
      prefix: choice.path.prefix.map((key) =>
        key.kind === 'equal'
          ? { ...key, value: overLeft(key.value) }
          : key.kind === 'in'
            ? { ...key, values: key.values.map(overLeft) }
            : key.kind === 'any'
              ? { ...key, array: overLeft(key.array) }
              : key,
      ),
      range: boundOver(choice.path.range, overLeft),
      condition: condition === null ? null : ownParts(condition, leftWidth, target),
    },
    filter: conjunction(filter.map((test) => remap(test, places))),
    zones: [],
    types,
    estimate: estimateOf(choice.rows, 0, choice.cost, types),
  };
  const rightPlanned: Planned = { plan: right, places, isOrdered: false };
  const keepsRight = kind === 'inner' || kind === 'left';
  const joinPlaces = pairPlaces(left, rightPlanned, true);
  const outTypes = keepsRight ? [...left.plan.types, ...types] : left.plan.types;
  const leftRows = left.plan.estimate.rows;
  const rows =
    kind === 'inner' ? leftRows * choice.rows : joinRows(kind, leftRows, leftRows * choice.rows, 1, []);
  const cost = left.plan.estimate.totalCost + leftRows * (costs.lookup + choice.cost);
  const plan: PhysicalPlan = {
    kind: 'lookup-join',
    join: kind,
    left: left.plan,
    right,
    residual: conjunction(residual.map((test) => remap(test, joinPlaces))),
    types: outTypes,
    estimate: estimateOf(rows, left.plan.estimate.startupCost, cost, outTypes),
  };
  return { plan, places: pairPlaces(left, rightPlanned, keepsRight), isOrdered: false };
}

type ScanNode = Extract<LogicalPlan, { readonly kind: 'scan' }>;

/** The base table that a plan is, or null. */
function baseScan(logical: LogicalPlan): ScanNode | null {
  return logical.kind === 'scan' ? logical : null;
}

function movedBy(expression: Expression, distance: number): Expression {
  return substitute(expression, (index, type) => columnAt(index + distance, type));
}

function boundOver(
  range: LookupJoin['right']['path']['range'],
  change: (expression: Expression) => Expression,
): LookupJoin['right']['path']['range'] {
  if (range === null || range.kind === 'prefix') return range;
  const side = (bound: typeof range.lower): typeof range.lower =>
    bound === null ? null : { ...bound, value: change(bound.value) };
  return { ...range, lower: side(range.lower), upper: side(range.upper) };
}

/** For EXPLAIN: columns of the looked-up table as attribute numbers, those of the driving row as slots. */
function ownParts(condition: Expression, leftWidth: number, target: ScanNode): Expression {
  return substitute(condition, (index, type) =>
    index < leftWidth
      ? { kind: 'outer-column', type, level: 0, index }
      : asAttributes(columnAt(index - leftWidth, type), target),
  );
}
