import { AlopexError } from '../../base/errors.ts';
import { narrow } from '../../base/values/numeric.ts';
import type { CatalogSnapshot, SequenceDefinition } from '../../query/catalog/definition.ts';
import type { Privilege } from '../../query/catalog/privileges.ts';
import { readOnly } from '../../query/txn/writer.ts';
import type { SequenceAccess } from '../../query/types/function.ts';

/** Numbers taken from the log at once, so that not each nextval writes; those unused at a crash are skipped. */
const takenAtOnce = 32n;

type SequenceState = {
  /** What the log must not fall below while a restart is undecided. */
  floor: bigint | null;
  last: bigint;
  isCalled: boolean /** Handed out up to here without another write. */;
  logged: bigint;
};

/**
 * Persists that a sequence may have handed out numbers up to `last`. In the log before any commit that uses one;
 * resolves when it is durable.
 */
export type SequenceLog = (id: number, last: bigint, isCalled: boolean) => Promise<void>;

/**
 * All sequences of the engine. nextval is not part of a transaction: the state is in memory, and the log holds
 * a bound that is never behind it (PostgreSQL's SEQ_LOG_VALS).
 */
export class Sequences {
  readonly #states = new Map<number, SequenceState>();
  /** The newest bound of each sequence: settled with its flush. */
  readonly #bounds = new Map<number, Promise<void>>();
  /** Sequences whose newest bound the log refused. */
  readonly #refused = new Set<number>();
  readonly #log: SequenceLog;

  constructor(log: SequenceLog) {
    this.#log = log;
  }

  /** The log is what counts: this node did not write it. */
  clear(): void {
    this.#states.clear();
    this.#bounds.clear();
    this.#refused.clear();
  }

  /** As the row of `alopex.sequences` says, at open. */
  load(id: number, last: number | bigint, isCalled: boolean): void {
    this.#states.set(id, { last: BigInt(last), isCalled, logged: BigInt(last), floor: null });
  }

  /** As the log has it, or null where nothing was ever drawn. */
  stored(id: number): { readonly last: number | bigint; readonly isCalled: boolean } | null {
    const state = this.#states.get(id);
    return state === undefined ? null : { last: narrow(state.logged), isCalled: state.isCalled };
  }

  state({ id, start, increment }: SequenceDefinition): ReturnType<NonNullable<SequenceAccess['state']>> {
    const state = this.#states.get(id);
    if (state === undefined) return { last: narrow(BigInt(start)), isCalled: false, left: 0 };
    const { last, isCalled, logged } = state;
    return { last: narrow(last), isCalled, left: narrow((logged - last) / BigInt(increment)) };
  }

  next(definition: SequenceDefinition): number | bigint {
    const increment = BigInt(definition.increment);
    const state = this.#states.get(definition.id);
    let value = BigInt(definition.start);
    if (state !== undefined) value = state.isCalled ? state.last + increment : state.last;
    if (value > BigInt(definition.maximum) || value < BigInt(definition.minimum)) {
      if (!definition.cycle) throw exhausted(definition, increment > 0n);
      value = BigInt(increment > 0n ? definition.minimum : definition.maximum);
    }
    const isCovered =
      state?.isCalled === true &&
      (increment > 0n
        ? value <= state.logged && value > state.last
        : value >= state.logged && value < state.last);
    const floor = state?.floor ?? null;
    let logged = state?.logged ?? value;
    if (!isCovered) {
      logged = clamp(value + increment * (takenAtOnce - 1n), definition);
      this.#write(definition.id, beyond(logged, floor, increment), true);
    }
    this.#states.set(definition.id, { last: value, isCalled: true, logged, floor });
    return narrow(value);
  }

  set(definition: SequenceDefinition, value: number | bigint, isCalled: boolean): void {
    const last = BigInt(value);
    if (last > BigInt(definition.maximum) || last < BigInt(definition.minimum)) {
      throw new AlopexError(
        'numeric_value_out_of_range',
        `setval: value ${last} is out of bounds for sequence "${definition.name}" (${definition.minimum}..${definition.maximum})`,
      );
    }
    this.#write(definition.id, last, isCalled);
    this.#states.set(definition.id, { last, isCalled, logged: last, floor: null });
  }

  /**
   * RESTART within a transaction: the next number is `value` from now on; the log goes along when the transaction
   * commits. Gives what ends it one way or the other.
   */
  restart(
    id: number,
    value: bigint,
    isCalled: boolean,
  ): { readonly commit: () => void; readonly abort: () => void } {
    const before = this.#states.get(id);
    const floor = before?.floor ?? before?.logged ?? null;
    this.#states.set(id, { last: value, isCalled, logged: value, floor });
    return {
      commit: () => {
        const state = this.#states.get(id);
        if (state === undefined) return;
        state.floor = null;
        this.#write(id, state.logged, state.isCalled);
      },
      abort: () => {
        if (before === undefined) this.#states.delete(id);
        else this.#states.set(id, before);
      },
    };
  }

