import type { CallStmt, Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { nodeId } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import { stringsOf } from '../../../query/sql/ast.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { oids, type TypeOid } from '../../../query/types/type.ts';
import { requireSuperuser } from '../access.ts';
import type { Portal } from '../contract.ts';
import type { ClusterAdmin, ReplicationMode } from '../replication.ts';
import type { EngineSession } from '../session.ts';
import { parseBoolean, parseMilliseconds } from '../settings.ts';
import { constantText } from './ast-values.ts';
import { listPortal } from './list-portal.ts';

/** An argument by its place or its name; null: it has to be given. */
type Parameter = { readonly name: string; readonly default: string | null };
type Arguments = Readonly<Record<string, string>>;
type Rows = readonly (readonly Datum[])[];

type Procedure = {
  readonly parameters: readonly Parameter[];
  /** Null: it returns nothing. */
  readonly columns: readonly OutputColumn[] | null;
  /** On a replica, the primary is asked for it. */
  readonly isPrimarys: boolean;
  /** A node that joins shows its leave by other means. */
  readonly isForAll?: true;
  readonly call: (admin: ClusterAdmin, given: Arguments, session: EngineSession) => Promise<Rows>;
};

const optional = (name: string, value: string): Parameter => ({ name, default: value });
const required = (name: string): Parameter => ({ name, default: null });
const column = (name: string, oid: TypeOid): OutputColumn => ({
  name,
  type: { oid, modifier: -1 },
  table: 0,
  attribute: 0,
});
const timeout = optional('timeout', '60s');
const nothing = async (done: Promise<void>): Promise<Rows> => {
  await done;
  return [];
};

/** What operators, and servers that join, ask of a server. They do not wait for the transaction's end, and are not undone. */
const procedures: Readonly<Record<string, Procedure>> = {
  join: {
    parameters: [
      required('role'),
      required('certificate_request'),
      required('mesh'),
      optional('client', ''),
      optional('token', ''),
      optional('transports', 'tls'),
    ],
    columns: [column('answer', oids.text)],
    isPrimarys: true,
    isForAll: true,
    call: async (admin, given, session) => {
      const answer = await admin.join({
        role: oneOf('role', given.role!, ['replica', 'witness']),
        certificateRequest: given.certificate_request!,
        mesh: given.mesh!,
        client: given.client!,
        token: given.token === '' ? null : given.token!,
        transports: given.transports!.split(',').map((each) => oneOf('transports', each, ['tls', 'quic'])),
        isLoopback: isLoopback(session.clientAddress),
      });
      return [[JSON.stringify(answer)]];
    },
  },
  create_join_token: {
    parameters: [optional('lifetime', '1h')],
    columns: [column('token', oids.text)],
    isPrimarys: true,
    call: async (admin, given) => [[await admin.createJoinToken(durationMs('lifetime', given.lifetime!))]],
  },
  enable: {
    parameters: [required('replicas'), timeout],
    columns: null,
    isPrimarys: true,
    call: (admin, given) =>
      nothing(admin.enable(wholeNumber('replicas', given.replicas!), durationMs('timeout', given.timeout!))),
  },
  promote: {
    parameters: [optional('force', 'off'), timeout],
    columns: null,
    isPrimarys: false,
    call: (admin, given) =>
      nothing(admin.promote(isOn('force', given.force!), durationMs('timeout', given.timeout!))),
  },
  demote: {
    parameters: [timeout],
    columns: null,
    isPrimarys: false,
    call: (admin, given) => nothing(admin.demote(durationMs('timeout', given.timeout!))),
  },
  set_mode: {
    parameters: [required('mode')],
    columns: null,
    isPrimarys: true,
    call: (admin, given) =>
      nothing(admin.setMode(oneOf<ReplicationMode>('mode', given.mode!, ['sync', 'semi-sync', 'async']))),
  },
  remove: {
    parameters: [required('node')],
    columns: null,
    isPrimarys: true,
    call: (admin, given) => nothing(admin.remove(nodeId(wholeNumber('node', given.node!)))),
  },
  nodes: {
    parameters: [],
    columns: [
      column('node', oids.int4),
      column('role', oids.text),
      column('client', oids.text),
      column('mesh', oids.text),
      column('position', oids.int8),
      column('is_in_sync', oids.bool),
      column('silent_ms', oids.float8),
      column('state', oids.text),
      column('is_self', oids.bool),
    ],
    isPrimarys: false,
    call: async (admin) =>
      (await admin.nodes()).map(({ id, role, client, mesh, match, isInSync, silentMs, state, isSelf }) => [
        id,
        role,
        client,
        mesh,
        match,
        isInSync,
        silentMs,
        state,
        isSelf,
      ]),
  },
  verify: {
    parameters: [],
    columns: [
      column('table', oids.text),
      column('node', oids.int4),
      column('position', oids.int8),
      column('rows', oids.int8),
      column('checksum', oids.text),
      column('is_equal', oids.bool),
    ],
    isPrimarys: true,
    call: async (admin) =>
      (await admin.verify()).map(({ table, node, position, rows, checksum, isEqual }) => [
        table,
        node,
        position,
        rows,
        checksum,
        isEqual,
      ]),
  },
};

function nameOf({ funccall }: CallStmt): string {
  return stringsOf(funccall?.funcname).join('.');
}

function procedureOf(node: CallStmt): Procedure | null {
  const [, name] = /^alopex\.(\w+)$/.exec(nameOf(node)) ?? [];
  return (name !== undefined && Object.hasOwn(procedures, name) ? procedures[name] : null) ?? null;
}

export function callColumns(node: CallStmt): readonly OutputColumn[] | null {
  return procedureOf(node)?.columns ?? null;
}

export function isPrimarysCall(node: CallStmt): boolean {
  return procedureOf(node)?.isPrimarys === true;
}

/** CALL alopex.…: 42883 for a procedure that there is not, 42501 for who is no superuser, 55000 without a cluster. */
export async function runCall(
  session: EngineSession,
  statement: ParsedStatement,
  node: CallStmt,
): Promise<Portal> {
  const name = nameOf(node);
  const procedure = procedureOf(node);
  if (procedure === null) {
    throw new AlopexError('undefined_function', `procedure ${name} does not exist`);
  }
  if (procedure.isForAll !== true) requireSuperuser(session, name);
  const given = argumentsOf(name, procedure.parameters, node.funccall?.args ?? []);
  const { clusterAdmin } = session.engine;
  if (clusterAdmin === null) {
    throw new AlopexError(
      'object_not_in_prerequisite_state',
      'the database cannot have replicas: it is not served by alopex-server',
    );
  }
  const run = session.beginRun(statement);
  const rows = await run.cancellable(procedure.call(clusterAdmin, given, session));
  session.endRun(run);
  return procedure.columns === null
    ? { kind: 'command', tag: 'CALL' }
    : listPortal(procedure.columns, rows, 'CALL');
}

function argumentsOf(procedure: string, parameters: readonly Parameter[], nodes: readonly Node[]): Arguments {
  const given = new Map<string, string>();
  for (const [index, node] of nodes.entries()) {
    const isNamed = 'NamedArgExpr' in node;
    const name = isNamed ? (node.NamedArgExpr.name ?? '') : (parameters[index]?.name ?? '');
    if (!parameters.some((parameter) => parameter.name === name) || given.has(name)) {
      const names = parameters.map((parameter) => parameter.name).join(', ');
      throw new AlopexError('undefined_function', `procedure ${procedure} does not take these arguments`, {
        hint: names === '' ? 'It takes none.' : `It takes ${names}.`,
      });
    }
    given.set(name, constantText(isNamed ? node.NamedArgExpr.arg! : node));
  }
  return Object.fromEntries(
    parameters.map(({ name, default: value }) => {
      const text = given.get(name) ?? value;
      if (text === null) {
        throw new AlopexError('undefined_function', `procedure ${procedure} needs the argument ${name}`);
      }
      return [name, text];
    }),
  );
}

function invalid(name: string, value: string, expected: string): AlopexError {
  return new AlopexError('invalid_parameter_value', `${name} is "${value}", and must be ${expected}`);
}

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((one) => one === value);
  if (choice === undefined) throw invalid(name, value, choices.join(' or '));
  return choice;
}

function wholeNumber(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw invalid(name, value, 'a whole number above zero');
  return number;
}

function durationMs(name: string, value: string): number {
  const milliseconds = parseMilliseconds(value);
  if (milliseconds === null || milliseconds <= 0)
    throw invalid(name, value, 'a duration such as 90s, 5min or 2h');
  return milliseconds;
}

function isOn(name: string, value: string): boolean {
  const on = parseBoolean(value);
  if (on === null) throw invalid(name, value, 'on or off');
  return on;
}

/** Null: a caller in the server's own process. */
function isLoopback(address: string | null): boolean {
  return address === null || address === '::1' || /^(::ffff:)?127\./.test(address);
}
