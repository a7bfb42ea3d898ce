import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import pg from 'pg';
import { Database } from '../../api/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The examples that people start from, as they are: embedded, then the same data behind a server. */
describe('topologies', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-topologies-'));
  });
  after(async () => {
    for (const server of servers) server.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  it('embedded_runs_the_example_of_the_page', async () => {
    await using db = await Database.open({ path: join(directory, 'page') });
    await db.execute('CREATE TABLE docs (id TEXT, vec VECTOR(384))');
    const vector = (first: number) => Float32Array.from({ length: 384 }, (_, at) => (at === 0 ? first : 0));
    await db.execute('INSERT INTO docs VALUES ($1, $2), ($3, $4)', ['near', vector(1), 'far', vector(9)]);
    const { rows } = await db.query('SELECT id FROM docs ORDER BY vec <-> ? LIMIT 1', [vector(2)]);
    expect(rows).to.deep.equal([{ id: 'near' }]);
  });

  it('embedded_runs_examples_embedded_ts', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=source', 'examples/embedded.ts', join(directory, 'example')],
      { cwd: root },
    );
    expect(stdout.trim().split('\n')).to.deep.equal([
      'How to brew tea',
      'Choosing a teapot',
      ...['pot', 'shoe', 'tea'],
      ...['c pot', 'c shoe', 'c tea'],
    ]);
  });

  it('single_node_runs_examples_server_md_and_keeps_it_over_a_restart', async () => {
    const data = join(directory, 'server');
    const statements = await sqlBlocks('examples/server.md');
    const first = await startServer(data);
    await withClient(first.port, async (client) => {
      for (const statement of statements) await client.query(statement);
      expect(await answers(client)).to.deep.equal(expectedAnswers);
    });
    expect(await stopServer(first.process)).to.equal(0);
    const second = await startServer(data);
    await withClient(second.port, async (client) => {
      expect(await answers(client)).to.deep.equal(expectedAnswers);
    });
    expect(await stopServer(second.process)).to.equal(0);
  });

  it('embedded_opens_what_a_server_left', async () => {
    await using db = await Database.open({ path: join(directory, 'server') });
    const { rows } = await db.query('SELECT id, name, category FROM products ORDER BY id');
    expect(rows).to.deep.equal(expectedAnswers);
  });
});

/** Those that a test left running. */
const servers = new Set<ChildProcess>();

const expectedAnswers = [
  { id: 1, name: 'teapot', category: 'kitchen' },
  { id: 2, name: 'kettle', category: 'kitchen' },
  { id: 3, name: 'shoe', category: 'shoes' },
];

async function answers(client: pg.Client): Promise<readonly unknown[]> {
  return (await client.query('SELECT id, name, category FROM products ORDER BY id')).rows;
}

/** The statements of a document's SQL blocks. None of them has a semicolon inside. */
async function sqlBlocks(path: string): Promise<readonly string[]> {
  const text = await readFile(join(root, path), 'utf8');
  const blocks = [...text.matchAll(/```sql\n(.*?)```/gs)].map((match) => match[1]!);
  expect(blocks).to.have.length.above(0);
  return blocks
    .join('\n')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

async function startServer(data: string): Promise<{ process: ChildProcess; port: number }> {
  const server = spawn(process.execPath, ['bin/alopex-server.js', '--port', '0', '--data', data], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.add(server);
  server.once('exit', () => servers.delete(server));
  for await (const line of createInterface({ input: server.stdout })) {
    const port = /psql -h localhost -p (\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    server.stdout.resume();
    return { process: server, port: Number(port) };
  }
  throw new Error('the server ended before it was ready');
}

async function stopServer(server: ChildProcess): Promise<number | null> {
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const [code] = await ended;
  return code as number | null;
}

async function withClient(port: number, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ host: 'localhost', port, user: 'anybody', database: 'alopex' });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
