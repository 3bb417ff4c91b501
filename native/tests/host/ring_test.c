/* Events and completions on their way through the rings, the arena and the lists before them. */
#include "../consumer.h"

#define CHANNEL_COUNT 2

/* ---- Numbered messages ----------------------------------------------------------------------- */

/* Begins a payload; the rest follows from the number. Each channel counts for itself. */
struct numbers {
  uint32_t next_sent[CHANNEL_COUNT], next[CHANNEL_COUNT];
};

static uint32_t length_of(uint32_t number, uint32_t limit) {
  uint64_t random = number;
  test_random_u32(&random);
  return test_random_below(&random, 5) == 0 ? test_random_below(&random, limit + 1)
                                            : test_random_below(&random, 40);
}

static bool send_number(struct consumer *c, double peer, uint32_t channel, uint32_t limit,
                        struct numbers *numbers) {
  static uint8_t bytes[1 << 20];
  uint32_t number = numbers->next_sent[channel], length = 4 + length_of(number, limit);
  memcpy(bytes, &number, 4);
  payload_fill(bytes + 4, length - 4, number);
  if (enetjs_peer_send_buffer(c->host, peer, channel, 1, bytes, length, 0) < 0) return false;
  numbers->next_sent[channel]++;
  return true;
}

static void check_number(struct numbers *numbers, const struct record *r, const uint8_t *bytes) {
  uint32_t number;
  CHECK(r->channel < CHANNEL_COUNT && r->length >= 4);
  memcpy(&number, bytes, 4);
  CHECK_EQ_INT(number, numbers->next[r->channel]);
  CHECK(payload_is(bytes + 4, r->length - 4, number));
  numbers->next[r->channel]++;
}

static void expect_number(struct consumer *c, const struct record *r) {
  static uint8_t bytes[1 << 20];
  if (r->type == ENETJS_EVENT_RECEIVE) {
    CHECK(r->length <= c->words[ENETJS_WORD_INLINE_MAXIMUM]);
    CHECK(r->payload >= c->arena && r->payload + r->length <= c->arena + c->arena_bytes);
    check_number(c->context, r, r->payload);
  } else if (r->type == ENETJS_EVENT_PACKET) {
    CHECK(r->length > c->words[ENETJS_WORD_INLINE_MAXIMUM]);
    CHECK_EQ_INT(enetjs_packet_read(packet_of(r), bytes, r->length), r->length);
    check_number(c->context, r, bytes);
    CHECK_EQ_INT(enetjs_packet_release(packet_of(r)), 0);
  }
}

static bool all_received(const struct numbers *numbers) {
  for (unsigned i = 0; i < CHANNEL_COUNT; i++)
    if (numbers->next[i] != numbers->next_sent[i]) return false;
  return true;
}

static void tiny_open(struct consumer *c, struct numbers *numbers) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_EVENT_CAPACITY] = c->config[ENETJS_CONFIG_COMPLETION_CAPACITY] = 16;
  c->config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  c->config[ENETJS_CONFIG_SCRATCH_BYTES] = 0;
  memset(numbers, 0, sizeof(*numbers));
  c->context = numbers;
  c->on_event = expect_number;
  consumer_open(c);
}

/* A consumer that takes a few records now and then. */
static void take_some(struct consumer *c, uint64_t *random) {
  uint32_t events = test_random_below(random, 40), completions = test_random_below(random, 40);
  if (test_random_below(random, 3) > 0) CHECK(enetjs_host_service(c->host, 0) >= 0);
  while (events-- > 0 && event_take(c)) continue;
  while (completions-- > 0 && completion_take(c)) continue;
  canaries_check(c);
}

