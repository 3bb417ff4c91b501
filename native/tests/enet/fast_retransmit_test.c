/*
 * Fast retransmit: how soon a lost reliable message arrives, how many messages reordering sends twice, and
 * peers that forge acknowledgements.
 */
#include "../ages.h"
#include "../link.h"
#include "../wire/forger.h"
#include "wire/command.h"

enum { LATENCY_MS = 25, ROUND_TRIP_MS = 2 * LATENCY_MS, TICK_MS = 16, SECONDS = 60 / SLOW };

/* ---- Ages of a stream ------------------------------------------------------------------------ */

static void on_packet(struct plain *p, const ENetPacket *packet) { ages_note(p->context, packet->data); }

static void on_event(struct consumer *c, const struct record *r) {
  if (r->type == ENETJS_EVENT_RECEIVE) ages_note(c->context, r->payload);
}

static struct enetjs_fast_retransmit *fast_of(struct linked *l) {
  return &host_of(&l->client)->slots[0].fast;
}

/* A message each tick in both directions: from this library, and from plain ENet. */
static void stream(struct linked *l, struct ages *ours, struct ages *plain) {
  ours->now = plain->now = &l->link.now;
  l->server.on_packet = on_packet;
  l->server.context = ours;
  l->client.on_event = on_event;
  l->client.context = plain;
  for (unsigned ms = 0; ms < SECONDS * 1000; ms++) {
    if (ms % TICK_MS == 0) {
      CHECK(enetjs_peer_send_buffer(l->client.host, l->peer, 0, ENET_PACKET_FLAG_RELIABLE,
                                    (uint8_t *)&l->link.now, sizeof(l->link.now), 0) >= 0);
      plain_send(&l->server, 0, ENET_PACKET_FLAG_RELIABLE, &l->link.now, sizeof(l->link.now));
    }
    linked_step(l);
  }
  l->link.fate = NULL;
  for (int i = 0; i < 20 * ROUND_TRIP_MS; i++) linked_step(l);
}

static void print_ages(const char *name, struct linked *l, struct ages *ours, struct ages *plain) {
  printf("# %s: age p50 %d, p99 %d, p99.9 %d ms; of plain ENet %d, %d, %d; ", name,
         ages_percentile(ours, 500), ages_percentile(ours, 990), ages_percentile(ours, 999),
         ages_percentile(plain, 500), ages_percentile(plain, 990), ages_percentile(plain, 999));
  printf("sent again %u, needlessly %u; lost %u + %u\n", (unsigned)fast_of(l)->resent,
         (unsigned)fast_of(l)->needless, l->link.lost[0], l->link.lost[1]);
}

static void stream_over(const char *name, uint32_t (*fate)(struct link *, bool, const uint8_t *, size_t),
                        struct linked *l, struct ages *ours, struct ages *plain) {
  ours->count = plain->count = 0;
  consumer_start(&l->client);
  linked_open(l, LATENCY_MS, 7);
  l->link.fate = fate;
  stream(l, ours, plain);
  print_ages(name, l, ours, plain);
  CHECK_EQ_INT(ours->count, plain->count);
  CHECK_EQ_INT(ours->count, (SECONDS * 1000 + TICK_MS - 1) / TICK_MS);
}

static uint32_t one_percent(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)to_client, (void)bytes, (void)length;
  return link_chance(l, 10) ? LINK_LOST : 0;
}

TEST(a_lost_message_costs_a_round_trip) {
  static struct linked l;
  static struct ages ours, plain;
  stream_over("1 % loss", one_percent, &l, &ours, &plain);
  CHECK(ages_percentile(&ours, 990) <= ROUND_TRIP_MS * 5 / 2);
  CHECK(ages_percentile(&ours, 999) < ages_percentile(&plain, 999));
  CHECK_EQ_INT(fast_of(&l)->needless, 0);
  linked_close(&l);
}

/* Delay varies, as on a mobile network, so that ENet's timeouts are long. */
static uint32_t varying(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  l->latency[to_client] = LATENCY_MS + test_random_below(&l->random, 30);
  return one_percent(l, to_client, bytes, length);
}

