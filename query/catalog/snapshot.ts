import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type {
  CatalogChange,
  CatalogObject,
  CatalogSnapshot,
  IndexDefinition,
  NamespaceDefinition,
  RelationDefinition,
  RoleDefinition,
  SequenceDefinition,
} from './definition.ts';
import { emptyIdMap, type IdMap, idMapGet, idMapValues, idMapWith } from './id-map.ts';
import { emptyNameMap, type NameMap, nameMapGet, nameMapWith } from './name-map.ts';
import { fromRow } from './object-row.ts';
import { primaryKeyIndex } from './primary-key.ts';
import { bootstrapObjects, nextIdSettingName, systemTables, userIdMin } from './well-known.ts';

export { fromRow, toRow } from './object-row.ts';

/**
 * The catalog as immutable tries: a change copies a few nodes, and every older snapshot stays as it was.
 *
 * Invariants: every name entry points to an object of `objects` (or to a table whose primary key it names);
 * `indexes` holds exactly the index objects, by table, ascending by id; `nextId` exceeds every id ever put.
 */
class Snapshot implements CatalogSnapshot {
  readonly version: number;
  readonly nextId: number;
  readonly #state: State;

  constructor(version: number, nextId: number, state: State) {
    this.version = version;
    this.nextId = nextId;
    this.#state = state;
  }

