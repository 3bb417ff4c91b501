/**
 * @file handshake.h
 * @brief What the datagrams of a client that is not connected yet mean: a CONNECT, an
 * acknowledgement or a DISCONNECT.
 *
 * Functions that read opened datagrams and change nothing else. Any thread may call them.
 */
#ifndef ENETJS_HANDSHAKE_H
#define ENETJS_HANDSHAKE_H

#include "wire/addresses.h"
#include "wire/attempts.h"
#include "wire/datagram.h"

/**
 * Reads a CONNECT.
 * @param received its bytes on the wire
 * @param attempt is set to a new attempt, with no peer id yet
 * @returns false when ENet would ignore the CONNECT
 */
bool enetjs_handshake_read_connect(const ENetHost *enet, const struct enetjs_addresses *addresses,
                                   const struct enetjs_datagram *connect, size_t received,
                                   struct enetjs_attempt *attempt);

/** What a datagram says about the answer that an attempt was sent. */
enum enetjs_handshake_proof {
  ENETJS_HANDSHAKE_SILENT, /**< it does not begin with an acknowledgement */
  ENETJS_HANDSHAKE_WRONG,  /**< it begins with the acknowledgement of something else */
  ENETJS_HANDSHAKE_PROVED  /**< it begins with the acknowledgement of that answer */
};

/**
 * Only the first command counts: a client has received nothing else that it could acknowledge, and a datagram
 * of guesses may hold hundreds.
 */
enum enetjs_handshake_proof enetjs_handshake_proof_in(const struct enetjs_datagram *datagram,
                                                      const struct enetjs_attempt *attempt);

/**
 * Whether a client that believes it is connected disconnects.
 * @param awaits is set to whether the client waits for an acknowledgement of that
 */
bool enetjs_handshake_disconnects(const struct enetjs_datagram *datagram, bool *awaits);

#endif
