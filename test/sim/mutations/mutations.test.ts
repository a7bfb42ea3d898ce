import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Mutation, mutations } from './mutations.ts';
import { MutatedTree, mutated, root } from './run.ts';

/** Those that one of the first seeds shows: of elections, of the log, and of what is answered. */
const shownAtOnce = [
  'one voter too few commits',
  'a follower keeps what contradicts its leader (§3.5)',
  'every commit is answered once this disk has it',
];
const seedsAtOnce = 3;

describe('mutations', () => {
  it('are 25 at least, each another one', () => {
    expect(mutations.length).to.be.at.least(25);
    expect(new Set(mutations.map(({ name }) => name)).size).to.equal(mutations.length);
  });

  for (const mutation of mutations) {
    it(`has its place in the source: ${mutation.name}`, async () => {
      const source = await readFile(join(root, mutation.file), 'utf8');
      expect(mutated(source, mutation)).to.not.equal(source);
    });
  }

  it('are refused where their place is not there, or is there twice', () => {
    const mutation: Mutation = { name: 'a bug', file: 'a.ts', find: 'if (a)', replace: 'if (b)' };
    expect(mutated('x; if (a) y;', mutation)).to.equal('x; if (b) y;');
    expect(() => mutated('x;', mutation)).to.throw('its place is 0 times in a.ts');
    expect(() => mutated('if (a) x; if (a) y;', mutation)).to.throw('its place is 2 times in a.ts');
  });
});

describe('the cluster simulator', () => {
  let tree: MutatedTree;
  before(async () => {
    tree = await MutatedTree.create();
  });
  after(() => tree.remove());

  for (const name of shownAtOnce) {
    it(`finds at once: ${name}`, async () => {
      const mutation = mutations.find((each) => each.name === name);
      const { seed, how } = await tree.hunt(mutation!, seedsAtOnce);
      expect(seed, how).to.be.within(1, seedsAtOnce);
    }).timeout(120_000);
  }
});