static void check_stream(uint32_t messages, uint32_t limit, uint64_t random) {
  struct consumer server, client;
  struct numbers numbers;
  double peer;
  tiny_open(&server, &numbers);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (uint32_t i = 0; i < messages; i++) {
    CHECK(send_number(&client, peer, i % CHANNEL_COUNT, limit, &numbers));
    if (test_random_below(&random, 20) > 0) continue;
    consumer_poll(&client);
    take_some(&server, &random);
  }
  UNTIL(all_received(&numbers), (consumer_poll(&client), take_some(&server, &random)));
  CHECK(statistic(&server, ENETJS_HOST_STAT_BACK_PRESSURE) > 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(order_is_kept_through_tiny_rings) {
  for (uint64_t seed = 1; seed <= 3; seed++) check_stream(10000 / SLOW, 1000, seed);
}

TEST(order_is_kept_when_some_do_not_fit_the_arena) { check_stream(2000 / SLOW, 5000, 4); }

/* Positions are 32-bit counters that wrap. */
TEST(positions_wrap_around_32_bits) {
  struct consumer server, client;
  struct numbers numbers;
  struct enetjs_host *h;
  uint64_t random = 3;
  double peer;
  tiny_open(&server, &numbers);
  h = host_of(&server);
  enetjs_mutex_lock(&h->lock);
  h->events.head = server.words[ENETJS_WORD_EVENT_HEAD] = server.words[ENETJS_WORD_EVENT_TAIL] =
      UINT32_MAX - 500;
  h->completions.head = server.words[ENETJS_WORD_COMPLETION_HEAD] = UINT32_MAX - 10;
  server.words[ENETJS_WORD_COMPLETION_TAIL] = UINT32_MAX - 10;
  h->arena.head = server.words[ENETJS_WORD_ARENA_HEAD] = server.words[ENETJS_WORD_ARENA_TAIL] =
      UINT32_MAX - 4095;
  enetjs_mutex_unlock(&h->lock);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (uint32_t i = 0; i < 3000; i++) {
    CHECK(send_number(&client, peer, i % CHANNEL_COUNT, 1000, &numbers));
    CHECK(send_text(&server, server.peer, 0, "back", i + 1) >= 0);
    if (i % 10 == 0) consumer_poll(&client);
    if (i % 10 == 0) take_some(&server, &random);
  }
  UNTIL(all_received(&numbers) && server.delivered + server.undelivered == 3000,
        (consumer_poll(&client), take_some(&server, &random)));
  CHECK(server.words[ENETJS_WORD_EVENT_HEAD] < 100000);
  CHECK(server.words[ENETJS_WORD_COMPLETION_HEAD] < 100000);
  CHECK(server.words[ENETJS_WORD_ARENA_HEAD] < 100000000);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

TEST(every_size_up_to_the_inline_maximum_fits) {
  struct consumer server, client;
  struct numbers numbers;
  uint8_t bytes[1024];
  double peer;
  tiny_open(&server, &numbers);
  server.on_event = NULL;
  client_open(&client);
  CHECK_EQ_INT(server.words[ENETJS_WORD_INLINE_MAXIMUM], 1024);
  peer = connect_pair_of(&client, &server);
  for (uint32_t length = 0; length <= 1024; length++) {
    unsigned before = server.receives;
    payload_fill(bytes, length, length);
    CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, length, 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
    /* The payload is looked at before its place is given back. */
    UNTIL(server.words[ENETJS_WORD_EVENT_HEAD] != server.words[ENETJS_WORD_EVENT_TAIL],
          CHECK(enetjs_host_service(server.host, 1) >= 0));
    CHECK(event_take(&server));
    CHECK_EQ_INT(server.receives, before + 1);
    CHECK_EQ_INT(server.last.length, length);
    CHECK(payload_is(server.last.payload, length, length));
    CHECK(enetjs_host_service(client.host, 0) >= 0);
  }
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

static void keep_packet(struct consumer *c, const struct record *r) {
  double *packet = c->context;
  if (r->type == ENETJS_EVENT_PACKET) *packet = packet_of(r);
}

TEST(large_payloads_are_packets_until_released) {
  static uint8_t bytes[300000], copy[300000];
  struct consumer server, client;
  struct numbers numbers;
  double peer, packet = 0, first = 0;
  tiny_open(&server, &numbers);
  server.context = &packet;
  server.on_event = keep_packet;
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (uint32_t length = 1025; length <= 300000; length = length * 3 / 2) {
    unsigned before = server.packets;
    payload_fill(bytes, length, length);
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, length, 0) >= 0);
    UNTIL(server.packets > before, poll_both(&client, &server));
    CHECK_EQ_INT(server.last.length, length);
    CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 1);
    CHECK_EQ_INT(enetjs_packet_read(packet, copy, length - 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_read(packet, copy, length + 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_read(packet, NULL, length), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_read(packet, copy, length), length);
    CHECK(payload_is(copy, length, length));
    CHECK_EQ_INT(enetjs_packet_release(packet), 0);
    CHECK_EQ_INT(enetjs_packet_release(packet), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_read(packet, copy, length), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_peer_send_packet(server.host, server.peer, 0, 1, packet, 0), ENETJS_ERR_ARGUMENT);
    CHECK(packet != first);
    if (first == 0) first = packet;
    CHECK_EQ_INT(enetjs_packet_release(first), ENETJS_ERR_STALE);
    CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 0);
  }
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* A packet is forwarded without a copy, and ends with the host that received it. */
TEST(packets_are_forwarded_until_their_host_closes) {
  static uint8_t bytes[50000];
  struct consumer server, client;
  struct numbers numbers;
  double peer, packet = 0;
  tiny_open(&server, &numbers);
  server.context = &packet;
  server.on_event = keep_packet;
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  payload_fill(bytes, sizeof(bytes), 1);
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 1, 1, bytes, sizeof(bytes), 0), 0);
  UNTIL(server.packets == 1, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_peer_send_packet(server.host, server.peer, 0, 1, packet, 1), 0);
  CHECK_EQ_INT(enetjs_host_broadcast_packet(server.host, 0, 1, packet, TO_ALL), 1);
  UNTIL(client.receives == 2 && server.delivered == 1, poll_both(&client, &server));
  CHECK(payload_is(client.last.payload, sizeof(bytes), 1));
  CHECK_EQ_INT(enetjs_peer_send_packet(server.host, server.peer, 0, 1, packet, 0), 0);
  CHECK_EQ_INT(enetjs_packet_release(packet), 0); /* the queue has a reference of its own */
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 1);
  UNTIL(client.receives == 3, poll_both(&client, &server));
  UNTIL(diagnostic(ENETJS_DIAGNOSTIC_PACKETS) == 0, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 1, 1, bytes, sizeof(bytes), 0), 0);
  UNTIL(server.packets == 2, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_peer_send_packet(server.host, server.peer, 0, 1, packet, 0), 0);
  consumer_close(&server);
  CHECK_EQ_INT(enetjs_packet_read(packet, bytes, sizeof(bytes)), ENETJS_ERR_STALE);
  CHECK_EQ_INT(enetjs_packet_release(packet), ENETJS_ERR_STALE);
  consumer_close(&client);
  check_nothing_left();
}

