/* The simulated network: fates by seed, and what becomes of connections. */
#include "../consumer.h"
#include "wire/conditions.h"
#include "wire/socket.h"

#define SECOND 1000000u /* microseconds */
#define START ((uint64_t)50 * SECOND)
#define MANY (100000u / SLOW)
#define SEED 20u

/* ---- Links ----------------------------------------------------------------------------------- */

struct links {
  double values[4 * ENETJS_LINK_COUNT];
  size_t count;
};

/* A link on which nothing happens, for some addresses. */
static double *add_link(struct links *links, uint32_t first, uint32_t last, uint16_t port) {
  double *link = links->values + links->count++ * ENETJS_LINK_COUNT;
  memset(link, 0, ENETJS_LINK_COUNT * sizeof(*link));
  link[ENETJS_LINK_FIRST] = first;
  link[ENETJS_LINK_LAST] = last;
  link[ENETJS_LINK_PORT] = port;
  link[ENETJS_LINK_SENT + ENETJS_CONDITION_PASS_GOOD] = 1;
  link[ENETJS_LINK_RECEIVED + ENETJS_CONDITION_PASS_GOOD] = 1;
  return link;
}

static struct links clear_links(void) {
  struct links links = {{0}, 0};
  add_link(&links, 0, UINT32_MAX, 0);
  return links;
}

/* Of the last link, in both directions. */
static void set(struct links *links, int condition, double value) {
  double *link = links->values + (links->count - 1) * ENETJS_LINK_COUNT;
  link[ENETJS_LINK_SENT + condition] = link[ENETJS_LINK_RECEIVED + condition] = value;
}

static struct links links_with(int condition, double value) {
  struct links links = clear_links();
  set(&links, condition, value);
  return links;
}

/* ---- The stage by itself, with a time of its own --------------------------------------------- */

static void replace(struct enetjs_conditions *conditions, const struct links *links, uint32_t seed) {
  CHECK(enetjs_conditions_valid(links->values, links->count));
  CHECK(enetjs_conditions_replace(conditions, links->values, links->count, seed));
}

static struct enetjs_conditions *conditions_of(const struct links *links, uint32_t seed) {
  struct enetjs_conditions *conditions = enetjs_conditions_create();
  CHECK(conditions != NULL);
  replace(conditions, links, seed);
  return conditions;
}

static struct enetjs_conditions *conditions_with(int condition, double value) {
  struct links links = links_with(condition, value);
  return conditions_of(&links, SEED);
}

static ENetAddress address_of(uint32_t host, uint16_t port) {
  ENetAddress address;
  address.host = ENET_HOST_TO_NET_32(host);
  address.port = port;
  return address;
}

static void enter_from(struct enetjs_conditions *conditions, enum enetjs_direction direction,
                       ENetAddress address, uint32_t number, size_t length, uint64_t now_us) {
  struct enetjs_endpoint endpoint = enetjs_endpoint_of(&address);
  uint8_t data[2048] = {0};
  ENetBuffer halves[2];
  memcpy(data, &number, sizeof(number));
  halves[0].data = data;
  halves[0].dataLength = length / 2;
  halves[1].data = data + length / 2;
  halves[1].dataLength = length - length / 2;
  enetjs_conditions_enter(conditions, direction, &endpoint, halves, 2, now_us);
}

static void enter(struct enetjs_conditions *conditions, uint32_t number, size_t length, uint64_t now_us) {
  enter_from(conditions, ENETJS_SENT, address_of(LOOPBACK, 1000), number, length, now_us);
}

/* @returns the number of the next datagram that is due, or -1 */
static int64_t leave(struct enetjs_conditions *conditions, enum enetjs_direction direction, uint64_t now_us) {
  const struct enetjs_passed *passed = enetjs_conditions_due(conditions, direction, now_us);
  uint32_t number;
  if (!passed) return -1;
  memcpy(&number, passed->bytes, sizeof(number));
  enetjs_conditions_release(conditions, direction);
  return number;
}

static double fate(const struct enetjs_conditions *conditions, enum enetjs_direction direction, int fate) {
  double fates[ENETJS_DIRECTIONS * ENETJS_FATE_COUNT];
  enetjs_conditions_stats(conditions, fates);
  return fates[direction * ENETJS_FATE_COUNT + fate];
}

static double sent_fate(const struct enetjs_conditions *conditions, int which) {
  return fate(conditions, ENETJS_SENT, which);
}

static bool is_near(double value, double expected, double tolerance) {
  return fabs(value - expected) <= tolerance;
}

/* @returns when the only datagram that is held is due */
static uint64_t due_of(struct enetjs_conditions *conditions, uint64_t from_us) {
  uint64_t low = from_us, high = from_us + 200 * (uint64_t)SECOND;
  CHECK(enetjs_conditions_due(conditions, ENETJS_SENT, high) != NULL);
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (enetjs_conditions_due(conditions, ENETJS_SENT, middle))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

TEST(nothing_happens_on_a_clear_link) {
  struct links links = clear_links();
  struct enetjs_conditions *conditions = conditions_of(&links, SEED);
  for (uint32_t i = 0; i < 1000; i++) enter(conditions, i, 100, START);
  for (uint32_t i = 0; i < 1000; i++) CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START), i);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START), -1);
  CHECK(sent_fate(conditions, ENETJS_FATE_PASSED) == 1000 && sent_fate(conditions, ENETJS_FATE_HELD) == 0);
  enetjs_conditions_destroy(conditions);
}

