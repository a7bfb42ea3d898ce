/**
 * Bytes that are not a record batch. It knows no file: whoever read the bytes adds the file, and its own offset
 * to `byteOffset`, which counts from the start of the batch.
 */
export class BatchError extends Error {
  override readonly name = 'BatchError';
  readonly byteOffset: number;

  constructor(byteOffset: number, problem: string) {
    super(problem);
    this.byteOffset = byteOffset;
  }
}
