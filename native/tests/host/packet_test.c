/* Packets that JavaScript refers to: which side owns their bytes, and for how long. */
#include "../consumer.h"
#include "base/pool.h"

#define LARGE 200000

static uint8_t bytes[LARGE], copy[LARGE];

static void keep_packet(struct consumer *c, const struct record *r) {
  if (r->type == ENETJS_EVENT_PACKET) *(double *)c->context = packet_of(r);
}

static bool packet_is(double packet, uint32_t length, uint32_t seed) {
  return enetjs_packet_read(packet, copy, length) == length && payload_is(copy, length, seed);
}

/* Sends a packet from one consumer to the other. @returns the handle of what has arrived */
static double pass(struct consumer *from, struct consumer *to, double peer, double packet) {
  double arrived = 0;
  unsigned before = to->packets;
  to->context = &arrived;
  to->on_event = keep_packet;
  CHECK(enetjs_peer_send_packet(from->host, peer, 0, 1, packet, 0) >= 0);
  UNTIL(to->packets > before, poll_both(from, to));
  return arrived;
}

TEST(nonsense_handles_and_lengths_are_refused) {
  static const double lengths[] = {-1, 0.5, NAN, INFINITY, 2147483648.0};
  static const double handles[] = {-1, 0, 0.5, NAN, INFINITY, 1e300, 4294967296.0 * 77 + 5};
  for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
    CHECK_EQ_INT(enetjs_packet_create(lengths[i]), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_share(bytes, lengths[i]), ENETJS_ERR_ARGUMENT);
  }
  CHECK_EQ_INT(enetjs_packet_share(NULL, 1), ENETJS_ERR_ARGUMENT);
  for (size_t i = 0; i < TEST_COUNT(handles); i++) {
    CHECK_EQ_INT(enetjs_packet_read(handles[i], copy, 1), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_write(handles[i], bytes, 1), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_keep(handles[i], 0), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_address(handles[i]), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_references(handles[i]), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_release(handles[i]), ENETJS_ERR_STALE);
  }
  check_nothing_left();
}

TEST(a_created_packet_is_zeros_and_can_be_written) {
  for (uint32_t length = 0; length <= LARGE; length = length * 3 + 1) {
    double packet = enetjs_packet_create(length);
    CHECK(packet > 0);
    CHECK_EQ_INT(enetjs_packet_references(packet), 1);
    CHECK_EQ_INT(enetjs_packet_read(packet, copy, length), length);
    for (uint32_t i = 0; i < length; i++) CHECK(copy[i] == 0);
    payload_fill(bytes, length, length);
    CHECK_EQ_INT(enetjs_packet_write(packet, bytes, length), length);
    CHECK_EQ_INT(enetjs_packet_write(packet, bytes, length + 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_write(packet, NULL, length), ENETJS_ERR_ARGUMENT);
    CHECK(packet_is(packet, length, length));
    if (length > 0) CHECK(memcmp((uint8_t *)(uintptr_t)enetjs_packet_address(packet), bytes, length) == 0);
    CHECK_EQ_INT(enetjs_packet_release(packet), 0);
    CHECK_EQ_INT(enetjs_packet_release(packet), ENETJS_ERR_STALE);
  }
  check_nothing_left();
}

TEST(one_allocation_serves_every_receiver) {
  enum { RECEIVERS = 8 };
  struct consumer server, client;
  double peers[RECEIVERS], packet, ever;
  server_open(&server);
  client_open(&client);
  for (size_t i = 0; i < RECEIVERS; i++) {
    connect_pair_of(&client, &server);
    peers[i] = server.peer;
  }
  ever = diagnostic(ENETJS_DIAGNOSTIC_PACKETS_EVER);
  packet = enetjs_packet_create(60000);
  payload_fill(bytes, 60000, 3);
  CHECK_EQ_INT(enetjs_packet_write(packet, bytes, 60000), 60000);
  for (size_t i = 0; i < RECEIVERS; i++)
    CHECK(enetjs_peer_send_packet(server.host, peers[i], 0, 1, packet, 0) >= 0);
  CHECK_EQ_INT(enetjs_packet_references(packet), 1 + RECEIVERS);
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 1);
  UNTIL(client.receives == RECEIVERS && diagnostic(ENETJS_DIAGNOSTIC_PACKETS) == 0,
        poll_both(&client, &server));
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS_EVER), ever + 1);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_received_packet_ends_with_its_host_unless_it_is_kept) {
  for (int keep = 0; keep < 3; keep++) {
    struct consumer server, client;
    double peer, made, packet;
    server_open(&server);
    client_open(&client);
    peer = connect_pair_of(&client, &server);
    made = enetjs_packet_create(LARGE);
    payload_fill(bytes, LARGE, 4);
    enetjs_packet_write(made, bytes, LARGE);
    packet = pass(&client, &server, peer, made);
    CHECK_EQ_INT(enetjs_packet_release(made), 0);
    if (keep) CHECK_EQ_INT(enetjs_packet_keep(packet, keep - 1), 0);
    consumer_close(&server);
    consumer_close(&client);
    CHECK(packet_is(packet, LARGE, 4) == (keep > 0));
    CHECK_EQ_INT(enetjs_packet_release(packet), keep ? 0 : ENETJS_ERR_STALE);
    check_nothing_left();
  }
}

