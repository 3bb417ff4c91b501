/* The whole interface of a host, of its peers and packets, without a pump. */
#include "../consumer.h"
#include "base/pool.h"
#include "enet/libenet.h"

static const double nonsense[] = {NAN,   INFINITY, -INFINITY,          -1,          0.5, -0.5,
                                  1e300, -1e300,   9007199254740993.0, 4294967296.5};

/* ---- Arguments ------------------------------------------------------------------------------- */

static double call_with_host(unsigned function, double host) {
  uint8_t byte = 0, rules[12] = {0};
  switch (function) {
    case 0: return enetjs_host_start(host, 0, NULL, 0);
    case 1: return enetjs_host_close(host);
    case 2: return enetjs_host_service(host, 0);
    case 3: return enetjs_host_flush(host);
    case 4: return enetjs_host_connect(host, LOOPBACK, 1, 1, 0);
    case 5: return enetjs_host_broadcast(host, 0, 1, 0, 1, TO_ALL);
    case 6: return enetjs_host_broadcast_buffer(host, 0, 1, &byte, 1, TO_ALL);
    case 7: return enetjs_host_broadcast_packet(host, 0, 1, 0, TO_ALL);
    case 8: return enetjs_host_set(host, ENETJS_CONFIG_MTU, 1400, 0);
    case 9: return enetjs_host_set_filter(host, rules, 12);
    case 10: return enetjs_host_send_datagram(host, LOOPBACK, 1, 0, 1);
    case 11: return enetjs_host_address(host);
    case 12: return enetjs_host_stats(host);
    case 13: return enetjs_peer_send(host, 4096, 0, 1, 0, 1, 0);
    case 14: return enetjs_peer_send_buffer(host, 4096, 0, 1, &byte, 1, 0);
    case 15: return enetjs_peer_send_packet(host, 4096, 0, 1, 0, 0);
    case 16: return enetjs_peer_disconnect(host, 4096, 0, 0);
    case 17: return enetjs_peer_reset(host, 4096);
    case 18: return enetjs_peer_ping(host, 4096);
    case 19: return enetjs_peer_set(host, 4096, 0, 0, 0, 0);
    case 20: return enetjs_peer_state(host, 4096);
    case 21: return enetjs_peer_stats(host, 4096);
    default: return NAN;
  }
}

#define HOST_FUNCTIONS 22

