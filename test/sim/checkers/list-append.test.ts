import { expect } from 'chai';
import fc from 'fast-check';
import { checkListAppend, type Isolation, type ListAction, type ListTransaction } from './list-append.ts';

/** `a: x+1 y=1,2` by words: appends and reads. Times are given, or one after another. */
function transaction(text: string, span: { called: number; answered: number | null }): ListTransaction {
  const [id, ...words] = text.split(' ');
  const outcome = id!.endsWith('!') ? 'aborted' : id!.endsWith('?') ? 'unknown' : 'committed';
  const actions = words.map((word): ListAction => {
    const [key, rest] = [word[0]!, word.slice(2)];
    if (word[1] === '+') return { kind: 'append', key, element: Number(rest) };
    return { kind: 'read', key, elements: rest === '' ? [] : rest.split(',').map(Number) };
  });
  return { id: id!, outcome, actions, ...span, answered: outcome === 'unknown' ? null : span.answered };
}

/** All of them at once. */
function together(final: string, ...texts: readonly string[]) {
  return {
    transactions: texts.map((text) => transaction(text, { called: 0, answered: 100 })),
    final: finalOf(final),
  };
}

function inTurn(final: string, ...texts: readonly string[]) {
  return {
    transactions: texts.map((text, index) =>
      transaction(text, { called: 2 * index, answered: 2 * index + 1 }),
    ),
    final: finalOf(final),
  };
}

function finalOf(text: string): ReadonlyMap<string, readonly number[]> {
  return new Map(
    text.split(' ').map((word) => [word[0]!, word.length === 2 ? [] : word.slice(2).split(',').map(Number)]),
  );
}

const isolations: readonly Isolation[] = ['read committed', 'snapshot isolation', 'serializable'];

function anomaliesAt(history: Parameters<typeof checkListAppend>[0], isolation: Isolation, isStrict = false) {
  return checkListAppend(history, { isolation, isStrict }).map(({ kind }) => kind.split(' ')[0]);
}

/** At each level, in the order of `isolations`. */
function atEveryLevel(history: Parameters<typeof checkListAppend>[0]): readonly (string | undefined)[] {
  return isolations.map((isolation) => anomaliesAt(history, isolation)[0]);
}

