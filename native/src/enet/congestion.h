/**
 * @file congestion.h
 * @brief How much may be under way to a peer, and how fast it may leave; congestion.c tells how that is
 * decided.
 *
 * Nothing here calls ENet, and time is a parameter. Call with the host's lock held.
 */
#ifndef ENETJS_CONGESTION_H
#define ENETJS_CONGESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The smallest window without a queue in the network: ENet's own. */
#define ENETJS_WINDOW_MINIMUM (64 * 1024)
/** The smallest window with a queue that does not overflow. */
#define ENETJS_WINDOW_SMALLEST (32 * 1024)
/** The smallest window with a queue that overflows. */
#define ENETJS_WINDOW_LEAST (4 * 1024)

/**
 * The largest window. Stock ENet takes 28,672 packets ahead of one that is missing, but a datagram of 32
 * acknowledgements can make ENet walk all that is under way 32 times (wire/inspect.h); that many fragments of
 * a usual MTU fit.
 */
#define ENETJS_WINDOW_MAXIMUM (4 * 1024 * 1024)

/**
 * Below this round trip the window is fixed, because ENet's clock of milliseconds is too coarse to measure a
 * queue. A peer whose round trip is not known is not near: the fixed window would be a burst in the queue of
 * a slow link.
 */
#define ENETJS_NEAR_MS 3

enum enetjs_congestion_phase {
  ENETJS_STARTING, /**< the window doubles every round trip */
  ENETJS_STEADY,   /**< it follows the delay */
  ENETJS_DRAINING  /**< it is halved for a round trip, so that the queue empties and the round trip shows */
};

/** All zero at the beginning of a connection. */
struct enetjs_congestion {
  enum enetjs_congestion_phase phase;
  double window;           /**< bytes; 0 before the first round */
  double bandwidth;        /**< bytes a second that have been acknowledged, about the most of late */
  uint32_t rtt_ms;         /**< the shortest of the last round; 0: none yet */
  uint32_t base_ms[2];     /**< the shortest of the current and of the last period; 0: none */
  uint64_t period_us;      /**< when the current period began */
  uint64_t base_seen_us;   /**< when a round trip was last as short as that */
  uint64_t round_us;       /**< when the round began; 0: none is under way */
  uint64_t active_us;      /**< when something was last acknowledged */
  uint32_t round_ms;       /**< its shortest round trip; 0: none yet */
  double acknowledged;     /**< bytes, in this round */
  double lost, sent;       /**< bytes, in this round */
  bool limited;            /**< in this round, something waited for the window */
  double loss;             /**< the share of late that was lost */
  double best;             /**< while it starts: the highest bandwidth of a round */
  unsigned flat;           /**< while it starts: rounds since then that have not brought much more */
  uint32_t block_ms;       /**< while it starts: the shortest round trip of a block of measurements */
  unsigned block_samples;  /**< while it starts: measurements of the block */
  uint64_t block_us;       /**< while it starts: when the block began */
  unsigned quiet;          /**< rounds in a row without a queue */
  uint32_t edge_ms;        /**< the shortest round trip when the window fell below ENet's */
  double edge_loss;        /**< the share that was lost when it fell below ENETJS_WINDOW_SMALLEST */
  unsigned small;          /**< rounds since the window has been the smallest */
  unsigned hold;           /**< rounds until loss may make it smaller again */
  double credit;           /**< bytes that may leave now */
  uint64_t credit_us;      /**< when it was last added to */
};

/** A round trip was measured. */
void enetjs_congestion_measured(struct enetjs_congestion *c, uint32_t rtt_ms, uint64_t now_us);
/** `bytes` were acknowledged. */
void enetjs_congestion_acknowledged(struct enetjs_congestion *c, size_t bytes, uint64_t now_us);
/** `bytes` were taken for lost and are to be sent again. */
void enetjs_congestion_lost(struct enetjs_congestion *c, size_t bytes);
/** `bytes` have left. */
void enetjs_congestion_sent(struct enetjs_congestion *c, size_t bytes);
/** A message waits for the window. */
void enetjs_congestion_waits(struct enetjs_congestion *c);

/** Whether the peer has the fixed window: its round trip is known to be short. */
bool enetjs_congestion_near(const struct enetjs_congestion *c);
/** @returns bytes that may be under way */
size_t enetjs_congestion_window(const struct enetjs_congestion *c);
/** @returns the rate at which bytes should leave, in bytes a second */
double enetjs_congestion_rate(const struct enetjs_congestion *c);
/** @returns bytes that may leave now */
size_t enetjs_congestion_credit(struct enetjs_congestion *c, uint64_t now_us);
/** @returns milliseconds until enough bytes may leave to wake up for them */
int enetjs_congestion_wait(const struct enetjs_congestion *c, uint64_t now_us);
/** @returns the least timeout of a command, in milliseconds */
uint32_t enetjs_congestion_patience(const struct enetjs_congestion *c);
/** @returns the shortest round trip in milliseconds, or 0 */
uint32_t enetjs_congestion_base(const struct enetjs_congestion *c);
/** @returns how long a datagram that is sent now waits in the queues of the network, in milliseconds */
uint32_t enetjs_congestion_queue(const struct enetjs_congestion *c);

#endif
