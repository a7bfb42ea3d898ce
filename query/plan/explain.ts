import { unreachable } from '../../base/unreachable.ts';
import type { Expression, SortKey } from './expression.ts';
import { aggregateText, type ColumnName, expressionText } from './expression-text.ts';
import type { PhysicalPlan, PlannedSubplan, Statement, TableScan } from './physical.ts';
import { some } from './rewrite.ts';

/** What EXPLAIN ANALYZE measured of a plan node. */
export type Measured = {
  readonly rows: number;
  readonly loops: number;
  readonly milliseconds: number;
  readonly spilledBytes: number;
};

export type ExplainOptions = {
  readonly costs: boolean;
  readonly actuals: ReadonlyMap<PhysicalPlan, Measured> | null;
};

/** The lines of EXPLAIN's text form. */
export function explain(
  statement: Statement,
  options: ExplainOptions = { costs: true, actuals: null },
): string[] {
  return new Explanation(options).lines(statement.root);
}

type Shown = {
  readonly title: string;
  /** Lines beneath the title: 'Filter: …'. */
  readonly details: readonly string[];
  readonly inputs: readonly PhysicalPlan[];
};

class Explanation {
  readonly #options: ExplainOptions;

  constructor(options: ExplainOptions) {
    this.#options = options;
  }

  lines(root: PhysicalPlan): string[] {
    return this.#node(root, 0, null);
  }