describe('checker: list-append', () => {
  it('allows transactions that have an order', () => {
    const history = inTurn('x=1,2 y=3', 'a x+1', 'b x=1 x+2 x=1,2', 'c x=1,2 y= y+3', 'd x=1,2 y=3');
    expect(checkListAppend(history, { isolation: 'serializable', isStrict: true })).to.deep.equal([]);
  });

  const cases: Readonly<
    Record<string, readonly [ReturnType<typeof together>, readonly (string | undefined)[]]>
  > = {
    'G0: two writers in two orders': [together('x=1,2 y=4,3', 'a x+1 y+3', 'b x+2 y+4'), ['G0', 'G0', 'G0']],
    'G1a: a read of what was aborted': [together('x=', 'a! x+1', 'b x=1'), ['G1a', 'G1a', 'G1a']],
    'G1a: what was aborted stays': [together('x=1', 'a! x+1'), ['G1a', 'G1a', 'G1a']],
    'G1b: a read between two writes': [together('x=1,2', 'a x+1 x+2', 'b x=1'), ['G1b', 'G1b', 'G1b']],
    'G1c: each reads the other': [together('x=1 y=2', 'a x+1 y=2', 'b y+2 x=1'), ['G1c', 'G1c', 'G1c']],
    'G-single: a read of half a transaction': [
      together('x=1 y=2', 'a x+1 y+2', 'b x=1 y='),
      [undefined, 'G-single', 'G-single'],
    ],
    'G-single: a lost update': [
      together('x=1,2', 'a x= x+1', 'b x= x+2'),
      [undefined, 'G-single', 'G-single'],
    ],
    'G-nonadjacent: two readers see two writers in two orders': [
      together('x=1 y=2', 'a x+1', 'b y+2', 'c x=1 y=', 'd x= y=2'),
      [undefined, 'G-nonadjacent', 'G-nonadjacent'],
    ],
    'G2: write skew': [together('x=1 y=2', 'a x= y= x+1', 'b x= y= y+2'), [undefined, undefined, 'G2']],
    'internal: its own write is not seen': [
      together('x=1', 'a x+1 x='),
      ['internal', 'internal', 'internal'],
    ],
    'internal: a read does not repeat': [
      together('x=1', 'a x= x=1', 'b x+1'),
      [undefined, 'internal', 'internal'],
    ],
    'a lost append': [together('x=2', 'a x+1', 'b x+2'), ['lost', 'lost', 'lost']],
    'a duplicate': [together('x=1,1', 'a x+1'), ['duplicate', 'duplicate', 'duplicate']],
    'an element from nowhere': [together('x=1,9', 'a x+1'), ['unwritten', 'unwritten', 'unwritten']],
    'a read in another order': [
      together('x=1,2', 'a x+1', 'b x+2', 'c x=2,1'),
      ['incompatible', 'incompatible', 'incompatible'],
    ],
    'unknown, and seen: it happened': [
      together('x=1 y=2', 'a? x+1 y+2', 'b x=1 y='),
      [undefined, 'G-single', 'G-single'],
    ],
    'unknown, and seen, and gone': [together('x=', 'a? x+1', 'b x=1'), ['lost', 'lost', 'lost']],
    'unknown, and seen by itself alone': [
      together('x=', 'a? x+1 x=1', 'b x='),
      [undefined, undefined, undefined],
    ],
    'unknown, and never seen': [together('x=', 'a? x+1', 'b x='), [undefined, undefined, undefined]],
  };
  for (const [name, [history, expected]] of Object.entries(cases)) {
    it(`finds ${name}`, () => expect(atEveryLevel(history)).to.deep.equal(expected));
  }

  it('finds a stale read, where it has to be strict', () => {
    const history = inTurn('x=1', 'a x+1', 'b x=');
    expect(anomaliesAt(history, 'serializable')).to.deep.equal([]);
    const [anomaly] = checkListAppend(history, { isolation: 'serializable', isStrict: true });
    expect(anomaly).to.deep.equal({
      kind: 'G-single (read skew), in real time',
      description: [
        'a cycle of 2 transactions',
        '  b < a: x: the first read [], without 1, which the second appended',
        '  a < b: the second began after the first was answered',
        '  b (committed, 2 to 3): x = []',
        '  a (committed, 0 to 1): x += 1',
      ].join('\n'),
    });
  });

  it('finds a stale read across others that came between', () => {
    const history = inTurn('x=1 y=2,3', 'a x+1', 'b y+2', 'c y+3', 'd x=');
    expect(anomaliesAt(history, 'serializable', true)).to.deep.equal(['G-single']);
  });

  it('allows whatever a database does that runs them one after another, and finds a read that is not of it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(fc.boolean(), fc.constantFrom('x', 'y')), { maxLength: 4 })),
        (plans) => {
          const history = serialHistory(plans);
          expect(checkListAppend(history, { isolation: 'serializable', isStrict: true })).to.deep.equal([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function serialHistory(plans: readonly (readonly (readonly [boolean, string])[])[]) {
  const lists = new Map<string, number[]>([
    ['x', []],
    ['y', []],
  ]);
  let element = 0;
  const transactions = plans.map((plan, index): ListTransaction => {
    const actions = plan.map(([isAppend, key]): ListAction => {
      if (!isAppend) return { kind: 'read', key, elements: [...lists.get(key)!] };
      lists.get(key)!.push(++element);
      return { kind: 'append', key, element };
    });
    return { id: `t${index}`, outcome: 'committed', called: 2 * index, answered: 2 * index + 3, actions };
  });
  return { transactions, final: lists };
}
