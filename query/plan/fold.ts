import type { Datum } from '../../base/values/datum.ts';
import type { FunctionContext } from '../types/function.ts';
import { typeInfo } from '../types/registry.ts';
import type { Expression } from './expression.ts';
import { booleanType, conjunctsOf, falseConstant, trueConstant } from './rewrite.ts';

/**
 * One node whose operands are folded: its value, where it is a constant whatever the statement's parameters and
 * settings are. What would raise an error is left alone, to raise it when and if it is evaluated.
 */
export function foldNode(expression: Expression, context: FunctionContext): Expression {
  switch (expression.kind) {
    case 'call': {
      const { function: callee, arguments: operands, type } = expression;
      if (callee.isStrict && operands.some(isNullConstant)) return { kind: 'constant', type, value: null };
      if (callee.volatility !== 'immutable' || callee.usesContext || !operands.every(isConstant))
        return expression;
      return attempt(expression, () => callee.evaluate(...operands.map(constantValue)));
    }
    case 'cast': {
      const { cast, operand, type } = expression;
      if (operand.kind !== 'constant' || type.modifier !== -1) return expression;
      if (operand.value === null) return { kind: 'constant', type, value: null };
      const value = operand.value;
      if (cast === null || cast.method === 'binary') return { kind: 'constant', type, value };
      const isNumeric = typeInfo(cast.source).category === 'N' && typeInfo(cast.target).category === 'N';
      return isNumeric ? attempt(expression, () => cast.evaluate(context, value)) : expression;
    }
    case 'and':
      return foldConnective(expression, false);
    case 'or':
      return foldConnective(expression, true);
    case 'not':
      if (expression.operand.kind !== 'constant') return expression;
      return booleanConstant(expression.operand.value === null ? null : expression.operand.value !== true);
    case 'is-null':
      if (expression.operand.kind !== 'constant') return expression;
      return booleanConstant((expression.operand.value === null) !== expression.negated);
    case 'case':
      return foldCase(expression);
    default:
      return expression;
  }
}

function isConstant(expression: Expression): boolean {
  return expression.kind === 'constant';
}

function isNullConstant(expression: Expression): boolean {
  return expression.kind === 'constant' && expression.value === null;
}

function constantValue(expression: Expression): Datum {
  return expression.kind === 'constant' ? expression.value : null;
}

function booleanConstant(value: boolean | null): Expression {
  return { kind: 'constant', type: booleanType, value };
}

function attempt(expression: Expression, evaluate: () => Datum): Expression {
  try {
    return { kind: 'constant', type: expression.type, value: evaluate() };
  } catch {
    return expression;
  }
}

/** The decisive constant decides where it comes first; the other one drops out. */
function foldConnective(
  expression: Extract<Expression, { readonly kind: 'and' | 'or' }>,
  decisive: boolean,
): Expression {
  const operands = (decisive ? expression.operands : conjunctsOf(expression)).filter(
    (operand) => !(operand.kind === 'constant' && operand.value === !decisive),
  );
  const first = operands[0];
  if (first === undefined) return decisive ? falseConstant : trueConstant;
  if (operands.length === 1 || (first.kind === 'constant' && first.value === decisive)) return first;
  return { ...expression, operands };
}

/** Branches that cannot be taken are dropped, so that their errors are not raised either. */
function foldCase(expression: Extract<Expression, { readonly kind: 'case' }>): Expression {
  const branches: { readonly when: Expression; readonly result: Expression }[] = [];
  for (const branch of expression.branches) {
    if (branch.when.kind === 'constant') {
      if (branch.when.value !== true) continue;
      if (branches.length === 0) return branch.result;
      return { ...expression, branches, otherwise: branch.result };
    }
    branches.push(branch);
  }
  if (branches.length === 0)
    return expression.otherwise ?? { kind: 'constant', type: expression.type, value: null };
  return { ...expression, branches };
}
