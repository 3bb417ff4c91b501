/**
 * @file datagram.h
 * @brief A datagram of ENet's protocol, read and verified before ENet looks at it.
 *
 * Opening a datagram does what ENet would do first: it decompresses, and verifies the checksum. ENet
 * then accepts what was opened as it stands, whatever has been changed in between: a shorter length,
 * another peer id. So a stage that decides about datagrams sees plain commands, and no work is done twice.
 */
#ifndef ENETJS_DATAGRAM_H
#define ENETJS_DATAGRAM_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

/** How many sessions the header can name. */
#define ENETJS_SESSIONS ((ENET_PROTOCOL_HEADER_SESSION_MASK >> ENET_PROTOCOL_HEADER_SESSION_SHIFT) + 1)

/** Where its parts are; points into the bytes that were parsed, or those it was decompressed to. */
struct enetjs_datagram {
  enet_uint8 *bytes;
  size_t length;
  size_t header_bytes; /**< commands begin here */
  enet_uint16 peer;    /**< ENET_PROTOCOL_MAXIMUM_PEER_ID: the sender has none yet */
  enet_uint16 flags;   /**< ENET_PROTOCOL_HEADER_FLAG_… */
  enet_uint8 session;
  enet_uint32 kinds; /**< once it was inspected: a bit for each kind of command that it had, see inspect.h */
};

/** Room for what a datagram decompresses to. */
typedef enet_uint8 enetjs_datagram_room[ENET_PROTOCOL_MAXIMUM_MTU];

/** Reads the header. @returns false when there is none */
bool enetjs_datagram_parse(const ENetHost *enet, enet_uint8 *bytes, size_t length,
                           struct enetjs_datagram *datagram);

/**
 * Decompresses and verifies a parsed datagram.
 * @param connect_id of the peer that it is for, 0 where it has none; the checksum depends on it
 * @returns false when ENet would drop the datagram
 */
bool enetjs_datagram_open(ENetHost *enet, struct enetjs_datagram *datagram, enetjs_datagram_room room,
                          enet_uint32 connect_id);

/** Writes another peer id into the header of an opened datagram. */
void enetjs_datagram_readdress(struct enetjs_datagram *datagram, enet_uint16 peer);

/**
 * Has ENet take an opened datagram in place of the one that it has received. Only within its intercept
 * callback.
 */
void enetjs_datagram_hand_over(ENetHost *enet, const struct enetjs_datagram *datagram);

/**
 * Puts the checksum into a datagram of ours.
 * @param at where its field is
 * @param connect_id of the peer that it is for
 */
void enetjs_datagram_sign(const ENetHost *enet, enet_uint8 *bytes, size_t at, size_t length,
                          enet_uint32 connect_id);

/** Room for one DISCONNECT. */
typedef enet_uint8
    enetjs_disconnect_room[sizeof(enet_uint16) + sizeof(enet_uint32) + sizeof(ENetProtocolDisconnect)];

/**
 * Writes a datagram of one unsequenced DISCONNECT, which is not acknowledged.
 * @param word the receiver's peer id and session, as in a header
 * @returns its length: 10 bytes, 14 with a checksum
 */
size_t enetjs_datagram_disconnect(const ENetHost *enet, enetjs_disconnect_room room, enet_uint16 word,
                                  enet_uint32 connect_id, enet_uint32 data);

/** CRC32, which takes the word for a datagram that has been verified already. For `ENetHost::checksum`. */
enet_uint32 ENET_CALLBACK enetjs_datagram_checksum(const ENetBuffer *buffers, size_t count);

#endif
