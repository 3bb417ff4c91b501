/* What is lost where nothing follows that could show it, what is lost twice, and acknowledgements that are lost. */
#include "../link.h"

enum { LATENCY_MS = 25, ROUND_TRIP_MS = 2 * LATENCY_MS, MESSAGE_BYTES = 100, TIMES = 40 / SLOW, PAUSE_MS = 1000 };

/* Of messages, the next so many datagrams to the server are lost. */
static unsigned to_lose;

static uint32_t lose_some(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)l, (void)bytes;
  if (to_client || length < MESSAGE_BYTES || to_lose == 0) return 0;
  to_lose--;
  return LINK_LOST;
}

/* Delay varies as well, without reordering. */
static uint32_t lose_some_of_varying(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  l->latency[to_client] = LATENCY_MS + test_random_below(&l->random, 30);
  return lose_some(l, to_client, bytes, length);
}

/* ---- Messages with the times of their sending ------------------------------------------------ */

struct arrivals {
  enet_uint32 *now;
  unsigned count;
  int oldest;
};

static void on_packet(struct plain *p, const ENetPacket *packet) {
  struct arrivals *arrivals = p->context;
  enet_uint32 sent;
  int age;
  memcpy(&sent, packet->data, sizeof(sent));
  age = (int)(*arrivals->now - sent);
  if (age > arrivals->oldest) arrivals->oldest = age;
  arrivals->count++;
}

