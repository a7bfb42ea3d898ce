import { type Timestamp, timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import { objectsLayout } from '../../log/events/system.ts';
import type { RowReader } from '../../materializers/rows/contract.ts';
import { primaryKeyOf } from '../../materializers/rows/key.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { emptyCatalog, fromRows } from '../../query/catalog/snapshot.ts';
import { wellKnown } from '../../query/catalog/well-known.ts';
import type { PastMoment } from '../../query/exec/contract.ts';
import type { Transactions } from '../../query/txn/transactions.ts';
import { tableRows } from './table-rows.ts';

/** The catalog of a moment, and the commit that made it so: 0 before the first one. */
export type PastCatalog = { readonly catalog: CatalogSnapshot; readonly changedAt: Timestamp };

/** A moment of the past. Two with the same `changedAt` have the same definitions. */
export type Moment = PastMoment & PastCatalog;

/** The moments that a statement names, by the places of their clauses. */
export type Moments = ReadonlyMap<number, Moment>;

export const noMoments: Moments = new Map();

/** Catalogs of other moments that are kept in memory. */
const catalogsMax = 16;

/** `alopex.next_id`: every commit that changes the catalog writes it, so its version says which catalog was current. */
const markerKey = primaryKeyOf(objectsLayout, [wellKnown.nextIdSetting, 'setting', null, '']);

/** The catalog at any moment that is retained, as the rows of `alopex.objects` then said; by the commit that made it. */
export class CatalogHistory {
  readonly #reader: RowReader;
  readonly #transactions: Transactions;
  readonly #kept = new Map<Timestamp, Promise<CatalogSnapshot>>();

  constructor(reader: RowReader, transactions: Transactions) {
    this.#reader = reader;
    this.#transactions = transactions;
  }

  /** Before the first commit: the catalog of a database without tables. 72000 where it is no longer known. */
  async at(at: Timestamp): Promise<PastCatalog> {
    const { visible, catalog } = this.#transactions;
    const changedAt = await this.#changeBefore(at);
    if (changedAt === null) return { catalog: emptyCatalog(), changedAt: timestamp(0) };
    if (changedAt === (await this.#changeBefore(visible))) return { catalog, changedAt };
    return { catalog: await this.#load(changedAt, at), changedAt };
  }

  async #changeBefore(at: Timestamp): Promise<Timestamp | null> {
    const found = await this.#reader.get(objectsLayout, markerKey, { at, pending: null }, []);
    return found === null ? null : timestamp(found.version);
  }

  /** `at`: no later change lies between. */
  #load(changedAt: Timestamp, at: Timestamp): Promise<CatalogSnapshot> {
    const known = this.#kept.get(changedAt);
    if (known !== undefined) return known;
    const loading = readCatalog(this.#reader, at);
    this.#kept.set(changedAt, loading);
    loading.catch(() => this.#kept.delete(changedAt));
    if (this.#kept.size > catalogsMax) this.#kept.delete(this.#kept.keys().next().value!);
    return loading;
  }
}

/** The catalog as the rows of `alopex.objects` say. */
export async function readCatalog(reader: RowReader, at: Timestamp): Promise<CatalogSnapshot> {
  const rows: (readonly Datum[])[] = [];
  for await (const batch of tableRows(reader, objectsLayout, { at, pending: null })) rows.push(...batch);
  return fromRows(rows);
}
