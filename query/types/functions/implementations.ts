import { aggregateFunctions } from './aggregates.ts';
import { castFunctions } from './casts.ts';
import { comparisonFunctions } from './comparison.ts';
import type { Implementations } from './define.ts';
import { floatFunctions } from './float.ts';
import { integerFunctions } from './integer.ts';
import { numericFunctions } from './numeric.ts';
import { textFunctions } from './text.ts';
import { timeArithmetic } from './time-arithmetic.ts';
import { vectorFunctions } from './vector.ts';

/** All of them: what `procedures.ts` names. */
export const implementations: Implementations = {
  ...integerFunctions,
  ...floatFunctions,
  ...numericFunctions,
  ...comparisonFunctions,
  ...castFunctions,
  ...textFunctions,
  ...timeArithmetic,
  ...aggregateFunctions,
  ...vectorFunctions,
};
