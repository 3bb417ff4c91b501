/**
 * @file handshake.h
 * @brief Repeats the last acknowledgement of a handshake until the server has it.
 *
 * Called with the lock of the host that the peers belong to.
 */
#ifndef ENETJS_HANDSHAKE_H
#define ENETJS_HANDSHAKE_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The acknowledgement of VERIFY_CONNECT that is repeated to one peer. All zero: there is none. */
struct enetjs_handshake {
  bool unconfirmed; /**< the server has acknowledged nothing yet */
  bool listed;      /**< in the list; enetjs_handshake_repeat removes it once it is confirmed */
  uint16_t sequence, sent_time;
  ENetPeer *peer;
  struct enetjs_handshake *next;
};

/** The handshakes of one host. */
struct enetjs_handshakes {
  struct enetjs_handshake *first;
};

/** An attempt of this side has succeeded: repeats the acknowledgement that ENet has queued. */
void enetjs_handshake_remember(struct enetjs_handshakes *list, struct enetjs_handshake *handshake,
                               ENetPeer *peer);

/** To be called before ENet sends. */
void enetjs_handshake_repeat(struct enetjs_handshakes *list);

/** ENet has handed a datagram to the socket. */
void enetjs_handshake_sent(struct enetjs_handshakes *list, const ENetHost *enet, const ENetAddress *address);

/** As enet_peer_send, with room for the acknowledgement in each datagram. */
int enetjs_handshake_send(const struct enetjs_handshake *handshake, ENetPeer *peer, enet_uint8 channel,
                          ENetPacket *packet);

/** @returns bytes of each datagram to a peer that are kept free */
size_t enetjs_handshake_reserve(const struct enetjs_handshake *handshake, const ENetPeer *peer);

#endif
