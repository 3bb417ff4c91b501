/**
 * @file batch_in.h
 * @brief The way in of a batch: one system call fetches many datagrams, and ENet receives them one by one.
 *
 * One call (base/udp.h) fills several messages, each of which may be many datagrams of one sender. ENet may
 * stop before the last one. The rest waits here for the next service, where poll() does not see it.
 *
 * ENet receives datagrams in rounds, so that it dispatches the messages of a round from the cache.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_BATCH_IN_H
#define ENETJS_BATCH_IN_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/endpoint.h"

struct enetjs_in;

/**
 * Also sets the socket's option for joined datagrams.
 * @param errors counts datagrams that are of no use
 * @returns NULL when there is no memory
 */
struct enetjs_in *enetjs_in_create(ENetHost *enet, uint64_t *errors);
void enetjs_in_destroy(struct enetjs_in *in);

/** A section begins. NULL does nothing. */
void enetjs_in_begin(struct enetjs_in *in);

/**
 * Has ENet receive the next datagram.
 * @param from receives the real source
 * @returns its length, 0 when the round is over or there is none, or −1
 */
int enetjs_in_next(struct enetjs_in *in, struct enetjs_endpoint *from, ENetBuffer *buffer);

/** Whether ENet is within a round, and more has been fetched for it. */
bool enetjs_in_goes_on(const struct enetjs_in *in);

/** Whether datagrams have been fetched that ENet has not received. */
bool enetjs_in_prefetched(const struct enetjs_in *in);

/** Whether the last round was ended while there may be more datagrams. */
bool enetjs_in_unread(const struct enetjs_in *in);

/** How often a datagram came from another source than the one before, since the last call. */
unsigned enetjs_in_take_source_changes(struct enetjs_in *in);

#endif
