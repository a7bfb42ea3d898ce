import { expect } from 'chai';
import fc from 'fast-check';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';
import type { Value } from './values.ts';

before(loadParser);

const hourMs = 3_600_000;

/** A database that can be closed and opened again, on a clock that is turned. */
class Machine {
  readonly #env: Env;
  database!: EmbeddedDatabase;

  constructor(env: Env) {
    // The next opening needs them again.
    const workers: Env['workers'] = {
      run: (task, input) => env.workers.run(task, input),
      close: async () => {},
    };
    this.#env = { ...env, workers };
  }

  async open(): Promise<void> {
    const engine = await openEngine(this.#env);
    this.database = new EmbeddedDatabase(engine);
  }

  async reopen(): Promise<void> {
    await this.database.close();
    await this.open();
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#env.clock.setTimer(ms, resolve));
  }

  /** The time of now; the next commit is later. */
  async now(): Promise<string> {
    const { rows } = await this.database.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    await this.pass(2);
    return rows[0]!.now;
  }

  /** Where the log stands, which names the moment too. */
  get offset(): number {
    return this.database.engine.log.highWatermark;
  }

  /** The statements one after the other; of the last one, names and rows as JSON, or the SQLSTATE. */
  async ask(sql: string, parameters: readonly Value[] = []): Promise<string> {
    try {
      const { fields, rows } = await this.database.query(sql, parameters);
      return JSON.stringify([fields.map(({ name }) => name), rows.map((row) => Object.values(row))]);
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  }

  /** The question as `alopex.as_of` answers it. */
  async askAsOf(moment: string, question: string): Promise<string> {
    try {
      return await this.database.transaction(async (transaction) => {
        await transaction.execute(`SET LOCAL alopex.as_of = '${moment}'`);
        const { fields, rows } = await transaction.query(question);
        return JSON.stringify([fields.map(({ name }) => name), rows.map((row) => Object.values(row))]);
      });
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  }
}

async function onMachine(work: (machine: Machine) => Promise<void>, seed = 1): Promise<void> {
  await new Simulation(seed).machine('a').run(async (env) => {
    const machine = new Machine(env);
    await machine.open();
    await work(machine);
    await machine.database.close();
  });
}

const settle = {
  memory: async () => {},
  restart: (machine: Machine) => machine.reopen(),
  flush: (machine: Machine) => machine.database.engine.checkpoint(),
  'compaction and restart': async (machine: Machine) => {
    await machine.database.engine.compact();
    await machine.reopen();
  },
} satisfies Record<string, (machine: Machine) => Promise<void>>;

describe('time travel', () => {
  for (const [how, whatHappens] of Object.entries(settle)) {
    for (const change of [
      'TRUNCATE t',
      'DROP TABLE t',
      'ALTER TABLE t DROP COLUMN n',
      'ALTER TABLE t RENAME COLUMN n TO m',
      'ALTER TABLE t ADD COLUMN extra int DEFAULT 7',
      'ALTER TABLE t ADD COLUMN extra float8 DEFAULT random()',
      'ALTER TABLE t RENAME TO u',
      'ALTER TABLE t DROP CONSTRAINT t_pkey',
      'DROP INDEX t_n',
    ]) {
      it(`reads a table as it was before ${change}; ${how}`, () =>
        onMachine(async (machine) => {
          await machine.ask(
            "CREATE TABLE t (id int PRIMARY KEY, n int, tag text); CREATE INDEX t_n ON t (n); INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')",
          );
          const before = await machine.now();
          await machine.ask(change);
          await machine.ask('INSERT INTO t (id) VALUES (3)');
          await whatHappens(machine);
          const expected = '[["id","n","tag"],[[1,10,"a"],[2,20,"b"]]]';
          expect(await machine.ask(`SELECT * FROM t FOR SYSTEM_TIME AS OF '${before}' ORDER BY id`)).to.equal(
            expected,
          );
          expect(await machine.askAsOf(before, 'SELECT * FROM t ORDER BY id')).to.equal(expected);
          expect(
            await machine.ask(`SELECT id FROM t FOR SYSTEM_TIME AS OF '${before}' WHERE n = 20`),
          ).to.equal('[["id"],[[2]]]');
        }));
    }
  }

  it('shows a column that was added and dropped again with what older rows had in it', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
      await machine.ask('ALTER TABLE t ADD COLUMN n int DEFAULT 5; INSERT INTO t VALUES (2, 6)');
      const before = await machine.now();
      await machine.ask('ALTER TABLE t DROP COLUMN n');
      for (const step of [...Object.values(settle), ...Object.values(settle)]) {
        await step(machine);
        expect(await machine.ask(`SELECT * FROM t FOR SYSTEM_TIME AS OF '${before}' ORDER BY id`)).to.equal(
          '[["id","n"],[[1,5],[2,6]]]',
        );
      }
    }));

  it('joins the present to the past, and two moments to each other', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10), (2, 20)');
      const before = await machine.now();
      await machine.ask('ALTER TABLE t RENAME COLUMN n TO m; UPDATE t SET m = m + 1');
      const between = await machine.now();
      await machine.ask('TRUNCATE t; INSERT INTO t VALUES (2, 99)');
      expect(
        await machine.ask(
          `SELECT now.id, now.m, b.m AS between, a.n FROM t now JOIN t FOR SYSTEM_TIME AS OF '${before}' a USING (id)
           JOIN t FOR SYSTEM_TIME AS OF '${between}' b USING (id)`,
        ),
      ).to.equal('[["id","m","between","n"],[[2,99,21,20]]]');
      expect(
        await machine.ask(
          `INSERT INTO t SELECT id + 10, n FROM t FOR SYSTEM_TIME AS OF '${before}' RETURNING id, m`,
        ),
      ).to.equal('[["id","m"],[[11,10],[12,20]]]');
    }));

  it('takes the moment from a parameter, and from the clock, each time anew', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
      const before = await machine.now();
      await machine.pass(10 * hourMs);
      await machine.ask('INSERT INTO t VALUES (2)');
      const count = 'SELECT count(*) FROM t FOR SYSTEM_TIME AS OF';
      expect(await machine.ask(`${count} $1`, [before])).to.equal('[["count"],[[1]]]');
      const statement = await machine.database.prepare(`${count} now() - interval '1 hour'`);
      expect((await statement.query()).rows).to.deep.equal([{ count: 1 }]);
      await machine.ask('TRUNCATE t');
      await machine.pass(hourMs / 2);
      expect((await statement.query()).rows).to.deep.equal([{ count: 1 }]);
      await machine.pass(hourMs);
      expect((await statement.query()).rows).to.deep.equal([{ count: 0 }]);
      expect(await machine.ask(`${count} '2030-01-01'`)).to.equal('22023');
      expect(await machine.ask(`${count} NULL`)).to.equal('22004');
      expect(await machine.ask(`${count} (SELECT now())`)).to.equal('0A000');
    }));

  it('shows an empty database before the first commit', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int)');
      for (const step of Object.values(settle)) {
        await step(machine);
        expect(await machine.ask("SELECT * FROM t FOR SYSTEM_TIME AS OF '2001-01-01'")).to.equal('42P01');
        expect(await machine.ask('SELECT * FROM t FOR SYSTEM_TIME AS OF OFFSET 0')).to.equal('42P01');
        expect(await machine.askAsOf('0', 'SELECT count(*) FROM pg_class WHERE relname = $$t$$')).to.equal(
          '[["count"],[[0]]]',
        );
      }
    }));

  it('shows the system catalog of then', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int, n int)');
      const before = await machine.now();
      const offset = machine.offset;
      await machine.ask('ALTER TABLE t DROP COLUMN n; CREATE TABLE u (id int)');
      const tables = "SELECT relname FROM pg_class WHERE relname IN ('t', 'u') ORDER BY 1";
      expect(await machine.askAsOf(before, tables)).to.equal('[["relname"],[["t"]]]');
      expect(await machine.ask(tables)).to.equal('[["relname"],[["t"],["u"]]]');
      expect(
        await machine.ask(
          `SELECT attname FROM pg_attribute FOR SYSTEM_TIME AS OF OFFSET ${offset} WHERE attrelid = 't'::regclass ORDER BY 1`,
        ),
      ).to.equal('[["attname"],[["id"],["n"]]]');
    }));

  it('changes nothing while the past is read', () =>
    onMachine(async (machine) => {
      await machine.ask('CREATE TABLE t (id int)');
      const before = await machine.now();
      for (const change of [
        'INSERT INTO t VALUES (1)',
        'CREATE TABLE u (id int)',
        'DROP TABLE t',
        'TRUNCATE t',
      ]) {
        expect(await machine.askAsOf(before, change), change).to.equal('25006');
      }
      expect(await machine.askAsOf(before, 'SELECT * FROM t FOR UPDATE')).to.equal('25006');
    }));

  for (const change of ['TRUNCATE t', 'DROP TABLE t', 'DELETE FROM t']) {
    it(`keeps a day of history after ${change}, and then says that it is gone`, () =>
      onMachine(async (machine) => {
        await machine.ask('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
        const before = await machine.now();
        await machine.ask(change);
        await machine.database.engine.compact();
        await machine.pass(23 * hourMs);
        const question = `SELECT * FROM t FOR SYSTEM_TIME AS OF '${before}'`;
        await churn(machine);
        expect(await machine.ask(question)).to.equal('[["id"],[[1]]]');
        await machine.pass(2 * hourMs);
        await churn(machine);
        expect(await machine.ask(question)).to.equal('72000');
        expect(await machine.askAsOf(before, 'SELECT * FROM t')).to.equal('72000');
        await machine.reopen();
        expect(await machine.ask(question)).to.equal('72000');
      }));

    it(`keeps as much history as alopex.history says after ${change}`, () =>
      onMachine(async (machine) => {
        await machine.ask("CREATE TABLE t (id int PRIMARY KEY) WITH (alopex.history = '7d')");
        await machine.ask('INSERT INTO t VALUES (1)');
        const before = await machine.now();
        await machine.ask(change);
        const question = `SELECT * FROM t FOR SYSTEM_TIME AS OF '${before}'`;
        for (let day = 1; day < 7; day++) {
          await churn(machine);
          await machine.pass(24 * hourMs);
          await machine.reopen();
          expect(await machine.ask(question), `day ${day}`).to.equal('[["id"],[[1]]]');
        }
        await machine.pass(49 * hourMs);
        await churn(machine);
        expect(await machine.ask(question)).to.equal('72000');
      }));
  }

  it('answers at every moment what was answered then, whatever happened since', async () => {
    const steps = fc.array(fc.constantFrom(...changes, ...Object.keys(settle)), {
      minLength: 5,
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(steps, (history) =>
        onMachine((machine) => checkHistory(machine, history as string[])),
      ),
      { numRuns: 40 },
    );
  }).timeout(30_000);
});