TEST(also_where_delay_varies) {
  static struct linked l;
  static struct ages ours, plain;
  stream_over("1 % loss, 0 to 30 ms of jitter", varying, &l, &ours, &plain);
  CHECK(ages_percentile(&ours, 990) <= (ROUND_TRIP_MS + 30) * 5 / 2);
  CHECK(ages_percentile(&ours, 999) < ages_percentile(&plain, 999));
  CHECK(l.link.lost[0] > 10 && fast_of(&l)->resent >= l.link.lost[0] / 4);
  linked_close(&l);
}

static uint32_t only_varying(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)bytes, (void)length;
  l->latency[to_client] = LATENCY_MS + test_random_below(&l->random, 30);
  return 0;
}

/* ENet's own timer sends a few. */
TEST(delay_that_varies_is_not_taken_for_loss) {
  static struct linked l;
  static struct ages ours, plain;
  stream_over("no loss, 0 to 30 ms of jitter", only_varying, &l, &ours, &plain);
  CHECK_EQ_INT(fast_of(&l)->resent, 0);
  linked_close(&l);
}

static uint32_t overtaken(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)to_client, (void)bytes, (void)length;
  return link_chance(l, 50) ? 40 : 0;
}

/*
 * Those at the beginning, until it is known by how much datagrams are overtaken, and once an interval of 10
 * s.
 */
TEST(reordering_costs_hardly_any_message) {
  static struct linked l;
  static struct ages ours, plain;
  stream_over("5 % reordered by 40 ms", overtaken, &l, &ours, &plain);
  CHECK_EQ_INT(l.link.lost[0] + l.link.lost[1], 0);
  CHECK(fast_of(&l)->resent <= 4 && fast_of(&l)->needless <= 8);
  linked_close(&l);
}

/* ---- A burst --------------------------------------------------------------------------------- */

static unsigned dropped;

/* Large datagrams to the server: five in a row. */
static uint32_t burst(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)bytes;
  if (to_client || length < 1000) return 0;
  return ++l->random % 40 < 5 && dropped < 50 ? (dropped++, LINK_LOST) : 0;
}

static void on_whole(struct plain *p, const ENetPacket *packet) {
  CHECK(payload_is(packet->data, packet->dataLength, (uint32_t)packet->dataLength));
  *(enet_uint32 *)p->context = p->host->serviceTime;
}

TEST(fragments_of_a_large_message_are_sent_again_together) {
  static uint8_t bytes[400000];
  struct linked l;
  enet_uint32 began, arrived = 0;
  dropped = 0;
  consumer_start(&l.client);
  linked_open(&l, LATENCY_MS, 0);
  l.link.fate = burst;
  l.server.on_packet = on_whole;
  l.server.context = &arrived;
  for (int i = 0; i < 4 * ROUND_TRIP_MS; i++) linked_step(&l);
  payload_fill(bytes, sizeof(bytes), sizeof(bytes));
  began = l.link.now;
  CHECK(enetjs_peer_send_buffer(l.client.host, l.peer, 0, ENET_PACKET_FLAG_RELIABLE, bytes, sizeof(bytes),
                                0) >= 0);
  UNTIL(arrived, linked_step(&l));
  printf("# %u ms, %u datagrams lost, %u sent again\n", arrived - began, dropped,
         (unsigned)fast_of(&l)->resent);
  CHECK(dropped > 10 && fast_of(&l)->resent > 0);
  CHECK(arrived - began < 20 * ROUND_TRIP_MS);
  CHECK_EQ_INT(fast_of(&l)->needless, 0);
  linked_close(&l);
}

/* ---- Peers that lie -------------------------------------------------------------------------- */

enum { MESSAGES = 20 };

struct heard {
  unsigned commands;                                  /* messages that have come, copies included */
  uint16_t sequence[4096], sent_time[4096]; /* of each */
};

static void hear(struct forger *f, struct heard *heard) {
  uint8_t in[ENET_PROTOCOL_MAXIMUM_MTU];
  int length;
  while ((length = socket_receive(f->socket, NULL, in, sizeof(in))) > 0) {
    uint8_t *at = in + sizeof(ENetProtocolHeader);
    struct enetjs_command command;
    for (; enetjs_command_read(at, (size_t)(in + length - at), &command); at += command.length) {
      if (command.kind != ENET_PROTOCOL_COMMAND_SEND_RELIABLE) continue;
      CHECK(heard->commands < 4096);
      heard->sequence[heard->commands] = ENET_NET_TO_HOST_16(command.protocol->header.reliableSequenceNumber);
      memcpy(&heard->sent_time[heard->commands++], in + 2, 2);
    }
  }
}

