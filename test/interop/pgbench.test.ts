import { expect } from 'chai';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { program, runClient } from './programs.ts';

let pgbenchPath: string;

describe('pgbench, unmodified', () => {
  let served: ServedDatabase;

  before(async () => {
    pgbenchPath = program('pgbench', 'postgresql-contrib');
    served = await ServedDatabase.open();
    const { exitCode, errors } = await pgbench('-i', '-s', '1');
    expect(exitCode, errors).to.equal(0);
  });
  after(() => served.close());

  const pgbench = (...flags: readonly string[]) => runClient(pgbenchPath, served.port, flags);

  for (const script of ['-S', '-N', '-b tpcb-like']) {
    for (const mode of ['simple', 'extended', 'prepared']) {
      it(`${script} -M ${mode}: no transaction fails, and all are counted`, async () => {
        const { exitCode, output, errors } = await pgbench(
          ...script.split(' '),
          ...['-M', mode, '-n', '-c', '8', '-t', '50'],
        );
        expect(exitCode, errors).to.equal(0);
        expect(output).to.include('number of transactions actually processed: 400/400');
        expect(output).to.include('number of failed transactions: 0 (0.000%)');
      });
    }
  }
});
