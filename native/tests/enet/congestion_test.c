/* The congestion controller on a simulated link, with simulated time: flows, a queue, a round trip. */
#include <math.h>
#include <string.h>

#include "enet/congestion.h"
#include "../harness.h"

enum {
  PACKET = 1400,
  UNDER_WAY = 4096, /* packets of a flow at most */
  STEP_US = 500,
  FLOWS = 2
};

struct packet {
  uint64_t sent_us, back_us; /* when its acknowledgement comes */
  bool lost;
};

struct flow {
  struct enetjs_congestion congestion;
  struct packet packets[UNDER_WAY];
  unsigned first, count;
  uint64_t begins_us;
  double delivered, lost;
  bool fixed; /* not a controller, but a window of ENet's size, */
  double tcp; /* or one that grows until something is lost, as TCP's does; 0: none */
  uint64_t halved_us;
};

/* All flows share it. */
struct link {
  double rate, queue_us, loss; /* bytes a second; its queue in microseconds */
  uint64_t rtt_us, now_us, random;
  /* when all that has entered is carried; the longest that something has waited */
  double idle_us, longest_us;
  double waited_us, carried;
  struct flow flows[FLOWS];
  unsigned count;
};

static struct link *link_open(double mbit, uint64_t rtt_ms, unsigned flows) {
  static struct link link;
  memset(&link, 0, sizeof(link));
  link.rate = mbit * 1e6 / 8;
  link.rtt_us = rtt_ms * 1000;
  link.queue_us = 100000;
  link.now_us = 1000000;
  link.count = flows;
  return &link;
}

static bool is_controlled(const struct flow *flow) { return !flow->fixed && flow->tcp == 0; }

static size_t window_of(const struct flow *flow) {
  if (flow->tcp > 0) return (size_t)flow->tcp;
  return flow->fixed ? ENETJS_WINDOW_MINIMUM : enetjs_congestion_window(&flow->congestion);
}

/* Reno's rule, once in a round trip. */
static void halve_tcp(struct link *link, struct flow *flow, const struct packet *lost) {
  if (lost->sent_us < flow->halved_us) return;
  flow->tcp = fmax(flow->tcp / 2, 2 * PACKET);
  flow->halved_us = link->now_us;
}

static void send_one(struct link *link, struct flow *flow) {
  struct packet *packet = &flow->packets[(flow->first + flow->count++) % UNDER_WAY];
  double start = fmax(link->idle_us, (double)link->now_us), waits = start - (double)link->now_us;
  packet->sent_us = link->now_us;
  packet->lost = waits > link->queue_us || test_random_below(&link->random, 1000000) < link->loss * 1e6;
  packet->back_us = link->now_us + link->rtt_us + (uint64_t)waits;
  if (waits > link->queue_us) return;
  link->idle_us = start + PACKET * 1e6 / link->rate;
  link->longest_us = fmax(link->longest_us, waits);
  link->waited_us += waits;
  link->carried++;
}

static void acknowledge(struct link *link, struct flow *flow) {
  while (flow->count > 0 && flow->packets[flow->first].back_us <= link->now_us) {
    struct packet *packet = &flow->packets[flow->first];
    flow->first = (flow->first + 1) % UNDER_WAY;
    flow->count--;
    if (packet->lost) {
      flow->lost += PACKET;
      if (flow->tcp > 0) halve_tcp(link, flow, packet);
      enetjs_congestion_lost(&flow->congestion, PACKET);
      continue;
    }
    flow->delivered += PACKET;
    if (flow->tcp > 0) flow->tcp += flow->halved_us ? PACKET * PACKET / flow->tcp : PACKET;
    /* As ENet's clock, which has milliseconds. */
    enetjs_congestion_measured(&flow->congestion,
                               (uint32_t)(packet->back_us / 1000 - packet->sent_us / 1000), link->now_us);
    enetjs_congestion_acknowledged(&flow->congestion, PACKET, link->now_us);
  }
}

