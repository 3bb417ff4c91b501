/**
 * @file limits.h
 * @brief Rates that a source address and a peer may not exceed, enforced before ENet sees a datagram.
 *
 * A limit is a token bucket: `burst` units may come at once, and `per_second` units a second come back. A
 * datagram that is refused takes none.
 *
 * What counts as an address is its network: an IPv4 address, or the /64 of an IPv6 address (endpoint.h).
 *
 * An address has two accounts with the same limits. Datagrams of its established peers are charged to one
 * account, all others with its source address to the other. So datagrams that forge an address do not use up
 * the limits of its peers. A CONNECT is charged to the first account once the address has completed the
 * handshake, so forged CONNECTs do not count. Where there is no guard (guard.h), a CONNECT is charged when it
 * comes.
 *
 * The accounts of addresses lie in two tables of fixed size, which are set-associative with a random seed. A
 * new address replaces the one in its set that has been silent longest, and begins with a full burst. So an
 * attacker that cycles through addresses can make the library forget accounts. Nobody is refused because of
 * that. An attacker gains little: each address pays for its burst, and its own account is forgotten only
 * after some 16,000 datagrams from other addresses, because the sets are secret and an address that sends is
 * the last of its set to be replaced. Limits for an address do not bound what many addresses send together.
 * The second table has accounts of established peers only, so forged addresses replace none there.
 *
 * Each place of a peer has an account. A new connection, which is known by its connect id, begins with a full
 * burst.
 *
 * Call with the host's lock held.
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
bool enetjs_limits_replace(struct enetjs_limits **limits, const struct enetjs_limit_rules *rules,
                           size_t peers, uint64_t seed, uint64_t *refused);
void enetjs_limits_destroy(struct enetjs_limits *limits);

/**
 * Reads the clock again when the time is next needed. All datagrams of one round count as arrived at one
 * time.
 */
void enetjs_limits_begin_round(struct enetjs_limits *limits);
/** Sets the time in place of the clock, until the next round. */
void enetjs_limits_set_time(struct enetjs_limits *limits, uint64_t now_us);

/**
 * Charges a datagram to an address.
 * @param network of the address, see endpoint.h
 * @param established it names an established peer of this host, and comes from that peer's address and port
 * @returns false when it is to be dropped
 */
bool enetjs_limits_admit_datagram(struct enetjs_limits *limits, uint64_t network, size_t bytes,
                                  bool established);

/**
 * Takes back the charge for a datagram of an established peer, which could not be opened and so may be
 * forged.
 */
void enetjs_limits_refund_datagram(struct enetjs_limits *limits, uint64_t network, size_t bytes);

/**
 * Whether a CONNECT may be answered. Nothing is charged, for its address may be forged. @returns false: drop
 * it
 */
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
