import type { Datum } from '../../../base/values/datum.ts';
import type { AggregateCall, Expression, SortKey, Subscript } from '../../plan/expression.ts';
import type { AsOf, LogicalPlan, Modification } from '../../plan/logical.ts';
import { formatType } from '../../types/format-type.ts';

/** A logical plan as text, a node a line, inputs indented: what golden files hold. */
export function planText(plan: LogicalPlan): string {
  return linesOf(plan).join('\n');
}

function asOfText(asOf: AsOf | null): string {
  return asOf === null ? '' : ` as of ${asOf.kind} ${text(asOf.expression)}`;
}

const indented = (plan: LogicalPlan): string[] => linesOf(plan).map((line) => `  ${line}`);

function linesOf(plan: LogicalPlan): string[] {
  switch (plan.kind) {
    case 'scan':
      return [`scan ${plan.table.name} (${plan.attributes.join(', ')})${asOfText(plan.asOf)}`];
    case 'virtual-scan':
      return [`virtual-scan ${plan.relation.schema}.${plan.relation.name}${asOfText(plan.asOf)}`];
    case 'values':
      return ['values', ...plan.rows.map((row) => `  (${texts(row)})`)];
    case 'function-scan': {
      const ordinality = plan.withOrdinality ? ' with ordinality' : '';
      return [`function-scan ${plan.function.name}(${texts(plan.arguments)})${ordinality}`];
    }
    case 'single-row':
      return ['single-row'];
    case 'filter':
      return [`filter ${text(plan.condition)}`, ...indented(plan.input)];
    case 'project':
      return [`project ${texts(plan.expressions)}`, ...indented(plan.input)];
    case 'project-set': {
      const items = plan.items.map((item) =>
        item.kind === 'set' ? `set ${item.function.name}(${texts(item.arguments)})` : text(item.expression),
      );
      return [`project-set ${items.join(', ')}`, ...indented(plan.input)];
    }
    case 'join': {
      const condition = plan.condition === null ? '' : ` on ${text(plan.condition)}`;
      const lateral = plan.isLateral ? ' lateral' : '';
      return [`${plan.join} join${lateral}${condition}`, ...indented(plan.left), ...indented(plan.right)];
    }
    case 'aggregate': {
      const calls = plan.aggregates.map(aggregateText).join(', ');
      return [`aggregate by (${texts(plan.keys)}) compute (${calls})`, ...indented(plan.input)];
    }
    case 'distinct':
      return [`distinct${plan.on === null ? '' : ` on (${texts(plan.on)})`}`, ...indented(plan.input)];
    case 'sort':
      return [`sort ${plan.keys.map(keyText).join(', ')}`, ...indented(plan.input)];
    case 'limit': {
      const offset = plan.offset === null ? '' : ` offset ${text(plan.offset)}`;
      return [`limit ${plan.count === null ? 'all' : text(plan.count)}${offset}`, ...indented(plan.input)];
    }
    case 'set-operation': {
      const all = plan.all ? ' all' : '';
      return [`${plan.operation}${all}`, ...indented(plan.left), ...indented(plan.right)];
    }
    case 'with': {
      const definitions = plan.definitions.flatMap((definition) => [
        `  cte ${definition.id} "${definition.name}"`,
        ...indented(definition.plan).map((line) => `  ${line}`),
        ...(definition.recursive === null
          ? []
          : [
              `    recursive step${definition.recursive.all ? ' all' : ''}`,
              ...indented(definition.recursive.step).map((line) => `    ${line}`),
            ]),
      ]);
      return ['with', ...definitions, ...indented(plan.input)];
    }
    case 'cte-scan':
      return [`cte-scan ${plan.id}`];
    case 'lock-rows': {
      const targets = plan.targets.map((target) => `${target.table.name}@${target.keyColumn}`).join(', ');
      return [`lock-rows ${plan.strength} ${plan.wait} ${targets}`, ...indented(plan.input)];
    }
    case 'modify':
      return [...modificationLines(plan.modification), ...indented(plan.modification.input)];
  }
}

function modificationLines(modification: Modification): string[] {
  const lines = [`${modification.kind} ${modification.table.name}`];
  const assignments = (list: readonly { attribute: number; value: Expression }[]): string =>
    list.map(({ attribute, value }) => `${attribute} = ${text(value)}`).join(', ');
  if (modification.kind === 'update') lines.push(`  set ${assignments(modification.assignments)}`);
  if (modification.kind === 'insert' && modification.onConflict !== null) {
    const { index, action } = modification.onConflict;
    const condition =
      action.kind === 'update' && action.condition !== null ? ` where ${text(action.condition)}` : '';
    const work = action.kind === 'nothing' ? 'nothing' : `set ${assignments(action.assignments)}${condition}`;
    lines.push(`  on conflict of ${index === null ? 'any' : index} do ${work}`);
  }
  if (modification.kind !== 'insert' && modification.recheck !== null) {
    lines.push(`  recheck ${text(modification.recheck)}`);
  }
  if (modification.returning !== null) lines.push(`  returning ${texts(modification.returning)}`);
  return lines;
}

