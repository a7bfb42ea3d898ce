import type { Datum, SqlRow } from '../../../base/values/datum.ts';

/** `(1,"a b",)`: nulls are empty, and what needs it stands in quotes. */
export function formatRow(row: SqlRow, formatField: (value: Datum, index: number) => string): string {
  return `(${row.fields.map((field, index) => (field === null ? '' : quoteField(formatField(field, index)))).join(',')})`;
}

function quoteField(text: string): string {
  if (text !== '' && !/[(),"\\\s]/.test(text)) return text;
  return `"${text.replace(/["\\]/g, '$&$&')}"`;
}
