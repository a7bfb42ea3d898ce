import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Mutation, mutations } from './mutations.ts';
import { mutated, root } from './run.ts';

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
