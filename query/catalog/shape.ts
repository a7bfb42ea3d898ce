import type { Datum } from '../../base/values/datum.ts';
import type { VirtualRelation } from '../plan/logical.ts';
import type { FunctionContext } from '../types/function.ts';
import { typeByName } from '../types/registry.ts';
import type { SqlType } from '../types/type.ts';
import { viewColumns as alopexViews } from './alopex/view-columns.ts';
import type { CatalogSnapshot } from './definition.ts';
import { viewColumns as informationSchemaViews } from './information-schema/view-columns.ts';
import { tableColumns } from './pg-catalog/table-columns.ts';
import { viewColumns } from './pg-catalog/view-columns.ts';

/** A relation of pg_catalog, information_schema or alopex: what it is called and which columns it has. */
export type Shape = {
  readonly schema: 'pg_catalog' | 'information_schema' | 'alopex';
  readonly name: string;
  readonly oid: number;
  readonly kind: 'table' | 'view';
  readonly columns: readonly { readonly name: string; readonly type: SqlType }[];
};

/** A row by column name; a column that is left out is null, or in pg_catalog the zero of its type. */
export type NamedRow = Readonly<Record<string, Datum>>;
export type RowsOf = (catalog: CatalogSnapshot, context: FunctionContext) => Iterable<NamedRow>;

export const shapes: readonly Shape[] = [
  ...parseShapes(tableColumns, 'pg_catalog', 'table'),
  ...parseShapes(viewColumns, 'pg_catalog', 'view'),
  ...parseShapes(informationSchemaViews, 'information_schema', 'view'),
  ...parseShapes(alopexViews, 'alopex', 'view'),
];

const byName = new Map(shapes.map((shape) => [`${shape.schema}.${shape.name}`, shape]));
const byOid = new Map(shapes.map((shape) => [shape.oid, shape]));

export function shapeNamed(schema: string, name: string): Shape | undefined {
  return byName.get(`${schema}.${name}`);
}

export function shapeOf(oid: number): Shape | undefined {
  return byOid.get(oid);
}

function parseShapes(text: string, schema: Shape['schema'], kind: Shape['kind']): Shape[] {
  const lines = text.trim().replaceAll('\n  ', ' ').split('\n');
  return lines.map((line) => {
    const [head, columns] = line.split(': ') as [string, string];
    const [oid, name] = head.split(' ') as [string, string];
    return { schema, kind, oid: Number(oid), name, columns: columns.split(', ').map(parseColumn) };
  });
}

function parseColumn(text: string): Shape['columns'][number] {
  const [name, typeName] = text.split(' ') as [string, string];
  const type = typeByName(typeName);
  if (type === undefined) throw new TypeError(`column ${name} is of an unknown type ${typeName}`);
  return { name, type: { oid: type.oid, modifier: -1 } };
}

/** Verifiers of passwords stand there: superusers alone may read it. */
export function isSecret({ schema, name }: Shape): boolean {
  return schema === 'pg_catalog' && (name === 'pg_authid' || name === 'pg_shadow');
}

/** The relation with its rows in the order of its columns. */
export function relationOf(shape: Shape, rows: RowsOf): VirtualRelation {
  const { schema, name, oid, kind, columns } = shape;
  const zeros = columns.map(({ type }) => (schema === 'pg_catalog' ? zeroOf(type.oid) : null));
  return {
    schema,
    name,
    oid,
    kind,
    isSecret: isSecret(shape),
    columns,
    *rows(catalog, context) {
      for (const row of rows(catalog, context)) {
        yield columns.map((column, index) => {
          const value = row[column.name];
          return value === undefined ? zeros[index]! : value;
        });
      }
    },
  };
}

/** What stands in a column that says nothing: 0 and false in columns of fixed length, else null. */
function zeroOf(type: number): Datum {
  const name = zeroTypes.get(type);
  return name === undefined ? null : name;
}

const zeroTypes: ReadonlyMap<number, Datum> = new Map<number, Datum>([
  ...['oid', 'regproc', 'int2', 'int4', 'xid', 'float4'].map((name): [number, Datum] => [
    typeByName(name)!.oid,
    0,
  ]),
  [typeByName('bool')!.oid, false],
  [typeByName('char')!.oid, ''],
]);