static void send_message(struct linked *l) {
  uint8_t bytes[MESSAGE_BYTES] = {0};
  memcpy(bytes, &l->link.now, sizeof(l->link.now));
  CHECK(enetjs_peer_send_buffer(l->client.host, l->peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes, sizeof(bytes), 0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(l->client.host), 0); /* in a datagram of its own */
}

static void open_link(struct linked *l, struct arrivals *arrivals,
                      uint32_t (*fate)(struct link *, bool, const uint8_t *, size_t)) {
  memset(l, 0, sizeof(*l));
  memset(arrivals, 0, sizeof(*arrivals));
  to_lose = 0;
  consumer_start(&l->client);
  linked_open(l, LATENCY_MS, 3);
  l->server.on_packet = on_packet;
  l->server.context = arrivals;
  arrivals->now = &l->link.now;
  l->link.fate = fate;
}

static void wait_ms(struct linked *l, unsigned ms) {
  for (unsigned i = 0; i < ms; i++) linked_step(l);
}

/* So that the round trip is known. */
static void warm_up(struct linked *l, struct arrivals *arrivals) {
  for (unsigned i = 0; i < 50; i++) {
    send_message(l);
    wait_ms(l, 20);
  }
  wait_ms(l, PAUSE_MS);
  arrivals->count = 0;
  arrivals->oldest = 0;
}

/* Bursts, of which the last datagrams are lost, so often. @returns the oldest message in ms */
static int bursts(struct linked *l, struct arrivals *arrivals, unsigned messages, unsigned lost, unsigned copies) {
  int oldest = 0;
  warm_up(l, arrivals);
  for (unsigned i = 0; i < TIMES; i++) {
    arrivals->count = 0;
    arrivals->oldest = 0;
    for (unsigned k = 0; k < messages; k++) {
      send_message(l);
      if (k + 1 == messages - lost) link_enter(&l->link, false);
    }
    to_lose = lost * copies;
    UNTIL(arrivals->count == messages, linked_step(l));
    if (arrivals->oldest > oldest) oldest = arrivals->oldest;
    wait_ms(l, PAUSE_MS);
  }
  return oldest;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

TEST(the_last_of_a_burst_costs_little_more_than_a_round_trip) {
  static struct linked l;
  struct arrivals arrivals;
  int oldest;
  open_link(&l, &arrivals, lose_some);
  oldest = bursts(&l, &arrivals, 10, 1, 1);
  printf("# the last of ten is lost: %d ms at most\n", oldest);
  CHECK(oldest <= ROUND_TRIP_MS * 5 / 2);
  linked_close(&l);
}

TEST(a_message_alone_costs_no_more) {
  static struct linked l;
  struct arrivals arrivals;
  int oldest;
  open_link(&l, &arrivals, lose_some);
  oldest = bursts(&l, &arrivals, 1, 1, 1);
  printf("# one is lost: %d ms at most\n", oldest);
  CHECK(oldest <= ROUND_TRIP_MS * 5 / 2);
  linked_close(&l);
}

TEST(where_delay_varies_the_tail_waits_for_the_timer) {
  static struct linked l;
  struct arrivals arrivals;
  int oldest;
  open_link(&l, &arrivals, lose_some_of_varying);
  oldest = bursts(&l, &arrivals, 10, 1, 1);
  printf("# the last of ten is lost, delay varies: %d ms at most\n", oldest);
  CHECK(oldest <= (ROUND_TRIP_MS + 60) * 5 / 2);
  linked_close(&l);
}

/* The timer's second timeout is twice as long. */
TEST(a_tail_that_is_lost_twice) {
  static struct linked l;
  struct arrivals arrivals;
  int oldest;
  open_link(&l, &arrivals, lose_some);
  oldest = bursts(&l, &arrivals, 10, 1, 2);
  printf("# the last of ten is lost twice: %d ms at most\n", oldest);
  CHECK(oldest <= ROUND_TRIP_MS * 9 / 2);
  linked_close(&l);
}

/* A steady stream, in which each tenth message is lost and so is what is sent again for it. */
TEST(what_is_lost_again_costs_another_round_trip) {
  static struct linked l;
  struct arrivals arrivals;
  open_link(&l, &arrivals, lose_some);
  warm_up(&l, &arrivals);
  for (unsigned i = 0; i < 10 * TIMES; i++) {
    if (i % 10 == 5) to_lose = 1;
    send_message(&l);
    for (unsigned ms = 0; ms < 16; ms++) {
      /* When it is sent again, it is lost again. */
      unsigned resent = (unsigned)host_of(&l.client)->slots[0].fast.resent;
      linked_step(&l);
      if (host_of(&l.client)->slots[0].fast.resent > resent && i % 20 >= 10) to_lose = 1;
    }
  }
  UNTIL(arrivals.count == 10 * TIMES, linked_step(&l));
  printf("# lost twice in a stream: %d ms at most\n", arrivals.oldest);
  CHECK(arrivals.oldest <= ROUND_TRIP_MS * 9 / 2);
  linked_close(&l);
}

/* Each fifth datagram with acknowledgements. */
static uint32_t lose_acknowledgements(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)bytes, (void)length;
  return to_client && link_chance(l, 200) ? LINK_LOST : 0;
}

/* What has arrived is sent again, and nothing waits for that. */
TEST(lost_acknowledgements_delay_nothing) {
  static struct linked l;
  struct arrivals arrivals;
  open_link(&l, &arrivals, lose_acknowledgements);
  warm_up(&l, &arrivals);
  for (unsigned i = 0; i < 10 * TIMES; i++) {
    send_message(&l);
    wait_ms(&l, 16);
  }
  UNTIL(arrivals.count == 10 * TIMES, linked_step(&l));
  printf("# acknowledgements lost: %u, sent again: %u, oldest %d ms\n", l.link.lost[1],
         (unsigned)host_of(&l.client)->slots[0].fast.resent, arrivals.oldest);
  CHECK(l.link.lost[1] > TIMES);
  CHECK(arrivals.oldest <= LATENCY_MS + 2);
  linked_close(&l);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_last_of_a_burst_costs_little_more_than_a_round_trip),
      TEST_CASE(a_message_alone_costs_no_more),
      TEST_CASE(where_delay_varies_the_tail_waits_for_the_timer),
      TEST_CASE(a_tail_that_is_lost_twice),
      TEST_CASE(what_is_lost_again_costs_another_round_trip),
      TEST_CASE(lost_acknowledgements_delay_nothing),
  };
  return test_run(cases, TEST_COUNT(cases));
}
