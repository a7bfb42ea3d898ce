import { invariant } from '../../base/unreachable.ts';
import type { SqlType } from '../types/type.ts';
import type { Expression } from './expression.ts';
import { foldNode } from './fold.ts';
import type { LogicalPlan } from './logical.ts';
import { mapOperands } from './operands.ts';
import type { Binding, PhysicalPlan, PlannedSubplan } from './physical.ts';
import type { PlanningContext } from './planner.ts';
import { columnAt, isVolatile, substitute } from './rewrite.ts';

/** A row that a nested plan refers to: each of its columns that is used gets a slot. */
type Scope = {
  readonly slots: Map<number, { readonly slot: number; readonly type: SqlType }>;
  readonly reads: Set<number>;
};

/** What a plan within a scope needs of the enclosing row. */
export type Nested = {
  readonly physical: PhysicalPlan;
  readonly bindings: readonly Binding[];
  readonly reads: readonly number[];
};

/**
 * Makes expressions ready to be moved about in a plan: outer columns become slots, subqueries are planned (their
 * bindings then are operands like any other), constants are folded.
 */
export class Lowering {
  readonly #context: PlanningContext;
  readonly #planSubquery: (plan: LogicalPlan) => PhysicalPlan;
  readonly #scopes: Scope[] = [];
  readonly #lowered = new WeakMap<Expression, Expression>();
  slotCount = 0;
  #subplanCount = 0;

  constructor(context: PlanningContext, planSubquery: (plan: LogicalPlan) => PhysicalPlan) {
    this.#context = context;
    this.#planSubquery = planSubquery;
  }

  /** How many rows enclose the plan that is being made. */
  get depth(): number {
    return this.#scopes.length;
  }

  /** Each expression object is lowered once: lowering plans its subqueries. */
  expression(expression: Expression): Expression {
    let lowered = this.#lowered.get(expression);
    if (lowered === undefined) {
      lowered = this.#lower(expression);
      this.#lowered.set(expression, lowered);
    }
    return lowered;
  }

  /** Plans what refers to an enclosing row as outer columns of level 1. */
  nested(plan: () => PhysicalPlan): Nested {
    const scope: Scope = { slots: new Map(), reads: new Set() };
    this.#scopes.push(scope);
    const physical = plan();
    this.#scopes.pop();
    const bindings = [...scope.slots].map(([index, { slot, type }]) => ({
      slot,
      expression: columnAt(index, type),
    }));
    return { physical, bindings, reads: [...scope.reads] };
  }

  /** Slots for columns of a row that a plan node binds by itself, and the expression with them in its place. */
  bound(
    expressions: readonly Expression[],
    isBound: (column: number) => boolean,
  ): { readonly bindings: readonly Binding[]; readonly expressions: readonly Expression[] } {
    const slots = new Map<number, Binding>();
    const replaced = expressions.map((expression) =>
      substitute(expression, (index, type) => {
        if (!isBound(index)) return columnAt(index, type);
        const binding = slots.get(index) ?? { slot: this.slotCount++, expression: columnAt(index, type) };
        slots.set(index, binding);
        return { kind: 'outer-column', type, level: 0, index: binding.slot };
      }),
    );
    return { bindings: [...slots.values()], expressions: replaced };
  }

  #lower(expression: Expression): Expression {
    if (expression.kind === 'outer-column') return this.#slot(expression);
    const operandsLowered = mapOperands(expression, (operand) => this.#lower(operand));
    if (operandsLowered.kind !== 'subquery') return foldNode(operandsLowered, this.#context.functions);
    const { plan } = operandsLowered.subplan;
    const nested = this.nested(() => this.#planSubquery(plan));
    const subplan: PlannedSubplan = {
      ...operandsLowered.subplan,
      ...nested,
      isVolatile: isVolatilePlan(nested.physical),
      number: ++this.#subplanCount,
    };
    return { ...operandsLowered, subplan };
  }

  #slot(expression: Extract<Expression, { readonly kind: 'outer-column' }>): Expression {
    const owner = this.#scopes[this.#scopes.length - expression.level];
    invariant(owner !== undefined, `an outer column of level ${expression.level} has an enclosing row`);
    let found = owner.slots.get(expression.index);
    if (found === undefined) {
      found = { slot: this.slotCount++, type: expression.type };
      owner.slots.set(expression.index, found);
    }
    const { slot, type } = found;
    for (const scope of this.#scopes.slice(this.#scopes.length - expression.level)) scope.reads.add(slot);
    return { kind: 'outer-column', type, level: 0, index: slot };
  }
}

/** Whether any expression of a plan calls something volatile. */
export function isVolatilePlan(plan: PhysicalPlan): boolean {
  let found = false;
  const visit = (value: unknown): void => {
    if (found || typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) visit(item);
    } else if ('kind' in value && 'type' in value) {
      found ||= isVolatile(value as Expression);
    } else if (Object.getPrototypeOf(value) === Object.prototype && !('layout' in value)) {
      for (const item of Object.values(value)) visit(item);
    }
  };
  visit(plan);
  return found;
}
