import { AlopexError } from '../../base/errors.ts';
import { roleOf } from './access.ts';
import type { EngineSession } from './session.ts';

/**
 * pg_cancel_backend and pg_terminate_backend: ends another session's statement, or, where a connection stands behind
 * it, the session. False, with a warning, where there is none. 42501 for sessions of others, but for a superuser.
 */
export function signalBackend(session: EngineSession, pid: number, signal: 'cancel' | 'terminate'): boolean {
  const target = Array.from(session.engine.sessions).find(({ id }) => id === pid);
  if (target === undefined) {
    session.notice('WARNING', 'warning', `PID ${pid} is not a PostgreSQL backend process`);
    return false;
  }
  if (target.settings.sessionUser !== session.settings.currentUser && !roleOf(session).isSuperuser) {
    const done = signal === 'cancel' ? 'query is being canceled' : 'process is being terminated';
    throw new AlopexError('insufficient_privilege', `must be a member of the role whose ${done}`);
  }
  if (signal === 'cancel') target.cancel();
  else {
    const reason = new AlopexError('admin_shutdown', 'terminating connection due to administrator command');
    target.cancel(reason);
    target.onTimedOut(reason);
  }
  return true;
}
