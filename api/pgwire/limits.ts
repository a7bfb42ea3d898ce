/** Longest startup packet, as in PostgreSQL. */
export const startupBytesMax = 10_000;
/** Longest message before authentication is over: passwords and SCRAM answers are short. */
export const unauthenticatedMessageBytesMax = 16 * 1024;
/** Longest message after it. */
export const messageBytesMax = 256 * 1024 * 1024;
/** Bytes of received messages that wait for the session; past it the socket is paused. */
export const receivedBytesMax = 1024 * 1024;
/** Bytes that results may put before the socket before they wait for the client to read. */
export const unsentBytesMax = 256 * 1024;
/** Prepared statements, and portals, that one connection may have open. */
export const preparedStatementsMax = 10_000;
export const portalsMax = 1_000;
/** How long a client may take from connecting to being authenticated. */
export const authenticationMsMax = 60_000;
/** How long one connection's messages may hold the event loop before others run. */
export const sliceMsMax = 5;
/** How long a client may take to read the last messages of a connection that the server ends. */
export const lingerMsMax = 5_000;
