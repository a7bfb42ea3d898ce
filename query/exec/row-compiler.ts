import { unreachable } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import { SqlArray, SqlRow } from '../../base/values/datum.ts';
import type { Expression } from '../plan/expression.ts';
import type { ScalarFunction } from '../types/function.ts';
import { applyModifier } from '../types/modifier.ts';
import { arrayOf, subscriptOf } from './array-expressions.ts';
import { constantMembership } from './membership.ts';
import { type Environment, PageWait } from './operator.ts';
import { compileSubquery } from './subquery-expressions.ts';

/** An expression over a row of datums. */
export type RowFunction = (row: readonly Datum[], environment: Environment) => Datum;

const compiled = new WeakMap<Expression, RowFunction>();

/** Closures, one an expression node; compiled once for each expression object. */
export function compileRow(expression: Expression): RowFunction {
  let found = compiled.get(expression);
  if (found === undefined) {
    found = compileNode(expression);
    compiled.set(expression, found);
  }
  return found;
}

type Node<Kind extends Expression['kind']> = Extract<Expression, { readonly kind: Kind }>;

function compileNode(expression: Expression): RowFunction {
  switch (expression.kind) {
    case 'constant': {
      const value = expression.value;
      return () => value;
    }
    case 'column': {
      const index = expression.index;
      return (row) => row[index]!;
    }
    case 'outer-column': {
      const index = expression.index;
      return (_row, environment) => environment.slots[index]!;
    }
    case 'parameter': {
      const index = expression.index;
      return (_row, environment) => environment.parameters[index] ?? null;
    }
    case 'call':
      return compileCall(expression.function, expression.arguments.map(compileRow));
    case 'cast':
      return compileCast(expression);
    case 'and':
    case 'or':
      return compileConnective(expression.operands.map(compileRow), expression.kind === 'or');
    case 'not': {
      const operand = compileRow(expression.operand);
      return (row, environment) => {
        const value = operand(row, environment);
        return value === null ? null : value !== true;
      };
    }
    case 'is-null': {
      const operand = compileRow(expression.operand);
      return expression.negated
        ? (row, environment) => isNotNull(operand(row, environment))
        : (row, environment) => isNull(operand(row, environment));
    }
    case 'boolean-test':
      return compileBooleanTest(expression);
    case 'is-distinct':
      return compileIsDistinct(expression);
    case 'case':
      return compileCase(expression);
    case 'coalesce':
      return compileCoalesce(expression.operands.map(compileRow));
    case 'nullif':
      return compileNullif(expression);
    case 'extremum':
      return compileExtremum(expression);
    case 'list-comparison':
      return compileListComparison(expression);
    case 'array-comparison':
      return compileArrayComparison(expression);
    case 'array': {
      const elements = expression.elements.map(compileRow);
      const { isNested } = expression;
      return (row, environment) =>
        arrayOf(
          elements.map((element) => element(row, environment)),
          isNested,
        );
    }
    case 'row': {
      const fields = expression.fields.map(compileRow);
      const shape = expression.fields.map(({ type }, index) => ({
        name: expression.names?.[index] ?? `f${index + 1}`,
        type,
      }));
      return (row, environment) =>
        new SqlRow(
          fields.map((field) => field(row, environment)),
          shape,
        );
    }
    case 'subscript':
      return compileSubscript(expression);
    case 'field': {
      const operand = compileRow(expression.operand);
      const index = expression.index;
      return (row, environment) => {
        const value = operand(row, environment);
        return value instanceof SqlRow ? (value.fields[index] ?? null) : null;
      };
    }
    case 'subquery':
      return compileSubquery(expression, compileRow);
    default:
      return unreachable(expression);
  }
}

/** A row value is null where all its fields are. */
function isNull(value: Datum): boolean {
  return value === null || (value instanceof SqlRow && value.fields.every((field) => field === null));
}

