import type { Clock, Timer } from '../env.ts';

/** What `setTimeout` can count; it fires at once when asked for more. */
const timeoutMsMax = 2 ** 31 - 1;

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => (delayMs <= 0 ? afterThisTurn(callback) : after(delayMs, callback)),
};

/** `setTimeout(…, 0)` waits a whole millisecond, eight commits long; `setImmediate` waits for the turn's I/O alone. */
function afterThisTurn(callback: () => void): Timer {
  const immediate = setImmediate(callback);
  return { cancel: () => clearImmediate(immediate) };
}

/** `setTimeout` counts whole milliseconds and may fire up to one early; then the rest is waited for. */
function after(delayMs: number, callback: () => void): Timer {
  const end = performance.now() + delayMs;
  let timeout: NodeJS.Timeout | undefined;
  const wait = () => {
    const restMs = end - performance.now();
    if (restMs <= 0) callback();
    else timeout = setTimeout(wait, Math.min(timeoutMsMax, Math.ceil(restMs)));
  };
  wait();
  return { cancel: () => clearTimeout(timeout) };
}
