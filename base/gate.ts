/** Holds up what has not begun, for a while. */
export class Gate {
  #shut: PromiseWithResolvers<void> | null = null;

  /** Null: it is open. */
  get opening(): Promise<void> | null {
    return this.#shut?.promise ?? null;
  }

  shut(): void {
    this.#shut ??= Promise.withResolvers();
  }

  open(): void {
    this.#shut?.resolve();
    this.#shut = null;
  }
}