/** Commits that let a horizon move, and files be merged. */
async function churn(machine: Machine): Promise<void> {
  await machine.ask('CREATE TABLE churn (id int); DROP TABLE churn');
  await machine.database.engine.compact();
  await machine.ask('CREATE TABLE churn (id int); DROP TABLE churn');
  await machine.database.engine.compact();
}

const changes = [
  'CREATE TABLE t (id int PRIMARY KEY, n int)',
  'CREATE TABLE t (id int, n int, tag text)',
  'CREATE TABLE u (id int PRIMARY KEY, n int)',
  'INSERT INTO t (id) SELECT coalesce(max(id), 0) + 1 FROM t',
  'INSERT INTO t (id, n) SELECT coalesce(max(id), 0) + 1, 5 FROM t',
  'INSERT INTO u (id, n) SELECT coalesce(max(id), 0) + 1, 5 FROM u',
  'UPDATE t SET n = id WHERE id > 1',
  'DELETE FROM t WHERE id = 1',
  'TRUNCATE t',
  'DROP TABLE t',
  'ALTER TABLE t DROP COLUMN n',
  'ALTER TABLE t ADD COLUMN n int DEFAULT 7',
  'ALTER TABLE t ADD COLUMN m int',
  'ALTER TABLE t RENAME COLUMN m TO n',
  'ALTER TABLE t RENAME TO u',
  'ALTER TABLE u RENAME TO t',
  'ALTER TABLE t DROP CONSTRAINT t_pkey',
  'ALTER TABLE t ADD PRIMARY KEY (id)',
  'CREATE INDEX t_n ON t (n)',
  'DROP INDEX t_n',
  'BEGIN; TRUNCATE t; INSERT INTO t (id) VALUES (1), (2); COMMIT',
];

const questions = [
  'SELECT * FROM t {} ORDER BY id',
  'SELECT id FROM t {} WHERE n = 5 ORDER BY id',
  'SELECT * FROM u {} ORDER BY id',
];

type Recorded = { readonly offset: number; readonly at: string; readonly answers: readonly string[] };

async function checkHistory(machine: Machine, history: readonly string[]): Promise<void> {
  const recorded: Recorded[] = [];
  for (const step of history) {
    if (step in settle) await settle[step as keyof typeof settle](machine);
    else await machine.ask(step);
    const answers: string[] = [];
    for (const question of questions) answers.push(await machine.ask(question.replace('{}', '')));
    recorded.push({ offset: machine.offset, at: await machine.now(), answers });
  }
  for (const { offset, at, answers } of recorded) {
    for (const [place, question] of questions.entries()) {
      const clauses = [`OFFSET ${offset}`, `'${at}'`];
      for (const clause of clauses) {
        const past = question.replace('{}', `FOR SYSTEM_TIME AS OF ${clause}`);
        expect(await machine.ask(past), past).to.equal(answers[place]);
      }
      expect(await machine.askAsOf(at, question.replace('{}', ''))).to.equal(answers[place]);
    }
  }
}