  byId(id: number): CatalogObject | undefined {
    if (id < 0) return idMapGet(this.#state.schemas, -id);
    const object = idMapGet(this.#state.objects, id);
    if (object !== undefined) return object;
    const table = idMapGet(this.#state.primaryKeys, id);
    return table === undefined ? undefined : primaryKeyIndex(table);
  }

  *all(): IterableIterator<CatalogObject> {
    yield* idMapValues(this.#state.objects);
    yield* idMapValues(this.#state.schemas);
  }

  namespace(name: string): NamespaceDefinition | undefined {
    const object = this.#named(`namespace ${name}`);
    return object?.kind === 'namespace' ? object : undefined;
  }

  relation(
    namespace: number,
    name: string,
  ): RelationDefinition | IndexDefinition | SequenceDefinition | undefined {
    const object = this.#named(`relation ${namespace} ${name}`);
    return object?.kind === 'table' || object?.kind === 'index' || object?.kind === 'sequence'
      ? object
      : undefined;
  }

  *tablesOf(namespace: number): IterableIterator<RelationDefinition> {
    for (const object of idMapValues(this.#state.objects)) {
      if (object.kind === 'table' && object.namespace === namespace) yield object;
    }
  }

  indexesOf(table: number): readonly IndexDefinition[] {
    return idMapGet(this.#state.indexes, table) ?? [];
  }

  role(name: string): RoleDefinition | undefined {
    const object = this.#named(`role ${name}`);
    return object?.kind === 'role' ? object : undefined;
  }

  #named(name: string): CatalogObject | undefined {
    const id = nameMapGet(this.#state.names, name);
    return id === undefined ? undefined : this.byId(id);
  }

  with(changes: readonly CatalogChange[]): Snapshot {
    let { nextId } = this;
    let state = this.#state;
    for (const { kind, object } of changes) {
      const old = this.#stored(state, object.id);
      if (old !== undefined) state = without(state, old);
      if (kind === 'put') {
        state = withObject(state, object);
        nextId = Math.max(nextId, idAfter(object));
      }
    }
    return new Snapshot(this.version + changes.length, nextId, state);
  }

  #stored(state: State, id: number): CatalogObject | undefined {
    return id < 0 ? idMapGet(state.schemas, -id) : idMapGet(state.objects, id);
  }
}

type State = {
  readonly objects: IdMap<CatalogObject>;
  /** Registered event schemas, by schema id: the negated object id. */
  readonly schemas: IdMap<CatalogObject>;
  readonly names: NameMap;
  readonly indexes: IdMap<readonly IndexDefinition[]>;
  /** Tables by the oid of their primary key's index. */
  readonly primaryKeys: IdMap<RelationDefinition>;
};

const nothing: State = {
  objects: emptyIdMap(),
  schemas: emptyIdMap(),
  names: emptyNameMap(),
  indexes: emptyIdMap(),
  primaryKeys: emptyIdMap(),
};

/** What `objects` and `names` say together about an object; a table also names its primary key's index. */
function namesOf(object: CatalogObject): readonly (readonly [name: string, id: number])[] {
  switch (object.kind) {
    case 'namespace':
    case 'role':
    case 'database':
    case 'setting':
      return [[`${object.kind} ${object.name}`, object.id]];
    case 'index':
    case 'sequence':
      return [[`relation ${object.namespace} ${object.name}`, object.id]];
    case 'table': {
      const table = [`relation ${object.namespace} ${object.name}`, object.id] as const;
      const key = object.primaryKey;
      return key === null ? [table] : [table, [`relation ${object.namespace} ${key.name}`, key.id]];
    }
    case 'schema':
      return [];
  }
}

function withObject(state: State, object: CatalogObject): State {
  if (object.kind === 'schema') {
    return { ...state, schemas: idMapWith(state.schemas, -object.id, object) };
  }
  let { names, indexes, primaryKeys } = state;
  for (const [name, id] of namesOf(object)) names = nameMapWith(names, name, id);
  if (object.kind === 'index') {
    const others = idMapGet(indexes, object.table) ?? [];
    indexes = idMapWith(
      indexes,
      object.table,
      [...others, object].sort((left, right) => left.id - right.id),
    );
  }
  if (object.kind === 'table' && object.primaryKey !== null) {
    primaryKeys = idMapWith(primaryKeys, object.primaryKey.id, object);
  }
  return { ...state, objects: idMapWith(state.objects, object.id, object), names, indexes, primaryKeys };
}

function without(state: State, object: CatalogObject): State {
  if (object.kind === 'schema') {
    return { ...state, schemas: idMapWith(state.schemas, -object.id, undefined) };
  }
  let { names, indexes, primaryKeys } = state;
  for (const [name, id] of namesOf(object)) {
    // Another object may have taken the name already: a rename and a creation within one list of changes.
    if (nameMapGet(names, name) === id) names = nameMapWith(names, name, undefined);
  }
  if (object.kind === 'index') {
    const others = (idMapGet(indexes, object.table) ?? []).filter((index) => index.id !== object.id);
    indexes = idMapWith(indexes, object.table, others.length === 0 ? undefined : others);
  }
  if (object.kind === 'table' && object.primaryKey !== null) {
    primaryKeys = idMapWith(primaryKeys, object.primaryKey.id, undefined);
  }
  return { ...state, objects: idMapWith(state.objects, object.id, undefined), names, indexes, primaryKeys };
}

function idAfter(object: CatalogObject): number {
  if (object.kind === 'setting' && object.name === nextIdSettingName) return Number(object.value);
  return Math.abs(object.id) + 1;
}

function puts(objects: Iterable<CatalogObject>): CatalogChange[] {
  return Array.from(objects, (object) => ({ kind: 'put', object }));
}

const builtIn = new Snapshot(0, userIdMin, nothing).with(puts(systemTables));

/** The catalog of a database that has just been made: what `bootstrapObjects` says. */
export function emptyCatalog(): CatalogSnapshot {
  return builtIn.with(puts(bootstrapObjects));
}

/**
 * The catalog that all rows of `alopex.objects` make, in any order. They include the rows of `bootstrapObjects`,
 * as they are by then: a database that has dropped `public` has no row for it.
 */
export function fromRows(rows: Iterable<readonly Datum[]>): CatalogSnapshot {
  const snapshot = builtIn.with(puts(Array.from(rows, fromRow)));
  for (const object of snapshot.all()) if (object.kind === 'database') return snapshot;
  throw new AlopexError('data_corrupted', 'alopex.objects names no database: its first commit is missing');
}

/** A new snapshot; `snapshot` stays as it was. `version` rises by the number of changes. */
export function applyChanges(snapshot: CatalogSnapshot, changes: readonly CatalogChange[]): CatalogSnapshot {
  if (!(snapshot instanceof Snapshot)) throw new TypeError('a snapshot of another implementation');
  return changes.length === 0 ? snapshot : snapshot.with(changes);
}