TEST(nonsense_host_handles_are_closed_hosts) {
  struct consumer c;
  server_open(&c);
  for (unsigned function = 0; function < HOST_FUNCTIONS; function++) {
    for (size_t i = 0; i < TEST_COUNT(nonsense); i++)
      CHECK_EQ_INT(call_with_host(function, nonsense[i]), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(call_with_host(function, 0), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(call_with_host(function, c.host + 4096), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(call_with_host(function, c.host - 4096), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(call_with_host(function, c.host + 1), ENETJS_ERR_CLOSED);
    CHECK_EQ_INT(call_with_host(function, c.host + 4095), ENETJS_ERR_CLOSED);
  }
  consumer_close(&c);
  for (unsigned function = 0; function < HOST_FUNCTIONS; function++)
    CHECK_EQ_INT(call_with_host(function, c.host), ENETJS_ERR_CLOSED);
  check_nothing_left();
}

static double call_with_peer(unsigned function, double host, double peer) {
  uint8_t byte = 0;
  switch (function) {
    case 0: return enetjs_peer_send(host, peer, 0, 1, 0, 1, 0);
    case 1: return enetjs_peer_send_buffer(host, peer, 0, 1, &byte, 1, 0);
    case 2: return enetjs_peer_send_packet(host, peer, 0, 1, 0, 0);
    case 3: return enetjs_peer_disconnect(host, peer, 0, 0);
    case 4: return enetjs_peer_reset(host, peer);
    case 5: return enetjs_peer_ping(host, peer);
    case 6: return enetjs_peer_set(host, peer, 0, 0, 0, 0);
    case 7: return enetjs_peer_state(host, peer);
    default: return enetjs_peer_stats(host, peer);
  }
}

static void check_stale(struct consumer *c, double peer) {
  for (unsigned function = 0; function < 9; function++)
    CHECK_EQ_INT(call_with_peer(function, c->host, peer), ENETJS_ERR_STALE);
}

TEST(nonsense_peer_handles_are_stale) {
  struct consumer c;
  server_open(&c);
  for (size_t i = 0; i < TEST_COUNT(nonsense); i++) check_stale(&c, nonsense[i]);
  check_stale(&c, 0);
  check_stale(&c, 4096); /* the next connection of a free slot */
  check_stale(&c, 4096 + 8);
  check_stale(&c, 4095);
  consumer_close(&c);
}

TEST(nonsense_numbers_are_refused) {
  static uint8_t bytes[16];
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (size_t i = 0; i < TEST_COUNT(nonsense); i++) {
    double bad = nonsense[i], h = client.host;
    CHECK_EQ_INT(enetjs_host_service(h, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_connect(h, bad, 1, 1, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, bad, 1, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 1, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 1, 1, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, bad, 1, 0, 1, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, 0, bad, 0, 1, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, 0, 1, bad, 1, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, 0, 1, 0, bad, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast_buffer(h, 0, 1, bytes, bad, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast_packet(h, 0, 1, bad, TO_ALL), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, 0, 1, 0, 1, bytes, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_broadcast(h, 0, 1, 0, 1, bytes, 0, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_set(h, bad, 0, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_set_filter(h, bytes, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_send_datagram(h, bad, 1, 0, 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_send_datagram(h, LOOPBACK, bad, 0, 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_send_datagram(h, LOOPBACK, 1, bad, 1), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_host_send_datagram(h, LOOPBACK, 1, 0, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send(h, peer, bad, 1, 0, 1, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, bad, 0, 1, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, bad, 1, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, 0, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, 0, 1, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send_buffer(h, peer, 0, 1, bytes, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_send_packet(h, peer, 0, 1, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_disconnect(h, peer, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_disconnect(h, peer, 0, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_set(h, peer, bad, 0, 0, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_set(h, peer, 0, bad, 0, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_set(h, peer, 1, 0, bad, 0), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_peer_set(h, peer, 1, 0, 0, bad), ENETJS_ERR_ARGUMENT);
    CHECK_EQ_INT(enetjs_packet_read(bad, bytes, 1), ENETJS_ERR_STALE);
    CHECK_EQ_INT(enetjs_packet_release(bad), ENETJS_ERR_STALE);
    for (unsigned option = 0; option < ENETJS_CONFIG_COUNT; option++) {
      CHECK_EQ_INT(enetjs_host_set(h, option, bad, 0), ENETJS_ERR_ARGUMENT);
      CHECK_EQ_INT(enetjs_host_set(h, option, 1, bad), ENETJS_ERR_ARGUMENT);
    }
  }
  poll_both(&client, &server);
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(numbers_beyond_their_range_are_refused) {
  static uint8_t bytes[16];
  static const uint32_t backwards[3] = {2, 1, 1}, unknown[3] = {1, 2, 2};
  struct consumer server, client;
  double h, peer, end;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  h = client.host;
  end = (double)(client.block_bytes + client.arena_bytes);
  CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 0, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 65536, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 1, 256, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_connect(h, LOOPBACK, 1, 0, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 255, 1, 0, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 2, 1, 0, 1, 0), ENETJS_ERR_CHANNEL);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 4, 0, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 12, 0, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 256, 0, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, end, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, 1, end, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, (double)client.block_bytes - 1, 2, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_arena(h, NULL, (double)client.arena_bytes), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_arena(h, client.arena, (double)client.arena_bytes - 8), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, end, 0, 0), 0);
  CHECK_EQ_INT(enetjs_peer_send_buffer(h, peer, 0, 1, NULL, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(h, 0, 1, NULL, 1, TO_ALL), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_filter(h, NULL, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_filter(h, bytes, 13), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_filter(h, (const uint8_t *)backwards, 12), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set_filter(h, (const uint8_t *)unknown, 12), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_MTU, 575, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_MTU, 4097, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_COMPRESSION, 2, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_CHECKSUM, 2, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_DATAGRAMS, 2, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_STALL_LIMIT, 0, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_STALL_LIMIT, 60001, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_PEERS, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_COUNT, 1, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_start(h, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_set(h, peer, 5, 0, 0, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_disconnect(h, peer, 0, 4), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(h, ENETJS_CONFIG_MAXIMUM_PACKET_SIZE, 3, 0), 0);
  CHECK_EQ_INT(enetjs_peer_send(h, peer, 0, 1, 0, 4, 0), ENETJS_ERR_TOO_LARGE);
  CHECK_EQ_INT(enetjs_host_broadcast(h, 0, 1, 0, 4, TO_ALL), ENETJS_ERR_TOO_LARGE);
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(h, 0, 1, bytes, 4, TO_ALL), ENETJS_ERR_TOO_LARGE);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(live_options_are_taken) {
  static const double options[][2] = {{ENETJS_CONFIG_INCOMING_BANDWIDTH, 1000000},
                                      {ENETJS_CONFIG_CHANNELS, 3},
                                      {ENETJS_CONFIG_COMPRESSION, 1},
                                      {ENETJS_CONFIG_COMPRESSION, 1},
                                      {ENETJS_CONFIG_COMPRESSION, 0},
                                      {ENETJS_CONFIG_CHECKSUM, 1},
                                      {ENETJS_CONFIG_CHECKSUM, 0},
                                      {ENETJS_CONFIG_MTU, 576},
                                      {ENETJS_CONFIG_MTU, 4096},
                                      {ENETJS_CONFIG_DUPLICATE_PEERS, 2},
                                      {ENETJS_CONFIG_MAXIMUM_PACKET_SIZE, 100000},
                                      {ENETJS_CONFIG_MAXIMUM_WAITING_DATA, 100000},
                                      {ENETJS_CONFIG_MAXIMUM_HOST_DATA, 10000000},
                                      {ENETJS_CONFIG_RECEIVE_BUFFER, 100000},
                                      {ENETJS_CONFIG_SEND_BUFFER, 100000},
                                      {ENETJS_CONFIG_STALL_LIMIT, 60000},
                                      {ENETJS_CONFIG_HIGH_WATER, 0},
                                      {ENETJS_CONFIG_DATAGRAMS, 1},
                                      {ENETJS_CONFIG_DATAGRAMS, 0}};
  struct consumer c, client;
  server_open(&c);
  for (size_t i = 0; i < TEST_COUNT(options); i++)
    CHECK_EQ_INT(enetjs_host_set(c.host, options[i][0], options[i][1], 0), 0);
  client_open(&client);
  connect_pair_of(&client, &c);
  CHECK_EQ_INT(peer_statistic(&c, c.peer, ENETJS_PEER_STAT_CHANNEL_COUNT), 2);
  CHECK_EQ_INT(peer_statistic(&client, client.peer, ENETJS_PEER_STAT_STATE), ENET_PEER_STATE_CONNECTED);
  CHECK_EQ_INT(enetjs_peer_set(client.host, client.peer, ENETJS_PEER_PING_INTERVAL, 77, 0, 0), 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, client.peer, ENETJS_PEER_TIMEOUT, 5, 600, 700), 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, client.peer, ENETJS_PEER_THROTTLE, 1000, 3, 4), 0);
  CHECK_EQ_INT(enetjs_peer_ping(client.host, client.peer), 0);
  CHECK_EQ_INT(peer_statistic(&client, client.peer, ENETJS_PEER_STAT_PING_INTERVAL), 77);
  CHECK_EQ_INT(peer_statistic(&client, client.peer, ENETJS_PEER_STAT_TIMEOUT_LIMIT), 5);
  CHECK_EQ_INT(peer_statistic(&client, client.peer, ENETJS_PEER_STAT_TIMEOUT_MINIMUM), 600);
  CHECK_EQ_INT(peer_statistic(&client, client.peer, ENETJS_PEER_STAT_TIMEOUT_MAXIMUM), 700);
  UNTIL(peer_statistic(&c, c.peer, ENETJS_PEER_STAT_PACKET_THROTTLE_ACCELERATION) == 3,
        poll_both(&client, &c));
  CHECK_EQ_INT(statistic(&c, ENETJS_HOST_STAT_CONNECTED_PEERS), 1);
  consumer_close(&client);
  consumer_close(&c);
  check_nothing_left();
}

/* ---- Creation -------------------------------------------------------------------------------- */

static uint64_t arena[1 << 15];

static double create(double *config, uint8_t *block, double bytes) {
  return enetjs_host_create((uint8_t *)config, ENETJS_CONFIG_COUNT * sizeof(double), block, bytes,
                            (uint8_t *)arena, config ? config[ENETJS_CONFIG_ARENA_BYTES] : 0);
}

static void check_bad_config(unsigned option, double value, double expected) {
  static uint64_t block[1 << 16];
  double c[ENETJS_CONFIG_COUNT];
  config_initialize(c);
  c[option] = value;
  CHECK_EQ_INT(create(c, (uint8_t *)block, (double)config_shared_bytes(c)), expected);
}

TEST(impossible_configurations_are_refused) {
  static const double bad[][2] = {{ENETJS_CONFIG_ADDRESS, -2},
                                  {ENETJS_CONFIG_ADDRESS, 4294967296.0},
                                  {ENETJS_CONFIG_PORT, -1},
                                  {ENETJS_CONFIG_PORT, 65536},
                                  {ENETJS_CONFIG_PEERS, 0},
                                  {ENETJS_CONFIG_PEERS, 4096},
                                  {ENETJS_CONFIG_CHANNELS, 0},
                                  {ENETJS_CONFIG_CHANNELS, 256},
                                  {ENETJS_CONFIG_INCOMING_BANDWIDTH, -1},
                                  {ENETJS_CONFIG_OUTGOING_BANDWIDTH, 4294967296.0},
                                  {ENETJS_CONFIG_COMPRESSION, 2},
                                  {ENETJS_CONFIG_CHECKSUM, 2},
                                  {ENETJS_CONFIG_MTU, 575},
                                  {ENETJS_CONFIG_MTU, 4097},
                                  {ENETJS_CONFIG_PUMP, 2},
                                  {ENETJS_CONFIG_STALL_LIMIT, 0},
                                  {ENETJS_CONFIG_STALL_LIMIT, 60001},
                                  {ENETJS_CONFIG_RECEIVE_BUFFER, 2147483648.0},
                                  {ENETJS_CONFIG_EVENT_CAPACITY, 15},
                                  {ENETJS_CONFIG_EVENT_CAPACITY, 24},
                                  {ENETJS_CONFIG_COMPLETION_CAPACITY, 8},
                                  {ENETJS_CONFIG_ARENA_BYTES, 2048},
                                  {ENETJS_CONFIG_ARENA_BYTES, 5000},
                                  {ENETJS_CONFIG_UNGUARDED, 2}};
  for (size_t i = 0; i < TEST_COUNT(bad); i++)
    check_bad_config((unsigned)bad[i][0], bad[i][1], ENETJS_ERR_ARGUMENT);
  for (unsigned option = 0; option < ENETJS_CONFIG_COUNT; option++) {
    double c[ENETJS_CONFIG_COUNT];
    static uint64_t block[1 << 16];
    for (size_t i = 0; i < 3; i++) {
      double bytes;
      config_initialize(c);
      bytes = (double)config_shared_bytes(c);
      c[option] = nonsense[i];
      CHECK_EQ_INT(create(c, (uint8_t *)block, bytes), ENETJS_ERR_ARGUMENT);
    }
  }
  check_nothing_left();
}

TEST(shared_memory_must_fit) {
  static uint64_t block[1 << 16];
  double c[ENETJS_CONFIG_COUNT], bytes;
  config_initialize(c);
  bytes = (double)config_shared_bytes(c);
  CHECK_EQ_INT(create(c, (uint8_t *)block, bytes - 1), ENETJS_ERR_LAYOUT);
  CHECK_EQ_INT(create(c, (uint8_t *)block, bytes + 1), ENETJS_ERR_LAYOUT);
  CHECK_EQ_INT(create(c, (uint8_t *)block, NAN), ENETJS_ERR_LAYOUT);
  CHECK_EQ_INT(create(c, (uint8_t *)block + 4, bytes), ENETJS_ERR_LAYOUT);
  CHECK_EQ_INT(create(c, NULL, bytes), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(create(NULL, (uint8_t *)block, bytes), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_create((uint8_t *)c, sizeof(c) - 8, (uint8_t *)block, bytes, (uint8_t *)arena,
                                  sizeof(arena)),
               ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(
      enetjs_host_create((uint8_t *)c, NAN, (uint8_t *)block, bytes, (uint8_t *)arena, sizeof(arena)),
      ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_create((uint8_t *)c, sizeof(c), (uint8_t *)block, bytes, NULL, sizeof(arena)),
               ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_create((uint8_t *)c, sizeof(c), (uint8_t *)block, bytes, (uint8_t *)arena,
                                  sizeof(arena) - 8),
               ENETJS_ERR_LAYOUT);
  CHECK_EQ_INT(enetjs_host_create((uint8_t *)c, sizeof(c), (uint8_t *)block, bytes, (uint8_t *)arena + 4,
                                  sizeof(arena)),
               ENETJS_ERR_LAYOUT);
  check_nothing_left();
}

TEST(addresses_that_cannot_be_bound_are_told_apart) {
  struct consumer c;
  server_open(&c);
  check_bad_config(ENETJS_CONFIG_PORT, port_of(&c), ENETJS_ERR_ADDRESS_IN_USE);
  check_bad_config(ENETJS_CONFIG_ADDRESS, 0xC0000201u, ENETJS_ERR_ADDRESS_UNAVAILABLE); /* 192.0.2.1 */
  CHECK_EQ_INT(floor(enetjs_host_address(c.host) / 65536), LOOPBACK);
  consumer_close(&c);
  client_open(&c);
  CHECK_EQ_INT(enetjs_host_address(c.host), 0);
  consumer_close(&c);
  check_nothing_left();
}

TEST(many_hosts_open_and_close_in_any_order) {
  static struct consumer hosts[100];
  uint64_t random = 1;
  for (size_t i = 0; i < TEST_COUNT(hosts); i++) {
    consumer_start(&hosts[i]);
    hosts[i].config[ENETJS_CONFIG_EVENT_CAPACITY] = hosts[i].config[ENETJS_CONFIG_COMPLETION_CAPACITY] = 16;
    hosts[i].config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
    hosts[i].config[ENETJS_CONFIG_SCRATCH_BYTES] = 0;
    consumer_open(&hosts[i]);
    for (size_t other = 0; other < i; other++) CHECK(hosts[other].host != hosts[i].host);
  }
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_HOSTS), TEST_COUNT(hosts));
  for (size_t left = TEST_COUNT(hosts); left > 0; left--) {
    size_t i = test_random_below(&random, (uint32_t)left);
    struct consumer last = hosts[left - 1];
    consumer_close(&hosts[i]);
    hosts[i] = last;
  }
  check_nothing_left();
}

/* ---- The library ----------------------------------------------------------------------------- */

TEST(layout_version_and_texts) {
  double numbers[200];
  uint8_t text[100], other[100];
  double count = enetjs_layout((uint8_t *)numbers, sizeof(numbers));
  CHECK_EQ_INT(enetjs_abi_version(), ENETJS_ABI_VERSION);
  CHECK(enetjs_libenet_version() >= 1 * 65536 + 3 * 256 + 17);
  CHECK(count > 50 && count <= (double)TEST_COUNT(numbers));
  CHECK_EQ_INT(numbers[0], ENETJS_ABI_VERSION);
  CHECK_EQ_INT(numbers[1], ENETJS_PEER_SLOTS);
  CHECK_EQ_INT(numbers[4], ENETJS_RECORD_BYTES);
  memset(text, CANARY, sizeof(text));
  CHECK_EQ_INT(enetjs_layout(text, 9), count);
  CHECK_EQ_INT(text[9], CANARY);
  CHECK_EQ_INT(enetjs_layout(NULL, 8), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_layout(text, NAN), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_layout(text, -1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_diagnostics(NULL, 8), ENETJS_ERR_ARGUMENT);
  for (int code = ENETJS_ERR_UNGUARDED; code < 0; code++) {
    double length = enetjs_error_text(code, text, sizeof(text)),
           unknown = enetjs_error_text(-100, other, sizeof(other));
    CHECK(length > 5);
    CHECK(length != unknown || memcmp(text, other, (size_t)length) != 0);
  }
  memset(text, CANARY, sizeof(text));
  CHECK_EQ_INT(enetjs_error_text(ENETJS_ERR_MEMORY, text, 3), 3);
  CHECK(memcmp(text, "Out", 3) == 0 && text[3] == CANARY);
  CHECK_EQ_INT(enetjs_error_text(ENETJS_ERR_MEMORY, text, 0), 0);
  CHECK_EQ_INT(enetjs_error_text(ENETJS_ERR_MEMORY, text, NAN), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_error_text(ENETJS_ERR_MEMORY, NULL, 3), ENETJS_ERR_ARGUMENT);
  for (size_t i = 0; i < TEST_COUNT(nonsense); i++)
    CHECK(enetjs_error_text(nonsense[i], text, sizeof(text)) > 0);
}

/* ---- Messages -------------------------------------------------------------------------------- */

struct expected {
  uint32_t length, seed, flags;
};

static void expect_event(struct consumer *c, const struct record *r) {
  static uint8_t bytes[65536];
  struct expected *expected = c->context;
  if (r->type != ENETJS_EVENT_RECEIVE && r->type != ENETJS_EVENT_PACKET) return;
  CHECK_EQ_INT(r->length, expected->length);
  CHECK_EQ_INT(r->flags, expected->flags);
  CHECK_EQ_INT(r->channel, 1);
  CHECK(r->peer == c->peer);
  if (r->type == ENETJS_EVENT_RECEIVE) {
    CHECK(payload_is(r->payload, r->length, expected->seed));
  } else {
    CHECK_EQ_INT(enetjs_packet_read(packet_of(r), bytes, r->length), r->length);
    CHECK(payload_is(bytes, r->length, expected->seed));
    CHECK_EQ_INT(enetjs_packet_release(packet_of(r)), 0);
  }
}

static void exchange(struct consumer *client, struct consumer *server, double peer) {
  static const uint32_t lengths[] = {0, 1, 7, 8, 9, 1000, 1391, 1392, 1393, 5000, 65536};
  static const uint32_t kinds[] = {ENET_PACKET_FLAG_RELIABLE, 0, ENET_PACKET_FLAG_UNSEQUENCED,
                                   ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT};
  static uint8_t bytes[65536];
  for (size_t kind = 0; kind < TEST_COUNT(kinds); kind++)
    for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
      /* An unreliable message of several fragments is made a reliable one. */
      bool fragments = lengths[i] > 1300, small = lengths[i] <= 1300;
      struct expected expected = {lengths[i], (uint32_t)(i * 31 + kind), kinds[kind]};
      unsigned before = server->receives + server->packets;
      if (fragments && kind != 0 && kinds[kind] != ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT) continue;
      if (small && kinds[kind] == ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT) expected.flags = 0;
      payload_fill(bytes, lengths[i], expected.seed);
      server->context = &expected;
      server->on_event = expect_event;
      CHECK_EQ_INT(enetjs_peer_send_buffer(client->host, peer, 1, kinds[kind], bytes, lengths[i], 0), 0);
      UNTIL(server->receives + server->packets > before, poll_both(client, server));
    }
  server->on_event = NULL;
}

static void check_exchange(double compression, double checksum) {
  struct consumer server, client;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPRESSION] = compression;
  server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  client = server;
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  consumer_open(&server);
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(server.last.data, 7);
  CHECK_EQ_INT(server.last.address, LOOPBACK);
  CHECK_EQ_INT(server.last.extra, port_of(&client));
  CHECK_EQ_INT(client.last.length, 2);
  CHECK(client.peer == peer);
  exchange(&client, &server, peer);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(messages_of_every_kind_and_size_arrive) {
  check_exchange(0, 0);
  check_exchange(1, 0);
  check_exchange(0, 1);
  check_exchange(1, 1);
}

/* The length is the number. */
static void expect_lengths(struct consumer *c, const struct record *r) {
  uint32_t *next = c->context;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK_EQ_INT(r->length, *next % 5);
  (*next)++;
}

/* Many in a datagram: what an empty one would add to the compressed bytes would garble the next. */
static double lost_with_empty_messages(void) {
  struct consumer server, client;
  uint32_t next = 0;
  double peer, lost;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPRESSION] = 1;
  client = server;
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  consumer_open(&server);
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  server.context = &next;
  server.on_event = expect_lengths;
  for (unsigned i = 0; i < 1000; i++)
    CHECK_EQ_INT(
        enetjs_peer_send(client.host, peer, 0, 1, client.words[ENETJS_WORD_SCRATCH_OFFSET], i % 5, 0), 0);
  UNTIL(next == 1000, poll_both(&client, &server));
  lost = peer_statistic(&client, peer, ENETJS_PEER_STAT_PACKETS_LOST);
  consumer_close(&client);
  consumer_close(&server);
  return lost;
}

/* On a busy machine some may be sent again; garbled datagrams would be, each time. */
TEST(empty_messages_survive_compression) {
  int rounds = 0;
  while (lost_with_empty_messages() > 0) CHECK(++rounds < 20);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

#define TOKENS 3000

struct tokens {
  uint8_t delivered[TOKENS + 1], undelivered[TOKENS + 1];
};

static void note_token(struct consumer *c, const struct record *r) {
  struct tokens *tokens = c->context;
  if (r->type == ENETJS_COMPLETION_DELIVERED) tokens->delivered[r->data]++;
  if (r->type == ENETJS_COMPLETION_UNDELIVERED) tokens->undelivered[r->data]++;
}

static void check_each_once(const struct tokens *tokens) {
  for (unsigned i = 1; i <= TOKENS; i++) CHECK_EQ_INT(tokens->delivered[i] + tokens->undelivered[i], 1);
  CHECK_EQ_INT(tokens->delivered[0] + tokens->undelivered[0], 0);
}

static void send_tokens(struct consumer *client, double peer) {
  for (unsigned token = 1; token <= TOKENS; token++)
    CHECK(enetjs_peer_send(client->host, peer, token % 2, 1, client->words[ENETJS_WORD_SCRATCH_OFFSET], 100,
                           token) >= 0);
  CHECK(enetjs_peer_send(client->host, peer, 0, 1, client->words[ENETJS_WORD_SCRATCH_OFFSET], 100, 0) >= 0);
}

enum ending { ALL_DELIVERED, DISCONNECTED, DISCONNECTED_NOW, DISCONNECTED_LATER, RESET, REMOTE };

static void check_tokens(enum ending ending) {
  static struct tokens tokens;
  struct consumer server, client;
  double peer;
  memset(&tokens, 0, sizeof(tokens));
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  client.context = &tokens;
  client.on_completion = note_token;
  send_tokens(&client, peer);
  /* Some are on their way, some inside ENet, some before it. */
  if (ending != ALL_DELIVERED) UNTIL(client.delivered > 50, poll_both(&client, &server));
  if (ending == DISCONNECTED)
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 1, ENETJS_DISCONNECT), 0);
  if (ending == DISCONNECTED_NOW)
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 1, ENETJS_DISCONNECT_NOW), 0);
  if (ending == DISCONNECTED_LATER)
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 1, ENETJS_DISCONNECT_LATER), 0);
  if (ending == RESET) CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  if (ending == REMOTE)
    CHECK_EQ_INT(enetjs_peer_disconnect(server.host, server.peer, 1, ENETJS_DISCONNECT), 0);
  UNTIL(client.delivered + client.undelivered == TOKENS, poll_both(&client, &server));
  check_each_once(&tokens);
  if (ending == ALL_DELIVERED || ending == DISCONNECTED_LATER)
    CHECK_EQ_INT(client.delivered, TOKENS);
  else
    CHECK(client.undelivered > 0);
  if (ending != ALL_DELIVERED) UNTIL(client.closed == 1, poll_both(&client, &server));
  for (int i = 0; i < 50; i++) poll_both(&client, &server);
  check_each_once(&tokens);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(tokens_come_back_once_when_delivered) { check_tokens(ALL_DELIVERED); }
TEST(tokens_come_back_once_after_a_disconnect) { check_tokens(DISCONNECTED); }
TEST(tokens_come_back_once_after_a_disconnect_now) { check_tokens(DISCONNECTED_NOW); }
TEST(tokens_come_back_once_after_a_disconnect_later) { check_tokens(DISCONNECTED_LATER); }
TEST(tokens_come_back_once_after_a_reset) { check_tokens(RESET); }
TEST(tokens_come_back_once_after_a_remote_disconnect) { check_tokens(REMOTE); }

/* A closed host completes nothing: none of its tokens comes back, and nothing is left of them. */
TEST(closing_drops_what_is_queued_and_in_flight) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  send_tokens(&client, peer);
  UNTIL(client.delivered > 50, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_host_close(client.host), 0);
  while (completion_take(&client)) continue;
  CHECK(client.delivered < TOKENS && client.undelivered == 0);
  consumer_free(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* Closes a host. @returns what it has left in its statistics */
static double left_at_close(struct consumer *c, unsigned index) {
  double value;
  CHECK_EQ_INT(enetjs_host_close(c->host), 0);
  memcpy(&value, c->block + c->words[ENETJS_WORD_STATS_OFFSET] + index * sizeof(value), sizeof(value));
  return value;
}

/* Of three peers, the first has everything, the others lack two messages and one. */
static double left_undelivered(unsigned index) {
  struct consumer server, silent, client;
  double peers[3], left;
  server_open(&server);
  server_open(&silent);
  client_open(&client);
  peers[0] = connect_pair_of(&client, &server);
  peers[1] = connect_pair_of(&client, &silent);
  peers[2] = connect_pair_of(&client, &silent);
  CHECK_EQ_INT(send_text(&client, peers[0], 1, "delivered", 1), 0);
  UNTIL(client.delivered == 1, (poll_both(&client, &server), consumer_poll(&silent)));
  for (unsigned i = 0; i < 3; i++) CHECK_EQ_INT(send_text(&client, peers[1 + i % 2], 1, "hello", 0), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(enetjs_host_shutdown(client.host, 0), 1);
  left = left_at_close(&client, index);
  consumer_free(&client);
  consumer_close(&silent);
  consumer_close(&server);
  return left;
}

TEST(what_a_shutdown_leaves_undelivered_is_counted) {
  CHECK_EQ_INT(left_undelivered(ENETJS_HOST_STAT_UNDELIVERED_MESSAGES), 3);
  CHECK_EQ_INT(left_undelivered(ENETJS_HOST_STAT_UNDELIVERED_BYTES), 15);
  CHECK_EQ_INT(left_undelivered(ENETJS_HOST_STAT_UNDELIVERED_PEERS), 2);
  check_nothing_left();
}

TEST(a_message_above_the_maximum_is_told_once) {
  static uint8_t bytes[5000];
  struct consumer server, client;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_MAXIMUM_PACKET_SIZE] = 1000;
  consumer_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, 1000, 1), 0);
  UNTIL(client.delivered == 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.too_large, 0);
  /* In one datagram, and in fragments. */
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, 1001, 2), 0);
  UNTIL(server.too_large == 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.last_completion.data, 1001);
  CHECK_EQ_INT(server.last_completion.extra, 1000);
  CHECK(server.last_completion.peer == server.peer);
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 1, 1, bytes, sizeof(bytes), 3), 0);
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 1, 1, bytes, 10, 4), 0);
  for (unsigned i = 0; i < 50; i++) poll_both(&client, &server);
  CHECK_EQ_INT(server.too_large, 1);
  CHECK_EQ_INT(server.receives, 1);
  CHECK_EQ_INT(client.delivered, 1);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT_NOW), 0);
  UNTIL(server.disconnects == 1, poll_both(&client, &server));
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, 1001, 2), 0);
  UNTIL(server.too_large == 2, poll_both(&client, &server));
  consumer_close(&client);
  consumer_close(&server);
}

TEST(unreliable_tokens_come_back_once_sent) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(send_text(&client, peer, 0, "hello", 4294967295.0), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  consumer_drain(&client);
  CHECK_EQ_INT(client.delivered, 1);
  CHECK_EQ_INT(client.last_completion.data, 4294967295u);
  consumer_close(&client);
  consumer_close(&server);
}

/* More completions than the ring takes, by calls that are not a service. */
TEST(completions_that_wait_are_announced) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_COMPLETION_CAPACITY] = 16;
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  for (unsigned i = 1; i <= 100; i++) CHECK_EQ_INT(send_text(&client, peer, 0, "x", i), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(client.words[ENETJS_WORD_HELD], 100 - 16);
  for (unsigned i = 1; i <= 100; i++) CHECK_EQ_INT(send_text(&client, peer, 1, "x", i), 0);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  CHECK_EQ_INT(client.words[ENETJS_WORD_HELD], 200 + 1 - 16);
  consumer_drain(&client);
  CHECK_EQ_INT(client.delivered, 100);
  CHECK_EQ_INT(client.undelivered, 100);
  CHECK_EQ_INT(client.closed, 1);
  CHECK_EQ_INT(client.words[ENETJS_WORD_HELD], 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Queues ---------------------------------------------------------------------------------- */

TEST(high_water_is_reported_and_drained_once) {
  struct consumer server, client;
  double peer, offset;
  unsigned sent = 0;
  server_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_HIGH_WATER] = 10000;
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  offset = client.words[ENETJS_WORD_SCRATCH_OFFSET];
  for (int round = 1; round <= 5; round++) {
    for (int i = 1; i <= 10; i++, sent++)
      CHECK_EQ_INT(enetjs_peer_send(client.host, peer, 0, 1, offset, 1000, 0), 0);
    for (int i = 1; i <= 5; i++, sent++)
      CHECK_EQ_INT(enetjs_peer_send(client.host, peer, 0, 1, offset, 1000, 0), 1);
    CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_BYTES), 15000);
    CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES), 15);
    UNTIL(server.receives == sent && peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0,
          poll_both(&client, &server));
    CHECK_EQ_INT(client.drains, round);
    CHECK_EQ_INT(client.last_completion.type, ENETJS_COMPLETION_DRAIN);
    CHECK(client.last_completion.peer == peer);
  }
  consumer_close(&client);
  consumer_close(&server);
}

