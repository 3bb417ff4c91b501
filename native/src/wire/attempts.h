/**
 * @file attempts.h
 * @brief The table of half-open connections: every attempt that an address has begun and not completed.
 *
 * The table finds an attempt by its address and port, together with its connect id or its assigned peer id.
 * Each attempt is in one state, and each state has a queue, the oldest attempt first. The table knows no
 * datagrams: what becomes of an attempt is decided in guard.c.
 *
 * The memory grows on demand up to ENETJS_ATTEMPTS attempts, and is freed when the last attempt leaves. A
 * full table makes room for a new attempt: the oldest refused one goes first, then the oldest of the other
 * states.
 *
 * Call with the host's lock held. Adding an attempt may move the others, so a pointer is valid until then.
 */
#ifndef ENETJS_ATTEMPTS_H
#define ENETJS_ATTEMPTS_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/endpoint.h"

#define ENETJS_ATTEMPTS 16384 /* at most; a power of two */
#define ENETJS_ATTEMPTS_ID_SEEN (ENETJS_ATTEMPTS / 4)
#define ENETJS_ATTEMPTS_REFUSED (ENETJS_ATTEMPTS / 4)
#define ENETJS_ATTEMPT_SHARES 4096   /* which addresses are spread over by a random seed; a power of two */
#define ENETJS_ATTEMPTS_WAITING 1024 /* at most */
#define ENETJS_QUESTIONS 1024        /* attempts about which the program has not decided, at most */
#define ENETJS_NO_ATTEMPT UINT32_MAX /* as an index */

/** Where an attempt stands. */
enum enetjs_attempt_state {
  ENETJS_ATTEMPT_FRESH,   /**< its CONNECT has come */
  ENETJS_ATTEMPT_ID_SEEN, /**< a datagram has carried the assigned id and session */
  ENETJS_ATTEMPT_ASKING,  /**< the program has not decided yet */
  ENETJS_ATTEMPT_WAITING, /**< its address is proved, and the free places are promised to others */
  /** the program has accepted it, and its address is proved: it is to be handed to ENet */
  ENETJS_ATTEMPT_ADMITTED,
  ENETJS_ATTEMPT_REFUSED, /**< the refusal is remembered, so that it can be repeated */
  ENETJS_ATTEMPT_STATES
};

/** What finds an attempt, beside its address and port. */
enum enetjs_attempt_key { ENETJS_ATTEMPT_BY_CONNECT, ENETJS_ATTEMPT_BY_ID, ENETJS_ATTEMPT_KEYS };

struct enetjs_attempt {
  struct enetjs_endpoint address;
  enet_uint16 id, sequence;      /**< assigned */
  enet_uint8 incoming : 2, outgoing : 2; /**< assigned sessions, as the peer here will name them */
  enet_uint8 answers_left : 2;           /**< to datagrams that carry the assigned id and session */
  enet_uint8 state;              /**< ENETJS_ATTEMPT_…; only the table changes it */
  bool accepted : 1;             /**< by the program */
  bool proved : 1;               /**< the address has acknowledged the answer */
  bool promised : 1;             /**< its answer says that it has a place; see places.h */
  bool told : 1;                 /**< the client has been told of its refusal, which has been counted */
  enet_uint8 cause;              /**< of a refusal, an enetjs_refusal */
  /** the time of ours that the acknowledgement names, once the address is proved */
  enet_uint16 acknowledged;
  uint16_t share;                /**< of its real network, see enetjs_attempts_share_of */
  uint32_t question;             /**< its number, while the attempt is ASKING */
  enet_uint32 refusal;           /**< the number that the client is told */
  enet_uint32 began, answered;   /**< when the attempt began, and when it was last answered */
  enet_uint32 queued;            /**< when it came into its queue */
  enet_uint32 received, sent;    /**< bytes */
  /** the next attempt with the same hash; of a free place, the next free one */
  uint32_t next[ENETJS_ATTEMPT_KEYS];
  uint32_t older, newer;              /**< in its queue */
  ENetProtocolConnect connect;
};

