import type { SessionAttributes } from '../../../api/remote/session-attributes.ts';
import { AlopexError } from '../../../base/errors.ts';
import { quoteLiteral } from '../../../query/types/identifier.ts';
import type { ResultColumn, ResultRow, ShellConnection } from '../sql/connection.ts';
import { type Output, streamOutput } from '../sql/output.ts';
import { openServer } from '../sql/server-connection.ts';
import { tableWriter } from '../sql/table-text.ts';

/** After which somebody at a terminal wonders. */
const quietMs = 3_000;

export const urlDefault = 'postgresql://alopex@localhost:5432/alopex';

type Answer = { readonly columns: readonly ResultColumn[]; readonly rows: readonly ResultRow[] };
type Command = (ask: (sql: string) => Promise<Answer>, out: Output) => Promise<number>;

/** `alopex-cli replication …`: the exit code. */
export async function runReplication(
  url: string,
  command: Command,
  wanted: SessionAttributes = 'any',
  out: Output = streamOutput(process.stdout),
): Promise<number> {
  const waiting = setTimeout(() => console.error('Waiting for the server.'), quietMs);
  try {
    const connection = await openServer(url, wanted);
    try {
      return await command((sql) => answerOf(connection, sql), out);
    } finally {
      await connection.close();
    }
  } finally {
    clearTimeout(waiting);
  }
}

async function answerOf(connection: ShellConnection, sql: string): Promise<Answer> {
  let columns: readonly ResultColumn[] = [];
  const rows: ResultRow[] = [];
  await connection.run(sql, {
    columns: (described) => {
      columns = described;
    },
    rows: async (more) => void rows.push(...more),
    complete: async () => {},
    copyOut: async () => {},
    copyIn: () => {
      throw new TypeError('nothing is copied here');
    },
  });
  return { columns, rows };
}

function tableOf({ columns, rows }: Answer): string {
  const table = tableWriter(columns, { format: 'aligned', isBare: false });
  return table.rows(rows) + table.end();
}

/** 1 where the server has no replicas: a script that expects some is told. */
export const status: Command = async (ask, out) => {
  const [cluster] = (await ask('SELECT name, mode, epoch, high_watermark, failover FROM alopex.cluster'))
    .rows;
  if (cluster === undefined) {
    await out.write('The database is not replicated: no node has joined it.\n');
    return 1;
  }
  const [name, mode, epoch, highWatermark, failover] = cluster;
  await out.write(
    `cluster ${name}, mode ${mode}, epoch ${epoch}, committed up to offset ${highWatermark}\nfailover: ${failover}\n\n`,
  );
  const { columns, rows } = await ask('CALL alopex.nodes()');
  await out.write(
    tableOf({
      columns: shownColumns(columns),
      rows: rows.map((row) => shownNode(row, highWatermark ?? null)),
    }),
  );
  if (!rows.some(([, role]) => role === 'primary')) await out.write('There is no primary now.\n');
  return 0;
};

function shownColumns(columns: readonly ResultColumn[]): readonly ResultColumn[] {
  const [node, role, client, mesh, position] = columns;
  const text = (name: string): ResultColumn => ({ ...role!, name });
  return [node!, role!, client!, mesh!, position!, { ...position!, name: 'lag' }].concat(
    ['in sync', 'heard of', 'state'].map(text),
  );
}

/** Of a row of alopex.nodes: blank what nobody knows. */
function shownNode(row: ResultRow, highWatermark: string | null): ResultRow {
  const [node, role, client, mesh, position, isInSync, silentMs, state, isSelf] = row as readonly string[];
  const isKnown = position !== null;
  const lag = isKnown ? String(Math.max(0, Number(highWatermark) - Number(position))) : null;
  const heard = silentMs === null ? null : `${Math.round(Number(silentMs))} ms ago`;
  return [
    ...[node!, role!, client!, mesh!, position ?? null, lag],
    isInSync === 't' ? 'yes' : isKnown ? 'no' : null,
    isSelf === 't' ? 'this node' : heard,
    state ?? null,
  ];
}

/** A CALL that returns nothing, and what is said once it is done. */
function calling(sql: string, done: string): Command {
  return async (ask, out) => {
    await ask(sql);
    await out.write(`${done}\n`);
    return 0;
  };
}

export function enable(replicas: string, timeout: string): Command {
  return calling(
    `CALL alopex.enable(${wholeNumber('--replicas', replicas)}, ${quoteLiteral(timeout)})`,
    `${replicas} ${replicas === '1' ? 'replica votes' : 'replicas vote'} now.`,
  );
}

export function promote(isForced: boolean, timeout: string): Command {
  const force = isForced ? 'on' : 'off';
  return calling(
    `CALL alopex.promote(force => '${force}', timeout => ${quoteLiteral(timeout)})`,
    'This node is the primary now.',
  );
}

export function demote(timeout: string): Command {
  return calling(`CALL alopex.demote(${quoteLiteral(timeout)})`, 'Another node is the primary now.');
}

export function setMode(mode: string): Command {
  return calling(`CALL alopex.set_mode(${quoteLiteral(mode)})`, `The mode is ${mode} now.`);
}

export function remove(node: string): Command {
  return calling(
    `CALL alopex.remove(${wholeNumber('the node', node)})`,
    `Node ${node} is no member any more.`,
  );
}

export function token(lifetime: string): Command {
  return async (ask, out) => {
    const { rows } = await ask(`CALL alopex.create_join_token(${quoteLiteral(lifetime)})`);
    await out.write(`${rows[0]?.[0] ?? ''}\n`);
    return 0;
  };
}

/** 1 where replicas differ. */
export const verify: Command = async (ask, out) => {
  const compared = await ask('CALL alopex.verify()');
  await out.write(tableOf(compared));
  const place = compared.columns.findIndex(({ name }) => name === 'is_equal');
  const differing = compared.rows.filter((row) => row[place] !== 't').length;
  await out.write(differing === 0 ? 'All replicas have the same rows.\n' : `${differing} differ.\n`);
  return differing === 0 ? 0 : 1;
};

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new AlopexError(
    'invalid_parameter_value',
    `${name} is "${text}", and must be a whole number above zero`,
  );
}