static void expect_numbers(struct consumer *c, const struct record *r) {
  uint32_t *next = c->context, number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK(r->length == 4 || r->length == 2000);
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, *next);
  (*next)++;
}

static void check_inside(const struct consumer *client) {
  struct enetjs_host *h = host_of(client);
  enetjs_mutex_lock(&h->lock);
  CHECK(h->slots[0].inside_messages <= ENETJS_INSIDE_MESSAGES);
  CHECK(h->slots[0].inside_bytes <= ENETJS_WINDOW_NEAR + 2000);
  enetjs_mutex_unlock(&h->lock);
}

TEST(a_long_queue_keeps_its_order_and_enets_short) {
  enum { COUNT = 200000 / SLOW };
  struct consumer server, client;
  uint32_t next = 0;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  server.context = &next;
  server.on_event = expect_numbers;
  for (uint32_t i = 0; i < COUNT; i++) {
    uint8_t bytes[2000];
    memcpy(bytes, &i, sizeof(i));
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, i % 100 == 0 ? 2000 : 4, i == COUNT - 1) >=
          0);
  }
  CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES), COUNT);
  UNTIL(next == COUNT && client.delivered == 1, (poll_both(&client, &server), check_inside(&client)));
  CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_BYTES), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_long_unreliable_queue_leaves_with_one_flush) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (unsigned i = 1; i <= 5000; i++) CHECK(send_text(&client, peer, 0, "x", i) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES), 0);
  consumer_drain(&client);
  CHECK_EQ_INT(client.delivered + client.undelivered, 5000);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* ---- Broadcasts ------------------------------------------------------------------------------ */

