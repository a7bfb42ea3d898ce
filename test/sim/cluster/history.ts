import type { MarkedTransaction } from '../checkers/acknowledged.ts';
import type { BankRead } from '../checkers/bank.ts';
import type { Copies } from '../checkers/copies.ts';
import type { ElectionEvent } from '../checkers/elections.ts';
import type { ListTransaction } from '../checkers/list-append.ts';
import type { RegisterOperation } from '../checkers/registers.ts';
import type { FreshRead, OwnRead } from '../checkers/visibility.ts';

/** What a run saw, for the checkers. */
export class History {
  readonly registers: RegisterOperation[] = [];
  readonly lists: ListTransaction[] = [];
  readonly bankReads: BankRead[] = [];
  readonly marked: MarkedTransaction[] = [];
  readonly elections: ElectionEvent[] = [];
  readonly copies: Copies[] = [];
  readonly ownReads: OwnRead[] = [];
  readonly freshReads: FreshRead[] = [];
  /** When each mark was acknowledged. */
  readonly answeredMs = new Map<string, number>();
  operations = 0;
  #place = 0;

  /** The place of a call or an answer in the order of all of them. */
  next(): number {
    this.#place += 1;
    return this.#place;
  }
}