/** A row value is not null where none of its fields is: not the opposite of `isNull`. */
function isNotNull(value: Datum): boolean {
  return value !== null && !(value instanceof SqlRow && value.fields.some((field) => field === null));
}

/** A row is evaluated again, as the same array, once what it waited for is there. */
function compileLater(
  { evaluate, usesContext }: ScalarFunction,
  later: NonNullable<ScalarFunction['later']>,
  operands: readonly RowFunction[],
): RowFunction {
  const arrived = new WeakMap<readonly Datum[], { readonly value: Datum }>();
  return (row, environment) => {
    const values = operands.map((operand) => operand(row, environment));
    if (values.includes(null)) return null;
    const known = arrived.get(row);
    if (known !== undefined) return known.value;
    const { functions } = environment;
    const value = later(functions, ...values);
    if (value === null) return usesContext ? evaluate(functions, ...values) : evaluate(...values);
    throw new PageWait(value.then((found) => void arrived.set(row, { value: found })));
  };
}

/** A function as a closure over the closures of its arguments; a strict one answers null without being called. */
function compileCall(callee: ScalarFunction, operands: readonly RowFunction[]): RowFunction {
  const { evaluate, isStrict, usesContext } = callee;
  if (callee.later !== undefined) return compileLater(callee, callee.later, operands);
  const [first, second] = operands;
  if (!usesContext && operands.length === 2 && isStrict) {
    return (row, environment) => {
      const left = first!(row, environment);
      if (left === null) return null;
      const right = second!(row, environment);
      return right === null ? null : evaluate(left, right);
    };
  }
  if (!usesContext && operands.length === 1 && isStrict) {
    return (row, environment) => {
      const operand = first!(row, environment);
      return operand === null ? null : evaluate(operand);
    };
  }
  return (row, environment) => {
    const values: unknown[] = usesContext ? [environment.functions] : [];
    for (const operand of operands) {
      const value = operand(row, environment);
      if (value === null && isStrict) return null;
      values.push(value);
    }
    return evaluate(...values);
  };
}

function compileCast(expression: Node<'cast'>): RowFunction {
  const operand = compileRow(expression.operand);
  const { cast, type, isExplicit } = expression;
  if (cast === null && type.modifier === -1) return operand;
  return (row, environment) => {
    const value = operand(row, environment);
    if (value === null) return null;
    const converted = cast === null ? value : cast.evaluate(environment.functions, value);
    return converted === null || type.modifier === -1
      ? converted
      : applyModifier(converted, type, isExplicit);
  };
}

/** AND, or OR where `decisive` is true: the decisive value ends it, else a null makes it null. */
function compileConnective(operands: readonly RowFunction[], decisive: boolean): RowFunction {
  return (row, environment) => {
    let sawNull = false;
    for (const operand of operands) {
      const value = operand(row, environment);
      if (value === decisive) return decisive;
      if (value === null) sawNull = true;
    }
    return sawNull ? null : !decisive;
  };
}

function compileBooleanTest(expression: Node<'boolean-test'>): RowFunction {
  const operand = compileRow(expression.operand);
  const wanted = expression.test === 'unknown' ? null : expression.test === 'true';
  const { negated } = expression;
  return (row, environment) => (operand(row, environment) === wanted) !== negated;
}

function compileIsDistinct(expression: Node<'is-distinct'>): RowFunction {
  const left = compileRow(expression.left);
  const right = compileRow(expression.right);
  const equals = compileCall(expression.equals, [(row) => row[0]!, (row) => row[1]!]);
  const { negated } = expression;
  return (row, environment) => {
    const a = left(row, environment);
    const b = right(row, environment);
    const isDistinct = a === null || b === null ? a !== b : equals([a, b], environment) !== true;
    return isDistinct !== negated;
  };
}

