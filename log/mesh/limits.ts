/** What the mesh holds at most, and how long it waits. */
export type MeshLimits = {
  /** Of one frame's payload; a longer one ends its link. */
  readonly frameBytesMax: number;
  /** Raft messages that wait for a slow link to a node; what comes on top is dropped, for Raft sends again. */
  readonly messageQueueBytesMax: number;
  /** Requests without an answer, to a node and from one. */
  readonly requestsMax: number;
  /** Requests and answers that wait for a slow link; an asker is refused, an answerer reads no further questions. */
  readonly controlQueueBytesMax: number;
  /** Fetches at once, by a node and from one. */
  readonly fetchesMax: number;
  readonly chunkBytesMax: number;
  /** Bytes of a fetch that are under way or wait for the fetcher. */
  readonly fetchWindowBytes: number;
  /** A fetch ends when its fetcher has waited so long for the next byte. */
  readonly fetchIdleMsMax: number;
  readonly requestTimeoutMs: number;
  readonly connectMsMax: number;
  readonly pingMs: number;
  /** A link ends after so many pings in whose time nothing arrived. */
  readonly silentPingsMax: number;
  /** Between two attempts to connect: doubled each time, less up to a half by chance. */
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** For what was written before `close` to leave. */
  readonly closeMsMax: number;
};

export const defaultMeshLimits: MeshLimits = {
  frameBytesMax: 64 * 1024 * 1024,
  messageQueueBytesMax: 16 * 1024 * 1024,
  requestsMax: 4096,
  controlQueueBytesMax: 64 * 1024 * 1024,
  fetchesMax: 64,
  chunkBytesMax: 256 * 1024,
  fetchWindowBytes: 2 * 1024 * 1024,
  fetchIdleMsMax: 30_000,
  requestTimeoutMs: 5_000,
  connectMsMax: 3_000,
  pingMs: 1_000,
  silentPingsMax: 3,
  backoffMsMin: 50,
  backoffMsMax: 1_000,
  closeMsMax: 500,
};