static void send_what_may(struct link *link, struct flow *flow) {
  size_t credit = is_controlled(flow) ? enetjs_congestion_credit(&flow->congestion, link->now_us) : SIZE_MAX;
  if (flow->begins_us > link->now_us) return;
  while (flow->count < UNDER_WAY && (flow->count + 1) * PACKET <= window_of(flow)) {
    if (credit < PACKET && flow->count * PACKET >= ENETJS_WINDOW_SMALLEST) break;
    send_one(link, flow);
    enetjs_congestion_sent(&flow->congestion, PACKET);
    credit -= credit < PACKET ? credit : PACKET;
  }
  enetjs_congestion_waits(&flow->congestion);
}

static void run(struct link *link, unsigned ms) {
  uint64_t until_us = link->now_us + ms * UINT64_C(1000);
  for (; link->now_us < until_us; link->now_us += STEP_US)
    for (unsigned i = 0; i < link->count; i++) {
      acknowledge(link, &link->flows[i]);
      send_what_may(link, &link->flows[i]);
    }
}

static void forget(struct link *link) {
  link->longest_us = link->waited_us = link->carried = 0;
  for (unsigned i = 0; i < link->count; i++) link->flows[i].delivered = link->flows[i].lost = 0;
}

/* @returns the share of the link that a flow gets, over some time */
static double share(struct link *link, unsigned flow, unsigned ms) {
  forget(link);
  run(link, ms);
  return link->flows[flow].delivered * 1000 / ms / link->rate;
}

static double mean_wait_ms(const struct link *link) { return link->waited_us / link->carried / 1000; }

/* ---- Tests ----------------------------------------------------------------------------------- */

static void check_fills(double mbit, uint64_t rtt_ms) {
  struct link *link = link_open(mbit, rtt_ms, 1);
  double got;
  run(link, 4000);
  got = share(link, 0, 6000);
  printf("# %g Mbit/s, %u ms: %.2f of the link, waits for %.1f ms, %.1f at most\n", mbit, (unsigned)rtt_ms,
         got, mean_wait_ms(link), link->longest_us / 1000);
  CHECK(got > 0.9);
  CHECK(mean_wait_ms(link) < 12);
}

TEST(the_window_grows_until_the_link_is_full_and_no_further) {
  check_fills(100, 50);
  check_fills(100, 10);
  check_fills(100, 150);
  check_fills(20, 50);
  check_fills(20, 150);
}

/* It is an estimate of what the link carries, and of no more than that. */
TEST(the_bandwidth_is_that_of_the_link) {
  struct link *link = link_open(20, 50, 1);
  run(link, 4000);
  printf("# %.3f of the link\n", link->flows[0].congestion.bandwidth / link->rate);
  CHECK(fabs(link->flows[0].congestion.bandwidth / link->rate - 1) < 0.1);
  link->rate /= 4;
  run(link, 4000);
  printf("# %.3f of the slower link\n", link->flows[0].congestion.bandwidth / link->rate);
  CHECK(fabs(link->flows[0].congestion.bandwidth / link->rate - 1) < 0.1);
}

TEST(a_short_round_trip_is_near_and_is_not_judged) {
  struct enetjs_congestion c = {0};
  CHECK(!enetjs_congestion_near(&c)); /* nothing is known */
  enetjs_congestion_measured(&c, 40, 1000);
  CHECK(!enetjs_congestion_near(&c));
  enetjs_congestion_measured(&c, ENETJS_NEAR_MS - 1, 2000);
  CHECK(enetjs_congestion_near(&c));
  CHECK_EQ_INT(enetjs_congestion_window(&c), ENETJS_WINDOW_MINIMUM);
}

TEST(random_loss_is_borne) {
  struct link *link = link_open(100, 50, 1);
  link->loss = 0.01;
  run(link, 4000);
  CHECK(share(link, 0, 6000) > 0.8);
}

/* A queue that overflows before it delays anything: loss is all that tells. */
TEST(loss_of_a_short_queue_makes_it_back_off) {
  struct link *link = link_open(20, 50, 1);
  link->queue_us = 2000;
  run(link, 4000);
  forget(link);
  run(link, 6000);
  printf("# lost %.3f\n", link->flows[0].lost / (link->flows[0].lost + link->flows[0].delivered));
  CHECK(link->flows[0].lost < 0.2 * link->flows[0].delivered);
  CHECK(link->flows[0].delivered > 0.7 * 6 * link->rate);
}

