import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { nodeId } from '../../../base/ids.ts';
import { KeyRing } from '../../../log/mesh/keys.fixture.ts';
import { writeNodeRecord } from '../../alopex-server/node-record.ts';
import { describe as describeIdentity, revoke, rotate, show } from './command.ts';

const begin = { isFinal: false, isForced: false };
const end = { isFinal: true, isForced: false };
const main = new URL('../main.ts', import.meta.url).pathname;

describe('alopex-cli cert', () => {
  let ring: KeyRing;
  before(async () => {
    ring = await KeyRing.open();
  });
  after(() => ring.close());

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
    expect(await printed(() => rotate(data, begin))).to.match(/is trusted beside the old one/);
    await first.reload();
    expect(first.trust.authorities.length).to.equal(2);
    expect(await printed(() => rotate(data, end))).to.match(/old authority is dropped/);
    expect(await printed(() => revoke(data, ['3', '4'], []))).to.match(/node 3, node 4/);
    await first.reload();
    expect([first.trust.authorities.length, first.trust.revoked.nodes]).to.deep.equal([1, [3, 4]]);
  });

  it('ends no rotation that would shut members out, but by force', async () => {
    const first = await ring.create('members');
    const data = ring.directory('members');
    await ring.join(first, 2);
    const member = { role: 'voter', mesh: '', client: '' } as const;
    await writeNodeRecord(ring.env.disk, data, {
      ...{ mesh: '', client: '', transport: 'tls' },
      members: [1, 2, 3].map((id) => ({ ...member, id: nodeId(id) })),
    });
    expect(await printed(() => revoke(data, ['3', '9'], []))).to.match(/Not members now: node 9\. /);
    await printed(() => rotate(data, begin));
    expect(await failure(rotate(data, end))).to.match(/new authority: node 1, node 2$/);
    expect(await printed(() => show(data))).to.match(/not renewed {2}node 1, node 2$/);
    await first.reload();
    await first.renew((await first.signJoin(await first.makeRequest(), first.self)).certificate);
    expect(await failure(rotate(data, end))).to.match(/new authority: node 2$/);
    await first.noteSignedBy(nodeId(2), 'the old one');
    expect(await failure(rotate(data, end))).to.match(/new authority: node 2$/);
    await first.noteSignedBy(nodeId(2), first.signedBy);
    expect(await printed(() => show(data))).to.match(/not renewed {2}none/);
    await printed(() => rotate(data, end));
    await printed(() => rotate(data, begin));
    expect(await failure(rotate(data, end))).to.match(/new authority: node 1, node 2$/);
    await printed(() => rotate(data, { ...end, isForced: true }));
    await first.reload();
    expect([first.trust.authorities.length, first.isCurrent]).to.deep.equal([1, true]);
  });

  it('says what is wrong', async () => {
    expect(await failure(revoke('x', ['seven'], []))).to.match(/"seven" is no number/);
    expect(await failure(revoke('x', [], ['zz']))).to.match(/"zz" is no number/);
    expect(await failure(revoke('x', [], []))).to.match(/nothing to revoke/);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [main, 'cert', 'show', '--data', ring.directory('nobody')],
      { encoding: 'utf8' },
    );
    expect({ status, stdout }).to.deep.equal({ status: 1, stdout: '' });
    expect(stderr).to.match(/not the data directory of a node/);
  }).timeout(30_000);
});

async function printed(command: () => Promise<number>): Promise<string> {
  const { log } = console;
  const lines: string[] = [];
  console.log = (line: string) => lines.push(line);
  try {
    expect(await command()).to.equal(0);
  } finally {
    console.log = log;
  }
  return lines.join('\n');
}

const failure = (running: Promise<number>): Promise<string> =>
  running.then(
    () => 'it was done',
    (error: Error) => error.message,
  );
