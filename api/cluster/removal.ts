import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Clock, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { RaftStatus } from '../../log/raft/contract.ts';
import type { ClusterLink } from './cluster-link.ts';

/** Of the nodes' requests to each other: am I a member? */
export const memberRequest = 'member';
const memberMsMax = 1000;
/** Nobody has led for so long: an election would be over. */
const silentMs = 3000;

type MemberAnswer = 'yes' | 'no' | 'unknown';

/** For sure by who leads: others may not know yet who has joined. */
export function answerMember(from: NodeId, isPrimary: boolean, status: RaftStatus | null): Uint8Array {
  const members = status?.membership.members ?? [];
  const isMember = members.some(({ id }) => id === from);
  const answer: MemberAnswer = isPrimary ? (isMember ? 'yes' : 'no') : 'unknown';
  return stringToUtf8(answer);
}

/** Whether a node was taken out of its cluster. Nobody says anything to who is no member: it asks, where nobody leads. */
export class Removal {
  readonly #clock: Clock;
  readonly #cluster: Pick<ClusterLink, 'mesh' | 'members'>;
  #timer: Timer | null = null;
  #isRemoved = false;
  #isClosed = false;

  /** Called once, until somebody leads this node again. */
  onRemoved: () => void = () => {};

  constructor(clock: Clock, cluster: Pick<ClusterLink, 'mesh' | 'members'>) {
    this.#clock = clock;
    this.#cluster = cluster;
    this.#askLater();
  }

  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  onStatus({ leader }: RaftStatus): void {
    if (leader === null) {
      this.#askLater();
      return;
    }
    this.#isRemoved = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #askLater(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#clock.setTimer(silentMs, () => {
      void this.#ask().then((isRemoved) => {
        if (this.#timer === null || this.#isClosed) return;
        this.#timer = null;
        if (isRemoved && !this.#isRemoved) {
          this.#isRemoved = true;
          this.onRemoved();
        }
        this.#askLater();
      });
    });
  }

  async #ask(): Promise<boolean> {
    const { mesh, members } = this.#cluster;
    const answers = await Promise.allSettled(
      members.map(({ id }) => mesh.request(id, memberRequest, new Uint8Array(0), memberMsMax)),
    );
    return answers.some((each) => each.status === 'fulfilled' && utf8ToString(each.value) === 'no');
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}

export function removedError(): AlopexError {
  return new AlopexError('object_not_in_prerequisite_state', 'this node was removed from the cluster', {
    hint: 'Start it with another data directory to let it join again: alopex-server --mode replica --primary <host:port>',
  });
}
