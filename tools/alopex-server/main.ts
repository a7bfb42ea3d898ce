import { Command } from 'commander';
import pino from 'pino';
import { AlopexError } from '../../base/errors.ts';
import { packageVersion } from '../version.ts';
import { optionInfos, type ServerOptions, serverOptions } from './options.ts';
import { Server } from './server.ts';

/** A second signal does not wait for the clean stop. */
const exitCodeOfSignal = 128;

const command = new Command('alopex-server')
  .description('Alopex DB: one node, over the Postgres wire protocol.')
  .version(packageVersion())
  .option('--config <file>', 'configuration file in JSON: options by name, and `settings` (ALOPEX_CONFIG)');
for (const { name, argument, description, default: value } of optionInfos) {
  const shown = value === '' ? '' : ` (default ${value})`;
  command.option(`--${name} <${argument}>`, `${description}${shown}`);
}
command.addHelpText(
  'after',
  '\nEach option is also an environment variable: --max-connections is ALOPEX_MAX_CONNECTIONS.',
);
command.parse();

const given = Object.fromEntries(
  Object.entries(command.opts<Record<string, string>>()).map(([name, value]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    value,
  ]),
);

let options: ServerOptions;
try {
  options = serverOptions(given, process.env);
} catch (error) {
  refuse(error);
}
const log = pino({ level: options.logLevel });
try {
  const server = await Server.start(options, log);
  announce(server, options);
  stopOnSignal(server);
} catch (error) {
  refuse(error);
}

function announce(server: Server, { data }: ServerOptions): void {
  const places = server.addresses.map(
    ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  const { host, port } = server.addresses[0]!;
  log.info({ data, addresses: places }, 'ready');
  console.log(
    `\nAlopex DB ${packageVersion()} answers on ${places.join(' and ')}, with its data in ${data}.`,
  );
  console.log(
    `Connect with:  psql -h ${host === '127.0.0.1' ? 'localhost' : host} -p ${port} -U alopex alopex`,
  );
  console.log('Stop with:     Ctrl-C\n');
}

function stopOnSignal(server: Server): void {
  let isStopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (isStopping) process.exit(exitCodeOfSignal + (signal === 'SIGINT' ? 2 : 15));
    isStopping = true;
    log.info({ signal }, 'stopping');
    try {
      await server.stop();
      process.exit(0);
    } catch (error) {
      log.error({ error }, 'the stop was not clean; the next start recovers from the log');
      process.exit(1);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function refuse(error: unknown): never {
  if (!(error instanceof AlopexError)) throw error;
  console.error(`alopex-server: ${error.message}`);
  if (error.detail !== undefined) console.error(`Detail: ${error.detail}`);
  if (error.hint !== undefined) console.error(`Hint: ${error.hint}`);
  process.exit(1);
}
