import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { NodeIdentity } from './identity.ts';
import { KeyRing } from './keys.fixture.ts';
import { renewalRequest, TrustExchange, trustRequest } from './trust-exchange.ts';

describe('what nodes tell each other of whom they believe', () => {
  let ring: KeyRing;
  let exchanges: Map<NodeId, TrustExchange>;
  let problems: string[];
  before(async () => {
    ring = await KeyRing.open();
  });
  after(() => ring.close());
  const down = new Set<NodeId>();
  beforeEach(() => {
    exchanges = new Map();
    problems = [];
    down.clear();
  });
  afterEach(() => {
    for (const exchange of exchanges.values()) exchange.close();
  });

  function meet(...identities: readonly NodeIdentity[]): void {
    for (const identity of identities)
      exchanges.set(
        identity.self,
        new TrustExchange({
          identity,
          clock: ring.env.clock,
          ask: async (to, name, body) => {
            const asked = exchanges.get(to)!;
            if (down.has(to)) throw new AlopexError('connection_failure', `node ${to} is down`);
            if (name === trustRequest) return asked.answerTrust(identity.self, body);
            expect(name).to.equal(renewalRequest);
            return asked.answerRenewal(identity.self, body);
          },
          peers: () => identities.filter((each) => each !== identity).map(({ self }) => self),
          onProblem: ({ message }) => problems.push(message),
        }),
      );
  }

  it('revokes on all what one has revoked', async () => {
    const first = await ring.create('revoking');
    const [second, third] = [await ring.join(first, 2), await ring.join(first, 3)];
    meet(first, second, third);
    await first.revoke({ nodes: [nodeId(9)] });
    await exchanges.get(third.self)!.exchange();
    expect(third.trust.revoked.nodes).to.deep.equal([9]);
    await exchanges.get(second.self)!.exchange();
    expect(second.trust.revoked.nodes).to.deep.equal([9]);
  });

  it('changes the authority of all, and then their certificates', async () => {
    const first = await ring.create('rotating');
    const second = await ring.join(first, 2);
    meet(first, second);
    await first.rotate();
    expect(first.isCurrent).to.equal(false);
    await exchanges.get(first.self)!.exchange();
    expect([first.isCurrent, second.trust.version]).to.deep.equal([true, first.trust.version]);
    await exchanges.get(second.self)!.exchange();
    expect(second.isCurrent).to.equal(true);
    expect(await first.renewed()).to.deep.equal([]);
    await exchanges.get(second.self)!.exchange();
    expect([await first.renewed(), await second.renewed()]).to.deep.equal([[2], [1]]);
    await first.finishRotation();
    await exchanges.get(second.self)!.exchange();
    expect(second.trust.authorities.length).to.equal(1);
    expect(problems).to.deep.equal([]);
  });

  it('changes no certificate before all have heard of the new authority', async () => {
    const first = await ring.create('waiting');
    const [second, third] = [await ring.join(first, 2), await ring.join(first, 3)];
    meet(first, second, third);
    down.add(third.self);
    await first.rotate();
    await exchanges.get(first.self)!.exchange();
    await exchanges.get(second.self)!.exchange();
    expect([first.isCurrent, second.isCurrent, second.trust.version]).to.deep.equal([false, false, 2]);
    down.clear();
    await exchanges.get(first.self)!.exchange();
    expect([first.isCurrent, third.trust.version]).to.deep.equal([true, 2]);
    expect(problems).to.deep.equal([]);
  });

  it('believes no node of another cluster, and says so once', async () => {
    const first = await ring.create('one');
    const other = await ring.create('two');
    const stranger = new TrustExchange({
      identity: other,
      clock: ring.env.clock,
      ask: async () => new Uint8Array(0),
      peers: () => [],
      onProblem: () => {},
    });
    exchanges.set(nodeId(2), stranger);
    const exchange = new TrustExchange({
      identity: first,
      clock: ring.env.clock,
      ask: (_, __, body) => stranger.answerTrust(nodeId(1), body),
      peers: () => [nodeId(2)],
      onProblem: ({ message }) => problems.push(message),
    });
    exchanges.set(nodeId(1), exchange);
    await exchange.exchange();
    await exchange.exchange();
    expect(problems).to.have.length(1);
    expect(problems[0]).to.match(/signed by none that is trusted/);
  });
});
