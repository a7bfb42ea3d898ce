import { unreachable } from '../../base/unreachable.ts';
import type { RowReader } from '../../materializers/rows/contract.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import type { FunctionContext } from '../types/function.ts';
import { planAggregate } from './aggregate-planning.ts';
import { semiJoinOf } from './decorrelation.ts';
import { costs, estimateOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import { planJoin } from './join-planning.ts';
import type { CteDefinition, LogicalPlan } from './logical.ts';
import { Lowering } from './lowering.ts';
import type { PhysicalPlan, Statement } from './physical.ts';
import {
  allOf,
  exactly,
  filtered,
  identityPlaces,
  type Planned,
  projectPlan,
  type Request,
  typesOf,
  withColumns,
} from './request.ts';
import { columnsOf, conjunctsOf, hasSubquery, isVolatile, remap, substitute } from './rewrite.ts';
import { planScan } from './scan-planning.ts';
import { planLimit, planSort } from './sort-planning.ts';
import { planWith } from './with-planning.ts';
import { planLockRows, planModify } from './write-planning.ts';

/** What planning may ask: names of indexes, sizes of tables, and values of immutable functions. */
export type PlanningContext = {
  readonly catalog: CatalogSnapshot;
  /** Null: every table counts as a thousand rows. */
  readonly reader: Pick<RowReader, 'estimate' | 'estimateRange'> | null;
  readonly functions: FunctionContext;
  /** Indexes may be younger than what is read: only the rows themselves are as old. */
  readonly readsPast: boolean;
};

/** The physical plan of a bound statement. */
export function planQuery(logical: LogicalPlan, context: PlanningContext): Statement {
  const planner = new Planner(context);
  const root = planner.whole(logical);
  return { root, columns: logical.columns, slotCount: planner.lowering.slotCount };
}

type Node<Kind extends LogicalPlan['kind']> = Extract<LogicalPlan, { readonly kind: Kind }>;

/** A WITH query in sight: read where it is kept, or planned again in place of its only scan. */
type VisibleCte = {
  readonly definition: CteDefinition;
  readonly isInlined: boolean;
  /** How many rows enclosed the WITH. */
  readonly depth: number;
  readonly rows: number;
};

/**
 * One pass from the root down: each node is asked for some columns, under some conditions, and pushes what it can
 * to its inputs, in terms of their columns.
 */
export class Planner {
  readonly context: PlanningContext;
  readonly lowering: Lowering;
  readonly ctes = new Map<number, VisibleCte>();

  constructor(context: PlanningContext) {
    this.context = context;
    this.lowering = new Lowering(context, (plan) => this.whole(plan));
  }

  /** A plan that gives exactly the logical columns. */
  whole(logical: LogicalPlan): PhysicalPlan {
    const count = logical.columns.length;
    const planned = this.plan(logical, {
      conditions: [],
      needed: allOf(count),
      order: null,
      rowsWanted: null,
    });
    return exactly(planned, [...allOf(count)], typesOf(logical));
  }

  plan(logical: LogicalPlan, request: Request): Planned {
    if (logical.kind !== 'with' && request.conditions.some(isNeverTrue)) return nothing(logical);
    switch (logical.kind) {
      case 'scan':
        return planScan(this, logical, request);
      case 'virtual-scan':
        return this.#leaf(
          logical,
          {
            kind: 'virtual-scan',
            relation: logical.relation,
            moment: logical.asOf?.moment ?? null,
            filter: null,
          },
          1000,
          request,
        );
      case 'values': {
        const rows = logical.rows.map((row) => row.map((expression) => this.lowering.expression(expression)));
        return this.#leaf(logical, { kind: 'values', rows }, rows.length, request);
      }
      case 'function-scan':
        return this.#functionScan(logical, request);
      case 'single-row':
        return this.#leaf(logical, { kind: 'single-row' }, 1, request);
      case 'filter':
        return this.#filter(logical, request);
      case 'project':
        return this.#project(logical, request);
      case 'project-set':
        return this.#projectSet(logical, request);
      case 'join':
        return planJoin(this, logical, request);
      case 'aggregate':
        return planAggregate(this, logical, request);
      case 'distinct':
        return this.#distinct(logical, request);
      case 'sort':
        return planSort(this, logical, request);
      case 'limit':
        return planLimit(this, logical, request);
      case 'set-operation':
        return this.#setOperation(logical, request);
      case 'with':
        return planWith(this, logical, request);
      case 'cte-scan':
        return this.#cteScan(logical, request);
      case 'lock-rows':
        return planLockRows(this, logical, request);
      case 'modify':
        return planModify(this, logical);
      default:
        return unreachable(logical);
    }
  }

  /** A source whose columns are all there anyway. */
  #leaf(logical: LogicalPlan, node: LeafNode, rows: number, request: Request): Planned {
    const types = typesOf(logical);
    const estimate = estimateOf(rows, 0, rows * costs.scannedRow, types);
    const plan: PhysicalPlan = { ...node, types, estimate };
    return filtered({ plan, places: identityPlaces(types.length), isOrdered: false }, request.conditions);
  }

  #functionScan(logical: Node<'function-scan'>, request: Request): Planned {
    const operands = logical.arguments.map((argument) => this.lowering.expression(argument));
    const { function: callee, withOrdinality } = logical;
    const node = { kind: 'function-scan', function: callee, arguments: operands, withOrdinality } as const;
    return this.#leaf(logical, node, callee.kind === 'table' ? 1000 : 1, request);
  }

  #filter(logical: Node<'filter'>, request: Request): Planned {
    const rest: Expression[] = [];
    let input = logical.input;
    for (const conjunct of conjunctsOf(logical.condition)) {
      const semiJoin = semiJoinOf(input, conjunct);
      if (semiJoin === null) rest.push(...conjunctsOf(this.lowering.expression(conjunct)));
      else input = semiJoin;
    }
    return this.plan(input, { ...request, conditions: [...request.conditions, ...rest] });
  }

  #project(logical: Node<'project'>, request: Request): Planned {
    const expressions = logical.expressions.map((expression) => this.lowering.expression(expression));
    const isMovable = (condition: Expression): boolean =>
      columnsOf(condition).every(
        (column) => !isVolatile(expressions[column]!) && !hasSubquery(expressions[column]!),
      );
    const pushed = request.conditions.filter(isMovable);
    const kept = request.conditions.filter((condition) => !isMovable(condition));
    const wanted = [...withColumns(request.needed, kept)].sort((a, b) => a - b);
    const order = request.order?.map((key) => ({ key, expression: expressions[key.column]! })) ?? null;
    const isColumnOrder = order?.every(({ expression }) => expression.kind === 'column') ?? false;
    const input = this.plan(logical.input, {
      conditions: pushed.map((condition) => substitute(condition, (index) => expressions[index]!)),
      needed: new Set(wanted.flatMap((column) => columnsOf(expressions[column]!))),
      order:
        order !== null && isColumnOrder
          ? order.map(({ key, expression }) => ({
              ...key,
              column: expression.kind === 'column' ? expression.index : 0,
            }))
          : null,
      rowsWanted: kept.length > 0 ? null : request.rowsWanted,
    });
    return filtered(projected(input, expressions, wanted), kept);
  }

  #projectSet(logical: Node<'project-set'>, request: Request): Planned {
    const items = logical.items.map((item) =>
      item.kind === 'scalar'
        ? { ...item, expression: this.lowering.expression(item.expression) }
        : { ...item, arguments: item.arguments.map((argument) => this.lowering.expression(argument)) },
    );
    const used = items.flatMap((item) => (item.kind === 'scalar' ? [item.expression] : item.arguments));
    const needed = withColumns(new Set(), used);
    const input = this.plan(logical.input, { conditions: [], needed, order: null, rowsWanted: null });
    const types = typesOf(logical);
    const rows = input.plan.estimate.rows * 10;
    const plan: PhysicalPlan = {
      kind: 'project-set',
      input: input.plan,
      items: items.map((item) =>
        item.kind === 'scalar'
          ? { ...item, expression: remap(item.expression, input.places) }
          : { ...item, arguments: item.arguments.map((argument) => remap(argument, input.places)) },
      ),
      types,
      estimate: estimateOf(
        rows,
        input.plan.estimate.startupCost,
        input.plan.estimate.totalCost + rows * costs.scannedRow,
        types,
      ),
    };
    return filtered({ plan, places: identityPlaces(types.length), isOrdered: false }, request.conditions);
  }

  #distinct(logical: Node<'distinct'>, request: Request): Planned {
    const types = typesOf(logical);
    const on = logical.on?.map((expression) => this.lowering.expression(expression)) ?? null;
    const isPushed = (condition: Expression): boolean => on === null && !isVolatile(condition);
    const kept = request.conditions.filter((condition) => !isPushed(condition));
    const needed = on === null ? allOf(types.length) : withColumns(withColumns(request.needed, on), kept);
    const conditions = request.conditions.filter(isPushed);
    const input = this.plan(logical.input, {
      conditions,
      needed,
      order: on === null ? request.order : null,
      rowsWanted: null,
    });
    const plan = on === null ? exactly(input, [...allOf(types.length)], types) : input.plan;
    const places = on === null ? identityPlaces(types.length) : input.places;
    const { rows, totalCost } = plan.estimate;
    const node: PhysicalPlan = {
      kind: 'distinct',
      input: plan,
      on: on?.map((expression) => remap(expression, places)) ?? null,
      types: plan.types,
      estimate: estimateOf(
        Math.min(rows, 200 + rows / 10),
        plan.estimate.startupCost,
        totalCost + rows * costs.hashedRow,
        plan.types,
      ),
    };
    return filtered({ plan: node, places, isOrdered: input.isOrdered }, kept);
  }

  #setOperation(logical: Node<'set-operation'>, request: Request): Planned {
    const types = typesOf(logical);
    const columns = [...allOf(types.length)];
    const isPushed = (condition: Expression): boolean => !isVolatile(condition) && !hasSubquery(condition);
    const side = (input: LogicalPlan): PhysicalPlan =>
      exactly(
        this.plan(input, {
          conditions: request.conditions.filter(isPushed),
          needed: allOf(types.length),
          order: null,
          rowsWanted: logical.all ? request.rowsWanted : null,
        }),
        columns,
        types,
      );
    const left = side(logical.left);
    const right = side(logical.right);
    const plan = setOperationPlan(logical, left, right);
    const kept = request.conditions.filter((condition) => !isPushed(condition));
    return filtered({ plan, places: columns, isOrdered: false }, kept);
  }

  #cteScan(logical: Node<'cte-scan'>, request: Request): Planned {
    const cte = this.ctes.get(logical.id)!;
    if (cte.isInlined && cte.depth === this.lowering.depth) return this.plan(cte.definition.plan, request);
    return this.#leaf(
      logical,
      { kind: 'cte-scan', id: logical.id, name: cte.definition.name },
      cte.rows,
      request,
    );
  }
}

