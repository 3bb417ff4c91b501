/**
 * @file answers.h
 * @brief What a half-open connection is answered: the VERIFY_CONNECT that ENet would send, or a refusal.
 *
 * Invariant: these functions count the bytes of an attempt that they send. An address that has not proved
 * itself is sent no more bytes than it has sent, except by enetjs_answer_again.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_ANSWERS_H
#define ENETJS_ANSWERS_H

#include "wire/addresses.h"
#include "wire/attempts.h"

/**
 * Set in the MTU of a VERIFY_CONNECT where a refusal may still follow. A client of this library then waits
 * until the server sends anything else. ENet takes an MTU above its maximum for the maximum, and keeps its
 * own, which is no larger (protocol.c, enet_protocol_handle_verify_connect). So does each of its ports; some
 * of them read the number as a signed one. The value compresses well beside the other fields.
 */
#define ENETJS_TENTATIVE 0x00010000u

/** @returns how many channels the connection will have */
enet_uint32 enetjs_answer_channels(const ENetHost *enet, const struct enetjs_attempt *attempt);

/** The header of a datagram to the client: its peer id and its session. */
enet_uint16 enetjs_answer_header(const struct enetjs_attempt *attempt);

/** Sends the VERIFY_CONNECT. @returns false when it is longer than what may be sent */
bool enetjs_answer_within_credit(ENetHost *enet, struct enetjs_addresses *map,
                                 struct enetjs_attempt *attempt);

/** Sends the VERIFY_CONNECT, however long it is. */
void enetjs_answer_again(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt);

/**
 * Sends a DISCONNECT with the number of the refusal. @returns false when it is longer than what may be sent
 */
bool enetjs_answer_refusal(ENetHost *enet, struct enetjs_addresses *map, struct enetjs_attempt *attempt);

#endif
