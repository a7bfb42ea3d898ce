import { AlopexError } from '../../../base/errors.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { invalidText, outOfRange } from '../problems.ts';
import { powerOfTen, rescaleUnits, scaleMax } from './digits.ts';

const pattern = /^[\t-\r ]*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?[\t-\r ]*$/;
const specials: Readonly<Record<string, Numeric>> = {
  nan: Numeric.nan,
  infinity: Numeric.infinity,
  '+infinity': Numeric.infinity,
  inf: Numeric.infinity,
  '+inf': Numeric.infinity,
  '-infinity': Numeric.negativeInfinity,
  '-inf': Numeric.negativeInfinity,
};
const wholeDigitsMax = 131_072;

/** numeric_in without a modifier. The scale is what the text shows. */
export function parseNumeric(text: string): Numeric {
  const value = parseNumericText(text);
  if (value === null) throw invalidText('numeric', text);
  return value;
}

/** Null where the text is no number. */
export function parseNumericText(text: string): Numeric | null {
  const match = pattern.exec(text);
  if (match === null) return specials[text.trim().toLowerCase()] ?? null;
  const [, sign, whole = '', fraction = '', exponentText] = match;
  const digits = whole + fraction;
  if (digits.length === 0) return null;
  const exponent = exponentText === undefined ? 0 : Number(exponentText);
  if (Math.abs(exponent) > 1_073_741_823) return null;
  const scale = fraction.length - exponent;
  if (whole.length + exponent > wholeDigitsMax && /[1-9]/.test(digits)) throw overflow();
  const units = digits.length < 16 ? Number(digits) : BigInt(digits);
  const signed = sign === '-' ? -units : units;
  if (scale < 0) return Numeric.of(BigInt(signed) * powerOfTen(-scale), 0);
  if (scale > scaleMax) return Numeric.of(rescaleUnits(signed, scale, scaleMax), scaleMax);
  return Numeric.of(signed, scale);
}

export function overflow(): AlopexError {
  return new AlopexError('numeric_value_out_of_range', 'value overflows numeric format');
}

/** By way of the 15 (double) or 6 (single) significant digits that PostgreSQL prints. */
export function numericFromFloat(value: number, significantDigits: 15 | 6): Numeric {
  if (Number.isNaN(value)) return Numeric.nan;
  if (!Number.isFinite(value)) return value > 0 ? Numeric.infinity : Numeric.negativeInfinity;
  if (value === 0) return Numeric.of(0, 0);
  const [mantissa, exponent] = value.toExponential(significantDigits - 1).split('e') as [string, string];
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return parseNumeric(`${trimmed}e${exponent}`);
}

export function numericToFloat(value: Numeric): number {
  if (value.special !== null) return Number(value.special);
  if (value.scale === 0) return Number(value.units);
  return Number(value.toString());
}

export function numericFromInteger(value: number | bigint): Numeric {
  return Numeric.of(value, 0);
}

/** Rounded half away from zero, inside the bounds of the integer type; null outside. */
export function numericToInteger(
  value: Numeric,
  minimum: number | bigint,
  maximum: number | bigint,
  typeName: string,
): number | bigint {
  if (value.special !== null) {
    const what = value.special === 'NaN' ? 'NaN' : 'infinity';
    throw new AlopexError('feature_not_supported', `cannot convert ${what} to ${typeName}`);
  }
  const rounded = rescaleUnits(value.units, value.scale, 0);
  if (rounded < minimum || rounded > maximum) throw outOfRange(typeName);
  return rounded;
}
