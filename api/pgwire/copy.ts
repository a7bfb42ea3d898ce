import { AlopexError } from '../../base/errors.ts';
import type { CopyInPortal, CopyOutPortal } from '../database/contract.ts';
import type { Frame } from './framer.ts';
import { decodeMessage } from './frontend.ts';
import type { Outbox } from './outbox.ts';

/** Takes the client's messages until it has ended the copy: the tag. `next`: null where the connection is closed. */
export async function receiveCopy(
  portal: CopyInPortal,
  outbox: Outbox,
  next: () => Frame | Promise<Frame | null>,
): Promise<string> {
  outbox.writer.copyResponse('in', portal.format === 'binary', portal.columnCount);
  for (;;) {
    const got = next();
    const frame = got instanceof Promise ? await got : got;
    if (frame?.kind !== 'message') {
      throw new AlopexError('connection_failure', 'unexpected EOF on client connection during COPY');
    }
    const message = decodeMessage(frame.message, frame.body);
    switch (message.kind) {
      case 'copy-data':
        await portal.write(message.data);
        break;
      case 'copy-done':
        return portal.finish();
      case 'copy-fail':
        return portal.abort(message.message);
      case 'flush':
      case 'sync':
        break;
      default:
        throw new AlopexError(
          'protocol_violation',
          `unexpected message of kind ${message.kind} during COPY from stdin`,
        );
    }
  }
}

/** Sends lines as fast as the client takes them: the tag. */
export async function sendCopy(portal: CopyOutPortal, outbox: Outbox): Promise<string> {
  const { writer } = outbox;
  writer.copyResponse('out', portal.format === 'binary', portal.columnCount);
  const read = (): Promise<Uint8Array | null> => {
    if (portal.isEndless === true) outbox.flush();
    return portal.read();
  };
  for (let data = await read(); data !== null; data = await read()) {
    // One message a line: clients rely on it (55.7, CopyData).
    let start = 0;
    for (const end of portal.lineEnds) {
      writer.copyData(data.subarray(start, end));
      start = end;
    }
    const room = outbox.room();
    if (room !== null) await room;
  }
  writer.copyDone();
  return portal.tag;
}