#define CLIENTS 5

static void expect_broadcast(struct consumer *c, const struct record *r) {
  (void)c;
  if (r->type == ENETJS_EVENT_RECEIVE) CHECK(payload_is(r->payload, r->length, 99));
}

static unsigned fewest_received(const struct consumer *clients) {
  unsigned least = clients[0].receives;
  for (unsigned i = 1; i < CLIENTS; i++)
    if (clients[i].receives < least) least = clients[i].receives;
  return least;
}

static void poll_clients(struct consumer *clients, struct consumer *server) {
  for (unsigned i = 0; i < CLIENTS; i++) consumer_poll(&clients[i]);
  consumer_poll(server);
}

TEST(broadcasts_share_what_is_large) {
  static uint8_t bytes[20000];
  struct consumer server, clients[CLIENTS];
  double before;
  server_open(&server);
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(server.host, 0, 1, bytes, 10, TO_ALL), 0);
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(server.host, 0, 1, bytes, 20000, TO_ALL), 0);
  for (unsigned i = 0; i < CLIENTS; i++) {
    client_open(&clients[i]);
    clients[i].on_event = expect_broadcast;
    connect_pair_of(&clients[i], &server);
  }
  payload_fill(bytes, sizeof(bytes), 99);
  before = diagnostic(ENETJS_DIAGNOSTIC_ALLOCATED_BYTES);
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(server.host, 0, 1, bytes, 20000, TO_ALL), CLIENTS);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 1);
  CHECK(diagnostic(ENETJS_DIAGNOSTIC_ALLOCATED_BYTES) - before < 20000 + CLIENTS * 4000);
  memcpy(server.block + server.words[ENETJS_WORD_SCRATCH_OFFSET], bytes, 5000);
  CHECK_EQ_INT(
      enetjs_host_broadcast(server.host, 1, 1, server.words[ENETJS_WORD_SCRATCH_OFFSET], 5000, TO_ALL),
      CLIENTS);
  CHECK_EQ_INT(enetjs_host_broadcast(server.host, 1, 1, server.words[ENETJS_WORD_SCRATCH_OFFSET], 0, TO_ALL),
               CLIENTS);
  CHECK_EQ_INT(enetjs_host_broadcast(server.host, 3, 1, 0, 1, TO_ALL), 0); /* no such channel */
  UNTIL(fewest_received(clients) == 3, poll_clients(clients, &server));
  UNTIL(diagnostic(ENETJS_DIAGNOSTIC_PACKETS) == 0, poll_clients(clients, &server));
  CHECK_EQ_INT(enetjs_host_broadcast_buffer(server.host, 0, 1, bytes, 20000, TO_ALL), CLIENTS);
  consumer_close(&server); /* with all of it on its way */
  for (unsigned i = 0; i < CLIENTS; i++) consumer_close(&clients[i]);
  check_nothing_left();
}