/* What waits in JavaScript counts, but does not fill the ring; what is the program's own counts no more. */
TEST(a_kept_packet_counts_towards_its_host_until_it_is_the_programs) {
  struct consumer server, client;
  struct enetjs_host *h;
  double peer, made, packet;
  size_t before;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  h = host_of(&server);
  made = enetjs_packet_create(LARGE);
  before = enetjs_host_data(h);
  packet = pass(&client, &server, peer, made);
  CHECK_EQ_INT(atomic_load(&h->listed_bytes), LARGE);
  CHECK_EQ_INT(enetjs_packet_keep(packet, 2), ENETJS_ERR_ARGUMENT);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ_INT(enetjs_packet_keep(packet, 1), 0);
    CHECK_EQ_INT(atomic_load(&h->listed_bytes), 0);
    CHECK_EQ_INT(atomic_load(&h->kept_bytes), LARGE);
    CHECK_EQ_INT(atomic_load(&h->slots[0].listed_bytes), LARGE);
    CHECK(enetjs_host_data(h) >= before + LARGE);
  }
  for (int counted = 0; counted < 2; counted++) {
    CHECK_EQ_INT(enetjs_packet_keep(packet, counted), 0);
    CHECK_EQ_INT(atomic_load(&h->kept_bytes), 0);
    CHECK_EQ_INT(atomic_load(&h->slots[0].listed_bytes), 0);
  }
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
  CHECK_EQ_INT(enetjs_packet_release(made), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

static void make_two(void *context) {
  double *packets = context;
  packets[0] = enetjs_packet_create(1000);
  packets[1] = enetjs_packet_create(1000);
  enetjs_packet_address(packets[1]);
}

TEST(a_thread_that_exits_takes_its_packets_along) {
  double packets[2];
  enetjs_thread thread;
  CHECK(enetjs_thread_start(&thread, make_two, packets));
  enetjs_thread_join(thread);
  CHECK_EQ_INT(enetjs_packet_release(packets[0]), ENETJS_ERR_STALE);
  /* Somebody else may have been given this one's address. */
  CHECK_EQ_INT(enetjs_packet_release(packets[1]), 0);
  check_nothing_left();
}

TEST(shared_bytes_are_sent_from_where_they_are) {
  struct consumer server, client;
  double peer, packet, arrived;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  payload_fill(bytes, LARGE, 5);
  packet = enetjs_packet_share(bytes, LARGE);
  CHECK(packet > 0);
  CHECK((uint8_t *)(uintptr_t)enetjs_packet_address(packet) == bytes);
  arrived = pass(&client, &server, peer, packet);
  CHECK(packet_is(arrived, LARGE, 5));
  UNTIL(enetjs_packet_references(packet) == 1, poll_both(&client, &server));
  CHECK_EQ_INT(host_of(&client)->external_messages, 0);
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
  CHECK_EQ_INT(enetjs_packet_release(arrived), 0);
  /* The end of a connection and of a host lets go of them too. */
  packet = enetjs_packet_share(bytes, LARGE);
  for (int i = 0; i < 20; i++) CHECK(enetjs_peer_send_packet(client.host, peer, 0, 1, packet, 0) >= 0);
  CHECK_EQ_INT(host_of(&client)->external_messages, 20);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  CHECK_EQ_INT(enetjs_packet_references(packet), 1);
  CHECK_EQ_INT(host_of(&client)->external_messages, 0);
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(no_pump_reads_shared_bytes) {
  struct consumer server, client;
  double peer, packet, services;
  server_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_PUMP] = 1;
  client.config[ENETJS_CONFIG_STALL_LIMIT] = 1;
  consumer_open(&client);
  consumer_start_pump(&client);
  peer = connect_pair_of(&client, &server);
  packet = enetjs_packet_share(bytes, LARGE);
  CHECK(enetjs_peer_send_packet(client.host, peer, 0, 1, packet, 0) >= 0);
  /* On a busy machine the pump may have serviced before. */
  services = statistic(&client, ENETJS_HOST_STAT_PUMP_SERVICES);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  /* The acknowledgements that the server sends now find a consumer that stays away. */
  for (int i = 0; i < 50; i++) {
    enetjs_pollfd nothing = {0};
    nothing.fd = client.wake;
    consumer_poll(&server);
    enetjs_poll(&nothing, 1, 2);
  }
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_PUMP_SERVICES), services);
  CHECK(enetjs_packet_references(packet) == 2);
  UNTIL(enetjs_packet_references(packet) == 1, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_packet_release(packet), 0);
  consumer_close(&client);
  while (event_take(&server))
    enetjs_packet_release(server.last.type == ENETJS_EVENT_PACKET ? packet_of(&server.last) : 0);
  consumer_close(&server);
  check_nothing_left();
}