static void send_one(struct consumer *server, uint8_t channel, unsigned ms, struct forger *f,
                     struct heard *heard) {
  CHECK(enetjs_peer_send_buffer(server->host, server->peer, channel, 1, (const uint8_t *)"x", 1, 0) >= 0);
  consumer_poll(server);
  enet_time_set(enet_time_get() + ms);
  hear(f, heard);
}

/*
 * On channel 1, the peer has a round trip of 300 ms, so that ENet's timer is slow. On channel 0, MESSAGES are
 * under way.
 */
static void open_liar(struct consumer *server, struct forger *f, struct heard *heard) {
  server_open(server);
  forger_open(f);
  forger_connect(f, server, 2);
  UNTIL(server->connects == 1, consumer_poll(server));
  for (uint16_t i = 1; i <= 40; i++) {
    heard->commands = 0;
    send_one(server, 1, 300, f, heard);
    forge_begin(f);
    for (unsigned k = 0; k < heard->commands; k++)
      forge_acknowledge(f, 1, heard->sequence[k], heard->sent_time[k]);
    forge_flush(f);
    consumer_poll(server);
  }
  heard->commands = 0;
  for (int i = 0; i < MESSAGES; i++) send_one(server, 0, 2, f, heard);
  CHECK_EQ_INT(heard->commands, MESSAGES);
}

static void acknowledge(struct consumer *server, struct forger *f, uint16_t sequence, uint16_t sent_time,
                        struct heard *heard) {
  forge_begin(f);
  forge_acknowledge(f, 0, sequence, sent_time);
  forge_flush(f);
  enet_time_set(enet_time_get() + 1);
  consumer_poll(server);
  hear(f, heard);
}

static void close_liar(struct consumer *server, struct forger *f) {
  enet_socket_destroy(f->socket);
  consumer_close(server);
  check_nothing_left();
}

TEST(acknowledgements_of_what_was_never_sent_move_nothing) {
  struct consumer server;
  struct forger f;
  static struct heard heard;
  open_liar(&server, &f, &heard);
  for (int i = 0; i < 100; i++)
    acknowledge(&server, &f, (uint16_t)(1000 + i), ENET_HOST_TO_NET_16((uint16_t)enet_time_get()), &heard);
  CHECK_EQ_INT(heard.commands, MESSAGES);
  close_liar(&server, &f);
}

/* Of a message that was sent, but with a time at which it was not. */
TEST(acknowledgements_with_an_invented_time_move_nothing) {
  struct consumer server;
  struct forger f;
  static struct heard heard;
  open_liar(&server, &f, &heard);
  for (uint16_t i = 0; i < MESSAGES / 2; i++)
    acknowledge(&server, &f, (uint16_t)(MESSAGES - i), ENET_HOST_TO_NET_16((uint16_t)(enet_time_get() + 1)),
                &heard);
  CHECK_EQ_INT(heard.commands, MESSAGES);
  close_liar(&server, &f);
}

TEST(old_and_repeated_acknowledgements_move_nothing) {
  struct consumer server;
  struct forger f;
  static struct heard heard;
  open_liar(&server, &f, &heard);
  for (int i = 0; i < 100; i++) acknowledge(&server, &f, 1, heard.sent_time[0], &heard);
  CHECK_EQ_INT(heard.commands, MESSAGES);
  close_liar(&server, &f);
}