/* ---- Endings --------------------------------------------------------------------------------- */

static void check_ends(struct consumer *client, struct consumer *server, double mode, double data) {
  double peer = connect_pair_of(client, server), other = server->peer;
  unsigned closed = client->closed, remote = server->disconnects;
  CHECK_EQ_INT(enetjs_peer_disconnect(client->host, peer, data, mode), 0);
  UNTIL(client->closed > closed && server->disconnects > remote, poll_both(client, server));
  CHECK_EQ_INT(client->disconnects, client->closed);
  CHECK_EQ_INT(client->last.type, ENETJS_EVENT_DISCONNECT);
  CHECK_EQ_INT(client->last.extra, ENETJS_REASON_LOCAL);
  CHECK(client->last.peer == peer);
  CHECK_EQ_INT(server->last.type, ENETJS_EVENT_DISCONNECT);
  CHECK_EQ_INT(server->last.extra, ENETJS_REASON_REMOTE);
  CHECK(server->last.data == data && server->last.peer == other);
  CHECK_EQ_INT(server->last_completion.type, ENETJS_COMPLETION_CLOSED);
  CHECK(server->last_completion.data == data);
  check_stale(client, peer);
  check_stale(server, other);
}

TEST(disconnects_of_each_mode_say_why) {
  struct consumer server, client;
  server_open(&server);
  client_open(&client);
  for (int round = 0; round < 3; round++)
    for (double mode = 0; mode <= 2; mode++) {
      check_ends(&client, &server, mode, 0);
      check_ends(&client, &server, mode, 4294967295.0);
      check_ends(&client, &server, mode, 2147483648.0);
    }
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(disconnecting_twice_or_in_another_mode_ends_once) {
  struct consumer server, client;
  server_open(&server);
  client_open(&client);
  for (int modes = 0; modes < 9; modes++) {
    double peer = connect_pair_of(&client, &server), second;
    unsigned closed = client.closed;
    for (unsigned i = 0; i < 4000; i++) CHECK(send_text(&client, peer, 1, "x", 0) >= 0);
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 5, modes / 3), 0);
    second = enetjs_peer_disconnect(client.host, peer, 6, modes % 3);
    CHECK_EQ_INT(second, modes / 3 == ENETJS_DISCONNECT_NOW ? ENETJS_ERR_STALE : 0);
    if (second == 0 && modes % 3 != ENETJS_DISCONNECT_NOW)
      CHECK_EQ_INT(send_text(&client, peer, 1, "x", 0), ENETJS_ERR_NOT_CONNECTED);
    UNTIL(client.closed > closed && server.disconnects == server.connects, poll_both(&client, &server));
    CHECK_EQ_INT(client.closed, closed + 1);
  }
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/*
 * The client waits for an acknowledgement before it disconnects; that and the server's disconnect
 * arrive together. ENet then sends neither its own disconnect nor the acknowledgement of the other,
 * and the server would wait for a timeout, which is far away here.
 */
static void disconnect_both(double checksum) {
  struct consumer server, client;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  consumer_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_set(server.host, server.peer, ENETJS_PEER_TIMEOUT, 0, 600000, 600000), 0);
  poll_both(&client, &server); /* whatever is under way */
  CHECK(send_text(&client, peer, 1, "the last", 0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 1, ENETJS_DISCONNECT_LATER), 0);
  UNTIL(server.receives == 1, consumer_poll(&server));
  CHECK_EQ_INT(enetjs_peer_disconnect(server.host, server.peer, 2, ENETJS_DISCONNECT), 0);
  CHECK_EQ_INT(enetjs_host_flush(server.host), 0);
  UNTIL(client.closed == 1 && server.closed == 1, poll_both(&client, &server));
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_LOCAL);
  CHECK_EQ_INT(server.last_completion.extra, ENETJS_REASON_LOCAL);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(both_sides_may_disconnect_at_once) {
  for (int round = 0; round < 10; round++) {
    disconnect_both(0);
    disconnect_both(1);
  }
  check_nothing_left();
}

/* ENet drops what it has not given out when a DISCONNECT comes, also within one service. */
TEST(messages_before_a_disconnect_are_delivered) {
  enum { MESSAGES = 100, LENGTH = 64 };
  struct consumer server, client;
  uint8_t bytes[LENGTH] = {0};
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (unsigned i = 0; i < MESSAGES; i++)
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, bytes, LENGTH, 0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT_NOW), 0);
  UNTIL(server.disconnects > 0, consumer_poll(&server));
  CHECK_EQ_INT(server.receives, MESSAGES);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_reset_is_silent) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  consumer_poll(&client);
  CHECK_EQ_INT(client.last.type, ENETJS_EVENT_DISCONNECT);
  CHECK_EQ_INT(client.last.extra, ENETJS_REASON_RESET);
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_RESET);
  for (int i = 0; i < 20; i++) poll_both(&client, &server);
  CHECK_EQ_INT(server.disconnects, 0);
  /* The other side finds out by itself. */
  CHECK_EQ_INT(enetjs_peer_set(server.host, server.peer, ENETJS_PEER_TIMEOUT, 1, 50, 100), 0);
  CHECK_EQ_INT(send_text(&server, server.peer, 1, "anyone?", 9), 0);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_TIMEOUT);
  CHECK_EQ_INT(server.undelivered, 1);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(an_attempt_without_an_answer_times_out) {
  struct consumer client;
  uint16_t port;
  ENetSocket silent = socket_open(&port);
  double peer;
  client_open(&client);
  for (int round = 1; round <= 2; round++) {
    peer = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0);
    CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTING);
    CHECK_EQ_INT(send_text(&client, peer, 1, "x", 1), ENETJS_ERR_NOT_CONNECTED);
    CHECK_EQ_INT(enetjs_peer_ping(client.host, peer), ENETJS_ERR_NOT_CONNECTED);
    CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_THROTTLE, 1, 1, 1), ENETJS_ERR_NOT_CONNECTED);
    CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 1, 10, 20), 0);
    UNTIL(client.closed == (unsigned)round, consumer_poll(&client));
    CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_TIMEOUT);
    CHECK_EQ_INT(client.disconnects, 0);
    check_stale(&client, peer);
  }
  enet_socket_destroy(silent);
  consumer_close(&client);
}

TEST(an_attempt_can_be_given_up) {
  struct consumer client;
  uint16_t port;
  ENetSocket silent = socket_open(&port);
  client_open(&client);
  for (double mode = 0; mode <= 2; mode++) {
    double peer = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0);
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 3, mode), 0);
    consumer_poll(&client);
    CHECK_EQ_INT(client.closed, mode + 1);
    CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_LOCAL);
    CHECK_EQ_INT(client.disconnects, 0);
    check_stale(&client, peer);
  }
  enet_socket_destroy(silent);
  consumer_close(&client);
}

/* A DISCONNECT in answer to a CONNECT, as a server sends it that does not want the peer. */
static void refuse(ENetSocket s) {
  uint8_t refusal[] = {
      0, 0, ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED, 0xFF, 0, 0, 0xF0, 0,
      0, 1};
  uint8_t datagram[4096];
  uint16_t port;
  if (socket_receive(s, &port, datagram, sizeof(datagram)) <= 0) return;
  memcpy(refusal, datagram + sizeof(ENetProtocolHeader) + offsetof(ENetProtocolConnect, outgoingPeerID), 2);
  socket_send(s, port, refusal, sizeof(refusal));
}

