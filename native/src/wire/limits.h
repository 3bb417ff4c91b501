/**
 * @file limits.h
 * @brief Rates that a source address and a peer may not exceed, enforced before ENet sees a datagram.
 *
 * A limit is a token bucket: `burst` units may come at once, and `per_second` units a second come back.
 * What is refused uses nothing up.
 *
 * What counts as an address is its network: an IPv4 address, or the /64 of an IPv6 address (endpoint.h).
 *
 * An address has two accounts, and both have the same limits. Its established peers pay from one of them,
 * everything else that comes in its name from the other. So forged traffic in the name of an address
 * takes nothing from the peers of that address. Connects are charged to the first account, once the
 * address has completed the handshake: forged CONNECTs cost it nothing. Where there is no guard (guard.h), a CONNECT
 * is charged when it comes.
 *
 * The accounts of addresses lie in two tables of fixed size, set-associative with a random seed. A new
 * address takes the place of the one in its set that has been silent longest, and begins with a full
 * burst. An attacker that cycles through addresses can so make the library forget accounts. That only
 * forgives, it refuses nobody: each address still pays for its burst, and before an attacker's own address
 * is forgotten, some 16,000 datagrams from other addresses have to come, for the sets are not known to
 * it and the address that sends is the last to be forgotten in its set. Limits for an address do
 * not bound what many addresses send together. Only established peers have accounts in the second table,
 * so forged addresses push nobody out of that one.
 *
 * A peer's account is its slot's; a connection is known by its connect id, and begins with a full burst.
 *
 * Everything here is called with the lock of the host that it belongs to.
 */
#ifndef ENETJS_LIMITS_H
#define ENETJS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enetjs.h"
#include "wire/datagram.h"

struct enetjs_limits;

/** What is allowed, for each ENETJS_LIMIT_…. */
struct enetjs_limit_rules {
  struct enetjs_limit_rule {
    double per_second; /**< 0: no limit */
    double burst;
  } rule[ENETJS_LIMIT_COUNT];
  bool disconnects; /**< peers that exceed theirs are to be disconnected */
};

/** Whether every rate and burst is in its range. */
bool enetjs_limit_rules_valid(const struct enetjs_limit_rules *rules);

/**
 * Puts other rules in force. What an account has used up stays used up, at most its burst.
 * @param limits NULL where there are none; is NULL afterwards where the rules have none
 * @param peers of the host
 * @param seed a random number, for limits that are created
 * @param refused counts what each limit refuses, in its units: ENETJS_LIMIT_COUNT numbers
 * @returns false when memory is short; then nothing has changed
 */
bool enetjs_limits_replace(struct enetjs_limits **limits, const struct enetjs_limit_rules *rules, size_t peers,
                           uint64_t seed, uint64_t *refused);
void enetjs_limits_destroy(struct enetjs_limits *limits);

/** Has the time read again when it is next needed: datagrams that are read at once come at the same time. */
void enetjs_limits_begin_round(struct enetjs_limits *limits);
/** Sets the time in place of the clock, until the next round. */
void enetjs_limits_set_time(struct enetjs_limits *limits, uint64_t now_us);

/**
 * Charges a datagram to an address.
 * @param network of the address, see endpoint.h
 * @param established it names an established peer of this host, and comes from that peer's address and port
 * @returns false when it is to be dropped
 */
bool enetjs_limits_admit_datagram(struct enetjs_limits *limits, uint64_t network, size_t bytes, bool established);

/** Takes the charge of an established peer's datagram back: its checksum has shown that it is forged. */
void enetjs_limits_refund_datagram(struct enetjs_limits *limits, uint64_t network, size_t bytes);

/** Whether a CONNECT may be answered. Nothing is charged, for its address may be forged. @returns false: drop it */
bool enetjs_limits_admit_connect(struct enetjs_limits *limits, uint64_t network);

/** Charges a connection to an address that has shown that it is there. */
void enetjs_limits_charge_connect(struct enetjs_limits *limits, uint64_t network);

/**
 * Charges the messages of an opened datagram to its peer. A message counts once, with its first
 * fragment. Bytes are those of every message and fragment with ENet's header of 6 to 24 bytes, so that
 * nothing is free. The datagram is cut off before the first message that exceeds a limit: what is behind is
 * not acknowledged, and a sender retransmits what is reliable.
 * @returns false when nothing is left of it
 */
bool enetjs_limits_admit_messages(struct enetjs_limits *limits, struct enetjs_datagram *datagram,
                                  const ENetPeer *peer);

/**
 * Takes a connection that is to be disconnected. Not within ENet's receive loop.
 * @returns false when there is none
 */
bool enetjs_limits_take_excess(struct enetjs_limits *limits, size_t *peer, uint32_t *connect_id);

#endif
