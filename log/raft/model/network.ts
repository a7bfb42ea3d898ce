import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { NodeId } from '../../../base/ids.ts';
import type { Outgoing } from '../contract.ts';
import type { Agenda } from './agenda.ts';

export type Weather = {
  /** Probabilities. */
  readonly loss: number;
  readonly duplication: number;
  /** A message that is late by up to a second: others overtake it. */
  readonly straggling: number;
  readonly delayMsMax: number;
};
export const fairWeather: Weather = { loss: 0, duplication: 0, straggling: 0, delayMsMax: 2 };

/** Messages get lost, doubled and overtaken; links break one way or both. */
export class ModelNetwork {
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #deliver: (from: NodeId, sent: Outgoing) => void;
  readonly #cut = new Set<string>();
  weather: Weather = fairWeather;

  constructor(agenda: Agenda, random: SeededRandom, deliver: (from: NodeId, sent: Outgoing) => void) {
    this.#agenda = agenda;
    this.#random = random;
    this.#deliver = deliver;
  }

  send(from: NodeId, sent: Outgoing): void {
    const random = this.#random;
    const copies = random.chance(this.weather.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (random.chance(this.weather.loss)) continue;
      const delayMs = random.chance(this.weather.straggling)
        ? random.between(0, 1000)
        : random.between(0, this.weather.delayMsMax);
      this.#agenda.plan(delayMs, () => {
        if (this.isLinked(from, sent.to)) this.#deliver(from, sent);
      });
    }
  }

  isLinked(from: NodeId, to: NodeId): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }
  heal(): void {
    this.#cut.clear();
  }
}