/* ---- Consumers that lag ---------------------------------------------------------------------- */

TEST(what_does_not_fit_is_held_and_announced) {
  struct consumer server, client;
  struct numbers numbers;
  double peer;
  tiny_open(&server, &numbers);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (uint32_t i = 0; i < 500; i++) CHECK(send_number(&client, peer, 0, 0, &numbers));
  UNTIL(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0,
        (consumer_poll(&client), CHECK_EQ_INT(enetjs_host_service(server.host, 0) >= 0, 1)));
  CHECK_EQ_INT(enetjs_host_service(server.host, 1000000), 16); /* full rings are no reason to wait */
  CHECK_EQ_INT(server.words[ENETJS_WORD_HELD], 500 - 16);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HELD_RECORDS), 500 - 16);
  CHECK_EQ_INT(server.receives, 0);
  for (int i = 0; i < 5; i++) CHECK(event_take(&server));
  CHECK_EQ_INT(enetjs_host_service(server.host, 0), 16);
  CHECK_EQ_INT(server.words[ENETJS_WORD_HELD], 500 - 21);
  consumer_drain(&server);
  CHECK_EQ_INT(server.receives, 500);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* Tails that no consumer would write: events may be lost and overwritten, but only its own. */
TEST(hostile_tails_harm_nobody_else) {
  struct consumer server, client;
  struct numbers numbers;
  uint64_t random = 11;
  double peer;
  tiny_open(&server, &numbers);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < 20000 / SLOW; i++) {
    unsigned word = ENETJS_WORD_EVENT_TAIL + 2 * test_random_below(&random, 3);
    uint32_t value = test_random_u32(&random);
    if (test_random_below(&random, 2) == 0) value = server.words[word - 1] - value % 40;
    if (test_random_below(&random, 3) == 0) server.words[word] = value;
    if (test_random_below(&random, 50) == 0) server.words[test_random_below(&random, 32)] = value;
    send_number(&client, peer, 0, i % 10 == 0 ? 3000 : 60, &numbers);
    send_text(&server, server.peer, 0, "x", 1);
    CHECK(enetjs_host_service(client.host, 0) >= 0);
    while (event_take(&client)) continue;
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    CHECK_EQ_INT(enetjs_host_flush(server.host), 0);
    canaries_check(&server);
  }
  CHECK(server.words[ENETJS_WORD_HELD] < 1000000);
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
  consumer_close(&client);
  CHECK_EQ_INT(enetjs_host_close(server.host), 0);
  consumer_free(&server);
  check_nothing_left();
}

