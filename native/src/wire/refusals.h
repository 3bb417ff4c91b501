/**
 * @file refusals.h
 * @brief Refusing an attempt to connect: what the client is told, how it is counted, and how long it is
 * remembered.
 *
 * A refused attempt stays in the table of attempts for a while, in state REFUSED. A repeated CONNECT is then
 * answered with the same refusal, and the program is not asked again. Refused attempts are the first to leave
 * a full table. A proved address has a limited number of them there, or a refused client could keep out
 * others that have not been answered yet.
 *
 * Call with the host's lock held. A function that refuses an attempt may drop it from the table.
 */
#ifndef ENETJS_REFUSALS_H
#define ENETJS_REFUSALS_H

#include "wire/attempts.h"

/** Why an attempt is refused. In the order of ENETJS_HOST_STAT_REFUSED_…. */
enum enetjs_refusal {
  ENETJS_REFUSAL_FULL, /**< no peer is free, or no memory, or the host closes */
  ENETJS_REFUSAL_FILTER,
  ENETJS_REFUSAL_ACCEPT,    /**< by the program */
  ENETJS_REFUSAL_UNDECIDED, /**< by the program, which has not decided in time */
  ENETJS_REFUSAL_DUPLICATE, /**< the address has as many peers as it may */
  ENETJS_REFUSAL_COUNT
};

#define ENETJS_REFUSALS_COUNTED 256 /* refused attempts that are remembered as counted */

struct enetjs_refusals {
  ENetHost *enet;
  struct enetjs_addresses *addresses; /**< or NULL */
  struct enetjs_attempts *attempts;
  uint64_t told[ENETJS_REFUSAL_COUNT];       /**< attempts whose client was sent a refusal, for each cause */
  /** hashes of attempts that are in `told`, each in a place of its own */
  uint64_t counted[ENETJS_REFUSALS_COUNTED];
};

/**
 * Refuses an attempt of the table, and remembers it there.
 * @param number that the client is told
 */
void enetjs_refusals_refuse(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                            enum enetjs_refusal cause, enet_uint32 number);

/** Refuses an attempt that is not in the table, and does not remember it. */
void enetjs_refusals_refuse_unlisted(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                                     enum enetjs_refusal cause, enet_uint32 number);

/**
 * Refuses a proved attempt that has left the table, and puts it back there: its client believes that it is
 * connected, so the refusal must be repeated until it arrives.
 */
void enetjs_refusals_refuse_proved(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                                   enum enetjs_refusal cause, enet_uint32 number);

/** Sends the refusal of a REFUSED attempt again. */
void enetjs_refusals_repeat(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt);

#endif
