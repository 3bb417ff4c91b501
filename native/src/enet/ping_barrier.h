/**
 * @file ping_barrier.h
 * @brief Keeps unreliable messages from being sent faster than the other side reads them; see ping_barrier.c.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_PING_BARRIER_H
#define ENETJS_PING_BARRIER_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#define ENETJS_PING_BARRIERS 4

/**
 * Pings behind unreliable messages that have not been acknowledged. All zero at the beginning of a
 * connection.
 */
struct enetjs_ping_barriers {
  size_t bytes; /**< of unreliable messages since the last ping */
  unsigned count;
  struct enetjs_ping_barrier {
    enet_uint16 sequence;
    bool acknowledged;
    enet_uint32 put_at;
  } barrier[ENETJS_PING_BARRIERS];
};

/** Whether ENet may be given another unreliable message. */
bool enetjs_ping_barriers_open(struct enetjs_ping_barriers *barriers);
/** The peer has acknowledged a command without a channel, such as a ping. */
void enetjs_ping_barriers_acknowledged(struct enetjs_ping_barriers *barriers, enet_uint16 sequence);
/** ENet has been given an unreliable message of so many bytes. */
void enetjs_ping_barriers_pass(struct enetjs_ping_barriers *barriers, ENetPeer *peer, size_t bytes);
/** @returns milliseconds until ENet may be given another one in any case, or -1 where it may be now */
int enetjs_ping_barriers_wait(const struct enetjs_ping_barriers *barriers);

#endif