_Static_assert(sizeof(struct enetjs_attempt) <= 128, "docs/security.md tells what a full table takes");

/** Attempts of the addresses that share a place. */
struct enetjs_attempt_share {
  uint16_t asking, refused; /**< only proved ones count, for the addresses of others may be forged */
  uint16_t promised;
};

/** The attempts of one state. */
struct enetjs_attempt_queue {
  uint32_t oldest, newest, count;
};

struct enetjs_attempts {
  uint64_t seed;
  struct enetjs_attempt *attempts; /**< NULL while there are none */
  uint32_t *buckets;               /**< for each key as many as there are places */
  uint32_t room, count, free;
  struct enetjs_attempt_queue queues[ENETJS_ATTEMPT_STATES];
  uint32_t unasked;       /**< the oldest ASKING attempt that the program was not asked about */
  uint32_t unasked_count; /**< ASKING attempts that the program was not asked about */
  uint32_t promised;      /**< attempts that are promised a place */
  /** an attempt has left that was still promised a place; for places.c, which clears it */
  bool lapsed;
  struct enetjs_attempt_share shares[ENETJS_ATTEMPT_SHARES];
};

/** Makes a table of zeroes ready for use. Makes any other one empty, and frees its memory. */
void enetjs_attempts_clear(struct enetjs_attempts *table);

/** @returns a hash of an address, a port and a number, which a stranger cannot foresee */
uint64_t enetjs_attempts_hash(const struct enetjs_attempts *table, const struct enetjs_endpoint *address,
                              enet_uint32 number);

/** @returns which share the attempts of a network have, which a stranger cannot foresee */
uint16_t enetjs_attempts_share_of(const struct enetjs_attempts *table, uint64_t network);

/**
 * @returns the attempt in the table, in state FRESH; NULL when there is neither memory nor an attempt to
 * replace
 */
struct enetjs_attempt *enetjs_attempts_add(struct enetjs_attempts *table, const struct enetjs_attempt *wanted,
                                           enet_uint32 now);
void enetjs_attempts_drop(struct enetjs_attempts *table, struct enetjs_attempt *attempt);
void enetjs_attempts_move(struct enetjs_attempts *table, struct enetjs_attempt *attempt,
                          enum enetjs_attempt_state state, enet_uint32 now);

/** Assigns another peer id, which no other attempt of the address and port may have. */
void enetjs_attempts_assign(struct enetjs_attempts *table, struct enetjs_attempt *attempt, enet_uint16 id);

/** @returns the attempt, or NULL */
struct enetjs_attempt *enetjs_attempts_find(const struct enetjs_attempts *table, enum enetjs_attempt_key key,
                                            const struct enetjs_endpoint *from, enet_uint32 number);
struct enetjs_attempt *enetjs_attempts_find_question(const struct enetjs_attempts *table, uint32_t question);

/** @returns the oldest attempt in a state, or NULL */
struct enetjs_attempt *enetjs_attempts_oldest(const struct enetjs_attempts *table,
                                              enum enetjs_attempt_state state);
size_t enetjs_attempts_count(const struct enetjs_attempts *table, enum enetjs_attempt_state state);

/** Promises an attempt a place, or notes that the promise is kept. */
void enetjs_attempts_promise(struct enetjs_attempts *table, struct enetjs_attempt *attempt, bool promised);

/** What the address of an attempt has in the table. */
const struct enetjs_attempt_share *enetjs_attempts_share(struct enetjs_attempts *table,
                                                         const struct enetjs_attempt *attempt);

/** @returns the oldest attempt that the program has not been asked about, or NULL */
struct enetjs_attempt *enetjs_attempts_unasked(const struct enetjs_attempts *table);
/** The program has been asked about that one now. */
void enetjs_attempts_asked(struct enetjs_attempts *table);

bool enetjs_attempt_is_from(const struct enetjs_attempt *attempt, const struct enetjs_endpoint *address);

#endif