TEST(latency_is_exact_and_known_in_advance) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_LATENCY_MS, 50.5);
  CHECK_EQ_INT(enetjs_conditions_wait(conditions, START), -1);
  enter(conditions, 7, 100, START);
  CHECK_EQ_INT(enetjs_conditions_wait(conditions, START), 51);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 50499), -1);
  CHECK_EQ_INT(enetjs_conditions_wait(conditions, START + 50499), 1);
  CHECK_EQ_INT(enetjs_conditions_wait(conditions, START + 50500), 0);
  CHECK_EQ_INT(leave(conditions, ENETJS_RECEIVED, START + 50500), -1);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 50500), 7);
  enetjs_conditions_destroy(conditions);
}

static void all_conditions(struct links *links) {
  set(links, ENETJS_CONDITION_LATENCY_MS, 40);
  set(links, ENETJS_CONDITION_JITTER_MS, 10);
  set(links, ENETJS_CONDITION_TO_BAD, 0.05);
  set(links, ENETJS_CONDITION_TO_GOOD, 0.3);
  set(links, ENETJS_CONDITION_DUPLICATE, 0.1);
  set(links, ENETJS_CONDITION_REORDER, 0.1);
  set(links, ENETJS_CONDITION_REORDER_MS, 20);
  set(links, ENETJS_CONDITION_CORRUPT, 0.1);
}

/* Sends a datagram every millisecond. @returns what has arrived, in order, as a hash */
static uint64_t run(struct enetjs_conditions *conditions, enum enetjs_direction direction, uint32_t count) {
  uint64_t hash = 1469598103934665603u;
  for (uint32_t i = 0; i < count + 1000; i++) {
    uint64_t now_us = START + (uint64_t)i * 1000;
    const struct enetjs_passed *passed;
    if (i < count) enter_from(conditions, direction, address_of(LOOPBACK, 1000), i, 64, now_us);
    while ((passed = enetjs_conditions_due(conditions, direction, now_us)) != NULL) {
      hash = (hash ^ i) * 1099511628211u;
      for (size_t at = 0; at < passed->length; at++) hash = (hash ^ passed->bytes[at]) * 1099511628211u;
      enetjs_conditions_release(conditions, direction);
    }
  }
  return hash;
}

static uint64_t run_with(uint32_t seed, enum enetjs_direction direction) {
  struct links links = clear_links();
  struct enetjs_conditions *conditions;
  uint64_t hash;
  all_conditions(&links);
  conditions = conditions_of(&links, seed);
  hash = run(conditions, direction, 5000);
  CHECK(fate(conditions, direction, ENETJS_FATE_HELD) == 0);
  enetjs_conditions_destroy(conditions);
  return hash;
}

TEST(the_same_seed_gives_the_same_fates) {
  CHECK(run_with(1, ENETJS_SENT) == run_with(1, ENETJS_SENT));
  CHECK(run_with(1, ENETJS_SENT) != run_with(2, ENETJS_SENT));
  CHECK(run_with(1, ENETJS_SENT) != run_with(1, ENETJS_RECEIVED));
}

/* Known numbers: a change of the generator or of the order of draws would change the tests of users. */
TEST(fates_stay_the_same_from_version_to_version) {
  static const uint32_t expected[] = {0, 1, 2, 5, 8, 11, 12, 19, 20, 21};
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_PASS_GOOD, 0.5);
  for (uint32_t i = 0; i < 100; i++) enter(conditions, i, 64, START);
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
    int64_t number = leave(conditions, ENETJS_SENT, START);
    CHECK_EQ_INT(number, expected[i]);
  }
  enetjs_conditions_destroy(conditions);
}

/* Whether each of the first datagrams passes, where so many get lost. */
static void losses(bool *lost, size_t count, struct links links) {
  struct enetjs_conditions *conditions;
  set(&links, ENETJS_CONDITION_PASS_GOOD, 0.8);
  conditions = conditions_of(&links, SEED);
  for (size_t i = 0; i < count; i++) {
    double before = sent_fate(conditions, ENETJS_FATE_LOST);
    enter(conditions, (uint32_t)i, 64, START + i);
    lost[i] = sent_fate(conditions, ENETJS_FATE_LOST) > before;
  }
  enetjs_conditions_destroy(conditions);
}

TEST(the_fate_of_a_datagram_does_not_depend_on_other_settings) {
  static bool plain[1000], crowded[1000];
  struct links links = clear_links();
  losses(plain, 1000, links);
  set(&links, ENETJS_CONDITION_LATENCY_MS, 40);
  set(&links, ENETJS_CONDITION_DUPLICATE, 0.5);
  set(&links, ENETJS_CONDITION_CORRUPT, 0.5);
  set(&links, ENETJS_CONDITION_REORDER, 0.5);
  add_link(&links, 1, 2, 0);
  links.count--; /* another link draws numbers of its own */
  losses(crowded, 1000, links);
  CHECK(memcmp(plain, crowded, sizeof(plain)) == 0);
}

