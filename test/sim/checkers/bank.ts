import type { Anomaly } from './anomaly.ts';

/** All balances, as one statement saw them; `at` says by whom and when. */
export type BankRead = { readonly at: string; readonly balances: ReadonlyMap<number, number> };

/** Money only moves: every snapshot adds up, has every account, and owes nothing. */
export function checkBank(reads: readonly BankRead[], accounts: number, total: number): readonly Anomaly[] {
  return reads.flatMap(({ at, balances }) => {
    const values = [...balances.values()];
    const sum = values.reduce((all, balance) => all + balance, 0);
    const problems = [
      balances.size === accounts ? [] : `${balances.size} accounts of ${accounts}`,
      sum === total ? [] : `a total of ${sum}, not ${total}`,
      values.every((balance) => balance >= 0) ? [] : 'a balance below 0',
    ].flat();
    if (problems.length === 0) return [];
    const texts = [...balances].map(([account, balance]) => `${account}: ${balance}`);
    return { kind: 'bank', description: `${at}: ${problems.join(', ')} (${texts.join(', ')})` };
  });
}
