import { joinKeyOf } from './conditions.ts';
import type { Expression } from './expression.ts';
import { joined, pairPlaces } from './join-parts.ts';
import type { JoinNode } from './join-planning.ts';
import type { LogicalPlan } from './logical.ts';
import { lookupJoin } from './lookup-planning.ts';
import type { Planner } from './planner.ts';
import { filtered, type Planned, type Request } from './request.ts';
import { columnAt, columnsOf, conjunctsOf, hasSubquery, isVolatile, substitute } from './rewrite.ts';

/** One input of a tree of inner joins; its columns are [start, start + width) of the tree's row. */
type Member = { readonly logical: LogicalPlan; readonly start: number; readonly width: number };

/** A condition, and the members whose columns it reads. */
type Between = { readonly condition: Expression; readonly owners: readonly number[] };

/** Inputs that are tried at each step: 150 tables take 0.1 s to plan so, where trying all of them takes 1 s. */
const candidatesMax = 12;

/**
 * Inner joins commute: the tree is taken apart, and put together again greedily: from the smallest input on, each
 * time the connected one that gives the fewest rows. (Selinger's search space, left-deep, without the search.)
 */
export function planInnerJoins(planner: Planner, logical: JoinNode, request: Request): Planned {
  const members: Member[] = [];
  const conditions: Expression[] = [...request.conditions];
  flatten(planner, logical, 0, members, conditions);
  const ownerOf = (column: number): number =>
    members.findIndex(({ start, width }) => column >= start && column < start + width);
  const own: Expression[][] = members.map(() => []);
  const between: Between[] = [];
  for (const condition of conditions) {
    const owners = [...new Set(columnsOf(condition).map(ownerOf))];
    const [only] = owners;
    if (owners.length === 1 && only !== undefined && !isVolatile(condition)) own[only]!.push(condition);
    else between.push({ condition, owners });
  }
  const needed = new Set([...request.needed, ...between.flatMap(({ condition }) => columnsOf(condition))]);
  const requests = members.map(
    ({ start, width }, at): Request => ({
      conditions: own[at]!.map((condition) =>
        substitute(condition, (index, type) => columnAt(index - start, type)),
      ),
      needed: new Set(
        [...needed]
          .filter((column) => column >= start && column < start + width)
          .map((column) => column - start),
      ),
      order: null,
      rowsWanted: null,
    }),
  );
  const planned = members.map((member, at) => planner.plan(member.logical, requests[at]!));
  return assemble(planner, members, requests, planned, between, logical.columns.length);
}

function flatten(
  planner: Planner,
  logical: LogicalPlan,
  start: number,
  members: Member[],
  conditions: Expression[],
): void {
  if (
    logical.kind === 'join' &&
    !logical.isLateral &&
    (logical.join === 'inner' || logical.join === 'cross')
  ) {
    flatten(planner, logical.left, start, members, conditions);
    flatten(planner, logical.right, start + logical.left.columns.length, members, conditions);
    const lowered = logical.condition === null ? null : planner.lowering.expression(logical.condition);
    for (const conjunct of conjunctsOf(lowered)) {
      conditions.push(substitute(conjunct, (index, type) => columnAt(index + start, type)));
    }
    return;
  }
  members.push({ logical, start, width: logical.columns.length });
}

/** What has been joined so far: `order` are the members in the order of the joined row. */
type Partial = { readonly planned: Planned; readonly order: readonly number[] };

function assemble(
  planner: Planner,
  members: readonly Member[],
  requests: readonly Request[],
  planned: readonly Planned[],
  between: readonly Between[],
  width: number,
): Planned {
  const left = new Set(members.keys());
  const rowsOf = (at: number): number => planned[at]!.plan.estimate.rows;
  const first = [...left].reduce((best, at) => (rowsOf(at) < rowsOf(best) ? at : best));
  left.delete(first);
  let current: Partial = { planned: planned[first]!, order: [first] };
  let waiting = between;
  while (left.size > 0) {
    let best: { readonly at: number; readonly joined: Planned; readonly used: readonly Expression[] } | null =
      null;
    for (const at of candidates(left, waiting, rowsOf)) {
      const used = applicable(waiting, left, at);
      const candidate = joinNext(planner, members, requests, planned, current, at, used);
      const isBetter =
        best === null ||
        compareCandidates(
          candidate,
          isConnected(used, members[at]!),
          best.joined,
          isConnected(best.used, members[best.at]!),
        ) < 0;
      if (isBetter) best = { at, joined: candidate, used };
    }
    const { at, joined: next, used } = best!;
    left.delete(at);
    waiting = waiting.filter(({ condition }) => !used.includes(condition));
    current = { planned: next, order: [...current.order, at] };
  }
  const places = new Array<number>(width).fill(-1);
  const toTree = treeColumns(members, current.order);
  for (const [joinColumn, treeColumn] of toTree.entries())
    places[treeColumn] = current.planned.places[joinColumn]!;
  const rest = waiting.map(({ condition }) => condition);
  return filtered({ plan: current.planned.plan, places, isOrdered: false }, rest);
}