/* ---- Pauses ---------------------------------------------------------------------------------- */

static void pause_peer(struct consumer *c, double paused) {
  CHECK_EQ_INT(enetjs_peer_set(c->host, c->peer, ENETJS_PEER_PAUSED, paused, 0, 0), 0);
}

TEST(a_paused_peer_keeps_its_messages_back) {
  struct consumer server, clients[2];
  struct numbers numbers;
  double peers[2], paused;
  tiny_open(&server, &numbers);
  client_open(&clients[0]);
  client_open(&clients[1]);
  peers[0] = connect_pair_of(&clients[0], &server);
  paused = server.peer;
  pause_peer(&server, 1);
  peers[1] = connect_pair_of(&clients[1], &server);
  for (uint32_t i = 0; i < 300; i++) CHECK(send_number(&clients[0], peers[0], 0, 500, &numbers));
  for (uint32_t i = 0; i < 300; i++) CHECK(send_number(&clients[1], peers[1], 1, 500, &numbers));
  UNTIL(
      numbers.next[1] == 300 && peer_statistic(&clients[0], peers[0], ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0,
      (poll_both(&clients[0], &server), consumer_poll(&clients[1])));
  CHECK_EQ_INT(numbers.next[0], 0);
  CHECK(peer_statistic(&server, paused, ENETJS_PEER_STAT_TOTAL_WAITING_DATA) > 300 * 4);
  CHECK_EQ_INT(enetjs_peer_set(server.host, paused, ENETJS_PEER_PAUSED, 0, 0, 0), 0);
  CHECK(server.words[ENETJS_WORD_HELD] > 0);
  consumer_drain(&server);
  CHECK_EQ_INT(numbers.next[0], 300);
  CHECK_EQ_INT(peer_statistic(&server, paused, ENETJS_PEER_STAT_TOTAL_WAITING_DATA), 0);
  /* And again, closing with everything held. */
  CHECK_EQ_INT(enetjs_peer_set(server.host, paused, ENETJS_PEER_PAUSED, 1, 0, 0), 0);
  for (uint32_t i = 0; i < 300; i++) CHECK(send_number(&clients[0], peers[0], 0, 500, &numbers));
  UNTIL(peer_statistic(&clients[0], peers[0], ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0,
        poll_both(&clients[0], &server));
  consumer_close(&server);
  consumer_close(&clients[0]);
  consumer_close(&clients[1]);
  check_nothing_left();
}

/*
 * A program can transfer the arena away, which the consumer notices before it services, and not before other
 * calls.
 */
static void check_arena_outside_services(bool reset) {
  struct consumer server, client;
  struct numbers numbers;
  uint8_t before[4096];
  double peer;
  tiny_open(&server, &numbers);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  pause_peer(&server, 1);
  for (uint32_t i = 0; i < 5; i++) CHECK(send_number(&client, peer, 0, 100, &numbers));
  UNTIL(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0, poll_both(&client, &server));
  memset(server.arena, 0xEE, sizeof(before));
  memcpy(before, server.arena, sizeof(before));
  if (reset)
    CHECK_EQ_INT(enetjs_peer_reset(server.host, server.peer), 0);
  else
    pause_peer(&server, 0);
  CHECK_EQ_INT(memcmp(before, server.arena, sizeof(before)), 0);
  CHECK_EQ_INT(server.words[ENETJS_WORD_HELD], reset ? 6 : 5);
  consumer_drain(&server);
  CHECK_EQ_INT(numbers.next[0], 5);
  CHECK_EQ_INT(server.disconnects, reset);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(payloads_are_placed_only_by_a_service) {
  check_arena_outside_services(false);
  check_arena_outside_services(true);
}

/* What was acknowledged comes before the end of the connection, whatever held it. */
static void check_end(bool pause, bool pump_serviced) {
  struct consumer server, client;
  struct numbers numbers;
  double peer;
  tiny_open(&server, &numbers);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  if (pause) pause_peer(&server, 1);
  for (uint32_t i = 0; i < 400; i++) CHECK(send_number(&client, peer, i % 2, 800, &numbers));
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 4000000000.0, ENETJS_DISCONNECT_LATER), 0);
  UNTIL(client.closed == 1, {
    struct enetjs_host *h = host_of(&server);
    consumer_poll(&client);
    if (pump_serviced) {
      /* As the pump does it for a consumer that stalls. */
      enetjs_mutex_lock(&h->lock);
      enetjs_service_protocol(h);
      enetjs_mutex_unlock(&h->lock);
    } else {
      CHECK(enetjs_host_service(server.host, 0) >= 0);
    }
  });
  CHECK_EQ_INT(server.receives + server.disconnects, 0);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  CHECK(all_received(&numbers));
  CHECK_EQ_INT(server.last.type, ENETJS_EVENT_DISCONNECT);
  CHECK_EQ_INT(server.last.data, 4000000000u);
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_REMOTE);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(an_end_comes_after_what_was_acknowledged) {
  check_end(false, false);
  check_end(false, true);
  check_end(true, false);
  check_end(true, true);
}

/* A slot that is taken over while events of its former connection are still held. */
TEST(held_events_keep_to_their_connection) {
  struct consumer server, client;
  struct numbers numbers;
  double peer;
  tiny_open(&server, &numbers);
  server.on_event = NULL;
  client_open(&client);
  for (int round = 0; round < 20; round++) {
    CHECK((peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 0)) > 0);
    UNTIL(enetjs_peer_state(client.host, peer) == ENET_PEER_STATE_CONNECTED,
          (consumer_poll(&client), enetjs_host_service(server.host, 0)));
    for (int i = 0; i < 10; i++) CHECK(send_text(&client, peer, 1, "abc", 0) >= 0);
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT_LATER), 0);
    UNTIL(enetjs_peer_state(client.host, peer) == ENETJS_ERR_STALE,
          (consumer_poll(&client), enetjs_host_service(server.host, 0)));
  }
  for (uint32_t generation = 1; generation <= 20; generation++)
    for (int i = 0; i < 12; i++) {
      if (!event_take(&server)) {
        CHECK(enetjs_host_service(server.host, 0) >= 0);
        CHECK(event_take(&server));
      }
      CHECK_EQ_INT(server.last.generation, generation);
      CHECK_EQ_INT(server.last.type, i == 0    ? ENETJS_EVENT_CONNECT
                                     : i == 11 ? ENETJS_EVENT_DISCONNECT
                                               : ENETJS_EVENT_RECEIVE);
    }
  consumer_drain(&server);
  CHECK_EQ_INT(server.receives, 200);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Bounds ---------------------------------------------------------------------------------- */