TEST(it_backs_off_when_the_link_becomes_slower) {
  struct link *link = link_open(100, 50, 1);
  size_t before;
  run(link, 4000);
  before = enetjs_congestion_window(&link->flows[0].congestion);
  link->rate /= 5;
  run(link, 2000);
  CHECK(enetjs_congestion_window(&link->flows[0].congestion) < before / 3);
  CHECK(share(link, 0, 3000) > 0.85);
  CHECK(mean_wait_ms(link) < 15);
}

/* Of 100 Mbit/s, 1 is left, with a queue of 12 KB: ENet's window would overflow it without end. */
TEST(it_overflows_no_queue_of_a_very_slow_link) {
  struct link *link = link_open(100, 50, 1);
  run(link, 4000);
  link->rate /= 100;
  run(link, 4000);
  forget(link);
  run(link, 4000);
  printf("# lost %.3f, waits for %.1f ms\n",
         link->flows[0].lost / (link->flows[0].lost + link->flows[0].delivered), mean_wait_ms(link));
  CHECK(link->flows[0].lost < 0.05 * link->flows[0].delivered);
  CHECK(link->flows[0].delivered > 0.9 * 4 * link->rate);
  link->rate *= 100;
  run(link, 4000);
  CHECK(share(link, 0, 3000) > 0.85);
}

/* A radio that loses much, and a path that becomes longer: a smaller window would change nothing. */
TEST(loss_that_a_smaller_window_does_not_change_is_not_its_own) {
  static const unsigned longer_ms[] = {20, 70};
  for (unsigned i = 0; i < 2; i++) {
    struct link *link = link_open(100, 50, 1);
    double got;
    link->loss = 0.2;
    run(link, 4000);
    link->rtt_us += longer_ms[i] * 1000;
    run(link, 25000);
    got = share(link, 0, 4000) * link->rate;
    printf("# %.0f KB/s\n", got / 1e3);
    CHECK(got > 0.7 * ENETJS_WINDOW_MINIMUM * 1000 / (50 + longer_ms[i]));
  }
}

TEST(it_finds_more_when_there_is_more) {
  struct link *link = link_open(20, 50, 1);
  run(link, 4000);
  link->rate *= 5;
  run(link, 4000);
  CHECK(share(link, 0, 3000) > 0.85);
}

/* As from Wi-Fi to mobile: what looks like a queue does not go away. */
TEST(a_longer_path_is_not_taken_for_a_queue) {
  struct link *link = link_open(20, 50, 1);
  run(link, 4000);
  link->rtt_us += 70000;
  run(link, 6000);
  CHECK(share(link, 0, 3000) > 0.8);
  CHECK_EQ_INT(enetjs_congestion_base(&link->flows[0].congestion) / 10, 12);
}

/* Half of the packets are lost, and the others take long. */
TEST(the_minimum_is_enets_window_and_behind_a_queue_half_of_it) {
  struct link *link = link_open(100, 50, 1);
  link->loss = 0.5;
  run(link, 10000);
  CHECK_EQ_INT(enetjs_congestion_window(&link->flows[0].congestion), ENETJS_WINDOW_MINIMUM);
  link = link_open(5, 10, 1);
  link->queue_us = 300000;
  run(link, 10000);
  CHECK(enetjs_congestion_window(&link->flows[0].congestion) >= ENETJS_WINDOW_SMALLEST);
  CHECK(enetjs_congestion_window(&link->flows[0].congestion) < ENETJS_WINDOW_MINIMUM);
  CHECK(share(link, 0, 3000) > 0.9);
}