TEST(loss_is_the_share_that_is_asked_for) {
  static const double shares[] = {0, 0.001, 0.02, 0.5, 1};
  for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
    struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_PASS_GOOD, 1 - shares[i]);
    double deviation = sqrt(shares[i] * (1 - shares[i]) / MANY);
    for (uint32_t n = 0; n < MANY; n++) {
      enter(conditions, n, 8, START);
      while (leave(conditions, ENETJS_SENT, START) >= 0) continue;
    }
    CHECK(is_near(sent_fate(conditions, ENETJS_FATE_LOST) / MANY, shares[i], 4 * deviation));
    enetjs_conditions_destroy(conditions);
  }
}

/* With p 0.01 and r 0.25 the bad state takes 1/26 of the time, and lasts for four datagrams on average. */
TEST(losses_come_in_bursts) {
  struct links links = links_with(ENETJS_CONDITION_TO_BAD, 0.01);
  struct enetjs_conditions *conditions;
  double lost, bursts = 0;
  bool before = false;
  set(&links, ENETJS_CONDITION_TO_GOOD, 0.25);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < MANY; n++) {
    bool passes;
    enter(conditions, n, 8, START);
    passes = leave(conditions, ENETJS_SENT, START) >= 0;
    if (!passes && !before) bursts++;
    before = !passes;
  }
  lost = sent_fate(conditions, ENETJS_FATE_LOST);
  CHECK(is_near(lost / MANY, 1 / 26.0, 0.006));
  CHECK(is_near(lost / bursts, 4, 0.5));
  enetjs_conditions_destroy(conditions);
}

TEST(the_two_states_have_their_own_loss) {
  struct links links = links_with(ENETJS_CONDITION_TO_BAD, 0.1);
  struct enetjs_conditions *conditions;
  set(&links, ENETJS_CONDITION_TO_GOOD, 0.1);
  set(&links, ENETJS_CONDITION_PASS_GOOD, 0.9);
  set(&links, ENETJS_CONDITION_PASS_BAD, 0.5);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < MANY; n++) {
    enter(conditions, n, 8, START);
    leave(conditions, ENETJS_SENT, START);
  }
  CHECK(is_near(sent_fate(conditions, ENETJS_FATE_LOST) / MANY, 0.3, 0.02));
  enetjs_conditions_destroy(conditions);
}

static void check_jitter(int distribution, double low, double high, double mean, double deviation,
                         double tolerance) {
  struct links links = links_with(ENETJS_CONDITION_JITTER_MS, 10);
  struct enetjs_conditions *conditions;
  double sum = 0, squares = 0;
  set(&links, ENETJS_CONDITION_LATENCY_MS, 100);
  set(&links, ENETJS_CONDITION_DISTRIBUTION, distribution);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < MANY / 5; n++) {
    /* So far apart that none waits for the one before it. */
    uint64_t now_us = START + (uint64_t)n * 1000 * 1000;
    double ms;
    enter(conditions, n, 8, now_us);
    ms = (double)(due_of(conditions, now_us) - now_us) / 1000;
    CHECK(ms >= low && ms <= high);
    sum += ms;
    squares += ms * ms;
    CHECK(leave(conditions, ENETJS_SENT, UINT64_MAX) >= 0);
  }
  sum /= MANY / 5;
  CHECK(is_near(sum, mean, tolerance));
  CHECK(is_near(sqrt(squares / (MANY / 5) - sum * sum), deviation, 2 * tolerance));
  enetjs_conditions_destroy(conditions);
}

TEST(jitter_has_the_distribution_that_is_asked_for) {
  check_jitter(ENETJS_JITTER_UNIFORM, 90, 110, 100, 10 / sqrt(3), 0.25);
  check_jitter(ENETJS_JITTER_NORMAL, 65, 135, 100, 10, 0.5);
  check_jitter(ENETJS_JITTER_PARETO, 100, 300, 110, 17, 1.5);
}

TEST(jitter_larger_than_the_latency_is_cut_at_zero) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_JITTER_MS, 10);
  for (uint32_t n = 0; n < 100; n++) {
    uint64_t now_us = START + (uint64_t)n * SECOND;
    enter(conditions, n, 8, now_us);
    CHECK(due_of(conditions, now_us) <= now_us + 10000);
    leave(conditions, ENETJS_SENT, UINT64_MAX);
  }
  enetjs_conditions_destroy(conditions);
}

TEST(jitter_changes_no_order) {
  struct links links = links_with(ENETJS_CONDITION_JITTER_MS, 50);
  struct enetjs_conditions *conditions;
  int64_t number, last = -1;
  set(&links, ENETJS_CONDITION_LATENCY_MS, 60);
  conditions = conditions_of(&links, SEED);
  for (uint32_t ms = 0; ms < 3000; ms++) {
    if (ms < 2000) enter(conditions, ms, 8, START + ms * 1000);
    while ((number = leave(conditions, ENETJS_SENT, START + ms * 1000)) >= 0) {
      CHECK_EQ_INT(number, last + 1);
      last = number;
    }
  }
  CHECK_EQ_INT(last, 1999);
  enetjs_conditions_destroy(conditions);
}

TEST(less_latency_changes_no_order) {
  struct links slow = links_with(ENETJS_CONDITION_LATENCY_MS, 200),
               fast = links_with(ENETJS_CONDITION_LATENCY_MS, 10);
  struct enetjs_conditions *conditions = conditions_of(&slow, SEED);
  enter(conditions, 0, 8, START);
  replace(conditions, &fast, SEED);
  enter(conditions, 1, 8, START + 1000);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 199999), -1);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 200000), 0);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 200000), 1);
  enter(conditions, 2, 8, START + 300000);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 310000), 2);
  enetjs_conditions_destroy(conditions);
}

