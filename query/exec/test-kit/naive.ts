import { type Datum, SqlArray } from '../../../base/values/datum.ts';
import type { AggregateCall, Expression } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import { booleanType, columnAt, conjunction, some, transform } from '../../plan/rewrite.ts';
import { hashKey } from '../../types/compare.ts';
import { rowOrder } from '../order.ts';
import { compileRow } from '../row-compiler.ts';
import { standaloneEnvironment } from '../standalone.ts';
import { functionContext } from './database.ts';

type Row = readonly Datum[];
type Node<Kind extends LogicalPlan['kind']> = Extract<LogicalPlan, { readonly kind: Kind }>;
type Stored = (table: Node<'scan'>['table']) => readonly Row[];

/**
 * What a logical plan means, taken literally: every node makes all its rows, joins try all pairs, subqueries run
 * for each row. No plan is chosen and nothing is pushed anywhere.
 */
export class NaiveInterpreter {
  readonly #stored: Stored;
  readonly #ctes = new Map<number, readonly Row[]>();

  constructor(stored: Stored) {
    this.#stored = stored;
  }

  /** `outer`: the enclosing rows, the nearest first. */
  rows(plan: LogicalPlan, outer: readonly Row[] = []): readonly Row[] {
    switch (plan.kind) {
      case 'scan': {
        const places = plan.attributes.map((attribute) =>
          plan.table.layout.columns.findIndex(({ id }) => id === attribute),
        );
        return this.#stored(plan.table).map((row) => places.map((place) => row[place] ?? null));
      }
      case 'single-row':
        return [[]];
      case 'values':
        return plan.rows.map((row) => row.map((expression) => this.#value(expression, [], outer)));
      case 'filter':
        return this.rows(plan.input, outer).filter((row) => this.#value(plan.condition, row, outer) === true);
      case 'project':
        return this.rows(plan.input, outer).map((row) =>
          plan.expressions.map((expression) => this.#value(expression, row, outer)),
        );
      case 'join':
        return this.#join(plan, outer);
      case 'aggregate':
        return this.#aggregate(plan, outer);
      case 'distinct':
        return this.#distinct(plan, outer);
      case 'sort':
        return this.#sorted(this.rows(plan.input, outer), plan.keys, outer);
      case 'limit': {
        const value = (expression: Expression | null, absent: number): number => {
          const datum = expression === null ? null : this.#value(expression, [], outer);
          return datum === null ? absent : Number(datum);
        };
        const offset = value(plan.offset, 0);
        return this.rows(plan.input, outer).slice(
          offset,
          offset + value(plan.count, Number.MAX_SAFE_INTEGER),
        );
      }
      case 'set-operation':
        return this.#setOperation(plan, outer);
      case 'with':
        for (const definition of plan.definitions) this.#define(definition, outer);
        return this.rows(plan.input, outer);
      case 'cte-scan':
        return this.#ctes.get(plan.id)!;
      default:
        throw new RangeError(`${plan.kind} is no part of these tests`);
    }
  }

  #define({ id, plan, recursive }: Node<'with'>['definitions'][number], outer: readonly Row[]): void {
    let found = this.rows(plan, outer);
    if (recursive === null) {
      this.#ctes.set(id, found);
      return;
    }
    const keyOf = keyFunction(plan.columns.map((column) => column.type.oid));
    let all: readonly Row[] = recursive.all ? found : unique(found, keyOf);
    for (found = all; found.length > 0; ) {
      this.#ctes.set(id, found);
      const next = this.rows(recursive.step, outer);
      const known = new Set(all.map(keyOf));
      found = recursive.all ? next : unique(next, keyOf).filter((row) => !known.has(keyOf(row)));
      all = [...all, ...found];
    }
    this.#ctes.set(id, all);
  }

  #join(plan: Node<'join'>, outer: readonly Row[]): readonly Row[] {
    const fixed = plan.isLateral ? null : this.rows(plan.right, outer);
    const condition = plan.condition === null ? null : conjunction([plan.condition]);
    const matchedRight = new Set<Row>();
    const joined: Row[] = [];
    for (const left of this.rows(plan.left, outer)) {
      const matches = (fixed ?? this.rows(plan.right, [left, ...outer])).filter(
        (right) => condition === null || this.#value(condition, [...left, ...right], outer) === true,
      );
      for (const right of matches) {
        matchedRight.add(right);
        joined.push([...left, ...right]);
      }
      const isKept = plan.join === 'left' || plan.join === 'full';
      if (isKept && matches.length === 0) joined.push([...left, ...plan.right.columns.map(() => null)]);
    }
    if (plan.join !== 'right' && plan.join !== 'full') return joined;
    const rest = fixed!.filter((right) => !matchedRight.has(right));
    return [...joined, ...rest.map((right) => [...plan.left.columns.map(() => null), ...right])];
  }

  #aggregate(plan: Node<'aggregate'>, outer: readonly Row[]): readonly Row[] {
    const keyOf = keyFunction(plan.keys.map((key) => key.type.oid));
    const groups = new Map<string, { readonly keys: Row; readonly rows: Row[] }>();
    if (plan.keys.length === 0) groups.set(keyOf([]), { keys: [], rows: [] });
    for (const row of this.rows(plan.input, outer)) {
      const keys = plan.keys.map((key) => this.#value(key, row, outer));
      const group = groups.get(keyOf(keys)) ?? { keys, rows: [] };
      groups.set(keyOf(keys), group);
      group.rows.push(row);
    }
    return [...groups.values()].map(({ keys, rows }) => [
      ...keys,
      ...plan.aggregates.map((call) => this.#fold(call, rows, outer)),
    ]);
  }

  #fold(call: AggregateCall, rows: readonly Row[], outer: readonly Row[]): Datum {
    const { function: aggregate, filter } = call;
    const kept = rows.filter((row) => filter === null || this.#value(filter, row, outer) === true);
    let operands = this.#sorted(kept, call.orderBy, outer)
      .map((row) => call.arguments.map((argument) => this.#value(argument, row, outer)))
      .filter((values) => !aggregate.skipsNulls || !values.includes(null));
    if (call.isDistinct)
      operands = unique(
        operands,
        keyFunction(call.arguments.map((argument) => argument.type.oid)),
      ) as Datum[][];
    const state = operands.reduce<unknown>(
      (current, values) => aggregate.step(current, ...values),
      aggregate.initial(functionContext),
    );
    return aggregate.final(state);
  }

  #distinct(plan: Node<'distinct'>, outer: readonly Row[]): readonly Row[] {
    const on = plan.on ?? plan.columns.map((column, at) => columnAt(at, column.type));
    const keyOf = keyFunction(on.map((expression) => expression.type.oid));
    return unique(this.rows(plan.input, outer), (row) =>
      keyOf(on.map((expression) => this.#value(expression, row, outer))),
    );
  }

  #sorted(rows: readonly Row[], keys: Node<'sort'>['keys'], outer: readonly Row[]): readonly Row[] {
    const order = rowOrder(
      keys.map(({ expression, ...direction }) => ({ ...direction, type: expression.type.oid })),
    );
    const keyed = rows.map((row) => ({
      row,
      keys: keys.map((key) => this.#value(key.expression, row, outer)),
    }));
    return keyed.sort((a, b) => order(a.keys, b.keys)).map(({ row }) => row);
  }

  #setOperation(plan: Node<'set-operation'>, outer: readonly Row[]): readonly Row[] {
    const keyOf = keyFunction(plan.columns.map((column) => column.type.oid));
    const left = this.rows(plan.left, outer);
    const right = this.rows(plan.right, outer);
    if (plan.operation === 'union')
      return plan.all ? [...left, ...right] : unique([...left, ...right], keyOf);
    const counts = new Map<string, number>();
    for (const row of right) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
    const isIntersect = plan.operation === 'intersect';
    if (!plan.all) return unique(left, keyOf).filter((row) => counts.has(keyOf(row)) === isIntersect);
    return left.filter((row) => {
      const count = counts.get(keyOf(row)) ?? 0;
      counts.set(keyOf(row), Math.max(0, count - 1));
      return count > 0 === isIntersect;
    });
  }

  /** The value of an expression, its outer columns and subqueries replaced by what they are for this row. */
  #value(expression: Expression, row: Row, outer: readonly Row[]): Datum {
    const isPlain = !some(expression, ({ kind }) => kind === 'outer-column' || kind === 'subquery');
    const closed = isPlain ? expression : transform(expression, (part) => this.#closed(part, row, outer));
    return compileRow(closed)(row, standaloneEnvironment(functionContext));
  }

  #closed(part: Expression, row: Row, outer: readonly Row[]): Expression {
    const { type } = part;
    if (part.kind === 'outer-column')
      return { kind: 'constant', type, value: outer[part.level - 1]![part.index]! };
    if (part.kind !== 'subquery') return part;
    const found = this.rows(part.subplan.plan, [row, ...outer]);
    const constant = (value: Datum): Expression => ({ kind: 'constant', type, value });
    const { form } = part;
    if (form.kind === 'exists') return constant(found.length > 0);
    if (form.kind === 'array') return constant(SqlArray.of(found.map((values) => values[0]!)));
    if (form.kind === 'scalar') return constant(found[0]?.[0] ?? null);
    const matches = found.map((values): Expression => {
      const pairs = form.comparisons.map(
        (comparison, at): Expression => ({
          kind: 'call',
          type: booleanType,
          function: comparison,
          arguments: [form.left[at]!, { kind: 'constant', type: form.left[at]!.type, value: values[at]! }],
        }),
      );
      return { kind: 'and', type: booleanType, operands: pairs };
    });
    return { kind: form.quantifier === 'any' ? 'or' : 'and', type: booleanType, operands: matches };
  }
}

function keyFunction(types: readonly number[]): (row: Row) => string {
  const keys = types.map((type) => hashKey(type));
  return (row) =>
    JSON.stringify(
      row.map((value, at) => (value === null ? null : [typeof value, String(keys[at]!(value))])),
    );
}

function unique(rows: readonly Row[], keyOf: (row: Row) => string): readonly Row[] {
  const seen = new Set<string>();
  return rows.filter((row) => !seen.has(keyOf(row)) && seen.add(keyOf(row)));
}
