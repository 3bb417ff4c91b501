/**
 * @file handover.h
 * @brief How ENet learns of a connection whose handshake the guard has done.
 *
 * ENet is handed the CONNECT of the attempt, and gives it a peer. As the next datagram ENet receives the
 * client's own, which begins with an acknowledgement. In it stands the sequence number that ENet has given to
 * its own VERIFY_CONNECT. That VERIFY_CONNECT counts as sent, and never leaves. So the client sees one
 * handshake and ENet another one, with the same sessions.
 *
 * Call with the host's lock held. One handover is under way at a time.
 */
#ifndef ENETJS_HANDOVER_H
#define ENETJS_HANDOVER_H

#include "wire/attempts.h"
#include "wire/datagram.h"
#include "wire/peer_ids.h"

struct enetjs_handover {
  bool active;  /**< ENet has the CONNECT, and is to receive the client's datagram */
  bool returns; /**< ENet is about to be shown the client's datagram */
  ENetPeer *peer;
  ENetAddress address; /**< of the peer, as ENet knows it */
  struct enetjs_attempt attempt;
  size_t length;
  enet_uint8 bytes[ENET_PROTOCOL_MAXIMUM_MTU]; /**< the client's datagram */
  enet_uint8 connect[sizeof(ENetProtocolHeader) + sizeof(enet_uint32) + sizeof(ENetProtocolConnect)];
};

/** @returns the peer that ENet would take for a CONNECT, or NULL when the host is full */
ENetPeer *enetjs_handover_free_peer(const ENetHost *enet);

/**
 * Hands ENet the CONNECT in place of the datagram that it has received. In the intercept callback.
 * @param peer a free one, which ENet will take
 * @param address of the attempt, as ENet is to know it
 * @param datagram the client's, opened, which begins with the acknowledgement that ENet expects
 */
void enetjs_handover_begin(struct enetjs_handover *handover, ENetHost *enet, struct enetjs_peer_ids *ids,
                           ENetPeer *peer, const ENetAddress *address, const struct enetjs_attempt *attempt,
                           struct enetjs_datagram *datagram);

/**
 * ENet has had the CONNECT, and the handover is no longer active. @returns false when there is no connection
 */
bool enetjs_handover_end(struct enetjs_handover *handover);

/** Has ENet receive the client's datagram. @returns its length */
size_t enetjs_handover_follow(struct enetjs_handover *handover, ENetHost *enet, ENetAddress *address,
                              ENetBuffer *buffer);

/**
 * Whether a datagram is ENet's own answer to the CONNECT, which the client has had from the guard already.
 */
bool enetjs_handover_swallows(const struct enetjs_handover *handover, const ENetAddress *to,
                              const ENetBuffer *datagram);

/** Makes the first command of a client's datagram the acknowledgement that ENet expects. */
void enetjs_handover_put_acknowledgement(const ENetHost *enet, const struct enetjs_attempt *attempt,
                                         struct enetjs_datagram *datagram);

/** Has ENet receive that acknowledgement alone, as an opened datagram of the attempt. @returns its length */
size_t enetjs_handover_acknowledge(ENetHost *enet, const struct enetjs_attempt *attempt, ENetBuffer *buffer);

#endif
