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

function after(delayMs: number, callback: () => void): Timer {
  const end = performance.now() + delayMs;
  let timeout: NodeJS.Timeout;
  const wait = () => {
    const restMs = end - performance.now();
    timeout =
      restMs > timeoutMsMax ? setTimeout(wait, timeoutMsMax) : setTimeout(callback, Math.max(1, restMs));
  };
  wait();
  return { cancel: () => clearTimeout(timeout) };
}
