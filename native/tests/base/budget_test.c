/* Accounts of the pool: what a freed block gives back, and a host whose allocations fail. */
#include "base/pool.h"
#include "../consumer.h"
#include "../resident.h"


/* ---- Giving back ----------------------------------------------------------------------------- */

#ifdef ENETJS_HAS_RESIDENT
static void flood(struct consumer *server, struct consumer *client, double peer, uint32_t size,
                  unsigned count) {
  static uint8_t bytes[20000];
  for (unsigned i = 0; i < count; i++)
    CHECK(enetjs_peer_send_buffer(client->host, peer, 0, 1, bytes, size, 0) >= 0);
  (void)server;
}

static void take_packet(struct consumer *c, const struct record *r) {
  (void)c;
  if (r->type == ENETJS_EVENT_PACKET) CHECK_EQ_INT(enetjs_packet_release(packet_of(r)), 0);
}

static void check_gives_back(bool pump, uint32_t size, unsigned count) {
  struct consumer server, client;
  size_t before, most;
  double peer;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PUMP] = pump;
  server.config[ENETJS_CONFIG_MAXIMUM_WAITING_DATA] = 256 << 20;
  server.config[ENETJS_CONFIG_EVENT_CAPACITY] = 16;
  server.config[ENETJS_CONFIG_ARENA_BYTES] = 65536;
  server.on_event = take_packet;
  consumer_open(&server);
  if (pump) consumer_start_pump(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int i = 0; i < 100; i++) poll_both(&client, &server);
  before = resident();
  flood(&server, &client, peer, size, count);
  UNTIL(server.words[ENETJS_WORD_HELD] >= count - 16,
        (consumer_poll(&client), enetjs_host_service(server.host, 0)));
  most = resident();
  UNTIL(server.receives + server.packets == count, poll_both(&client, &server));
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT), 0);
  UNTIL(client.closed == 1, poll_both(&client, &server));
  CHECK(most > before + (40 << 20));
  if (pump) {
    consumer_close(&client);
    UNTIL(resident() < before + (16 << 20), test_yield());
  } else {
    UNTIL(resident() < before + (16 << 20), poll_both(&client, &server));
    consumer_close(&client);
  }
  printf("# %u bytes each: %zu KiB before, %zu at most, %zu after\n", size, before >> 10, most >> 10,
         resident() >> 10);
  consumer_close(&server);
  check_nothing_left();
}

TEST(memory_goes_back_without_a_pump) {
  check_gives_back(false, 0, 400000);
  check_gives_back(false, 64, 300000);
  check_gives_back(false, 20000, 4000);
}

TEST(memory_goes_back_with_a_pump) { check_gives_back(true, 64, 300000); }
#endif

/* ---- Accounts -------------------------------------------------------------------------------- */

TEST(accounts_count_what_is_allocated_for_them) {
  static const size_t sizes[] = {0, 1, 100, 8192, 8193, 200000};
  struct enetjs_account *host = enetjs_account_open(NULL), *account = enetjs_account_open(host), *again;
  void *blocks[TEST_COUNT(sizes)];
  int64_t debt = 0;
  size_t bytes = 0;
  enetjs_pool_charge(account);
  for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
    blocks[i] = enetjs_pool_malloc(sizes[i]);
    bytes += enetjs_pool_cost(sizes[i]);
    CHECK(enetjs_pool_cost(sizes[i]) >= sizes[i] + 16);
    enetjs_pool_charge(account); /* adds what has been charged */
    CHECK_EQ_INT(account->bytes, bytes);
    CHECK_EQ_INT(host->bytes, bytes);
  }
  enetjs_pool_charge(NULL);
  enetjs_pool_move(blocks[5], NULL);
  bytes -= enetjs_pool_cost(sizes[5]);
  CHECK_EQ_INT(account->bytes, bytes);
  enetjs_account_close(account, &debt);
  CHECK_EQ_INT(debt, bytes);
  for (size_t i = 0; i < TEST_COUNT(sizes); i++) enetjs_pool_free(blocks[i]);
  CHECK_EQ_INT(debt, 0);
  CHECK_EQ_INT(host->bytes, 0);
  again = enetjs_account_open(host); /* the one that is empty is used again */
  CHECK(again == account);
  enetjs_account_close(again, NULL);
  enetjs_account_close(host, NULL);
}

/* ---- Out of memory --------------------------------------------------------------------------- */

#ifdef ENETJS_SYSTEM_MALLOC
/* @returns whether no peer of the host is left in a state that it waits in */
static bool is_at_rest(struct consumer *c) {
  struct enetjs_host *h = host_of(c);
  for (size_t i = 0; i < h->enet->peerCount; i++)
    if (h->enet->peers[i].state != ENET_PEER_STATE_DISCONNECTED) return false;
  return true;
}

static void move_on(struct consumer *client, struct consumer *server) {
  enet_time_set(enet_time_get() + 20);
  poll_both(client, server);
}

/* A whole life, in which the n-th allocation fails. @returns whether one has */
static bool live_without(int64_t n) {
  static uint8_t bytes[5000];
  struct consumer server, client;
  double peer;
  bool has_failed;
  server_open(&server);
  client_open(&client);
  atomic_store(&enetjs_pool_test_countdown, n);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 0);
  if (peer < 0) {
    CHECK_EQ_INT(peer, ENETJS_ERR_MEMORY);
  } else {
    UNTIL(client.connected + client.closed > 0, move_on(&client, &server));
    for (uint32_t i = 0; i < 6 && client.closed == 0; i++)
      enetjs_peer_send_buffer(client.host, peer, 0, i % 2, bytes, i < 3 ? 10 : 5000, 1 + i);
    for (int i = 0; i < 20; i++) move_on(&client, &server);
    if (client.closed == 0)
      CHECK(enetjs_peer_disconnect(client.host, peer, 0, (double)(n % 3)) >= ENETJS_ERR_STALE);
  }
  UNTIL(is_at_rest(&client) && is_at_rest(&server), move_on(&client, &server));
  has_failed = atomic_load(&enetjs_pool_test_countdown) <= 0;
  atomic_store(&enetjs_pool_test_countdown, INT64_MAX);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
  return has_failed;
}

TEST(any_allocation_may_fail) {
  int64_t n = 1;
  while (live_without(n)) n++;
  printf("# %lld allocations\n", (long long)n - 1);
  CHECK(n > 50);
}
#endif

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(accounts_count_what_is_allocated_for_them),
#if defined(__linux__) && !defined(ENETJS_SYSTEM_MALLOC)
      TEST_CASE(memory_goes_back_without_a_pump),
      TEST_CASE(memory_goes_back_with_a_pump),
#endif
#ifdef ENETJS_SYSTEM_MALLOC
      TEST_CASE(any_allocation_may_fail),
#endif
  };
  return test_run(cases, TEST_COUNT(cases));
}
