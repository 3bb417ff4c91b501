/**
 * @file throttle.h
 * @brief Keeps ENet's throttle from dropping unreliable messages because a round trip takes longer; see throttle.c.
 *
 * With the lock of the host that the peer belongs to held.
 */
#ifndef ENETJS_THROTTLE_H
#define ENETJS_THROTTLE_H

#include <enet/enet.h>
#include <stdbool.h>

/** Of one connection. All zero: ENet's throttle as it is. */
struct enetjs_throttle {
  bool off;           /**< the other side cannot turn it on; the program of this side can */
  bool restores;      /**< ENet handles a datagram after which the throttle is `before` again */
  enet_uint32 before; /**< ENetPeer::packetThrottle */
  enet_uint32 connect_id;
  enet_uint32 counted_at; /**< when the acknowledgement of a ping last changed the throttle, 0 for never */
};

/**
 * When a connection begins.
 * @param off what this side sends is dropped for want of bandwidth only
 * @param ask asks the other side to do the same, in ENet's own way
 */
void enetjs_throttle_begin(struct enetjs_throttle *throttle, ENetPeer *peer, bool off, bool ask);

/** A THROTTLE_CONFIGURE that ENet is about to handle. */
void enetjs_throttle_configured(const struct enetjs_throttle *throttle, const ENetPeer *peer, ENetProtocol *command);

/**
 * ENet is about to handle a datagram with acknowledgements.
 * @param pings it acknowledges nothing but commands that belong to no channel
 * @returns whether enetjs_throttle_handled must be called when ENet has handled it
 */
bool enetjs_throttle_acknowledged(struct enetjs_throttle *throttle, ENetPeer *peer, bool pings);
void enetjs_throttle_handled(struct enetjs_throttle *throttle, ENetPeer *peer);

#endif
