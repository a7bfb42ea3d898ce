import { expect } from 'chai';
import { passwordVerifier } from '../database/password.ts';
import { ScramServer } from '../pgwire/scram.ts';
import { ScramClient } from './scram-client.ts';

describe('ScramClient', () => {
  // RFC 7677, section 3, but for the user's name, which PostgreSQL leaves out of the exchange.
  const nonce = 'rOprNGfwEbeRWgbNEkqO';
  const serverFirst =
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';

  it('answers as RFC 7677 shows it', async () => {
    const client = new ScramClient('pencil', nonce);
    expect(client.first()).to.equal('n,,n=,r=rOprNGfwEbeRWgbNEkqO');
    const final = await client.final(serverFirst);
    expect(final.slice(0, final.indexOf(',p='))).to.equal(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    );
  });

  it('proves itself to a server, and the server to it', async () => {
    const server = new ScramServer('ann', passwordVerifier('pässword'), new Uint8Array(32));
    const client = new ScramClient('pässword');
    client.verify(server.final(await client.final(server.first(client.first()))));
  });

  it('is refused with another password', async () => {
    const server = new ScramServer('ann', passwordVerifier('right'), new Uint8Array(32));
    const client = new ScramClient('wrong');
    const final = await client.final(server.first(client.first()));
    expect(() => server.final(final)).to.throw('password authentication failed for user "ann"');
  });

  it('refuses a server that does not know the password', async () => {
    const client = new ScramClient('pencil', nonce);
    await client.final(serverFirst);
    const wrong = `v=${Buffer.alloc(32).toString('base64')}`;
    expect(() => client.verify(wrong))
      .to.throw('incorrect server signature')
      .with.property('code', '28000');
    expect(() => client.verify('e=other-error'))
      .to.throw()
      .with.property('code', '08P01');
    expect(() => new ScramClient('pencil').verify(wrong))
      .to.throw()
      .with.property('code', '08P01');
  });

  for (const [problem, message] of [
    ['another nonce', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['a nonce that nothing was added to', `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['too many iterations', `r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001`],
    ['no salt', `r=${nonce}x,s=,i=4096`],
    ['an unknown extension', `m=x,r=${nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
  ] as const) {
    it(`refuses ${problem}`, async () => {
      const error = await new ScramClient('pencil', nonce).final(message).catch((thrown: unknown) => thrown);
      expect(error).to.have.property('code', '08P01');
    });
  }
});