static void check_even(uint64_t second_begins_ms) {
  struct link *link = link_open(100, 50, 2);
  double first;
  link->flows[1].begins_us = link->now_us + second_begins_ms * 1000;
  run(link, 25000);
  first = share(link, 0, 10000);
  printf("# second begins after %u ms: %.2f and %.2f\n", (unsigned)second_begins_ms, first,
         link->flows[1].delivered / 10 / link->rate);
  CHECK(first / (first + link->flows[1].delivered / 10 / link->rate) > 0.4);
  CHECK(first / (first + link->flows[1].delivered / 10 / link->rate) < 0.6);
  CHECK(mean_wait_ms(link) < 15);
}

TEST(two_flows_share_a_link) {
  check_even(0);
  check_even(100);
  check_even(3000);
}

/*
 * @returns what the second flow gets of both, from 2 s after it has begun on. Both know the shortest round
 * trip
 */
static double newcomer(double mbit, uint64_t rtt_ms, unsigned lead_ms, unsigned ms) {
  struct link *link = link_open(mbit, rtt_ms, 2);
  double part;
  link->flows[1].begins_us = link->now_us + lead_ms * UINT64_C(1000);
  for (unsigned i = 0; i < 2; i++)
    enetjs_congestion_measured(&link->flows[i].congestion, (uint32_t)rtt_ms, link->now_us);
  run(link, lead_ms + 2000);
  forget(link);
  run(link, ms);
  part = link->flows[1].delivered / (link->flows[0].delivered + link->flows[1].delivered);
  printf("# %g Mbit/s, %u ms, second begins after %u ms: %.2f of both\n", mbit, (unsigned)rtt_ms, lead_ms,
         part);
  return part;
}

TEST(a_newcomer_soon_has_its_share) {
  static const unsigned lead_ms[] = {0, 200, 1000, 4000};
  for (unsigned i = 0; i < 4; i++) {
    CHECK(newcomer(100, 10, lead_ms[i], 4000) > 0.4);
    CHECK(newcomer(100, 50, lead_ms[i], 4000) > 0.33);
    CHECK(newcomer(20, 50, lead_ms[i], 4000) > 0.4);
  }
}

static void check_neighbour(double mbit, uint64_t rtt_ms) {
  struct link *link = link_open(mbit, rtt_ms, 1);
  double alone, beside;
  link->flows[0].fixed = true;
  run(link, 1000);
  alone = share(link, 0, 5000);
  link = link_open(mbit, rtt_ms, 2);
  link->flows[1].fixed = true;
  run(link, 4000);
  beside = share(link, 1, 5000);
  printf("# %g Mbit/s, %u ms: %.2f beside, %.2f alone\n", mbit, (unsigned)rtt_ms, beside, alone);
  CHECK(beside >= fmin(0.8 * alone, 0.4));
}

TEST(a_fixed_window_beside_it_keeps_its_share) {
  check_neighbour(100, 50);
  check_neighbour(100, 10);
  check_neighbour(20, 10);
  check_neighbour(100, 150);
}

/* @returns what a flow gets of a link that TCP fills, with its queue */
static double beside_tcp(bool fixed, double mbit, uint64_t rtt_ms) {
  struct link *link = link_open(mbit, rtt_ms, 2);
  link->flows[0].fixed = fixed;
  link->flows[1].tcp = 10 * PACKET;
  link->flows[1].begins_us = link->now_us + 2000000;
  run(link, 10000);
  return share(link, 0, 20000);
}

static void check_beside_tcp(double mbit, uint64_t rtt_ms) {
  double enet = beside_tcp(true, mbit, rtt_ms), ours = beside_tcp(false, mbit, rtt_ms);
  printf("# %g Mbit/s, %u ms: %.3f of the link, ENet's window %.3f\n", mbit, (unsigned)rtt_ms, ours, enet);
  CHECK(ours >= 0.5 * enet);
}

/* Behind the queue that TCP makes, the window is between ENet's and half of it. */
TEST(beside_tcp_it_keeps_at_least_half_of_what_enet_gets) {
  check_beside_tcp(20, 10);
  check_beside_tcp(20, 50);
  check_beside_tcp(100, 50);
}

