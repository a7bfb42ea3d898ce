import { quoteIdentifier } from '../types/identifier.ts';

/** As SQL must write a relation's full name. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
