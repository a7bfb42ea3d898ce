import { Command, Option } from 'commander';
import { AlopexError } from '../../base/errors.ts';
import { packageVersion } from '../version.ts';
import { certProgram } from './cert/program.ts';
import { runDump } from './dump/command.ts';
import { replicationProgram } from './replication/program.ts';
import { runSql, type SqlOptions } from './sql/command.ts';
import { tableFormats } from './sql/table-text.ts';

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const program = new Command('alopex-cli')
  .description('Alopex DB: a shell for SQL, and a look into the files.')
  .version(packageVersion());

program
  .command('sql')
  .description(
    'runs SQL on a directory, in this process, or on a server; a shell where nothing is given to run',
  )
  .option('--data <directory>', 'directory of the database; made when missing', './data')
  .addOption(
    new Option(
      '--url <address>',
      'server: postgresql://[user[:password]@]host[:port][/database]; not with --data',
    ).conflicts('data'),
  )
  .option('-c, --command <sql>', 'runs statements, and ends (may be repeated)', several)
  .option('-f, --file <path>', 'runs a file (- is standard input), and ends (may be repeated)', several)
  .option('--format <format>', tableFormats.join(', '), 'aligned')
  .option('-t, --tuples-only', 'rows alone: no heading, no count')
  .option('-q, --quiet', 'no command tags')
  .option('--keep-going', 'goes on after a statement that failed; the exit code is 1 all the same')
  .action((options: SqlOptions) => finish(runSql(options)));

program
  .command('dump')
  .description(
    "prints a database's files for people: log segments and their indexes, marks, SSTables, manifests",
  )
  .argument('<path>', 'a file, or a directory: all files of the database in it')
  .option('--raw', "records as bytes, not decoded by the log's own schemas")
  .option('--no-entries', 'of SSTables, where their parts lie, not the entries')
  .action((path: string, options: { readonly raw?: boolean; readonly entries: boolean }) =>
    finish(runDump(path, { isRaw: options.raw === true, withEntries: options.entries })),
  );

program.addCommand(replicationProgram(finish));
program.addCommand(certProgram(finish));

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof AlopexError)) throw error;
  report(error);
}

async function finish(running: Promise<number>): Promise<void> {
  process.exitCode = await running;
}

function report(error: AlopexError): void {
  console.error(`alopex-cli: ${error.code}: ${error.message}`);
  if (error.detail !== undefined) console.error(`Detail: ${error.detail}`);
  if (error.hint !== undefined) console.error(`Hint: ${error.hint}`);
  process.exitCode = 1;
}
