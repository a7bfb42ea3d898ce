import { expect } from 'chai';
import { requireNode } from './node-version.ts';

describe('the version of Node', () => {
  it('is refused by name where it is too old, and there alone', () => {
    const needed = 'alopex-db needs Node 22.15 or newer, and this is ';
    for (const version of ['18.20.8', '20.20.2', '22.14.0'])
      expect(() => requireNode(version)).to.throw(needed + version);
    for (const version of ['22.15.0', '22.18.1', '24.0.0', '26.1.0-nightly']) requireNode(version);
  });
});
