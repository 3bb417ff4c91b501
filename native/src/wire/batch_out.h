/**
 * @file batch_out.h
 * @brief The way out of a batch: datagrams are gathered, and leave with one system call.
 *
 * Datagrams are copied, because ENet's buffers are valid only during the call. They are gathered in runs: a
 * run goes to one destination, and its datagrams have one length, except for the last one. A run is one
 * message with a segment size, and all runs are sent by one call (base/udp.h). Order is kept for each
 * destination, not between destinations.
 *
 * ENet has counted a datagram as sent when it leaves. What the system refuses is taken off ENet's totals
 * again, and is otherwise lost like any datagram.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_BATCH_OUT_H
#define ENETJS_BATCH_OUT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/endpoint.h"

struct enetjs_out;

/**
 * @param ipv6 whether the socket is one of IPv6
 * @param errors counts the datagrams that the system refuses
 * @returns NULL when there is no memory
 */
struct enetjs_out *enetjs_out_create(ENetHost *enet, bool ipv6, uint64_t *errors);
void enetjs_out_destroy(struct enetjs_out *out);

/** Whether a datagram of this length can be gathered at all. */
bool enetjs_out_takes(size_t length);

/** Gathers a datagram. When there is no more room, what was gathered before leaves first. */
void enetjs_out_add(struct enetjs_out *out, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                    size_t count, size_t length);

/** Sends what was gathered. NULL does nothing. */
void enetjs_out_send(struct enetjs_out *out);

/** Sends a datagram at once, without a batch. @returns bytes, 0 when the socket's buffer is full, or -1 */
int enetjs_out_one(ENetHost *enet, bool ipv6, const struct enetjs_endpoint *to, const ENetBuffer *buffers,
                   size_t count);

/** A section begins: a while after the system has refused runs, they are tried again. NULL does nothing. */
void enetjs_out_begin(struct enetjs_out *out);

#endif
