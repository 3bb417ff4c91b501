/**
 * @file ping_barrier.h
 * @brief Unreliable messages, sent no faster than the other side reads them; see ping_barrier.c. With the host's lock held.
 */
#ifndef ENETJS_PING_BARRIER_H
#define ENETJS_PING_BARRIER_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

#define ENETJS_PING_BARRIERS 4

/** Pings behind unreliable messages that have not been acknowledged. All zero at the beginning of a connection. */
struct enetjs_ping_barriers {
  size_t bytes; /**< since the last one */
  unsigned count;
  struct enetjs_ping_barrier {
    enet_uint16 sequence;
    bool acknowledged;
    enet_uint32 put_at;
  } barrier[ENETJS_PING_BARRIERS];
};

/** Whether ENet may have another unreliable message. */
bool enetjs_ping_barriers_open(struct enetjs_ping_barriers *barriers);
/** The peer has acknowledged a command without a channel. */
void enetjs_ping_barriers_acknowledged(struct enetjs_ping_barriers *barriers, enet_uint16 sequence);
/** After ENet has been given a message of so many bytes. */
void enetjs_ping_barriers_pass(struct enetjs_ping_barriers *barriers, ENetPeer *peer, size_t bytes);
/** @returns ms until it may have another one in any case, -1 if it may now */
int enetjs_ping_barriers_wait(const struct enetjs_ping_barriers *barriers);

#endif
