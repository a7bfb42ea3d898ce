import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { unreachable } from '../../base/unreachable.ts';
import { membersMax } from '../record/membership.ts';
import type { ForcedPromotion, Member, Membership, MembershipChange } from './contract.ts';
import { memberOf, replicasOf } from './memberships.ts';

/** What the leader knows of the others, and of itself. */
type Followers = {
  readonly isCaughtUp: (id: NodeId) => boolean;
  /** Within an election timeout. */
  readonly isHeard: (id: NodeId) => boolean;
};

/**
 * The membership that follows from a change (§4.3): joint where it changes who votes, so that at no time two majorities
 * decide without each other. Throws what the operator is to hear.
 */
export function changedMembership(
  current: Membership,
  change: MembershipChange,
  { isCaughtUp, isHeard }: Followers,
): Membership {
  const members = changedMembers(current, change, isCaughtUp);
  if (members.length > membersMax)
    throw new AlopexError('configuration_limit_exceeded', `a range has at most ${membersMax} members`);
  if (!members.some(({ role }) => role === 'voter'))
    throw new AlopexError('object_not_in_prerequisite_state', 'the last voter of a range stays');
  const voters = members.filter(isVoting);
  if (voters.filter(({ id }) => isHeard(id)).length <= voters.length / 2) {
    throw new AlopexError(
      'object_not_in_prerequisite_state',
      'no majority of the voters that would be left is heard of',
      {
        hint: 'Remove, or replace, those that are gone first.',
      },
    );
  }
  const isSame = votersOf(current.members).join() === votersOf(members).join();
  return { members, outgoing: isSame ? [] : current.members.filter(isVoting), forced: current.forced };
}

/** The second step (§4.3). */
export function finalMembership({ members, forced }: Membership): Membership {
  return { members, outgoing: [], forced };
}

/** Nobody but `self` has a vote. Who comes back is a learner, and becomes a voter as one that has just joined. */
export function forcedMembership(current: Membership, promotion: ForcedPromotion): Membership {
  const members = replicasOf(current).map(
    (member): Member => ({ ...member, role: member.id === promotion.node ? 'voter' : 'learner' }),
  );
  return { members, outgoing: [], forced: [...current.forced, promotion] };
}

function changedMembers(
  membership: Membership,
  change: MembershipChange,
  isCaughtUp: (id: NodeId) => boolean,
): readonly Member[] {
  const { members } = membership;
  switch (change.kind) {
    case 'add': {
      const { member } = change;
      mustBeNew(members, member.id);
      if (member.role === 'voter') throw notCaughtUp(member.id);
      return [...members, member];
    }
    case 'change': {
      const { member } = change;
      const before = mustBeMember(membership, member.id);
      const becomesVoter = before.role === 'learner' && member.role !== 'learner';
      if (becomesVoter && !isCaughtUp(member.id)) throw notCaughtUp(member.id);
      return members.map((other) => (other.id === member.id ? member : other));
    }
    case 'remove':
      mustBeMember(membership, change.id);
      return members.filter(({ id }) => id !== change.id);
    case 'replace': {
      const { id, member } = change;
      mustBeMember(membership, id);
      const isHere = memberOf(membership, member.id) !== null;
      if (isHere && member.role !== 'learner' && !isCaughtUp(member.id)) throw notCaughtUp(member.id);
      const others = members.filter((other) => other.id !== member.id);
      return others.map((other) => (other.id === id ? member : other));
    }
    default:
      return unreachable(change);
  }
}

function mustBeNew(members: readonly Member[], id: NodeId): void {
  if (members.some((member) => member.id === id))
    throw new AlopexError('duplicate_object', `node ${id} is already a member of the range`);
}

function mustBeMember(membership: Membership, id: NodeId): Member {
  const member = memberOf(membership, id);
  if (member === null) throw new AlopexError('undefined_object', `node ${id} is not a member of the range`);
  return member;
}

function notCaughtUp(id: NodeId): AlopexError {
  return new AlopexError('object_not_in_prerequisite_state', `node ${id} has not caught up with the log`, {
    hint: 'A new member begins as a learner, and becomes a voter once it has caught up.',
  });
}

function isVoting({ role }: Member): boolean {
  return role !== 'learner';
}

function votersOf(members: readonly Member[]): readonly NodeId[] {
  return members
    .filter(isVoting)
    .map(({ id }) => id)
    .sort((a, b) => a - b);
}