TEST(a_refused_attempt_says_so) {
  struct consumer client;
  uint16_t port;
  ENetSocket rude = socket_open(&port);
  client_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port, 1, 0) > 0);
  UNTIL(client.closed == 1, (consumer_poll(&client), refuse(rude)));
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_REFUSED);
  CHECK_EQ_INT(client.last_completion.data, 0xF0000001u);
  CHECK_EQ_INT(client.connects + client.disconnects, 0);
  enet_socket_destroy(rude);
  consumer_close(&client);
}

TEST(peers_run_out_and_come_back) {
  struct consumer client;
  uint16_t port;
  ENetSocket silent = socket_open(&port);
  double peers[8];
  client_open(&client);
  for (int i = 0; i < 8; i++) CHECK((peers[i] = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0)) > 0);
  CHECK_EQ_INT(enetjs_host_connect(client.host, LOOPBACK, port, 1, 0), ENETJS_ERR_PEERS_EXHAUSTED);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peers[5]), 0);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port, 1, 0) == peers[5] + ENETJS_PEER_SLOTS);
  enet_socket_destroy(silent);
  consumer_close(&client);
}

/* The other side learns an id, from which it must not learn the next. */
TEST(connect_ids_do_not_follow_from_each_other) {
  enum { ATTEMPTS = 8 };
  struct consumer client;
  double ids[ATTEMPTS];
  client_open(&client);
  for (int i = 0; i < ATTEMPTS; i++) {
    double peer = enetjs_host_connect(client.host, LOOPBACK, 9, 1, 0);
    ids[i] = peer_statistic(&client, peer, ENETJS_PEER_STAT_CONNECT_ID);
    for (int k = 0; k < i; k++) CHECK(fabs(ids[i] - ids[k]) > ATTEMPTS);
  }
  consumer_close(&client);
}

/* Comes from the client's own address, as if a stranger had forged it, which has to guess the connect id. */
static void send_disconnect(const struct consumer *client, const struct consumer *server,
                            enet_uint32 connect_id) {
  const ENetPeer *peer = &host_of(client)->enet->peers[0];
  uint8_t bytes[14] = {0};
  ENetBuffer buffer;
  enet_uint32 sum;
  buffer.data = bytes;
  buffer.dataLength = sizeof(bytes);
  bytes[0] = (uint8_t)(peer->outgoingPeerID >> 8 | peer->outgoingSessionID << 4);
  bytes[1] = (uint8_t)peer->outgoingPeerID;
  memcpy(bytes + 2, &connect_id, sizeof(connect_id));
  bytes[6] = ENET_PROTOCOL_COMMAND_DISCONNECT | ENET_PROTOCOL_COMMAND_FLAG_UNSEQUENCED;
  bytes[7] = 0xFF;
  sum = enet_crc32(&buffer, 1);
  memcpy(bytes + 2, &sum, sizeof(sum));
  CHECK_EQ_INT(socket_send(host_of(client)->enet->socket, port_of(server), bytes, sizeof(bytes)),
               sizeof(bytes));
}

TEST(a_checksum_keeps_forged_disconnects_out) {
  struct consumer client, server;
  enet_uint32 id;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_CHECKSUM] = 1;
  consumer_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_CHECKSUM] = 1;
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  id = host_of(&client)->enet->peers[0].connectID;
  for (enet_uint32 bit = 0; bit < 32; bit++) send_disconnect(&client, &server, id ^ (enet_uint32)1 << bit);
  CHECK(enetjs_peer_send_buffer(client.host, peer, 0, 1, (const uint8_t *)"still here", 10, 0) >= 0);
  UNTIL(server.receives == 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.disconnects, 0);
  send_disconnect(&client, &server, id);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  consumer_close(&client);
  consumer_close(&server);
}

static bool memory_is_out;
static void *ENET_CALLBACK take_if_there(size_t size) {
  return memory_is_out ? NULL : enetjs_pool_malloc(size);
}
static void ENET_CALLBACK none_there(void) {}

TEST(out_of_memory_is_not_out_of_peers) {
  static const ENetCallbacks failing = {take_if_there, enetjs_pool_free, none_there},
                             usual = {enetjs_pool_malloc, enetjs_pool_free, none_there};
  struct consumer client;
  if (!enetjs_libenet_owned) return; /* ENet's memory is the system's */
  client_open(&client);
  CHECK_EQ_INT(enet_initialize_with_callbacks(ENET_VERSION, &failing), 0);
  memory_is_out = true;
  CHECK_EQ_INT(enetjs_host_connect(client.host, LOOPBACK, 9, 1, 0), ENETJS_ERR_MEMORY);
  memory_is_out = false;
  CHECK(enetjs_host_connect(client.host, LOOPBACK, 9, 1, 0) > 0);
  CHECK_EQ_INT(enet_initialize_with_callbacks(ENET_VERSION, &usual), 0);
  consumer_close(&client);
  check_nothing_left();
}

TEST(a_stale_handle_never_reaches_the_next_peer) {
  struct consumer server, client;
  double first, second;
  server_open(&server);
  client_open(&client);
  for (int round = 0; round < 20; round++) {
    first = connect_pair_of(&client, &server);
    CHECK_EQ_INT(enetjs_peer_reset(client.host, first), 0);
    CHECK_EQ_INT(enetjs_peer_reset(server.host, server.peer), 0);
    poll_both(&client, &server);
    second = connect_pair_of(&client, &server);
    CHECK(fmod(first, ENETJS_PEER_SLOTS) == fmod(second, ENETJS_PEER_SLOTS) && first != second);
    check_stale(&client, first);
    CHECK_EQ_INT(enetjs_peer_state(client.host, second), ENET_PEER_STATE_CONNECTED);
    CHECK_EQ_INT(enetjs_peer_reset(client.host, second), 0);
    CHECK_EQ_INT(enetjs_peer_reset(server.host, server.peer), 0);
  }
  consumer_close(&client);
  consumer_close(&server);
}

/*
 * A flush can end a connection, by the acknowledgement of a disconnect; its event must not wait for
 * something else to happen.
 */
TEST(an_end_that_a_flush_brought_is_due_at_once) {
  struct consumer server, client;
  struct enetjs_host *h;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 3, ENETJS_DISCONNECT), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  h = host_of(&server);
  enetjs_mutex_lock(&h->lock);
  /* Without an event to fill in, ENet leaves it in its queue. */
  UNTIL(h->enet->peers[0].state == ENET_PEER_STATE_ZOMBIE, enet_host_service(h->enet, NULL, 0));
  CHECK_EQ_INT(enetjs_next_wait(h), 0);
  enetjs_mutex_unlock(&h->lock);
  consumer_poll(&server);
  CHECK_EQ_INT(server.disconnects, 1);
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_REMOTE);
  consumer_close(&client);
  consumer_close(&server);
}

/* ---- Which addresses may reach the host ------------------------------------------------------ */

static void filter(struct consumer *c, const uint32_t *rules, size_t count) {
  CHECK_EQ_INT(enetjs_host_set_filter(c->host, (const uint8_t *)rules, (double)(count * 12)), 0);
}

/* @returns whether a datagram from 127.0.0.1 gets through */
static bool gets_through(struct consumer *server, ENetSocket s) {
  unsigned before = server->datagrams;
  double filtered = statistic(server, ENETJS_HOST_STAT_FILTERED);
  CHECK_EQ_INT(socket_send(s, port_of(server), "ping!", 5), 5);
  UNTIL(server->datagrams > before || statistic(server, ENETJS_HOST_STAT_FILTERED) > filtered,
        consumer_poll(server));
  return server->datagrams > before;
}

TEST(the_address_filter_knows_ranges) {
  static const struct {
    bool allows;
    unsigned count;
    uint32_t rules[12];
  } filters[] = {
      {true, 0, {0}},
      {false, 1, {0, UINT32_MAX, 0}},
      {false, 1, {LOOPBACK, LOOPBACK, 0}},
      {true, 1, {0, LOOPBACK - 1, 0}},
      {true, 1, {LOOPBACK + 1, UINT32_MAX, 0}},
      {true, 2, {0, LOOPBACK - 1, 0, LOOPBACK + 1, UINT32_MAX, 0}},
      {true, 1, {LOOPBACK, LOOPBACK, 1}},
      {false, 1, {0, LOOPBACK - 1, 1}},
      {true, 1, {LOOPBACK - 1, LOOPBACK + 1, 1}},
      {false, 2, {LOOPBACK, LOOPBACK, 1, LOOPBACK, LOOPBACK, 0}},
      {false, 4, {5, 10, 0, 1, LOOPBACK, 0, 7, 8, 0, 2, 3, 0}}, /* they overlap */
      {true, 3, {LOOPBACK + 5, LOOPBACK + 9, 1, 0, 10, 1, LOOPBACK - 3, LOOPBACK, 1}},
      {true, 0, {0}},
  };
  struct consumer server;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  consumer_start(&server);
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  CHECK(gets_through(&server, s));
  for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
    filter(&server, filters[i].rules, filters[i].count);
    CHECK_EQ_INT(gets_through(&server, s), filters[i].allows);
  }
  enet_socket_destroy(s);
  consumer_close(&server);
}

