import type { Condition } from '../../../base/errors.ts';
import { AlopexError } from '../../../base/errors.ts';
import { formatType } from '../format-type.ts';
import type { CatalogLookups, FunctionContext, TypeCodec } from '../function.ts';
import { quoteIdentifier, splitQualifiedName } from '../identifier.ts';
import { findType } from '../registry.ts';
import { parseTypeName } from '../type-name.ts';
import { decodeInt4, encodeInt4 } from './integer.ts';

type Lookup = {
  /** Of a name as it was written; null where there is no such object. */
  readonly find: (text: string, catalog: CatalogLookups) => number | null;
  readonly name: (oid: number, catalog: CatalogLookups) => string | null;
  readonly missing: (text: string) => AlopexError;
};

function missing(condition: Condition, what: (text: string) => string): (text: string) => AlopexError {
  return (text) => new AlopexError(condition, what(text));
}

function qualified(text: string): { readonly schema: string | null; readonly name: string } {
  const parts = splitQualifiedName(text);
  if (parts.length > 3) {
    throw new AlopexError('syntax_error', `improper relation name (too many dotted names): ${text}`);
  }
  return { schema: parts.length > 1 ? parts.at(-2)! : null, name: parts.at(-1)! };
}

export function findRelation(text: string, catalog: CatalogLookups): number | null {
  const { schema, name } = qualified(text);
  return catalog.relationOid(schema, name);
}

function findTypeNamed(text: string, catalog: CatalogLookups): number | null {
  const builtIn = parseTypeName(text);
  if (builtIn !== null) return builtIn.oid;
  const { schema, name } = qualified(text);
  return catalog.typeOid(schema, name);
}

function findFunction(text: string, catalog: CatalogLookups): number | null {
  return catalog.functionOid(text.replace(/\(.*$/s, '').trim());
}

export const regLookups = {
  regclass: {
    find: findRelation,
    name: (oid, catalog) => catalog.relationName(oid),
    missing: missing('undefined_table', (text) => `relation "${qualifiedText(text)}" does not exist`),
  },
  regtype: {
    find: findTypeNamed,
    name: (oid, catalog) =>
      findType(oid) === undefined ? catalog.typeName(oid) : formatType({ oid, modifier: -1 }),
    missing: missing('undefined_object', (text) => `type "${text}" does not exist`),
  },
  regproc: {
    find: findFunction,
    name: (oid, catalog) => catalog.functionName(oid),
    missing: missing('undefined_function', (text) => `function "${text}" does not exist`),
  },
  regprocedure: {
    find: findFunction,
    name: (oid, catalog) => catalog.functionName(oid),
    missing: missing('undefined_function', (text) => `function "${text}" does not exist`),
  },
  regoper: {
    find: () => null,
    name: () => null,
    missing: missing('undefined_function', (text) => `operator does not exist: ${text}`),
  },
  regoperator: {
    find: () => null,
    name: () => null,
    missing: missing('undefined_function', (text) => `operator does not exist: ${text}`),
  },
  regnamespace: {
    find: (text, catalog) => catalog.namespaceOid(splitQualifiedName(text)[0]!),
    name: (oid, catalog) => quoted(catalog.namespaceName(oid)),
    missing: missing('invalid_schema_name', (text) => `schema "${text}" does not exist`),
  },
  regrole: {
    find: (text, catalog) => catalog.roleOid(splitQualifiedName(text)[0]!),
    name: (oid, catalog) => quoted(catalog.roleName(oid)),
    missing: missing('undefined_object', (text) => `role "${text}" does not exist`),
  },
  regcollation: {
    find: () => null,
    name: () => null,
    missing: missing('undefined_object', (text) => `collation "${text}" for encoding "UTF8" does not exist`),
  },
} as const satisfies Record<string, Lookup>;

function quoted(name: string | null): string | null {
  return name === null ? null : quoteIdentifier(name);
}

function qualifiedText(text: string): string {
  return splitQualifiedName(text).join('.');
}

export type RegTypeName = keyof typeof regLookups;

/** Oids that are written and shown as names; a number, and `-` for 0, are taken too. */
export function regCodec(typeName: RegTypeName): TypeCodec {
  const lookup: Lookup = regLookups[typeName];
  return {
    parse(text: string, _type, context: FunctionContext): number {
      if (text === '-') return 0;
      if (/^\d+$/.test(text)) return Number(text);
      const oid = lookup.find(text, context.catalog);
      if (oid === null) throw lookup.missing(text);
      return oid;
    },
    format(value, _type, context: FunctionContext): string {
      if (value === 0) return '-';
      return lookup.name(value as number, context.catalog) ?? String(value);
    },
    decode: (bytes) => decodeInt4(bytes) >>> 0,
    encode: encodeInt4,
  };
}
