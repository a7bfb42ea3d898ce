import { Command } from 'commander';
import {
  demote,
  enable,
  promote,
  remove,
  runReplication,
  setMode,
  status,
  token,
  urlDefault,
  verify,
} from './command.ts';

type Given = { readonly url: string; readonly timeout: string };

/** `alopex-cli replication`; `finish` ends the process with what a command resolves to. */
export function replicationProgram(finish: (running: Promise<number>) => Promise<void>): Command {
  const program = new Command('replication').description('shows and changes how a server is replicated');
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option(
        '--url <address>',
        'server, or several: the one of them that is needed (ALOPEX_URL)',
        process.env.ALOPEX_URL ?? urlDefault,
      );
  const waiting = (name: string, description: string): Command =>
    command(name, description).option('--timeout <duration>', 'how long to wait for it', '60s');

  command('status', 'the nodes, how far each of them is, and whether failover is automatic').action(
    ({ url }: Given) => finish(runReplication(url, status)),
  );
  waiting('enable', 'waits until replicas have joined and caught up, and lets them vote')
    .requiredOption('--replicas <number>', 'how many')
    .action(({ url, replicas, timeout }: Given & { readonly replicas: string }) =>
      finish(runReplication(url, enable(replicas, timeout), 'read-write')),
    );
  waiting('promote', 'makes the node that is asked the primary')
    .option('--force', 'although most nodes are gone; what only they have is lost', false)
    .action(({ url, force, timeout }: Given & { readonly force: boolean }) =>
      finish(runReplication(url, promote(force, timeout))),
    );
  waiting('demote', 'gives the lead to another node').action(({ url, timeout }: Given) =>
    finish(runReplication(url, demote(timeout), 'read-write')),
  );
  command('mode', 'sets how many nodes have a commit when it is answered')
    .argument('<mode>', 'sync, semi-sync or async')
    .action((mode: string, { url }: Given) => finish(runReplication(url, setMode(mode), 'read-write')));
  command('remove', 'takes a node out of the cluster')
    .argument('<node>', 'its number, as status shows it')
    .action((node: string, { url }: Given) => finish(runReplication(url, remove(node), 'read-write')));
  command('token', 'prints a token with which one node may join from another machine')
    .option('--lifetime <duration>', 'how long it can be used', '1h')
    .action(({ url, lifetime }: Given & { readonly lifetime: string }) =>
      finish(runReplication(url, token(lifetime), 'read-write')),
    );
  command('verify', 'compares the rows of all replicas by their checksums').action(({ url }: Given) =>
    finish(runReplication(url, verify, 'read-write')),
  );
  return program;
}