TEST(reordered_datagrams_are_late_and_nobody_waits_for_them) {
  struct links links = links_with(ENETJS_CONDITION_REORDER, 0.1);
  struct enetjs_conditions *conditions;
  unsigned late = 0;
  set(&links, ENETJS_CONDITION_REORDER_MS, 5);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < 10000; n++) {
    uint64_t now_us = START + (uint64_t)n * 1000;
    int64_t number;
    enter(conditions, n, 8, now_us);
    while ((number = leave(conditions, ENETJS_SENT, now_us)) >= 0) {
      CHECK(number == n || number == (int64_t)n - 5);
      late += number != n;
    }
  }
  CHECK(is_near(late, 1000, 120));
  CHECK(is_near(sent_fate(conditions, ENETJS_FATE_REORDERED), late, 5)); /* the last five are under way */
  enetjs_conditions_destroy(conditions);
}

TEST(duplicates_arrive_right_behind) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_DUPLICATE, 0.25);
  unsigned twice = 0;
  for (uint32_t n = 0; n < 10000; n++) {
    enter(conditions, n, 8, START);
    CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START), n);
    if (leave(conditions, ENETJS_SENT, START) == n) twice++;
  }
  CHECK(is_near(twice, 2500, 200));
  CHECK(sent_fate(conditions, ENETJS_FATE_DUPLICATED) == twice);
  enetjs_conditions_destroy(conditions);
}

TEST(corruption_changes_one_bit) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_CORRUPT, 0.5);
  struct enetjs_endpoint endpoint = enetjs_endpoint_of_ipv4(LOOPBACK, 1000);
  unsigned changed = 0, places = 0;
  bool seen[200 * 8] = {false};
  for (uint32_t n = 0; n < 20000; n++) {
    uint8_t zeros[200] = {0};
    const struct enetjs_passed *passed;
    ENetBuffer buffer;
    unsigned bits = 0;
    buffer.data = zeros;
    buffer.dataLength = sizeof(zeros);
    enetjs_conditions_enter(conditions, ENETJS_SENT, &endpoint, &buffer, 1, START);
    passed = enetjs_conditions_due(conditions, ENETJS_SENT, START);
    for (size_t bit = 0; bit < 200 * 8; bit++)
      if (passed->bytes[bit / 8] >> bit % 8 & 1) {
        bits++;
        seen[bit] = true;
      }
    CHECK(bits <= 1);
    changed += bits;
    enetjs_conditions_release(conditions, ENETJS_SENT);
  }
  for (size_t bit = 0; bit < 200 * 8; bit++) places += seen[bit];
  CHECK(is_near(changed, 10000, 300));
  CHECK(places > 1500); /* all over the datagram */
  CHECK(sent_fate(conditions, ENETJS_FATE_CORRUPTED) == changed);
  enetjs_conditions_destroy(conditions);
}

TEST(datagrams_leave_at_the_rate_and_the_queue_is_bounded) {
  struct links links = links_with(ENETJS_CONDITION_RATE, 100000);
  struct enetjs_conditions *conditions;
  set(&links, ENETJS_CONDITION_QUEUE_BYTES, 10000);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < 100; n++) enter(conditions, n, 1000, START);
  /* Ten of a thousand bytes wait: for one on the line and nine behind it the queue has room. */
  CHECK(sent_fate(conditions, ENETJS_FATE_PASSED) == 10);
  CHECK(sent_fate(conditions, ENETJS_FATE_QUEUE_FULL) == 90);
  for (uint32_t n = 0; n < 10; n++) {
    CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + n * 10000 + 9999), -1);
    CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + n * 10000 + 10000), n);
  }
  /* Idle time is not saved up. */
  enter(conditions, 1, 1000, START + SECOND);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND + 9999), -1);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND + 10000), 1);
  enetjs_conditions_destroy(conditions);
}

TEST(a_queue_of_nothing_carries_one_at_a_time) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_RATE, 1000);
  enter(conditions, 0, 1000, START);
  enter(conditions, 1, 1000, START);
  CHECK(sent_fate(conditions, ENETJS_FATE_QUEUE_FULL) == 1);
  enter(conditions, 2, 1000, START + SECOND);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND), 0);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + 2 * SECOND), 2);
  enetjs_conditions_destroy(conditions);
}

TEST(a_blackout_loses_what_enters_and_nothing_else) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_LATENCY_MS, 100);
  enter(conditions, 0, 8, START);
  enetjs_conditions_blackout(conditions, START + 50000);
  enter(conditions, 1, 8, START + 49999);
  enter(conditions, 2, 8, START + 50000);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND), 0);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND), 2);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START + SECOND), -1);
  CHECK(sent_fate(conditions, ENETJS_FATE_BLACKED_OUT) == 1);
  enetjs_conditions_destroy(conditions);
}

