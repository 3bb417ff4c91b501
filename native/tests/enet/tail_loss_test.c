/*
 * Losses that are hard to notice: of the last message, of the same message twice, and of acknowledgements.
 */
#include "../ages.h"
#include "../link.h"
#include "wire/command.h"

enum {
  LATENCY_MS = 25,
  ROUND_TRIP_MS = 2 * LATENCY_MS,
  MESSAGE_BYTES = 100,
  WARM_UP = 50,
  TIMES = 8,
  PAUSE_MS = 400
};

/* ---- What is lost ---------------------------------------------------------------------------- */

struct losses {
  unsigned every, copies; /* of each so-manieth message, so many copies are lost */
  unsigned seen[WARM_UP + 1000];
};

static bool is_to_lose(struct losses *losses, const struct enetjs_command *command) {
  unsigned number = ENET_NET_TO_HOST_16(command->protocol->header.reliableSequenceNumber);
  return command->kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE && number > WARM_UP &&
         number % losses->every == 0 && losses->seen[number]++ < losses->copies;
}

static uint32_t lose_copies(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  enet_uint8 *at = (enet_uint8 *)(uintptr_t)bytes + sizeof(ENetProtocolHeader);
  struct enetjs_command command;
  bool lost = false;
  if (to_client || length < MESSAGE_BYTES) return 0;
  for (; enetjs_command_read(at, (size_t)(bytes + length - at), &command); at += command.length)
    if (is_to_lose(l->context, &command)) lost = true;
  return lost ? LINK_LOST : 0;
}

/* Delay varies as well, without reordering. */
static uint32_t lose_copies_and_vary(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  l->latency[to_client] = LATENCY_MS + test_random_below(&l->random, 30);
  return lose_copies(l, to_client, bytes, length);
}

/* Each fifth datagram with acknowledgements. */
static uint32_t lose_acknowledgements(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)bytes, (void)length;
  return to_client && link_chance(l, 200) ? LINK_LOST : 0;
}

/* ---- Messages with the times of their sending ------------------------------------------------ */

static void on_packet(struct plain *p, const ENetPacket *packet) { ages_note(p->context, packet->data); }

/* In a datagram of its own. */
static void send_message(struct linked *l) {
  uint8_t bytes[MESSAGE_BYTES] = {0};
  memcpy(bytes, &l->link.now, sizeof(l->link.now));
  CHECK(enetjs_peer_send_buffer(l->client.host, l->peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes, sizeof(bytes),
                                0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(l->client.host), 0);
}

static void wait_ms(struct linked *l, unsigned ms) {
  for (unsigned i = 0; i < ms; i++) linked_step(l);
}

/* Bursts with pauses between them. */
static void send_bursts(struct linked *l, unsigned bursts, unsigned messages, unsigned pause_ms) {
  struct ages *ages = l->server.context;
  for (unsigned i = 0; i < bursts; i++) {
    for (unsigned k = 0; k < messages; k++) send_message(l);
    wait_ms(l, pause_ms);
  }
  UNTIL(ages->count == bursts * messages, linked_step(l));
}

/* Sends bursts when the round trip is known. @returns the age of the oldest message in ms */
static int oldest_of(struct linked *l, uint32_t (*fate)(struct link *, bool, const uint8_t *, size_t),
                     struct losses *losses, unsigned bursts, unsigned messages, unsigned pause_ms) {
  static struct ages ages;
  memset(l, 0, sizeof(*l));
  consumer_start(&l->client);
  linked_open(l, LATENCY_MS, 3);
  l->server.on_packet = on_packet;
  l->server.context = &ages;
  l->link.fate = fate;
  l->link.context = losses;
  ages = (struct ages){.now = &l->link.now};
  send_bursts(l, WARM_UP, 1, 20);
  wait_ms(l, PAUSE_MS);
  ages.count = 0;
  send_bursts(l, bursts, messages, pause_ms);
  printf("# %d ms at most\n", ages_percentile(&ages, 1000));
  return ages_percentile(&ages, 1000);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

TEST(the_last_of_a_burst_costs_little_more_than_a_round_trip) {
  static struct linked l;
  struct losses losses = {.every = 10, .copies = 1};
  CHECK(oldest_of(&l, lose_copies, &losses, TIMES, 10, PAUSE_MS) <= ROUND_TRIP_MS * 5 / 2);
  linked_close(&l);
}

TEST(a_message_alone_costs_no_more) {
  static struct linked l;
  struct losses losses = {.every = 1, .copies = 1};
  CHECK(oldest_of(&l, lose_copies, &losses, TIMES, 1, PAUSE_MS) <= ROUND_TRIP_MS * 5 / 2);
  linked_close(&l);
}

/* ENet's timer is longer there. */
TEST(where_delay_varies_the_tail_waits_for_the_timer) {
  static struct linked l;
  struct losses losses = {.every = 10, .copies = 1};
  CHECK(oldest_of(&l, lose_copies_and_vary, &losses, TIMES, 10, PAUSE_MS) <= (ROUND_TRIP_MS + 60) * 5 / 2);
  linked_close(&l);
}

/* The timer's second timeout is twice as long. */
TEST(a_tail_that_is_lost_twice_waits_for_two_timeouts) {
  static struct linked l;
  struct losses losses = {.every = 10, .copies = 2};
  CHECK(oldest_of(&l, lose_copies, &losses, TIMES, 10, PAUSE_MS) <= ROUND_TRIP_MS * 11 / 2);
  linked_close(&l);
}

/* Acknowledgements of later messages show both losses. */
TEST(what_is_lost_twice_in_a_stream_costs_another_round_trip) {
  static struct linked l;
  struct losses losses = {.every = 10, .copies = 2};
  CHECK(oldest_of(&l, lose_copies, &losses, 10 * TIMES + 9, 1, 16) <= ROUND_TRIP_MS * 4);
  linked_close(&l);
}

/* What has arrived is sent again, and nothing waits for that. */
TEST(lost_acknowledgements_delay_nothing) {
  static struct linked l;
  CHECK(oldest_of(&l, lose_acknowledgements, NULL, 10 * TIMES, 1, 16) <= LATENCY_MS + 2);
  CHECK(l.link.lost[1] > TIMES);
  linked_close(&l);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_last_of_a_burst_costs_little_more_than_a_round_trip),
      TEST_CASE(a_message_alone_costs_no_more),
      TEST_CASE(where_delay_varies_the_tail_waits_for_the_timer),
      TEST_CASE(a_tail_that_is_lost_twice_waits_for_two_timeouts),
      TEST_CASE(what_is_lost_twice_in_a_stream_costs_another_round_trip),
      TEST_CASE(lost_acknowledgements_delay_nothing),
  };
  return test_run(cases, TEST_COUNT(cases));
}
