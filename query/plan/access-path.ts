import { indexId } from '../../base/ids.ts';
import type { KeyColumn } from '../../log/events/layout.ts';
import type { RelationDefinition } from '../catalog/definition.ts';
import { type ColumnCondition, type ColumnView, columnCondition, rangeOf } from './conditions.ts';
import { costs, selectivities, selectivityOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import { constantKeyRanges } from './key-estimate.ts';
import type { AccessPath, KeyCondition, RangeCondition, ZoneCondition } from './physical.ts';
import type { PlanningContext } from './planner.ts';
import { columnsOf, conjunction, shapeOf } from './rewrite.ts';

/** An order that is asked for, by attributes of the table. */
export type AttributeOrder = readonly {
  readonly attribute: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}[];

type PathChoice = {
  readonly path: AccessPath;
  /** Conditions that the path does not answer by itself. */
  readonly rest: readonly Expression[];
  readonly zones: readonly ZoneCondition[];
  readonly isOrdered: boolean;
  readonly rows: number;
  readonly cost: number;
};

type PathRequest = {
  readonly table: RelationDefinition;
  readonly conditions: readonly Expression[];
  readonly view: ColumnView;
  readonly order: AttributeOrder | null;
  readonly rowsWanted: number | null;
  /** An index that was made later has no entries for what is read. */
  readonly readsPast: boolean;
};

type CandidateIndex = {
  readonly id: number;
  readonly name: string;
  readonly columns: readonly KeyColumn[];
  readonly isUnique: boolean;
};

/** Combinations of listed keys up to which lists on several columns are multiplied out. */
const keyCombinationsMax = 1000;

/** The cheapest way to read the rows that meet the conditions, counting what sorting them would cost. */
export function choosePath(request: PathRequest, context: PlanningContext): PathChoice {
  const conditions = request.conditions.flatMap((conjunct) => columnCondition(conjunct, request.view) ?? []);
  const candidates = indexesOf(request, context).map((index) =>
    candidatePath(index, conditions, request, context),
  );
  let best: { readonly choice: PathChoice; readonly cost: number } | null = null;
  for (const choice of candidates) {
    if (choice === null) continue;
    const cost = costWithOrder(choice, request);
    if (best === null || cost < best.cost) best = { choice, cost };
  }
  return best!.choice;
}

function costWithOrder(choice: PathChoice, { order, rowsWanted }: PathRequest): number {
  if (order === null) return choice.cost;
  if (!choice.isOrdered) return choice.cost + choice.rows * Math.log2(choice.rows + 2) * costs.comparedRow;
  return rowsWanted === null ? choice.cost : choice.cost * Math.min(1, rowsWanted / Math.max(1, choice.rows));
}

function indexesOf({ table, readsPast }: PathRequest, context: PlanningContext): CandidateIndex[] {
  const primary: CandidateIndex = {
    id: 0,
    name: table.primaryKey?.name ?? `${table.name}_pkey`,
    columns: table.layout.key,
    isUnique: true,
  };
  if (readsPast) return [primary];
  const definitions = context.catalog.indexesOf(table.id);
  const secondary = table.layout.indexes
    .filter((index) => index.state === 'public')
    .map((index) => ({
      id: index.id as number,
      name: definitions.find((definition) => definition.id === index.id)?.name ?? `index ${index.id}`,
      columns: index.columns,
      isUnique: index.unique,
    }));
  return [primary, ...secondary];
}

type Matched = {
  readonly prefix: readonly KeyCondition[];
  readonly range: RangeCondition | null;
  /** Conjuncts that the path stands for. */
  readonly used: readonly Expression[];
  /** Conjuncts that the path answers exactly. */
  readonly exact: readonly Expression[];
};

/** Conditions on the leading columns of an index: keys from the left, then perhaps a range. */
function match(columns: readonly KeyColumn[], conditions: readonly ColumnCondition[]): Matched {
  const prefix: KeyCondition[] = [];
  const exact: Expression[] = [];
  let combinations = 1;
  for (const column of columns) {
    const found = conditions.find(
      (condition) => condition.attribute === column.column && condition.kind === 'key',
    );
    if (found?.kind !== 'key') break;
    combinations *= combinationsOf(found.condition);
    if (combinations > keyCombinationsMax && prefix.length > 0) break;
    prefix.push(found.condition);
    exact.push(found.conjunct);
  }
  const next = columns[prefix.length];
  const range =
    next === undefined ? null : rangeOf(conditions.filter(({ attribute }) => attribute === next.column));
  if (range === null) return { prefix, range: null, used: exact, exact };
  const covered = conditions.filter(
    ({ attribute, kind }) => attribute === next!.column && kind !== 'is-not-null',
  );
  const used = [...exact, ...covered.map(({ conjunct }) => conjunct)];
  return {
    prefix,
    range: range.range,
    used,
    exact: [...exact, ...range.used.map(({ conjunct }) => conjunct)],
  };
}

function combinationsOf(condition: KeyCondition): number {
  return condition.kind === 'in' ? condition.values.length : condition.kind === 'any' ? 10 : 1;
}

function candidatePath(
  index: CandidateIndex,
  conditions: readonly ColumnCondition[],
  request: PathRequest,
  context: PlanningContext,
): PathChoice | null {
  const matched = match(index.columns, conditions);
  const { prefix, range } = matched;
  const direction = directionOf(index.columns, prefix, request.order);
  const isWhole = prefix.length === 0 && range === null;
  if (index.id !== 0 && isWhole && direction === null) return null;
  const layout = request.table.layout;
  const total = Math.max(1, context.reader?.estimate(layout.storage).rows ?? 1000);
  const rest = request.conditions.filter((conjunct) => !matched.exact.includes(conjunct));
  const isPoint =
    prefix.length === index.columns.length && prefix.every((condition) => condition.kind !== 'is-null');
  const read = rowsRead(index, matched, isPoint, total, request, context);
  const rows = Math.max(
    isPoint ? 0 : 1,
    rest.reduce((left, conjunct) => left * selectivityOf(conjunct), read),
  );
  const rowCost = index.id === 0 ? costs.scannedRow : costs.lookup;
  const lookups = prefix.reduce((product, condition) => product * combinationsOf(condition), 1);
  const cost = (isWhole ? 0 : lookups * costs.lookup * 0.5) + read * (rowCost + rest.length * costs.operator);
  const isInOrder = request.order === null || direction !== null;
  const path: AccessPath = {
    index: index.id,
    indexName: index.name,
    prefix,
    range,
    reverse: direction === 'reverse',
    isPoint: isPoint && index.isUnique,
    condition: conjunction(matched.used),
    rowsWanted: request.rowsWanted !== null && isInOrder && rest.length === 0 ? request.rowsWanted : null,
  };
  const zones = conditions.flatMap((condition) => zonesOf(condition));
  return { path, rest, zones, isOrdered: direction !== null, rows, cost };
}

function rowsRead(
  index: CandidateIndex,
  { prefix, range }: Matched,
  isPoint: boolean,
  total: number,
  { table }: PathRequest,
  context: PlanningContext,
): number {
  if (prefix.length === 0 && range === null) return total;
  if (isPoint && index.isUnique)
    return Math.min(
      total,
      prefix.reduce((product, condition) => product * combinationsOf(condition), 1),
    );
  const ranges = constantKeyRanges(index.columns, prefix, range);
  if (ranges !== null && context.reader !== null) {
    return Math.min(
      total,
      Math.max(1, context.reader.estimateRange(table.layout, indexId(index.id), ranges)),
    );
  }
  let fraction = prefix.reduce(
    (product, condition) => product * combinationsOf(condition) * selectivities.equality,
    1,
  );
  if (range !== null) fraction *= rangeSelectivity(range);
  return Math.max(1, total * fraction);
}

function rangeSelectivity(range: RangeCondition): number {
  if (range.kind === 'prefix') return selectivities.prefix;
  return range.lower !== null && range.upper !== null ? selectivities.boundedRange : selectivities.range;
}

/** Whether reading the index one way or the other gives the order that is asked for. */
function directionOf(
  columns: readonly KeyColumn[],
  prefix: readonly KeyCondition[],
  order: AttributeOrder | null,
): 'forward' | 'reverse' | null {
  if (order === null) return null;
  let fixed = 0;
  while (prefix[fixed]?.kind === 'equal' || prefix[fixed]?.kind === 'is-null') fixed++;
  const fixedColumns = new Set(columns.slice(0, fixed).map((column) => column.column as number));
  let direction: 'forward' | 'reverse' | null = null;
  let at = fixed;
  for (const key of order) {
    if (fixedColumns.has(key.attribute)) continue;
    const column = columns[at++];
    if (column === undefined) return fixed === columns.length ? 'forward' : null;
    if (column.column !== key.attribute) return null;
    const wanted =
      key.descending === column.descending && key.nullsFirst === column.nullsFirst
        ? 'forward'
        : key.descending !== column.descending && key.nullsFirst !== column.nullsFirst
          ? 'reverse'
          : null;
    if (wanted === null || (direction !== null && wanted !== direction)) return null;
    direction = wanted;
  }
  return direction ?? 'forward';
}

/** What a condition says for zone maps; keys of a join's other side are not known before the scan. */
function zonesOf(condition: ColumnCondition): readonly ZoneCondition[] {
  const { attribute } = condition;
  switch (condition.kind) {
    case 'compare':
      return hasColumns(condition.value)
        ? []
        : [{ attribute, operator: condition.operator, value: condition.value }];
    case 'is-not-null':
      return [{ attribute, operator: 'is not null', value: null }];
    case 'prefix':
      return [];
    case 'key':
      if (condition.condition.kind === 'is-null') return [{ attribute, operator: 'is null', value: null }];
      if (condition.condition.kind !== 'equal' || hasColumns(condition.condition.value)) return [];
      return [{ attribute, operator: '=', value: condition.condition.value }];
  }
}

function hasColumns(expression: Expression): boolean {
  return columnsOf(expression).length > 0;
}

/** Conditions without those that are written twice. */
export function withoutRepeats(conjuncts: readonly Expression[]): readonly Expression[] {
  if (conjuncts.length < 2) return conjuncts;
  const seen = new Set<string>();
  return conjuncts.filter((conjunct) => {
    const shape = shapeOf(conjunct);
    if (seen.has(shape)) return false;
    seen.add(shape);
    return true;
  });
}
