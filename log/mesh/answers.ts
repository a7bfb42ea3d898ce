import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { MeshHandlers } from './contract.ts';
import type { MeshLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { MeshFrame } from './messages.ts';
import { refusalOf } from './requests.ts';

/** What a node asks on its channel, answered on it. */
export class Answers {
  readonly #from: NodeId;
  readonly #answer: MeshHandlers['onRequest'];
  readonly #limits: MeshLimits;
  readonly #onProblem: (error: AlopexError) => void;
  #atWork = 0;

  constructor(
    from: NodeId,
    answer: MeshHandlers['onRequest'],
    limits: MeshLimits,
    onProblem: (error: AlopexError) => void,
  ) {
    this.#from = from;
    this.#answer = answer;
    this.#limits = limits;
    this.#onProblem = onProblem;
  }

  onFrame(link: Link, frame: MeshFrame): void {
    if (frame.kind !== 'request')
      throw new AlopexError('protocol_violation', `"${frame.kind}" is no question`);
    const { id, name, body } = frame;
    if (this.#atWork >= this.#limits.requestsMax) {
      const error = new AlopexError('insufficient_resources', 'this node answers too many requests already');
      link.post({ kind: 'failure', id, error });
      return;
    }
    this.#atWork += 1;
    this.#work(name, body).then(
      (answer) => {
        this.#atWork -= 1;
        const error = refusalOf(name, answer, this.#limits);
        link.post(error === null ? { kind: 'answer', id, body: answer } : { kind: 'failure', id, error });
      },
      (thrown: unknown) => {
        this.#atWork -= 1;
        const error = asAlopexError(thrown);
        if (!(thrown instanceof AlopexError)) this.#onProblem(error);
        link.post({ kind: 'failure', id, error });
      },
    );
  }

  /** A handler that throws before it has a promise fails the request as one that rejects. */
  #work(name: string, body: Uint8Array): Promise<Uint8Array> {
    try {
      return this.#answer(this.#from, name, body);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }
}
