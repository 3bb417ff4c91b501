/*
 * The cost of peers that withhold acknowledgements. For each datagram that ENet sends, it walks all that it
 * can't send yet, of every peer. So the tests count what is in ENet's lists, and the steps that a call takes.
 * Time passes only where a test says so.
 */
#include "../link.h"
#include "../wire/forger.h"
#include "wire/unsent.h"

enum { PEERS = 72, STEP_MS = 10, CHANNELS = 2 };

/*
 * What a service may send: what ENet is given, what it sends again, and a window more that has begun before.
 */
#define TURN_BYTES ((size_t)(2 + 2) * 1024 * 1024 + 2 * ENETJS_WINDOW_NEAR)

struct crowd {
  struct consumer server;
  struct forger member[PEERS];
  double peer[PEERS];
};

static void crowd_open(struct crowd *c) {
  consumer_start(&c->server);
  c->server.config[ENETJS_CONFIG_PEERS] = PEERS;
  consumer_open(&c->server);
  for (unsigned i = 0; i < PEERS; i++) {
    forger_open(&c->member[i]);
    forger_connect(&c->member[i], &c->server, CHANNELS);
    consumer_drain(&c->server);
    c->peer[i] = c->server.peer;
  }
}

static void crowd_close(struct crowd *c) {
  for (unsigned i = 0; i < PEERS; i++) enet_socket_destroy(c->member[i].socket);
  consumer_close(&c->server);
  check_nothing_left();
}

static ENetPeer *peer_at(struct crowd *c, unsigned index) { return &host_of(&c->server)->enet->peers[index]; }

static void broadcast(struct crowd *c, const uint8_t *bytes, size_t length) {
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(c->server.host, 0, ENET_PACKET_FLAG_RELIABLE, bytes,
                                            (double)length, TO_ALL),
               PEERS);
}

/* @returns the bytes that the call has sent */
static size_t service(struct crowd *c) {
  double before = statistic(&c->server, ENETJS_HOST_STAT_SENT_DATA);
  CHECK(enetjs_host_service(c->server.host, 0) >= 0);
  return (size_t)(statistic(&c->server, ENETJS_HOST_STAT_SENT_DATA) - before);
}

/* What ENet passes over for each datagram that it sends to anybody. */
static size_t count_unsent(struct crowd *c) {
  size_t count = 0;
  for (unsigned i = 0; i < PEERS; i++) count += enet_list_size(enetjs_unsent_messages(peer_at(c, i)));
  return count;
}

static size_t count_sent(struct crowd *c) {
  size_t count = 0;
  for (unsigned i = 0; i < PEERS; i++) count += enet_list_size(&peer_at(c, i)->sentReliableCommands);
  return count;
}

static void pass_time(unsigned ms) { enet_time_set(enet_time_get() + ms); }

/* Services until nothing leaves any more, which takes several turns. */
static void settle(struct crowd *c) {
  size_t sent = 1;
  for (unsigned i = 0; sent > 0 && i < 1000; i++) {
    sent = service(c);
    CHECK(sent <= TURN_BYTES);
  }
  CHECK_EQ_INT(sent, 0);
}

static void check_withheld(size_t length, unsigned count) {
  static struct crowd c;
  uint8_t *bytes = calloc(1, length);
  crowd_open(&c);
  for (unsigned i = 0; i < count; i++) {
    broadcast(&c, bytes, length);
    settle(&c);
  }
  printf("# %zu bytes, %u times: %zu commands sent, %zu unsent\n", length, count, count_sent(&c),
         count_unsent(&c));
  CHECK(count_unsent(&c) <= 2 * PEERS);
  CHECK(count_sent(&c) <= PEERS * (ENETJS_INSIDE_MESSAGES + 10));
  for (unsigned i = 0; i < PEERS; i++) CHECK(peer_at(&c, i)->reliableDataInTransit <= ENETJS_WINDOW_NEAR);
  free(bytes);
  crowd_close(&c);
}

TEST(short_messages_wait_in_our_queue) { check_withheld(20, 3000 / SLOW); }
TEST(messages_of_a_few_fragments_wait_in_our_queue) { check_withheld(64 * 1024, 8); }
TEST(long_messages_wait_in_our_queue) { check_withheld(8 * 1024 * 1024, 2); }

/* A call gives ENet so much, whatever it is asked to send. */
TEST(a_broadcast_is_given_to_enet_in_turns) {
  static struct crowd c;
  static uint8_t bytes[128 * 1024];
  size_t most = 0, turns = 0, sent;
  crowd_open(&c);
  broadcast(&c, bytes, sizeof(bytes));
  CHECK(count_unsent(&c) * 1300 <= TURN_BYTES / 2);
  while ((sent = service(&c)) > 0) {
    if (sent > most) most = sent;
    turns++;
  }
  printf("# %zu turns, %zu KiB at most\n", turns, most / 1024);
  CHECK(most <= TURN_BYTES);
  CHECK(turns > 1);
  for (unsigned i = 0; i < PEERS; i++)
    CHECK(peer_at(&c, i)->reliableDataInTransit > ENETJS_WINDOW_MINIMUM - 2000);
  crowd_close(&c);
}

/* All of them time out in the same moment. */
TEST(what_times_out_is_sent_again_in_turns) {
  static struct crowd c;
  static uint8_t bytes[ENETJS_WINDOW_MINIMUM];
  size_t most = 0, sum = 0;
  crowd_open(&c);
  broadcast(&c, bytes, sizeof(bytes));
  settle(&c);
  pass_time(4000);
  for (unsigned ms = 0; ms < 1000; ms += STEP_MS) {
    size_t sent = service(&c);
    pass_time(STEP_MS);
    if (sent > most) most = sent;
    sum += sent;
  }
  printf("# %zu KiB were sent again, %zu KiB at once at most\n", sum / 1024, most / 1024);
  CHECK(sum > PEERS * sizeof(bytes));
  CHECK(most <= TURN_BYTES);
  crowd_close(&c);
}

