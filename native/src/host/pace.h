/**
 * @file pace.h
 * @brief How often JavaScript is woken for datagrams; pace.c tells how that is decided.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_HOST_PACE_H
#define ENETJS_HOST_PACE_H

#include <stdbool.h>
#include <stdint.h>

/** A trial of another way to take datagrams; it ends when the receive rate drops. See pace.c. */
struct enetjs_trial {
  bool on;
  /** for how long the trial has seemed useful, and the datagrams of that time */
  uint64_t before_us, before_datagrams;
  bool bad_window_seen; /**< the last window was a bad one */
  /** good windows since the trial began; windows until it may begin again */
  unsigned windows, skip, skip_next;
  uint64_t window_us; /**< when the window began */
  unsigned window_turns, window_datagrams;
};

/** How often the consumer is woken, and the measurements that decide about it; see pace.c. */
struct enetjs_pace {
  uint64_t found_us;      /**< when a service last found something */
  uint32_t found_gap_us;  /**< between such services, on average */
  uint32_t spread;        /**< how often a datagram comes from another source than the one before, in 1/256 */
  uint64_t unanswered_us; /**< since when the program has been given messages and has sent nothing, or 0 */
  uint32_t answer_us;     /**< how long that takes, on average */
  unsigned rest_ms;       /**< for which datagrams gather, where they do */
  bool attending;         /**< the consumer stays for the next message */
  uint64_t attending_since_us, attend_until_us;
  unsigned attend_failures, attend_skip, turns;
  struct enetjs_trial coalescing; /**< datagrams are gathered before the consumer is woken */
  struct enetjs_trial dozing;     /**< datagrams are gathered before an attending consumer looks */
};

/** What a service of the consumer brought. */
struct enetjs_service_result {
  uint64_t now_us;
  bool woken;              /**< the pump had asked for it */
  bool found;              /**< it brought records */
  bool sent;               /**< the program has sent something since the last one */
  unsigned datagrams;      /**< that were read */
  unsigned source_changes; /**< of these, how many came from another source than the one before */
};
void enetjs_pace_reset(struct enetjs_pace *pace);
/** @param spin ENETJS_SPIN_… */
void enetjs_pace_observe(struct enetjs_pace *pace, int spin, const struct enetjs_service_result *result);
/** The program has sent something. */
void enetjs_pace_sent(struct enetjs_pace *pace, uint64_t now_us);
void enetjs_pace_give_up(struct enetjs_pace *pace);

#endif
