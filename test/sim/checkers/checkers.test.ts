import { expect } from 'chai';
import { checkAcknowledged, type MarkedTransaction } from './acknowledged.ts';
import type { Anomaly } from './anomaly.ts';
import { checkBank } from './bank.ts';
import { CommittedBatches } from './committed.ts';
import { type Copies, checkCopies } from './copies.ts';
import { checkElections, type ElectionEvent } from './elections.ts';
import { checkLogs, type LogBatch, type NodeLog } from './logs.ts';
import { checkRows } from './rows.ts';
import { checkTails } from './tails.ts';
import { checkFreshReads, checkOwnReads } from './visibility.ts';

const kindsOf = (anomalies: readonly Anomaly[]) => anomalies.map(({ kind }) => kind);

describe('checker: bank', () => {
  const read = (...balances: readonly number[]) => ({ at: 'one', balances: new Map(balances.entries()) });

  it('allows snapshots that add up', () => {
    expect(checkBank([read(5, 5), read(0, 10)], 2, 10)).to.deep.equal([]);
  });

  it('refuses a wrong total, a missing account and a debt', () => {
    const anomalies = checkBank([read(5, 6), read(10), read(-1, 11)], 2, 10);
    expect(anomalies.map(({ description }) => description)).to.deep.equal([
      'one: a total of 11, not 10 (0: 5, 1: 6)',
      'one: 1 accounts of 2 (0: 10)',
      'one: a balance below 0 (0: -1, 1: 11)',
    ]);
  });
});

describe('checker: acknowledged', () => {
  const transaction = (
    id: string,
    outcome: MarkedTransaction['outcome'],
    mode: MarkedTransaction['mode'],
    called: number,
    primary = 'n1, epoch 1',
  ): MarkedTransaction => ({ id, outcome, mode, primary, called, answered: called + 1 });
  const found = (
    transactions: readonly MarkedTransaction[],
    ...marks: readonly (readonly [string, number])[]
  ) => kindsOf(checkAcknowledged(transactions, new Map(marks)));

  it('allows what is there, what was refused and is not, and either of what is unknown', () => {
    const transactions = [
      transaction('a', 'acknowledged', 'sync', 1),
      transaction('b', 'refused', 'sync', 2),
      transaction('c', 'unknown', 'sync', 3),
      transaction('d', 'unknown', 'sync', 4),
    ];
    expect(found(transactions, ['a', 1], ['d', 1])).to.deep.equal([]);
  });

  it('refuses a loss, a second application, what was refused, and what nobody wrote', () => {
    for (const mode of ['sync', 'semi-sync'] as const) {
      expect(found([transaction('a', 'acknowledged', mode, 1)])).to.deep.equal(['lost']);
    }
    expect(found([transaction('a', 'unknown', 'async', 1)], ['a', 2])).to.deep.equal(['applied twice']);
    expect(found([transaction('a', 'refused', 'async', 1)], ['a', 1])).to.deep.equal(['refused and there']);
    expect(found([], ['a', 1])).to.deep.equal(['from nowhere']);
  });

  it('allows async to lose the end of what a primary took, and nothing before it', () => {
    const transactions = [
      transaction('a', 'acknowledged', 'async', 1),
      transaction('b', 'acknowledged', 'async', 3),
      transaction('c', 'acknowledged', 'async', 5),
      transaction('d', 'acknowledged', 'async', 9, 'n2, epoch 2'),
    ];
    expect(found(transactions, ['a', 1], ['d', 1])).to.deep.equal([]);
    expect(found(transactions, ['a', 1], ['c', 1], ['d', 1])).to.deep.equal(['lost from the middle']);
  });
});