static void deny(struct consumer *c, double peer, double denied) {
  CHECK_EQ_INT(enetjs_peer_set(c->host, peer, ENETJS_PEER_DENIED, denied, 0, 0), 0);
}

TEST(a_denied_peer_is_not_heard) {
  struct consumer server, client, other;
  double to_server, denied, filtered;
  server_open(&server);
  client_open(&client);
  client_open(&other);
  to_server = connect_pair_of(&client, &server);
  denied = server.peer;
  deny(&server, denied, 1);
  filtered = statistic(&server, ENETJS_HOST_STAT_FILTERED);
  CHECK_EQ_INT(send_text(&client, to_server, 1, "denied", 1), 0);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_FILTERED) > filtered + 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.receives, 0);
  CHECK_EQ_INT(client.delivered, 0);
  CHECK_EQ_INT(send_text(&other, connect_pair_of(&other, &server), 1, "of another", 0), 0);
  UNTIL(server.receives == 1, poll_both(&other, &server));
  deny(&server, denied, 0);
  UNTIL(server.receives == 2 && client.delivered == 1, poll_both(&client, &server));

  /* It times out, and what comes after it is not denied. */
  deny(&server, denied, 1);
  CHECK_EQ_INT(enetjs_peer_set(server.host, denied, ENETJS_PEER_TIMEOUT, 1, 50, 100), 0);
  CHECK_EQ_INT(enetjs_peer_ping(server.host, denied), 0);
  UNTIL(server.disconnects == 1, consumer_poll(&server));
  CHECK_EQ_INT(server.last.extra, ENETJS_REASON_TIMEOUT);
  CHECK_EQ_INT(send_text(&client, connect_pair_of(&client, &server), 1, "again", 0), 0);
  UNTIL(server.receives == 3, poll_both(&client, &server));
  consumer_close(&other);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(an_attempt_to_a_denied_peer_times_out) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 1, 0);
  deny(&client, peer, 1);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 1, 50, 100), 0);
  UNTIL(client.closed == 1, poll_both(&client, &server));
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_TIMEOUT);
  CHECK(statistic(&client, ENETJS_HOST_STAT_FILTERED) > 0);
  CHECK_EQ_INT(client.connects, 0);
  consumer_close(&client);
  consumer_close(&server);
}

/* Against a plain list, at random. */
TEST(the_address_filter_agrees_with_a_list) {
  uint32_t rules[300];
  uint64_t random = 5;
  struct consumer server;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  consumer_start(&server);
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&server);
  for (int round = 0; round < 200; round++) {
    size_t count = test_random_below(&random, 20);
    bool allowed = false, denied = false, any_allow = false;
    for (size_t i = 0; i < count; i++) {
      uint32_t *rule = &rules[3 * i];
      rule[0] = LOOPBACK - test_random_below(&random, 40) + 20;
      rule[1] = rule[0] + test_random_below(&random, 6);
      rule[2] = test_random_below(&random, 8) > 0;
      any_allow |= rule[2] == 1;
      if (rule[0] <= LOOPBACK && LOOPBACK <= rule[1]) *(rule[2] ? &allowed : &denied) = true;
    }
    filter(&server, rules, count);
    CHECK_EQ_INT(gets_through(&server, s), !denied && (allowed || !any_allow));
  }
  enet_socket_destroy(s);
  consumer_close(&server);
}

TEST(a_filtered_client_cannot_connect) {
  static const uint32_t deny_it[3] = {LOOPBACK, LOOPBACK, 0};
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  filter(&server, deny_it, 1);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 1, 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 1, 10, 20), 0);
  UNTIL(client.closed == 1, poll_both(&client, &server));
  CHECK_EQ_INT(server.connects, 0);
  CHECK(statistic(&server, ENETJS_HOST_STAT_FILTERED) > 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_client_refuses_incoming_connections) {
  struct consumer client, server, other;
  double peer;
  server_open(&server);
  client_open(&client);
  client_open(&other);
  connect_pair_of(&client, &server);
  CHECK(port_of(&client) != 0);
  peer = enetjs_host_connect(other.host, LOOPBACK, port_of(&client), 1, 0);
  CHECK(peer > 0);
  CHECK_EQ_INT(enetjs_peer_set(other.host, peer, ENETJS_PEER_TIMEOUT, 1, 20, 40), 0);
  UNTIL(other.closed == 1, (poll_both(&client, &server), consumer_poll(&other)));
  CHECK_EQ_INT(client.connects, 1);
  CHECK_EQ_INT(other.connects, 0);
  CHECK_EQ_INT(enetjs_peer_state(client.host, client.peer), ENET_PEER_STATE_CONNECTED);
  consumer_close(&client);
  consumer_close(&server);
  consumer_close(&other);
}

/* ---- Datagrams that are not ENet's ----------------------------------------------------------- */

static void expect_datagram(struct consumer *c, const struct record *r) {
  struct expected *expected = c->context;
  if (r->type != ENETJS_EVENT_DATAGRAM) return;
  CHECK_EQ_INT(r->length, expected->length);
  CHECK_EQ_INT(r->extra, expected->flags); /* the port */
  CHECK_EQ_INT(r->address, LOOPBACK);
  CHECK(payload_is(r->payload, r->length, expected->seed));
}

static void check_datagrams(double compression, double checksum) {
  struct consumer server, client;
  struct expected expected = {0};
  uint8_t bytes[4096];
  uint16_t port;
  ENetSocket s = socket_open(&port);
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_COMPRESSION] = compression;
  server.config[ENETJS_CONFIG_CHECKSUM] = checksum;
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096; /* each has to wait for the one before */
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  client = server;
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  consumer_open(&server);
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(server.datagrams, 0);
  server.context = &expected;
  server.on_event = expect_datagram;
  expected.flags = port;
  for (uint32_t length = 1; length <= 4096; length += length < 64 ? 1 : 307) {
    unsigned before = server.datagrams;
    expected.length = length;
    expected.seed = length;
    payload_fill(bytes, length, length);
    CHECK_EQ_INT(socket_send(s, port_of(&server), bytes, length), length);
    UNTIL(server.datagrams > before, poll_both(&client, &server));
  }
  /* And back. */
  server.on_event = NULL;
  memcpy(server.block + server.words[ENETJS_WORD_SCRATCH_OFFSET], "pong", 4);
  CHECK_EQ_INT(
      enetjs_host_send_datagram(server.host, LOOPBACK, port, server.words[ENETJS_WORD_SCRATCH_OFFSET], 4), 4);
  UNTIL(socket_receive(s, NULL, bytes, sizeof(bytes)) == 4, test_yield());
  CHECK(memcmp(bytes, "pong", 4) == 0);
  /* ENet's own go on being ENet's. */
  exchange(&client, &server, peer);
  CHECK_EQ_INT(client.datagrams, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_DATAGRAMS), server.datagrams);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT), 0);
  UNTIL(client.closed == 1 && server.disconnects == 1, poll_both(&client, &server));
  enet_socket_destroy(s);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(raw_datagrams_arrive_beside_plain_enet) { check_datagrams(0, 0); }
TEST(raw_datagrams_arrive_beside_checksums) { check_datagrams(0, 1); }
TEST(raw_datagrams_arrive_beside_compression) { check_datagrams(1, 0); }
TEST(raw_datagrams_arrive_beside_both) { check_datagrams(1, 1); }

TEST(datagrams_that_nobody_takes_are_bounded) {
  struct consumer server;
  uint16_t port;
  uint8_t bytes[1000] = {1};
  ENetSocket s = socket_open(&port);
  double limit = 100000;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 4096;
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = limit;
  consumer_open(&server);
  for (int i = 0; i < 1000; i++) {
    socket_send(s, port_of(&server), bytes, sizeof(bytes));
    CHECK(enetjs_host_service(server.host, 0) >= 0);
  }
  CHECK(server.words[ENETJS_WORD_HELD] > 50);
  CHECK(host_of(&server)->held_datagram_bytes < limit + 2000);
  UNTIL(server.words[ENETJS_WORD_HELD] == 0, consumer_poll(&server));
  CHECK_EQ_INT(host_of(&server)->held_datagram_bytes, 0);
  consumer_close(&server);
  enet_socket_destroy(s);
  check_nothing_left();
}

/* ---- Trouble with the socket ----------------------------------------------------------------- */