/* It acknowledges whatever was sent last, at once, and never the first messages. */
TEST(a_message_goes_out_a_few_times_whatever_a_peer_acknowledges) {
  struct consumer server;
  struct forger f;
  static struct heard heard;
  unsigned of_first = 0;
  open_liar(&server, &f, &heard);
  for (int i = 0; i < 300; i++) {
    unsigned last = heard.commands - 1;
    for (unsigned k = heard.commands; k-- > 0;)
      if (heard.sequence[k] > heard.sequence[last]) last = k;
    acknowledge(&server, &f, heard.sequence[last], heard.sent_time[last], &heard);
    send_one(&server, 0, 1, &f, &heard);
  }
  for (unsigned i = 0; i < heard.commands; i++) of_first += heard.sequence[i] == 1;
  printf("# %u commands for %d messages, the first one %u times\n", heard.commands, MESSAGES + 300, of_first);
  CHECK(of_first >= 2 && of_first <= 6);
  CHECK(heard.commands <= 5 * (MESSAGES + 300));
  close_liar(&server, &f);
}

/* As ever: what is never acknowledged ends the connection, however lively the rest is. */
TEST(a_message_that_is_never_acknowledged_ends_the_connection) {
  static struct consumer server;
  static struct forger f;
  static struct heard heard;
  unsigned ms = 0;
  open_liar(&server, &f, &heard);
  for (; server.disconnects == 0 && ms < 120000; ms++) {
    if (heard.commands > 2048) heard.commands = 0;
    unsigned from = heard.commands;
    if (ms % 50 == 0)
      CHECK(enetjs_peer_send_buffer(server.host, server.peer, 0, 1, (const uint8_t *)"x", 1, 0) >= 0);
    enet_time_set(enet_time_get() + 1);
    consumer_poll(&server);
    hear(&f, &heard);
    for (unsigned i = from; i < heard.commands; i++) {
      if (heard.sequence[i] == 1) continue;
      forge_begin(&f);
      forge_acknowledge(&f, 0, heard.sequence[i], heard.sent_time[i]);
      forge_flush(&f);
    }
  }
  printf("# after %u ms\n", ms);
  CHECK_EQ_INT(server.disconnects, 1);
  CHECK(ms >= ENET_PEER_TIMEOUT_MINIMUM);
  close_liar(&server, &f);
}

/* ---- Peers that fall silent ------------------------------------------------------------------ */

static uint32_t nothing(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)l, (void)to_client, (void)bytes, (void)length;
  return LINK_LOST;
}

/*
 * Whether something was sent again for acknowledgements just before is of no account: it is given up no
 * earlier.
 */
TEST(a_silent_peer_is_given_up_no_earlier) {
  struct linked l;
  struct ages ours = {0};
  unsigned ms = 0;
  dropped = 0;
  consumer_start(&l.client);
  linked_open(&l, LATENCY_MS, 7);
  ours.now = &l.link.now;
  l.server.on_packet = on_packet;
  l.server.context = &ours;
  for (int i = 0; i < 4 * ROUND_TRIP_MS; i++) linked_step(&l);
  for (int i = 0; i < 3; i++) {
    l.link.fate = i == 0 ? nothing : NULL;
    CHECK(enetjs_peer_send_buffer(l.client.host, l.peer, 0, 1, (uint8_t *)&l.link.now, 4, 0) >= 0);
    for (int k = 0; k < 5; k++) linked_step(&l);
  }
  UNTIL(fast_of(&l)->resent == 1, linked_step(&l));
  l.link.fate = nothing;
  for (; l.client.disconnects == 0 && ms < 60000; ms++) linked_step(&l);
  printf("# given up after %u ms\n", ms);
  CHECK(ms >= ENET_PEER_TIMEOUT_MINIMUM);
  linked_close(&l);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_lost_message_costs_a_round_trip),
      TEST_CASE(also_where_delay_varies),
      TEST_CASE(delay_that_varies_is_not_taken_for_loss),
      TEST_CASE(reordering_costs_hardly_any_message),
      TEST_CASE(fragments_of_a_large_message_are_sent_again_together),
      TEST_CASE(acknowledgements_of_what_was_never_sent_move_nothing),
      TEST_CASE(acknowledgements_with_an_invented_time_move_nothing),
      TEST_CASE(old_and_repeated_acknowledgements_move_nothing),
      TEST_CASE(a_message_goes_out_a_few_times_whatever_a_peer_acknowledges),
      TEST_CASE(a_message_that_is_never_acknowledged_ends_the_connection),
      TEST_CASE(a_silent_peer_is_given_up_no_earlier),
  };
  return test_run(cases, TEST_COUNT(cases));
}
