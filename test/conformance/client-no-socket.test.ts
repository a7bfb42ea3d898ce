import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';

type Report = {
  readonly modules: readonly string[];
  readonly handles: readonly string[];
  readonly rows: unknown;
};

/** Opens, writes, reads, tails and closes; tells what Node has loaded and holds. Standard output would be a socket. */
function program(path: string, report: string, module: string): string {
  return `
    import { writeFileSync } from 'node:fs';
    const { Database, Pool } = await import(${JSON.stringify(module)});
    const database = await Database.open({ path: ${JSON.stringify(path)} });
    await database.execute('CREATE TABLE docs (id text PRIMARY KEY, vec vector(3))');
    await database.execute('INSERT INTO docs VALUES (?, ?)', ['a', [1, 2, 3]]);
    await database.transaction(async (transaction) => transaction.query('SELECT * FROM docs'));
    const { rows } = await new Pool({ database }).query('SELECT id FROM docs');
    const handles = process.getActiveResourcesInfo();
    await database.close();
    writeFileSync(${JSON.stringify(report)}, JSON.stringify({ modules: process.moduleLoadList, handles, rows }));
  `;
}

describe('The embedded database', () => {
  it('opens no socket: what could is not even loaded', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-no-socket-'));
    try {
      const report = join(directory, 'report.json');
      const module = pathToFileURL(join(import.meta.dirname, '../../api/index.ts')).href;
      const main = join(directory, 'main.mjs');
      await writeFile(main, program(join(directory, 'data'), report, module));
      const child = spawn(process.execPath, [main], { stdio: 'ignore' });
      expect((await once(child, 'exit'))[0]).to.equal(0);
      const { modules, handles, rows } = JSON.parse(await readFile(report, 'utf8')) as Report;
      expect(rows).to.deep.equal([{ id: 'a' }]);
      const ofNetwork = /^NativeModule (net|tls|dgram|dns|http|https|http2|_http_\w+|_tls_\w+)$/;
      expect(modules.filter((name) => ofNetwork.test(name))).to.deep.equal([]);
      expect(handles.filter((name) => /TCP|UDP|Pipe|TLS|Socket|Server/.test(name))).to.deep.equal([]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
