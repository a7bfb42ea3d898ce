import pgTypes from 'pg-types';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { typeInfo } from '../../query/types/registry.ts';

/** What turns the text form of a value into what the program gets: node-postgres's `types`. */
export type TypeParsers = {
  getTypeParser(oid: number, format?: string): (text: string) => unknown;
};

/** A column of a result, as node-postgres describes it. */
export type FieldDef = {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: 'text';
};

/** node-postgres's result. Rows are objects by column name, or arrays where `rowMode` is 'array'. */
export type ClientResult = {
  /** The first word of the command tag: 'SELECT', 'CREATE'. */
  readonly command: string;
  /** Null where the command counts nothing. */
  readonly rowCount: number | null;
  readonly oid: number | null;
  readonly fields: readonly FieldDef[];
  // biome-ignore lint/suspicious/noExplicitAny: node-postgres leaves the shape of a row to its caller.
  readonly rows: any[];
};

/** node-postgres's own: int8 and numeric stay text, dates and timestamps become local Dates. */
export const defaultTypes: TypeParsers = {
  getTypeParser: (oid) => pgTypes.getTypeParser(oid as Parameters<typeof pgTypes.getTypeParser>[0], 'text'),
};

export function commandResult(tag: string): ClientResult {
  return { ...parsedTag(tag), fields: [], rows: [] };
}

export function rowsResult(tag: string, columns: readonly OutputColumn[], rows: unknown[]): ClientResult {
  return { ...parsedTag(tag), fields: columns.map(fieldDef), rows };
}

/** 'INSERT 0 3': the object id, always 0, and the rows; 'UPDATE 3': the rows. */
function parsedTag(tag: string): Pick<ClientResult, 'command' | 'rowCount' | 'oid'> {
  const match = /^([A-Za-z]+)(?:.*?)(?: (\d+))?(?: (\d+))?$/.exec(tag);
  const [first, second] = [match?.[2], match?.[3]].map((digits) =>
    digits === undefined ? null : Number(digits),
  );
  return {
    command: match?.[1] ?? tag,
    rowCount: second ?? first ?? null,
    oid: second === null || second === undefined ? null : (first ?? null),
  };
}

export function fieldDef({ name, type }: OutputColumn): FieldDef {
  return {
    name,
    tableID: 0,
    columnID: 0,
    dataTypeID: type.oid,
    dataTypeSize: typeInfo(type.oid).length,
    dataTypeModifier: type.modifier,
    format: 'text',
  };
}

/** Rows through their text forms, as a client of the wire would read them: the same parsers, the same values. */
export function clientRowReader(
  columns: readonly OutputColumn[],
  types: TypeParsers,
  rowMode: 'array' | 'object',
  context: FunctionContext,
): (row: readonly Datum[]) => unknown {
  const readers = columns.map(({ type }) => {
    const codec = codecOf(type.oid);
    const parser = types.getTypeParser(type.oid, 'text');
    return (datum: Datum): unknown => (datum === null ? null : parser(codec.format(datum, type, context)));
  });
  if (rowMode === 'array') return (row) => readers.map((read, index) => read(row[index]!));
  return (row) => {
    const object: Record<string, unknown> = {};
    for (const [index, read] of readers.entries()) object[columns[index]!.name] = read(row[index]!);
    return object;
  };
}
