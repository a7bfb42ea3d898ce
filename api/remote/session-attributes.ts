import type { ServerConnection } from './connection.ts';

/** libpq's: what a server has to be. */
export const sessionAttributes = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;
export type SessionAttributes = (typeof sessionAttributes)[number];

type Standing = { readonly isStandby: boolean; readonly isReadOnly: boolean };

/** What the server reports (ParameterStatus), as of now; null where it does not. */
function reportedStanding(parameters: ReadonlyMap<string, string>): Standing | null {
  const standby = parameters.get('in_hot_standby');
  const readOnly = parameters.get('default_transaction_read_only');
  if (standby === undefined || readOnly === undefined) return null;
  return { isStandby: standby === 'on', isReadOnly: standby === 'on' || readOnly === 'on' };
}

async function askedStanding(connection: ServerConnection): Promise<Standing> {
  const { rows } = await connection.query<{ standby: boolean; read_only: string }>(
    "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS read_only",
    [],
  );
  return { isStandby: rows[0]?.standby === true, isReadOnly: rows[0]?.read_only !== 'off' };
}

/** Why a server will not do, in libpq's words; null: it will. */
function problemOf(wanted: SessionAttributes, { isStandby, isReadOnly }: Standing): string | null {
  switch (wanted) {
    case 'read-write':
      return isReadOnly ? 'session is read-only' : null;
    case 'read-only':
      return isReadOnly ? null : 'session is not read-only';
    case 'primary':
      return isStandby ? 'server is in hot standby mode' : null;
    case 'standby':
      return isStandby ? null : 'server is not in hot standby mode';
    case 'any':
    case 'prefer-standby':
      return null;
  }
}

/** As libpq finds out: from what the server reports, or by asking one that does not report it. */
export async function unwanted(
  wanted: SessionAttributes,
  connection: ServerConnection,
): Promise<string | null> {
  if (wanted === 'any') return null;
  return problemOf(wanted, reportedStanding(connection.parameters) ?? (await askedStanding(connection)));
}

/** Whether a connection that would do, does no more: its server has become another one's standby, or the primary. */
export function hasChanged(wanted: SessionAttributes, connection: ServerConnection): boolean {
  const standing = reportedStanding(connection.parameters);
  return standing !== null && problemOf(wanted, standing) !== null;
}
