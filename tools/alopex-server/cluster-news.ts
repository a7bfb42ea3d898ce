import type { Logger } from 'pino';
import type { NodeId } from '../../base/ids.ts';
import type { Trust } from '../../log/mesh/trust.ts';
import type { Member, RaftStatus } from '../../log/raft/contract.ts';

/** Tells the log of a server, at level info, what happens in its cluster: who leads, joins, votes and leaves. */
export class ClusterNews {
  readonly #log: Pick<Logger, 'info'>;
  #leader: NodeId | null = null;
  #isPrimary = false;
  /** None: nothing was said yet. */
  #members: readonly Member[] = [];
  #trustVersion: number | null = null;

  constructor(log: Pick<Logger, 'info'>) {
    this.#log = log;
  }

  onStatus({ leader, epoch, membership }: RaftStatus, self: NodeId | null, isPrimary: boolean): void {
    this.#tellMembers(membership.members);
    if (isPrimary !== this.#isPrimary) {
      const text = isPrimary ? 'this node is the primary' : 'this node is not the primary any more';
      this.#log.info({ epoch }, text);
    }
    this.#isPrimary = isPrimary;
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader === null) this.#log.info({ epoch }, 'no node is known to lead');
    else if (leader !== self) this.#log.info({ epoch, node: leader }, `node ${leader} leads`);
  }

  /** The first is what the node has believed before. */
  onTrust({ version, authorities, revoked }: Trust): void {
    const before = this.#trustVersion;
    this.#trustVersion = version;
    if (before === null || before === version) return;
    this.#log.info(
      { version, authorities: authorities.length, revoked },
      'the authority of the cluster, or what it has revoked, has changed',
    );
  }

  #tellMembers(members: readonly Member[]): void {
    const before = this.#members;
    if (members === before) return;
    this.#members = members;
    if (before.length === 0) return;
    for (const { id, role, mesh, client } of members) {
      const was = before.find((each) => each.id === id);
      if (was === undefined) this.#log.info({ node: id, role, mesh, client }, `node ${id} has joined`);
      else if (was.role !== role) this.#log.info({ node: id, role }, `node ${id} is a ${role} now`);
      else if (was.mesh !== mesh || was.client !== client)
        this.#log.info({ node: id, mesh, client }, `node ${id} has moved`);
    }
    for (const { id } of before)
      if (!members.some((each) => each.id === id)) this.#log.info({ node: id }, `node ${id} was removed`);
  }
}