TEST(what_is_held_is_bounded) {
  struct enetjs_conditions *conditions = conditions_with(ENETJS_CONDITION_LATENCY_MS, 60000);
  double held;
  for (uint32_t n = 0; n < 20000; n++) enter(conditions, n, 1400, START);
  held = sent_fate(conditions, ENETJS_FATE_HELD);
  CHECK(held * 1400 <= ENETJS_HELD_BYTES && held * 1500 > ENETJS_HELD_BYTES);
  CHECK(sent_fate(conditions, ENETJS_FATE_MEMORY_FULL) == 20000 - held);
  /* The other direction has its own room; empty datagrams take some, too. */
  for (uint32_t n = 0; n < 400000; n++)
    enter_from(conditions, ENETJS_RECEIVED, address_of(LOOPBACK, 1000), 0, 0, START);
  CHECK(fate(conditions, ENETJS_RECEIVED, ENETJS_FATE_HELD) < 400000);
  CHECK(fate(conditions, ENETJS_RECEIVED, ENETJS_FATE_HELD) > 100000);
  enetjs_conditions_destroy(conditions);
}

TEST(addresses_have_their_own_links) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 1);
  struct enetjs_conditions *conditions;
  add_link(&links, 0x0A000005, 0x0A000005, 7000);
  set(&links, ENETJS_CONDITION_LATENCY_MS, 2);
  add_link(&links, 0x0A000000, 0x0A0000FF, 0);
  set(&links, ENETJS_CONDITION_LATENCY_MS, 3);
  conditions = conditions_of(&links, SEED);
  enter_from(conditions, ENETJS_RECEIVED, address_of(0x0A000005, 7001), 3, 8, START);
  enter_from(conditions, ENETJS_RECEIVED, address_of(0x0A000005, 7000), 2, 8, START);
  enter_from(conditions, ENETJS_RECEIVED, address_of(0x0A000100, 7000), 1, 8, START);
  for (uint32_t ms = 1; ms <= 3; ms++) {
    CHECK_EQ_INT(leave(conditions, ENETJS_RECEIVED, START + ms * 1000 - 1), -1);
    CHECK_EQ_INT(leave(conditions, ENETJS_RECEIVED, START + ms * 1000), ms);
  }
  enetjs_conditions_destroy(conditions);
}

TEST(ended_conditions_give_up_what_they_hold_in_order) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 100);
  struct enetjs_conditions *conditions;
  set(&links, ENETJS_CONDITION_JITTER_MS, 100);
  conditions = conditions_of(&links, SEED);
  for (uint32_t n = 0; n < 100; n++) enter(conditions, n, 8, START + n);
  enetjs_conditions_end(conditions);
  CHECK_EQ_INT(enetjs_conditions_wait(conditions, START), 0);
  for (uint32_t n = 0; n < 100; n++) {
    CHECK(!enetjs_conditions_over(conditions));
    CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START), n);
  }
  CHECK(enetjs_conditions_over(conditions));
  enter(conditions, 7, 8, START);
  CHECK_EQ_INT(leave(conditions, ENETJS_SENT, START), 7);
  enetjs_conditions_destroy(conditions);
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static double set_conditions(const struct consumer *c, const struct links *links) {
  return enetjs_host_set_conditions(c->host, (const uint8_t *)links->values,
                                    (double)(links->count * ENETJS_LINK_COUNT * sizeof(double)), SEED);
}

static double clear_conditions(const struct consumer *c) {
  return enetjs_host_set_conditions(c->host, (const uint8_t *)"", 0, 0);
}

static double host_fate(const struct consumer *c, enum enetjs_direction direction, int which) {
  double fates[ENETJS_DIRECTIONS * ENETJS_FATE_COUNT];
  CHECK_EQ_INT(enetjs_host_fates(c->host, (uint8_t *)fates, sizeof(fates)), 0);
  return fates[direction * ENETJS_FATE_COUNT + which];
}