static void check_bound(bool pause, uint32_t size) {
  enum { LIMIT = 200000 };
  static uint8_t bytes[100000];
  struct consumer server, client;
  struct enetjs_host *h;
  unsigned sent = 6000;
  double peer, allocated;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = LIMIT;
  consumer_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  h = host_of(&server);
  if (pause) pause_peer(&server, 1);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 1000, 60000, 60000), 0);
  if (size > 1000) sent = 1000;
  for (unsigned i = 0; i < sent; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, size, 0) >= 0);
  UNTIL(h->slots[0].stopped, (consumer_poll(&client), enetjs_host_service(server.host, 0)));
  for (int i = 0; i < 300; i++) {
    consumer_poll(&client);
    CHECK(enetjs_host_service(server.host, 0) >= 0);
  }
  CHECK(h->slots[0].held_bytes < LIMIT + 70000 + size);
  CHECK(server.words[ENETJS_WORD_HELD] < (LIMIT + 70000.0) / (size < 64 ? 64 : size) + 2);
  allocated = peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES);
  CHECK(allocated > sent / 4.0); /* the rest waits with the sender */
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
  if (pause) pause_peer(&server, 0);
  server.on_event = NULL;
  UNTIL(server.receives + server.packets == sent, {
    consumer_poll(&client);
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    while (event_take(&server))
      if (server.last.type == ENETJS_EVENT_PACKET)
        CHECK_EQ_INT(enetjs_packet_release(packet_of(&server.last)), 0);
  });
  CHECK_EQ_INT(h->slots[0].held_bytes, 0);
  CHECK_EQ_INT(h->slots[0].stopped, false);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(what_a_peer_may_have_waiting_is_bounded) {
  check_bound(false, 0);
  check_bound(false, 500);
  check_bound(false, 2000);
}

