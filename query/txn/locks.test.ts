import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import {
  type LockMode,
  type LockOwner,
  LockTable,
  lockOwner,
  locksBeforeEscalation,
  type RowLockMode,
} from './locks.ts';

async function outcome(wait: Promise<void> | null): Promise<string> {
  if (wait === null) return 'granted';
  try {
    await wait;
    return 'waited';
  } catch (error) {
    return (error as AlopexError).code;
  }
}

describe('LockTable', () => {
  it('gives a transaction with very many locks the whole table, if nobody else writes to it', () => {
    const table = new LockTable();
    const [a, b] = [lockOwner(1), lockOwner(2)];
    table.acquire(a, 'table', 'row exclusive');
    table.acquire(b, 'table', 'row exclusive');
    expect(table.ownsTable(a, 'table')).to.equal(false);
    for (let row = 0; row < locksBeforeEscalation; row++) table.acquire(a, `row ${row}`, 'update');
    expect(table.ownsTable(a, 'table')).to.equal(false);
    table.release(b);
    expect(table.ownsTable(a, 'another table')).to.equal(false);
    expect(table.ownsTable(a, 'table')).to.equal(true);
    expect(() => table.acquire(b, 'table', 'row exclusive', true)).to.throw('could not obtain lock');
    expect(table.acquire(b, 'table', 'access share')).to.equal(null);
    table.release(a);
    expect(table.acquire(b, 'table', 'row exclusive')).to.equal(null);
  });

  it('gives nothing to an owner that has ended', () => {
    const table = new LockTable();
    const [a, b] = [lockOwner(1), lockOwner(2)];
    table.acquire(a, 'row', 'update');
    table.end(a);
    expect(() => table.acquire(a, 'row', 'update')).to.throw('its transaction has ended');
    expect(() => table.acquire(a, 'other', 'share')).to.throw('its transaction has ended');
    expect(table.size).to.equal(0);
    expect(table.acquire(b, 'row', 'update')).to.equal(null);
  });

  it('lets shared modes stand together and makes an update wait for all of them', async () => {
    const table = new LockTable();
    const [a, b, c] = [lockOwner(1), lockOwner(2), lockOwner(3)];
    expect(table.acquire(a, 'row', 'share')).to.equal(null);
    expect(table.acquire(b, 'row', 'share')).to.equal(null);
    const update = outcome(table.acquire(c, 'row', 'update'));
    table.release(a);
    expect(c.waiting).to.not.equal(null);
    table.release(b);
    expect(await update).to.equal('waited');
    table.release(c);
    expect(table.size).to.equal(0);
  });

  it('serves waiters in order, and lets nobody overtake a conflicting one', async () => {
    const table = new LockTable();
    const [a, b, c] = [lockOwner(1), lockOwner(2), lockOwner(3)];
    table.acquire(a, 'row', 'share');
    const update = outcome(table.acquire(b, 'row', 'update'));
    const share = outcome(table.acquire(c, 'row', 'share'));
    table.release(a);
    expect(await update).to.equal('waited');
    expect(c.waiting).to.not.equal(null);
    table.release(b);
    expect(await share).to.equal('waited');
  });

  it('refuses the wait that closes a cycle, and only that one', async () => {
    const table = new LockTable();
    const [a, b, c] = [lockOwner(1), lockOwner(2), lockOwner(3)];
    table.acquire(a, 'x', 'update');
    table.acquire(b, 'y', 'update');
    table.acquire(c, 'z', 'update');
    const aWaits = outcome(table.acquire(a, 'y', 'update'));
    const bWaits = outcome(table.acquire(b, 'z', 'update'));
    expect(await outcome(table.acquire(c, 'x', 'update'))).to.equal('40P01');
    table.release(c);
    expect(await bWaits).to.equal('waited');
    table.release(b);
    expect(await aWaits).to.equal('waited');
  });

  it('finds the deadlock of two upgrades', async () => {
    const table = new LockTable();
    const [a, b] = [lockOwner(1), lockOwner(2)];
    table.acquire(a, 'row', 'share');
    table.acquire(b, 'row', 'share');
    const upgrade = outcome(table.acquire(a, 'row', 'update'));
    expect(await outcome(table.acquire(b, 'row', 'update'))).to.equal('40P01');
    table.release(b);
    expect(await upgrade).to.equal('waited');
  });

  it('releases what a savepoint acquired and keeps what was held before', async () => {
    const table = new LockTable();
    const [a, b] = [lockOwner(1), lockOwner(2)];
    table.acquire(a, 'x', 'share');
    const savepoint = a.held;
    table.acquire(a, 'x', 'update');
    table.acquire(a, 'y', 'update');
    table.release(a, savepoint);
    expect(await outcome(table.acquire(b, 'y', 'update'))).to.equal('granted');
    expect(await outcome(table.acquire(b, 'x', 'share'))).to.equal('granted');
    expect(() => table.acquire(b, 'x', 'update', true))
      .to.throw(AlopexError)
      .with.property('code', '55P03');
  });

  it('ends a wait with the error it is given and serves those behind', async () => {
    const table = new LockTable();
    const [a, b, c] = [lockOwner(1), lockOwner(2), lockOwner(3)];
    table.acquire(a, 'row', 'share');
    const update = outcome(table.acquire(b, 'row', 'update'));
    const share = outcome(table.acquire(c, 'row', 'share'));
    table.cancelWait(b, new AlopexError('query_canceled', 'canceling statement due to user request'));
    expect(await update).to.equal('57014');
    expect(await share).to.equal('waited');
  });

  it('never grants conflicting modes, and strands nobody, under random use', async () => {
    const modes: RowLockMode[] = ['key share', 'share', 'no key update', 'update'];
    const step = fc.record({
      owner: fc.nat(4),
      key: fc.nat(2),
      mode: fc.constantFrom(...modes),
      release: fc.boolean(),
    });
    const allowed = new Set([
      'key share/key share',
      'key share/share',
      'key share/no key update',
      'share/share',
    ]);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const table = new LockTable();
        const owners = Array.from({ length: 5 }, (_, id) => lockOwner(id));
        const held: { owner: LockOwner; key: number; mode: LockMode }[] = [];
        /** Who has not heard yet how its wait ended does nothing else. */
        const deaf = new Set<LockOwner>();
        const check = (): void => {
          for (const one of held) {
            for (const other of held) {
              if (one.owner === other.owner || one.key !== other.key) continue;
              const pair = [one.mode, other.mode].sort(
                (x, y) => modes.indexOf(x as RowLockMode) - modes.indexOf(y as RowLockMode),
              );
              expect(allowed.has(pair.join('/')), pair.join('/')).to.equal(true);
            }
          }
        };
        const releaseAll = (owner: LockOwner): void => {
          for (let index = held.length - 1; index >= 0; index--)
            if (held[index]!.owner === owner) held.splice(index, 1);
          table.release(owner);
        };
        for (const { owner: index, key, mode, release } of steps) {
          const owner = owners[index]!;
          if (deaf.has(owner)) continue;
          if (release) releaseAll(owner);
          else {
            const wait = table.acquire(owner, String(key), mode);
            const granted = (): void => {
              held.push({ owner, key, mode });
              check();
            };
            if (wait === null) granted();
            else {
              deaf.add(owner);
              const heard = wait.then(granted, () => releaseAll(owner));
              void heard.finally(() => deaf.delete(owner));
            }
          }
          await Promise.resolve();
        }
        for (let round = 0; round < 10; round++) {
          for (const owner of owners) if (owner.waiting === null) releaseAll(owner);
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(owners.every((owner) => owner.waiting === null)).to.equal(true);
        expect(table.size).to.equal(0);
      }),
      { numRuns: 1000 },
    );
  });
});