/* ---- One peer that lies ---------------------------------------------------------------------- */

enum { UNDER_WAY = 2000, DATAGRAMS = 100, ACKNOWLEDGEMENTS = 32 };

/* It acknowledges what is last in the list, or nothing at all, so that ENet walks the list each time. */
static void check_acknowledgements(bool of_something) {
  static struct crowd c;
  struct forger *liar = &c.member[0];
  struct enetjs_host *h;
  unsigned services = 0;
  double received;
  uint16_t sequence = UNDER_WAY;
  crowd_open(&c);
  h = host_of(&c.server);
  for (unsigned i = 0; i < UNDER_WAY; i++)
    CHECK(enetjs_peer_send_buffer(c.server.host, c.peer[0], 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
  settle(&c);
  CHECK(enet_list_size(&peer_at(&c, 0)->sentReliableCommands) >= UNDER_WAY);
  received = statistic(&c.server, ENETJS_HOST_STAT_RECEIVED_PACKETS);
  for (unsigned d = 0; d < DATAGRAMS; d++) {
    forge_begin(liar);
    for (unsigned i = 0; i < ACKNOWLEDGEMENTS; i++)
      forge_acknowledge(liar, 0, of_something && sequence > 1 ? sequence-- : 0x7000, 0);
    forge_flush(liar);
  }
  UNTIL(statistic(&c.server, ENETJS_HOST_STAT_RECEIVED_PACKETS) - received >= DATAGRAMS, {
    service(&c);
    services++;
    CHECK(h->steps <= ENETJS_SERVICE_STEPS + ENETJS_STEPS_MAXIMUM + 1);
  });
  printf("# %u datagrams took %u services\n", (unsigned)DATAGRAMS, services);
  CHECK(services >=
        DATAGRAMS * ACKNOWLEDGEMENTS * (UNDER_WAY / 4) / (ENETJS_SERVICE_STEPS + ENETJS_STEPS_MAXIMUM));
  crowd_close(&c);
}

TEST(acknowledgements_from_the_end_are_read_in_turns) { check_acknowledgements(true); }
TEST(acknowledgements_of_nothing_are_read_in_turns) { check_acknowledgements(false); }

/* ENet numbers no further than so far from the oldest one. */
TEST(messages_wait_for_one_that_is_never_acknowledged) {
  static struct crowd c;
  struct forger *f = &c.member[0];
  uint16_t acknowledged = 1; /* but the first one is not */
  uint8_t in[ENET_PROTOCOL_MAXIMUM_MTU];
  unsigned rounds = 0;
  crowd_open(&c);
  for (unsigned i = 0; i < 2 * ENETJS_PACKETS_AHEAD; i++)
    CHECK(enetjs_peer_send_buffer(c.server.host, c.peer[0], 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
  for (unsigned idle = 0; idle < 20; rounds++) {
    bool some = false;
    service(&c);
    while (socket_receive(f->socket, NULL, in, sizeof(in)) > 0) continue;
    while (acknowledged < peer_at(&c, 0)->channels[0].outgoingReliableSequenceNumber) {
      forge_begin(f);
      while (acknowledged < peer_at(&c, 0)->channels[0].outgoingReliableSequenceNumber &&
             forge_fits(f, 8, 300))
        forge_acknowledge(f, 0, ++acknowledged, ENET_HOST_TO_NET_16((uint16_t)enet_time_get()));
      forge_flush(f);
      some = true;
    }
    idle = some ? 0 : idle + 1;
  }
  printf("# the channel has come to %u, ENet has %zu unsent\n", acknowledged, count_unsent(&c));
  CHECK(acknowledged > 4 * ENET_PEER_RELIABLE_WINDOW_SIZE);
  CHECK(count_unsent(&c) <= 2);
  CHECK(host_of(&c.server)->slots[0].queued_messages > ENETJS_PACKETS_AHEAD / 2);
  crowd_close(&c);
}

/* A leaving peer frees what ENet has of it. So do all of them, but not in one call. */
TEST(peers_that_leave_together_end_in_turns) {
  static struct crowd c;
  struct enetjs_host *h;
  unsigned services = 0;
  crowd_open(&c);
  h = host_of(&c.server);
  for (unsigned n = 0; n < 8000; n++) broadcast(&c, (const uint8_t *)"x", 1);
  settle(&c);
  for (unsigned i = 0; i < PEERS; i++) forge_disconnect(&c.member[i]);
  UNTIL(c.server.disconnects == PEERS, {
    service(&c);
    services++;
    CHECK(h->steps <= ENETJS_SERVICE_STEPS + ENETJS_STEPS_MAXIMUM);
    while (completion_take(&c.server)) continue;
    while (event_take(&c.server)) continue;
  });
  printf("# %u services\n", services);
  CHECK(services > 1);
  crowd_close(&c);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(short_messages_wait_in_our_queue),
      TEST_CASE(messages_of_a_few_fragments_wait_in_our_queue),
      TEST_CASE(long_messages_wait_in_our_queue),
      TEST_CASE(a_broadcast_is_given_to_enet_in_turns),
      TEST_CASE(what_times_out_is_sent_again_in_turns),
      TEST_CASE(acknowledgements_from_the_end_are_read_in_turns),
      TEST_CASE(acknowledgements_of_nothing_are_read_in_turns),
      TEST_CASE(messages_wait_for_one_that_is_never_acknowledged),
      TEST_CASE(peers_that_leave_together_end_in_turns),
  };
  return test_run(cases, TEST_COUNT(cases));
}
