import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { nodeId } from '../../../base/ids.ts';
import { KeyRing } from '../../../log/mesh/keys.fixture.ts';
import { describe as describeIdentity } from './command.ts';

const main = new URL('../main.ts', import.meta.url).pathname;

describe('alopex-cli cert', () => {
  let ring: KeyRing;
  before(async () => {
    ring = await KeyRing.open();
  });
  after(() => ring.close());

  const cert = (...parameters: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'cert', ...parameters], {
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  it('shows who a node is and whom it believes', async () => {
    const first = await ring.create('shown');
    await first.revoke({ nodes: [nodeId(4)], serials: ['ab12'] });
    const text = describeIdentity(first);
    expect(text).to.match(
      /^cluster {6}[0-9a-f]{32}\nthis node {4}1\ncertificate {2}[0-9a-f]{32}, until \d{4}-\d\d-\d\d\n/,
    );
    expect(text).to.match(
      /signed by {4}([0-9a-f]{8})\nauthority {4}\1, until \S+; it signs\nits key {6}is here\n/,
    );
    expect(text).to.match(/revoked {6}node 4, ab12\nversion {6}2$/);
    const second = await ring.join(first, 2);
    expect(describeIdentity(second)).to.match(/its key {6}is not here/);
  });

  it('rotates and revokes in a directory that a server has open', async () => {
    const first = await ring.create('running');
    const data = ring.directory('running');
    expect(cert('rotate', '--data', data)).to.include({ status: 0, stderr: '' });
    await first.reload();
    expect(first.trust.authorities.length).to.equal(2);
    expect(cert('rotate', '--data', data, '--finish').stdout).to.match(/old authority is dropped/);
    expect(cert('revoke', '--data', data, '--node', '3', '--node', '4').stdout).to.match(/node 3, node 4/);
    await first.reload();
    expect([first.trust.authorities.length, first.trust.revoked.nodes]).to.deep.equal([1, [3, 4]]);
  }).timeout(30_000);

  it('says what is wrong', () => {
    expect(cert('show', '--data', ring.directory('nobody'))).to.deep.include({ status: 1, stdout: '' });
    expect(cert('show', '--data', ring.directory('nobody')).stderr).to.match(
      /not the data directory of a node/,
    );
    expect(cert('revoke', '--data', 'x', '--node', 'seven').stderr).to.match(/"seven" is no number/);
    expect(cert('revoke', '--data', 'x').stderr).to.match(/nothing to revoke/);
  }).timeout(30_000);
});
