import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { Barriers } from './barriers.ts';
import { LockTable, lockOwner } from './locks.ts';

describe('Barriers', () => {
  it('waits for those who hold the lock now, and not for who comes later', async () => {
    const locks = new LockTable();
    const barriers = new Barriers();
    const [waiter, first, second, reader, later] = [1, 2, 3, 4, 5].map(lockOwner);
    locks.acquire(first!, 't', 'row exclusive');
    locks.acquire(second!, 't', 'row exclusive');
    locks.acquire(reader!, 't', 'access share');
    const holders = locks.holders(waiter!, 't', 'table share');
    expect(holders).to.have.members([first, second]);
    let isOver = false;
    const waiting = barriers.wait(waiter!, holders).then(() => {
      isOver = true;
    });
    expect(locks.acquire(later!, 't', 'row exclusive')).to.equal(null);
    barriers.onEnd(first!);
    await Promise.resolve();
    expect(isOver).to.equal(false);
    barriers.onEnd(second!);
    await waiting;
    expect(isOver).to.equal(true);
  });

  it('has nobody to wait for where nobody holds it in the way', () => {
    const locks = new LockTable();
    const [waiter, reader] = [1, 2].map(lockOwner);
    locks.acquire(reader!, 't', 'access share');
    locks.acquire(waiter!, 't', 'row exclusive');
    expect(locks.holders(waiter!, 't', 'table share')).to.deep.equal([]);
    expect(locks.holders(waiter!, 'u', 'table share')).to.deep.equal([]);
  });

  it('ends a wait with the error of who cancels it', async () => {
    const barriers = new Barriers();
    const [waiter, other] = [1, 2].map(lockOwner);
    const waiting = barriers.wait(waiter!, [other!]);
    barriers.cancel(waiter!, new AlopexError('query_canceled', 'canceling'));
    try {
      await waiting;
      expect.fail('it was cancelled');
    } catch (error) {
      expect((error as AlopexError).condition).to.equal('query_canceled');
    }
    barriers.onEnd(other!);
  });
});