TEST(senseless_conditions_are_refused) {
  struct consumer c;
  double fates[ENETJS_DIRECTIONS * ENETJS_FATE_COUNT];
  static const struct {
    int condition;
    double value;
  } bad[] = {{ENETJS_CONDITION_LATENCY_MS, -1},   {ENETJS_CONDITION_LATENCY_MS, 60001},
             {ENETJS_CONDITION_JITTER_MS, NAN},   {ENETJS_CONDITION_DISTRIBUTION, 3},
             {ENETJS_CONDITION_PASS_GOOD, 1.5},   {ENETJS_CONDITION_PASS_BAD, -0.1},
             {ENETJS_CONDITION_TO_BAD, INFINITY}, {ENETJS_CONDITION_RATE, 0.5},
             {ENETJS_CONDITION_RATE, INFINITY},   {ENETJS_CONDITION_QUEUE_BYTES, -1},
             {ENETJS_CONDITION_REORDER_MS, 1e9},  {ENETJS_CONDITION_CORRUPT, NAN}};
  struct links links = clear_links();
  client_open(&c);
  CHECK_EQ_INT(enetjs_host_blackout(c.host, 10), ENETJS_ERR_STALE);
  CHECK_EQ_INT(enetjs_host_fates(c.host, (uint8_t *)fates, sizeof(fates)), ENETJS_ERR_STALE);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct links wrong = links_with(bad[i].condition, bad[i].value);
    CHECK_EQ_INT(set_conditions(&c, &wrong), ENETJS_ERR_ARGUMENT);
  }
  links.values[ENETJS_LINK_LAST] = -1;
  CHECK_EQ_INT(set_conditions(&c, &links), ENETJS_ERR_ARGUMENT);
  links = clear_links();
  CHECK_EQ_INT(enetjs_host_set_conditions(c.host, (uint8_t *)links.values, 100, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_conditions(c.host, (uint8_t *)links.values, 8 * ENETJS_LINK_COUNT, -1),
               ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(set_conditions(&c, &links), 0);
  CHECK_EQ_INT(enetjs_host_blackout(c.host, -1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_fates(c.host, (uint8_t *)fates, 8), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(clear_conditions(&c), 0);
  CHECK_EQ_INT(enetjs_host_blackout(c.host, 10), ENETJS_ERR_STALE);
  consumer_close(&c);
  CHECK_EQ_INT(set_conditions(&c, &links), ENETJS_ERR_CLOSED);
}

/* Two connected hosts, of which the client has conditions. */
struct pair {
  struct consumer server, client;
  double peer;
};

static void pair_open(struct pair *pair, const struct links *links, double checksum) {
  consumer_start(&pair->server);
  pair->server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  consumer_open(&pair->server);
  consumer_start(&pair->client);
  pair->client.config[ENETJS_CONFIG_ADDRESS] = -1;
  pair->client.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  consumer_open(&pair->client);
  pair->peer = connect_pair_of(&pair->client, &pair->server);
  CHECK_EQ_INT(set_conditions(&pair->client, links), 0);
}

static void pair_close(struct pair *pair) {
  consumer_close(&pair->client);
  consumer_close(&pair->server);
}

static void poll_pair(struct pair *pair) { poll_both(&pair->client, &pair->server); }

/* Messages that carry their number, and must come in order, each once. */
static void check_numbered(struct consumer *c, const struct record *r) {
  uint32_t *next = c->context, number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, *next);
  CHECK(payload_is(r->payload + sizeof(number), r->length - sizeof(number), number));
  ++*next;
}

static void send_numbered(struct pair *pair, uint32_t number, size_t length) {
  uint8_t bytes[2000];
  memcpy(bytes, &number, sizeof(number));
  payload_fill(bytes + sizeof(number), length - sizeof(number), number);
  CHECK(enetjs_peer_send_buffer(pair->client.host, pair->peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes,
                                (double)length, 0) >= 0);
}

TEST(reliable_messages_survive_everything) {
  struct links links = clear_links();
  struct pair pair;
  uint32_t next = 0, count = 200;
  all_conditions(&links);
  set(&links, ENETJS_CONDITION_LATENCY_MS, 4);
  set(&links, ENETJS_CONDITION_JITTER_MS, 3);
  set(&links, ENETJS_CONDITION_REORDER_MS, 5);
  /* ENet doubles its wait with each loss of the same message, so there must not be too many. */
  set(&links, ENETJS_CONDITION_TO_BAD, 0.02);
  set(&links, ENETJS_CONDITION_TO_GOOD, 0.6);
  set(&links, ENETJS_CONDITION_CORRUPT, 0.02);
  pair_open(&pair, &links, 1);
  pair.server.context = &next;
  pair.server.on_event = check_numbered;
  for (uint32_t n = 0; n < count; n++) {
    send_numbered(&pair, n, 1200);
    poll_pair(&pair);
  }
  UNTIL(next == count, poll_pair(&pair));
  CHECK(host_fate(&pair.client, ENETJS_SENT, ENETJS_FATE_LOST) > 0);
  CHECK(host_fate(&pair.client, ENETJS_SENT, ENETJS_FATE_CORRUPTED) > 0);
  pair_close(&pair);
}

static void count_wrong(struct consumer *c, const struct record *r) {
  unsigned *wrong = c->context;
  if (r->type == ENETJS_EVENT_RECEIVE && !payload_is(r->payload, r->length, 9)) ++*wrong;
}

/* @returns how many messages had other bytes than were sent */
static unsigned wrong_messages(double checksum) {
  struct links links = links_with(ENETJS_CONDITION_CORRUPT, 1);
  struct pair pair;
  uint8_t bytes[1000];
  unsigned wrong = 0;
  payload_fill(bytes, sizeof(bytes), 9);
  links.values[ENETJS_LINK_RECEIVED + ENETJS_CONDITION_CORRUPT] = 0;
  pair_open(&pair, &links, checksum);
  pair.server.context = &wrong;
  pair.server.on_event = count_wrong;
  for (unsigned n = 0; n < 50; n++) { /* so few that no ping has to come back first */
    CHECK_EQ_INT(enetjs_peer_send_buffer(pair.client.host, pair.peer, 0, ENET_PACKET_FLAG_UNSEQUENCED, bytes,
                                         sizeof(bytes), 0),
                 0);
    CHECK_EQ_INT(enetjs_host_flush(pair.client.host), 0);
    poll_pair(&pair);
  }
  CHECK(host_fate(&pair.client, ENETJS_SENT, ENETJS_FATE_CORRUPTED) >= 50);
  if (checksum == 1) CHECK_EQ_INT(pair.server.receives, 0);
  pair_close(&pair);
  return wrong;
}

TEST(a_checksum_finds_every_changed_bit) {
  CHECK_EQ_INT(wrong_messages(1), 0);
  CHECK(wrong_messages(0) > 25);
}

TEST(conditions_take_part_in_the_round_trip) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 30);
  struct pair pair;
  uint64_t began;
  pair_open(&pair, &links, 0);
  began = test_now_ms();
  CHECK_EQ_INT(send_text(&pair.client, pair.peer, ENET_PACKET_FLAG_RELIABLE, "there and back", 5), 0);
  UNTIL(pair.client.delivered == 1, poll_pair(&pair));
  CHECK(test_now_ms() - began >= 60);
  pair_close(&pair);
}

