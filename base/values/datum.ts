import type { Numeric } from './numeric.ts';

/**
 * How a value is stored, whatever SQL calls its type. A datum is the JavaScript value of it:
 *
 * | physical | datum                                                                                    |
 * |----------|------------------------------------------------------------------------------------------|
 * | bool     | boolean                                                                                  |
 * | int4     | number; int2, int4, oid, and date (days since 1970; ±infinity are the int32 extremes)    |
 * | int8     | number where it is a safe integer, else bigint; also time, timestamp, timestamptz        |
 * |          | (microseconds since midnight or 1970-01-01 UTC; ±infinity are the int64 extremes)        |
 * | float4   | number, already rounded by Math.fround                                                   |
 * | float8   | number                                                                                   |
 * | numeric  | Numeric                                                                                  |
 * | text     | string; also varchar, char, name, json and jsonb (jsonb: PostgreSQL's canonical text)    |
 * | bytes    | Uint8Array                                                                               |
 * | uuid     | string, 36 characters, lower case                                                        |
 * | interval | Interval                                                                                 |
 * | vector   | Float32Array                                                                             |
 * | array    | SqlArray                                                                                 |
 *
 * SQL's NULL is `null`, never `undefined`.
 */
export type PhysicalKind =
  | 'bool'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'numeric'
  | 'text'
  | 'bytes'
  | 'uuid'
  | 'interval'
  | 'vector'
  | 'array';

/** `element` stands only on arrays. */
export type PhysicalType =
  | { readonly kind: Exclude<PhysicalKind, 'array'> }
  | { readonly kind: 'array'; readonly element: PhysicalType };

export type Datum =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float32Array
  | Numeric
  | Interval
  | SqlArray
  | SqlRow;

export class Interval {
  readonly months: number;
  readonly days: number;
  /** A safe integer. */
  readonly microseconds: number;
  constructor(months: number, days: number, microseconds: number) {
    this.months = months;
    this.days = days;
    this.microseconds = microseconds;
  }
}

/** An array of any number of dimensions, its items in row-major order. An empty array has no dimension. */
export class SqlArray {
  readonly items: readonly Datum[];
  readonly dimensions: readonly { readonly length: number; readonly lowerBound: number }[];
  constructor(items: readonly Datum[], dimensions: SqlArray['dimensions']) {
    this.items = items;
    this.dimensions = dimensions;
  }
  static of(items: readonly Datum[]): SqlArray {
    return new SqlArray(items, items.length === 0 ? [] : [{ length: items.length, lowerBound: 1 }]);
  }
}

/** A row value: `ROW(1, 'a')`, or a whole row of a table. Never stored. */
export class SqlRow {
  readonly fields: readonly Datum[];
  /** What the fields are, where that is known: without it a field shows as its datum is stored. */
  readonly shape: RowShape | null;
  constructor(fields: readonly Datum[], shape: RowShape | null = null) {
    this.fields = fields;
    this.shape = shape;
  }
}

/** Names and types of a row value's fields; a type is its oid and modifier. */
export type RowShape = readonly {
  readonly name: string;
  readonly type: { readonly oid: number; readonly modifier: number };
}[];
