import { decodeFramedJson, encodeFramedJson, type FramedFormat } from '../../base/bytes/framed-json.ts';
import type { Disk } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import { type Epoch, epoch, type Offset, offset, type RangeId } from '../../base/ids.ts';
import { firstHardState, type Generation, type HardState, type Membership } from '../raft/contract.ts';
import { generationOf } from '../raft/memberships.ts';

/** A change of membership in a log: valid where that log has this epoch at this place. */
export type MembershipRecord = {
  readonly endOffset: Offset;
  readonly epoch: Epoch;
  readonly membership: Membership;
};

/** What the consensus of one range has on disk besides its log. */
export type GroupState = {
  readonly hardState: HardState;
  /** In the order of the log. Each is written before the log has it; the first is that of the log's start. */
  readonly memberships: readonly MembershipRecord[];
  /** Places where the log began, and the epoch of the batch before each; the last two, for one may not have come to be. */
  readonly starts: readonly { readonly offset: Offset; readonly epoch: Epoch }[];
  /** Everything below is committed, where the log has this epoch before it; null: nothing is known. */
  readonly committed: { readonly endOffset: Offset; readonly epoch: Epoch } | null;
};

export const firstState: GroupState = {
  hardState: firstHardState,
  memberships: [],
  starts: [{ offset: offset(0), epoch: epoch(0) }],
  committed: null,
};

/** Of which a node's log is. */
export function generationIn({ hardState, memberships }: GroupState): Generation {
  const last = memberships.at(-1);
  const { generation } = hardState;
  const ofLog = last === undefined ? generation : generationOf(last.membership);
  return ofLog.count > generation.count ? ofLog : generation;
}

const format: FramedFormat = { magic: 'ALOPEXRS', version: 1, what: 'file of votes' };
const name = 'votes';

/**
 * The states of all ranges of a node, in one checksummed file: the votes of a thousand ranges after a power cut are one
 * write. Saves that arrive while one is under way share the next.
 */
export class GroupStates {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #states: Map<RangeId, GroupState>;
  #writing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  private constructor(disk: Disk, directory: string, states: Map<RangeId, GroupState>) {
    this.#disk = disk;
    this.#directory = directory;
    this.#states = states;
  }

  /** Makes the directory where it is missing. Throws data_corrupted with the file's name. */
  static async open(disk: Disk, directory: string): Promise<GroupStates> {
    await disk.makeDirectory(directory);
    const path = `${directory}/${name}`;
    const bytes = await readWhole(disk, path);
    const entries = bytes === null ? [] : (decodeFramedJson(format, bytes, path) as [RangeId, GroupState][]);
    const states = entries.map(([id, state]) => [id, { ...firstState, ...state }] as const);
    return new GroupStates(disk, directory, new Map(states));
  }

  get(range: RangeId): GroupState | null {
    return this.#states.get(range) ?? null;
  }

  /** Resolves when it is durable. */
  save(range: RangeId, state: GroupState): Promise<void> {
    this.#states.set(range, state);
    if (this.#writing === null) return this.#write();
    this.#next ??= this.#writing.then(
      () => this.#write(),
      () => this.#write(),
    );
    return this.#next;
  }

  #write(): Promise<void> {
    this.#next = null;
    const bytes = encodeFramedJson(format, [...this.#states]);
    const written = replaceWhole(this.#disk, `${this.#directory}/${name}`, bytes).finally(() => {
      if (this.#writing === written) this.#writing = null;
    });
    this.#writing = written;
    return written;
  }
}
