/*
 * The congestion controller: a window for what is under way to a peer, and a rate at which it leaves.
 *
 * ENet's own window is 64 KiB whatever the link carries. This one follows the delay, as LEDBAT does (RFC
 * 6817; LEDBAT++: draft-irtf-iccrg-ledbat-plus-plus). What a sender adds to the shortest round trip is the
 * queue that it has made. It makes the window larger while that queue is shorter than a target, and smaller
 * while it is longer. So a link is full with a queue of a few milliseconds, and other flows in the same
 * queue are hardly delayed.
 *
 *   Rounds     Each lasts for a round trip, and is judged by the shortest round trip that was measured in it.
 *              The others tell more of the scheduling of two computers than of the link.
 *   Step       window += GAIN · rate · (target − queue), which is FAST TCP's (Wei, Jin, Low, Hegde: "FAST
 *              TCP: Motivation, Architecture, Algorithms, Performance", 2006). After rounds in a row that
 *              have found no queue, steps double.
 *   Target     It falls with the rate, as that of Swift (Kumar et al.: "Swift: Delay is Simple and Effective
 *              for Congestion Control in the Datacenter", 2020). All flows on a link see the same queue, so
 *              the slower one grows while the faster one shrinks: that makes their rates equal. Where two
 *              flows had the same target, they would keep the rates that they have. So no constant limits it,
 *              but for the fastest flows.
 *   Start      The window doubles every round until a queue shows, or three rounds bring no more bandwidth
 *              (BBR's rule; Cardwell et al.: "BBR: Congestion-Based Congestion Control", 2016). Then it
 *              becomes bandwidth · shortest round trip.
 *   Draining   A flow that begins while another one fills the queue takes that for the shortest round trip.
 *              So after some seconds in which no round trip was as short as the shortest known, the window is
 *              halved for a round (LEDBAT++'s slowdown). What is older than two periods is forgotten.
 *   Loss       alone says little: radio links lose without being full. With a queue 2 % make the window
 *              smaller, without one 10 %, which is a link whose own queue is too short for the target.
 *   Pacing     What may leave is a credit that grows with the rate. It has a maximum, for a receiver's socket
 *              has a buffer of 256 KiB at most, and a burst can overflow the queue of a router.
 *
 * ENet's window is the minimum, so nothing becomes slower than with stock ENet. There is one exception:
 * behind a queue that is longer than TARGET_SMALL_MS it shrinks to half of that, as long as that makes the
 * queue shorter. Such a link is full with less, or others fill it, and the throttle of stock ENet shrinks its
 * window much further then. Where such a queue overflows, it shrinks to ENETJS_WINDOW_LEAST: a link that is
 * so slow holds no more, and what is sent on top only drives out other messages.
 */
#include "enet/congestion.h"

#include <math.h>

#define US_PER_MS 1000
#define MS_PER_SECOND 1000.0
#define PACKET 1400.0 /* bytes */

#define GAIN 0.5
#define TARGET_MS 5.0          /* of a flow of TARGET_RATE, where there is no limit */
#define TARGET_RATE 12.5e6     /* bytes a second: 100 Mbit/s */
#define TARGET_LEAST_MS 1.5
#define TARGET_SMALL_MS 6.0    /* of a window that is no larger than ENet's, and */
#define TARGET_SMALL_PACKETS 2 /* the time that so many take, of which there is always one, */
#define TARGET_SMALL_MOST_MS 30.0 /* but no more */
#define LIMIT_SHARE 5          /* the limit is this part of the shortest round trip, */
#define LIMIT_LEAST_MS 2.0     /* but not less than this, */
#define LIMIT_MOST_MS 10.0     /* nor more than this */
#define QUIET_MS 1             /* no queue, for ENet's clock has milliseconds */
#define QUIET_ROUNDS 3         /* without a queue, after which steps double */
#define GROWTH_LIMIT 8         /* a step is no more than this part of the window, */
#define FALL_LIMIT 4           /* downwards than this one */
#define FLAT_ROUNDS 3
#define SMALL_ROUNDS 4         /* at the smallest window, until it shows whether that has helped */
#define BLOCK_SAMPLES 8        /* of round trips, while it starts */
#define BLOCK_US 4000
#define GROWTH 1.25            /* of the bandwidth in a round, while it starts */
#define LOSS_WITH_QUEUE 0.02
#define LOSS_WITHOUT_QUEUE 0.1
#define LOSS_LEAST (4 * PACKET) /* bytes of a round, below which a share says nothing */
#define LOSS_OVERFLOW 0.15     /* behind a queue: more than a radio loses, so it overflows */
#define LOSS_HELPED 0.75       /* a smaller window has helped if no more than this part of it is left */
#define LOSS_CUT 0.85          /* times the window, or less with more loss */
#define LOSS_CUT_MOST 0.5
#define LOSS_HOLD 2
#define PERIOD_US 10000000u
#define DRAIN_US 5000000u
#define IDLE_US 10000000u      /* after which the link is looked for anew */
#define PACE_STARTING 2.0      /* times the window, in a round trip */
#define PACE_STEADY 1.2
#define CREDIT_MS 20           /* how late a timer may be, and the rate is kept */
#define CREDIT_LEAST (16 * 1024.0)
#define CREDIT_MOST (128 * 1024.0)
#define WAKE_MS 2              /* worth of the rate to wake up for */
#define WAKE_LEAST PACKET
#define PATIENCE_MS 20         /* beside a quarter of the round trip */

