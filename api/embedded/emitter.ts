import { EventEmitter } from 'node:events';

/** What node-postgres's users call of an EventEmitter; its own types would ask every user for those of Node. */
type Emitting = {
  on(event: string, listener: (...values: never[]) => void): Emitting;
  once(event: string, listener: (...values: never[]) => void): Emitting;
  off(event: string, listener: (...values: never[]) => void): Emitting;
  removeListener(event: string, listener: (...values: never[]) => void): Emitting;
  removeAllListeners(event?: string): Emitting;
  emit(event: string, ...values: readonly unknown[]): boolean;
  listenerCount(event: string): number;
};

export const Emitter = EventEmitter as unknown as new () => Emitting;
