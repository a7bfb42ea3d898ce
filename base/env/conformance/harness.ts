import type { Env } from '../env.ts';

/** Runs a test's body on a fresh Env; `directory` exists, is empty, and is the test's own. */
export type EnvHarness = (body: (env: Env, directory: string) => Promise<void>) => Promise<void>;

export const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** The condition that a promise is rejected with; fails when it is not. */
export async function conditionOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { condition?: string }).condition ?? `not an AlopexError: ${error}`;
  }
  return 'nothing was thrown';
}
