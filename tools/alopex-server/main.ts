import { constants } from 'node:os';
import { Command } from 'commander';
import pino from 'pino';
import { AlopexError } from '../../base/errors.ts';
import { packageVersion } from '../version.ts';
import { optionInfos, type ServerOptions, serverOptions } from './options.ts';
import { Server, startWitness } from './server.ts';

/** A second signal does not wait for the clean stop. */
const exitCodeOfSignal = 128;
const parentCheckMs = 500;

/** Addresses at which a client on this machine finds the server by that name. */
const localHosts: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '0.0.0.0', '::']);

const command = new Command('alopex-server')
  .description(
    'Alopex DB: a server of the Postgres wire protocol, alone or one of several that replicate each other.',
  )
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
  const stop = stopping(await start(options));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  stopWithNpm(stop);
} catch (error) {
  refuse(error);
}

async function start(options: ServerOptions): Promise<{ stop(): Promise<void> }> {
  if (options.cluster.mode !== 'witness') {
    const server = await Server.start(options, log);
    announce(server, options);
    return server;
  }
  const witness = await startWitness(options, log);
  log.info({ data: options.data, mesh: witness.mesh }, 'ready');
  console.log(
    `\nAlopex DB ${packageVersion()} is a witness at ${witness.mesh}, with its data in ${options.data}.`,
  );
  console.log('Stop with:     Ctrl-C\n');
  return witness;
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
    `Connect with:  psql -h ${localHosts.has(host) ? 'localhost' : host} -p ${port} -U alopex alopex`,
  );
  console.log('Stop with:     Ctrl-C\n');
}

type Stop = (reason: 'SIGTERM' | 'SIGINT') => Promise<void>;

function stopping(server: { stop(): Promise<void> }): Stop {
  let isStopping = false;
  return async (signal) => {
    if (isStopping) process.exit(exitCodeOfSignal + constants.signals[signal]);
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
}

/** npm ends on SIGTERM without a word to what it runs: `npx alopex-server` stops when npm is gone. */
function stopWithNpm(stop: Stop): void {
  if (process.env.npm_command === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    void stop('SIGTERM');
  }, parentCheckMs);
  timer.unref();
}

function refuse(error: unknown): never {
  if (!(error instanceof AlopexError)) throw error;
  console.error(`alopex-server: ${error.message}`);
  if (error.detail !== undefined) console.error(`Detail: ${error.detail}`);
  if (error.hint !== undefined) console.error(`Hint: ${error.hint}`);
  process.exit(1);
}
