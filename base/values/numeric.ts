/**
 * SQL's numeric: `units * 10^-scale`, with its display scale (1.0 and 1.00 are equal, and print apart), or NaN
 * or an infinity. `units` is a number where it is a safe integer, else a bigint. Arithmetic stands in
 * query/types; this is the value, and its decimal text.
 */
export class Numeric {
  readonly special: null | 'NaN' | 'Infinity' | '-Infinity';
  readonly units: number | bigint;
  /** Digits after the decimal point, 0 to 16383. */
  readonly scale: number;

  private constructor(special: Numeric['special'], units: number | bigint, scale: number) {
    this.special = special;
    this.units = units;
    this.scale = scale;
  }

  static readonly nan: Numeric = new Numeric('NaN', 0, 0);
  static readonly infinity: Numeric = new Numeric('Infinity', 0, 0);
  static readonly negativeInfinity: Numeric = new Numeric('-Infinity', 0, 0);

  static of(units: number | bigint, scale: number): Numeric {
    return new Numeric(null, narrow(units), scale);
  }

  /** Decimal text as PostgreSQL prints it. */
  toString(): string {
    if (this.special !== null) return this.special;
    const negative = this.units < 0;
    const digits = (negative ? -this.units : this.units).toString().padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const text = this.scale === 0 ? whole : `${whole}.${digits.slice(digits.length - this.scale)}`;
    return negative ? `-${text}` : text;
  }
}

/** A number where it is safe, else a bigint: the one form of an integer datum. */
export function narrow(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value === 0 ? 0 : value;
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}