  #node(plan: PhysicalPlan, depth: number, label: string | null): string[] {
    // A plain choice of columns is no step of its own.
    if (plan.kind === 'project' && !plan.expressions.some(hasPlan))
      return this.#node(plan.input, depth, label);
    const { title, details: planned, inputs } = shownOf(plan);
    const details = [...planned, ...this.#spilled(plan)];
    const labelled = label === null ? [] : [indent(depth - 1, false) + label];
    const head = indent(depth, true) + title + this.#figures(plan);
    const below = depth === 0 ? '  ' : `${indent(depth, false)}  `;
    const lines = [...labelled, head, ...details.map((detail) => below + detail)];
    if (plan.kind === 'with') {
      for (const definition of plan.definitions)
        lines.push(...this.#node(definition.plan, depth + 1, `CTE ${definition.name}`));
      for (const definition of plan.definitions) {
        if (definition.recursive !== null)
          lines.push(...this.#node(definition.recursive.step, depth + 2, null));
      }
    }
    for (const subplan of subplansOf(plan))
      lines.push(...this.#node(subplan.physical, depth + 1, `SubPlan ${subplan.number}`));
    for (const input of inputs) lines.push(...this.#node(input, depth + 1, null));
    return lines;
  }

  /** What went to temporary files. */
  #spilled(plan: PhysicalPlan): readonly string[] {
    const bytes = this.#options.actuals?.get(plan)?.spilledBytes ?? 0;
    if (bytes === 0) return [];
    const method = plan.kind === 'sort' ? 'Sort Method: external merge  Disk' : 'Disk Usage';
    return [`${method}: ${Math.ceil(bytes / 1024)}kB`];
  }

  #figures(plan: PhysicalPlan): string {
    const { rows, startupCost, totalCost, width } = plan.estimate;
    const cost = `cost=${startupCost.toFixed(2)}..${totalCost.toFixed(2)} rows=${rows} width=${width}`;
    const estimated = this.#options.costs ? `  (${cost})` : '';
    const { actuals } = this.#options;
    if (actuals === null) return estimated;
    const actual = actuals.get(plan);
    if (actual === undefined) return `${estimated} (never executed)`;
    const perLoop = (total: number, digits: number): string => (total / actual.loops).toFixed(digits);
    const time = perLoop(actual.milliseconds, 3);
    return `${estimated} (actual time=${time} rows=${perLoop(actual.rows, 2)} loops=${actual.loops})`;
  }
}

function indent(depth: number, isHead: boolean): string {
  if (depth <= 0) return '';
  const space = ' '.repeat(2 + (depth - 1) * 6);
  return isHead ? `${space}->  ` : `${space}    `;
}

function shownOf(plan: PhysicalPlan): Shown {
  switch (plan.kind) {
    case 'table-scan':
      return { title: scanTitle(plan), details: scanDetails(plan), inputs: [] };
    case 'virtual-scan':
      return {
        title: `Seq Scan on ${plan.relation.name}`,
        details: filterLine(plan.filter, plan),
        inputs: [],
      };
    case 'values':
      if (plan.rows.length === 0) return { title: 'Result', details: ['One-Time Filter: false'], inputs: [] };
      return {
        title: plan.rows.length === 1 ? 'Result' : 'Values Scan on "*VALUES*"',
        details: [],
        inputs: [],
      };
    case 'function-scan':
      return { title: `Function Scan on ${plan.function.name}`, details: [], inputs: [] };
    case 'single-row':
      return { title: 'Result', details: [], inputs: [] };
    case 'filter':
      return { title: 'Filter', details: filterLine(plan.condition, plan.input), inputs: [plan.input] };
    case 'project':
      return { title: 'Result', details: [], inputs: [plan.input] };
    case 'project-set':
      return { title: 'ProjectSet', details: [], inputs: [plan.input] };
    case 'hash-join': {
      const keys = plan.leftKeys.map(
        (key, at) =>
          `(${expressionText(key, namesOf(plan.left))} = ${expressionText(plan.rightKeys[at]!, namesOf(plan.right))})`,
      );
      const condition = keys.length === 1 ? keys[0]! : `(${keys.join(' AND ')})`;
      const details = [`Hash Cond: ${condition}`, ...filterLine(plan.residual, plan, 'Join Filter')];
      return { title: joinTitle('Hash', plan.join), details, inputs: [plan.left, plan.right] };
    }
    case 'nested-loop':
      return {
        title: joinTitle('Nested Loop', plan.join),
        details: filterLine(plan.condition, plan, 'Join Filter'),
        inputs: [plan.left, plan.right],
      };
    case 'lookup-join':
      return {
        title: joinTitle('Nested Loop', plan.join),
        details: filterLine(plan.residual, plan, 'Join Filter'),
        inputs: [plan.left, plan.right],
      };
    case 'aggregate':
      return {
        title: plan.keys.length === 0 ? 'Aggregate' : 'HashAggregate',
        details: plan.keys.length === 0 ? [] : [`Group Key: ${texts(plan.keys, plan.input)}`],
        inputs: [plan.input],
      };
    case 'distinct':
      return {
        title: plan.on === null ? 'HashAggregate' : 'Unique',
        details: plan.on === null ? [] : [`Group Key: ${texts(plan.on, plan.input)}`],
        inputs: [plan.input],
      };
    case 'sort':
      return {
        title: 'Sort',
        details: [
          `Sort Key: ${plan.keys.map((key) => sortKeyText(key, plan.input)).join(', ')}`,
          ...(plan.limit === null ? [] : ['Sort Method: top-N']),
        ],
        inputs: [plan.input],
      };
    case 'limit':
      return { title: 'Limit', details: [], inputs: [plan.input] };
    case 'append':
      return { title: 'Append', details: [], inputs: plan.inputs };
    case 'set-operation': {
      const operation = plan.operation === 'intersect' ? 'Intersect' : 'Except';
      return {
        title: `HashSetOp ${operation}${plan.all ? ' All' : ''}`,
        details: [],
        inputs: [plan.left, plan.right],
      };
    }
    case 'with':
      return { title: 'Result', details: [], inputs: [plan.input] };
    case 'cte-scan':
      return { title: `CTE Scan on ${plan.name}`, details: [], inputs: [] };
    case 'lock-rows':
      return { title: 'LockRows', details: [], inputs: [plan.input] };
    case 'modify': {
      const verb = { insert: 'Insert', update: 'Update', delete: 'Delete' }[plan.modification.kind];
      return { title: `${verb} on ${plan.modification.table.name}`, details: [], inputs: [plan.input] };
    }
    default:
      return unreachable(plan);
  }
}

function scanTitle({ table, path }: TableScan): string {
  if (path.prefix.length === 0 && path.range === null && path.index === 0 && !path.reverse)
    return `Seq Scan on ${table.name}`;
  return `Index Scan${path.reverse ? ' Backward' : ''} using ${path.indexName} on ${table.name}`;
}

function scanDetails(plan: TableScan & { readonly types: readonly unknown[] }): readonly string[] {
  const attributeName = (attribute: number): string => columnName(plan, attribute);
  const { condition } = plan.path;
  const details = condition === null ? [] : [`Index Cond: ${expressionText(condition, attributeName)}`];
  if (plan.filter === null) return details;
  return [
    ...details,
    `Filter: ${expressionText(plan.filter, (index) => columnName(plan, plan.attributes[index]!))}`,
  ];
}

function columnName({ table }: TableScan, attribute: number): string {
  return (
    table.columns.find((column) => column.attribute === attribute)?.name ??
    (attribute === -1 ? 'ctid' : 'xmin')
  );
}

function filterLine(condition: Expression | null, over: PhysicalPlan, label = 'Filter'): readonly string[] {
  return condition === null ? [] : [`${label}: ${expressionText(condition, namesOf(over))}`];
}

function texts(expressions: readonly Expression[], over: PhysicalPlan): string {
  return expressions.map((expression) => expressionText(expression, namesOf(over))).join(', ');
}

function sortKeyText({ expression, descending, nullsFirst }: SortKey, over: PhysicalPlan): string {
  const nulls = nullsFirst === descending ? '' : nullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
  return `${expressionText(expression, namesOf(over))}${descending ? ' DESC' : ''}${nulls}`;
}

function joinTitle(method: 'Hash' | 'Nested Loop', kind: string): string {
  const names: Readonly<Record<string, string>> = {
    left: 'Left',
    right: 'Right',
    full: 'Full',
    semi: 'Semi',
    anti: 'Anti',
  };
  const name = names[kind];
  if (method === 'Hash') return name === undefined ? 'Hash Join' : `Hash ${name} Join`;
  return name === undefined ? 'Nested Loop' : `Nested Loop ${name} Join`;
}

/** What the columns of a plan's rows are called. */
function namesOf(plan: PhysicalPlan): ColumnName {
  return (index) => {
    switch (plan.kind) {
      case 'table-scan':
        return `${plan.table.name}.${columnName(plan, plan.attributes[index]!)}`;
      case 'virtual-scan':
        return plan.relation.columns[index]?.name ?? `column${index + 1}`;
      case 'project':
        return expressionText(plan.expressions[index]!, namesOf(plan.input));
      case 'aggregate': {
        const key = plan.keys[index];
        if (key !== undefined) return expressionText(key, namesOf(plan.input));
        return aggregateText(plan.aggregates[index - plan.keys.length]!, namesOf(plan.input));
      }
      case 'hash-join':
      case 'nested-loop':
      case 'lookup-join': {
        const width = plan.left.types.length;
        return index < width ? namesOf(plan.left)(index) : namesOf(plan.right)(index - width);
      }
      case 'filter':
      case 'distinct':
      case 'sort':
      case 'limit':
      case 'lock-rows':
      case 'with':
        return namesOf(plan.input)(index);
      case 'append':
        return namesOf(plan.inputs[0]!)(index);
      case 'set-operation':
        return namesOf(plan.left)(index);
      case 'cte-scan':
        return `${plan.name}.column${index + 1}`;
      default:
        return `column${index + 1}`;
    }
  };
}

/** Subplans of a node's own expressions; they stand in filters and projections alone. */
function subplansOf(plan: PhysicalPlan): readonly PlannedSubplan[] {
  const expressions =
    plan.kind === 'filter' ? [plan.condition] : plan.kind === 'project' ? plan.expressions : [];
  const found: PlannedSubplan[] = [];
  for (const expression of expressions) {
    some(expression, (part) => {
      if (part.kind === 'subquery') found.push(part.subplan as PlannedSubplan);
      return false;
    });
  }
  return found;
}

function hasPlan(expression: Expression): boolean {
  return some(expression, (part) => part.kind === 'subquery');
}