TEST(the_next_deadline_knows_what_is_held) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 40);
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  int wait;
  client_open(&c);
  CHECK_EQ_INT(set_conditions(&c, &links), 0);
  wait = enetjs_next_wait(host_of(&c));
  CHECK(wait < 0 || wait > 40);
  memcpy(c.block + c.words[ENETJS_WORD_SCRATCH_OFFSET] + 4096, "later", 5);
  CHECK_EQ_INT(
      enetjs_host_send_datagram(c.host, LOOPBACK, port, c.words[ENETJS_WORD_SCRATCH_OFFSET] + 4096.0, 5), 5);
  wait = enetjs_next_wait(host_of(&c));
  CHECK(wait >= 0 && wait <= 40);
  enet_socket_destroy(s);
  consumer_close(&c);
}

static void send_datagram_to(struct consumer *c, uint16_t port, const char *text) {
  size_t offset = c->words[ENETJS_WORD_SCRATCH_OFFSET] + 4096, length = strlen(text);
  memcpy(c->block + offset, text, length);
  CHECK_EQ_INT(enetjs_host_send_datagram(c->host, LOOPBACK, port, (double)offset, (double)length), length);
}

/* Nobody services: the pump alone sends what is due. */
TEST(the_pump_sends_what_is_due) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 20);
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  char got[16];
  int length = 0;
  consumer_start(&c);
  c.config[ENETJS_CONFIG_ADDRESS] = -1;
  c.config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(&c);
  consumer_start_pump(&c);
  CHECK_EQ_INT(set_conditions(&c, &links), 0);
  send_datagram_to(&c, port, "later");
  UNTIL(length != 0, length = socket_receive(s, NULL, got, sizeof(got)));
  CHECK_EQ_INT(length, 5);
  enet_socket_destroy(s);
  consumer_close(&c);
}

/* What is received is due while the socket is silent, and service() waits for it. */
TEST(a_waiting_service_ends_when_a_datagram_is_due) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 30);
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  consumer_start(&c);
  c.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&c);
  CHECK_EQ_INT(set_conditions(&c, &links), 0);
  CHECK_EQ_INT(socket_send(s, port_of(&c), "hello", 5), 5);
  CHECK_EQ_INT(enetjs_host_service(c.host, PATIENCE_MS), 1);
  consumer_drain(&c);
  CHECK_EQ_INT(c.datagrams, 1);
  CHECK(host_fate(&c, ENETJS_RECEIVED, ENETJS_FATE_PASSED) == 1);
  enet_socket_destroy(s);
  consumer_close(&c);
}

TEST(without_conditions_again_what_is_under_way_arrives_at_once) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 60000);
  struct consumer c;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  char got[16];
  consumer_start(&c);
  c.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&c);
  CHECK_EQ_INT(set_conditions(&c, &links), 0);
  CHECK_EQ_INT(socket_send(s, port_of(&c), "hello", 5), 5);
  UNTIL(host_fate(&c, ENETJS_RECEIVED, ENETJS_FATE_HELD) == 1, consumer_poll(&c));
  send_datagram_to(&c, port, "answer");
  consumer_poll(&c);
  CHECK_EQ_INT(socket_receive(s, NULL, got, sizeof(got)), 0);
  CHECK_EQ_INT(c.datagrams, 0);
  CHECK_EQ_INT(clear_conditions(&c), 0);
  CHECK_EQ_INT(socket_receive(s, NULL, got, sizeof(got)), 6);
  UNTIL(c.datagrams == 1, consumer_poll(&c));
  CHECK(enetjs_batch_conditions(host_of(&c)->batch) == NULL); /* nothing is left that could cost something */
  enet_socket_destroy(s);
  consumer_close(&c);
}

/* The notice of a close is not waited for, and is lost if the conditions lose it. */
TEST(a_close_sends_what_has_passed) {
  struct links slow = links_with(ENETJS_CONDITION_LATENCY_MS, 60000),
               lossy = links_with(ENETJS_CONDITION_PASS_GOOD, 0);
  struct pair pair;
  pair_open(&pair, &slow, 0);
  consumer_close(&pair.client);
  UNTIL(pair.server.disconnects == 1, consumer_poll(&pair.server));
  consumer_close(&pair.server);

  pair_open(&pair, &lossy, 0);
  consumer_close(&pair.client);
  for (unsigned i = 0; i < 100; i++) consumer_poll(&pair.server);
  CHECK_EQ_INT(pair.server.disconnects, 0);
  consumer_close(&pair.server);
}