TEST(what_rings_refer_to_is_bounded) {
  enum { SIZE = 1 << 20, COUNT = 40 };
  struct consumer server, client;
  uint8_t *large = calloc(1, SIZE);
  double peer, packet = 0;
  unsigned taken = 0;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < COUNT; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, large, SIZE, 0) >= 0);
  /* A consumer that services but takes nothing; then it takes one after the other. */
  UNTIL(server.words[ENETJS_WORD_HELD] > 4, (consumer_poll(&client), enetjs_host_service(server.host, 0)));
  CHECK(diagnostic(ENETJS_DIAGNOSTIC_PACKETS) <= ENETJS_LISTED_BYTES / SIZE);
  server.context = &packet;
  server.on_event = keep_packet;
  while (taken < COUNT) {
    packet = 0;
    while (event_take(&server) && packet == 0) continue;
    if (packet != 0) {
      taken++;
      CHECK(diagnostic(ENETJS_DIAGNOSTIC_PACKETS) <= ENETJS_LISTED_BYTES / SIZE);
      CHECK_EQ_INT(enetjs_packet_release(packet), 0);
    }
    CHECK(enetjs_host_service(server.host, 0) >= 0);
    consumer_poll(&client);
  }
  free(large);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(another_arena_can_take_the_place_of_one_that_is_gone) {
  struct consumer server, client;
  uint8_t *old;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  old = server.arena_memory;
  server.arena_memory = canaries_allocate(server.arena_bytes);
  server.arena = server.arena_memory + CANARY_BYTES;
  CHECK_EQ_INT(enetjs_host_set_arena(server.host, server.arena, (double)server.arena_bytes), 0);
  free(old);
  payload_fill(bytes, 1000, 6);
  CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, 1000, 0) >= 0);
  UNTIL(server.receives == 1, poll_both(&client, &server));
  CHECK(payload_is(server.last.payload, 1000, 6));
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(nonsense_handles_and_lengths_are_refused),
      TEST_CASE(a_created_packet_is_zeros_and_can_be_written),
      TEST_CASE(one_allocation_serves_every_receiver),
      TEST_CASE(a_received_packet_ends_with_its_host_unless_it_is_kept),
      TEST_CASE(a_kept_packet_counts_towards_its_host_until_it_is_the_programs),
      TEST_CASE(a_thread_that_exits_takes_its_packets_along),
      TEST_CASE(shared_bytes_are_sent_from_where_they_are),
      TEST_CASE(no_pump_reads_shared_bytes),
      TEST_CASE(what_rings_refer_to_is_bounded),
      TEST_CASE(another_arena_can_take_the_place_of_one_that_is_gone),
  };
  return test_run(cases, TEST_COUNT(cases));
}
