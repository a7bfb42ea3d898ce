import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import { selfSigned } from '../../api/pgwire/test-kit/certificate.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { program, runClient } from './programs.ts';

let psqlPath: string;

describe('psql', () => {
  let served: ServedDatabase;
  let directory: string;

  before(async () => {
    psqlPath = program('psql', 'postgresql-client');
    served = await ServedDatabase.open();
    directory = await mkdtemp(join(tmpdir(), 'alopex-psql-'));
    await psql(`
      CREATE SCHEMA shop;
      CREATE TABLE customers (
        id serial PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'x', email text UNIQUE, paid numeric(10,2));
      CREATE INDEX customers_name ON customers (name DESC, paid);
      INSERT INTO customers (name, email, paid) VALUES ('Ada', 'ada@example.org', 12.5), ('Émile', NULL, NULL);`);
  });
  after(async () => {
    await served.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs a script as a person would type it; an error ends it. */
  async function psql(script: string, ...flags: readonly string[]): Promise<string> {
    const outcome = await runClient(psqlPath, served.port, ['-X', '-v', 'ON_ERROR_STOP=1', ...flags], {
      input: script,
    });
    expect(outcome.errors).to.equal('');
    expect(outcome.exitCode).to.equal(0);
    return outcome.output;
  }

  it('\\d table shows columns, defaults and indexes', async () => {
    const shown = await psql('\\d customers');
    expect(shown).to.include('Table "public.customers"');
    expect(shown).to.match(/id +\| integer +\| +\| not null \| nextval\('customers_id_seq'::regclass\)/);
    expect(shown).to.match(/name +\| character varying\(40\) +\| +\| not null \| 'x'::character varying/);
    expect(shown).to.match(/paid +\| numeric\(10,2\)/);
    expect(shown).to.include('"customers_pkey" PRIMARY KEY, btree (id)');
    expect(shown).to.include('"customers_email_key" UNIQUE CONSTRAINT, btree (email)');
    expect(shown).to.include('"customers_name" btree (name DESC, paid)');
  });

  it('lists relations, schemas, roles and databases', async () => {
    expect(await psql('\\d')).to.match(/customers_id_seq \| sequence/);
    expect(await psql('\\dt')).to.match(/public \| customers \| table \| alopex/);
    expect(await psql('\\dt+')).to.match(/customers .* permanent/);
    expect(await psql('\\di')).to.match(/customers_name +\| index \| alopex \| customers/);
    expect(await psql('\\ds')).to.include('customers_id_seq');
    expect(await psql('\\dn')).to.match(/shop +\| alopex/);
    expect(await psql('\\du')).to.match(/alopex +\| Superuser/);
    expect(await psql('\\l')).to.match(/alopex +\| alopex +\| UTF8/);
    expect(await psql('\\d+ customers')).to.include('extended');
    expect(await psql('\\d customers_pkey')).to.include('primary key, btree, for table "public.customers"');
  });

  it('\\copy goes both ways', async () => {
    const file = join(directory, 'customers.csv');
    await writeFile(file, 'name,email\n"Köl, ""K""",kol@example.org\nZoë,\n');
    await psql(`\\copy customers (name, email) FROM '${file}' WITH (FORMAT csv, HEADER)`);
    const copied = join(directory, 'out.csv');
    await psql(`\\copy (SELECT name, email FROM customers ORDER BY id) TO '${copied}' WITH (FORMAT csv)`);
    expect(await readFile(copied, 'utf8')).to.equal(
      'Ada,ada@example.org\nÉmile,\n"Köl, ""K""",kol@example.org\nZoë,\n',
    );
  });

  it('shows an error with its line and place, and goes on after it', async () => {
    const outcome = await runClient(psqlPath, served.port, ['-X', '-A', '-t'], {
      input: 'SELECT nme FROM customers;\nSELECT count(*) > 0 FROM customers;\n',
    });
    expect(outcome.errors).to.include(
      'ERROR:  column "nme" does not exist\nLINE 1: SELECT nme FROM customers;',
    );
    expect(outcome.output).to.equal('t\n');
  });

  it('\\gdesc, and a script in one transaction', async () => {
    expect(await psql('SELECT 1 AS a, $$x$$::text AS b \\gdesc')).to.match(/a +\| integer\n b +\| text/);
    expect(await psql('SELECT count(*) FROM customers; SAVEPOINT s;', '-1')).to.include('SAVEPOINT');
  });

  it('a password over TLS', async () => {
    const guarded = await ServedDatabase.open({ authentication: 'scram', tls: selfSigned() });
    try {
      await new EmbeddedDatabase(guarded.engine).execute("ALTER ROLE alopex PASSWORD 'secret'");
      const login = (password: string) =>
        runClient(psqlPath, guarded.port, ['-X', '-A', '-t', '-c', 'SELECT 1'], {
          environment: { PGPASSWORD: password, PGSSLMODE: 'require' },
        });
      expect(await login('secret')).to.deep.equal({ exitCode: 0, output: '1\n', errors: '' });
      const refused = await login('wrong');
      expect(refused.exitCode).to.equal(2);
      expect(refused.errors).to.include('password authentication failed for user "alopex"');
    } finally {
      await guarded.close();
    }
  });
});
