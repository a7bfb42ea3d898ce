import { unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { AggregateFunction, ArgumentType, FunctionContext, ScalarFunction } from '../function.ts';

/**
 * What carries out a function of pg_proc. Implementations are named by pg_proc.prosrc (many functions share
 * one), or by `name(types)` where the signature decides. Signatures stand in `procedures-a-i.ts`.
 */
// biome-ignore lint/suspicious/noExplicitAny: arguments are as the signature says; the binder has checked them.
export type Evaluate = (...args: any[]) => Datum;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type EvaluateRows = (context: FunctionContext, ...args: any[]) => Iterable<readonly Datum[]>;
export type ArgumentTypes = readonly ArgumentType[];

export type Aggregation = Pick<AggregateFunction, 'initial' | 'step' | 'final'> & {
  readonly kernel?: AggregateFunction['kernel'];
  readonly keepsNulls?: boolean;
};

export type Implementation =
  | {
      readonly kind: 'scalar';
      readonly usesContext: boolean;
      readonly evaluate: Evaluate;
      readonly later?: NonNullable<ScalarFunction['later']>;
    }
  | {
      readonly kind: 'typed-scalar';
      readonly usesContext: boolean;
      readonly specialize: (types: ArgumentTypes) => Evaluate;
    }
  | { readonly kind: 'rows'; readonly evaluate: EvaluateRows }
  | { readonly kind: 'aggregate'; readonly aggregation: Aggregation }
  | { readonly kind: 'typed-aggregate'; readonly specialize: (types: ArgumentTypes) => Aggregation };

export type Implementations = Readonly<Record<string, Implementation>>;

function mapValues<Value>(
  values: Readonly<Record<string, Value>>,
  make: (value: Value) => Implementation,
): Implementations {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, make(value)]));
}

/** Functions of their arguments alone. */
export function pure(functions: Readonly<Record<string, Evaluate>>): Implementations {
  return mapValues(functions, (evaluate) => ({ kind: 'scalar', usesContext: false, evaluate }));
}

/** Functions that take the context first. */
export function contextual(functions: Readonly<Record<string, Evaluate>>): Implementations {
  return mapValues(functions, (evaluate) => ({ kind: 'scalar', usesContext: true, evaluate }));
}

/** Functions that answer nothing, after a while: how long, in milliseconds. */
export function delays(
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  functions: Readonly<Record<string, (context: FunctionContext, ...args: any[]) => number>>,
): Implementations {
  return mapValues(functions, (delayMs) => ({
    kind: 'scalar',
    usesContext: true,
    evaluate: () => '',
    later: (context, ...args) => {
      const ms = delayMs(context, ...args);
      if (!(ms > 0)) return null;
      if (context.sleep === undefined) throw unsupported('sleeping in this place');
      return context.sleep(ms).then(() => '');
    },
  }));
}

/** Functions whose value may have to be waited for; they take the context first. */
export function awaited(
  functions: Readonly<Record<string, NonNullable<ScalarFunction['later']>>>,
): Implementations {
  return mapValues(functions, (later) => ({
    kind: 'scalar',
    usesContext: true,
    evaluate: () => null,
    later,
  }));
}

/** Functions made for the types of their arguments. */
export function typed(
  functions: Readonly<Record<string, (types: ArgumentTypes) => Evaluate>>,
): Implementations {
  return mapValues(functions, (specialize) => ({ kind: 'typed-scalar', usesContext: false, specialize }));
}

/** The same, and they take the context first. */
export function typedContextual(
  functions: Readonly<Record<string, (types: ArgumentTypes) => Evaluate>>,
): Implementations {
  return mapValues(functions, (specialize) => ({ kind: 'typed-scalar', usesContext: true, specialize }));
}

export function rows(functions: Readonly<Record<string, EvaluateRows>>): Implementations {
  return mapValues(functions, (evaluate) => ({ kind: 'rows', evaluate }));
}

export function aggregates(functions: Readonly<Record<string, Aggregation>>): Implementations {
  return mapValues(functions, (aggregation) => ({ kind: 'aggregate', aggregation }));
}

export function typedAggregates(
  functions: Readonly<Record<string, (types: ArgumentTypes) => Aggregation>>,
): Implementations {
  return mapValues(functions, (specialize) => ({ kind: 'typed-aggregate', specialize }));
}