describe('checker: logs', () => {
  const batch = (baseOffset: number, epoch: number, checksum = 10 * baseOffset + epoch): LogBatch => ({
    baseOffset,
    endOffset: baseOffset + 1,
    epoch,
    checksum,
  });
  const log = (node: string, highWatermark: number, ...batches: readonly LogBatch[]): NodeLog => ({
    node,
    highWatermark,
    batches,
  });
  const long = [batch(0, 1), batch(1, 1), batch(2, 2)];

  it('allows logs that are equal below the high watermark and diverge by epochs above it', () => {
    const logs = [
      log('a', 3, ...long, batch(3, 2), batch(4, 2)),
      log('b', 3, ...long.slice(1), batch(3, 3)),
      log('c', 1, ...long.slice(0, 2)),
    ];
    expect(checkLogs(logs)).to.deep.equal([]);
  });

  const refused: Readonly<Record<string, readonly [string, readonly NodeLog[]]>> = {
    'other bytes that are committed': [
      'committed logs differ',
      [log('a', 2, ...long), log('b', 2, batch(0, 1), batch(1, 1, 99))],
    ],
    'another cut of batches': [
      'committed logs differ',
      [log('a', 3, ...long), log('b', 3, { ...batch(0, 1), endOffset: 2 }, batch(2, 2))],
    ],
    'a committed batch that one has not': [
      'committed and not there',
      [log('a', 3, ...long), log('b', 3, ...long.slice(0, 2))],
    ],
    'two batches of one epoch at one place': [
      'log matching',
      [log('a', 0, ...long), log('b', 0, batch(0, 1, 7))],
    ],
    'a difference before what is equal': [
      'log matching',
      [
        log('a', 0, batch(0, 1), batch(1, 2), batch(2, 3)),
        log('b', 0, batch(0, 1), batch(1, 1), batch(2, 3)),
      ],
    ],
    'a gap': ['gap', [log('a', 0, batch(0, 1), batch(2, 1))]],
    'an epoch that goes back': ['epoch goes back', [log('a', 0, batch(0, 2), batch(1, 1))]],
  };
  for (const [name, [kind, logs]] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      expect(kindsOf(checkLogs(logs))).to.include(kind);
      expect(kindsOf(checkLogs(logs.toReversed()))).to.include(kind);
    });
  }
});

describe('checker: rows', () => {
  const rows = (node: string, ...entries: readonly (readonly [string, string])[]) => ({
    node,
    rows: new Map(entries),
  });

  it('allows equal rows, in any order', () => {
    const nodes = [rows('a', ['t/1', 'x'], ['t/2', 'y']), rows('b', ['t/2', 'y'], ['t/1', 'x'])];
    expect(checkRows('at 7', nodes)).to.deep.equal([]);
  });

  it('refuses a row that differs, one that is missing and one too many, and names them', () => {
    const nodes = [rows('a', ['t/1', 'x'], ['t/2', 'y']), rows('b', ['t/1', 'z'], ['t/3', 'y'])];
    expect(checkRows('at 7', nodes)[0]?.description).to.equal(
      'at 7: 3 rows of a and b: t/1: "x" and "z"; t/2: "y" and ""; t/3: "" and "y"',
    );
  });
});

describe('checker: tails', () => {
  const committed = [1, 2, 4].map((offset) => ({ offset, text: `c${offset}` }));
  const tail = (from: number, to: number, ...offsets: readonly number[]) => ({
    name: 'tail',
    from,
    to,
    changes: offsets.map((offset) => ({ offset, text: `c${offset}` })),
  });

  it('allows every change once, in order, of the span that was asked for', () => {
    expect(checkTails([tail(0, 5, 1, 2, 4), tail(2, 4, 2), tail(5, 9)], committed)).to.deep.equal([]);
  });

  it('refuses a change that is missing, told twice, out of order, or not committed', () => {
    for (const offsets of [
      [1, 4],
      [1, 2, 2, 4],
      [2, 1, 4],
      [1, 2, 3, 4],
      [1, 2],
    ]) {
      expect(kindsOf(checkTails([tail(0, 5, ...offsets)], committed)), `${offsets}`).to.deep.equal(['tail']);
    }
  });
});