TEST(what_a_paused_peer_may_have_waiting_is_bounded) {
  check_bound(true, 0);
  check_bound(true, 500);
  check_bound(true, 2000);
}

/* The limit is reached, and then the host goes. */
TEST(closing_with_the_limit_reached_frees_all) {
  static uint8_t bytes[500];
  struct consumer server, client;
  double peer;
  for (int pause = 0; pause < 2; pause++) {
    consumer_start(&server);
    server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
    server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
    server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 10000;
    consumer_open(&server);
    client_open(&client);
    peer = connect_pair_of(&client, &server);
    if (pause) pause_peer(&server, 1);
    for (unsigned i = 0; i < 1000; i++)
      CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, 500, 0) >= 0);
    UNTIL(host_of(&server)->slots[0].stopped, (consumer_poll(&client), enetjs_host_service(server.host, 0)));
    consumer_close(&server);
    consumer_close(&client);
    check_nothing_left();
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(order_is_kept_through_tiny_rings),
      TEST_CASE(order_is_kept_when_some_do_not_fit_the_arena),
      TEST_CASE(positions_wrap_around_32_bits),
      TEST_CASE(every_size_up_to_the_inline_maximum_fits),
      TEST_CASE(large_payloads_are_packets_until_released),
      TEST_CASE(packets_are_forwarded_until_their_host_closes),
      TEST_CASE(what_does_not_fit_is_held_and_announced),
      TEST_CASE(hostile_tails_harm_nobody_else),
      TEST_CASE(a_paused_peer_keeps_its_messages_back),
      TEST_CASE(payloads_are_placed_only_by_a_service),
      TEST_CASE(an_end_comes_after_what_was_acknowledged),
      TEST_CASE(held_events_keep_to_their_connection),
      TEST_CASE(what_a_peer_may_have_waiting_is_bounded),
      TEST_CASE(what_a_paused_peer_may_have_waiting_is_bounded),
      TEST_CASE(closing_with_the_limit_reached_frees_all),
  };
  return test_run(cases, TEST_COUNT(cases));
}
