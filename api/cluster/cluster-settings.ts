import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { wellKnown } from '../../query/catalog/well-known.ts';
import { changeCatalog } from '../../query/txn/catalog-changes.ts';
import type { Engine } from '../database/engine.ts';
import type { ReplicationMode } from '../database/replication.ts';

/** What all nodes of a cluster know of it besides its membership: a row of the catalog, so it is in the log as all else. */
export type ClusterSettings = {
  readonly cluster: string;
  /** The id of the next node that joins; none is given twice. */
  readonly nextNode: number;
  /** Of sessions that ask for none. */
  readonly mode: ReplicationMode;
  /** Replicas become voters once they have caught up. */
  readonly promotes: boolean;
  /** So many of them, and who takes another one's place; null: all. */
  readonly votingReplicasMax: number | null;
  /** Nodes that have joined as witnesses. */
  readonly witnesses: readonly NodeId[];
  /** Nodes that have joined in the place of others, whose disks are gone. */
  readonly replaces: readonly { readonly node: NodeId; readonly old: NodeId }[];
  /** Tokens that let a node join from another machine: SHA-256 in hexadecimal, and when it expires. Each is used once. */
  readonly tokens: readonly { readonly hash: string; readonly expiresMs: number }[];
};

const name = 'alopex.cluster';

/** Each transaction asks for the mode: its row is read once. */
const known = new WeakMap<object, ClusterSettings>();

/** Null: the database was never replicated. */
export function clusterSettings(catalog: CatalogSnapshot): ClusterSettings | null {
  const object = catalog.byId(wellKnown.clusterSetting);
  if (object?.kind !== 'setting') return null;
  let settings = known.get(object);
  if (settings === undefined) {
    settings = JSON.parse(object.value) as ClusterSettings;
    known.set(object, settings);
  }
  return settings;
}

/** One change at a time, with the catalog's lock. Resolves when it is committed. `change` may throw. */
export async function changeClusterSettings(
  { transactions }: Pick<Engine, 'transactions'>,
  change: (settings: ClusterSettings | null) => ClusterSettings,
): Promise<ClusterSettings> {
  if (!transactions.isLeading)
    throw new AlopexError('read_only_sql_transaction', 'this node is not the primary');
  const transaction = transactions.begin('read committed', false);
  try {
    await transactions.lockCatalog(transaction);
    const settings = change(clusterSettings(transactions.catalogOf(transaction)));
    const id = wellKnown.clusterSetting;
    changeCatalog(transaction, [
      { kind: 'put', object: { kind: 'setting', id, name, value: JSON.stringify(settings) } },
    ]);
    await transactions.commit(transaction);
    return settings;
  } catch (error) {
    transactions.rollback(transaction);
    throw error;
  }
}
