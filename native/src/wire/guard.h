/**
 * @file guard.h
 * @brief The handshake: a client gets a peer only once it has shown that it receives what is sent to its
 * address.
 *
 * The guard answers a CONNECT in ENet's place, and keeps the attempt in a table of its own. The
 * acknowledgement of that answer repeats numbers that nobody else has seen. Only then ENet is handed the
 * attempt, and gives it a peer.
 *
 * Call with the host's lock held. Functions marked "In the callback" may be called only within ENet's
 * intercept callback.
 */
#ifndef ENETJS_GUARD_H
#define ENETJS_GUARD_H

#include "wire/datagram.h"
#include "wire/limits.h"
#include "wire/peer_ids.h"
#include "wire/questions.h"
#include "wire/refusals.h"

struct enetjs_guard;

struct enetjs_guard_stats {
  size_t half_open;
  uint64_t refused[ENETJS_REFUSAL_COUNT]; /**< attempts whose client was sent a refusal */
  uint64_t bad; /**< datagrams to an attempt with another session or sequence number */
};

/** What becomes of a datagram that is not from a peer. */
enum enetjs_guard_verdict {
  ENETJS_GUARD_STRANGER, /**< of no attempt */
  ENETJS_GUARD_TAKEN,
  ENETJS_GUARD_ASKS, /**< taken, and the program is to be asked */
  ENETJS_GUARD_HANDED_OVER /**< ENet is to go on, with the attempt's CONNECT */
};

/** @param addresses or NULL @returns NULL when there is no memory */
struct enetjs_guard *enetjs_guard_create(ENetHost *enet, struct enetjs_addresses *addresses,
                                         struct enetjs_peer_ids *ids);
void enetjs_guard_destroy(struct enetjs_guard *guard);

/**
 * Answers an opened CONNECT from a stranger. In the callback.
 * @param received its bytes on the wire
 * @param has_memory whether there is memory for another connection
 * @returns whether the program is to be asked
 */
bool enetjs_guard_connect(struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                          bool has_memory);

/**
 * Refuses an opened CONNECT from a stranger, unless it is a copy of a peer's CONNECT. In the callback.
 * @param number that the client is told
 */
void enetjs_guard_refuse(struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                         enum enetjs_refusal cause, enet_uint32 number);

/**
 * Looks whether a datagram belongs to an attempt. In the callback.
 * @param limits that charge an address for what it completes, or NULL
 */
enum enetjs_guard_verdict enetjs_guard_prove(struct enetjs_guard *guard, struct enetjs_datagram *datagram,
                                             enetjs_datagram_room room, struct enetjs_limits *limits);

/** Sets whether the program decides about attempts. Questions that it has been asked stay open. */
void enetjs_guard_set_asks(struct enetjs_guard *guard, bool asks);

/**
 * The host closes: all attempts, and all that come, are refused with ENETJS_CODE_CLOSING. Not in the
 * callback.
 */
void enetjs_guard_close(struct enetjs_guard *guard);

/**
 * The oldest question that the program has not been asked and that is still open. @returns NULL when there is
 * none
 */
const struct enetjs_guard_question *enetjs_guard_question(struct enetjs_guard *guard);
/** The program has been asked that question now. */
void enetjs_guard_asked(struct enetjs_guard *guard);
/** How many questions the program has not been asked. */
uint32_t enetjs_guard_unasked(const struct enetjs_guard *guard);

/** Where the client of an open question is. @returns false when there is no such question, or no longer */
bool enetjs_guard_questioner(const struct enetjs_guard *guard, uint32_t question,
                             struct enetjs_endpoint *from);

/** The program's decision. @returns false when there is no such question, or no longer */
bool enetjs_guard_accept(struct enetjs_guard *guard, uint32_t question);
/** The same. @param number that the client is told */
bool enetjs_guard_decline(struct enetjs_guard *guard, uint32_t question, enum enetjs_refusal cause,
                          enet_uint32 number);

/** Whether a proved attempt has been accepted, so that ENet has something to receive. */
bool enetjs_guard_admits(const struct enetjs_guard *guard);

/** Goes on with an admitted attempt when ENet has received what was taken for it. In the callback, first. */
enum enetjs_guard_verdict enetjs_guard_resume(struct enetjs_guard *guard);

/**
 * After ENETJS_GUARD_HANDED_OVER, or with `enetjs_guard_admits`: what ENet is to receive next.
 * @returns its length, or 0 when there is nothing
 */
size_t enetjs_guard_take(struct enetjs_guard *guard, ENetAddress *address, ENetBuffer *buffer);

/**
 * Whether ENet has received the client's own datagram, after the CONNECT. In the callback, first.
 * @param datagram is set to that datagram, which is opened and has ENet's own peer id
 */
bool enetjs_guard_returns(struct enetjs_guard *guard, struct enetjs_datagram *datagram);

/** Whether ENet has been handed a CONNECT, and is to receive the client's datagram next. */
bool enetjs_guard_pending(const struct enetjs_guard *guard);

/**
 * Whether ENet's own answer to a CONNECT is about to be sent, which the client has had from the guard
 * already.
 */
bool enetjs_guard_swallows(const struct enetjs_guard *guard, const ENetAddress *to,
                           const ENetBuffer *datagram);

struct enetjs_guard_stats enetjs_guard_stats(struct enetjs_guard *guard);

/** A service begins, with datagrams numbered anew. */
void enetjs_guard_begin(struct enetjs_guard *guard);

#endif
