import { expect } from 'chai';
import fc from 'fast-check';
import { ByteReader } from '../../base/bytes/reader.ts';
import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import { asAlopexError } from '../../base/errors.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids } from '../../query/types/type.ts';
import type { PreparedStatement } from '../database/contract.ts';
import { decodeMessage, type Message } from './frontend.ts';
import { knownName } from './names.ts';
import { decodeParameters } from './parameters.ts';
import { bind } from './test-kit/messages.ts';

const noFunctions = {} as FunctionContext;

/** What a text becomes as a parameter, or the error's code. */
function parameter(oid: number, text: string): unknown {
  const message = decodeMessage('bind', new ByteReader(bind([text]), 5)) as Message<'bind'>;
  const prepared = { parameterTypes: [oid], columns: null } as unknown as PreparedStatement;
  return outcome(() => decodeParameters(prepared, message, noFunctions)[0]);
}

function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (thrown) {
    return asAlopexError(thrown).code;
  }
}

describe('parameters', () => {
  it('integers in text are what the type reads in them, whatever the spelling', () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 22 });
    const spelled = fc
      .tuple(
        fc.constantFrom('', '-', '+', ' ', '--', '- ', '\t-'),
        digits,
        fc.constantFrom('', ' ', '.0', 'x', '٣'),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.constantFrom(oids.int2, oids.int4, oids.int8), spelled, (oid, text) => {
        const read = outcome(() => codecOf(oid).parse(text, { oid, modifier: -1 }, noFunctions));
        expect(parameter(oid, text), JSON.stringify(text)).to.equal(read);
      }),
      { numRuns: 3000 },
    );
  });

  it('a name is its bytes, whichever names had its place before', () => {
    const names = fc.array(fc.string({ unit: 'binary', maxLength: 70 }), { maxLength: 50 });
    fc.assert(
      fc.property(names, (texts) => {
        for (const text of [...texts, ...texts]) {
          const bytes = stringToUtf8(`.${text}.`);
          const name = knownName(bytes, 1, bytes.length - 1);
          const isPlain = bytes.length <= 65 && bytes.every((byte) => byte < 128);
          expect(name).to.equal(isPlain ? text : null);
        }
      }),
      { numRuns: 500 },
    );
  });
});