const texts = (expressions: readonly Expression[]): string => expressions.map(text).join(', ');

const keyText = (key: SortKey): string =>
  `${text(key.expression)}${key.descending ? ' desc' : ''}${key.nullsFirst ? ' nulls first' : ''}`;

function aggregateText(call: AggregateCall): string {
  const distinct = call.isDistinct ? 'distinct ' : '';
  const order = call.orderBy.length === 0 ? '' : ` order by ${call.orderBy.map(keyText).join(', ')}`;
  const filter = call.filter === null ? '' : ` filter ${text(call.filter)}`;
  return `${call.function.name}(${distinct}${texts(call.arguments)}${order})${filter}`;
}

/** `#2` is a column of the input, `^1#2` one of the row a level out. */
function text(expression: Expression): string {
  switch (expression.kind) {
    case 'constant':
      return `${datumText(expression.value)}:${formatType(expression.type)}`;
    case 'column':
      return `#${expression.index}`;
    case 'outer-column':
      return `^${expression.level}#${expression.index}`;
    case 'parameter':
      return `$${expression.index + 1}`;
    case 'call':
      return `${expression.function.name}(${texts(expression.arguments)})`;
    case 'cast':
      return `${text(expression.operand)}::${formatType(expression.type)}${expression.isExplicit ? '!' : ''}`;
    case 'and':
    case 'or':
    case 'coalesce':
      return `${expression.kind}(${texts(expression.operands)})`;
    case 'not':
      return `not(${text(expression.operand)})`;
    case 'is-null':
      return `${text(expression.operand)} is ${expression.negated ? 'not ' : ''}null`;
    case 'boolean-test':
      return `${text(expression.operand)} is ${expression.negated ? 'not ' : ''}${expression.test}`;
    case 'is-distinct': {
      const test = expression.negated ? 'is not distinct from' : 'is distinct from';
      return `(${text(expression.left)} ${test} ${text(expression.right)})`;
    }
    case 'nullif':
      return `nullif(${text(expression.left)}, ${text(expression.right)})`;
    case 'case': {
      const branches = expression.branches.map(
        ({ when, result }) => `when ${text(when)} then ${text(result)}`,
      );
      const otherwise = expression.otherwise === null ? '' : ` else ${text(expression.otherwise)}`;
      return `case ${branches.join(' ')}${otherwise} end`;
    }
    case 'extremum':
      return `${expression.which}(${texts(expression.operands)})`;
    case 'list-comparison': {
      const { left, comparison, quantifier, list } = expression;
      return `(${text(left)} ${comparison.name} ${quantifier} (${texts(list)}))`;
    }
    case 'array-comparison': {
      const { left, comparison, quantifier, array } = expression;
      return `(${text(left)} ${comparison.name} ${quantifier} array ${text(array)})`;
    }
    case 'array':
      return `array[${texts(expression.elements)}]`;
    case 'row':
      return `row(${texts(expression.fields)})`;
    case 'subscript':
      return `${text(expression.operand)}[${expression.subscripts.map(subscriptText).join('][')}]`;
    case 'field':
      return `${text(expression.operand)}.${expression.index}`;
    case 'subquery': {
      const { form, subplan } = expression;
      const left =
        form.kind === 'quantified' ? `${texts(form.left)} ${form.comparisons.map((f) => f.name)} ` : '';
      const quantifier = form.kind === 'quantified' ? form.quantifier : form.kind;
      const correlated = subplan.isCorrelated ? ' correlated' : '';
      return `${left}${quantifier}${correlated} {${linesOf(subplan.plan)
        .map((line) => line.trim())
        .join(' <- ')}}`;
    }
  }
}

function subscriptText(subscript: Subscript): string {
  if (subscript.kind === 'index') return text(subscript.index);
  const { from, to } = subscript;
  return `${from === null ? '' : text(from)}:${to === null ? '' : text(to)}`;
}

function datumText(value: Datum): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'object' && 'items' in value) return `{${value.items.map(datumText).join(', ')}}`;
  if (typeof value === 'object' && 'months' in value) {
    return `${value.months} months ${value.days} days ${value.microseconds} us`;
  }
  return String(value);
}
