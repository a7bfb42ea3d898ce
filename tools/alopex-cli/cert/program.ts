import { Command } from 'commander';
import { revoke, rotate, show } from './command.ts';

type Given = { readonly data: string };

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `alopex-cli cert`; `finish` ends the process with what a command resolves to. */
export function certProgram(finish: (running: Promise<number>) => Promise<void>): Command {
  const program = new Command('cert').description(
    'the keys by which the nodes of a cluster know each other, in the data directory of one of them',
  );
  const command = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--data <directory>', 'data directory of a node', './data');

  command('show', 'who this node is, and whom it believes').action(({ data }: Given) => finish(show(data)));
  command('rotate', "puts a new authority beside the cluster's; with --finish, ends the trust in the old one")
    .option('--finish', 'once every node has a certificate of the new one', false)
    .option('--force', 'with --finish: nodes that have none are left out, and have to join anew', false)
    .action(({ data, ...given }: Given & { readonly finish: boolean; readonly force: boolean }) =>
      finish(rotate(data, { isFinal: given.finish, isForced: given.force })),
    );
  command('revoke', 'shuts nodes out for good, or single certificates')
    .option('--node <number>', 'a node, as replication status shows it (may be repeated)', several)
    .option('--serial <number>', 'a certificate, as cert show shows it (may be repeated)', several)
    .action(
      ({
        data,
        node = [],
        serial = [],
      }: Given & { readonly node?: readonly string[]; readonly serial?: readonly string[] }) =>
        finish(revoke(data, node, serial)),
    );
  return program;
}