function compileCase(expression: Node<'case'>): RowFunction {
  const branches = expression.branches.map((branch) => ({
    when: compileRow(branch.when),
    result: compileRow(branch.result),
  }));
  const otherwise = expression.otherwise === null ? null : compileRow(expression.otherwise);
  return (row, environment) => {
    for (const branch of branches) {
      if (branch.when(row, environment) === true) return branch.result(row, environment);
    }
    return otherwise === null ? null : otherwise(row, environment);
  };
}

function compileCoalesce(operands: readonly RowFunction[]): RowFunction {
  return (row, environment) => {
    for (const operand of operands) {
      const value = operand(row, environment);
      if (value !== null) return value;
    }
    return null;
  };
}

function compileNullif(expression: Node<'nullif'>): RowFunction {
  const left = compileRow(expression.left);
  const right = compileRow(expression.right);
  const equals = compileCall(expression.equals, [(row) => row[0]!, (row) => row[1]!]);
  return (row, environment) => {
    const value = left(row, environment);
    if (value === null) return null;
    const other = right(row, environment);
    return other !== null && equals([value, other], environment) === true ? null : value;
  };
}

function compileExtremum(expression: Node<'extremum'>): RowFunction {
  const operands = expression.operands.map(compileRow);
  const less = compileCall(expression.less, [(row) => row[0]!, (row) => row[1]!]);
  const isGreatest = expression.which === 'greatest';
  return (row, environment) => {
    let best: Datum = null;
    for (const operand of operands) {
      const value = operand(row, environment);
      if (value === null) continue;
      const isBetter =
        best === null || less(isGreatest ? [best, value] : [value, best], environment) === true;
      if (isBetter) best = value;
    }
    return best;
  };
}

function compileListComparison(expression: Node<'list-comparison'>): RowFunction {
  const constants = constantMembership(expression);
  const left = compileRow(expression.left);
  if (constants !== null) return (row, environment) => constants(left(row, environment));
  const items = expression.list.map(compileRow);
  const compare = compileCall(expression.comparison, [(row) => row[0]!, (row) => row[1]!]);
  const decisive = expression.quantifier === 'any';
  return (row, environment) => {
    const value = left(row, environment);
    let sawNull = false;
    for (const item of items) {
      const answer = compare([value, item(row, environment)], environment);
      if (answer === decisive) return decisive;
      if (answer === null) sawNull = true;
    }
    return sawNull ? null : !decisive;
  };
}

function compileArrayComparison(expression: Node<'array-comparison'>): RowFunction {
  const left = compileRow(expression.left);
  const array = compileRow(expression.array);
  const compare = compileCall(expression.comparison, [(row) => row[0]!, (row) => row[1]!]);
  const decisive = expression.quantifier === 'any';
  return (row, environment) => {
    const value = left(row, environment);
    const items = array(row, environment);
    if (!(items instanceof SqlArray)) return null;
    let sawNull = false;
    for (const item of items.items) {
      const answer = compare([value, item], environment);
      if (answer === decisive) return decisive;
      if (answer === null) sawNull = true;
    }
    return sawNull ? null : !decisive;
  };
}

function compileSubscript(expression: Node<'subscript'>): RowFunction {
  const operand = compileRow(expression.operand);
  const bound = (part: Expression | null) => (part === null ? null : compileRow(part));
  const subscripts = expression.subscripts.map((subscript) =>
    subscript.kind === 'index'
      ? { isSlice: false, from: null, to: compileRow(subscript.index) }
      : { isSlice: true, from: bound(subscript.from), to: bound(subscript.to) },
  );
  return (row, environment) => {
    const value = operand(row, environment);
    if (!(value instanceof SqlArray)) return null;
    const places: { isSlice: boolean; from: number | null; to: number | null }[] = [];
    for (const { isSlice, from, to } of subscripts) {
      const lower = from === null ? null : from(row, environment);
      const upper = to === null ? null : to(row, environment);
      if ((from !== null && lower === null) || (to !== null && upper === null)) return null;
      places.push({ isSlice, from: lower as number | null, to: upper as number | null });
    }
    return subscriptOf(value, places);
  };
}