describe('checker: elections', () => {
  const leader = (
    node: string,
    epoch: number,
    endOffset: number,
    ...starts: readonly number[]
  ): ElectionEvent => ({
    kind: 'leader',
    node,
    epoch,
    hasLease: false,
    log: {
      endOffset,
      flushedOffset: endOffset,
      epochs: starts.map((startOffset, index) => ({ epoch: index + 1, startOffset })),
    },
  });
  const committed = (offset: number, epoch: number): ElectionEvent => ({
    kind: 'committed',
    node: 'a',
    offset,
    epoch,
  });

  it('allows a leader for each epoch, with all that is committed', () => {
    const events = [
      leader('a', 1, 0),
      committed(5, 1),
      leader('b', 2, 5, 0),
      leader('b', 2, 7, 0, 5),
      committed(7, 2),
      // Of an epoch that is over.
      leader('a', 1, 5, 0),
      leader('c', 3, 9, 0, 5),
      // Its log begins at a snapshot.
      {
        kind: 'leader',
        node: 'd',
        epoch: 4,
        hasLease: true,
        log: { endOffset: 9, flushedOffset: 9, epochs: [{ epoch: 3, startOffset: 8 }] },
      },
      // Its disk does not have all that it got.
      {
        kind: 'leader',
        node: 'e',
        epoch: 5,
        hasLease: true,
        log: { endOffset: 9, flushedOffset: 6, epochs: [{ epoch: 1, startOffset: 0 }] },
      },
    ] as const;
    expect(checkElections(events)).to.deep.equal([]);
  });

  it('refuses an epoch that goes back, and an earlier epoch that is committed by counting', () => {
    const epoch = (member: number, epoch: number): ElectionEvent => ({ kind: 'epoch', member, epoch });
    expect(checkElections([epoch(1, 2), epoch(2, 1), epoch(1, 2), epoch(1, 3)])).to.deep.equal([]);
    expect(kindsOf(checkElections([epoch(1, 2), epoch(1, 1)]))).to.deep.equal(['epoch forgotten']);
    const lead = (offset: number, of: number) => [committed(offset, of), leader('a', 3, 9, 0)];
    expect(checkElections([...lead(5, 1), ...lead(5, 1)])).to.deep.equal([]);
    expect(kindsOf(checkElections([...lead(5, 1), ...lead(6, 1)]))).to.deep.equal(['committed by counting']);
  });

  it('refuses a lease that outlives its epoch', () => {
    const leased = (node: string, epoch: number): ElectionEvent => {
      const event = leader(node, epoch, 9, 0);
      return event.kind === 'leader' ? { ...event, hasLease: true } : event;
    };
    expect(
      checkElections([leased('a', 1), leader('b', 2, 9, 0), leader('a', 1, 9, 0), leased('b', 2)]),
    ).to.deep.equal([]);
    expect(kindsOf(checkElections([leased('a', 1), leader('b', 2, 9, 0), leased('a', 1)]))).to.deep.equal([
      'stale lease',
    ]);
  });

  it('refuses two leaders of one epoch, a short log, and another epoch at a committed place', () => {
    expect(kindsOf(checkElections([leader('a', 1, 0), leader('b', 1, 0)]))).to.deep.equal(['two leaders']);
    expect(kindsOf(checkElections([committed(5, 1), leader('b', 2, 4, 0)]))).to.deep.equal([
      'incomplete leader',
    ]);
    expect(kindsOf(checkElections([committed(5, 2), leader('b', 3, 9, 0)]))).to.deep.equal([
      'incomplete leader',
    ]);
  });
});

describe('checker: copies', () => {
  const copies = (mode: Copies['mode'], having: number, changed: Partial<Copies> = {}): Copies => {
    return { id: 'x', mode, voters: 3, having, unknown: 0, inSyncWithout: [], isHere: true, ...changed };
  };

  it('allows what each mode promises, and what nobody can say', () => {
    const allowed = [
      copies('async', 1),
      copies('semi-sync', 2, { inSyncWithout: ['node 3'] }),
      copies('semi-sync', 1, { unknown: 1 }),
      copies('sync', 2),
    ];
    expect(checkCopies(allowed)).to.deep.equal([]);
  });

  it('refuses less than a quorum, a replica in sync without it, and an empty disk', () => {
    for (const refused of [
      copies('semi-sync', 1),
      copies('semi-sync', 2, { voters: 4 }),
      copies('sync', 2, { inSyncWithout: ['node 3'] }),
      copies('async', 2, { isHere: false }),
    ]) {
      expect(kindsOf(checkCopies([refused]))).to.deep.equal(['too few copies']);
    }
  });
});

describe('checker: visibility', () => {
  it('refuses a session that does not see what it wrote', () => {
    const seen = { id: 'x', at: 'a', isSeen: true };
    expect(checkOwnReads([seen])).to.deep.equal([]);
    expect(kindsOf(checkOwnReads([seen, { ...seen, isSeen: false }]))).to.deep.equal(['own write not seen']);
  });

  it('refuses an answer that is older than was allowed', () => {
    const answeredMs = new Map([
      ['x', 1000],
      ['y', 1600],
    ]);
    const read = { at: 'a', calledMs: 1700, stalenessMsMax: 500, seen: new Set(['x']) };
    expect(checkFreshReads([read], answeredMs)).to.deep.equal([]);
    expect(kindsOf(checkFreshReads([{ ...read, seen: new Set<string>() }], answeredMs))).to.deep.equal([
      'stale',
    ]);
  });
});

describe('checker: committed batches', () => {
  const batch = (epoch: number, checksum: number): LogBatch => {
    return { baseOffset: 5, endOffset: 7, epoch, checksum };
  };

  it('refuses other bytes where something was committed', () => {
    const batches = new CommittedBatches();
    batches.add('a', batch(1, 1));
    batches.add('b', batch(1, 1));
    expect(batches.anomalies).to.deep.equal([]);
    batches.add('b', batch(1, 2));
    batches.add('c', batch(2, 1));
    expect(kindsOf(batches.anomalies)).to.deep.equal(['committed logs differ', 'committed logs differ']);
  });
});
