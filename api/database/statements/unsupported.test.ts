import { expect } from 'chai';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import type { AlopexError } from '../../../base/errors.ts';
import { loadParser } from '../../../query/sql/parse.ts';
import { openEngine } from '../engine.fixture.ts';

before(loadParser);

/** Statements, and what the error calls them. */
const refused: Readonly<Record<string, string>> = {
  'CREATE VIEW v AS SELECT 1': 'CREATE VIEW',
  'CREATE OR REPLACE RECURSIVE VIEW v (n) AS SELECT 1': 'CREATE VIEW',
  "CREATE TYPE mood AS ENUM ('sad')": 'CREATE TYPE',
  'CREATE TYPE pair AS (a int, b int)': 'CREATE TYPE',
  'CREATE TYPE floats AS RANGE (subtype = float8)': 'CREATE TYPE',
  'CREATE DOMAIN d AS int': 'CREATE DOMAIN',
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": 'CREATE FUNCTION',
  "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'": 'CREATE PROCEDURE',
  'CREATE AGGREGATE a (int) (sfunc = f, stype = int)': 'CREATE AGGREGATE',
  'CREATE OPERATOR @@ (function = f, leftarg = int)': 'CREATE OPERATOR',
  'CREATE TEXT SEARCH DICTIONARY d (template = simple)': 'CREATE TEXT SEARCH DICTIONARY',
  'CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()': 'CREATE TRIGGER',
  'CREATE DATABASE other': 'CREATE DATABASE',
  'DROP DATABASE other': 'DROP DATABASE',
  'ALTER DATABASE other SET work_mem = 1': 'ALTER DATABASE … SET',
  'CREATE MATERIALIZED VIEW v AS SELECT 1': 'CREATE MATERIALIZED VIEW',
  'REFRESH MATERIALIZED VIEW v': 'REFRESH MATERIALIZED VIEW',
  'CREATE RULE r AS ON INSERT TO t DO NOTHING': 'CREATE RULE',
  'CREATE POLICY p ON t': 'CREATE POLICY',
  'CREATE PUBLICATION p': 'CREATE PUBLICATION',
  "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p": 'CREATE SUBSCRIPTION',
  "CREATE TABLESPACE s LOCATION '/s'": 'CREATE TABLESPACE',
  'CREATE SERVER s FOREIGN DATA WRAPPER w': 'CREATE SERVER',
  'CREATE FOREIGN TABLE f (a int) SERVER s': 'CREATE FOREIGN TABLE',
  'CREATE STATISTICS s ON a, b FROM t': 'CREATE STATISTICS',
  'CREATE CAST (int AS text) WITHOUT FUNCTION': 'CREATE CAST',
  'ALTER ROLE alopex SET work_mem = 1': 'ALTER ROLE … SET',
  'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC': 'ALTER DEFAULT PRIVILEGES',
  'ALTER SYSTEM SET work_mem = 1': 'ALTER SYSTEM',
  'LISTEN c': 'LISTEN',
  'NOTIFY c': 'NOTIFY',
  'UNLISTEN *': 'UNLISTEN',
  'MERGE INTO t USING t AS s ON t.a = s.a WHEN MATCHED THEN DELETE': 'MERGE',
  'DO $$BEGIN END$$': 'DO',
  'CLUSTER t': 'CLUSTER',
  'REINDEX TABLE t': 'REINDEX',
  'SET CONSTRAINTS ALL DEFERRED': 'SET CONSTRAINTS',
  "SECURITY LABEL ON TABLE t IS 'l'": 'SECURITY LABEL',
  'REASSIGN OWNED BY alopex TO alopex': 'REASSIGN OWNED',
  'DROP OWNED BY alopex': 'DROP OWNED',
  'DROP FUNCTION f': 'DROP FUNCTION',
  'DROP TEXT SEARCH PARSER p': 'DROP TEXT SEARCH PARSER',
  "COMMENT ON DATABASE alopex IS 'c'": 'COMMENT ON DATABASE',
  'ALTER VIEW v RENAME TO w': 'ALTER VIEW … RENAME',
  'ALTER FUNCTION f SET SCHEMA s': 'ALTER FUNCTION … SET SCHEMA',
  'ALTER DATABASE d OWNER TO alopex': 'ALTER DATABASE … OWNER TO',
  'ALTER TABLE t ALTER COLUMN a TYPE text': 'ALTER TABLE … ALTER COLUMN … TYPE',
  'ALTER TABLE t ENABLE ROW LEVEL SECURITY': 'ALTER TABLE … ENABLE ROW LEVEL SECURITY',
  'ALTER TABLE t DISABLE TRIGGER ALL': 'ALTER TABLE … DISABLE TRIGGER ALL',
  'GRANT EXECUTE ON FUNCTION f TO PUBLIC': 'GRANT and REVOKE on FUNCTION',
  'CREATE TEMPORARY TABLE x (a int)': 'a temporary table',
  "PREPARE TRANSACTION 'x'": 'two-phase commit',
  'COPY t FROM STDIN WHERE a = 1': 'COPY FROM … WHERE',
  'EXPLAIN (FORMAT JSON) SELECT 1': 'EXPLAIN (FORMAT JSON)',
  'SELECT sum(a) OVER w FROM t WINDOW w AS ()': 'a window function',
};

describe('what is not supported', () => {
  it('is called what SQL calls it, and its place is told', async () => {
    const told: Record<string, string> = {};
    const unplaced: string[] = [];
    await new Simulation(1).machine('a').run(async (env) => {
      const engine = await openEngine(env);
      const session = engine.connect({
        user: 'alopex',
        database: 'alopex',
        settings: {},
        clientAddress: null,
      });
      const run = async (text: string): Promise<void> => {
        const statement = session.parse(text).at(-1)!;
        await session.bind(await session.prepare(statement, []), []);
        await session.sync();
      };
      await run('CREATE TABLE t (a int PRIMARY KEY)');
      for (const text of Object.keys(refused)) {
        try {
          await run(`SELECT 'ß😀'; -- before\n  ${text}`);
          told[text] = 'nothing';
        } catch (error) {
          const { code, message, position = 0 } = error as AlopexError;
          told[text] = code === '0A000' ? message.replace(' is not supported yet', '') : `${code} ${message}`;
          // Code points before the statement.
          if (position < 26) unplaced.push(`${position}: ${text}`);
        }
        await session.rollbackBlock();
      }
      await engine.close();
    });
    expect(told).to.deep.equal(refused);
    expect(unplaced).to.deep.equal([]);
  });
});