TEST(oversized_datagrams_do_not_stop_the_host) {
  static uint8_t bytes[60000];
  struct consumer server, client;
  struct expected expected = {5, 1, ENET_PACKET_FLAG_RELIABLE};
  uint16_t port;
  ENetSocket s = socket_open(&port);
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < 200; i++) {
    socket_send(s, port_of(&server), bytes, 4097 + (size_t)i * 200);
    if (i % 10 == 0) consumer_poll(&server);
  }
  server.context = &expected;
  exchange(&client, &server, peer);
  /* From 1.3.18 on ENet passes over them by itself. */
  if (enet_linked_version() < ENET_VERSION_CREATE(1, 3, 18))
    CHECK(statistic(&server, ENETJS_HOST_STAT_SOCKET_ERRORS) > 0);
  CHECK_EQ_INT(server.failures, 0);
  enet_socket_destroy(s);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(unreachable_destinations_do_not_stop_the_host) {
  struct consumer server, client;
  double peer, lost;
  server_open(&server);
  /* Bound to the loopback interface, from where nothing else can be reached. */
  server_open(&client);
  lost = enetjs_host_connect(client.host, 0xC0000201u, 9, 1, 0); /* 192.0.2.1 */
  CHECK(lost > 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, lost, ENETJS_PEER_TIMEOUT, 1, 50, 100), 0);
  peer = connect_pair_of(&client, &server);
  exchange(&client, &server, peer);
  UNTIL(client.closed == 1, poll_both(&client, &server));
  CHECK(client.last_completion.peer == lost);
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_TIMEOUT);
  CHECK(statistic(&client, ENETJS_HOST_STAT_SOCKET_ERRORS) > 0);
  CHECK_EQ_INT(enetjs_host_send_datagram(client.host, 0xC0000201u, 9, 0, 4), 0);
  CHECK_EQ_INT(enetjs_host_send_datagram(client.host, LOOPBACK, port_of(&server), 0, 66000),
               ENETJS_ERR_TOO_LARGE);
  CHECK_EQ_INT(client.failures + server.failures, 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_lost_socket_is_a_failure_told_once) {
  struct consumer server, client;
  struct enetjs_host *h;
  enetjs_fd fd;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  h = host_of(&client);
  fd = h->enet->socket;
  h->enet->socket = 1 << 20; /* no such descriptor, and none that another host could get */
  enetjs_fd_close(fd);
  CHECK_EQ_INT(send_text(&client, peer, 1, "x", 4), 0);
  CHECK_EQ_INT(enetjs_host_service(client.host, 1000), ENETJS_ERR_SOCKET);
  CHECK_EQ_INT(enetjs_host_service(client.host, 1000), ENETJS_ERR_SOCKET);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK(enetjs_next_wait(h) == -1);
  while (completion_take(&client)) continue;
  CHECK_EQ_INT(client.failures, 1);
  CHECK(client.last_completion.type == ENETJS_COMPLETION_FAILED && client.last_completion.data != 0);
  CHECK_EQ_INT(enetjs_host_send_datagram(client.host, LOOPBACK, 9, 0, 4), ENETJS_ERR_SOCKET);
  CHECK_EQ_INT(enetjs_host_set(client.host, ENETJS_CONFIG_SEND_BUFFER, 1000, 0), ENETJS_ERR_SOCKET);
  CHECK_EQ_INT(enetjs_host_address(client.host), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* Nothing but rubbish arrives, and faster than it is read: a service must come back. */
TEST(a_service_ends_under_a_flood) {
  struct consumer server;
  uint16_t port, to;
  ENetSocket s = socket_open(&port);
  consumer_start(&server);
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_RECEIVE_BUFFER] = 4 << 20;
  consumer_open(&server);
  to = port_of(&server);
  for (int round = 0; round < 10; round++) {
    double before = statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS);
    for (int i = 0; i < 1000; i++) socket_send(s, to, "rubbish", 7);
    CHECK_EQ_INT(enetjs_host_service(server.host, 0), 0);
    CHECK(statistic(&server, ENETJS_HOST_STAT_RECEIVED_PACKETS) - before <= 512);
  }
  enet_socket_destroy(s);
  consumer_close(&server);
}

/* ---- What waits for a lost packet ------------------------------------------------------------ */

static void set_deaf(struct consumer *c, bool deaf) {
  const uint32_t all[3] = {0, UINT32_MAX, 0};
  CHECK_EQ_INT(enetjs_host_set_filter(c->host, (const uint8_t *)all, deaf ? sizeof(all) : 0), 0);
}

/* By ENet itself, which does not wait for its receiver. */
static void flood_past_the_queue(struct consumer *c, const uint8_t *bytes, size_t length) {
  struct enetjs_host *h = host_of(c);
  enetjs_mutex_lock(&h->lock);
  for (int i = 0; i < 100; i++)
    CHECK_EQ_INT(enet_peer_send(&h->enet->peers[0], 0, enet_packet_create(bytes, length, 0)), 0);
  enetjs_mutex_unlock(&h->lock);
}

/* The client only flushes, which sends nothing again; so the lost packet stays lost until it services. */
TEST(a_flood_behind_a_lost_packet_does_not_keep_it_out) {
  static uint8_t bytes[500];
  struct consumer server, client;
  size_t limit, sent = 0;
  unsigned received;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 1 << 20;
  consumer_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  /* On a busy machine the flood takes longer than ENet waits for an acknowledgement. */
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 0, 60000, 60000), 0);
  for (int i = 0; i < 20; i++) poll_both(&client, &server);
  limit = 4 << 20;
  set_deaf(&server, true);
  CHECK_EQ_INT(send_text(&client, peer, 1, "lost", 0), 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_FILTERED) > 0, consumer_poll(&server));
  set_deaf(&server, false);
  received = server.receives;
  while (sent < limit + limit / 4) {
    flood_past_the_queue(&client, bytes, sizeof(bytes));
    sent += 100 * sizeof(bytes);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
    consumer_poll(&server);
    consumer_poll(&server);
  }
  CHECK_EQ_INT(server.receives, received);
  CHECK_EQ_INT(send_text(&client, peer, 1, "last", 0), 0);
  UNTIL(
      server.last.length == 4 && server.last.type == ENETJS_EVENT_RECEIVE && server.receives >= received + 2,
      poll_both(&client, &server));
  consumer_close(&client);
  consumer_close(&server);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(nonsense_host_handles_are_closed_hosts),
      TEST_CASE(nonsense_peer_handles_are_stale),
      TEST_CASE(nonsense_numbers_are_refused),
      TEST_CASE(numbers_beyond_their_range_are_refused),
      TEST_CASE(live_options_are_taken),
      TEST_CASE(impossible_configurations_are_refused),
      TEST_CASE(shared_memory_must_fit),
      TEST_CASE(addresses_that_cannot_be_bound_are_told_apart),
      TEST_CASE(many_hosts_open_and_close_in_any_order),
      TEST_CASE(layout_version_and_texts),
      TEST_CASE(messages_of_every_kind_and_size_arrive),
      TEST_CASE(empty_messages_survive_compression),
      TEST_CASE(tokens_come_back_once_when_delivered),
      TEST_CASE(tokens_come_back_once_after_a_disconnect),
      TEST_CASE(tokens_come_back_once_after_a_disconnect_now),
      TEST_CASE(tokens_come_back_once_after_a_disconnect_later),
      TEST_CASE(tokens_come_back_once_after_a_reset),
      TEST_CASE(tokens_come_back_once_after_a_remote_disconnect),
      TEST_CASE(closing_drops_what_is_queued_and_in_flight),
      TEST_CASE(what_a_shutdown_leaves_undelivered_is_counted),
      TEST_CASE(a_message_above_the_maximum_is_told_once),
      TEST_CASE(unreliable_tokens_come_back_once_sent),
      TEST_CASE(completions_that_wait_are_announced),
      TEST_CASE(high_water_is_reported_and_drained_once),
      TEST_CASE(a_long_queue_keeps_its_order_and_enets_short),
      TEST_CASE(a_long_unreliable_queue_leaves_with_one_flush),
      TEST_CASE(broadcasts_share_what_is_large),
      TEST_CASE(disconnects_of_each_mode_say_why),
      TEST_CASE(disconnecting_twice_or_in_another_mode_ends_once),
      TEST_CASE(both_sides_may_disconnect_at_once),
      TEST_CASE(messages_before_a_disconnect_are_delivered),
      TEST_CASE(a_reset_is_silent),
      TEST_CASE(an_attempt_without_an_answer_times_out),
      TEST_CASE(an_attempt_can_be_given_up),
      TEST_CASE(a_refused_attempt_says_so),
      TEST_CASE(peers_run_out_and_come_back),
      TEST_CASE(connect_ids_do_not_follow_from_each_other),
      TEST_CASE(a_checksum_keeps_forged_disconnects_out),
      TEST_CASE(out_of_memory_is_not_out_of_peers),
      TEST_CASE(a_stale_handle_never_reaches_the_next_peer),
      TEST_CASE(an_end_that_a_flush_brought_is_due_at_once),
      TEST_CASE(the_address_filter_knows_ranges),
      TEST_CASE(the_address_filter_agrees_with_a_list),
      TEST_CASE(a_denied_peer_is_not_heard),
      TEST_CASE(an_attempt_to_a_denied_peer_times_out),
      TEST_CASE(a_filtered_client_cannot_connect),
      TEST_CASE(a_client_refuses_incoming_connections),
      TEST_CASE(raw_datagrams_arrive_beside_plain_enet),
      TEST_CASE(raw_datagrams_arrive_beside_checksums),
      TEST_CASE(raw_datagrams_arrive_beside_compression),
      TEST_CASE(raw_datagrams_arrive_beside_both),
      TEST_CASE(datagrams_that_nobody_takes_are_bounded),
      TEST_CASE(oversized_datagrams_do_not_stop_the_host),
      TEST_CASE(unreachable_destinations_do_not_stop_the_host),
      TEST_CASE(a_lost_socket_is_a_failure_told_once),
      TEST_CASE(a_service_ends_under_a_flood),
      TEST_CASE(a_flood_behind_a_lost_packet_does_not_keep_it_out),
  };
  return test_run(cases, TEST_COUNT(cases));
}