/** Which of the inputs that are left to try next: all, or the smallest of those that a condition connects. */
function candidates(
  left: ReadonlySet<number>,
  waiting: readonly Between[],
  rowsOf: (member: number) => number,
): readonly number[] {
  if (left.size <= candidatesMax) return [...left];
  const connected = new Set<number>();
  for (const { owners } of waiting) {
    const missing = owners.filter((owner) => left.has(owner));
    if (missing.length === 1 && owners.length > 1) connected.add(missing[0]!);
  }
  const ordered = [...(connected.size > 0 ? connected : left)].sort((a, b) => rowsOf(a) - rowsOf(b) || a - b);
  return ordered.slice(0, candidatesMax);
}

/** Connected inputs come before products, then fewer rows, then less cost. */
function compareCandidates(a: Planned, aIsConnected: boolean, b: Planned, bIsConnected: boolean): number {
  if (aIsConnected !== bIsConnected) return aIsConnected ? -1 : 1;
  const rows = a.plan.estimate.rows - b.plan.estimate.rows;
  return rows === 0 ? a.plan.estimate.totalCost - b.plan.estimate.totalCost : rows;
}

function isConnected(used: readonly Expression[], member: Member): boolean {
  const isOutside = (column: number): boolean =>
    column < member.start || column >= member.start + member.width;
  return used.some((condition) => joinKeyOf(condition, isOutside) !== null);
}

/** Conditions whose columns are all there once this member is joined. */
function applicable(
  waiting: readonly Between[],
  left: ReadonlySet<number>,
  joining: number,
): readonly Expression[] {
  const isThere = (owner: number): boolean => owner === joining || !left.has(owner);
  return waiting
    .filter(({ owners }) => owners.length > 0 && owners.every(isThere))
    .map(({ condition }) => condition);
}

/** Columns of the tree in the order of a joined row. */
function treeColumns(members: readonly Member[], order: readonly number[]): readonly number[] {
  return order.flatMap((at) =>
    Array.from({ length: members[at]!.width }, (_unused, column) => members[at]!.start + column),
  );
}

function joinNext(
  planner: Planner,
  members: readonly Member[],
  requests: readonly Request[],
  planned: readonly Planned[],
  current: Partial,
  at: number,
  used: readonly Expression[],
): Planned {
  const order = [...current.order, at];
  const columns = treeColumns(members, order);
  const placeOf = new Map(columns.map((column, place) => [column, place]));
  const on = used.map((condition) =>
    substitute(condition, (index, type) => columnAt(placeOf.get(index)!, type)),
  );
  const leftWidth = columns.length - members[at]!.width;
  const lookup = lookupJoin(planner, {
    kind: 'inner',
    left: current.planned,
    leftWidth,
    right: members[at]!.logical,
    rightRequest: requests[at]!,
    on: on.filter((condition) => !hasSubquery(condition)),
  });
  if (lookup !== null) return filtered(lookup, on.filter(hasSubquery));
  const right = planned[at]!;
  if (right.plan.estimate.rows <= current.planned.plan.estimate.rows) {
    return joined('inner', current.planned, right, on, leftWidth);
  }
  return exchanged(current.planned, right, on, leftWidth);
}

/** The smaller side is the one to keep in memory: the joined row then has the other first. */
function exchanged(left: Planned, right: Planned, on: readonly Expression[], leftWidth: number): Planned {
  const rightWidth = right.places.length;
  const swap = (column: number): number => (column < leftWidth ? column + rightWidth : column - leftWidth);
  const swapped = on.map((condition) => substitute(condition, (index, type) => columnAt(swap(index), type)));
  const result = joined('inner', right, left, swapped, rightWidth);
  const places = pairPlaces(left, right, true).map((_place, column) => result.places[swap(column)]!);
  return { ...result, places };
}