  /** Before a commit that may use numbers of a refused bound. */
  relog(): void {
    for (const id of this.#refused) {
      const state = this.#states.get(id);
      if (state !== undefined) this.#write(id, state.logged, state.isCalled);
    }
    this.#refused.clear();
  }

  /** Resolves once no restart can give the numbers that were drawn again. */
  async durable(ids: Iterable<number>): Promise<void> {
    for (const id of ids) await this.#bounds.get(id);
  }

  #write(id: number, last: bigint, isCalled: boolean): void {
    const bound = this.#log(id, last, isCalled);
    this.#bounds.set(id, bound);
    this.#refused.delete(id);
    // A newer bound is the one that counts.
    bound.catch(() => {
      if (this.#bounds.get(id) === bound) this.#refuse(id);
    });
  }

  /** The next number is logged anew. */
  #refuse(id: number): void {
    const state = this.#states.get(id);
    if (state === undefined) return;
    state.logged = state.last;
    this.#refused.add(id);
  }

  /** Before a clean stop: the log has what was drawn, and not what was set aside. */
  settle(): void {
    for (const [id, state] of this.#states) {
      if (state.last === state.logged) continue;
      state.logged = state.last;
      this.#write(id, state.last, state.isCalled);
    }
  }

  /** TRUNCATE … RESTART IDENTITY, and a dropped sequence. */
  forget(id: number): void {
    this.#states.delete(id);
    this.#bounds.delete(id);
  }
}

/** The bound that lies further in the direction of the sequence. */
function beyond(bound: bigint, floor: bigint | null, increment: bigint): bigint {
  if (floor === null) return bound;
  return increment > 0n === floor > bound ? floor : bound;
}

function clamp(value: bigint, definition: SequenceDefinition): bigint {
  const [minimum, maximum] = [BigInt(definition.minimum), BigInt(definition.maximum)];
  return value > maximum ? maximum : value < minimum ? minimum : value;
}

function exhausted(definition: SequenceDefinition, isUpward: boolean): AlopexError {
  const bound = isUpward
    ? `maximum value of sequence "${definition.name}" (${definition.maximum})`
    : `minimum value of sequence "${definition.name}" (${definition.minimum})`;
  return new AlopexError('sequence_generator_limit_exceeded', `nextval: reached ${bound}`);
}

/** A session's view: currval and lastval are of what this session drew. `onDrawn`: of a sequence's id. */
export function sessionSequences(
  sequences: Sequences,
  catalog: () => CatalogSnapshot,
  onDrawn: (id: number) => void,
  requireOneOf: (sequence: SequenceDefinition, privileges: readonly Privilege[]) => void,
  isReadOnly: () => boolean,
): SequenceAccess {
  const drawn = new Map<number, number | bigint>();
  let latest: number | null = null;
  const definitionOf = (id: number, ...privileges: readonly Privilege[]): SequenceDefinition => {
    const object = catalog().byId(id);
    if (object?.kind === 'sequence') {
      requireOneOf(object, privileges);
      return object;
    }
    if (object !== undefined && 'name' in object) {
      throw new AlopexError('wrong_object_type', `"${object.name}" is not a sequence`);
    }
    throw new AlopexError('undefined_table', `relation with OID ${id} does not exist`);
  };
  return {
    nextValue(id) {
      const definition = definitionOf(id, 'USAGE', 'UPDATE');
      if (isReadOnly()) throw readOnly('nextval()');
      const value = sequences.next(definition);
      onDrawn(id);
      drawn.set(id, value);
      latest = id;
      return value;
    },
    currentValue(id) {
      const definition = definitionOf(id, 'USAGE', 'SELECT');
      const value = drawn.get(id);
      if (value !== undefined) return value;
      throw new AlopexError(
        'object_not_in_prerequisite_state',
        `currval of sequence "${definition.name}" is not yet defined in this session`,
      );
    },
    lastValue() {
      const value = latest === null ? undefined : drawn.get(latest);
      if (value !== undefined) return value;
      throw new AlopexError('object_not_in_prerequisite_state', 'lastval is not yet defined in this session');
    },
    state: (id) => sequences.state(definitionOf(id, 'SELECT')),
    setValue(id, value, isCalled) {
      const definition = definitionOf(id, 'UPDATE');
      if (isReadOnly()) throw readOnly('setval()');
      sequences.set(definition, value, isCalled);
      onDrawn(id);
      if (isCalled) drawn.set(id, value);
      latest = id;
    },
  };
}
