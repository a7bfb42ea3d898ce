import { aggregateFunctions } from './aggregates.ts';
import { arrayFunctions } from './array.ts';
import { bytesFunctions } from './bytes.ts';
import { castFunctions } from './casts.ts';
import { catalogFunctions } from './catalog.ts';
import { comparisonFunctions } from './comparison.ts';
import type { Implementations } from './define.ts';
import { floatFunctions } from './float.ts';
import { integerFunctions } from './integer.ts';
import { jsonFunctions } from './json.ts';
import { jsonbFunctions } from './jsonb.ts';
import { nodeFunctions } from './node.ts';
import { numericFunctions } from './numeric.ts';
import { patternFunctions } from './pattern.ts';
import { seriesFunctions } from './series.ts';
import { sessionFunctions } from './session.ts';
import { statisticsFunctions } from './statistics.ts';
import { textFunctions } from './text.ts';
import { textFormatFunctions } from './text-format.ts';
import { timeFunctions } from './time.ts';
import { timeArithmetic } from './time-arithmetic.ts';
import { templateFunctions } from './to-char.ts';
import { vectorFunctions } from './vector.ts';

/** All of them: what `procedures-a-i.ts` names. */
export const implementations: Implementations = {
  ...integerFunctions,
  ...floatFunctions,
  ...numericFunctions,
  ...comparisonFunctions,
  ...castFunctions,
  ...textFunctions,
  ...timeArithmetic,
  ...aggregateFunctions,
  ...arrayFunctions,
  ...jsonFunctions,
  ...jsonbFunctions,
  ...patternFunctions,
  ...timeFunctions,
  ...bytesFunctions,
  ...textFormatFunctions,
  ...seriesFunctions,
  ...nodeFunctions,
  ...sessionFunctions,
  ...catalogFunctions,
  ...statisticsFunctions,
  ...templateFunctions,
  ...vectorFunctions,
};