type Physical<Kind extends PhysicalPlan['kind']> = Omit<
  Extract<PhysicalPlan, { readonly kind: Kind }>,
  'types' | 'estimate'
>;
type LeafNode =
  | Physical<'virtual-scan'>
  | Physical<'values'>
  | Physical<'function-scan'>
  | Physical<'single-row'>
  | Physical<'cte-scan'>;

function isNeverTrue(condition: Expression): boolean {
  return condition.kind === 'constant' && condition.value !== true;
}

/** No rows. */
function nothing(logical: LogicalPlan): Planned {
  const types = typesOf(logical);
  const plan: PhysicalPlan = { kind: 'values', rows: [], types, estimate: estimateOf(0, 0, 0, types) };
  return { plan, places: identityPlaces(types.length), isOrdered: false };
}

/** The wanted expressions over an input; where all are plain columns no node is made. */
function projected(input: Planned, expressions: readonly Expression[], wanted: readonly number[]): Planned {
  const places = new Array<number>(expressions.length).fill(-1);
  const placed = wanted.map((column) => remap(expressions[column]!, input.places));
  if (placed.every((expression) => expression.kind === 'column')) {
    for (const [at, column] of wanted.entries()) {
      const expression = placed[at]!;
      if (expression.kind === 'column') places[column] = expression.index;
    }
    return { plan: input.plan, places, isOrdered: input.isOrdered };
  }
  for (const [at, column] of wanted.entries()) places[column] = at;
  return { plan: projectPlan(input.plan, placed), places, isOrdered: input.isOrdered };
}

function setOperationPlan(
  logical: Node<'set-operation'>,
  left: PhysicalPlan,
  right: PhysicalPlan,
): PhysicalPlan {
  const { types } = left;
  const rows = left.estimate.rows + right.estimate.rows;
  const totalCost = left.estimate.totalCost + right.estimate.totalCost;
  const hashed = totalCost + rows * costs.hashedRow;
  const { operation, all } = logical;
  if (operation !== 'union') {
    const estimate = estimateOf(left.estimate.rows / 2, right.estimate.totalCost, hashed, types);
    return { kind: 'set-operation', operation, all, left, right, types, estimate };
  }
  const append: PhysicalPlan = {
    kind: 'append',
    inputs: [left, right],
    types,
    estimate: estimateOf(rows, 0, totalCost, types),
  };
  if (all) return append;
  return { kind: 'distinct', input: append, on: null, types, estimate: estimateOf(rows, 0, hashed, types) };
}