/* Of a peer that invents what it acknowledges, and when that was sent. */
TEST(invented_acknowledgements_keep_within_bounds) {
  struct enetjs_congestion c = {0};
  uint64_t random = 7, now_us = 1000000;
  for (unsigned i = 0; i < 200000; i++) {
    uint32_t rtt_ms = test_random_below(&random, 2) ? 3 : test_random_below(&random, 0x8000);
    now_us += test_random_below(&random, 3) * test_random_below(&random, 20000);
    enetjs_congestion_measured(&c, rtt_ms, now_us);
    enetjs_congestion_waits(&c);
    enetjs_congestion_sent(&c, test_random_below(&random, 100000));
    if (test_random_below(&random, 8) == 0) enetjs_congestion_lost(&c, test_random_below(&random, 1 << 20));
    enetjs_congestion_acknowledged(&c, test_random_below(&random, 1 << 30), now_us);
    CHECK(enetjs_congestion_window(&c) >= ENETJS_WINDOW_LEAST / 2);
    CHECK(enetjs_congestion_window(&c) <= ENETJS_WINDOW_MAXIMUM);
    CHECK(enetjs_congestion_credit(&c, now_us) <= 128 * 1024);
    CHECK(enetjs_congestion_wait(&c, now_us) >= 0 && enetjs_congestion_wait(&c, now_us) <= 1000);
    CHECK(enetjs_congestion_rate(&c) > 0 && enetjs_congestion_rate(&c) < 1e11);
  }
}

TEST(what_leaves_at_once_is_bounded) {
  struct link *link = link_open(100, 50, 1);
  struct enetjs_congestion *c = &link->flows[0].congestion;
  size_t credit;
  run(link, 4000);
  credit = enetjs_congestion_credit(c, link->now_us + 1000000);
  CHECK(credit > 64 * 1024 && credit <= 128 * 1024);
  enetjs_congestion_sent(c, credit);
  CHECK_EQ_INT(enetjs_congestion_credit(c, link->now_us + 1000000), 0);
  CHECK(enetjs_congestion_wait(c, link->now_us + 1000000) >= 1);
  CHECK_EQ_INT(enetjs_congestion_wait(c, link->now_us + 1010000), 0);
  credit = enetjs_congestion_credit(c, link->now_us + 1001000);
  CHECK(fabs((double)credit - enetjs_congestion_rate(c) / 1000) < 100);
}

TEST(a_program_that_sends_little_does_not_raise_it) {
  struct enetjs_congestion c = {0};
  for (uint64_t ms = 50; ms < 5000; ms += 10) {
    enetjs_congestion_measured(&c, 50, ms * 1000);
    enetjs_congestion_acknowledged(&c, 100, ms * 1000);
  }
  CHECK_EQ_INT(enetjs_congestion_window(&c), ENETJS_WINDOW_MINIMUM);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_window_grows_until_the_link_is_full_and_no_further),
      TEST_CASE(the_bandwidth_is_that_of_the_link),
      TEST_CASE(a_short_round_trip_is_near_and_is_not_judged),
      TEST_CASE(random_loss_is_borne),
      TEST_CASE(loss_of_a_short_queue_makes_it_back_off),
      TEST_CASE(it_backs_off_when_the_link_becomes_slower),
      TEST_CASE(it_overflows_no_queue_of_a_very_slow_link),
      TEST_CASE(loss_that_a_smaller_window_does_not_change_is_not_its_own),
      TEST_CASE(it_finds_more_when_there_is_more),
      TEST_CASE(a_longer_path_is_not_taken_for_a_queue),
      TEST_CASE(the_minimum_is_enets_window_and_behind_a_queue_half_of_it),
      TEST_CASE(two_flows_share_a_link),
      TEST_CASE(a_newcomer_soon_has_its_share),
      TEST_CASE(a_fixed_window_beside_it_keeps_its_share),
      TEST_CASE(beside_tcp_it_keeps_at_least_half_of_what_enet_gets),
      TEST_CASE(invented_acknowledgements_keep_within_bounds),
      TEST_CASE(what_leaves_at_once_is_bounded),
      TEST_CASE(a_program_that_sends_little_does_not_raise_it),
  };
  return test_run(cases, TEST_COUNT(cases));
}