/* The guard answers strangers through the conditions, too. */
TEST(connecting_takes_the_time_of_the_conditions) {
  struct links links = links_with(ENETJS_CONDITION_LATENCY_MS, 20);
  struct consumer server, client;
  uint64_t began;
  server_open(&server);
  client_open(&client);
  CHECK_EQ_INT(set_conditions(&server, &links), 0);
  began = test_now_ms();
  connect_pair_of(&client, &server);
  CHECK(test_now_ms() - began >= 40);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(batches_are_split_before_fates_are_decided) {
  struct links links = links_with(ENETJS_CONDITION_PASS_GOOD, 0.5);
  struct pair pair;
  uint8_t *bytes = calloc(1, 400000);
  double lost, passed;
  pair_open(&pair, &links, 0);
  CHECK(enetjs_peer_send_buffer(pair.client.host, pair.peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes, 400000,
                                0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(pair.client.host), 0); /* a window of datagrams of one length, as one run */
  lost = host_fate(&pair.client, ENETJS_SENT, ENETJS_FATE_LOST);
  passed = host_fate(&pair.client, ENETJS_SENT, ENETJS_FATE_PASSED);
  CHECK(lost + passed > 40);
  CHECK(is_near(lost / (lost + passed), 0.5, 0.25));
  free(bytes);
  pair_close(&pair);
}

/* ---- A stock ENet on the other side ---------------------------------------------------------- */

static void service_stock(ENetHost *stock, unsigned *connects, unsigned *receives) {
  ENetEvent event;
  while (enet_host_service(stock, &event, 0) > 0) {
    if (event.type == ENET_EVENT_TYPE_CONNECT) ++*connects;
    if (event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    CHECK(payload_is(event.packet->data, event.packet->dataLength, *receives));
    ++*receives;
    enet_packet_destroy(event.packet);
  }
}

TEST(a_stock_peer_notices_nothing_but_a_bad_network) {
  struct links links = clear_links();
  struct consumer client;
  ENetAddress address = address_of(LOOPBACK, 0);
  ENetHost *stock = enet_host_create(&address, 4, 2, 0, 0);
  unsigned connects = 0, receives = 0;
  uint8_t bytes[3000];
  double peer;
  CHECK(stock != NULL);
  CHECK_EQ_INT(enet_socket_get_address(stock->socket, &address), 0);
  set(&links, ENETJS_CONDITION_LATENCY_MS, 5);
  set(&links, ENETJS_CONDITION_PASS_GOOD, 0.9);
  set(&links, ENETJS_CONDITION_DUPLICATE, 0.1);
  client_open(&client);
  CHECK_EQ_INT(set_conditions(&client, &links), 0);
  peer = enetjs_host_connect(client.host, LOOPBACK, address.port, 2, 0);
  UNTIL(client.connected == 1 && connects == 1, {
    consumer_poll(&client);
    service_stock(stock, &connects, &receives);
  });
  for (unsigned n = 0; n < 50; n++) {
    payload_fill(bytes, sizeof(bytes), n);
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes, sizeof(bytes), 0) >=
          0);
  }
  UNTIL(receives == 50, {
    consumer_poll(&client);
    service_stock(stock, &connects, &receives);
  });
  CHECK(host_fate(&client, ENETJS_SENT, ENETJS_FATE_LOST) > 0);
  consumer_close(&client);
  enet_host_destroy(stock);
}

TEST(nothing_is_left) { check_nothing_left(); }

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(nothing_happens_on_a_clear_link),
      TEST_CASE(latency_is_exact_and_known_in_advance),
      TEST_CASE(the_same_seed_gives_the_same_fates),
      TEST_CASE(fates_stay_the_same_from_version_to_version),
      TEST_CASE(the_fate_of_a_datagram_does_not_depend_on_other_settings),
      TEST_CASE(loss_is_the_share_that_is_asked_for),
      TEST_CASE(losses_come_in_bursts),
      TEST_CASE(the_two_states_have_their_own_loss),
      TEST_CASE(jitter_has_the_distribution_that_is_asked_for),
      TEST_CASE(jitter_larger_than_the_latency_is_cut_at_zero),
      TEST_CASE(jitter_changes_no_order),
      TEST_CASE(less_latency_changes_no_order),
      TEST_CASE(reordered_datagrams_are_late_and_nobody_waits_for_them),
      TEST_CASE(duplicates_arrive_right_behind),
      TEST_CASE(corruption_changes_one_bit),
      TEST_CASE(datagrams_leave_at_the_rate_and_the_queue_is_bounded),
      TEST_CASE(a_queue_of_nothing_carries_one_at_a_time),
      TEST_CASE(a_blackout_loses_what_enters_and_nothing_else),
      TEST_CASE(what_is_held_is_bounded),
      TEST_CASE(addresses_have_their_own_links),
      TEST_CASE(ended_conditions_give_up_what_they_hold_in_order),
      TEST_CASE(senseless_conditions_are_refused),
      TEST_CASE(reliable_messages_survive_everything),
      TEST_CASE(a_checksum_finds_every_changed_bit),
      TEST_CASE(conditions_take_part_in_the_round_trip),
      TEST_CASE(the_next_deadline_knows_what_is_held),
      TEST_CASE(the_pump_sends_what_is_due),
      TEST_CASE(a_waiting_service_ends_when_a_datagram_is_due),
      TEST_CASE(without_conditions_again_what_is_under_way_arrives_at_once),
      TEST_CASE(a_close_sends_what_has_passed),
      TEST_CASE(connecting_takes_the_time_of_the_conditions),
      TEST_CASE(batches_are_split_before_fates_are_decided),
      TEST_CASE(a_stock_peer_notices_nothing_but_a_bad_network),
      TEST_CASE(nothing_is_left),
  };
  CHECK_EQ_INT(enetjs_host_initialize(), 0);
  return test_run(cases, TEST_COUNT(cases));
}
