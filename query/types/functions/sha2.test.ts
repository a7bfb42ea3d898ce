import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { sha224, sha256, sha384, sha512 } from './sha2.ts';

describe('SHA-2', () => {
  it('is what OpenSSL computes, of any length', () => {
    const lengths = fc.oneof(fc.nat(300), fc.constantFrom(55, 56, 63, 64, 111, 112, 119, 120, 127, 128));
    fc.assert(
      fc.property(lengths, fc.nat(255), (length, seed) => {
        const bytes = Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 255);
        for (const [name, hash] of Object.entries({ sha224, sha256, sha384, sha512 })) {
          const expected = createHash(name).update(bytes).digest('hex');
          expect(Buffer.from(hash(bytes)).toString('hex'), `${name} of ${length}`).to.equal(expected);
        }
      }),
      { numRuns: 60 },
    );
  });
});