static double clamp(double value, double low, double high) { return fmin(fmax(value, low), high); }

static uint32_t shorter(uint32_t a, uint32_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

uint32_t enetjs_congestion_base(const struct enetjs_congestion *c) {
  return shorter(c->base_ms[0], c->base_ms[1]);
}

bool enetjs_congestion_near(const struct enetjs_congestion *c) {
  uint32_t base = enetjs_congestion_base(c);
  return base != 0 && base < ENETJS_NEAR_MS;
}

uint32_t enetjs_congestion_queue(const struct enetjs_congestion *c) {
  uint32_t base = enetjs_congestion_base(c);
  return c->rtt_ms > base ? c->rtt_ms - base : 0;
}

static double whole_window(const struct enetjs_congestion *c) {
  if (c->window == 0) return ENETJS_WINDOW_MINIMUM;
  if (c->phase != ENETJS_DRAINING) return c->window;
  return c->window < ENETJS_WINDOW_MINIMUM ? c->window / 2 : fmax(c->window / 2, ENETJS_WINDOW_MINIMUM);
}

size_t enetjs_congestion_window(const struct enetjs_congestion *c) { return (size_t)whole_window(c); }

static double round_trip_ms(const struct enetjs_congestion *c) { return fmax(c->rtt_ms, 1); }

double enetjs_congestion_rate(const struct enetjs_congestion *c) {
  double pace = c->phase == ENETJS_STARTING ? PACE_STARTING : PACE_STEADY;
  return pace * whole_window(c) * MS_PER_SECOND / round_trip_ms(c);
}

/* ---- Pacing ---------------------------------------------------------------------------------- */

static double most_credit(double rate) {
  return clamp(rate * CREDIT_MS / MS_PER_SECOND, CREDIT_LEAST, CREDIT_MOST);
}

size_t enetjs_congestion_credit(struct enetjs_congestion *c, uint64_t now_us) {
  double rate = enetjs_congestion_rate(c), most = most_credit(rate);
  if (c->credit_us == 0)
    c->credit = most;
  else if (now_us > c->credit_us)
    c->credit = fmin(c->credit + rate * (double)(now_us - c->credit_us) / 1e6, most);
  c->credit_us = now_us;
  return c->credit > 0 ? (size_t)c->credit : 0;
}

int enetjs_congestion_wait(const struct enetjs_congestion *c, uint64_t now_us) {
  double rate = enetjs_congestion_rate(c);
  double missing = fmax(rate * WAKE_MS / MS_PER_SECOND, WAKE_LEAST) - c->credit;
  double left_ms = missing * MS_PER_SECOND / rate - (double)(now_us - c->credit_us) / US_PER_MS;
  return (int)clamp(ceil(left_ms), 0, MS_PER_SECOND);
}

void enetjs_congestion_sent(struct enetjs_congestion *c, size_t bytes) {
  c->credit -= (double)bytes;
  c->sent += (double)bytes;
}

uint32_t enetjs_congestion_patience(const struct enetjs_congestion *c) {
  return c->rtt_ms + c->rtt_ms / 4 + PATIENCE_MS;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

/*
 * Half the harmonic mean of what the rate and the round trip allow: below both, and falling with the rate
 * everywhere.
 */
static double target_ms(const struct enetjs_congestion *c, double rate) {
  double wanted = TARGET_MS * TARGET_RATE / fmax(rate, 1);
  double limit = clamp((double)enetjs_congestion_base(c) / LIMIT_SHARE, LIMIT_LEAST_MS, LIMIT_MOST_MS);
  return fmax(wanted * limit / (wanted + limit), TARGET_LEAST_MS);
}

static void set_window(struct enetjs_congestion *c, double window) {
  c->window = clamp(window, fmin(c->window, ENETJS_WINDOW_MINIMUM), ENETJS_WINDOW_MAXIMUM);
}

/*
 * Only a queue that is no matter of scheduling makes it smaller than ENet's. If the queue is no shorter for
 * that, or what overflows loses as much as before, it is not ours: the path has become longer, or others fill
 * it. The round trip of now counts as the shortest then.
 */
static void shrink(struct enetjs_congestion *c, double window) {
  bool overflows = c->loss > LOSS_OVERFLOW, helps;
  bool had_overflown = c->window < ENETJS_WINDOW_SMALLEST;
  double least = overflows || had_overflown ? ENETJS_WINDOW_LEAST : ENETJS_WINDOW_SMALLEST;
  if (c->window >= ENETJS_WINDOW_MINIMUM) {
    c->edge_ms = c->rtt_ms;
    c->small = 0;
  }
  if (c->window >= ENETJS_WINDOW_SMALLEST) c->edge_loss = c->loss;
  c->window = clamp(window, least, ENETJS_WINDOW_MINIMUM);
  if (c->window > least || ++c->small < SMALL_ROUNDS) return;
  c->small = 0;
  helps = overflows ? c->loss < c->edge_loss * LOSS_HELPED : c->rtt_ms + QUIET_MS < c->edge_ms;
  if (helps) return;
  c->base_ms[0] = c->rtt_ms;
  c->base_ms[1] = 0;
  c->window = ENETJS_WINDOW_MINIMUM;
}

static void settle(struct enetjs_congestion *c, double target) {
  c->phase = ENETJS_STEADY;
  c->quiet = 0;
  set_window(c, fmax(c->bandwidth * (enetjs_congestion_base(c) + target) / MS_PER_SECOND, c->window / 2));
}

static double target_of_window(const struct enetjs_congestion *c) {
  return target_ms(c, c->window * MS_PER_SECOND / round_trip_ms(c));
}

/*
 * A round is too long to wait for: the window has doubled once more until then. Of the first windows, ENet's
 * own was one burst, which makes a queue of its own.
 */
static void look_for_queue(struct enetjs_congestion *c, uint32_t rtt_ms, uint64_t now_us) {
  double target;
  if (c->block_samples++ == 0) {
    c->block_us = now_us;
    c->block_ms = rtt_ms;
  }
  c->block_ms = shorter(c->block_ms, rtt_ms);
  if (c->block_samples < BLOCK_SAMPLES || now_us - c->block_us < BLOCK_US) return;
  c->block_samples = 0;
  target = target_of_window(c);
  if (c->limited && c->window >= 2 * ENETJS_WINDOW_MINIMUM &&
      c->block_ms >= enetjs_congestion_base(c) + target)
    settle(c, target);
}

static void end_starting_round(struct enetjs_congestion *c, double queue, double target, double rate) {
  if (rate > c->best * GROWTH) {
    c->best = rate;
    c->flat = 0;
  } else if (c->limited) {
    c->flat++;
  }
  if (queue >= target || c->flat >= FLAT_ROUNDS) settle(c, target);
}

static void end_steady_round(struct enetjs_congestion *c, double queue, double target) {
  double rate = c->window * MS_PER_SECOND / round_trip_ms(c), step;
  if (c->window <= ENETJS_WINDOW_MINIMUM)
    target = fmax(target, clamp(TARGET_SMALL_PACKETS * PACKET * MS_PER_SECOND / rate, TARGET_SMALL_MS,
                                TARGET_SMALL_MOST_MS));
  step = GAIN * rate * (target - queue) / MS_PER_SECOND;
  c->quiet = queue <= QUIET_MS && queue < target / 2 && c->limited ? c->quiet + 1 : 0;
  if (step > 0) {
    if (!c->limited) return;
    if (c->quiet > QUIET_ROUNDS) step *= exp2(fmin(c->quiet - QUIET_ROUNDS, 8));
  }
  step = clamp(step, -c->window / FALL_LIMIT, c->window / GROWTH_LIMIT);
  if (c->window <= ENETJS_WINDOW_MINIMUM && step < 0)
    shrink(c, c->window + step);
  else
    set_window(c, c->window + step);
}

/* @returns whether so much is lost that the window must not grow */
static bool weigh_loss(struct enetjs_congestion *c, double queue, double target) {
  double bearable = queue > target / 2 ? LOSS_WITH_QUEUE : LOSS_WITHOUT_QUEUE;
  if (c->sent > 0) c->loss += (fmin(c->lost / c->sent, 1) - c->loss) / 4;
  if (c->hold > 0) {
    c->hold--;
    return true;
  }
  if (c->lost < LOSS_LEAST || c->loss <= bearable) return false;
  if (c->phase == ENETJS_STARTING) settle(c, target);
  set_window(c, c->window * clamp(1 - c->loss, LOSS_CUT_MOST, LOSS_CUT));
  c->hold = LOSS_HOLD;
  c->quiet = 0;
  return true;
}

/* Below ENet's window, loss without a queue is the link's own. */
static bool is_small_for_nothing(const struct enetjs_congestion *c, double queue) {
  return c->window < ENETJS_WINDOW_MINIMUM && queue <= QUIET_MS;
}

/* What a program has not made use of tells nothing of the link. */
static void weigh_bandwidth(struct enetjs_congestion *c, double rate) {
  if (rate > c->bandwidth)
    c->bandwidth = rate;
  else if (c->limited)
    c->bandwidth += (rate - c->bandwidth) / 8;
}

static void begin_round(struct enetjs_congestion *c, uint64_t now_us) {
  c->round_us = now_us;
  c->round_ms = 0;
  c->acknowledged = c->lost = c->sent = 0;
  c->limited = false;
}

static void drain_at_times(struct enetjs_congestion *c, uint64_t now_us) {
  if (c->phase == ENETJS_DRAINING) {
    c->phase = ENETJS_STEADY;
  } else if (c->phase == ENETJS_STEADY && c->limited && now_us - c->base_seen_us > DRAIN_US) {
    c->phase = ENETJS_DRAINING;
    c->base_seen_us = now_us;
  }
}

static void end_round(struct enetjs_congestion *c, uint64_t now_us) {
  bool drained = c->phase == ENETJS_DRAINING, loses;
  double rate = c->acknowledged * 1e6 / (double)(now_us - c->round_us), queue, target;
  c->rtt_ms = c->round_ms;
  queue = enetjs_congestion_queue(c);
  if (!drained) weigh_bandwidth(c, rate);
  target = target_of_window(c);
  loses = weigh_loss(c, queue, target);
  if (c->phase == ENETJS_STARTING)
    end_starting_round(c, queue, target, rate);
  else if (c->phase == ENETJS_STEADY && (!loses || queue > target || is_small_for_nothing(c, queue)))
    end_steady_round(c, queue, target);
  drain_at_times(c, now_us);
  begin_round(c, now_us);
}

/* ---- What ENet tells ------------------------------------------------------------------------- */

static void look_anew(struct enetjs_congestion *c) {
  c->phase = ENETJS_STARTING;
  c->window = c->bandwidth = c->best = c->loss = 0;
  c->flat = c->quiet = c->hold = 0;
  c->round_us = 0;
}

static void note_base(struct enetjs_congestion *c, uint32_t rtt_ms, uint64_t now_us) {
  if (now_us - c->period_us >= PERIOD_US) {
    c->base_ms[1] = c->base_ms[0];
    c->base_ms[0] = 0;
    c->period_us = now_us;
  }
  c->base_ms[0] = shorter(c->base_ms[0], rtt_ms);
  if (rtt_ms <= enetjs_congestion_base(c)) c->base_seen_us = now_us;
}

void enetjs_congestion_measured(struct enetjs_congestion *c, uint32_t rtt_ms, uint64_t now_us) {
  if (rtt_ms == 0) rtt_ms = 1;
  note_base(c, rtt_ms, now_us);
  c->round_ms = shorter(c->round_ms, rtt_ms);
  if (c->rtt_ms == 0) c->rtt_ms = rtt_ms;
  if (c->phase == ENETJS_STARTING && c->round_us != 0) look_for_queue(c, rtt_ms, now_us);
}

void enetjs_congestion_acknowledged(struct enetjs_congestion *c, size_t bytes, uint64_t now_us) {
  if (c->active_us != 0 && now_us - c->active_us > IDLE_US) look_anew(c);
  c->active_us = now_us;
  if (c->window == 0) c->window = ENETJS_WINDOW_MINIMUM;
  if (c->round_us == 0) begin_round(c, now_us);
  c->acknowledged += (double)bytes;
  if (c->phase == ENETJS_STARTING && c->limited) set_window(c, c->window + (double)bytes);
  if (c->round_ms != 0 && now_us - c->round_us >= (uint64_t)(round_trip_ms(c) * US_PER_MS))
    end_round(c, now_us);
}

void enetjs_congestion_lost(struct enetjs_congestion *c, size_t bytes) { c->lost += (double)bytes; }

void enetjs_congestion_waits(struct enetjs_congestion *c) { c->limited = true; }
