import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AlopexError } from '../../base/errors.ts';
import { serverOptions } from './options.ts';

describe('options of the server', () => {
  let directory: string;
  let config: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-options-'));
    config = join(directory, 'alopex.json');
  });
  after(() => rm(directory, { recursive: true }));

  async function problemOf(content: unknown): Promise<readonly [string, string | undefined]> {
    await writeFile(config, JSON.stringify(content));
    try {
      serverOptions({ config }, {});
    } catch (error) {
      const { message, hint } = error as AlopexError;
      return [message.replace(config, 'FILE'), hint];
    }
    return ['none', undefined];
  }

  it('come from the command line before the environment before the file', async () => {
    await writeFile(
      config,
      JSON.stringify({ port: 1, data: 'file', settings: { statement_timeout: '30s' } }),
    );
    const options = serverOptions({ config, port: '3' }, { ALOPEX_PORT: '2', ALOPEX_CACHE: '1MB' });
    expect(options).to.include({ port: 3, data: 'file', cacheBytes: 1 << 20, auth: 'trust' });
    expect(options.settings).to.deep.equal({ statement_timeout: '30s' });
  });

  it('name the file, and what was meant', async () => {
    expect(await problemOf({ settings: { statement_timout: 1 } })).to.deep.equal([
      'unrecognized configuration parameter "statement_timout" in configuration file "FILE"',
      'Perhaps you meant "statement_timeout".',
    ]);
    expect(await problemOf({ settings: { unheard_of: 1 } })).to.deep.equal([
      'unrecognized configuration parameter "unheard_of" in configuration file "FILE"',
      'SHOW ALL lists the settings.',
    ]);
    const [wrongValue, noHint] = await problemOf({ settings: { statement_timeout: 'soon' } });
    expect(wrongValue).to.equal(
      'invalid value for parameter "statement_timeout": "soon" in configuration file "FILE"',
    );
    expect(noHint).to.equal(undefined);
    const [noObject] = await problemOf({ settings: ['statement_timeout'] });
    expect(noObject).to.equal('"settings" in configuration file "FILE" is not a JSON object');
    const [unknown, hint] = await problemOf({ prot: 1 });
    expect(unknown).to.equal('unknown option "prot" in configuration file "FILE"');
    expect(hint).to.contain('port');
  });
});
