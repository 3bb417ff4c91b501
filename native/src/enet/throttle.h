/**
 * @file throttle.h
 * @brief Keeps ENet's throttle from dropping unreliable messages because a round trip takes longer; see
 * throttle.c.
 *
 * Call with the lock of the peer's host held.
 */
#ifndef ENETJS_THROTTLE_H
#define ENETJS_THROTTLE_H

#include <enet/enet.h>
#include <stdbool.h>

/** The throttle of one connection. All zero: as ENet has it. */
struct enetjs_throttle {
  bool off;           /**< round trips do not lower it, and the other side cannot change that */
  bool restores;      /**< ENet handles a datagram; afterwards the throttle is set to `before` */
  enet_uint32 before; /**< ENetPeer::packetThrottle */
  enet_uint32 connect_id;
  enet_uint32 counted_at; /**< when the acknowledgement of a ping last changed the throttle, 0 for never */
};

/**
 * A connection begins.
 * @param off round trips shall not lower the throttle of what this side sends; bandwidth limits still do
 * @param ask tells the other side to do the same, with a THROTTLE_CONFIGURE
 */
void enetjs_throttle_begin(struct enetjs_throttle *throttle, ENetPeer *peer, bool off, bool ask);

/** ENet is about to handle a THROTTLE_CONFIGURE. */
void enetjs_throttle_configured(const struct enetjs_throttle *throttle, const ENetPeer *peer,
                                ENetProtocol *command);

/**
 * ENet is about to handle a datagram with acknowledgements.
 * @param pings the datagram acknowledges only commands without a channel, such as pings
 * @returns whether enetjs_throttle_handled must be called when ENet has handled it
 */
bool enetjs_throttle_acknowledged(struct enetjs_throttle *throttle, ENetPeer *peer, bool pings);
/** ENet has handled that datagram. */
void enetjs_throttle_handled(struct enetjs_throttle *throttle, ENetPeer *peer);

#endif
