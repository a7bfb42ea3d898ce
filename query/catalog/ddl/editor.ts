import { AlopexError } from '../../../base/errors.ts';
import { schemaId } from '../../../base/ids.ts';
import { invariant } from '../../../base/unreachable.ts';
import type {
  CatalogChange,
  CatalogObject,
  CatalogSnapshot,
  RelationDefinition,
  RoleDefinition,
} from '../definition.ts';
import { applyChanges } from '../snapshot.ts';
import { nextIdSettingName, wellKnown } from '../well-known.ts';
import type { AddedColumn, DdlContext, DdlEffect, DdlNotice, DdlResult } from './context.ts';
import { eventSchemaOf, isSameSchema } from './event-schema.ts';

/**
 * One DDL statement at work: a private snapshot that its steps change, ids, effects and notices. `finish` returns
 * the net changes, with a new event schema for each table whose events are laid out anew.
 */
export class CatalogEditor {
  readonly context: DdlContext;
  readonly user: RoleDefinition;
  readonly #original: CatalogSnapshot;
  #current: CatalogSnapshot;
  #nextId: number;
  /** Ids of objects that were put or removed, in order of first touch. */
  readonly #touched = new Set<number>();
  readonly #effects: DdlEffect[] = [];
  readonly #notices: DdlNotice[] = [];
  readonly #rewritten = new Set<number>();
  readonly #added = new Map<number, readonly AddedColumn[]>();

  constructor(context: DdlContext) {
    this.context = context;
    this.#original = context.catalog;
    this.#current = context.catalog;
    this.#nextId = context.catalog.nextId;
    const user = context.catalog.role(context.user);
    if (user === undefined) throw roleMissing(context.user);
    this.user = user;
  }

  /** The catalog with all steps so far. */
  get catalog(): CatalogSnapshot {
    return this.#current;
  }

  /** An id that nothing ever had. */
  newId(): number {
    return this.#nextId++;
  }

  put(object: CatalogObject): void {
    this.#change({ kind: 'put', object });
  }

  remove(object: CatalogObject): void {
    this.#change({ kind: 'remove', object });
  }

  #change(change: CatalogChange): void {
    this.#touched.add(change.object.id);
    this.#current = applyChanges(this.#current, [change]);
  }

  /** The table as it is after the steps so far. */
  table(id: number): RelationDefinition {
    const table = this.#current.byId(id);
    invariant(table?.kind === 'table', `${id} is a table`);
    return table;
  }

  effect(effect: DdlEffect): void {
    this.#effects.push(effect);
  }

  notice(message: string, code = '00000'): void {
    this.#notices.push({ severity: 'NOTICE', code, message });
  }

  warning(message: string, code = '01000'): void {
    this.#notices.push({ severity: 'WARNING', code, message });
  }

  cascadeNotice(dropped: readonly string[]): void {
    if (dropped.length === 1) this.notice(`drop cascades to ${dropped[0]}`);
    if (dropped.length < 2) return;
    this.#notices.push({
      severity: 'NOTICE',
      code: '00000',
      message: `drop cascades to ${dropped.length} other objects`,
      detail: dropped.map((each) => `drop cascades to ${each}`).join('\n'),
    });
  }

  /** The table's rows must move to a new storage, which it has already got. */
  rewrite(table: number): void {
    this.#rewritten.add(table);
  }

  /** What a new column holds in the rows that are there, should they have to move. */
  added(table: number, column: AddedColumn): void {
    this.#added.set(table, [...(this.#added.get(table) ?? []), column]);
  }

  isRewritten(table: number): boolean {
    return this.#rewritten.has(table);
  }

  finish(tag: string): DdlResult {
    for (const id of [...this.#touched]) {
      const object = this.#current.byId(id);
      if (object?.kind === 'table') this.#renewSchema(object);
    }
    const effects = [...this.#rewriteEffects(), ...this.#effects.filter((effect) => this.#isNeeded(effect))];
    return { changes: this.#changes(), effects, notices: this.#notices, tag };
  }

  #renewSchema(table: RelationDefinition): void {
    const registered = this.#current.byId(-table.layout.schema);
    const event = eventSchemaOf(this.#current, table);
    if (registered?.kind === 'schema' && isSameSchema(registered.event, event)) return;
    const id = schemaId(this.newId());
    this.put({ kind: 'schema', id: -id, event: { ...event, id } });
    this.put({ ...table, layout: { ...table.layout, schema: id } });
  }

  #rewriteEffects(): DdlEffect[] {
    const effects: DdlEffect[] = [];
    for (const id of this.#rewritten) {
      const source = this.#original.byId(id);
      const target = this.#current.byId(id);
      if (source?.kind !== 'table' || target?.kind !== 'table') continue;
      const added = this.#added.get(id) ?? [];
      effects.push({ kind: 'rewrite-table', source, target, added });
      effects.push({ kind: 'drop-storage', table: id, storage: source.layout.storage });
    }
    return effects;
  }

  /** A rewrite checks what these would, and builds the table's indexes; a dropped index is not built. */
  #isNeeded(effect: DdlEffect): boolean {
    switch (effect.kind) {
      case 'validate-not-null': {
        const table = this.#current.byId(effect.table.id);
        return (
          !this.isRewritten(effect.table.id) &&
          table?.kind === 'table' &&
          table.columns[effect.attribute - 1]!.notNull
        );
      }
      case 'backfill-index':
        return !this.isRewritten(effect.table) && this.#current.byId(effect.index) !== undefined;
      case 'rewrite-table':
      case 'drop-storage':
      case 'set-sequence':
      case 'drop-sequence':
        return true;
    }
  }

  #changes(): CatalogChange[] {
    const changes: CatalogChange[] = [];
    for (const id of this.#touched) {
      const before = this.#original.byId(id);
      const after = this.#current.byId(id);
      if (after !== undefined) changes.push({ kind: 'put', object: after });
      else if (before !== undefined) changes.push({ kind: 'remove', object: before });
    }
    if (this.#nextId !== this.#original.nextId) {
      const value = String(this.#nextId);
      const id = wellKnown.nextIdSetting;
      changes.push({ kind: 'put', object: { kind: 'setting', id, name: nextIdSettingName, value } });
    }
    return changes;
  }
}

function roleMissing(name: string): AlopexError {
  return new AlopexError('undefined_object', `role "${name}" does not exist`);
}
