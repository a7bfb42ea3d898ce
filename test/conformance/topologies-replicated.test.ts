import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Database } from '../../api/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** As the page of topologies writes them. */
const startPrimary = 'alopex-server --mode primary --port 5432 --data ./primary';
const startReplicas = [
  'alopex-server --mode replica --primary localhost:5432 --port 5433',
  'alopex-server --mode replica --primary localhost:5432 --port 5434',
];
const startAlone = 'alopex-server --port 5432 --data ./data';
const checkStatus = 'alopex-cli replication status';
const enable = 'alopex-cli replication enable --replicas 2';
const readFromReplicas = "SET alopex.read_from = 'replica'";
const selectProduct = 'SELECT * FROM products WHERE id = 123';
const insertProduct = "INSERT INTO products (name) VALUES ('New Product')";

const reads = 10_000;
const readersAtOnce = 16;
const url = 'postgresql://localhost:5432/alopex';

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  const free = await isListening;
  server.close();
  return free;
}

describe('topologies, replicated', function () {
  this.timeout(120_000);
  let directory = '';
  const running = new Set<ChildProcess>();

  before(async function () {
    for (const port of [5432, 5433, 5434, 7432, 7433, 7434]) if (!(await isFree(port))) this.skip();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-replicated-'));
    await mkdir(directory, { recursive: true });
  });
  afterEach(async () => {
    const ended = [...running].map((process) => once(process, 'exit'));
    for (const process of running) process.kill('SIGTERM');
    await Promise.all(ended);
    await rm(directory, { recursive: true, force: true });
  });

  /** All in one directory. */
  function run(command: string): ChildProcess {
    const [tool, ...parameters] = command.split(' ');
    return spawn(process.execPath, [join(root, 'bin', `${tool}.js`), ...parameters], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async function start(command: string): Promise<void> {
    const server = run(command);
    running.add(server);
    server.once('exit', () => running.delete(server));
    let problem = '';
    server.stderr!.on('data', (text: Buffer) => {
      problem += text.toString();
    });
    let isReady = false;
    server.stdout!.on('data', (text: Buffer) => {
      isReady ||= text.includes('Connect with');
      if (isReady) server.emit('ready');
    });
    await Promise.race([once(server, 'ready'), once(server, 'close')]);
    if (!isReady) throw new Error(`${command} ended before it was ready: ${problem}`);
  }

  async function answer(command: string): Promise<{ readonly code: number; readonly text: string }> {
    const cli = run(command);
    let text = '';
    for (const stream of [cli.stdout!, cli.stderr!]) {
      stream.on('data', (part: Buffer) => {
        text += part.toString();
      });
    }
    const [code] = (await once(cli, 'close')) as [number];
    return { code, text };
  }

  it('runs the commands of the page; 10,000 reads from replicas execute none on the primary', async () => {
    await start(startPrimary);
    await Promise.all(startReplicas.map(start));
    const { code, text } = await answer(checkStatus);
    expect(code).to.equal(0);
    expect(text.match(/localhost:543[234]/g)).to.have.members([
      'localhost:5432',
      'localhost:5433',
      'localhost:5434',
    ]);
    await using db = await Database.open({ url, connectionsMax: readersAtOnce });
    await db.execute('CREATE TABLE products (id SERIAL PRIMARY KEY, name TEXT, embedding VECTOR(1536))');
    await db.execute("INSERT INTO products (id, name) VALUES (123, 'teapot')");
    const count = async (): Promise<{ reads: number; forwarded_reads: number }> =>
      (await db.query<{ reads: number; forwarded_reads: number }>('SELECT * FROM alopex.statements'))
        .rows[0]!;
    const before = await count();
    let started = 0;
    const reader = async (): Promise<void> => {
      await using own = await Database.open({ url, connectionsMax: 1 });
      await own.execute(readFromReplicas);
      while (started++ < reads) {
        const { rows } = await own.query(selectProduct);
        expect(rows[0]).to.include({ id: 123, name: 'teapot' });
      }
      expect((await own.query(insertProduct)).rowCount).to.equal(1);
      const { rows } = await own.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${selectProduct}`);
      expect(rows.at(-1)!['QUERY PLAN']).to.match(/^Node: [23], (replica|learner), localhost:543[34]$/);
    };
    await Promise.all(Array.from({ length: readersAtOnce }, reader));
    const after = await count();
    // The second count itself.
    expect(after.reads - before.reads).to.equal(1);
    expect(after.forwarded_reads - before.forwarded_reads).to.equal(reads + readersAtOnce);
    const written = await db.query("SELECT count(*)::int AS n FROM products WHERE name = 'New Product'");
    expect(written.rows).to.deep.equal([{ n: readersAtOnce }]);
  });

  it('makes a server that was alone replicated, without a restart', async () => {
    await start(startAlone);
    await using db = await Database.open({ url });
    await db.execute('CREATE TABLE products (id SERIAL PRIMARY KEY, name TEXT)');
    await db.execute(insertProduct);
    expect((await answer(checkStatus)).code).to.equal(1);
    const early = await answer(`${enable} --timeout 1s`);
    expect(early).to.include({ code: 1 });
    expect(early.text).to.contain('55000: 2 replicas were asked for');
    await Promise.all(startReplicas.map(start));
    expect(await answer(enable)).to.deep.equal({ code: 0, text: '2 replicas vote now.\n' });
    expect((await answer(checkStatus)).text).to.contain('failover: automatic');
    await db.execute(insertProduct);
    await using replica = await Database.open({ url: 'postgresql://localhost:5433/alopex' });
    const written = await replica.query('INSERT INTO products (name) VALUES ($1) RETURNING id', ['third']);
    expect(written.rows).to.deep.equal([{ id: 3 }]);
    expect((await replica.query('SELECT id FROM products ORDER BY id')).rows).to.have.length(3);
    const verified = await answer('alopex-cli replication verify');
    expect(verified).to.include({ code: 0 });
  });
});
