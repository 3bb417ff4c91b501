/**
 * @file assignment.h
 * @brief The random numbers that an attempt is assigned: a peer id, two sessions and a sequence number.
 *
 * The guard's answer carries them, and the client repeats them. Nobody else has seen them, so their
 * repetition proves that the address receives what it is sent.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_ASSIGNMENT_H
#define ENETJS_ASSIGNMENT_H

#include "wire/attempts.h"
#include "wire/peer_ids.h"

/**
 * Assigns numbers to an attempt of the table. May drop another attempt of the same address and port: forged
 * CONNECTs that use up all ids must not keep an address out.
 * @returns false when no id is free
 */
bool enetjs_assign(const struct enetjs_peer_ids *ids, struct enetjs_attempts *attempts,
                   struct enetjs_attempt *attempt);

/**
 * Answers a CONNECT, if the address may be sent so many bytes. How far an answer compresses depends on its
 * numbers, so an attempt that has not been answered yet may be assigned others.
 */
void enetjs_assign_and_answer(ENetHost *enet, struct enetjs_addresses *addresses,
                              const struct enetjs_peer_ids *ids, struct enetjs_attempts *attempts,
                              struct enetjs_attempt *attempt);

#endif
