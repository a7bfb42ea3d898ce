import { expect } from 'chai';
import {
  bind,
  closePortal,
  closeStatement,
  describePortal,
  describeStatement,
  execute,
  flush,
  functionCall,
  message,
  parse,
  query,
  sync,
} from './test-kit/messages.ts';
import { servedTable } from './test-kit/served-table.ts';

const failed = 'current transaction is aborted, commands ignored until end of transaction block';

describe('the query protocols', () => {
  const table = servedTable();

  describe('simple', () => {
    it('a script answers each statement, and is one transaction', async () => {
      expect(
        await table.client.ask(
          query("INSERT INTO t VALUES (4, 'four'); SELECT * FROM t WHERE id = 4; SELECT 1/0"),
        ),
      ).to.deep.equal([
        'CommandComplete INSERT 0 1',
        'RowDescription id:23 name:25',
        'DataRow 4 four',
        'CommandComplete SELECT 1',
        'RowDescription ?column?:23',
        'ErrorResponse ERROR 22012 division by zero',
        'ReadyForQuery I',
      ]);
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
    });

    it('BEGIN in a script makes what came before it part of the block', async () => {
      expect(
        await table.client.ask(query('DELETE FROM t WHERE id = 1; BEGIN; DELETE FROM t WHERE id = 2')),
      ).to.deep.equal([
        'CommandComplete DELETE 1',
        'CommandComplete BEGIN',
        'CommandComplete DELETE 1',
        'ReadyForQuery T',
      ]);
      await table.client.ask(query('ROLLBACK'));
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
    });

    it('COMMIT in a script ends the transaction that the script began', async () => {
      const answers = await table.client.ask(query('DELETE FROM t WHERE id = 1; COMMIT; SELECT 1/0'));
      expect(answers[1]).to.equal('NoticeResponse WARNING 25P01 there is no transaction in progress');
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 2');
    });

    it('a failed block takes nothing but its end', async () => {
      await table.client.ask(query('BEGIN; DELETE FROM t'));
      expect((await table.client.ask(query('SELECT 1/0'))).at(-1)).to.equal('ReadyForQuery E');
      expect(await table.client.ask(query('SELECT 1'))).to.deep.equal([
        `ErrorResponse ERROR 25P02 ${failed}`,
        'ReadyForQuery E',
      ]);
      expect(await table.client.ask(query('COMMIT'))).to.deep.equal([
        'CommandComplete ROLLBACK',
        'ReadyForQuery I',
      ]);
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
    });

    it('a failed block goes back to its savepoint, after any number of errors', async () => {
      await table.client.ask(
        query('BEGIN; DELETE FROM t WHERE id = 1; SAVEPOINT s; DELETE FROM t WHERE id = 2'),
      );
      for (const text of ['SELECT 1/0', 'SELECT 1', 'SELECT nothing']) {
        expect((await table.client.ask(query(text))).at(-1)).to.equal('ReadyForQuery E');
      }
      expect(await table.client.ask(query('ROLLBACK TO s'))).to.deep.equal([
        'CommandComplete ROLLBACK',
        'ReadyForQuery T',
      ]);
      await table.client.ask(query('COMMIT'));
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 2');
    });

    it('an empty text, and an error with its position in characters', async () => {
      expect(await table.client.ask(query(' ; '))).to.deep.equal(['EmptyQueryResponse', 'ReadyForQuery I']);
      expect(await table.client.ask(query("SELECT 'é', nothing FROM t"))).to.deep.equal([
        'ErrorResponse ERROR 42703 column "nothing" does not exist @13',
        'ReadyForQuery I',
      ]);
    });

    it('a setting that clients are told of is told, and told again when it is rolled back', async () => {
      expect(await table.client.ask(query("BEGIN; SET TimeZone = 'Europe/Paris'"))).to.include(
        'ParameterStatus TimeZone=Europe/Paris',
      );
      expect((await table.client.ask(query('ROLLBACK')))[0]).to.match(/^ParameterStatus TimeZone=/);
    });

    it('who acts as another is told so, and whether that is a superuser', async () => {
      await table.client.ask(query('CREATE ROLE other'));
      const set = await table.client.ask(query('SET SESSION AUTHORIZATION other'));
      expect(set).to.include('ParameterStatus session_authorization=other');
      expect(set).to.include('ParameterStatus is_superuser=off');
      const reset = await table.client.ask(query('RESET SESSION AUTHORIZATION'));
      expect(reset).to.include('ParameterStatus is_superuser=on');
      await table.client.ask(query('DROP ROLE other'));
    });

    it('the function call message is refused', async () => {
      expect(await table.client.ask(functionCall)).to.deep.equal([
        'ErrorResponse ERROR 0A000 the function call protocol is not supported',
        'ReadyForQuery I',
      ]);
    });

    it('a simple query drops the unnamed statement', async () => {
      await table.client.ask(parse('SELECT 1'), sync);
      await table.client.ask(query('SELECT 2'));
      expect(await table.client.ask(bind(), sync)).to.deep.equal([
        'ErrorResponse ERROR 26000 unnamed prepared statement does not exist',
        'ReadyForQuery I',
      ]);
    });
  });

  describe('extended', () => {
    it('describes statements and portals, in text and binary', async () => {
      const answers = await table.client.ask(
        parse('SELECT id, name FROM t WHERE id = $1', 'p'),
        describeStatement('p'),
        bind(['2'], { statement: 'p' }),
        describePortal(),
        execute(),
        bind([new Uint8Array([0, 0, 0, 3])], { statement: 'p', parameterFormats: [1], resultFormats: [1] }),
        describePortal(),
        execute(),
        parse('DELETE FROM t WHERE id = $1'),
        describeStatement(),
        sync,
      );
      expect(answers).to.deep.equal([
        'ParseComplete',
        'ParameterDescription 23',
        'RowDescription id:23 name:25',
        'BindComplete',
        'RowDescription id:23 name:25',
        'DataRow 2 two',
        'CommandComplete SELECT 1',
        'BindComplete',
        'RowDescription id:23:binary name:25:binary',
        'DataRow \\x00000003 null',
        'CommandComplete SELECT 1',
        'ParseComplete',
        'ParameterDescription 23',
        'NoData',
        'ReadyForQuery I',
      ]);
    });

    it('suspended portals stand beside other statements of the transaction', async () => {
      await table.client.ask(query('BEGIN'));
      const first = await table.client.ask(
        parse('SELECT id FROM t ORDER BY id', 's'),
        bind([], { statement: 's', portal: 'a' }),
        bind([], { statement: 's', portal: 'b' }),
        execute('a', 1),
        execute('b', 2),
        parse("INSERT INTO t VALUES (9, 'nine')"),
        bind(),
        execute(),
        sync,
      );
      expect(first.slice(3)).to.deep.equal([
        'DataRow 1',
        'PortalSuspended',
        'DataRow 1',
        'DataRow 2',
        'PortalSuspended',
        'ParseComplete',
        'BindComplete',
        'CommandComplete INSERT 0 1',
        'ReadyForQuery T',
      ]);
      expect(
        await table.client.ask(execute('a', 1), execute('b'), execute('a', 2), execute('a'), sync),
      ).to.deep.equal([
        'DataRow 2',
        'PortalSuspended',
        'DataRow 3',
        'CommandComplete SELECT 1',
        'DataRow 3',
        'CommandComplete SELECT 1',
        'CommandComplete SELECT 0',
        'ReadyForQuery T',
      ]);
      await table.client.ask(query('COMMIT'));
      expect((await table.client.ask(execute('a'), sync))[0]).to.equal(
        'ErrorResponse ERROR 34000 portal "a" does not exist',
      );
    });

    it('after an error everything is skipped until Sync, and the implicit transaction is gone', async () => {
      const answers = await table.client.ask(
        parse('DELETE FROM t'),
        bind(),
        execute(),
        parse('SELECT 1/0'),
        bind(),
        execute(),
        parse('SELECT 1'),
        bind(),
        execute(),
        query('SELECT 2'),
        sync,
      );
      expect(answers).to.deep.equal([
        'ParseComplete',
        'BindComplete',
        'CommandComplete DELETE 3',
        'ParseComplete',
        'BindComplete',
        'ErrorResponse ERROR 22012 division by zero',
        'ReadyForQuery I',
      ]);
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
    });

    it('what commits by itself is refused where a pipeline began a transaction', async () => {
      for (const text of ['VACUUM', 'CREATE INDEX CONCURRENTLY i ON t (name)']) {
        const insert = [parse("INSERT INTO t VALUES (77, 'x')"), bind(), execute()] as const;
        const answers = await table.client.ask(...insert, parse(text), bind(), execute(), sync);
        expect(answers.at(-2)).to.match(
          /^ErrorResponse ERROR 25001 .* cannot be executed within a pipeline$/,
        );
        expect(await table.client.ask(query('SELECT count(*) FROM t WHERE id = 77'))).to.include('DataRow 0');
        expect(await table.client.ask(parse(text), bind(), execute(), sync)).to.include('ReadyForQuery I');
      }
      await table.client.ask(query('DROP INDEX i'));
    });

    it('a parameter of a type that there is not', async () => {
      const [answer] = await table.client.ask(parse('SELECT $1', '', [99_999]), sync);
      expect(answer).to.equal('ErrorResponse ERROR 42704 type with OID 99999 does not exist');
    });

    it('a lookup by key sees the writes of its own transaction, and fails with its block', async () => {
      await table.client.ask(parse('SELECT name FROM t WHERE id = $1', 'p'), sync);
      const lookUp = (id: string) => [bind([id], { statement: 'p' }), execute(), sync] as const;
      await table.client.ask(query("BEGIN; UPDATE t SET name = 'changed' WHERE id = 1"));
      expect(await table.client.ask(...lookUp('1'))).to.include('DataRow changed');
      const other = await table.served.client();
      await other.ask(parse('SELECT name FROM t WHERE id = $1', 'p'), sync);
      expect(await other.ask(...lookUp('1'))).to.include('DataRow one');
      other.close();
      await table.client.ask(query('SELECT 1/0'));
      expect(await table.client.ask(...lookUp('1'))).to.include(`ErrorResponse ERROR 25P02 ${failed}`);
      await table.client.ask(query('ROLLBACK'));
      expect(await table.client.ask(...lookUp('1'))).to.include('DataRow one');
      await table.client.ask(
        query('ALTER TABLE t RENAME COLUMN name TO label; ALTER TABLE t ADD COLUMN name int'),
      );
      expect(await table.client.ask(...lookUp('1'))).to.not.include('DataRow one');
    });

    it('a portal that inserted a row is run once, and gives back what RETURNING names', async () => {
      const answers = await table.client.ask(
        parse('INSERT INTO t VALUES ($1, $2)', 'i'),
        bind(['8', 'eight'], { statement: 'i' }),
        execute(),
        execute(),
        sync,
      );
      expect(answers.slice(2)).to.deep.equal([
        'CommandComplete INSERT 0 1',
        'ErrorResponse ERROR 55000 portal "" cannot be run',
        'ReadyForQuery I',
      ]);
      const returned = await table.client.ask(
        parse('INSERT INTO t VALUES ($1, $2) RETURNING name'),
        bind(['8', 'eight']),
        execute(),
        sync,
      );
      expect(returned.slice(2)).to.deep.equal([
        'DataRow eight',
        'CommandComplete INSERT 0 1',
        'ReadyForQuery I',
      ]);
    });

    it('names: statements and portals are made once, closed at will, shared with PREPARE', async () => {
      const twice = await table.client.ask(parse('SELECT 1', 'p'), parse('SELECT 1', 'p'), sync);
      expect(twice[1]).to.equal('ErrorResponse ERROR 42P05 prepared statement "p" already exists');
      expect(await table.client.ask(query('EXECUTE p'))).to.include('DataRow 1');
      const portals = await table.client.ask(
        bind([], { statement: 'p', portal: 'c' }),
        closePortal('c'),
        closePortal('never there'),
        bind([], { statement: 'p', portal: 'c' }),
        bind([], { statement: 'p', portal: 'c' }),
        sync,
      );
      expect(portals).to.deep.equal([
        'BindComplete',
        'CloseComplete',
        'CloseComplete',
        'BindComplete',
        'ErrorResponse ERROR 42P03 cursor "c" already exists',
        'ReadyForQuery I',
      ]);
      await table.client.ask(closeStatement('p'), sync);
      expect((await table.client.ask(describeStatement('p'), sync))[0]).to.equal(
        'ErrorResponse ERROR 26000 prepared statement "p" does not exist',
      );
      await table.client.ask(query('PREPARE q AS SELECT 7'));
      expect(await table.client.ask(bind([], { statement: 'q' }), execute(), sync)).to.include('DataRow 7');
    });

    it('an empty statement, two statements in one, wrong counts, wrong values', async () => {
      expect(await table.client.ask(parse(''), bind(), describePortal(), execute(), sync)).to.deep.equal([
        'ParseComplete',
        'BindComplete',
        'NoData',
        'EmptyQueryResponse',
        'ReadyForQuery I',
      ]);
      const errorOf = async (...messages: readonly Uint8Array[]) =>
        (await table.client.ask(...messages, sync)).find((line) => line.startsWith('Error'))?.slice(20);
      expect(await errorOf(parse('SELECT 1; SELECT 2'))).to.equal(
        '42601 cannot insert multiple commands into a prepared statement',
      );
      const one = parse('SELECT $1::int');
      expect(await errorOf(one, bind([]))).to.equal(
        '08P01 bind message supplies 0 parameters, but prepared statement "" requires 1',
      );
      expect(await errorOf(one, bind(['x']))).to.equal('22P02 invalid input syntax for type integer: "x"');
      expect(await errorOf(one, bind([new Uint8Array([0xc3])]))).to.match(/^22021 /);
      expect(await errorOf(one, bind(['1'], { resultFormats: [0, 0] }))).to.match(/^08P01 /);
      expect(await errorOf(one, bind(['1'], { resultFormats: [7] }))).to.equal(
        '22023 unsupported format code: 7',
      );
      expect(await errorOf(message('B', (out) => out.int32(0)))).to.match(/^08P01 /);
    });

    it('Flush brings the answers without a Sync, and without a commit', async () => {
      table.client.sendTogether(parse("INSERT INTO t VALUES (7, 'seven')"), bind(), execute(), flush);
      expect((await table.client.until('CommandComplete')).at(-1)).to.equal('CommandComplete INSERT 0 1');
      const other = await table.served.client();
      expect(await other.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 3');
      await table.client.ask(sync);
      expect(await other.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 4');
      other.close();
    });

    it('a thousand pipelined statements before one Sync are one transaction, answered in order', async () => {
      const insert = parse("INSERT INTO t VALUES ($1, 'many')", 'i');
      const many = Array.from({ length: 1000 }, (_, index) => [
        bind([String(index + 100)], { statement: 'i' }),
        execute(),
      ]);
      const answers = await table.client.ask(insert, ...many.flat(), sync);
      expect(answers.filter((line) => line === 'CommandComplete INSERT 0 1')).to.have.length(1000);
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 1003');
      const again = await table.client.ask(bind(['5000'], { statement: 'i' }), execute(), ...many[0]!, sync);
      expect(again.at(-2)).to.match(/^ErrorResponse ERROR 23505 /);
      expect(await table.client.ask(query('SELECT count(*) FROM t'))).to.include('DataRow 1003');
    });
  });
});
