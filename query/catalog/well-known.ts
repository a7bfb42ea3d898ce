import type { EventSchema, TableLayout } from '../../log/events/layout.ts';
import {
  objectsLayout,
  objectsSchema,
  requestsLayout,
  requestsSchema,
  sequencesLayout,
  sequencesSchema,
} from '../../log/events/system.ts';
import { oids } from '../types/type.ts';
import type { CatalogObject, ColumnDefinition, RelationDefinition } from './definition.ts';

/** Ids that code names; see `CatalogSnapshot`. Objects that users make start at `userIdMin`. */
export const wellKnown = {
  objectsTable: 1,
  sequencesTable: 2,
  nextIdSetting: 3,
  clusterSetting: 4,
  database: 5,
  role: 10,
  pgCatalog: 11,
  requestsTable: 13,
  public: 2200,
  informationSchema: 13000,
  alopex: 13001,
} as const;

export const userIdMin = 16384;

/**
 * The setting whose value is the next free id. Every statement that takes ids puts it, so that ids are never used
 * twice, not even after their object is gone, and two transactions that take ids cannot both commit unnoticed.
 */
export const nextIdSettingName = 'alopex.next_id';

/** The rows of `alopex.objects` with which a database begins: its first commit. */
export const bootstrapObjects: readonly CatalogObject[] = [
  { kind: 'setting', id: wellKnown.nextIdSetting, name: nextIdSettingName, value: String(userIdMin) },
  { kind: 'database', id: wellKnown.database, name: 'alopex', owner: wellKnown.role },
  {
    kind: 'role',
    id: wellKnown.role,
    name: 'alopex',
    isSuperuser: true,
    canLogin: true,
    passwordVerifier: null,
  },
  { kind: 'namespace', id: wellKnown.pgCatalog, name: 'pg_catalog', owner: wellKnown.role },
  { kind: 'namespace', id: wellKnown.public, name: 'public', owner: wellKnown.role },
  {
    kind: 'namespace',
    id: wellKnown.informationSchema,
    name: 'information_schema',
    owner: wellKnown.role,
  },
  { kind: 'namespace', id: wellKnown.alopex, name: 'alopex', owner: wellKnown.role },
];

const systemTypeOids: Readonly<Record<string, number>> = {
  int8: oids.int8,
  text: oids.text,
  bool: oids.bool,
};

/** The tables of the system itself: in every snapshot, and never rows of one. */
export const systemTables: readonly RelationDefinition[] = [
  systemTable(objectsSchema, objectsLayout, 'objects', { id: 6, constraint: 7 }),
  systemTable(sequencesSchema, sequencesLayout, 'sequences', { id: 8, constraint: 9 }),
  systemTable(requestsSchema, requestsLayout, 'requests', { id: 12, constraint: 14 }),
];

function systemTable(
  schema: EventSchema,
  layout: TableLayout,
  name: string,
  key: { readonly id: number; readonly constraint: number },
): RelationDefinition {
  return {
    kind: 'table',
    id: schema.table,
    namespace: wellKnown.alopex,
    name,
    owner: wellKnown.role,
    columns: schema.fields.map(
      (field): ColumnDefinition => ({
        attribute: field.column,
        name: field.name,
        type: { oid: systemTypeOids[field.sqlType]!, modifier: -1 },
        notNull: field.required,
        defaultText: null,
        identity: null,
        ownedSequence: null,
        isHidden: false,
        isDropped: false,
        comment: null,
      }),
    ),
    primaryKey: { ...key, name: `${name}_pkey` },
    options: {},
    comment: null,
    layout,
  };
}
