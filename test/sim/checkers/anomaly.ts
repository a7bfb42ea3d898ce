/** What no correct database does, in words that name the operations. Checkers return all that they find; none: all is well. */
export type Anomaly = { readonly kind: string; readonly description: string };

/**
 * When something was asked for and when it was answered, as places in one order of all calls and answers of a run.
 * `answered` null: nobody knows whether it happened, nor when; it may do so at any time after the call.
 */
export type Span = { readonly called: number; readonly answered: number | null };

export function isBefore(left: Span, right: Span): boolean {
  return left.answered !== null && left.answered < right.called;
}
