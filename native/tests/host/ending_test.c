/*
 * Ends of connections and hosts for which much waits. A call frees little of it itself. The background is
 * kept busy while the call runs, so that what is freed then has been freed by the call.
 */
#include "../consumer.h"

#include "base/background.h"

enum { QUEUED = 40000, AWAITED_EVERY = 1000, CHANNELS = 2, CROWD = 8, NOT_TAKEN = 10000 };

/* What a call frees: what is discarded at once, and what ENet has of a peer, a command and a message each. */
#define FREED_AT_ONCE (ENETJS_DISCARD_AT_ONCE + 2 * ENETJS_INSIDE_MESSAGES + 1000)

struct pause {
  struct enetjs_job job;
  atomic_bool over;
};

static void wait_until_over(struct enetjs_job *job) {
  while (!atomic_load(&((struct pause *)job)->over)) test_yield();
}

static struct pause background = {.job = {.run = wait_until_over}};

static void background_pause(void) {
  atomic_store(&background.over, false);
  enetjs_background_run(&background.job);
}

static void background_go_on(void) { atomic_store(&background.over, true); }

static double blocks(void) { return diagnostic(ENETJS_DIAGNOSTIC_ALLOCATIONS); }

static void queue(struct consumer *c, double peer, unsigned count) {
  static const uint8_t bytes[64];
  for (unsigned i = 0; i < count; i++)
    CHECK(enetjs_peer_send_buffer(c->host, peer, i % CHANNELS, ENET_PACKET_FLAG_RELIABLE, bytes,
                                  sizeof(bytes), i % AWAITED_EVERY == 0 ? i + 1 : 0) >= 0);
}

enum ending { RESET = ENETJS_DISCONNECT_ABANDON + 1 };

static void check_end(int mode) {
  static struct consumer server, client;
  double peer, before, after;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  queue(&client, peer, QUEUED);
  CHECK(host_of(&client)->slots[0].lanes.first != NULL);
  background_pause();
  before = blocks();
  CHECK_EQ_INT(mode == RESET ? enetjs_peer_reset(client.host, peer)
                             : enetjs_peer_disconnect(client.host, peer, 0, mode),
               0);
  after = blocks();
  printf("# %.0f of %.0f blocks were freed\n", before - after, before);
  CHECK(before - after <= FREED_AT_ONCE);
  CHECK(host_of(&client)->slots[0].queued_messages <= ENETJS_INSIDE_MESSAGES);
  UNTIL(client.closed == 1, poll_both(&client, &server));
  CHECK_EQ_INT(client.undelivered + client.delivered, QUEUED / AWAITED_EVERY);
  CHECK(client.undelivered > 0);
  CHECK_EQ_INT(host_of(&client)->queued_messages, 0);
  background_go_on();
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_disconnect_frees_little_of_a_long_queue) { check_end(ENETJS_DISCONNECT); }
TEST(a_disconnect_now_frees_little_of_a_long_queue) { check_end(ENETJS_DISCONNECT_NOW); }
TEST(a_reset_frees_little_of_a_long_queue) { check_end(RESET); }

static double undelivered(const struct consumer *c) {
  double value;
  memcpy(
      &value,
      c->block + c->words[ENETJS_WORD_STATS_OFFSET] + ENETJS_HOST_STAT_UNDELIVERED_MESSAGES * sizeof(value),
      sizeof(value));
  return value;
}

/* The host is gone for everybody but the background: its handle, its port, its place in the counters. */
static void check_close(bool pump) {
  static struct consumer server, clients[CROWD], next;
  double before, after;
  uint16_t port;
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PUMP] = pump;
  consumer_open(&server);
  if (pump) consumer_start_pump(&server);
  for (unsigned i = 0; i < CROWD; i++) {
    client_open(&clients[i]);
    connect_pair_of(&clients[i], &server);
    queue(&server, server.peer, QUEUED / CROWD);
  }
  port = port_of(&server);
  CHECK_EQ_INT(enetjs_host_shutdown(server.host, 0), 1);
  background_pause();
  before = blocks();
  CHECK_EQ_INT(enetjs_host_close(server.host), 0);
  after = blocks();
  printf("# %.0f of %.0f blocks were freed\n", before - after, before);
  CHECK(before - after <= ENETJS_DISCARD_AT_ONCE);
  CHECK_EQ_INT(undelivered(&server), QUEUED);
  consumer_free(&server);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_HOSTS), CROWD);
  consumer_start(&next);
  next.config[ENETJS_CONFIG_PORT] = port;
  consumer_open(&next);
  consumer_close(&next);
  for (unsigned i = 0; i < CROWD; i++) {
    UNTIL(clients[i].disconnects == 1, consumer_poll(&clients[i]));
    consumer_close(&clients[i]);
  }
  background_go_on();
  check_nothing_left();
}

TEST(a_close_frees_little_of_long_queues) { check_close(false); }
TEST(a_close_frees_little_of_long_queues_with_a_pump) { check_close(true); }

/* Messages that the program has not taken. */
TEST(a_close_frees_little_of_what_was_not_taken) {
  static struct consumer server, client;
  double peer, before, after;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_set(server.host, server.peer, ENETJS_PEER_PAUSED, 1, 0, 0), 0);
  queue(&client, peer, NOT_TAKEN);
  UNTIL(host_of(&server)->slots[0].held.count == NOT_TAKEN, poll_both(&client, &server));
  background_pause();
  before = blocks();
  CHECK_EQ_INT(enetjs_host_close(server.host), 0);
  after = blocks();
  printf("# %.0f of %.0f blocks were freed\n", before - after, before);
  CHECK(before - after <= ENETJS_DISCARD_AT_ONCE);
  consumer_free(&server);
  background_go_on();
  consumer_close(&client);
  check_nothing_left();
}

/* A program that ends many short queues in one turn. */
TEST(what_calls_free_between_two_services_is_bounded_together) {
  static struct consumer server, clients[CROWD];
  double peers[CROWD];
  size_t waiting = 0;
  server_open(&server);
  for (unsigned i = 0; i < CROWD; i++) {
    client_open(&clients[i]);
    connect_pair_of(&clients[i], &server);
    peers[i] = server.peer;
    queue(&server, peers[i], QUEUED / CROWD);
  }
  for (unsigned i = 0; i < CROWD; i++) {
    const struct enetjs_slot *slot = &host_of(&server)->slots[i];
    CHECK(slot->queued_messages < ENETJS_DISCARD_AT_ONCE);
    waiting += slot->queued_messages - slot->inside_messages;
  }
  CHECK(waiting > ENETJS_DISCARD_AT_ONCE);
  background_pause();
  for (unsigned i = 0; i < CROWD; i++)
    CHECK_EQ_INT(enetjs_peer_disconnect(server.host, peers[i], 0, ENETJS_DISCONNECT), 0);
  CHECK(blocks() >= (double)(waiting - ENETJS_DISCARD_AT_ONCE));
  background_go_on();
  consumer_close(&server);
  for (unsigned i = 0; i < CROWD; i++) consumer_close(&clients[i]);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_disconnect_frees_little_of_a_long_queue),
      TEST_CASE(a_disconnect_now_frees_little_of_a_long_queue),
      TEST_CASE(a_reset_frees_little_of_a_long_queue),
      TEST_CASE(a_close_frees_little_of_long_queues),
      TEST_CASE(a_close_frees_little_of_long_queues_with_a_pump),
      TEST_CASE(a_close_frees_little_of_what_was_not_taken),
      TEST_CASE(what_calls_free_between_two_services_is_bounded_together),
  };
  return test_run(cases, TEST_COUNT(cases));
}
