import { stat } from 'node:fs/promises';
import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { nodeId } from '../../base/ids.ts';
import { createAuthority, makeNodeKey, makeRequest, signNode } from './authority.ts';
import { parseCertificate, verifyNode } from './certificate.ts';
import { createCluster, loadIdentity, requestIdentity, storeJoined } from './identity.ts';
import { KeyRing } from './keys.fixture.ts';

const dayMs = 24 * 3_600_000;

async function refusal(promise: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof promise === 'function' ? promise() : promise);
  } catch (error) {
    if (error instanceof AlopexError) return `${error.condition}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('keys of nodes', () => {
  let ring: KeyRing;
  before(async () => {
    ring = await KeyRing.open();
  });
  after(() => ring.close());

  it('names the first node, and those that it signs', async () => {
    const first = await ring.create('a');
    const third = await ring.join(first, 3);
    expect(first.self).to.equal(1);
    expect(third.self).to.equal(3);
    expect(third.cluster).to.equal(first.cluster);
    expect([first.canSign, third.canSign]).to.deep.equal([true, false]);
    expect(third.verify(parseCertificate(first.certificate)).node).to.equal(1);
    expect(first.verify(parseCertificate(third.certificate)).node).to.equal(3);
    const loaded = await loadIdentity(ring.env, ring.directory('a'));
    expect(loaded?.certificate).to.equal(first.certificate);
    expect(loaded?.canSign).to.equal(true);
  });

  it('keeps the keys to the owner of the files', async () => {
    await ring.create('modes');
    for (const name of ['node.key', 'authority.key'])
      expect((await stat(`${ring.directory('modes')}/cluster/${name}`)).mode & 0o777).to.equal(0o600);
  });

  it('is nobody in a directory without keys, and not twice the first', async () => {
    expect(await loadIdentity(ring.env, ring.directory('none'))).to.equal(null);
    await ring.create('b');
    expect(await refusal(createCluster(ring.env, ring.directory('b')))).to.match(/has a node's keys already/);
  });

  it('asks again with the same key after a join that was cut short', async () => {
    const first = await ring.create('c');
    const directory = ring.directory('joiner');
    await requestIdentity(ring.env, directory);
    expect(await loadIdentity(ring.env, directory)).to.equal(null);
    const signed = await first.signJoin(await requestIdentity(ring.env, directory), nodeId(2));
    const other = await ring.create('d');
    const stored = (cluster: string, node: number) =>
      storeJoined(ring.env, directory, { ...signed, cluster, node: nodeId(node) });
    expect(await refusal(stored(other.cluster, 2))).to.match(/not the one that was asked for/);
    expect(await refusal(stored(first.cluster, 4))).to.match(/not the one that was asked for/);
    expect((await stored(first.cluster, 2)).self).to.equal(2);
  });

  it('signs no request whose key the asker does not have', async () => {
    const first = await ring.create('e');
    const request = await makeRequest(makeNodeKey());
    const body = Buffer.from(request.split('-----')[2]!, 'base64');
    for (let position = 0; position < body.length; position += 7) {
      const bytes = Buffer.from(body);
      bytes[position]! ^= 0x20;
      const mutated = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
      expect(await refusal(first.signJoin(mutated, nodeId(2)))).to.match(/invalid_parameter_value/);
    }
  });

  it('refuses certificates that are expired, early, of other clusters, of authorities, or mutated', async () => {
    const nowMs = Date.now();
    const authority = await createAuthority('one', nowMs);
    const request = await makeRequest(makeNodeKey());
    const certificate = parseCertificate(
      await signNode(authority, request, { cluster: 'one', node: nodeId(2), nowMs, validMs: dayMs }),
    );
    const judge = {
      cluster: 'one',
      authorities: [parseCertificate(authority.certificate)],
      revoked: { nodes: [], serials: [] },
    };
    expect(verifyNode(certificate, judge, nowMs).node).to.equal(2);
    // A clock that is an hour behind.
    expect(verifyNode(certificate, judge, nowMs - dayMs / 24).node).to.equal(2);
    expect(await refusal(() => verifyNode(certificate, judge, nowMs + 2 * dayMs))).to.match(/valid from/);
    expect(await refusal(() => verifyNode(certificate, judge, nowMs - 2 * dayMs))).to.match(/not signed/);
    expect(await refusal(() => verifyNode(certificate, { ...judge, cluster: 'two' }, nowMs))).to.match(
      /another cluster/,
    );
    expect(await refusal(() => verifyNode(judge.authorities[0]!, judge, nowMs))).to.match(/names no node/);
    const impostor = {
      ...judge,
      authorities: [parseCertificate((await createAuthority('one', nowMs)).certificate)],
    };
    expect(await refusal(() => verifyNode(certificate, impostor, nowMs))).to.match(/not signed/);
    for (let position = 4; position < certificate.raw.length; position += 3) {
      const bytes = Buffer.from(certificate.raw);
      bytes[position]! ^= 0x01;
      const mutated = () => verifyNode(parseCertificate(bytes), judge, nowMs);
      expect(await refusal(mutated)).to.match(/invalid_authorization_specification/);
    }
  });

  it('revokes nodes and single certificates, on each node that hears of it', async () => {
    const first = await ring.create('f');
    const second = await ring.join(first, 2);
    const third = await ring.join(first, 3);
    let changes = 0;
    third.onChange(() => changes++);
    await first.revoke({ nodes: [nodeId(2)] });
    const { serial } = third.verify(parseCertificate(first.certificate));
    expect(await third.adoptTrust(first.trustDocument)).to.equal(true);
    expect(await third.adoptTrust(first.trustDocument)).to.equal(false);
    expect(changes).to.equal(1);
    expect(await refusal(() => third.verify(parseCertificate(second.certificate)))).to.match(
      /node 2 is revoked/,
    );
    expect(await refusal(first.signJoin(await second.makeRequest(), nodeId(2)))).to.match(
      /node 2 is revoked/,
    );
    await first.revoke({ serials: [serial.toUpperCase()] });
    await third.adoptTrust(first.trustDocument);
    expect(await refusal(() => third.verify(parseCertificate(first.certificate)))).to.match(/is revoked/);
    const other = await ring.create('g');
    expect(await refusal(third.adoptTrust(other.trustDocument))).to.match(/signed by none that is trusted/);
    const forged = first.trustDocument.replace('\\"revokedNodes\\":[2]', '\\"revokedNodes\\":[3]');
    expect(forged).not.to.equal(first.trustDocument);
    expect(await refusal(third.adoptTrust(forged))).to.match(/signed by none/);
  });

  it('joins what two nodes have revoked at the same time', async () => {
    const first = await ring.create('h');
    const second = await ring.join(first, 2);
    await second.importAuthorityKey(first.exportAuthorityKey());
    await first.revoke({ nodes: [nodeId(7)] });
    await second.revoke({ nodes: [nodeId(8)] });
    expect(await first.adoptTrust(second.trustDocument)).to.equal(true);
    expect(await second.adoptTrust(first.trustDocument)).to.equal(true);
    expect(second.trust.revoked.nodes).to.deep.equal([7, 8]);
  });

  it('changes the authority while both are believed', async () => {
    const first = await ring.create('i');
    const second = await ring.join(first, 2);
    const late = await ring.join(first, 3);
    const before = first.trust.authorities.length;
    await first.rotate();
    expect([before, first.trust.authorities.length]).to.deep.equal([1, 2]);
    expect(await refusal(first.rotate())).to.match(/under way already/);
    await second.adoptTrust(first.trustDocument);
    const fourth = await ring.join(first, 4);
    expect(second.verify(parseCertificate(fourth.certificate)).node).to.equal(4);
    expect(await refusal(() => late.verify(parseCertificate(fourth.certificate)))).to.match(/not signed/);
    expect(second.isCurrent).to.equal(false);
    await second.renew((await first.signJoin(await second.makeRequest(), second.self)).certificate);
    expect(second.isCurrent).to.equal(true);
    await first.finishRotation();
    expect(first.isCurrent).to.equal(true);
    await second.adoptTrust(first.trustDocument);
    expect(second.verify(parseCertificate(first.certificate)).node).to.equal(1);
    expect(await refusal(() => second.verify(parseCertificate(late.certificate)))).to.match(/not signed/);
    // The old authority has signed the change too.
    expect(await late.adoptTrust(first.trustDocument)).to.equal(true);
    expect(await refusal(first.finishRotation())).to.match(/no rotation is under way/);
    expect((await ring.join(first, 5)).trust.authorities.length).to.equal(1);
  });

  it('gives the authority to another node, and to nobody with another key', async () => {
    const first = await ring.create('j');
    const second = await ring.join(first, 2);
    const other = await ring.create('k');
    expect(await refusal(second.signJoin(await other.makeRequest(), nodeId(3)))).to.match(
      /does not have the key/,
    );
    expect(await refusal(second.importAuthorityKey(other.exportAuthorityKey()))).to.match(/not the key/);
    await second.importAuthorityKey(first.exportAuthorityKey());
    const third = await ring.join(second, 3);
    expect(first.verify(parseCertificate(third.certificate)).node).to.equal(3);
  });

  it('notices what another process has changed', async () => {
    const first = await ring.create('l');
    const elsewhere = (await loadIdentity(ring.env, ring.directory('l')))!;
    await elsewhere.revoke({ nodes: [nodeId(9)] });
    expect(first.trust.revoked.nodes).to.deep.equal([]);
    expect(await first.reload()).to.equal(true);
    expect(first.trust.revoked.nodes).to.deep.equal([9]);
    await Promise.all([first.revoke({ nodes: [nodeId(10)] }), elsewhere.revoke({ nodes: [nodeId(11)] })]);
    await first.reload();
    expect([...first.trust.revoked.nodes].sort((a, b) => a - b)).to.deep.equal([9, 10, 11]);
  });
});
