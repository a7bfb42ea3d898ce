import type { NodeId, Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Entry, Generation, HardState, Message, Outgoing, Proposal, Ready } from './contract.ts';

const nothing: readonly never[] = [];

const idle: Ready = {
  save: null,
  truncate: null,
  append: nothing,
  propose: nothing,
  messages: nothing,
  reads: nothing,
  restore: null,
  outranked: null,
  readable: nothing,
  changed: nothing,
};

/** Gathers what a step wants done. Lists are made when something is put in them. */
export class Outbox {
  #save: HardState | null = null;
  #truncate: Offset | null = null;
  #append: Entry[] | null = null;
  #propose: Proposal[] | null = null;
  #messages: Outgoing[] | null = null;
  #reads: { readonly to: NodeId; readonly from: Offset; readonly bytesMax: number }[] | null = null;
  #restore: Ready['restore'] = null;
  #outranked: NodeId | null = null;
  #readable: { readonly id: number; readonly offset: Offset | null }[] | null = null;
  #changed: { readonly error: Error | null }[] | null = null;
  #isEmpty = true;

  save(state: HardState): void {
    this.#save = state;
    this.#isEmpty = false;
  }
  truncate(end: Offset): void {
    invariant(
      this.#truncate === null && this.#append === null,
      'a step cuts the log once, before it appends',
    );
    this.#truncate = end;
    this.#isEmpty = false;
  }
  append(entry: Entry): void {
    this.#append ??= [];
    this.#append.push(entry);
    this.#isEmpty = false;
  }
  propose(proposal: Proposal): void {
    this.#propose ??= [];
    this.#propose.push(proposal);
    this.#isEmpty = false;
  }
  send(to: NodeId, generation: Generation, message: Message): void {
    this.#messages ??= [];
    this.#messages.push({ to, generation, message });
    this.#isEmpty = false;
  }
  read(to: NodeId, from: Offset, bytesMax: number): void {
    this.#reads ??= [];
    this.#reads.push({ to, from, bytesMax });
    this.#isEmpty = false;
  }
  restore(from: NodeId, offset: Offset): void {
    this.#restore = { from, offset };
    this.#isEmpty = false;
  }
  outranked(by: NodeId): void {
    this.#outranked = by;
    this.#isEmpty = false;
  }
  readable(id: number, offset: Offset | null): void {
    this.#readable ??= [];
    this.#readable.push({ id, offset });
    this.#isEmpty = false;
  }
  changed(error: Error | null): void {
    this.#changed ??= [];
    this.#changed.push({ error });
    this.#isEmpty = false;
  }

  take(): Ready {
    if (this.#isEmpty) return idle;
    const ready: Ready = {
      save: this.#save,
      truncate: this.#truncate,
      append: this.#append ?? nothing,
      propose: this.#propose ?? nothing,
      messages: this.#messages ?? nothing,
      reads: this.#reads ?? nothing,
      restore: this.#restore,
      outranked: this.#outranked,
      readable: this.#readable ?? nothing,
      changed: this.#changed ?? nothing,
    };
    this.#save = null;
    this.#truncate = null;
    this.#append = null;
    this.#propose = null;
    this.#messages = null;
    this.#reads = null;
    this.#restore = null;
    this.#outranked = null;
    this.#readable = null;
    this.#changed = null;
    this.#isEmpty = true;
    return ready;
  }
}
