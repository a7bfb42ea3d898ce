import { expect } from 'chai';
import { type Circumstances, placeOf, type Work } from './decide.ts';

const onPrimary: Circumstances = {
  isPrimary: true,
  isPrimarys: false,
  isInBlock: false,
  hasWritten: false,
  isolation: 'read committed',
  isReadOnly: false,
  readFrom: 'nearest',
  forwardsWrites: true,
  isStale: false,
};
const onReplica: Circumstances = { ...onPrimary, isPrimary: false };

describe('placeOf', () => {
  for (const [situation, work, now, place] of [
    ['primary_read', 'read', onPrimary, 'here'],
    ['former_primary_read', 'read', { ...onReplica, isPrimarys: true }, 'primary'],
    ['primary_write', 'write', onPrimary, 'here'],
    ['primary_read_of_replicas', 'read', { ...onPrimary, readFrom: 'replica' }, 'replica'],
    ['primary_write_of_replicas', 'write', { ...onPrimary, readFrom: 'replica' }, 'here'],
    ['primary_own_of_replicas', 'own', { ...onPrimary, readFrom: 'replica' }, 'here'],
    ['primary_read_in_block', 'read', { ...onPrimary, readFrom: 'replica', isInBlock: true }, 'here'],
    [
      'primary_read_in_block_read_only',
      'read',
      { ...onPrimary, readFrom: 'replica', isInBlock: true, isReadOnly: true },
      'replica',
    ],
    ['primary_read_after_write', 'read', { ...onPrimary, readFrom: 'replica', hasWritten: true }, 'here'],
    ['replica_read', 'read', onReplica, 'here'],
    ['replica_read_of_replicas', 'read', { ...onReplica, readFrom: 'replica' }, 'here'],
    ['replica_read_of_primary', 'read', { ...onReplica, readFrom: 'primary' }, 'primary'],
    ['replica_read_stale', 'read', { ...onReplica, isStale: true }, 'primary'],
    ['replica_write', 'write', onReplica, 'primary'],
    ['replica_write_refused', 'write', { ...onReplica, forwardsWrites: false }, 'here'],
    ['replica_write_read_only', 'write', { ...onReplica, isReadOnly: true }, 'here'],
    ['replica_own', 'own', { ...onReplica, readFrom: 'primary' }, 'here'],
    ['replica_read_in_block', 'read', { ...onReplica, isInBlock: true }, 'here'],
    [
      'replica_read_in_serializable_block',
      'read',
      { ...onReplica, isInBlock: true, isolation: 'serializable' },
      'primary',
    ],
    [
      'replica_read_in_serializable_read_only_block',
      'read',
      { ...onReplica, isInBlock: true, isolation: 'serializable', isReadOnly: true },
      'here',
    ],
  ] as const satisfies readonly (readonly [string, Work, Circumstances, string])[]) {
    it(`${situation}_${place}`, () => {
      expect(placeOf(work, now)).to.equal(place);
    });
  }
});
