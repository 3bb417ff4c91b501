/**
 * @file lease.h
 * @brief How a worker gets a socket from the holder of a shared port: SCM_RIGHTS over a Unix socket, Linux
 * only.
 *
 * The holder listens on a Unix socket whose name is in no folder ("abstract"). A worker connects, and is
 * handed a descriptor of a UDP socket. The connection is the lease: while it lasts the socket is the
 * worker's, and the system ends it with the worker, however that dies. Both sides require of each other the
 * same effective user.
 *
 * Any thread may call these functions.
 */
#ifndef ENETJS_LEASE_H
#define ENETJS_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"

#define ENETJS_PORT_NAME_WORDS 4

/** A worker's end. All zero: none. */
struct enetjs_lease {
  bool held;
  enetjs_fd socket; /**< or ENETJS_FD_NONE once another owner closes it */
  enetjs_fd connection;
};

/**
 * For the worker. Waits for the holder's thread, for two seconds at most. @returns 0, or an ENETJS_ERR_… code
 */
int enetjs_lease_take(const uint32_t name[ENETJS_PORT_NAME_WORDS], struct enetjs_lease *lease);

/** Gives it back, if there is one. */
void enetjs_lease_end(struct enetjs_lease *lease);

/* ---- For the holder ---------------------------------------------------------------------------- */

/** @returns 0, or an ENETJS_ERR_… code */
int enetjs_lease_listen(const uint32_t name[ENETJS_PORT_NAME_WORDS], enetjs_fd *listener);

/**
 * Takes the next worker, without waiting.
 * @param retry receives whether there may be more
 * @returns its connection, or ENETJS_FD_NONE: none has come, it was another user's, or descriptors have run
 * out
 */
enetjs_fd enetjs_lease_accept(enetjs_fd listener, bool *retry);

/**
 * Hands a worker a socket, or with ENETJS_FD_NONE tells it that there is none. @returns whether it was told
 */
bool enetjs_lease_grant(enetjs_fd connection, enetjs_fd socket);

#endif
